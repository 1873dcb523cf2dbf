"""Transcripts as files that other programs read: subtitles, tables, and tiers of Praat.

Texts come from a model's file, so what is not printable in them is escaped, and no format is broken by it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from asr.printable import printable
from asr.runtime.transcript import Transcript, TranscriptSegment, Word

CUE_LETTERS: Final = 84
"""A subtitle is no longer than two lines of 42 letters, a word that is longer alone."""
CUE_SECONDS: Final = 7.0
"""No longer than this, and no shorter than its words."""
CUE_PAUSE_SECONDS: Final = 1.0
"""A pause of this length ends a subtitle."""


def srt(segments: Iterable[TranscriptSegment]) -> Iterator[str]:
    """SubRip subtitles, numbered from 1; nothing where nothing was heard."""
    for number, (start, end, text) in enumerate(_cues(segments), start=1):
        gap = "\n" if number > 1 else ""
        yield f"{gap}{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"


def vtt(segments: Iterable[TranscriptSegment]) -> Iterator[str]:
    """WebVTT subtitles (W3C): the header alone where nothing was heard."""
    yield "WEBVTT\n"
    for start, end, text in _cues(segments):
        yield f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{_escaped(text)}\n"


def tsv(segments: Iterable[TranscriptSegment]) -> Iterator[str]:
    """A tab-separated row a segment after the header ``start end text``, the times in whole milliseconds."""
    yield "start\tend\ttext\n"
    for each in segments:
        yield f"{_milliseconds(each.start)}\t{_milliseconds(each.end)}\t{_line(each.text)}\n"


def textgrid(transcript: Transcript) -> str:
    """A TextGrid of Praat in its long form: a tier of segments and one of words, with empty intervals between."""
    tiers: list[tuple[str, Sequence[TranscriptSegment] | Sequence[Word]]] = [
        ("segments", transcript.segments),
        ("words", transcript.words),
    ]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {transcript.seconds:.7f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for place, (name, parts) in enumerate(tiers, start=1):
        intervals = list(_intervals(parts, transcript.seconds))
        lines += [
            f"    item [{place}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {transcript.seconds:.7f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for number, (start, end, text) in enumerate(intervals, start=1):
            quoted = _line(text).replace('"', '""')
            lines += [
                f"        intervals [{number}]:",
                f"            xmin = {start:.7f}",
                f"            xmax = {end:.7f}",
                f'            text = "{quoted}"',
            ]
    return "\n".join([*lines, ""])


AS_HEARD: Final[Mapping[str, Callable[[Iterable[TranscriptSegment]], Iterator[str]]]] = {
    "srt": srt,
    "vtt": vtt,
    "tsv": tsv,
}
"""The formats that can be written while a recording is heard: what each adds for the next segments."""


def content(form: str, transcript: Transcript) -> str:
    """The whole content of a file in a format, one of ``AS_HEARD`` or textgrid."""
    return "".join(AS_HEARD[form](transcript.segments)) if form in AS_HEARD else textgrid(transcript)


def _cues(segments: Iterable[TranscriptSegment]) -> Iterator[tuple[int, int, str]]:
    """(first millisecond, the one after the last, text) of each subtitle."""
    for segment in segments:
        cue: list[Word] = []
        for word in segment.words:
            if cue and (
                len(" ".join(each.text for each in [*cue, word])) > CUE_LETTERS
                or word.end - cue[0].start > CUE_SECONDS
                or word.start - cue[-1].end >= CUE_PAUSE_SECONDS
            ):
                yield _cue(cue)
                cue = []
            cue.append(word)
        if cue:
            yield _cue(cue)


def _cue(words: Sequence[Word]) -> tuple[int, int, str]:
    start, end = _milliseconds(words[0].start), _milliseconds(words[-1].end)
    return start, max(end, start + 1), _line(" ".join(word.text for word in words))


def _intervals(
    parts: Sequence[TranscriptSegment] | Sequence[Word], seconds: float
) -> Iterator[tuple[float, float, str]]:
    """All of a recording in intervals that follow one another, none of them without length."""
    at = 0.0
    for part in parts:
        if part.start > at:
            yield at, part.start, ""
        yield part.start, part.end, part.text
        at = part.end
    if seconds > at:
        yield at, seconds, ""


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"
