"""Whether training works on the GPU here, and how fast: one command of a few minutes; needs the [train] extra.

A small recipe is trained by `asr train` itself, in programs of their own, on words of tones and noise that are made
here: on the CPU in single precision, on the GPU in single precision and in bf16, each with clipping and with the
waves changed on the device that learns. The losses on the dev set must fall alike, a run that is interrupted must go
on, and where there are two GPUs, two processes must make what one makes. It prints a table for LOG.md; the exit
status is 1 where something is wrong or there is no GPU. `--device cpu` goes the same way without one.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import soundfile
import torch
import yaml

from asr.audio.features import FeatureSettings
from asr.audio.load import SAMPLE_RATE
from asr.errors import AsrError
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.text.tokenizer import Tokenizer
from asr.training.command import best_precision

ROOT = Path(__file__).resolve().parents[1]
# Each word is two tones, in Hz; a speaker shifts them.
WORDS = {"one": (400, 900), "two": (700, 1500), "red": (1100, 300), "go": (1800, 2600), "stop": (500, 2100)}
SPEAKERS = {"train": [0.9, 0.93, 0.96, 1.0, 1.04, 1.07, 1.1], "dev": [0.98, 1.02]}
ALIKE = 0.35  # the losses of two devices, which draw different noise and round otherwise, at the end of a run

# `asr train`, which at its end leaves the most memory that it took of a GPU.
PROGRAM = """import sys
from pathlib import Path
import torch
from asr.training.command import train
train(sys.argv[2:])
Path(sys.argv[1]).write_text(str(torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0))
"""
LARGE = {"d_model": 512, "heads": 8, "feedforward": 2048, "encoder_layers": 12, "decoder_layers": 2}
STEP_SECONDS = 0.04  # of the encoder: four frames of a hundredth


@dataclass(frozen=True)
class Run:
    """What one training showed: dev losses (nats per token) by update, and audio seconds a second at its best."""

    name: str
    losses: dict[int, float]
    speed: float
    memory_gb: float


def make_material(folder: Path, takes: int) -> None:
    """Words of tones with noise as WAV files, train.tsv, dev.tsv, noise.tsv and a tokenizer."""
    rng = np.random.default_rng(0)
    for split, speakers in SPEAKERS.items():
        rows = ["path\tspeaker\ttext"]
        for number, shift in enumerate(speakers):
            for word, tones in WORDS.items():
                for take in range(takes if split == "train" else 2):
                    time = np.arange(int(SAMPLE_RATE * rng.uniform(0.2, 0.35))) / SAMPLE_RATE
                    wave = 0.3 * np.concatenate([np.sin(2 * np.pi * hertz * shift * time) for hertz in tones])
                    wave = np.pad(wave, 1600) + rng.normal(0, 0.01, len(wave) + 3200)
                    name = f"{split}{number}_{word}_{take}.wav"
                    soundfile.write(folder / name, wave, SAMPLE_RATE)
                    rows.append(f"{name}\t{split}{number}\t{word}")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    soundfile.write(folder / "noise.wav", rng.uniform(-0.1, 0.1, 2 * SAMPLE_RATE), SAMPLE_RATE)
    (folder / "noise.tsv").write_text("path\tspeaker\ttext\nnoise.wav\t-\t\n", encoding="utf-8")
    (folder / "tokenizer.model").write_bytes(Tokenizer.train([" ".join(WORDS)] * 10, 36).model)


def config_of(folder: Path, epochs: int, large: bool) -> dict[str, Any]:
    """The recipe: small for the comparison, ``large`` to keep a GPU busy."""
    small = {"d_model": 64, "heads": 2, "feedforward": 128, "encoder_layers": 3, "decoder_layers": 1}
    model = LARGE if large else small
    return {
        "model": {
            "tokenizer": str(folder / "tokenizer.model"),
            "model": {**model, "convolution_kernel": 15},
            "optimiser": {"peak_rate": 5e-4 if large else 3e-3, "warmup_updates": 10, "total_updates": 8 * epochs},
            "loss": {"phoneme_layer": 1, "start": {"decoder": 1.0, "ctc": 0.5, "phoneme": 0.0}},
            "decoded_at_most": 20,
        },
        "data": {
            "train": [{"manifest": str(folder / "train.tsv"), "weight": 8.0 if large else 2.0}],
            "dev": [str(folder / "dev.tsv")],
            "noise": [str(folder / "noise.tsv")],
            "simulated_rooms": 4,
            "augmentation": {"ramp_epochs": 0.0, "noise_probability": 0.5, "reverb_probability": 0.3},
            "batches": {"seconds": 300.0 if large else 40.0},
            "phonemes": "off",
            "workers": 1,
        },
        "trainer": {
            "max_epochs": epochs,
            "check_val_every_n_epoch": epochs if large else 1,
            "gradient_clip_val": 1.0,
            "log_every_n_steps": 5,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    }


def trained(folder: Path, name: str, settings: dict[str, Any], *options: str) -> Run:
    """Run `asr train` in a program of its own. Raises AsrError with its last line where it fails."""
    run, config, told, program = (folder / part for part in (name, f"{name}.yaml", f"{name}.txt", "program.py"))
    program.write_text(PROGRAM, encoding="utf-8")  # a file, for Lightning starts it again for each further GPU
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, str(program), str(told), "--config", str(config), f"--run={run}", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise AsrError(f"{name}: the training failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    rows: list[dict[str, str]] = []
    for path in sorted(run.glob("csv/version_*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    losses = {int(row["step"]): float(row["dev/decoder"]) for row in rows if row.get("dev/decoder")}
    speeds = [float(row[key]) for row in rows if row.get(key := "hours_of_audio_per_second")]
    return Run(name, losses, 3600 * max(speeds, default=0.0), int(told.read_text()) / 1e9)


def peak_rate(device: str, dtype: torch.dtype, size: int) -> float:
    """Operations a second of bare matrix products of this size, the best of some."""
    a = torch.randn(size, size, device=device).to(dtype)
    best = 0.0
    for _ in range(8):
        begun = perf_counter()
        for _ in range(4):
            product = a @ a
        float(product[0, 0])  # waits for the device
        best = max(best, 4 * 2 * size**3 / (perf_counter() - begun))
    return best


def operations_per_second(run: Run) -> float:
    """What the large training does at least: 6 for each weight of the encoder and step (Kaplan et al., 2020)."""
    encoder = Seq2Seq(ModelSettings(**LARGE, convolution_kernel=15), FeatureSettings().dimension, 36).encoder
    return 6 * sum(weight.numel() for weight in encoder.parameters()) * run.speed / STEP_SECONDS


def check(device: str, epochs: int, folder: Path, devices: int) -> int:
    """Train, compare and print; the number of things that are wrong."""
    gpu = device == "cuda"
    make_material(folder, takes=6 if epochs > 4 else 1)
    small = config_of(folder, epochs, large=False)
    name = "gpu" if gpu else "cpu"
    on, single, half = f"--trainer.accelerator={name}", "32-true", "bf16-mixed"
    alone = [on, "--trainer.devices=1"]
    wrong: list[str] = []
    cpu = trained(folder, "cpu 32", small, "--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.precision=32")
    runs = [cpu]
    if gpu:
        runs.append(trained(folder, "gpu 32", small, *alone, f"--trainer.precision={single}"))
    runs.append(trained(folder, f"{name} bf16", small, *alone, f"--trainer.precision={half}"))
    if devices > 1:
        shared = {**small, "data": {**small["data"], "batches": {"seconds": 20.0}}}
        runs.append(trained(folder, "2 gpus bf16", shared, on, "--trainer.devices=2", f"--trainer.precision={half}"))
    for run in runs:
        first, last = next(iter(run.losses.values())), list(run.losses.values())[-1]
        wanted = list(cpu.losses.values())[-1]
        if not (np.isfinite(last) and abs(last - wanted) < max(ALIKE, ALIKE * wanted)):
            wrong.append(f"{run.name}: ends at {last:.3f} nats per token, on the CPU at {wanted:.3f}")
        if len(run.losses) > 1 and not last < first:
            wrong.append(f"{run.name}: does not learn, {first:.3f} and then {last:.3f} nats per token")

    # Ended after half of the epochs, and gone on: as the whole, as far as the device repeats its sums.
    options = [*alone, f"--trainer.precision={half}"]
    trained(folder, "resumed", small, *options, f"--trainer.max_epochs={max(1, epochs // 2)}")
    resumed = trained(folder, "resumed", small, *options, "--ckpt_path=last")
    reached, wanted = list(resumed.losses.values())[-1], list(runs[2 if gpu else 1].losses.values())[-1]
    if max(resumed.losses) != max(cpu.losses) or abs(reached - wanted) > max(0.1, 0.1 * wanted):
        wrong.append(f"resumed: ends at {reached:.3f} nats per token, uninterrupted at {wanted:.3f}")

    print(f"{date.today()}, torch {torch.__version__}, {torch.cuda.get_device_name() if gpu else 'CPU'}, ", end="")
    print(f"{epochs} epochs; chosen by itself: {best_precision('gpu' if gpu else 'cpu')}\n")
    print("| run | dev loss, nats per token | seconds of audio a second | memory, GB |\n| --- | --- | ---: | ---: |")
    for run in [*runs, resumed]:
        print(row_of(run))
    if gpu:
        print("\nA larger model, and its share of the rate of bare matrix products:\n")
        large = config_of(folder, 10, large=True)
        for precision, dtype in ((single, torch.float32), (half, torch.bfloat16)):
            run = trained(folder, f"large {precision}", large, *alone, f"--trainer.precision={precision}")
            peak = peak_rate("cuda", dtype, 8192)
            print(row_of(run), f"{operations_per_second(run) / peak:.1%} of {peak / 1e12:.0f} TFLOP/s |")
    else:
        print(f"\nbare products in single precision: {peak_rate('cpu', torch.float32, 256) / 1e9:.1f} GFLOP/s")
    print("\n" + ("\n".join(f"wrong: {each}" for each in wrong) if wrong else "all as it should be"))
    return len(wrong)


def row_of(run: Run) -> str:
    """A row of the table: the dev loss at its beginning, middle and end."""
    steps = sorted(run.losses)
    shown = " → ".join(
        f"{run.losses[step]:.3f}" for step in dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1]))
    )
    return f"| {run.name} | {shown} | {run.speed:.0f} | {run.memory_gb:.2f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--epochs", type=int, default=18, help="of each of the small runs")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "check_gpu: torch sees no GPU here; --device cpu --epochs 2 goes the same way without one", file=sys.stderr
        )
        return 1
    devices = torch.cuda.device_count() if options.device == "cuda" else 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            return 1 if check(options.device, options.epochs, Path(folder), devices) else 0
        except AsrError as error:
            print(f"check_gpu: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
