"""What a number among settings has to be, and how settings are read from plain values."""

import math
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

from asr.errors import SettingsError

Settings = TypeVar("Settings")
_SHOWN = 60


def check_number(
    part: str, name: str, value: object, lowest: float, highest: float, *, whole: bool = False, above: bool = False
) -> None:
    """Raises SettingsError for what is no finite number from ``lowest`` to ``highest``.

    ``whole`` wants an integer; ``above`` excludes ``lowest`` itself.
    """
    kinds = (int,) if whole else (int, float)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    # Of a NaN every comparison is false, and so is this.
    if number and (lowest < value if above else lowest <= value) and value <= highest:  # type: ignore[operator]
        return
    kind = "a whole number" if whole else "a number"
    least = f"above {lowest:,}" if above else f"at least {lowest:,}"
    most = "" if highest == math.inf else f" and at most {highest:,}"
    raise SettingsError(f"{part}: {name} is {shown(value)}; it must be {kind} {least}{most}")


def check_path(part: str, name: str, value: object, wanted: str) -> None:
    """Raises SettingsError, which says what is ``wanted``, for what is no path."""
    if not isinstance(value, str | os.PathLike):
        raise SettingsError(f"{part}: {name} is {shown(value)}; it must be {wanted}")


def settings_from(kind: type[Settings], part: str, values: object) -> Settings:
    """The dataclass ``kind`` of plain values by name; raises SettingsError for other values than its fields take."""
    if not isinstance(values, Mapping):
        raise SettingsError(f"{part}: found {shown(values)}, wanted settings by name")
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise SettingsError(f"{part}: the setting {shown(name)} is not known; there are {', '.join(sorted(known))}")
    return kind(**values)


def shown(value: object) -> str:
    """A value as it is quoted in a message, on one line and not too long."""
    try:
        text = " ".join(ascii(value).split("\n"))  # an array has several lines
    except ValueError:  # a number of more digits than Python writes
        text = "a huge number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
