"""What most corpora need: their folder found, transcripts read line by line, and each joined with its recording.

Whatever belongs to nothing is left out with a line that names it, so that a partial copy and a damaged row do no harm.
"""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asr.audio.load import find_audio
from asr.data.corpora.corpus import CorpusSplits
from asr.data.manifests.bounded import LONGEST_LINE
from asr.data.manifests.utterance import Utterance, some
from asr.errors import AudioError, ManifestError

_SPLITS: Final = ("train", "dev", "test", "all")


@dataclass(frozen=True)
class TranscriptLine:
    """What is said in a recording and by whom, its split, and where that is written: a file, and its line."""

    text: str
    speaker: str
    split: str
    place: str


def find_root(folder: Path, holds: Callable[[Path], bool], wanted: str) -> Path:
    """The folder in which a corpus lies: the one that was named, or the one in it, as archives unpack.

    Raises:
        ManifestError: none of them ``holds`` the corpus, or several in it do.
    """
    try:
        if holds(folder):
            return folder
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        roots = [each for each in inside if each.is_dir() and holds(each)]
        kind = "an empty folder" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be listed ({error.strerror}); wanted {wanted}") from error
    if len(roots) == 1:
        return roots[0]
    if roots:
        raise ManifestError(
            f"{folder}: found {some([each.name for each in roots])}; wanted one folder with {wanted}; name one of them"
        )
    found = some([each.name for each in inside]) or kind
    raise ManifestError(f"{folder}: found {found}; wanted {wanted}; name the folder that holds them")


def find_recordings(
    folder: Path, places: Iterable[Path], key: Callable[[Path], str | None] = lambda path: path.stem
) -> dict[str, Path]:
    """The recordings below ``places``, which lie below ``folder``, by their key; those without a key are passed over.

    Raises:
        ManifestError: two recordings have the same key, or a folder may not be listed.
    """
    found: dict[str, Path] = {}
    for place in places:
        for path in _audio(place):
            name = key(path)
            if name is None:
                continue
            if earlier := found.get(name):
                raise ManifestError(
                    f"{folder}: found {earlier.relative_to(folder)} and {path.relative_to(folder)}; "
                    "wanted each recording once; remove one"
                )
            found[name] = path
    return found


def read_rows(path: Path, folder: Path, left_out: list[str]) -> Iterator[tuple[str, str]]:
    """The lines of a text file that are not empty, each with its place, such as ``txt/a.txt:3``.

    A line that is not UTF-8 goes to ``left_out``.

    Raises:
        ManifestError: the file cannot be read, no line of it is UTF-8, or one is longer than any transcript.
    """
    name = path.relative_to(folder).as_posix()
    damaged = readable = 0
    try:
        with path.open("rb") as file:
            for number in itertools.count(1):
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    break
                if len(line) > LONGEST_LINE:
                    raise ManifestError(
                        f"{path}:{number}: found a line of more than {LONGEST_LINE:,} bytes, wanted a transcript; "
                        "copy the corpus again"
                    )
                text = decoded(line)
                if text is None:
                    damaged += 1
                    left_out.append(f"{name}:{number}: found bytes that are not UTF-8")
                elif text:
                    readable += 1
                    yield f"{name}:{number}", text
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if damaged and not readable:
        raise ManifestError(f"{path}: found bytes that are not UTF-8, wanted text in UTF-8; convert the file")


def decoded(line: bytes) -> str | None:
    """A line without its end and surrounding space, None where it is not UTF-8."""
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    # What UTF-16 looks like after its first line.
    return None if "\0" in text else text.strip("\r\n").strip(" ")


def read_table(
    path: Path, folder: Path, columns: Sequence[str], left_out: list[str], *, quoted: bool
) -> Iterator[tuple[str, list[str]]]:
    """Cells of the named columns, with their place, of a table with a header: commas and quotes, or tabs without.

    A row with another number of cells than the header goes to ``left_out``.

    Raises:
        ManifestError: the file cannot be read, its header is not UTF-8 or lacks a column.
    """
    numbers: list[int] = []
    width = 0
    for place, line in read_rows(path, folder, left_out):
        try:
            cells = next(csv.reader([line])) if quoted else line.split("\t")
        except csv.Error as error:
            left_out.append(f"{place}: found no row of a table ({error})")
            continue
        if not numbers:
            if missing := [column for column in columns if column not in cells]:
                raise ManifestError(
                    f"{path}: found {line[:60]!r} as its header, missing {', '.join(missing)}; "
                    f"wanted a header with {', '.join(columns)} in UTF-8"
                )
            numbers, width = [cells.index(column) for column in columns], len(cells)
        elif len(cells) != width:
            left_out.append(f"{place}: found {len(cells)} cells, wanted {width} as in the header")
        else:
            yield place, [cells[number].strip() for number in numbers]


def add(transcripts: dict[str, TranscriptLine], key: str, transcript: TranscriptLine, folder: Path) -> None:
    """Note a transcript under its key.

    Raises:
        ManifestError: there is one under that key already.
    """
    if (earlier := transcripts.setdefault(key, transcript)) is not transcript:
        raise ManifestError(
            f"{folder}: found {key} in {earlier.place} and in {transcript.place}; wanted each id once; remove one"
        )


def pair(
    folder: Path,
    recordings: Mapping[str, Path],
    transcripts: Mapping[str, TranscriptLine],
    left_out: Sequence[str],
    wanted: str,
) -> CorpusSplits:
    """What has both a recording and a transcript under the same key, which becomes its id, in the order of the keys.

    Whether a recording can be decoded is not looked at.

    Raises:
        ManifestError: nothing has both.
    """
    splits: dict[str, list[Utterance]] = {split: [] for split in _SPLITS}
    lines = list(left_out)
    for key, transcript in sorted(transcripts.items()):
        path = recordings.get(key)
        if path is None:
            lines.append(f"{transcript.place}: found no recording of {key}")
        elif not transcript.text:
            lines.append(f"{transcript.place}: found no text for {key}")
        elif not transcript.speaker:
            lines.append(f"{transcript.place}: found no speaker of {key}")
        else:
            splits[transcript.split].append(Utterance(key, path, transcript.speaker, transcript.text))
    lines += [
        f"{path.relative_to(folder).as_posix()}: found no transcript of it"
        for key, path in sorted(recordings.items())
        if key not in transcripts
    ]
    if not any(splits.values()):
        raise ManifestError(
            f"{folder}: found {len(recordings)} recordings and {len(transcripts)} transcripts, none of them belonging "
            f"together{f' ({lines[0]})' if lines else ''}; wanted {wanted}; copy both"
        )
    return CorpusSplits({split: utterances for split, utterances in splits.items() if utterances}, tuple(lines))


def _audio(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    try:
        return find_audio(place)
    except AudioError as error:
        if "found no recording" in str(error):
            return []
        raise ManifestError(str(error)) from error
