"""Readers of published corpora: a folder as it is published, to the utterances of each split.

No speaker is in two splits.
"""

from asr.data.corpora.audiomnist import AUDIOMNIST
from asr.data.corpora.common_voice import COMMON_VOICE
from asr.data.corpora.corpus import Corpus
from asr.data.corpora.digits import DIGITS
from asr.data.corpora.fluent_speech_commands import FLUENT_SPEECH_COMMANDS
from asr.data.corpora.librispeech import LIBRISPEECH, MINI_LIBRISPEECH
from asr.data.corpora.ljspeech import LJSPEECH
from asr.data.corpora.tsv import LISTS
from asr.data.corpora.vctk import VCTK

CORPORA: dict[str, Corpus] = {
    "audiomnist": AUDIOMNIST,
    "common_voice": COMMON_VOICE,
    "digits": DIGITS,
    "fluent_speech_commands": FLUENT_SPEECH_COMMANDS,
    "librispeech": LIBRISPEECH,
    "ljspeech": LJSPEECH,
    "mini_librispeech": MINI_LIBRISPEECH,
    "tsv": LISTS,
    "vctk": VCTK,
}
