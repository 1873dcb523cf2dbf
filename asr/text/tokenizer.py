"""Text to byte-pair tokens and back (SentencePiece; Sennrich et al., 2016)."""

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from asr.errors import BundleError, SettingsError
from asr.text.special import BOS, EOS, PAD, SPECIAL, UNK

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
ALPHABET = "abcdefghijklmnopqrstuvwxyz'"
SMALLEST = len(SPECIAL) + len(WORD_START + ALPHABET)
"""The vocabulary that can spell and knows nothing longer than a letter."""
_LARGEST = re.compile(r"value <= ([0-9]+)")
"""Where SentencePiece says how many tokens the text gives."""


class Tokenizer:
    """A trained SentencePiece model; ids 0 to 3 are pad (and CTC blank), unk, bos and eos."""

    def __init__(self, model: bytes, name: str = "tokenizer") -> None:
        self.model = model
        self.digest = hashlib.sha256(model).hexdigest()
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, OSError) as error:
            raise BundleError(f"{name}: not a SentencePiece model ({len(model)} bytes); train it again") from error
        p = self._processor
        found = (p.pad_id(), p.unk_id(), p.bos_id(), p.eos_id())
        if found != SPECIAL:
            raise BundleError(
                f"{name}: pad, unk, bos and eos have the ids {found}; wanted {SPECIAL}: make it with `asr tokenizer`"
            )
        self._check_pieces(name)

    def _check_pieces(self, name: str) -> None:
        """Raises BundleError for pieces that are no text: they would come out as the text of a recording."""
        try:
            for token in range(self.vocabulary):
                piece = self.piece(token)
                if not piece.isprintable() or self._processor.IsByte(token):
                    raise BundleError(
                        f"{name}: found the piece {piece[:40]!a}, wanted letters: make it with `asr tokenizer`"
                    )
            self.decode(range(self.vocabulary))
        except (RuntimeError, ValueError, IndexError, OSError) as error:
            raise BundleError(f"{name}: its pieces cannot be read ({_first_line(error)}); train it again") from error

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a model file; raises BundleError where it is missing or is no SentencePiece model."""
        try:
            return cls(path.read_bytes(), name=str(path))
        except OSError as error:
            raise BundleError(
                f"{path}: no tokenizer could be read ({error.strerror}); make it with `asr tokenizer`"
            ) from error

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> "Tokenizer":
        """Learn the merges from normalised texts; ``vocabulary`` counts the four special tokens too.

        Raises SettingsError where the texts hold too little for a vocabulary of that size, or it is below SMALLEST.
        """
        if vocabulary < SMALLEST:
            raise SettingsError(
                f"tokenizer: a vocabulary of {vocabulary} has no room for every letter and the special tokens; "
                f"raise --vocabulary to {SMALLEST} or more"
            )
        out = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(texts),
                model_writer=out,
                model_type="bpe",
                vocab_size=vocabulary,
                character_coverage=1.0,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                normalization_rule_name="identity",
                # Every letter has a token, so that no word of the alphabet is beyond spelling.
                required_chars=ALPHABET,
                # One thread, so that the same text gives the same merges.
                num_threads=1,
                minloglevel=2,
            )
        except (RuntimeError, StopIteration) as error:
            if most := _LARGEST.search(str(error)):
                raise SettingsError(
                    f"tokenizer: found text for at most {most[1]} tokens, wanted a vocabulary of {vocabulary}; "
                    f"lower --vocabulary to at most {most[1]}, or give more text"
                ) from error
            raise SettingsError(
                f"tokenizer: found too little text for {vocabulary} tokens; lower --vocabulary or give more text"
            ) from error
        return cls(out.getvalue())

    @property
    def vocabulary(self) -> int:
        """V, the number of tokens."""
        return int(self._processor.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        """Tokens of a normalised text, without bos and eos."""
        return list(self._processor.EncodeAsIds(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special ones are silent."""
        return str(self._processor.DecodeIds([int(token) for token in tokens if token not in SPECIAL]))

    def piece(self, token: int) -> str:
        """The piece as it is written; one that begins a word begins with U+2581."""
        return str(self._processor.IdToPiece(int(token)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["the text is empty"])[-1]
