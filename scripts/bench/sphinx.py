"""PocketSphinx with the model that comes with it, the peer beside which the benches measure."""

from collections.abc import Mapping
from importlib import import_module, util
from typing import Any

import numpy as np
from jsgf import Jsgf
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE

Wave = NDArray[np.float32]


class Sphinx:
    """PocketSphinx as it is installed: ``free`` with its own language model, else for a grammar to be loaded.

    What it takes for the noise goes on from one recording to the next, as in one stream; ``apart`` it begins anew with
    each, so that what it hears does not depend on what it heard before.
    """

    def __init__(self, *, free: bool = False, apart: bool = False) -> None:
        settings: dict[str, Any] = {} if free else {"lm": None}
        self._decoder = import_module("pocketsphinx").Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", **settings)
        self._apart = apart

    def knows(self, word: str) -> bool:
        """Whether it has a pronunciation."""
        return self._decoder.lookup_word(word) is not None

    def learn(self, pronunciations: Mapping[str, str]) -> None:
        """Add words, each said in phones separated by blanks; those that it knows stay as they are."""
        for word, phones in pronunciations.items():
            if not self.knows(word):
                self._decoder.add_word(word, phones, False)

    def load(self, jsgf: Jsgf) -> None:
        """Listen for this grammar from now on."""
        self._decoder.add_jsgf_string("commands", jsgf.text)
        self._decoder.activate_search("commands")

    def hear(self, wave: Wave) -> str:
        """What is said in a wave (N,) at 16 kHz; empty where no word is, or nothing of the grammar."""
        if self._apart:
            self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw((wave * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)


def has_sphinx() -> bool:
    """Whether it is installed."""
    return util.find_spec("pocketsphinx") is not None
