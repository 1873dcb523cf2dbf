"""Subtitles, tables and TextGrids, read back by parsers of the tests' own, written from the formats' descriptions."""

import html
import re
from collections.abc import Iterator

import pytest

from asr.runtime.formats import AS_HEARD, CUE_LETTERS, CUE_PAUSE_SECONDS, CUE_SECONDS, content, textgrid
from asr.runtime.transcript import Transcript, TranscriptSegment, Word

CLOCK = r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})"


def said(*words: tuple[str, float, float], seconds: float) -> Transcript:
    made = tuple(Word(text, 0.5, start, end) for text, start, end in words)
    text = " ".join(word.text for word in made)
    segments = (TranscriptSegment(text, 0.5, made[0].start, made[-1].end, made),) if made else ()
    return Transcript(text, 0.5, seconds, (), made, segments)


EVERY_SECOND = said(*((f"word{n}", n * 0.5, n * 0.5 + 0.4) for n in range(40)), seconds=21.0)
HOSTILE = said(
    ('a"b', 0.1, 0.4), ("<i>", 3661.5, 3661.75), ("x&y", 3661.75, 3662.0), ("\n\t-->", 3662.0, 3663.0), seconds=4000.0
)
NOTHING = said(seconds=2.0)


def cues(written: str, arrow: str, unescape: bool) -> list[tuple[float, float, str]]:
    found = []
    for block in re.split(r"\n\n+", written.strip()):
        times = re.search(rf"^{CLOCK} --> {CLOCK}$", block, flags=re.MULTILINE)
        if times is None:
            assert block == ("WEBVTT" if unescape else "")
            continue
        assert arrow in times.group()
        numbers = [int(each) for each in times.groups()]
        start, end = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
        text = block[times.end() :].strip()
        assert "\n" not in text
        found.append((start, end, html.unescape(text) if unescape else text))
    return found


@pytest.mark.parametrize("transcript", [EVERY_SECOND, HOSTILE, NOTHING])
@pytest.mark.parametrize(("form", "point", "escaped"), [("srt", ",", False), ("vtt", ".", True)])
def test_subtitles_hold_all_words_in_short_cues(form: str, point: str, escaped: bool, transcript: Transcript) -> None:
    found = cues(content(form, transcript), point, escaped)
    words = [word for _, _, text in found for word in text.split()]
    assert len(words) == len(transcript.words)
    assert words[:2] == [word.text for word in transcript.words[:2]]
    edges = [edge for start, end, _ in found for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(start < end <= start + CUE_SECONDS and len(text) <= CUE_LETTERS for start, end, text in found)
    if transcript.words:
        assert edges[0] == pytest.approx(transcript.words[0].start, abs=1e-3)
        assert edges[-1] == pytest.approx(transcript.words[-1].end, abs=1e-3)


def test_srt_is_numbered_and_vtt_begins_with_its_name() -> None:
    numbers = [int(block.split("\n")[0]) for block in content("srt", EVERY_SECOND).strip().split("\n\n")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 2
    assert content("srt", NOTHING) == ""
    assert content("vtt", NOTHING) == "WEBVTT\n"


def test_a_pause_ends_a_subtitle() -> None:
    for pause, count in ((CUE_PAUSE_SECONDS, 2), (CUE_PAUSE_SECONDS - 0.1, 1)):
        transcript = said(("one", 0.0, 0.5), ("two", 0.5 + pause, 1.0 + pause), seconds=5.0)
        assert len(cues(content("srt", transcript), ",", False)) == count


def test_a_table_has_a_row_a_segment() -> None:
    header, *rows = [line.split("\t") for line in content("tsv", HOSTILE).splitlines()]
    assert header == ["start", "end", "text"]
    (row,) = rows
    assert (int(row[0]), int(row[1])) == (100, 3663000)
    assert row[2].startswith('a"b <i> x&y')
    assert content("tsv", NOTHING) == "start\tend\ttext\n"


@pytest.mark.parametrize("form", AS_HEARD)
def test_what_is_written_as_it_is_heard_waits_for_nothing(form: str) -> None:
    asked = 0

    def segments() -> Iterator[TranscriptSegment]:
        nonlocal asked
        for asked in (1, 2, 3):  # noqa: B007
            yield from EVERY_SECOND.segments

    parts = AS_HEARD[form](segments())
    while "word3" not in next(parts):
        pass
    assert asked == 1


def tiers(text: str) -> dict[str, list[tuple[float, float, str]]]:
    found = {}
    for item in re.split(r"item \[\d+\]:", text)[1:]:
        (name,) = re.findall(r'name = "(\w+)"', item)
        (size,) = re.findall(r"intervals: size = (\d+)", item)
        read = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"\s', item)
        assert len(read) == int(size)
        found[name] = [(float(start), float(end), text.replace('""', '"')) for start, end, text in read]
    return found


@pytest.mark.parametrize("transcript", [EVERY_SECOND, HOSTILE, NOTHING])
def test_a_textgrid_covers_the_recording_without_a_gap(transcript: Transcript) -> None:
    written = textgrid(transcript)
    assert written == content("textgrid", transcript)
    assert written.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    read = tiers(written)
    assert list(read) == ["segments", "words"]
    for intervals in read.values():
        assert intervals[0][0] == 0.0
        assert intervals[-1][1] == transcript.seconds
        assert all(start < end for start, end, _ in intervals)
        assert [end for _, end, _ in intervals[:-1]] == [start for start, _, _ in intervals[1:]]
    words = [each for each in read["words"] if each[2]]
    assert [each[:2] for each in words] == [(word.start, word.end) for word in transcript.words]
    assert [each[2] for each in words[:3]] == [word.text for word in transcript.words[:3]]
