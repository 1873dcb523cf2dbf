"""Recordings packed by the thousand: Lhotse Shar, which a disk or a network reads from front to back.

A shard is two files: ``recording.000003.tar`` with an audio file and its description for each utterance, and
``cuts.000003.jsonl.gz`` with what is said in them. Both are written under other names and then renamed, the cuts last:
where the cuts are present, the shard is whole. ``lhotse.CutSet.from_shar(in_dir=...)`` reads such a folder. It takes
every file there for a part of a shard, by what stands before the first dot of its name; so all that lies beside the
shards is called ``cuts.`` something, which it passes over unless it ends as a list of cuts does.
"""

import gzip
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from asr.audio.encoding import Form, encode
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.bounded import BoundedTarInfo, is_file, lines_of
from asr.data.manifests.cuts import UTTERANCE_ID, Member, parse_cut
from asr.data.manifests.utterance import Utterance, some
from asr.errors import ManifestError
from asr.files import unfinished_file

TAR_ERRORS: Final = (tarfile.TarError, ValueError, OverflowError, MemoryError)
"""What reading a damaged tar raises: its headers promise sizes and numbers that nothing can hold."""

LARGEST_AUDIO: Final = 2**30
"""Bytes of one utterance's audio, which is held as a whole: some hours of it."""

_NAMES: Final = re.compile(r"(?:cuts\.(\d+)\.jsonl\.gz|recording\.(\d+)\.tar)")
_UNFINISHED: Final = re.compile(r"cuts\.\d+\.\d+\.(?:list|audio)")


def cuts_name(number: int) -> str:
    """The name of a shard's list."""
    return f"cuts.{number:06d}.jsonl.gz"


def audio_name(number: int) -> str:
    """The name of a shard's archive."""
    return f"recording.{number:06d}.tar"


def remove_unfinished(folder: Path) -> None:
    """Remove the files that killed writers left; a writer that is still at work there fails."""
    for path in folder.glob("cuts.*"):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def finished_shards(folder: Path) -> set[int]:
    """The numbers of the shards that are whole; none where there is no such folder."""
    lists, archives = _numbers(folder)
    return lists & archives


def read_shards(folder: Path) -> Iterator[tuple[tuple[Path, int], Utterance]]:
    """The utterances of all shards in a folder, in the order of their numbers, each with its list and its line there.

    They point to the bytes of their audio, none of which is read. An archive without a list is passed over.

    Raises:
        ManifestError: there is no shard, a list has no archive, the two do not belong together or cannot be read.
    """
    lists, archives = _numbers(folder)
    if not lists:
        raise ManifestError(
            f"{folder}: found a folder without shards, wanted a .tsv, .jsonl or .jsonl.gz file, or a folder with "
            f"{cuts_name(0)} and {audio_name(0)}"
        )
    # What a killed writer leaves is the other half; this is a loss.
    if lost := [audio_name(number) for number in sorted(lists - archives)]:
        raise ManifestError(
            f"{folder}: {len(lost)} of {len(lists)} shards have no audio: {some(lost)} missing; "
            "copy them there, or remove their lists"
        )
    for number in sorted(lists):
        listed, archive = folder / cuts_name(number), folder / audio_name(number)
        try:
            with tarfile.open(archive, "r:", tarinfo=BoundedTarInfo) as tar, lines_of(listed) as lines:
                for line, utterance, _ in pair(str(listed), lines, read_members(tar, archive)):
                    yield (listed, line), utterance
        except (OSError, EOFError, zlib.error, *TAR_ERRORS) as error:
            raise ManifestError(f"{listed} or {archive.name} cannot be read: {error}; copy the shard again") from error


def pair(
    listed: str, lines: Iterable[str], members: Iterator[Member], start: int = 0
) -> Iterator[tuple[int, Utterance, Member]]:
    """What a shard's list and its archive say together: the number of the line, the utterance, and its audio.

    ``listed`` is the list's name for messages; the first ``start`` utterances are passed over.

    Raises:
        ManifestError: the two do not belong together, or a line is malformed.
    """
    position = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        member = next(members, None)
        if member is None:
            raise ManifestError(f"{listed}:{number}: its audio is missing, the shard's tar ends; copy the shard again")
        position += 1
        if position <= start:
            continue
        try:
            utterance = parse_cut(line, member)
        except ManifestError as error:
            raise ManifestError(f"{listed}:{number}: {error}") from None
        yield number, utterance, member
    if (more := next(members, None)) is not None:
        raise ManifestError(f"{listed}: {more.name!r} in {more.archive} is not listed; copy the shard again")


def read_members(tar: tarfile.TarFile, archive: Path, load_from: int | None = None) -> Iterator[Member]:
    """The audio files of a shard's tar, each followed there by its description, which is passed over.

    Of the first ``load_from``, or of all if it is None, only the places are told; the others come with their bytes.

    Raises:
        ManifestError: the tar is not that of a shard.
        tarfile.TarError: it is cut short or damaged.
    """
    audio: tarfile.TarInfo | None = None
    content = b""
    position = 0
    for entry in tar:
        if audio is None:
            audio = entry
            if not entry.isreg() or entry.issparse():
                raise ManifestError(
                    f"{archive}: found {entry.name!r}, which is no plain file, wanted audio; "
                    "get the shard from elsewhere"
                )
            if entry.size > LARGEST_AUDIO:
                raise ManifestError(
                    f"{archive}: found {entry.size:,} bytes of audio in {entry.name!r}, wanted at most "
                    f"{LARGEST_AUDIO:,}; get the shard from elsewhere"
                )
            file = tar.extractfile(entry) if load_from is not None and position >= load_from else None
            content = b"" if file is None else file.read()
            continue
        name = audio.name.rpartition(".")[0]
        if entry.name != f"{name}.json":
            raise ManifestError(
                f"{archive}: found {audio.name!r} and {entry.name!r} together, wanted audio and its description, "
                "as Lhotse Shar has them"
            )
        yield Member(name, archive, audio.offset_data, audio.size, content)
        audio = None
        position += 1
    if audio is not None:
        raise ManifestError(f"{archive}: ends after {audio.name!r}, wanted its description too; copy the shard again")


def write_shard(
    folder: Path, number: int, items: Iterable[tuple[Utterance, NDArray[np.float32]]], *, form: Form
) -> Path:
    """Write one shard, in place of one that is there, and return its list.

    ``items`` are utterances, each with its own sound alone: wave (N,), float32 in [-1, 1] at 16 kHz. They are taken one
    at a time, so a generator needs little memory. The same items give the same bytes. Of an utterance the id, the
    speaker and the text are kept; its path and its place in it belong to where the wave came from.

    Raises:
        ManifestError: there are no items, an id comes twice, a wave is empty, or a file cannot be written. Whatever
            the items raise passes through. Then there is no such shard, and nothing unfinished is left.
    """
    listed, archive = folder / cuts_name(number), folder / audio_name(number)
    unfinished = f"cuts.{number:06d}.{os.getpid()}"
    try:
        # The archive has its name before the list: where that is, the shard is whole.
        with (
            unfinished_file(listed, f"{unfinished}.list", durable=True) as list_file,
            unfinished_file(archive, f"{unfinished}.audio", durable=True) as audio_file,
        ):
            # Neither a time nor a name of its own, so that the same lines give the same bytes.
            with (
                gzip.GzipFile("", "wb", fileobj=list_file, mtime=0) as lines,
                tarfile.open(fileobj=audio_file, mode="w") as tar,
            ):
                taken: set[str] = set()
                for utterance, wave in items:
                    name = _member_name(utterance.id)
                    if name in taken:
                        raise ManifestError(f"{listed}: the id {utterance.id!r} comes twice; ids are unique")
                    if not len(wave):
                        raise ManifestError(f"{listed}: utterance {utterance.id!r} has no samples; leave it out")
                    taken.add(name)
                    recording = _recording(name, len(wave))
                    _add(tar, f"{name}.{form}", encode(wave, form))
                    _add(tar, f"{name}.json", f"{json.dumps(recording)}\n".encode())
                    lines.write(f"{json.dumps(_cut(name, utterance, recording))}\n".encode())
            if not taken:
                raise ManifestError(f"{listed}: there are no utterances to write; wanted at least one")
            listed.unlink(missing_ok=True)  # it would describe the new archive wrongly
    except OSError as error:
        raise ManifestError(f"{listed}: cannot be written: {error}; free space or choose another folder") from error
    return listed


def _numbers(folder: Path) -> tuple[set[int], set[int]]:
    found: tuple[set[int], set[int]] = set(), set()
    for path in folder.iterdir() if folder.is_dir() else ():
        if (match := _NAMES.fullmatch(path.name)) and is_file(path):
            kind = 0 if match[1] else 1
            found[kind].add(int(match[1] or match[2]))
    return found


def _member_name(identity: str) -> str:
    """The utterance's id where it can be the name of a file in a tar as Lhotse reads it; else percent-encoded."""
    path = PurePosixPath(f"{identity}.flac")
    plain = str(path.parent / path.stem) == identity and not identity.startswith("/") and "\0" not in identity
    return identity if plain else quote(identity, safe="").replace(".", "%2E")


def _recording(name: str, samples: int) -> dict[str, Any]:
    return {
        "id": name,
        "sources": [{"type": "shar", "channels": [0], "source": ""}],
        "sampling_rate": SAMPLE_RATE,
        "num_samples": samples,
        "duration": samples / SAMPLE_RATE,
        "channel_ids": [0],
    }


def _cut(name: str, utterance: Utterance, recording: dict[str, Any]) -> dict[str, Any]:
    """A cut of the whole recording, as Lhotse writes it; Lhotse itself would bring torch into every writer."""
    whole = {"start": 0, "duration": recording["duration"], "channel": 0}
    spoken = {"id": name, "recording_id": name, **whole, "text": utterance.text, "speaker": utterance.speaker}
    custom = {} if name == utterance.id else {"custom": {UTTERANCE_ID: utterance.id}}
    return {"id": name, **whole, "supervisions": [spoken], "recording": recording, **custom, "type": "MonoCut"}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)  # dated 1970, owned by nobody
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))
