"""Text without what makes no difference to how it is said: case, diacritics, the many forms of one character."""

import re
import unicodedata
from functools import cache
from typing import Final

# Apostrophes as typed by keyboards, phones and word processors; U+00B4 and the like would otherwise fall apart in NFKC.
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘‛ʼʻʹ′`´ꞌ", "'"))
# NFKC would glue these to the word before them as the letters TM and SM; the zero-width space is one between words.
_MARKS: Final = str.maketrans(dict.fromkeys("™℠\u200b", " "))
_HYPHENS: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
# Letters that have no decomposition into a base letter and a diacritic (ß is taken apart by case folding).
_LETTERS: Final = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_WIDE = r"[\u00a0\u2007\u2009\u202f]"  # blanks that hold together what they stand between
_WIDE_BLANKS: Final = re.compile(rf"(?<![0-9])(?<![0-9]{_WIDE})[1-9][0-9]{{0,2}}(?:{_WIDE}[0-9]{{3}})++(?![0-9])")


def fold(text: str, letters: str = "") -> str:
    """Compatible, undecorated, lower-case characters; digits of every script as 0 to 9.

    ``letters`` are those beyond a to z, in lower case, that stay as they are, however they are composed: with "äöüß"
    "GRÖẞE" is "größe", without them "grosse".
    """
    if text.isascii() or not letters:
        return _folded(text)
    composed = _letter_with_mark(letters).sub(lambda match: unicodedata.normalize("NFC", match[0]), text)
    return "".join(
        part.lower() if part.lower() in letters else _folded(part) for part in _letter(letters).split(composed) if part
    )


@cache
def _letter(letters: str) -> re.Pattern[str]:
    """One of the letters, small or capital."""
    return re.compile(f"([{letters}{''.join(filter(str.isupper, map(_capital, letters)))}])")


@cache
def _letter_with_mark(letters: str) -> re.Pattern[str]:
    """One of the letters that is written as a plain one and a mark."""
    apart = [unicodedata.normalize("NFD", form) for each in letters for form in (each, _capital(each))]
    return re.compile("|".join(re.escape(form) for form in apart if len(form) > 1) or "(?!)")


def _capital(letter: str) -> str:
    return "ẞ" if letter == "ß" else letter.upper()


def _folded(text: str) -> str:
    if text.isascii():  # which has nothing to fold but these; most texts are, and lists of commands are long
        return text.translate(_APOSTROPHES).lower()
    text = _WIDE_BLANKS.sub(lambda match: re.sub(r"\s", "", match[0]), text)
    text = text.translate(_APOSTROPHES).translate(_MARKS)
    kept = []
    before = ""
    for char in text:
        # Combining marks go first: to sort a long row of them takes NFKC time that grows with its square.
        if unicodedata.category(char) in ("Mn", "Me") or unicodedata.combining(char):
            continue
        kept.append(_number_sign(char, before) if unicodedata.category(char) == "No" else char)
        before = char
    text = unicodedata.normalize("NFKC", "".join(kept)).casefold()
    text = unicodedata.normalize("NFKD", text)
    folded = []
    for char in text:
        category = unicodedata.category(char)
        if category == "Nd":
            folded.append(str(unicodedata.decimal(char)))
        elif category not in (
            "Mn",
            "Me",
            "Cf",
        ):  # Cf: soft hyphens, joiners and marks of direction, which part no words
            folded.append(char)
    return "".join(folded).translate(_APOSTROPHES).translate(_HYPHENS).translate(_LETTERS)


def _number_sign(char: str, before: str) -> str:
    """² and ½ must not join the digits before them; a fraction may be one with the whole number there."""
    plain = unicodedata.normalize("NFKC", char)
    if "⁄" not in plain:
        return f" {char} "
    return f" {plain}" if before.isnumeric() else plain
