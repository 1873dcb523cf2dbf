"""A backoff n-gram model of the tokens: how likely each next one is by what was written, whatever is heard.

The file is safetensors, all whole numbers. The n-grams are a tree: those of one token stand in the order of the tokens,
and those of k tokens in the order of the n-grams of k - 1 tokens that they go on from, and of their last tokens. For
each order k there are

* ``k.log_probs`` (N_k,), U8: minus the log-probability of the last token after the others, in steps of ``STEP``;
* ``k.tokens`` (N_k,), U16: the last token (not for k = 1);
* ``k.children`` (N_k,), U16: how many n-grams of k + 1 tokens go on from it (not for the longest);
* ``k.backoffs`` (N_k,), I8: logarithm of what a token that is not among those has of its probability after one token
  less of history, in steps of ``STEP`` (not for the longest).

Katz 1987 has the form, Heafield 2011 (KenLM) the tree, and ``asr.training.language_model`` estimates one.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.errors import BundleError
from asr.search.stepper import NEVER_EMITTED
from asr.settings import shown
from asr.text.special import BOS

STEP = 1 / 16
"""Natural logarithms are kept in steps of this: a probability to within 3 %."""
LONGEST = 8
"""Tokens of an n-gram at most."""
FORMAT = {"format": "asr-language-model", "version": "1"}

_KINDS: Mapping[str, tuple[str, type[np.integer[Any]]]] = {
    "log_probs": ("U8", np.uint8),
    "backoffs": ("I8", np.int8),
    "tokens": ("U16", np.uint16),
    "children": ("U16", np.uint16),
}
_MOST_BYTES = 1 << 20  # of the header

Tensors = Mapping[str, NDArray[Any]]


class LanguageModel:
    """A model that was read or made, ready to be asked."""

    def __init__(self, tensors: Tensors, vocabulary: int) -> None:
        """Raises ValueError, which says what, for tensors that are no such model of ``vocabulary`` tokens."""
        self.tensors = tensors
        self.order = _order(tensors)
        self.vocabulary = vocabulary
        if vocabulary ** (self.order - 1) > np.iinfo(np.int64).max:
            raise ValueError(f"{self.order} tokens of {vocabulary} are more n-grams than can be numbered")
        # Of each order but the longest: the n-grams as numbers in base V, in rising order; the first of what goes on
        # from each, and the end; and the logarithms of what backing off costs.
        self._keys: list[NDArray[np.int64]] = []
        self._starts: list[NDArray[np.int64]] = []
        self._backoffs: list[NDArray[np.float32]] = []
        # Of each order from the second on.
        self._tokens: list[NDArray[np.integer[Any]]] = []
        self._log_probs: list[NDArray[np.float32]] = []
        keys = np.arange(vocabulary)
        for order in range(1, self.order + 1):
            count = vocabulary if order == 1 else len(self._tokens[-1])
            log_probs = -STEP * _column(tensors, order, "log_probs", count).astype(np.float32)
            if order == 1:
                log_probs[list(NEVER_EMITTED)] = -np.inf
                self._unigrams = log_probs
            else:
                self._log_probs.append(log_probs)
            if order == self.order:
                break
            children = _column(tensors, order, "children", count).astype(np.int64)
            tokens = _column(tensors, order + 1, "tokens", int(children.sum()))
            self._keys.append(keys)
            self._starts.append(np.concatenate([[0], children.cumsum()]))
            self._backoffs.append(STEP * _column(tensors, order, "backoffs", count).astype(np.float32))
            self._tokens.append(tokens)
            if len(tokens) and tokens.max() >= vocabulary:
                raise ValueError(f"{order + 1}.tokens holds {tokens.max()}, of {vocabulary} tokens")
            parents = np.repeat(np.arange(len(keys)), children)
            if ((np.diff(parents) == 0) & (tokens[1:] <= tokens[:-1])).any():
                raise ValueError(f"{order + 1}.tokens are not in rising order")
            if order + 1 < self.order:
                keys = keys[parents] * vocabulary + tokens

    @property
    def ngrams(self) -> int:
        """How many n-grams of two and more tokens it knows."""
        return sum(len(tokens) for tokens in self._tokens)

    @cached_property
    def silence(self) -> float:
        """The log-probability that a search gives a text without tokens: the mean one of a text's first token.

        Texts were written because somebody had something to say, so that they know nothing of silence.
        """
        first = self.next_log_probs([()])[0].astype(np.float64)
        first = first[np.isfinite(first)]
        return float(np.exp(first) @ first)

    def next_log_probs(self, histories: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Log-probabilities (K, V) of each next token, or eos, after each of K transcripts so far, without bos.

        Of a history the last n - 1 tokens count. Each row's probabilities sum to 1; pad, unk and bos have none.
        """
        recent = [(BOS, *history)[-(self.order - 1) :] if self.order > 1 else () for history in histories]
        log_probs = np.tile(self._unigrams, (len(histories), 1))
        for row, history in enumerate(recent):
            key, weight = 0, 1
            for length, token in enumerate(reversed(history)):
                key += token * weight
                weight *= self.vocabulary
                keys = self._keys[length]
                place = int(np.searchsorted(keys, key))
                if place == len(keys) or keys[place] != key:
                    continue
                start, end = self._starts[length][place : place + 2]
                log_probs[row] += self._backoffs[length][place]
                log_probs[row, self._tokens[length][start:end]] = self._log_probs[length][start:end]
        # Rounding left sums that are near 1; and unigrams and what was never seen together make one whole.
        log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
        return log_probs


def read_language_model(path: Path, vocabulary: int) -> tuple[LanguageModel, dict[str, Any]]:
    """The model of ``vocabulary`` tokens in a file, and what else its header says.

    Raises BundleError for what is no such file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    try:
        metadata, tensors = _parsed(content)
        if {name: metadata.get(name) for name in FORMAT} != FORMAT:
            raise ValueError(f"found {shown(metadata)}, wanted {FORMAT}")
        return LanguageModel(tensors, vocabulary), metadata
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{path}: no language model of this bundle ({reason}); run `asr language-model`") from error


def language_model_bytes(model: LanguageModel, metadata: Mapping[str, str]) -> bytes:
    """The file of a model; ``metadata`` is what else its header is to say."""
    header: dict[str, Any] = {"__metadata__": {**FORMAT, **metadata}}
    parts, end = [], 0
    # The wider first, so that each begins at a multiple of its width.
    for name, tensor in sorted(model.tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        parts.append(tensor.tobytes())
        header[name] = {
            "dtype": _KINDS[name.partition(".")[2]][0],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + tensor.nbytes],
        }
        end += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _parsed(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The metadata and the tensors of a safetensors file; raises ValueError for anything else."""
    (size,) = struct.unpack("<Q", content[:8]) if len(content) >= 8 else (0,)
    if not 2 <= size <= min(_MOST_BYTES, len(content) - 8):
        raise ValueError(f"{len(content)} bytes, with a header of {size}")
    header, data = json.loads(content[8 : 8 + size]), memoryview(content)[8 + size :]
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header has no __metadata__")
    tensors = {}
    for name, told in header.items():
        kind, dtype = _KINDS.get(name.partition(".")[2], ("", np.uint8))
        match told:
            case {"dtype": found, "shape": [int(length)], "data_offsets": [int(start), int(end)]} if (
                found == kind and 0 <= start <= end <= len(data) and end - start == length * np.dtype(dtype).itemsize
            ):
                tensors[name] = np.frombuffer(data[start:end], np.dtype(dtype).newbyteorder("<"))
            case _:
                raise ValueError(f"{shown(name)} is {shown(told)}")
    return metadata, tensors


def _order(tensors: Tensors) -> int:
    """Tokens of the longest n-grams; raises ValueError where other tensors are there than such a model has."""
    order = sum(name.endswith(".log_probs") for name in tensors)
    wanted = {f"{each}.{kind}" for each in range(1, order + 1) for kind in _KINDS}
    wanted -= {"1.tokens", f"{order}.children", f"{order}.backoffs"}
    if not 1 <= order <= LONGEST or wanted != set(tensors):
        raise ValueError(f"its tensors are {shown(sorted(tensors))}")
    return order


def _column(tensors: Tensors, order: int, kind: str, length: int) -> NDArray[Any]:
    """A tensor, of that length; raises ValueError."""
    found = tensors[f"{order}.{kind}"]
    if found.shape != (length,):
        raise ValueError(f"{order}.{kind} is of the shape {found.shape}, wanted ({length},)")
    return found
