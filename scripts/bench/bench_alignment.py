"""How far the times of words are from those of other aligners, where the text is right.

    scripts/bench/bench_alignment.py MANIFEST... [--utterances 60] [--bundle DIR]

All are given the transcript of the list; recordings that the model hears in one part are taken. The rows:

* path: the first and last step that name each word by our search, beside ``torchaudio.functional.forced_align`` over
  the model's own CTC output: the same, if ours is right.
* torchaudio: the times that words are given, beside those steps, which lie within the sound of a word.
* PocketSphinx: beside its alignment by the acoustic model of its package, which has nothing in common with ours; where
  its dictionary has all words. Its silences belong to no word.
* surely: of these the words that the model recognises, that PocketSphinx puts within ``STEADY_SECONDS`` of the same
  place when it hears the recording later, quieter, and with a little noise, and that are where somebody speaks, for
  more than half and without a pause. Elsewhere what is said may not be the text, or the reference is wrong.

The table has the differences of ours from theirs in milliseconds: the median (below 0: ours is earlier), and the median
and the 95th percentile of their sizes.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib import import_module
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import forced_align, merge_tokens

from asr.apps.failures import complain
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AsrError
from asr.runtime.timing import PAUSE_SECONDS, token_spans, word_spans
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart
from asr.search.alignment import align
from asr.text.special import PAD

STEADY_SECONDS: Final = 0.05
"""How far PocketSphinx may move a word that it hears again."""

Wave = NDArray[np.float32]
Times = NDArray[np.float64]
"""(start, end) of each word (W, 2) in seconds from the beginning of the recording."""


def ours(transcriber: Transcriber, utterance: SpeechPart, log_probs: NDArray[np.floating], text: str) -> Times:
    """The words as a transcript has them."""
    tokenizer = transcriber.bundle.tokenizer
    tokens = tokenizer.encode(text)
    spellings = [tokenizer.piece(token) for token in tokens]
    spans = token_spans(utterance, log_probs, tokens, spellings, step_of(transcriber))
    return joined(spellings, spans) / SAMPLE_RATE


def paths(
    transcriber: Transcriber, utterance: SpeechPart, log_probs: NDArray[np.floating], text: str
) -> tuple[Times, Times]:
    """The words by our search for the likeliest path and by torchaudio's."""
    tokenizer, step = transcriber.bundle.tokenizer, step_of(transcriber)
    tokens = tokenizer.encode(text)
    labels, scores = forced_align(torch.from_numpy(log_probs)[None], torch.tensor([tokens]), blank=PAD)
    theirs = [(span.start, span.end) for span in merge_tokens(labels[0], scores[0].exp(), blank=PAD)]
    spellings = [tokenizer.piece(token) for token in tokens]
    both = joined(spellings, align(log_probs, tokens).spans), joined(spellings, theirs)
    first, second = ((utterance.start + each * step) / SAMPLE_RATE for each in both)
    return first, second


def step_of(transcriber: Transcriber) -> int:
    """Samples from one step of the encoder to the next."""
    step: int = transcriber.bundle.model["stack"] * transcriber.bundle.features.hop_length
    return step


def joined(spellings: Sequence[str], edges: Sequence[tuple[int, int]]) -> Times:
    """The times of words of those of their tokens."""
    return np.array(word_spans(spellings, edges), np.float64)


def of_sphinx(decoder: Any, wave: Wave, words: Sequence[str]) -> Times | None:
    """The words by PocketSphinx; None where it lacks one, or finds no alignment."""
    if any(decoder.lookup_word(word) is None for word in words):
        return None
    decoder.reinit_feat()
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw((wave.clip(-1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    frame = 1 / decoder.config["frate"]
    found = [each for each in decoder.seg() or () if not each.word.startswith(("<", "["))]
    if [each.word.partition("(")[0] for each in found] != list(words):
        return None
    return np.array([(each.start_frame * frame, (each.end_frame + 1) * frame) for each in found])


def steady(decoder: Any, wave: Wave, words: Sequence[str], times: Times) -> NDArray[np.bool_]:
    """Which words (W,) PocketSphinx finds where they were when the recording is changed so that nobody would mind."""
    noise = np.random.default_rng(0).standard_normal(len(wave), np.float32) * np.abs(wave).max() / 1000
    kept = np.ones(len(words), bool)
    for delay, changed in ((2192, wave), (777, wave * 0.4), (0, wave + noise)):
        again = of_sphinx(decoder, np.pad(changed, (delay, 0)).astype(np.float32), words)
        if again is None:
            return np.zeros(len(words), bool)
        kept &= (np.abs(again - delay / SAMPLE_RATE - times) <= STEADY_SECONDS).all(axis=1)
    return kept


def spoken(utterance: SpeechPart, times: Times) -> NDArray[np.bool_]:
    """Which words (W,) are where somebody speaks, for more than half and without a pause."""
    pieces = np.array(utterance.pieces) / SAMPLE_RATE
    said = np.minimum(times[:, 1:], pieces[:, 1]) - np.maximum(times[:, :1], pieces[:, 0])  # (W, pieces)
    pauses = np.minimum(times[:, 1:], pieces[1:, 0]) - np.maximum(times[:, :1], pieces[:-1, 1])
    lengths = times[:, 1] - times[:, 0]
    return (said.clip(0).sum(axis=1) > lengths / 2) & (pauses.max(axis=1, initial=0) < PAUSE_SECONDS)


def recognised(words: Sequence[str], heard: Sequence[str]) -> NDArray[np.bool_]:
    """Which words (W,) are among those that were heard, in order."""
    found = np.zeros(len(words), bool)
    for block in SequenceMatcher(None, words, heard, autojunk=False).get_matching_blocks():
        found[block.a : block.a + block.size] = True
    return found


def measure(manifest: Path, transcriber: Transcriber, count: int) -> list[str]:
    """Rows of the table for a list."""
    decoder = import_module("pocketsphinx").Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)
    utterances = read_manifest(manifest, lenient=True)
    differences: dict[str, list[Times]] = {"path": [], "torchaudio": [], "PocketSphinx": [], "surely": []}
    for utterance in utterances[:: max(1, len(utterances) // count)][:count]:
        wave = read_utterance(utterance)
        text = transcriber.bundle.normaliser(utterance.text)
        part = transcriber.find_utterance(wave)
        if part is None or not text or part.seconds > LONGEST_SECONDS:
            continue
        heard = transcriber.hear(part)
        times = ours(transcriber, part, heard.ctc_log_probs, text)
        path, of_torchaudio = paths(transcriber, part, heard.ctc_log_probs, text)
        differences["path"].append(path - of_torchaudio)
        differences["torchaudio"].append(times - of_torchaudio)
        words = text.split()
        reference = of_sphinx(decoder, wave, words)
        if reference is not None and len(reference) == len(times):
            hypothesis = transcriber.bundle.tokenizer.decode(transcriber.decode(heard, part.seconds)[0].tokens)
            sure = recognised(words, hypothesis.split()) & spoken(part, reference)
            sure &= steady(decoder, wave, words, reference)
            differences["PocketSphinx"].append(times - reference)
            differences["surely"].append((times - reference)[sure])
    rows = []
    for name, found in differences.items():
        edges = 1000 * np.concatenate([np.zeros((0, 2)), *found]).T
        if not edges.size:
            rows.append(f"| {manifest.parent.name} | {name} | 0 | | | | | | |")
            continue
        numbers = [
            f"{np.median(each):.0f} | {np.median(abs(each)):.0f} | {np.quantile(abs(each), 0.95):.0f}" for each in edges
        ]
        rows.append(f"| {manifest.parent.name} | {name} | {edges.shape[1]} | {' | '.join(numbers)} |")
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
