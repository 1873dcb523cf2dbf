"""The part of a Markdown file that a program writes, between two comments; the rest is a person's."""

from pathlib import Path

from asr.errors import SettingsError
from asr.files import write_whole


def between_marks(path: Path, name: str) -> tuple[str, str]:
    """What of a file comes before the part ``name`` and what after it, its marks included.

    Raises SettingsError for a file that cannot be read, or that has not each mark once and in order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    try:
        text = path.read_bytes().decode()  # bytes, so that line ends stay as they are
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}; wanted a Markdown file to write into") from None
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if (text.count(begin), text.count(end), rest.count(end)) != (1, 1, 1):
        raise SettingsError(
            f"{path}: found {text.count(begin)} times {begin} and {text.count(end)} times {end}, wanted each once and "
            "in this order, on lines of their own; put them where the tables shall stand"
        )
    return before + begin, end + after


def write_between(path: Path, name: str, text: str) -> None:
    """Put the text in the place of the part ``name``, the file whole or not at all.

    Raises SettingsError as ``between_marks`` does, or where it cannot be written.
    """
    before, after = between_marks(path, name)
    try:
        write_whole(path, f"{before}\n\n{text}\n\n{after}".encode())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error}") from None
