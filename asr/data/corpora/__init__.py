"""Readers of published corpora: a folder as it is published, to the utterances of each split.

No speaker is in two splits.
"""

from asr.data.corpora.corpus import Corpus
from asr.data.corpora.digits import DIGITS
from asr.data.corpora.tsv import LISTS

CORPORA: dict[str, Corpus] = {
    "digits": DIGITS,
    "tsv": LISTS,
}
