"""English, as `asr.text.language.Language` wants it: read the British way, said the American way too."""

from typing import Final

from asr.text.english.numbers import number_ways
from asr.text.english.reading import ABBREVIATIONS, spelled
from asr.text.english.times import date_ways, time_ways
from asr.text.english.written import written_ways

__all__ = ["ABBREVIATIONS", "LETTERS", "NAME", "date_ways", "number_ways", "spelled", "time_ways", "written_ways"]

NAME: Final = "English"
LETTERS: Final = ""
