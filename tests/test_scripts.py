"""The programs of a checkout that draw and measure: what they write, and the numbers in it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import ROOT, TinyModel
from numpy.typing import NDArray
from PIL import Image

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.mfcc import Mfcc
from asr.bundle import WEIGHTS, read_bundle
from asr.errors import BundleError
from asr.model.saved import load_model
from asr.model.seq2seq import Encoded, Seq2Seq
from asr.model.torch_stepper import TorchStepper
from asr.runtime.graphs import Graphs
from asr.runtime.transcriber import Transcriber
from asr.text.tokenizer import BOS
from asr.training.attention import cross_attention


def script(name: str) -> Any:
    """A fixture that is a script as a module, without what it does to this process."""

    @pytest.fixture(scope="module")
    def module() -> Iterator[ModuleType]:
        with pytest.MonkeyPatch.context() as patch:
            for folder in ("scripts", "scripts/bench"):
                patch.syspath_prepend(str(ROOT / folder))
            for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
                patch.setenv(variable, "1")
            yield import_module(name)

    return module


def test_each_benchmark_has_a_row_in_their_readme() -> None:
    folder = ROOT / "scripts" / "bench"
    told = re.findall(r"^\| `(bench_\w+\.py)", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(path.name for path in folder.glob("bench_*.py"))
    assert not list(folder.parent.glob("bench_*.py"))


draw = script("draw")
bench = script("bench_transcribe")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, words: list[NDArray[np.float32]]) -> Path:
    """A name with signs that a formula would begin with."""
    path = tmp_path_factory.mktemp("recordings") / "a $x^ b_$.wav"
    soundfile.write(path, np.resize(words[2], round(1.5 * SAMPLE_RATE)), SAMPLE_RATE, subtype="FLOAT")
    return path


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(4).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def description(path: Path) -> str:
    """What a picture says of itself; checks that it is as wide as promised and drawn all over."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
        said = picture.info["Description"]
    assert pixels.shape[1] == 1000
    assert (np.ptp(pixels, axis=0) > 0).sum() > 900  # columns that are not of one colour
    return str(said)


def encode(tiny: TinyModel, model: Seq2Seq, wave: NDArray[np.float32]) -> Encoded:
    with torch.inference_mode():
        features, _ = Mfcc(tiny.features)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        return model.encode(features)


# The model of a bundle


def test_a_bundle_gives_back_the_model_of_its_graphs(tiny: TinyModel) -> None:
    bundle = read_bundle(tiny.bundle)
    model, graphs = load_model(bundle), Graphs(bundle)
    assert not model.training
    for name, weight in tiny.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    heard, encoded = graphs.encode(noise(1.0)), encode(tiny, model, noise(1.0))
    np.testing.assert_allclose(encoded.ctc_log_probs[0].numpy(), heard.ctc_log_probs, atol=2e-4, rtol=0)
    ours, theirs = TorchStepper(model, encoded.memory), graphs.stepper(heard)
    first = np.array([BOS]), np.array([0])
    expected, _ = theirs.step(theirs.start(), *first)
    np.testing.assert_allclose(ours.step(ours.start(), *first)[0], expected, atol=2e-4, rtol=0)


def test_weights_that_do_not_fit_are_refused(tiny: TinyModel, tmp_path: Path) -> None:
    bundle = read_bundle(tiny.bundle)
    for broken in (
        replace(bundle, model={**bundle.model, "d_model": 64}),
        replace(bundle, model={**bundle.model, "encoder_layers": 3}),
        replace(bundle, folder=tmp_path),
    ):
        with pytest.raises(BundleError, match=f"{WEIGHTS}: .* fit the bundle .*export the model again$"):
            load_model(broken)


# Pictures


def test_the_attention_drawn_is_the_one_used(tiny: TinyModel) -> None:
    """It mixes the memory's values into what the layer goes on with."""
    encoded = encode(tiny, tiny.model, noise(1.0))
    cross = tiny.model.decoder.layers[-1].cross
    mixed: list[torch.Tensor] = []
    hook = cross.output.register_forward_pre_hook(lambda _module, inputs: mixed.append(inputs[0]))
    with torch.inference_mode():
        weights = cross_attention(tiny.model, encoded, torch.tensor([[BOS, 7, 5, 9]]))
        values = cross.keys_values(encoded.memory)[1][0]
    hook.remove()
    assert weights.shape == (2, 4, encoded.memory.shape[1])
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4))
    torch.testing.assert_close((weights @ values).transpose(0, 1).flatten(1), mixed[0][0], atol=1e-5, rtol=0)
    assert not cross.query._forward_hooks


def test_the_picture_of_a_recording(tiny: TinyModel, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    done = run_script("draw.py", "recording", recording, out, "--bundle", tiny.bundle)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    said = Transcriber.from_bundle(tiny.bundle).transcribe(load_audio(recording)).text
    assert said
    assert description(out) == said


def test_the_curves_of_a_training(draw: ModuleType, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    done = run_script("draw.py", "training", run, out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert description(out) == "training run"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training that was interrupted after update 30 and resumed from update 20; version 10 is younger than 9."""
    for version, rows in {
        9: ["9,2.5,,1e-4,", "19,2.0,0.9,2e-4,0", "29,1.9,0.8,3e-4,"],
        10: ["19,,0.7,,0", "29,1.5,,3e-4,"],
    }.items():
        folder = tmp_path / "run" / "csv" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("\n".join(["step,train/ctc,dev/wer,lr-AdamW/pg1,epoch", *rows]) + "\n")
    return tmp_path / "run"


def test_a_resumed_training_is_one(draw: ModuleType, run: Path) -> None:
    assert draw.read_metrics(run) == {
        "train/ctc": {9: 2.5, 29: 1.5},
        "dev/wer": {19: 0.7},
        "lr-AdamW/pg1": {9: 1e-4, 29: 3e-4},
    }


@pytest.mark.parametrize("kept", [0, 1])
def test_a_training_of_few_numbers_can_be_drawn(draw: ModuleType, kept: int) -> None:
    axes = draw.draw_training({"dev/wer": {19: 1.7}} if kept else {"train/ctc": {9: 2.5}}).axes
    assert [len(axis.lines) for axis in axes] == ([0, 1, 0] if kept else [1, 0, 0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recording", "long.wav", "out.png"], "s of speech, wanted some and at most 20 s"),
        (["recording", "still.wav", "out.png"], "still.wav: found 0.0 s of speech, wanted some"),
        (["recording", "short.wav", "out.pdf"], "out.pdf: found a name that does not end in .png"),
        (["recording", "short.wav", "missing/out.png"], "No such file or directory: 'missing/out.png'"),
        (["training", "missing", "out.png"], "missing: found no csv/version_*/metrics.csv with numbers"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(
    tiny: TinyModel,
    draw: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[NDArray[np.float32]],
    arguments: list[str],
    said: str,
) -> None:
    soundfile.write(tmp_path / "long.wav", np.resize(words[2], 25 * SAMPLE_RATE), SAMPLE_RATE)
    soundfile.write(tmp_path / "short.wav", words[2], SAMPLE_RATE)
    soundfile.write(tmp_path / "still.wav", noise(0.1), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    more = ["--bundle", str(tiny.bundle)] if arguments[0] == "recording" else []
    monkeypatch.setattr(sys, "argv", ["draw.py", *arguments, *more])
    assert draw.main() == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


# Speed


def test_the_speed_of_each_part_beside_its_limit(tiny: TinyModel, recording: Path) -> None:
    done = run_script("bench/bench_transcribe.py", recording, "--bundle", tiny.bundle, "--runs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 recordings, 1.5 s; 2 runs" in done.stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    table = {name: numbers for name, *numbers in rows[2:]}
    ways = [f"{part}, {way}" for part in ("search", "all", "torch: all but loading") for way in ("greedy", "beam of 4")]
    assert {
        "load the model, once for all",
        "load the recordings",
        "encoder graph, features included",
        *ways,
    } <= table.keys()
    for name, (least, median, limit, over) in table.items():
        assert 0 < float(least) <= float(median), name
        if name in ways:
            assert float(median) / float(limit) == pytest.approx(float(over), rel=0.5), name
            assert float(over) > 1, name


def test_the_speed_of_batches_beside_the_model(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    model = "{d_model: 16, heads: 2, feedforward: 16, encoder_layers: 4, decoder_layers: 1}"
    config.write_text(f"model: {{model: {model}}}\ndata: {{batches: {{seconds: 3}}}}\n", encoding="utf-8")
    done = run_script(
        "bench/bench_data.py", "--config", config, "--batches", "4", "--rounds", "1", "--workers", "0", "1"
    )
    assert (done.returncode, done.stderr) == (0, "")
    pace = float(done.stdout.partition("The model learns ")[2].partition(" ")[0])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    assert rows[0][:3] == ["change", "0 workers", "1 workers"]
    table = {name: numbers for name, *numbers in rows[2:]}
    assert {"none", "speed", "reverberation", "all of these", "tempo"} <= table.keys()
    for name, cells in table.items():
        for cell in cells:
            speed, _, ratio = cell.rstrip(")").partition(" (")
            assert 0 < float(speed) / pace == pytest.approx(float(ratio), rel=0.2, abs=0.1), name


def test_the_speed_of_a_training_step_against_the_processor(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    model = "{d_model: 16, heads: 2, feedforward: 16, encoder_layers: 4, decoder_layers: 1, stack: 6}"
    config.write_text(f"model: {{model: {model}, features: {{speech_range_db: 15}}}}\n", encoding="utf-8")
    options = ["--seconds", "4", "--rows", "1", "2", "--rounds", "2", "--set", "stack=1,dropout=0.1"]
    done = run_script("bench/bench_training.py", "--config", config, *options)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    assert [row[0] for row in rows[2:]] == ["the config's"] * 2 + ["stack=1,dropout=0.1"] * 2
    for _, _, _, reached, limit, share in rows[2:]:
        assert 0 < float(reached) < float(limit)
        assert float(share.rstrip("%")) / 100 == pytest.approx(float(reached) / float(limit), abs=0.02)
    assert float(rows[2][4]) > 2 * float(rows[4][4]), "a sixth of the steps are fewer products"


def test_every_product_of_the_model_is_counted(tiny: TinyModel, bench: ModuleType) -> None:
    s, vocabulary, width = tiny.model.settings, tiny.tokenizer.vocabulary, tiny.features.dimension
    d, steps = s.d_model, 25
    layer = steps * (4 * d * d + 2 * d * s.feedforward) + 2 * steps * steps * d
    ends = steps * d * (width * s.stack + vocabulary)
    features = torch.zeros(1, steps * s.stack, width)
    encoding = s.encoder_layers * layer + ends
    assert bench.products_in(lambda: tiny.model.encode(features)) == encoding

    tokens = torch.full((1, 6), BOS)
    layer = 6 * (6 * d * d + 2 * d * s.feedforward) + steps * 2 * d * d + 2 * d * 6 * (6 + steps)
    decoding = s.decoder_layers * layer + 6 * d * vocabulary
    assert bench.products_in(lambda: tiny.model.decode(tiny.model.encode(features), tokens)) == encoding + decoding
