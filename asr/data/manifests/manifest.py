"""Lists of recordings with what is said in them: the one form in which corpora enter training and scoring.

A manifest is a tab-separated file with the header ``path speaker text``, a Lhotse cut set, or a folder of Lhotse Shar.
"""

import io
import os
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.data.manifests.bounded import is_file, lines_of, shown
from asr.data.manifests.cuts import CUT_SUFFIXES, read_cuts
from asr.data.manifests.shard import read_shards
from asr.data.manifests.utterance import NOBODY, Utterance, some
from asr.errors import AudioError, ManifestError

_COLUMNS: Final = ("path", "speaker", "text")
_LEEWAY: Final = 0.1  # seconds by which a codec's padding may make a recording shorter than a list says


def read_manifest(path: Path, *, lenient: bool = False) -> list[Utterance]:
    """The utterances of a tab-separated list, a Lhotse cut set (``.jsonl``, ``.jsonl.gz``) or a folder of shards.

    They come in the order of the list.

    In a tab-separated list the header names at least the columns path, speaker and text, in any order; a path is
    relative to the list's folder and is, as written, the utterance's id. There is no quoting. Empty lines are skipped.
    In a cut set each cut has one supervision and all channels of a recording kept as a file; relative paths start
    from the working folder, as Lhotse reads them. Of a folder with Lhotse Shar the tars' headers are read, not their
    audio; an archive without its list is what an interrupted writer left, and is passed over.

    Where it is ``lenient`` some audio files may be missing: for who goes on past a recording that cannot be read, and
    names it.

    Raises:
        ManifestError: the list cannot be read, is empty or malformed, names an id twice, or audio files are missing,
            or no regular files; where it is lenient, all of them.
    """
    utterances = read_list(path)
    _check_audio(path, utterances, lenient=lenient)
    return utterances


def read_list(path: Path) -> list[Utterance]:
    """As ``read_manifest``, but nothing is asked of the audio: it may be missing, or be anything.

    Raises:
        ManifestError: the list cannot be read, is empty or malformed, or names an id twice.
    """
    utterances: list[Utterance] = []
    first_lines: dict[str, tuple[Path, int]] = {}
    try:
        # Closed, as the file is by it, although what is raised holds the frames of all who read (``lines_of``).
        with closing(_read_lines(path)) as lines:
            for place, utterance in lines:
                first = first_lines.setdefault(utterance.id, place)
                if first != place:
                    where = f"line {first[1]}" + ("" if first[0] == place[0] else f" of {first[0].name}")
                    raise ManifestError(
                        f"{place[0]}:{place[1]}: the id {shown(utterance.id, 200)} was used in {where}; ids are unique"
                    )
                utterances.append(utterance)
    except FileNotFoundError:
        raise ManifestError(
            f"{path}: no such file; wanted a manifest, .tsv or .jsonl or .jsonl.gz, or a folder of shards"
        ) from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: found bytes that are not UTF-8 ({error.reason}), wanted text in UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from None
    if not utterances:
        raise ManifestError(f"{path}: found no utterance; wanted at least one line after the header, or one cut")
    return utterances


def missing_audio(utterances: Sequence[Utterance]) -> dict[Path, str]:
    """The recordings that are no regular files, a device or a pipe say, each with what is there instead."""
    recordings = dict.fromkeys(utterance.path for utterance in utterances)
    return {
        path: "no regular file" if os.path.lexists(path) else "no such file" for path in recordings if not is_file(path)
    }


def check_disjoint(splits: Mapping[str, Sequence[Utterance]]) -> None:
    """Makes sure that nobody is heard in two of the named lists.

    Raises:
        ManifestError: it names the lists and the speakers that they share.
    """
    seen: list[tuple[str, set[str]]] = []
    for name, utterances in splits.items():
        speakers = {utterance.speaker for utterance in utterances} - {NOBODY}
        for other, others in seen:
            if shared := speakers & others:
                raise ManifestError(
                    f"{other} and {name}: found the same speakers in both, {some(sorted(shared))}; "
                    "wanted each speaker in one of them only"
                )
        seen.append((name, speakers))


def read_utterance(utterance: Utterance) -> NDArray[np.float32]:
    """The sound of an utterance: wave (N,), float32 in [-1, 1] at 16 kHz.

    Raises:
        AudioError: the recording cannot be read, or is no regular file.
        ManifestError: the recording ends before the utterance does.
    """
    # A list may name a device that never ends, or a pipe into which nobody writes.
    if utterance.packed is None and (missing := missing_audio([utterance])):
        raise AudioError(f"{utterance.path}: found {missing[utterance.path]}, wanted a recording; mend its path")
    return cut_out(utterance, load_audio(utterance.path) if utterance.packed is None else _load_packed(utterance))


def cut_out(utterance: Utterance, wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The utterance's part of its recording, given the whole: wave (N,) at 16 kHz, not copied.

    Raises:
        ManifestError: the recording ends before the utterance does.
    """
    seconds = len(wave) / SAMPLE_RATE
    end = seconds if utterance.duration is None else utterance.start + utterance.duration
    if end > seconds + _LEEWAY or (utterance.start > 0 and utterance.start >= seconds):
        raise ManifestError(
            f"{utterance.path}: utterance {utterance.id!r} is from {utterance.start:g} s to {end:g} s, "
            f"but the recording has {seconds:g} s; mend the manifest or the recording"
        )
    return wave[round(utterance.start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def _load_packed(utterance: Utterance) -> NDArray[np.float32]:
    assert utterance.packed is not None
    offset, size = utterance.packed
    try:
        with utterance.path.open("rb") as tar:
            there = max(0, tar.seek(0, os.SEEK_END) - offset)
            tar.seek(offset)
            content = tar.read(min(size, there))  # a damaged header may promise more than any memory holds
    except OSError as error:
        raise AudioError(
            f"{utterance.path}: cannot be read ({error.strerror or error}); put the shard back or check its permissions"
        ) from error
    name = f"{utterance.path}: utterance {utterance.id!r}"
    if len(content) < size:
        raise AudioError(f"{name}: found {len(content)} of its {size} bytes in the shard; copy the shard again")
    return load_audio(io.BytesIO(content), name=name)


def _read_lines(path: Path) -> Generator[tuple[tuple[Path, int], Utterance], None, None]:
    """Each utterance with the list and the line that it is in."""
    if path.is_dir():
        yield from read_shards(path)
    else:
        with closing(read_cuts(path) if path.name.endswith(CUT_SUFFIXES) else _read_table(path)) as lines:
            for number, utterance in lines:
                yield (path, number), utterance


def _read_table(path: Path) -> Generator[tuple[int, Utterance], None, None]:
    # Not the csv module: transcripts hold quotes. utf-8-sig: spreadsheets put a byte order mark first.
    with lines_of(path, encoding="utf-8-sig") as read:
        lines = enumerate(read, start=1)
        columns = next(lines, (1, ""))[1].split("\t")
        if missing := [column for column in _COLUMNS if column not in columns]:
            raise ManifestError(
                f"{path}:1: found the columns {some(columns)}, missing {', '.join(missing)}; "
                "wanted a header with path, speaker and text, separated by tabs"
            )
        if len(set(columns)) < len(columns):
            raise ManifestError(f"{path}:1: a column is named twice in {some(columns)}")
        for number, line in lines:
            if not line:
                continue
            cells = line.split("\t")
            if len(cells) != len(columns):
                raise ManifestError(
                    f"{path}:{number}: found {len(cells)} cells, wanted {len(columns)} as in the header, "
                    "separated by tabs"
                )
            row = dict(zip(columns, cells, strict=True))
            try:
                utterance = Utterance(row["path"], path.parent / row["path"], row["speaker"], row["text"])
            except ManifestError as error:
                raise ManifestError(f"{path}:{number}: {error}") from None
            yield number, utterance


def _check_audio(path: Path, utterances: list[Utterance], *, lenient: bool) -> None:
    missing = missing_audio(utterances)
    recordings = len({utterance.path for utterance in utterances})
    named = [f"{each}" if what == "no such file" else f"{each} ({what})" for each, what in missing.items()]
    if missing and not (lenient and len(missing) < recordings):
        raise ManifestError(
            f"{path}: {len(missing)} of {recordings} recordings are missing: {some(named)}; "
            "put them there or mend the paths"
        )
