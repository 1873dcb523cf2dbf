"""How times of day and days are called in English, in the form of the normaliser; minutes count from midnight."""

from collections.abc import Iterator
from typing import Final

from asr.text.english.numbers import MONTHS, WEEKDAYS, cardinal, minutes, ordinal
from asr.text.language import DAYS

_RELATIVE_DAYS: Final = {
    "today": ("today",),
    "tonight": ("tonight",),
    "tomorrow": ("tomorrow",),
    "yesterday": ("yesterday",),
    "day after tomorrow": ("the day after tomorrow", "day after tomorrow"),
    "day before yesterday": ("the day before yesterday", "day before yesterday"),
}


def time_ways(minute: int, *, bare: bool) -> tuple[str, ...]:
    """All ways to say a minute of the day; those of both halves of the day only where ``bare``."""
    hour, past = divmod(minute, 60)
    ways = [*(_half_past_ways(minute) if bare else ()), *half_day_ways(minute)]
    if not 1 <= hour <= 12:
        ways.append(_figures(hour, past))
        if not past:
            ways.append(f"{cardinal(hour)} hundred")
    return tuple(dict.fromkeys(ways))


def _half_past_ways(minute: int) -> list[str]:
    """What both halves of the day have: "seven thirty", "half past seven", "ten to eight"."""
    hour, past = divmod(minute, 60)
    here, following = ((at - 1) % 12 + 1 for at in (hour, hour + 1))
    plain = _figures(here, past)
    if not past:
        return [plain, f"{plain} o'clock"]
    ways = [plain, *_around(past, cardinal(here), cardinal(following))]
    return [*ways, f"half {cardinal(here)}"] if past == 30 else ways


def _around(past: int, here: str, following: str) -> list[str]:
    """Minutes from one named hour or to the next."""
    if past == 30:
        return [f"half past {here}"]
    count, links, name = (past, ("past", "after"), here) if past < 30 else (60 - past, ("to", "till"), following)
    if count == 15:
        counts = ["quarter", "a quarter"]
    else:
        minutes = "minute" if count == 1 else "minutes"
        counts = [f"{cardinal(count)} {minutes}", *([] if count % 5 else [cardinal(count)])]
    return [f"{count} {link} {name}" for count in counts for link in links]


def half_day_ways(minute: int) -> list[str]:
    """What only one half of the day has: "seven thirty a m", "half past seven in the morning", "noon"."""
    hour, past = divmod(minute, 60)
    ways = [f"{way} {half}" for way in _half_past_ways(minute) for half in _halves(hour)]
    names = {0: ("midnight", "twelve midnight"), 12: ("noon", "midday", "twelve noon")}
    if not past:
        ways += names.get(hour, ())
    else:
        named = hour if past <= 30 else (hour + 1) % 24
        ways += [way for name in names.get(named, ())[: named // 12 + 1] for way in _around(past, name, name)]
    return ways


def _halves(hour: int) -> tuple[str, ...]:
    if hour < 12:
        return ("a m", "am", "in the morning", *(["at night"] if hour < 5 else []))
    parts = [(12, 17, "in the afternoon"), (17, 23, "in the evening"), (20, 23, "at night")]
    return ("p m", "pm", *(part for first, last, part in parts if first <= hour <= last))


def _figures(hour: int, past: int) -> str:
    """As the normaliser reads 7:05."""
    return f"{cardinal(hour)} {minutes(past)}" if past else cardinal(hour)


def day_ways(month: int, day: int) -> list[str]:
    """All ways to say a day of the year: "may third", "the third of may"; month and day count from 1."""
    name, nth, count = MONTHS[month - 1], ordinal(day), cardinal(day)
    return [
        f"the {nth} of {name}",
        f"{nth} of {name}",
        f"{name} {nth}",
        f"{name} the {nth}",
        f"{name} {count}",
        f"{nth} {name}",
        f"{count} {name}",
    ]


def date_ways() -> Iterator[tuple[str, str]]:
    """Every way to say a day, with the value that it stands for, as `Language` has them."""
    for name in WEEKDAYS:
        yield from ((text, name) for text in (name, f"this {name}"))
        yield f"next {name}", f"next {name}"
    for value, texts in _RELATIVE_DAYS.items():
        yield from ((text, value) for text in texts)
    for month, days in enumerate(DAYS, start=1):
        for day in range(1, days + 1):
            yield from ((text, f"{month:02}-{day:02}") for text in day_ways(month, day))
