"""The languages that there are, by their codes."""

from functools import cache
from typing import Final

from asr.errors import SettingsError
from asr.text.language import Language

LANGUAGES: Final = ("en", "de")
"""Those that there are, by their codes (ISO 639-1)."""


@cache
def find_language(code: str) -> Language:
    """The language of a code, one of ``LANGUAGES``.

    Raises SettingsError: there is none of that code.
    """
    if code == "en":
        from asr.text import english

        return english
    if code == "de":
        from asr.text import german

        return german
    raise SettingsError(f"language {code!r} is not known; there are {', '.join(LANGUAGES)}")


def language_code(name: str) -> str | None:
    """The code of a language that may be named with a region, such as en-GB or de_AT; None where it is not known."""
    code = name.replace("_", "-").lower().partition("-")[0]
    return code if code in LANGUAGES else None
