"""How much text a stretch of audio can hold."""

import math

from asr.errors import SettingsError

TOKENS_PER_SECOND = 15.0
"""Spelled letters come fastest, at about five a second; fast speech in small pieces stays under ten."""
MINIMUM_TOKENS = 4


def max_tokens(seconds: float, tokens_per_second: float, minimum: int) -> int:
    """Most tokens that ``seconds`` of audio may give: the rate times the length, rounded up, at least ``minimum``.

    The cap keeps a model that repeats itself or never says end from running on. Raises SettingsError for a negative
    or non-finite length, a rate that is not above 0, or a minimum below 1.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(f"seconds is {seconds}, wanted a length of audio of at least 0")
    if not (math.isfinite(tokens_per_second) and tokens_per_second > 0):
        raise SettingsError(f"tokens_per_second is {tokens_per_second}, wanted a number above 0")
    if minimum < 1:
        raise SettingsError(f"minimum is {minimum}, wanted at least 1 token")
    return max(minimum, math.ceil(seconds * tokens_per_second))
