"""Readers of published corpora: a folder as it is published, to the utterances of each split.

No speaker is in two splits. A split for which the folder holds nothing is left out.
"""

from collections.abc import Callable
from pathlib import Path

from asr.data.corpora.digits import read_digits
from asr.data.corpora.tsv import read_lists
from asr.data.manifest import Utterance

CORPORA: dict[str, Callable[[Path], dict[str, list[Utterance]]]] = {
    "digits": read_digits,
    "tsv": read_lists,
}
