"""How far the times of words are from those of other aligners, where the text is right.

    scripts/bench/bench_alignment.py MANIFEST... [--utterances 60] [--bundle DIR]

All are given the transcript of the list, so that no recognition is in it; recordings that the model hears in one part
are taken. Two references:

* ``torchaudio.functional.forced_align`` over the model's own CTC output: the same path, if ours is right. A word
  reaches from the first step that names one of its tokens to the last.
* PocketSphinx with the acoustic model of its package, which has nothing in common with ours; where its dictionary has
  all words. Its silences belong to no word.

The table has the differences of ours from theirs in milliseconds: the median (below 0: ours is earlier), and the median
and the 95th percentile of their sizes.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import forced_align, merge_tokens

from asr.apps.failures import complain
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AsrError
from asr.runtime.timing import token_spans
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart
from asr.text.special import PAD
from asr.text.tokenizer import WORD_START

Wave = NDArray[np.float32]
Times = list[tuple[float, float]]
"""(start, end) of each word in seconds from the beginning of the recording."""


def ours(transcriber: Transcriber, utterance: SpeechPart, log_probs: NDArray[np.floating], text: str) -> Times:
    """The words as a transcript has them."""
    tokenizer = transcriber.bundle.tokenizer
    tokens = tokenizer.encode(text)
    spellings = [tokenizer.piece(token) for token in tokens]
    spans = token_spans(utterance, log_probs, tokens, spellings, step_of(transcriber))
    return joined(spellings, [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in spans])


def of_torchaudio(transcriber: Transcriber, utterance: SpeechPart, log_probs: NDArray[np.floating], text: str) -> Times:
    """The words by torchaudio's search over the same output."""
    tokenizer, step = transcriber.bundle.tokenizer, step_of(transcriber)
    labels, scores = forced_align(torch.from_numpy(log_probs)[None], torch.tensor([tokenizer.encode(text)]), blank=PAD)
    spans = merge_tokens(labels[0], scores[0].exp(), blank=PAD)
    edges = [tuple((utterance.start + edge * step) / SAMPLE_RATE for edge in (span.start, span.end)) for span in spans]
    return joined([tokenizer.piece(span.token) for span in spans], edges)


def step_of(transcriber: Transcriber) -> int:
    """Samples from one step of the encoder to the next."""
    step: int = transcriber.bundle.model["stack"] * transcriber.bundle.features.hop_length
    return step


def joined(spellings: Sequence[str], edges: Sequence[tuple[float, ...]]) -> Times:
    """The times of words of those of their tokens."""
    times: Times = []
    for spelling, (start, end) in zip(spellings, edges, strict=True):
        if spelling.startswith(WORD_START) or not times:
            times.append((start, end))
        else:
            times[-1] = times[-1][0], end
    return times


def of_sphinx(decoder: Any, wave: Wave, words: Sequence[str]) -> Times | None:
    """The words by PocketSphinx; None where it lacks one, or finds no alignment."""
    if any(decoder.lookup_word(word) is None for word in words):
        return None
    decoder.reinit_feat()
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw((wave * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    frame = 1 / decoder.config["frate"]
    found = [each for each in decoder.seg() or () if not each.word.startswith(("<", "["))]
    if [each.word.partition("(")[0] for each in found] != list(words):
        return None
    return [(each.start_frame * frame, (each.end_frame + 1) * frame) for each in found]


def measure(manifest: Path, transcriber: Transcriber, count: int) -> list[str]:
    """Rows of the table for a list."""
    decoder = import_module("pocketsphinx").Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)
    utterances = read_manifest(manifest, lenient=True)
    differences: dict[str, list[tuple[float, float]]] = {"torchaudio": [], "PocketSphinx": []}
    for utterance in utterances[:: max(1, len(utterances) // count)][:count]:
        wave = read_utterance(utterance)
        text = transcriber.bundle.normaliser(utterance.text)
        part = transcriber.find_utterance(wave)
        if part is None or not text or part.seconds > LONGEST_SECONDS:
            continue
        log_probs = transcriber.hear(part).ctc_log_probs
        words = ours(transcriber, part, log_probs, text)
        theirs = {
            "torchaudio": of_torchaudio(transcriber, part, log_probs, text),
            "PocketSphinx": of_sphinx(decoder, wave, text.split()),
        }
        for name, times in theirs.items():
            if times is not None and len(times) == len(words):
                differences[name] += [(a[0] - b[0], a[1] - b[1]) for a, b in zip(words, times, strict=True)]
    rows = []
    for name, found in differences.items():
        if not found:
            rows.append(f"| {manifest.parent.name} | {name} | 0 | | | | | | |")
            continue
        edges = 1000 * np.array(found).T
        numbers = [
            f"{np.median(each):.0f} | {np.median(abs(each)):.0f} | {np.quantile(abs(each), 0.95):.0f}" for each in edges
        ]
        rows.append(f"| {manifest.parent.name} | {name} | {len(found)} | {' | '.join(numbers)} |")
    return rows


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    parser.add_argument("--utterances", type=int, default=60, help="of each list; the default is 60")
    parser.add_argument("--bundle", type=Path, help="the default one when left out")
    options = parser.parse_args()
    try:
        transcriber = Transcriber.from_bundle(options.bundle)
        print("| list | beside | words | starts | size | 95 % | ends | size | 95 % |\n| --- " + "| ---: " * 8 + "|")
        for manifest in options.manifests:
            print("\n".join(measure(manifest, transcriber, options.utterances)), flush=True)
    except AsrError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
