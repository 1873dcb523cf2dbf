"""What a model is to say for an utterance: tokens, and phonemes where an auxiliary loss wants them."""

from collections.abc import Iterable
from dataclasses import dataclass

from asr.data.manifests.utterance import Utterance
from asr.data.synthetic import pronunciation
from asr.text.normaliser import Normaliser
from asr.text.tokenizer import Tokenizer

# 0 is the blank of the phoneme CTC.
_NUMBER_OF = {phoneme: number for number, phoneme in enumerate(pronunciation.PHONEMES, start=1)}


@dataclass(frozen=True)
class Targets:
    """What is to be said for one utterance; ``phonemes`` are numbers from 1, none where they are not wanted."""

    id: str
    text: str
    tokens: tuple[int, ...]
    phonemes: tuple[int, ...]


class TargetMaker:
    """Utterances to targets, by the tokenizer and, ``with_phonemes``, espeak-ng, which is asked once for each word."""

    def __init__(self, tokenizer: Tokenizer, with_phonemes: bool) -> None:
        self._tokenizer = tokenizer
        self._normaliser = Normaliser()
        self._with_phonemes = with_phonemes
        self._pronounced: dict[str, tuple[int, ...]] = {}

    def learn(self, utterances: Iterable[Utterance]) -> None:
        """Ask for the words of many utterances at once, which is far quicker than one by one."""
        if not self._with_phonemes:
            return
        words = {word for text in {u.text for u in utterances} for word in self._normaliser(text).split()}
        if new := sorted(word for word in words if word not in self._pronounced):
            for word, phonemes in pronunciation.pronounce(new).items():
                self._pronounced[word] = tuple(_NUMBER_OF[phoneme] for phoneme in phonemes)

    def __call__(self, utterance: Utterance) -> Targets:
        """The targets of one utterance.

        Raises SettingsError or AudioError where espeak-ng is asked and cannot answer.
        """
        self.learn([utterance])
        text = self._normaliser(utterance.text)
        phonemes = [number for word in text.split() for number in self._pronounced.get(word, ())]
        return Targets(utterance.id, text, tuple(self._tokenizer.encode(text)), tuple(phonemes))
