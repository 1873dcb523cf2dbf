"""Sentences of everyday American English, drawn from the trigram model that PocketSphinx brings, one a line.

Novels, speeches and dictionaries are not how people talk. CMU Sphinx's model of 72,547 words, two million pairs and 1.7
million triples of them is (two-clause BSD, in the package pocketsphinx), and sentences drawn from it carry what it
knows into the n-gram model of the recogniser's own tokens (`asr language-model`).

    recipes/commands/everyday.py OUT.txt [--words 12000000] [--seed 2]

The file is sphinxbase's: a tree from each word to those before it, with probabilities as numbers of 65,536 values.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAGIC = b"Trie Language Model\x03"
BASE = 1.0001  # of the logarithms in the file
VALUE_BITS = 16
LONGEST = 40  # words of a sentence
AT_ONCE = 200_000  # sentences


@dataclass(frozen=True)
class Level:
    """Word sequences of one length in order: ``keys`` without the last word, each with its words and probabilities."""

    keys: Ints  # distinct, rising
    starts: Ints  # of each key's words, and the end
    words: Ints  # rising for each key
    sums: Floats  # of the probabilities from the first of all on
    whole: Ints  # key and word as one number, rising


@dataclass(frozen=True)
class Trigrams:
    """The model, ready to draw from."""

    words: list[str]
    ones: Floats  # sums of the probabilities of single words
    twos: Level
    threes: Level

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        """So many sentences, without those of no words; one of more than ``LONGEST`` words is left out."""
        begin, end = self.words.index("<s>"), self.words.index("</s>")
        drawn = np.full((count, LONGEST + 1), end)
        before, last = np.full(count, -1), np.full(count, begin)
        going = np.arange(count)
        for place in range(LONGEST + 1):
            word = self._next(before[going], last[going], rng)
            drawn[going, place] = word
            before[going], last[going] = last[going], word
            going = going[word != end]
        lengths = (drawn != end).sum(axis=1)
        rows = drawn[(lengths > 0) & (lengths <= LONGEST)].tolist()
        return [" ".join(self.words[word] for word in row if word != end) for row in rows]

    def _next(self, before: Ints, last: Ints, rng: np.random.Generator) -> Ints:
        """The word after each of two others; ``before`` is -1 at the first word."""
        size = len(self.words)
        context = np.where(before < 0, -1, last * size + before)
        found = _pick(self.threes, context, rng)
        while (open_ := np.flatnonzero(found < 0)).size:
            # Backing off: by one word less, but none of those that the longer sequences have a probability for.
            word = self._after_one(last[open_], rng)
            known = _among(self.threes.whole, context[open_] * size + word)
            found[open_] = np.where(known, -1, word)
        return found

    def _after_one(self, last: Ints, rng: np.random.Generator) -> Ints:
        found = _pick(self.twos, last, rng)
        while (open_ := np.flatnonzero(found < 0)).size:
            word = np.searchsorted(self.ones, rng.random(open_.size) * self.ones[-1], side="right")
            known = _among(self.twos.whole, last[open_] * len(self.words) + word)
            found[open_] = np.where(known, -1, word)
        return found


def read_trigrams(path: Path) -> Trigrams:
    """The model in one of sphinxbase's files; raises ValueError for another file."""
    raw = path.read_bytes()
    if not raw.startswith(MAGIC):
        raise ValueError(f"{path}: found no trigram model of sphinxbase's; wanted the en-us.lm.bin of pocketsphinx")
    at = len(MAGIC)
    counts = np.frombuffer(raw, "<u4", 3, at).astype(int)
    at += 12 + 4  # and the kind of quantisation, of which there is one
    values = np.exp(np.frombuffer(raw, "<f4", 3 << VALUE_BITS, at).reshape(3, -1) * np.log(BASE))
    at += 3 * 4 << VALUE_BITS
    single = np.frombuffer(raw, [("log", "<f4"), ("backoff", "<f4"), ("next", "<u4")], counts[0] + 1, at)
    at += single.nbytes
    word_bits, next_bits = int(counts[0]).bit_length(), int(counts[2]).bit_length()
    pair_bits, triple_bits = word_bits + 2 * VALUE_BITS + next_bits, word_bits + VALUE_BITS
    pairs = raw[at : at + _size(counts[1], pair_bits)]
    triples = raw[at + len(pairs) : at + len(pairs) + _size(counts[2], triple_bits)]
    names = raw[at + len(pairs) + len(triples) + 4 :].decode().split("\0")[: counts[0]]

    # The counts in front are of the model before it was made; the tree says how many there are.
    last_word = np.repeat(np.arange(counts[0]), np.diff(single["next"].astype(np.int64)))
    count = len(last_word)
    earlier = _fields(pairs, count, pair_bits, 0, word_bits)
    probability = values[0][_fields(pairs, count, pair_bits, word_bits + VALUE_BITS, VALUE_BITS)]
    ends = _fields(pairs, count + 1, pair_bits, word_bits + 2 * VALUE_BITS, next_bits)
    each = np.diff(ends)
    triple = int(ends[-1])
    first = _fields(triples, triple, triple_bits, 0, word_bits)
    of_three = values[2][_fields(triples, triple, triple_bits, word_bits, VALUE_BITS)]
    ones = np.exp(single["log"][:-1] * np.log(BASE))
    ones[names.index("<s>")] = 0
    return Trigrams(
        names,
        ones.cumsum(),
        _level(earlier, last_word, probability, len(names)),
        _level(np.repeat(earlier, each) * len(names) + first, np.repeat(last_word, each), of_three, len(names)),
    )


def _size(count: int, bits: int) -> int:
    return ((1 + int(count)) * bits + 7) // 8 + 8


def _fields(packed: bytes, count: int, total: int, offset: int, width: int) -> Ints:
    """Numbers of ``width`` bits that stand ``total`` bits apart, the lowest bit first."""
    content = np.frombuffer(packed + bytes(8), np.uint8)
    place = np.arange(count, dtype=np.int64) * total + offset
    number = np.zeros(count, np.uint64)
    for byte in range(5):
        number |= content[(place >> 3) + byte].astype(np.uint64) << np.uint64(8 * byte)
    return ((number >> (place & 7).astype(np.uint64)) & np.uint64((1 << width) - 1)).astype(np.int64)


def _level(keys: Ints, words: Ints, probabilities: Floats, size: int) -> Level:
    order = np.lexsort((words, keys))
    distinct, starts = np.unique(keys[order], return_index=True)
    whole = keys[order] * size + words[order]
    return Level(distinct, np.append(starts, len(keys)), words[order], probabilities[order].cumsum(), whole)


def _pick(level: Level, keys: Ints, rng: np.random.Generator) -> Ints:
    """A word after each key by its probability, or -1 by what is left for all others."""
    place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
    known = level.keys[place] == keys
    start, end = level.starts[place], level.starts[place + 1]
    base = np.where(start > 0, level.sums[start - 1], 0.0)
    aim = base + rng.random(len(keys))
    inside = known & (aim < level.sums[end - 1])
    found = np.searchsorted(level.sums, aim, side="right").clip(max=len(level.words) - 1)
    return np.where(inside, level.words[found], -1)


def _among(whole: Ints, numbers: Ints) -> NDArray[np.bool_]:
    return whole[np.searchsorted(whole, numbers).clip(max=len(whole) - 1)] == numbers


def main() -> None:
    """Write so many words or a few more."""
    import pocketsphinx

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--words", type=int, default=12_000_000)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    model = read_trigrams(Path(pocketsphinx.get_model_path()) / "en-us" / "en-us.lm.bin")
    rng = np.random.default_rng(arguments.seed)
    part = arguments.out.with_name(arguments.out.name + ".part")
    written = 0
    with part.open("w", encoding="utf-8") as file:
        while written < arguments.words:
            sentences = model.draw(min(AT_ONCE, 1 + (arguments.words - written) // 10), rng)
            written += sum(sentence.count(" ") + 1 for sentence in sentences)
            file.writelines(f"{sentence}\n" for sentence in sentences)
    part.replace(arguments.out)


if __name__ == "__main__":
    main()
