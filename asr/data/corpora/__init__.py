"""Readers of published corpora: a folder as it is published, to the utterances of each split.

No speaker is in two splits.
"""

from asr.data.corpora.an4 import AN4
from asr.data.corpora.audiomnist import AUDIOMNIST
from asr.data.corpora.common_voice import COMMON_VOICE
from asr.data.corpora.corpus import Corpus
from asr.data.corpora.digits import SPOKEN_DIGITS
from asr.data.corpora.english_ccc import ENGLISH_CCC
from asr.data.corpora.fluent_speech_commands import FLUENT_SPEECH_COMMANDS
from asr.data.corpora.librispeech import LIBRISPEECH, MINI_LIBRISPEECH
from asr.data.corpora.ljspeech import LJSPEECH
from asr.data.corpora.speech_commands import SPEECH_COMMANDS, SPEECH_COMMANDS_12
from asr.data.corpora.speechocean762 import SPEECHOCEAN762
from asr.data.corpora.tsv import LISTS
from asr.data.corpora.vctk import VCTK

CORPORA: dict[str, Corpus] = {
    "an4": AN4,
    "audiomnist": AUDIOMNIST,
    "common_voice": COMMON_VOICE,
    "digits": SPOKEN_DIGITS,
    "english_ccc": ENGLISH_CCC,
    "fluent_speech_commands": FLUENT_SPEECH_COMMANDS,
    "librispeech": LIBRISPEECH,
    "ljspeech": LJSPEECH,
    "mini_librispeech": MINI_LIBRISPEECH,
    "speech_commands": SPEECH_COMMANDS,
    "speech_commands_12": SPEECH_COMMANDS_12,
    "speechocean762": SPEECHOCEAN762,
    "tsv": LISTS,
    "vctk": VCTK,
}
