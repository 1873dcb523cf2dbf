"""From a corpus as it is published to cut sets, with everything checked that would stop a training later."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

import soundfile

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.inspection.sheet import Sheet, describe
from asr.data.manifests.bounded import number, parse_json
from asr.data.manifests.cuts import write_cuts
from asr.data.manifests.manifest import check_disjoint
from asr.data.manifests.utterance import Utterance, some_lines
from asr.errors import AsrError, AudioError, ManifestError
from asr.files import write_whole
from asr.progress_bars import track

LEFT_OUT: Final = "left_out.txt"
SHEET: Final = "data_sheet"
JOURNAL: Final = ".checked.jsonl"

_LEEWAY: Final = 0.1  # seconds by which a codec's padding may make a recording shorter than a list says
_AT_A_TIME: Final = 256


@dataclass(frozen=True)
class RecordingInfo:
    """What a look into a recording told.

    ``seconds`` are those that decode, or those that the header promises where only that was read; ``rate`` is in Hz.
    ``sha256`` is of the file's bytes, empty where only the header was read. ``silent`` means nothing but zeros.
    ``fault`` says why it cannot be used, and is empty where it can.
    """

    size: int
    mtime: int
    seconds: float = 0.0
    rate: int = 0
    sha256: str = ""
    silent: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Preparation:
    """What was written of a corpus, and what was not.

    ``unusable`` are lines on utterances whose recordings cannot be used, ``unpaired`` the reader's own on files and
    transcripts that belong to nothing, ``missing`` on recordings that a list names in vain. ``written`` names the files
    in their order.
    """

    sheet: Sheet
    unusable: tuple[str, ...]
    unpaired: tuple[str, ...]
    missing: tuple[str, ...]
    written: tuple[str, ...]


def prepare_corpus(
    corpus: Corpus, source: Path, out: Path, *, headers_only: bool = False, bad_share: float = 0.05
) -> Preparation:
    """List a corpus as cut sets in the folder ``out``, with a data sheet and a list of what was left out.

    Every recording is decoded, in as many threads as there are cores, with a progress bar on a terminal; or only its
    header is read. What was checked is noted in a journal, so that a run that was killed goes on where it was; it is
    removed at the end. Every file appears whole or not at all, the cut sets last.

    Args:
        corpus: its reader and what is known of it.
        source: its folder; paths in the cut sets begin with it.
        out: where to write; made where needed.
        headers_only: believe the headers, which is hundreds of times faster and misses what is damaged behind them.
        bad_share: the share of utterances, 0 to 1, that may be unusable.

    Raises:
        ManifestError: the reader's own; splits that share a speaker; an id that comes twice.
        AsrError: more than ``bad_share`` of the utterances cannot be used, then nothing is written; or a file cannot be
            written.
    """
    reading = corpus.read(source)
    try:
        check_disjoint(reading.splits)
    except ManifestError as error:
        raise ManifestError(f"{source}: {error}") from error
    _check_ids(reading.splits, source)
    made = not out.exists()
    journal = out / JOURNAL
    checked = _check(reading, journal, headers_only=headers_only)
    splits: dict[str, list[Utterance]] = {}
    unusable: list[str] = []
    for split, utterances in reading.splits.items():
        for utterance in utterances:
            if fault := _fault(utterance, checked[utterance.path]):
                unusable.append(fault)
            else:
                splits.setdefault(split, []).append(utterance)
    total = sum(map(len, reading.splits.values()))
    if len(unusable) > bad_share * total or not splits:
        journal.unlink(missing_ok=True)
        if made:
            out.rmdir()
        raise AsrError(
            f"{source}: {len(unusable)} of {total} utterances cannot be used, wanted at most a share of {bad_share:g}: "
            f"{some_lines(unusable)}; nothing was written; copy the corpus again, or allow more with --bad-share"
        )
    sheet = _describe(corpus, splits, checked, headers_only=headers_only)
    pages = {
        LEFT_OUT: "".join(f"{_line(each)}\n" for each in (*unusable, *reading.missing, *reading.left_out)),
        f"{SHEET}.json": json.dumps(sheet.to_dict(), ensure_ascii=False, indent=1) + "\n",
        f"{SHEET}.md": sheet.markdown(),
    }
    for name, page in pages.items():
        _write_whole(out / name, page)
    for split, utterances in splits.items():
        write_cuts(utterances, out / cuts_name(split))
    journal.unlink(missing_ok=True)
    return Preparation(sheet, tuple(unusable), reading.left_out, reading.missing, (*map(cuts_name, splits), *pages))


def cuts_name(split: str) -> str:
    """The name of a split's cut set."""
    return f"cuts_{split}.jsonl.gz"


def _check_ids(splits: Mapping[str, Sequence[Utterance]], source: Path) -> None:
    seen: dict[str, tuple[str, Path]] = {}
    for split, utterances in splits.items():
        for utterance in utterances:
            if earlier := seen.get(utterance.id):
                raise ManifestError(
                    f"{source}: found the id {utterance.id!r} for {earlier[1]} in {earlier[0]} and for "
                    f"{utterance.path} in {split}; wanted each id once; rename or remove one"
                )
            seen[utterance.id] = (split, utterance.path)


def _check(reading: CorpusSplits, journal: Path, *, headers_only: bool) -> dict[Path, RecordingInfo]:
    """Look into every recording once, and believe what the journal of a killed run tells of files as they are now."""
    paths = list(dict.fromkeys(utterance.path for each in reading.splits.values() for utterance in each))
    known = _read_journal(journal)
    checked: dict[Path, RecordingInfo] = {}
    waiting: list[Path] = []
    for path in paths:
        earlier = known.get(str(path))
        if earlier and (earlier.size, earlier.mtime) == _stamp(path) and (headers_only or earlier.sha256):
            checked[path] = earlier
        else:
            waiting.append(path)
    title = "Reading headers" if headers_only else "Checking recordings"
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as pool, journal.open("a", encoding="utf-8") as notes:
            if notes.tell():
                notes.write("\n")  # what was torn off stays a line of its own
            found = _looked_into(pool, waiting, headers_only=headers_only)
            for path, recording in track(found, title, len(waiting)):
                checked[path] = recording
                _note(notes, path, recording)
    except OSError as error:
        raise AsrError(_cannot_write(journal, error)) from error
    return checked


def _looked_into(
    pool: ThreadPoolExecutor, paths: Sequence[Path], *, headers_only: bool
) -> Iterator[tuple[Path, RecordingInfo]]:
    look = _header if headers_only else _decoded
    # A few at a time, so that memory does not grow with the corpus.
    for start in range(0, len(paths), _AT_A_TIME):
        some_paths = paths[start : start + _AT_A_TIME]
        yield from zip(some_paths, pool.map(look, some_paths), strict=True)


def _header(path: Path) -> RecordingInfo:
    size, mtime = _stamp(path)
    try:
        info = soundfile.info(os.fsencode(path) if os.name == "posix" else str(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        reason = getattr(error, "error_string", "") or str(error)
        reason = {-1: "no such file", 0: "an empty file"}.get(size, reason)
        return RecordingInfo(
            size, mtime, fault=f"cannot be read as audio ({_line(reason)}); wanted wav, flac, mp3 or ogg"
        )
    fault = "" if info.frames > 0 else "no samples in it"
    return RecordingInfo(size, mtime, info.frames / info.samplerate, info.samplerate, fault=fault)


def _decoded(path: Path) -> RecordingInfo:
    header = _header(path)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return RecordingInfo(header.size, header.mtime, fault=f"cannot be read ({error.strerror})")
    fault, seconds, silent = header.fault, 0.0, False
    if not fault:
        try:
            wave = load_audio(path)
            seconds, silent = len(wave) / SAMPLE_RATE, not wave.any()
        except AudioError as error:
            fault = str(error).removeprefix(f"{path}: ")
    return RecordingInfo(header.size, header.mtime, seconds, header.rate, sha256, silent, fault)


def _stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds; -1 where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _fault(utterance: Utterance, recording: RecordingInfo) -> str:
    """Why an utterance cannot be used, with the recording it is in; empty where it can."""
    if recording.fault:
        return f"{utterance.path}: {recording.fault}"
    end = utterance.start + (utterance.duration or 0.0)
    if end > recording.seconds + _LEEWAY or utterance.start >= recording.seconds:
        return (
            f"{utterance.path}: has {recording.seconds:.2f} s, but its utterance {utterance.id} is from "
            f"{utterance.start:g} s to {end:g} s"
        )
    if recording.silent and utterance.text:
        return f"{utterance.path}: nothing but zeros in it, yet its text is {utterance.text!r}"
    return ""


def _describe(
    corpus: Corpus,
    splits: Mapping[str, Sequence[Utterance]],
    checked: Mapping[Path, RecordingInfo],
    *,
    headers_only: bool,
) -> Sheet:
    utterances = [utterance for each in splits.values() for utterance in each]
    recordings = [checked[utterance.path] for utterance in utterances]
    digest = hashlib.sha256()
    for utterance, recording in zip(utterances, recordings, strict=True):
        audio = recording.size if headers_only else recording.sha256
        digest.update(json.dumps([utterance.id, utterance.text, audio]).encode() + b"\n")
    over = "sizes of the audio files" if headers_only else "SHA-256 of the audio files"
    return describe(
        utterances,
        [
            recording.seconds - utterance.start if utterance.duration is None else utterance.duration
            for utterance, recording in zip(utterances, recordings, strict=True)
        ],
        [recording.rate for recording in recordings],
        splits=[split for split, each in splits.items() for _ in each],
        title=corpus.title,
        licence=corpus.licence,
        source=corpus.url,
        digest=f"sha256:{digest.hexdigest()} over ids, texts and {over}",
    )


def _note(notes: IO[str], path: Path, recording: RecordingInfo) -> None:
    notes.write(json.dumps({"path": str(path), **asdict(recording)}) + "\n")
    notes.flush()


def _read_journal(journal: Path) -> dict[str, RecordingInfo]:
    """What an earlier run noted, by path. A line that is not whole, as a killed run may leave it, is passed over."""
    known: dict[str, RecordingInfo] = {}
    try:
        lines = journal.read_bytes().splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            values = parse_json(line)
            path = values.pop("path")
            earlier = RecordingInfo(**values)
            number(earlier.seconds, "seconds")
            if isinstance(path, str) and isinstance(earlier.fault, str) and isinstance(earlier.rate, int):
                known[path] = earlier
        except (ManifestError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return known


def _write_whole(path: Path, content: str) -> None:
    try:
        write_whole(path, content.encode(errors="backslashreplace"))
    except OSError as error:
        raise AsrError(_cannot_write(path, error)) from error


def _cannot_write(path: Path, error: OSError) -> str:
    return (
        f"{path}: cannot be written ({error.strerror or error}); make room on the disk or name another folder, and run "
        "again: it goes on where it was"
    )


def _line(text: str) -> str:
    return " ".join(text.split())
