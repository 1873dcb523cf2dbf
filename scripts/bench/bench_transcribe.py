"""How fast transcription is beside torch, PocketSphinx (if it is installed) and the limit; needs the [train] extra.

The limit is the time of the model's multiply-adds at the rate of the best bare matrix product. All is measured in one
process on one thread, part after part in every round, as processor time, so that other programs on the machine disturb
little. Times are divided by the length of the recordings: 0.1 means ten times as fast as speech.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy and torch are imported
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # and when onnxruntime is

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from sphinx import Sphinx, has_sphinx
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from asr.audio.load import SAMPLE_RATE, find_audio, load_audio
from asr.audio.mfcc import Mfcc
from asr.bundle import DEFAULT_BUNDLE, DecodingSettings, read_bundle
from asr.errors import AsrError
from asr.model.saved import load_model
from asr.model.torch_stepper import TorchStepper
from asr.runtime.graphs import Graphs
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import SpeechPart, find_utterances
from asr.search.beam import beam
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens
from asr.search.stepper import Stepper

SAMPLES = Path(__file__).resolve().parents[2] / "recipes" / "commands" / "samples"
Floats = NDArray[np.float32]
GEMM_SIZES = (256, 512, 1024)
Work = Callable[[], object]


@dataclass(frozen=True)
class Part:
    """What is measured: the work on all recordings, and the multiply-adds of the model in it, where it has any."""

    name: str
    work: Work
    products: int | None = None


def search(stepper: Stepper[Any], ctc: Floats, piece: SpeechPart, decoding: DecodingSettings) -> None:
    """Search as the transcriber does."""
    beam(
        stepper,
        max_tokens=max_tokens(piece.seconds, TOKENS_PER_SECOND, MINIMUM_TOKENS),
        ctc_log_probs=ctc,
        **decoding.of_search(),
    )


def products_in(work: Work) -> int:
    """Multiply-adds of the matrix products in work done in torch; Fourier transforms and sums are not among them."""
    attention = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)
    }
    with FlopCounterMode(display=False, custom_mapping=attention) as counter:
        work()
    return int(counter.get_total_flops()) // 2


def bare_products() -> dict[str, Work]:
    """Products of two square matrices, by library and size; each does max(GEMM_SIZES)³ multiply-adds in all."""
    found: dict[str, Work] = {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for n in GEMM_SIZES:
        times = range((max(GEMM_SIZES) // n) ** 3)
        a, b = np.random.default_rng(n).standard_normal((2, n, n)).astype(np.float32)
        product = f"g (float[{n},{n}] a, float[{n},{n}] b) => (float[{n},{n}] c) {{ c = MatMul(a, b) }}"
        proto = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 18]> ' + product)
        graph = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found[f"numpy, {n}"] = lambda a=a, b=b, times=times: [a @ b for _ in times]
        fed = {"a": a, "b": b}
        found[f"onnxruntime, {n}"] = lambda graph=graph, fed=fed, times=times: [graph.run(None, fed) for _ in times]
    return found


def parts_of(folder: Path, paths: list[Path], waves: list[Floats]) -> list[Part]:
    """All that is measured."""
    bundle = read_bundle(folder)
    graphs, model, mfcc = Graphs(bundle, threads=1), load_model(bundle), Mfcc(bundle.features)
    margin = bundle.decoding.margin_seconds

    def find() -> list[SpeechPart]:
        return [each for wave in waves for each in find_utterances([wave], margin)]

    pieces = find()
    heard = [graphs.encode(piece.wave) for piece in pieces]

    def encode_in_torch(wave: Floats) -> tuple[TorchStepper, Floats]:
        with torch.inference_mode():
            encoded = model.encode(mfcc(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0])
            return TorchStepper(model, encoded.memory), encoded.ctc_log_probs[0].numpy()

    def search_graphs(decoding: DecodingSettings) -> None:
        for each, piece in zip(heard, pieces, strict=True):
            search(graphs.stepper(each), each.ctc_log_probs, piece, decoding)

    encoding = products_in(lambda: [encode_in_torch(piece.wave) for piece in pieces])
    parts = [
        Part("load the model, once for all", lambda: Transcriber.from_bundle(folder, threads=1)),
        Part("load the recordings", lambda: [load_audio(path) for path in paths]),
        Part("find the speech in them", find),
        Part("encoder graph, features included", lambda: [graphs.encode(piece.wave) for piece in pieces], encoding),
    ]
    for way, width in (("greedy", 1), (f"beam of {bundle.decoding.width}", bundle.decoding.width)):
        decoding, whole = replace(bundle.decoding, width=width), Transcriber(bundle, width=width, threads=1)

        def in_torch(decoding: DecodingSettings = decoding) -> None:
            for piece in pieces:
                search(*encode_in_torch(piece.wave), piece, decoding)

        total = products_in(in_torch)
        parts += [
            Part(f"search, {way}", lambda d=decoding: search_graphs(d), total - encoding),
            Part(f"all, {way}", lambda t=whole: [t.transcribe(load_audio(path)) for path in paths], total),
            Part(f"torch: all but loading, {way}", in_torch, total),
        ]
    if has_sphinx():
        sphinx = Sphinx(free=True)
        parts.append(Part("PocketSphinx with its own model: all but loading", lambda: [sphinx.hear(w) for w in waves]))
    return parts


def seconds(work: Work) -> float:
    """Processor time of some work."""
    begin = process_time()
    work()
    return process_time() - begin


def report(folder: Path, paths: list[Path], runs: int) -> str:
    """The table, under lines that say what it was measured on."""
    waves = [load_audio(path) for path in paths]
    audio = sum(len(wave) for wave in waves) / SAMPLE_RATE
    parts, bare = parts_of(folder, paths, waves), bare_products()
    works = [*(part.work for part in parts), *bare.values()]
    rounds = [[seconds(work) for work in works] for _ in range(runs + 1)]
    columns = list(zip(*rounds[1:], strict=True))  # the first one warms up
    fastest, best = min(zip(map(min, columns[len(parts) :]), bare, strict=True))
    rate = max(GEMM_SIZES) ** 3 / fastest
    lines = [
        f"{date.today()}, one thread of {os.cpu_count()}; onnxruntime "
        f"{onnxruntime.__version__}, torch {torch.__version__}; {len(paths)} recordings, {audio:.1f} s; {runs} runs.",
        f"Limit: {rate / 1e9:.1f} G multiply-adds a second, the best bare product ({best}).",
        "\n| part | real-time factor, least | median | limit | median / limit |\n| --- | --- | --- | --- | --- |",
    ]
    for part, column in zip(parts, columns, strict=False):
        median = float(np.median(column))
        limit = (part.products or 0) / rate
        beside = f"{limit / audio:.5f} | {median / limit:.1f}" if limit else " | "
        lines.append(f"| {part.name} | {min(column) / audio:.5f} | {median / audio:.5f} | {beside} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path, default=[SAMPLES], help="recordings, or folders of them")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="folder of the model")
    parser.add_argument("--runs", type=int, default=10, choices=range(1, 1001), metavar="N", help="of each part")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        print(report(options.bundle, [path for source in options.sources for path in find_audio(source)], options.runs))
    except AsrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
