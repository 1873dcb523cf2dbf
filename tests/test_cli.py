"""The commands as a person runs them: what they print, what they say of bad input, and how they end."""

import gzip
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from conftest import ROOT

from asr.apps.cli import app, run, transcribe_app
from asr.audio import microphone
from asr.audio.load import load_audio
from asr.audio.speech import excerpt, find_speech
from asr.bundle import DecodingSettings, read_bundle
from asr.data.manifests.manifest import read_manifest
from asr.extras import EXTRAS
from asr.failures import describe
from asr.files import write_whole
from asr.printable import printable
from asr.text.tokenizer import Tokenizer

needs_voices = pytest.mark.skipif(
    shutil.which("espeak-ng") is None or shutil.which("flite") is None,
    reason="wants the Debian packages espeak-ng and flite",
)
ASR = [sys.executable, "-m", "asr"]
BROUGHT = {"starlette", "h11"}  # by packages of an extra, and imported beside them


class Ended:
    """How a command ended, and what it printed."""

    def __init__(self, status: int, out: str, error: str) -> None:
        self.status, self.out, self.error = status, out, error
        self.lines, self.complaints = out.splitlines(), error.splitlines()


Asr = Callable[..., Ended]


@pytest.fixture
def asr(capsys: pytest.CaptureFixture[str]) -> Asr:
    """Runs `asr` with arguments in this process."""

    def ended(*arguments: str | Path, application=app, name: str = "asr") -> Ended:
        capsys.readouterr()
        status = run(application, [str(argument) for argument in arguments], name)
        return Ended(status, *capsys.readouterr())

    return ended


def shell(*arguments: str | Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    command = [*ASR, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120, **more)  # type: ignore[call-overload]


def spoken(seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    """The beginning of a word, over and over."""
    wave = load_audio(ROOT / "tests" / "data" / "english_ccc" / "T_26599.opus")
    start, end = find_speech(wave) or (0, 0)
    return np.resize(soxr.resample(excerpt(wave, start, end), 16_000, rate), round(seconds * rate))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings, one of them below."""
    made = tmp_path / "recordings"
    (made / "below").mkdir(parents=True)
    soundfile.write(made / "a.wav", spoken(), 16_000)
    soundfile.write(made / "b.flac", spoken(0.8, 44_100), 44_100)
    soundfile.write(made / "below" / "c.ogg", spoken(0.6), 16_000)
    (made / "notes.txt").write_text("not a recording")
    return made


# asr itself


def test_commands_of_the_package_exist() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        commands = tomllib.load(file)["project"]["scripts"]
    assert set(commands) == {"asr", "transcribe"}
    for place in commands.values():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(module), function))


def test_extras_are_those_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    for extra, packages in EXTRAS.items():
        wanted = [re.match(r"[a-z0-9_-]+", line)[0].replace("-", "_") for line in extras[extra]]
        listed = [name for name in packages.split() if name not in BROUGHT]
        # Some are imported by the first word of the name that they are installed by.
        assert all(each == name or each.startswith(f"{name}_") for name, each in zip(listed, wanted, strict=True))


def test_help_names_every_command_and_loads_little() -> None:
    probe = "import sys; from asr.apps.cli import app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert not {"numpy", "torch", "onnxruntime", "soundfile", "asr.runtime.transcriber"} & set(loaded.split())
    done = shell("--help")
    assert done.returncode == 0
    commands = ("transcribe", "demo", "evaluate", "prepare", "tokenizer", "sentences", "synthesize", "train", "export")
    for command in (*commands, "mic", "voices", "explain"):
        assert f"\n  {command} ".encode() in done.stdout


def test_version(asr: Asr) -> None:
    ended = asr("--version")
    assert ended.status == 0
    assert ended.out.startswith("asr")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transcribe"], "Missing argument"),
        (["transcrbe", "a.wav"], "Did you mean 'transcribe'"),
        (["transcribe", "a.wav", "--bem", "3"], "--beam"),
        (["transcribe", "a.wav", "--beam", "0"], "'--beam'"),
        (["transcribe", "a.wav", "--beam", "2", "--greedy"], "--beam and --greedy exclude each other"),
        (["transcribe", "a.wav", "--false-accepts", "0.01"], "give some with --commands"),
        (["mic", "--false-accepts", "0.01"], "give some with --commands"),
        (["evaluate", "a.tsv", "--limit", "3"], "--limit"),
        (["export", "run", "out", "--average", "0"], "'--average'"),
    ],
)
def test_a_command_line_without_sense_is_told_so(asr: Asr, arguments: list[str], said: str) -> None:
    ended = asr(*arguments)
    assert ended.status == 2
    assert said in ended.error
    assert not ended.out


# transcribe


def test_one_line_a_file(asr: Asr, folder: Path, tiny_bundle: Path) -> None:
    files = [folder / "b.flac", folder / "a.wav"]
    ended = asr("transcribe", *files, "--bundle", tiny_bundle)
    assert (ended.status, ended.error) == (0, "")
    assert [line.split("\t")[0] for line in ended.lines] == [str(file) for file in files]
    alone = asr("transcribe", files[1], "--bundle", tiny_bundle)
    assert alone.lines == ended.lines[1:], "the same line, whatever else is transcribed"


def test_texts_stand_in_a_column_on_a_terminal(
    asr: Asr, folder: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [line.split("\t")[1] for line in asr("transcribe", folder, "--bundle", tiny_bundle).lines]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = asr("transcribe", folder, "--bundle", tiny_bundle).lines
    longest = len(str(folder / "below" / "c.ogg"))
    assert [line[longest : longest + 2] for line in shown] == ["  "] * 3
    assert [line[longest + 2 :] for line in shown] == texts


def test_json_has_the_promised_keys(asr: Asr, folder: Path, tiny_bundle: Path) -> None:
    ended = asr("transcribe", folder, "--json", "--bundle", tiny_bundle)
    assert ended.status == 0
    objects = [json.loads(line) for line in ended.lines]
    assert [o["file"] for o in objects] == [str(folder / name) for name in ("a.wav", "b.flac", "below/c.ogg")]
    assert [o["seconds"] for o in objects] == [0.5, 0.8, 0.6]
    for one in objects:
        assert list(one) == ["file", "text", "confidence", "seconds", "tokens", "words", "segments"]
        assert 0 <= one["confidence"] <= 1
        assert one["confidence"] == round(one["confidence"], 4)
        assert all(
            list(word) == ["word", "confidence", "start", "end"] and 0 <= word["confidence"] <= 1
            for word in one["words"]
        )
        assert " ".join(word["word"] for word in one["words"]) == one["text"]
        assert all(isinstance(token, str) for token in one["tokens"])


def test_search_follows_the_options(asr: Asr, folder: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asr.runtime.transcriber import Transcriber

    widths = []
    made = Transcriber.from_bundle

    def watched(bundle: Path, *, width: int | None = None, threads: int = 1) -> Transcriber:
        widths.append((width, threads))
        return made(bundle, width=width, threads=threads)

    monkeypatch.setattr(Transcriber, "from_bundle", watched)
    for options in ([], ["--greedy"], ["--beam", "7", "--threads", "2"]):
        assert asr("transcribe", folder / "a.wav", "--bundle", tiny_bundle, *options).status == 0
    assert widths == [(None, 1), (1, 1), (7, 2)]


def test_the_short_command_is_the_same(asr: Asr, folder: Path, tiny_bundle: Path) -> None:
    arguments = [folder, "--json", "--greedy", "--bundle", tiny_bundle]
    short = asr(*arguments, application=transcribe_app, name="transcribe")
    assert short.status == 0
    assert short.out == asr("transcribe", *arguments).out


def test_standard_input(folder: Path, tiny_bundle: Path) -> None:
    options = ["--json", "--bundle", tiny_bundle]
    piped = shell("transcribe", "-", *options, input=(folder / "b.flac").read_bytes())
    assert piped.returncode == 0, piped.stderr
    named = shell("transcribe", folder / "b.flac", *options)
    assert json.loads(piped.stdout) == {**json.loads(named.stdout), "file": "-"}
    empty = shell("transcribe", "-", *options, input=b"")
    assert (empty.returncode, empty.stdout) == (1, b"")
    assert empty.stderr.startswith(b"asr: standard input: ")


def test_scripts_run_from_a_checkout(folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    for script, arguments in (("transcribe", [folder / "a.wav", "--bundle", tiny_bundle]), ("evaluate", ["--help"])):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / f"{script}.py", *arguments], capture_output=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def wav(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
    return file.getvalue()


BAD = {
    "empty.wav": b"",
    "no_samples.wav": wav(np.zeros(0)),
    "nan.wav": wav(np.full(8000, np.nan), subtype="FLOAT"),
    "truncated.wav": wav(spoken())[:-4000],
    "text.wav": b"this is a letter, not a recording\n" * 20,
}
GOOD = {
    "eight_channels.wav": wav(np.tile(spoken()[:, None], 8)),
    "studio.wav": wav(spoken(0.5, 192_000), 192_000),
    "silent.wav": wav(np.zeros(8000), subtype="PCM_U8"),
    "one_sample.wav": wav(spoken()[:1]),
}


def test_bad_files_get_a_line_each_and_the_rest_is_transcribed(asr: Asr, tmp_path: Path, tiny_bundle: Path) -> None:
    for name, content in (BAD | GOOD).items():
        (tmp_path / name).write_bytes(content)
    nothing = tmp_path / "folder"
    nothing.mkdir()
    missing = tmp_path / "missing.wav"
    # The bad ones come first, so that a batch that ends at one is seen.
    files = [nothing, missing, *(tmp_path / name for name in (BAD | GOOD))]
    ended = asr("transcribe", *files, "--bundle", tiny_bundle)
    assert ended.status == 1
    assert [Path(line.split("\t")[0]).name for line in ended.lines] == list(GOOD)
    assert len(ended.complaints) == len(BAD) + 2
    for file, complaint in zip([nothing, missing, *(tmp_path / name for name in BAD)], ended.complaints, strict=True):
        assert complaint.startswith(f"asr: {file}: ")
    assert "Traceback" not in ended.error
    traced = asr("transcribe", *files, "--bundle", tiny_bundle, "--debug")
    assert (traced.status, traced.out) == (1, ended.out)
    assert traced.error.count("Traceback") >= len(BAD) + 2


def test_bundle_that_is_none(asr: Asr, folder: Path, tmp_path: Path) -> None:
    ended = asr("transcribe", folder, "--bundle", tmp_path / "none")
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert str(tmp_path / "none") in ended.error
    assert "Traceback" in asr("--debug", "transcribe", folder, "--bundle", tmp_path / "none").error


@pytest.mark.parametrize("fault", ["missing", "altered", "newer"])
def test_bundle_that_is_damaged(asr: Asr, folder: Path, tmp_path: Path, tiny_bundle: Path, fault: str) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    if fault == "missing":
        (bundle / "decoder.onnx").unlink()
    elif fault == "altered":
        (bundle / "weights.safetensors").write_bytes((bundle / "weights.safetensors").read_bytes()[:-1] + b"?")
    else:
        settings = json.loads((bundle / "bundle.json").read_text())
        (bundle / "bundle.json").write_text(json.dumps(settings | {"version": 99}))
    ended = asr("transcribe", folder, "--bundle", bundle)
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert str(bundle) in ended.error


def test_names_stay_on_their_line(asr: Asr, tmp_path: Path, tiny_bundle: Path) -> None:
    name = tmp_path / "two\nlines\tand \udcff.wav"
    try:
        name.write_bytes(GOOD["silent.wav"])
    except OSError:
        pytest.skip("this file system knows no such names")
    ended = asr("transcribe", name, "--bundle", tiny_bundle)
    assert ended.status == 0
    assert ended.lines[0].startswith(f"{tmp_path}/two\\nlines\\tand \\udcff.wav\t")
    assert json.loads(asr("transcribe", tmp_path, "--json", "--bundle", tiny_bundle).out)["file"] == str(name)
    name.write_bytes(b"")
    assert len(asr("transcribe", name, "--bundle", tiny_bundle).complaints) == 1


def test_a_reader_that_leaves_is_no_error(folder: Path, tiny_bundle: Path) -> None:
    for command in (["transcribe", *[folder] * 3], ["demo", folder]):
        with subprocess.Popen(
            [*ASR, *map(str, command), "--bundle", tiny_bundle],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdout.close()
            complaint = process.stderr.read()
            process.wait(60)
        assert complaint == b""
        assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants Linux's /dev/full")
def test_a_full_disk_is_one_line(folder: Path, tiny_bundle: Path) -> None:
    for command in ("transcribe", "demo"):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*ASR, command, folder, "--bundle", tiny_bundle], cwd=ROOT, stdout=full, stderr=subprocess.PIPE
            )
        assert done.returncode == 1
        assert done.stderr == b"asr: standard output: No space left on device; free some space\n"


def test_ctrl_c_ends_cleanly(folder: Path, tiny_bundle: Path) -> None:
    command = [*ASR, "transcribe", folder / "a.wav", "-", "--bundle", tiny_bundle]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell lets what it runs in the background ignore ctrl-C, and that is inherited.
    with subprocess.Popen(
        command, cwd=ROOT, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes
    ) as process:
        try:
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)  # while it waits for standard input
            assert process.wait(60) == 130
        finally:
            process.kill()
        assert b"Traceback" not in process.stderr.read()


# failures


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module", name="torch.nn"), "torch, which is not installed; pip install 'asr[train]'"),
        (ModuleNotFoundError("No module", name="sounddevice"), "pip install 'asr[mic]'"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied; check its permissions"),
        (OSError(28, "No space left on device", "/a/b"), "/a/b: No space left on device; free some space"),
        (OSError(28, "No space left on device"), "where temporary files go (TMPDIR)"),
        (OSError(30, "Read-only file system", "/a/b"), "/a/b: Read-only file system; write elsewhere"),
        (OSError("broken\nlibrary"), "broken library"),
        (MemoryError(), "out of memory"),
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero"),
        (ImportError("cannot import name x"), "unexpected ImportError"),
    ],
)
def test_any_error_is_one_line(error: Exception, said: str) -> None:
    assert said in describe(error)
    assert describe(error).isprintable()


def test_printable_keeps_letters_of_all_scripts() -> None:
    assert printable("größe 語.wav") == "größe 語.wav"
    assert printable("a\x1b[31m\r") == r"a\x1b[31m\r"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="Is a directory") as raised:
        write_whole(tmp_path / "out", b"content")
    assert raised.value.filename == str(tmp_path / "out"), "not the name it has while it is written"
    with pytest.raises(OSError, match="too long") as raised:
        write_whole(tmp_path / ("n" * 254), b"content")
    assert Path(raised.value.filename).name == "n" * 254
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# demo


def test_demo_shows_a_table(asr: Asr, folder: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ended = asr("demo", folder, "--bundle", tiny_bundle)
    assert (ended.status, ended.error) == (0, "")
    heading, *rows = [line for line in ended.lines if line.strip()]
    assert heading.split() == ["file", "transcript", "confidence", "sound", "taken"]
    assert [row.split()[0] for row in rows[:3]] == ["a.wav", "b.flac", "below/c.ogg"]
    assert re.search(r"in all +3 recordings +1\.90 s +[0-9.]+ s", rows[3])
    assert re.match(r"real-time factor [0-9.]+ ", rows[4])


def test_demo_goes_on_past_a_bad_file(asr: Asr, folder: Path, tiny_bundle: Path) -> None:
    (folder / "bad.wav").write_bytes(BAD["text.wav"])
    ended = asr("demo", folder, "--bundle", tiny_bundle)
    assert (ended.status, len(ended.complaints)) == (1, 1)
    assert "3 recordings" in ended.out
    for file in ("a.wav", "b.flac", "below/c.ogg"):
        (folder / file).unlink()
    ended = asr("demo", folder, "--bundle", tiny_bundle)
    assert (ended.status, ended.out) == (1, "")


# evaluate


def write_list(folder: Path, name: str = "test.tsv") -> Path:
    rows = [("a.wav", "ann", "one two"), ("b.flac", "ben", "three"), ("below/c.ogg", "-", "")]
    path = folder / name
    path.write_text("path\tspeaker\ttext\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def test_evaluate_reports_and_writes(asr: Asr, folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    ended = asr("evaluate", write_list(folder), "--bundle", tiny_bundle, "--greedy", "--out", out)
    assert ended.status == 0, ended.error
    for heading in ("word error rate", "character error rate", "sentence accuracy", "real-time factor", "REF:"):
        assert heading in ended.out
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.png", "report.txt"]
    report = json.loads((out / "report.json").read_text())
    heard = [
        json.loads(line) for line in asr("transcribe", folder, "--json", "--greedy", "--bundle", tiny_bundle).lines
    ]
    assert [row["id"] for row in report["utterances"]] == ["a.wav", "b.flac", "below/c.ogg"]
    assert [row["hypothesis"] for row in report["utterances"]] == [one["text"] for one in heard]
    assert [row["confidence"] for row in report["utterances"]] == [one["confidence"] for one in heard]
    assert report["decoding"]["width"] == 1
    assert report["failed"] == {}
    assert (out / "report.txt").read_text().splitlines() == ended.lines[:-1]
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_takes_several_lists_whose_ids_differ(
    asr: Asr, folder: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    (folder / "more.tsv").write_text("path\tspeaker\ttext\nd.wav\tann\tfour\n")
    shutil.copy(folder / "a.wav", folder / "d.wav")
    lists, options = (write_list(folder), folder / "more.tsv"), ("--bundle", tiny_bundle, "--greedy")
    ended = asr("evaluate", *lists, *options, "--report", tmp_path / "out")
    assert ended.status == 0, ended.error
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["id"] for row in report["utterances"]] == ["a.wav", "b.flac", "below/c.ogg", "d.wav"]
    assert "By list" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    ended = asr("compare", tmp_path / "out", tmp_path / "out")
    assert (ended.status, "0 of 4 are heard differently" in ended.out) == (0, True)
    for again, complaint in ((lists[0], "is named twice"), (write_list(folder, "again.tsv"), "'a.wav' stands in")):
        ended = asr("evaluate", lists[0], again, *options)
        assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
        assert complaint in ended.error


def test_evaluate_records_the_rates_in_the_bundle(asr: Asr, folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    out = tmp_path / "results"
    ended = asr("evaluate", write_list(folder), "--bundle", bundle, "--greedy", "--out", out, "--record", "words dev")
    assert ended.status == 0, ended.error
    report = json.loads((out / "report.json").read_text())
    scores = json.loads((bundle / "bundle.json").read_text())["scores"]["words dev"]
    assert (scores["wer"], scores["utterances"], scores["beam"]) == (report["wer"], 2, 1), "of what is spoken"
    assert scores["manifest"] == f"{folder.name}/{Path(report['manifest']).name}", "no other folders of this machine"


def test_evaluate_scores_what_can_be_read(
    asr: Asr, folder: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = write_list(folder, "dev.tsv")
    (folder / "b.flac").write_bytes(BAD["text.wav"])
    ended = asr("evaluate", manifest, "--bundle", tiny_bundle)
    assert ended.status == 1
    assert len(ended.complaints) == 1
    assert "1 of 3 could not be read and are not counted: b.flac" in ended.out
    report = json.loads((tmp_path / "reports" / "recordings-dev" / "report.json").read_text())
    assert list(report["failed"]) == ["b.flac"]
    assert [row["id"] for row in report["utterances"]] == ["a.wav", "below/c.ogg"]
    for name in ("a.wav", "below/c.ogg"):
        (folder / name).write_bytes(b"")
    ended = asr("evaluate", manifest, "--bundle", tiny_bundle)
    assert (ended.status, ended.out) == (1, "")
    assert "none of its 3 recordings" in ended.complaints[-1]


def test_evaluate_refuses_a_bad_list(asr: Asr, folder: Path, tiny_bundle: Path) -> None:
    path = folder / "list.tsv"
    path.write_text("path\ttext\na.wav\tone\n")
    ended = asr("evaluate", path, "--bundle", tiny_bundle)
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert "speaker" in ended.error


# text and speech to train on


def test_tokenizer_learns_from_lists_and_text(asr: Asr, folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "texts.txt"
    text.write_text("# comment\nFind my FILES!\nfind my files\nshow me 3 photos\n")
    out = tmp_path / "new" / "tokenizer.model"
    ended = asr("tokenizer", out, write_list(folder), text, "--vocabulary", "40")
    assert ended.status == 0, ended.error
    assert "40 tokens from 4 distinct texts" in ended.out
    made = Tokenizer.load(out)
    assert made.vocabulary == 40
    for spelled in ("find my files", "one two", "it's"):
        assert made.decode(made.encode(spelled)) == spelled
    again = tmp_path / "again.model"
    asr("tokenizer", again, write_list(folder), text, "--vocabulary", "40")
    assert again.read_bytes() == out.read_bytes()
    assert asr("data", "shard", write_list(folder), tmp_path / "shards").status == 0
    ended = asr("tokenizer", again, tmp_path / "shards", text, "--vocabulary", "40")
    assert (ended.status, ended.error) == (0, "")
    assert "40 tokens from 4 distinct texts" in ended.out


def test_tokenizer_refuses(asr: Asr, tmp_path: Path) -> None:
    text = tmp_path / "texts.txt"
    text.write_text("find my files\n")
    for arguments, said in (
        ([text, "--vocabulary", "5000"], "found text for at most 50 tokens, wanted a vocabulary of 5000"),
        ([tmp_path / "missing.txt"], "missing.txt: found no such file, wanted a .txt file"),
        ([tmp_path / "texts.csv"], "texts.csv: wanted a manifest"),
        ([tmp_path], f"{tmp_path}: found a folder without shards"),
    ):
        ended = asr("tokenizer", tmp_path / "out.model", *arguments)
        assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
        assert said in ended.error
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_language_model_is_put_into_a_bundle(asr: Asr, tiny_bundle: Path, tmp_path: Path) -> None:
    text, held = tmp_path / "texts.txt", tmp_path / "held.txt"
    text.write_text("Show me my files.\nfind my files\nfind my files\nhow are you today my friend\n")
    held.write_text("me my files\nare you today my\n")
    one, other = (Path(shutil.copytree(tiny_bundle, tmp_path / name)) for name in ("one", "other"))
    ended = asr("language-model", one, text, "--weight", "0.5", "--order", "3", "--held-out", held)
    assert ended.status == 0, ended.error
    assert "from 3 texts, 1 left out" in ended.out
    made = read_bundle(one)
    assert made.language_model is not None
    assert (made.language_model.order, made.decoding.language_model_weight) == (3, 0.5)
    ended = asr("language-model", other, one / "language_model.safetensors", "--weight", "0")
    assert ended.status == 0, ended.error
    assert (other / "language_model.safetensors").read_bytes() == (one / "language_model.safetensors").read_bytes()
    assert read_bundle(other).decoding.language_model_weight == 0

    for arguments, said in (
        ([text, "--weight", "-1"], "language_model_weight is -1"),
        ([tmp_path / "missing.txt"], "missing.txt"),
        ([tiny_bundle / "weights.safetensors"], "weights.safetensors: no language model"),
    ):
        ended = asr("language-model", other, *arguments)
        assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
        assert said in ended.error


def test_sentences_mixes_in_the_words_of_lists(asr: Asr, folder: Path, tmp_path: Path) -> None:
    commands = tmp_path / "commands.txt"
    commands.write_text("Find my files.\nopen the door\n")
    words = tmp_path / "words.txt"
    words.write_text("zeppelin\nquagmire\n")
    made = {}
    # As in recipes/commands/run.sh, the lists come last.
    for name, lists in (("plain", []), ("again", []), ("mixed", [words, write_list(folder)])):
        out = tmp_path / name
        ended = asr("sentences", commands, out, "--count", "200", "--seed", "4", *lists)
        assert ended.status == 0, ended.error
        made[name] = out.read_text().splitlines()
    assert len(made["plain"]) == 200
    assert made["plain"] == made["again"]
    assert "find my files" in made["plain"]
    assert not any("zeppelin" in sentence for sentence in made["plain"])
    for word in ("zeppelin", "three"):
        assert any(word in sentence for sentence in made["mixed"])


@needs_voices
def test_synthesize_speaks(asr: Asr, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("find my files\nopen the door\n")
    out = tmp_path / "speech"
    ended = asr("synthesize", texts, out, "--utterances", "4", "--voices", "dev", "--seed", "1", "--jobs", "1")
    assert ended.status == 0, ended.error
    utterances = read_manifest(out)
    assert sorted(utterance.text for utterance in utterances) == sorted(["find my files", "open the door"] * 2)
    for options in (
        ["--utterances", "4", "--voices", "everybody"],
        ["--utterances", "4", "--hours", "1"],
        ["--utterances", "4", "--format", "mp3"],
        ["--utterances", "5", "--voices", "dev", "--seed", "1", "--jobs", "1"],
        ["--utterances", "4", "--engines", "somebody"],
        ["--utterances", "4", "--engines", "kokoro"],  # which is not here
        ["--utterances", "4", "--engines", "festival", "--voices", "test"],  # it has none
        [],
    ):
        ended = asr("synthesize", texts, out, *options)
        assert (ended.status, len(ended.complaints)) == (1, 1), options


@needs_voices
def test_synthesize_speaks_by_the_engines_that_are_named(asr: Asr, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("find my files\n")
    ended = asr("synthesize", texts, tmp_path / "speech", "--utterances", "8", "--engines", "flite", "--jobs", "1")
    assert ended.status == 0, ended.error
    assert {utterance.speaker for utterance in read_manifest(tmp_path / "speech")} <= {"kal", "slt"}


@needs_voices
def test_synthesize_speaks_a_grammar(asr: Asr, tmp_path: Path) -> None:
    pytest.importorskip("hassil")
    grammar, out = tmp_path / "coffee.yaml", tmp_path / "speech"
    grammar.write_text("lists: {drink: [tea, coffee]}\ncommands: {order: ['bring [me] {drink}']}\n")
    ended = asr("synthesize", grammar, out, "--hours", "0.001", "--format", "opus", "--jobs", "1")
    assert ended.status == 0, ended.error
    utterances = read_manifest(out)
    assert sum(utterance.duration or 0 for utterance in utterances) >= 3.6
    assert {utterance.text for utterance in utterances} <= {
        "bring tea",
        "bring me tea",
        "bring coffee",
        "bring me coffee",
    }


def test_recipes_use_commands_that_exist(asr: Asr) -> None:
    lines = [
        line.split()[1:]
        for script in sorted((ROOT / "recipes").rglob("*.sh"))
        for line in script.read_text().replace("\\\n", " ").splitlines()
        if line.strip().startswith("asr ")
    ]
    assert lines
    for command, *arguments in lines:
        options = asr(command, "--help").out
        for argument in arguments:
            if argument.startswith("--") and command != "train":
                assert argument.partition("=")[0] in options, f"asr {command} {argument}"


def test_prepare_lists_a_corpus(asr: Asr, tmp_path: Path) -> None:
    recordings = tmp_path / "fsdd" / "recordings"
    recordings.mkdir(parents=True)
    for name in ("3_theo_0", "4_jackson_0", "5_jackson_1", "6_nicolas_0"):
        soundfile.write(recordings / f"{name}.wav", spoken(0.9), 16_000)
    out = tmp_path / "lists"
    ended = asr("prepare", "digits", tmp_path / "fsdd", out)
    assert ended.status == 0, ended.error
    rows = [line.split() for line in ended.lines]
    assert rows[0] == ["split", "utterances", "hours", "speakers"]
    assert ["train", "3", "0.00", "2"] in rows
    assert ["dev", "1", "0.00", "1"] in rows
    assert [u.text for u in read_manifest(out / "cuts_dev.jsonl.gz")] == ["three"]
    with gzip.open(out / "cuts_train.jsonl.gz", "rt") as lines:
        assert len(lines.readlines()) == 3


def test_prepare_refuses(asr: Asr, tmp_path: Path) -> None:
    ended = asr("prepare", "digit", tmp_path, tmp_path / "out")
    assert (ended.status, len(ended.complaints)) == (1, 1)
    assert "did you mean digits?" in ended.error
    ended = asr("prepare", "digits", tmp_path, tmp_path / "out")
    assert (ended.status, len(ended.complaints)) == (1, 1)
    assert not (tmp_path / "out").exists()


def test_a_recording_given_twice_is_said_to_be(asr: Asr, folder: Path, tmp_path: Path) -> None:
    ended = asr("transcribe", folder / "a.wav", folder / "a.wav", "--out", tmp_path / "texts")
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert f"{folder / 'a.wav'}: found it twice, wanted each recording once" in ended.error


# train, export, mic: each has tests of its own; here, that the command reaches it


def test_train_passes_its_arguments_on(asr: Asr, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Sequence[str]] = []
    monkeypatch.setattr("asr.training.command.train", lambda arguments, tell: given.append(arguments))
    arguments = ["--config", "a.yaml", "--help", "--trainer.max_epochs=3", "--model.seed", "-1", "-c", "b.yaml"]
    assert asr("train", *arguments).status == 0
    assert given == [arguments]


def test_train_ends_with_ctrl_c(asr: Asr, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Sequence[str]) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)  # as Lightning does

    monkeypatch.setattr("asr.training.command.make_command", interrupted)
    assert asr("train").status == 130


def test_train_names_a_config_that_is_not_there(asr: Asr, tmp_path: Path) -> None:
    ended = asr("train", "--config", tmp_path / "no such.yaml")
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert f"{tmp_path / 'no such.yaml'}: found no such file, wanted a YAML file" in ended.error


def test_train_refuses_an_unknown_setting(asr: Asr) -> None:
    ended = asr("train", "--confg", "a.yaml")
    assert (ended.status, ended.out, len(ended.complaints)) == (1, "", 1)
    assert "did you mean config" in ended.error


def test_export_passes_its_options_on(asr: Asr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def exported(run: Path, out: Path, **options: object) -> Path:
        given.append((run, out, options))
        return out

    monkeypatch.setattr("asr.training.export.export_run", exported)
    assert asr("export", "run", "out").status == 0
    search = ["--beam", "2", "--ctc-weight", "0.5", "--length-penalty", "0"]
    assert asr("export", "run", "out", "--average", "2", "--single-precision", *search).status == 0
    assert given == [
        (Path("run"), Path("out"), {"average": 5, "half": True, "decoding": DecodingSettings()}),
        (Path("run"), Path("out"), {"average": 2, "half": False, "decoding": DecodingSettings(2, 0.5, 0.0)}),
    ]
    monkeypatch.undo()
    ended = asr("export", tmp_path, tmp_path / "out")
    assert (ended.status, len(ended.complaints)) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_mic_listens(asr: Asr, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = []

    def recorded(device: int | str | None, *, report: Callable[[str], None]) -> Iterator[np.ndarray]:
        devices.append(device)
        silence, speech = np.zeros(800, np.float32), spoken(1.0)
        yield from [silence] * 20 + np.split(speech, 20) + [silence] * 40

    monkeypatch.setattr(microphone, "microphone_blocks", recorded)
    for options in ([], ["--device", "2"], ["--device", "USB"]):
        ended = asr("mic", "--bundle", tiny_bundle, *options)
        assert ended.status == 0, ended.error
        assert any("ms" in line for line in ended.lines), ended.out
    assert devices == [None, 2, "USB"]
