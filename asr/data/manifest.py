"""Lists of recordings with what is said in them: the one form in which corpora enter training and scoring.

A manifest is a tab-separated file with the header ``path speaker text``, or a Lhotse cut set.
"""

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.errors import ManifestError

NOBODY: Final = "-"
"""The speaker of noise, or one who is not named; it never counts as a person shared by two lists."""

_COLUMNS: Final = ("path", "speaker", "text")
_CUT_SUFFIXES: Final = (".jsonl", ".jsonl.gz")
_TO_THE_END: Final = "to_the_end"  # marks the cuts that were written from utterances without a duration
_LEEWAY: Final = 0.1  # seconds by which a codec's padding may make a recording shorter than a list says
_NAMED_AT_MOST: Final = 5


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and what is said in it.

    ``start`` and ``duration`` are in seconds; without a duration it goes on to the recording's end. An empty ``text``
    means that nothing is said. ``speaker`` is ``-`` where there is none or the name is not known.

    Raises:
        ManifestError: the id or speaker is empty, the start negative, or the duration not positive.
    """

    id: str
    path: Path
    speaker: str
    text: str
    start: float = 0.0
    duration: float | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ManifestError(
                f"{self.path}: its id, in a list its path, is empty; give each utterance one of its own"
            )
        if not self.speaker:
            raise ManifestError(f"{self.id}: its speaker is empty; write {NOBODY} where there is none")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ManifestError(f"{self.id}: it starts at {self.start} s; wanted 0 or more")
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration > 0):
            raise ManifestError(f"{self.id}: it lasts {self.duration} s; wanted more than 0")


def read_manifest(path: Path) -> list[Utterance]:
    """The utterances of a tab-separated list or a Lhotse cut set (``.jsonl``, ``.jsonl.gz``), in its order.

    In a tab-separated list the header names at least the columns path, speaker and text, in any order; a path is
    relative to the list's folder and is, as written, the utterance's id. There is no quoting. Empty lines are skipped.
    In a cut set each cut has one supervision and all channels of a recording kept as a file; relative paths start
    from the working folder, as Lhotse reads them.

    Raises:
        ManifestError: the list cannot be read, is empty or malformed, names an id twice, or audio files are missing.
    """
    if path.is_dir():
        raise ManifestError(
            f"{path}: found a folder, wanted a .tsv, .jsonl or .jsonl.gz file; "
            "audio packed as Lhotse Shar must first be saved as files with CutSet.save_audios"
        )
    utterances: list[Utterance] = []
    first_lines: dict[str, int] = {}
    try:
        for number, utterance in _read_cuts(path) if path.name.endswith(_CUT_SUFFIXES) else _read_table(path):
            first = first_lines.setdefault(utterance.id, number)
            if first != number:
                raise ManifestError(
                    f"{path}:{number}: the id {utterance.id!r} was used in line {first}; ids are unique"
                )
            utterances.append(utterance)
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file; wanted a manifest, .tsv or .jsonl or .jsonl.gz") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: found bytes that are not UTF-8 ({error.reason}), wanted text in UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from None
    if not utterances:
        raise ManifestError(f"{path}: found no utterance; wanted at least one line after the header, or one cut")
    _check_audio(path, utterances)
    return utterances


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
                    f"{other} and {name}: found the same speakers in both, {_some(sorted(shared))}; "
                    "wanted each speaker in one of them only"
                )
        seen.append((name, speakers))


def write_cuts(utterances: Iterable[Utterance], path: Path) -> None:
    """Writes the utterances as a Lhotse cut set (``.jsonl`` or ``.jsonl.gz``); reading it back gives the same.

    The file appears whole or not at all. Paths are written as they are.

    Raises:
        ManifestError: the name has another ending, there are no utterances or an id comes twice, or a recording
            cannot be read or ends before its utterance starts, or the file cannot be written.
    """
    if not path.name.endswith(_CUT_SUFFIXES):
        raise ManifestError(f"{path}: wanted a name that ends in {' or '.join(_CUT_SUFFIXES)}")
    lhotse = _lhotse(path)
    recordings: dict[Path, Any] = {}
    cuts: dict[str, Any] = {}
    for utterance in utterances:
        if utterance.id in cuts:
            raise ManifestError(f"{path}: the id {utterance.id!r} comes twice; ids are unique")
        if utterance.path not in recordings:
            recordings[utterance.path] = _recording(lhotse, utterance.path)
        cuts[utterance.id] = _cut(lhotse, utterance, recordings[utterance.path])
    if not cuts:
        raise ManifestError(f"{path}: there are no utterances to write; wanted at least one")
    # The same ending, because Lhotse tells the format by it.
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        lhotse.CutSet.from_cuts(cuts.values()).to_file(unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def read_utterance(utterance: Utterance) -> NDArray[np.float32]:
    """The sound of an utterance: wave (N,), float32 in [-1, 1] at 16 kHz.

    Raises:
        AudioError: the recording cannot be read.
        ManifestError: the recording ends before the utterance does.
    """
    wave = load_audio(utterance.path)
    seconds = len(wave) / SAMPLE_RATE
    end = seconds if utterance.duration is None else utterance.start + utterance.duration
    if end > seconds + _LEEWAY or (utterance.start > 0 and utterance.start >= seconds):
        raise ManifestError(
            f"{utterance.path}: utterance {utterance.id!r} is from {utterance.start:g} s to {end:g} s, "
            f"but the recording has {seconds:g} s; mend the manifest or the recording"
        )
    return wave[round(utterance.start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def _read_table(path: Path) -> Iterator[tuple[int, Utterance]]:
    # Not the csv module: transcripts hold quotes. utf-8-sig: spreadsheets put a byte order mark first.
    with path.open(encoding="utf-8-sig") as file:
        columns = file.readline().rstrip("\n").split("\t")
        if missing := [column for column in _COLUMNS if column not in columns]:
            raise ManifestError(
                f"{path}:1: found the columns {_some(columns)}, missing {', '.join(missing)}; "
                "wanted a header with path, speaker and text, parted by tabs"
            )
        if len(set(columns)) < len(columns):
            raise ManifestError(f"{path}:1: a column is named twice in {_some(columns)}")
        for number, line in enumerate(file, start=2):
            line = line.rstrip("\n")
            if not line:
                continue
            cells = line.split("\t")
            if len(cells) != len(columns):
                raise ManifestError(
                    f"{path}:{number}: found {len(cells)} cells, wanted {len(columns)} as in the header, parted by tabs"
                )
            row = dict(zip(columns, cells, strict=True))
            try:
                utterance = Utterance(row["path"], path.parent / row["path"], row["speaker"], row["text"])
            except ManifestError as error:
                raise ManifestError(f"{path}:{number}: {error}") from None
            yield number, utterance


def _read_cuts(path: Path) -> Iterator[tuple[int, Utterance]]:
    lhotse = _lhotse(path)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                utterance = _utterance(lhotse, line)
            except ManifestError as error:
                raise ManifestError(f"{path}:{number}: {error}") from None
            yield number, utterance


def _utterance(lhotse: Any, line: str) -> Utterance:
    """The utterance that one line of a cut set describes."""
    try:
        cut = lhotse.serialization.deserialize_item(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"found no Lhotse cut ({type(error).__name__}: {error}), wanted one") from None
    if not isinstance(cut, lhotse.MonoCut | lhotse.MultiCut):
        raise ManifestError(f"found a {type(cut).__name__}, wanted a MonoCut or MultiCut")
    recording = cut.recording
    if recording is None:
        raise ManifestError(f"cut {cut.id!r} has no recording, only features; wanted one with its audio")
    kinds = [source.type for source in recording.sources]
    if kinds != ["file"]:
        raise ManifestError(
            f"cut {cut.id!r} keeps its audio as {_some(kinds)}, as in Shar or in memory; wanted one file; "
            "save the cuts with CutSet.save_audios first"
        )
    changes = [
        change["name"] if isinstance(change, dict) else type(change).__name__ for change in recording.transforms or ()
    ]
    if any(change != "Resample" for change in changes):
        raise ManifestError(
            f"cut {cut.id!r} is changed as it is read ({_some(changes)}); wanted the recording as it is; "
            "save the cuts with CutSet.save_audios first"
        )
    channels = [cut.channel] if isinstance(cut.channel, int) else list(cut.channel)
    if sorted(channels) != sorted(recording.channel_ids):
        raise ManifestError(
            f"cut {cut.id!r} takes channels {channels} of {list(recording.channel_ids)}; wanted all of them; "
            "save the cuts with CutSet.save_audios first"
        )
    if len(cut.supervisions) != 1 or cut.supervisions[0].text is None:
        raise ManifestError(
            f"cut {cut.id!r} has {len(cut.supervisions)} supervisions, wanted one with a text (empty for silence); "
            "CutSet.trim_to_supervisions makes such cuts"
        )
    spoken = cut.supervisions[0]
    to_the_end = bool((cut.custom or {}).get(_TO_THE_END, False))
    return Utterance(
        id=cut.id,
        path=Path(recording.sources[0].source),
        speaker=spoken.speaker or NOBODY,
        text=spoken.text,
        start=float(cut.start),
        duration=None if to_the_end else float(cut.duration),
    )


def _recording(lhotse: Any, path: Path) -> Any:
    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise ManifestError(f"{path}: cannot be read as audio: {error}") from None
    channels = list(range(info.channels))
    return lhotse.Recording(
        id=str(path),
        sources=[lhotse.audio.AudioSource(type="file", channels=channels, source=str(path))],
        sampling_rate=info.samplerate,
        num_samples=info.frames,
        duration=info.frames / info.samplerate,
        channel_ids=channels,
    )


def _cut(lhotse: Any, utterance: Utterance, recording: Any) -> Any:
    duration = utterance.duration
    if duration is None:
        duration = recording.duration - utterance.start
    if duration <= 0:
        raise ManifestError(
            f"{utterance.path}: utterance {utterance.id!r} starts at {utterance.start:g} s, "
            f"but the recording has {recording.duration:g} s"
        )
    channels = recording.channel_ids
    spoken = lhotse.SupervisionSegment(
        id=utterance.id,
        recording_id=recording.id,
        start=0.0,
        duration=duration,
        channel=channels[0] if len(channels) == 1 else channels,
        text=utterance.text,
        speaker=utterance.speaker,
    )
    kind = lhotse.MonoCut if len(channels) == 1 else lhotse.MultiCut
    return kind(
        id=utterance.id,
        start=utterance.start,
        duration=duration,
        channel=spoken.channel,
        supervisions=[spoken],
        recording=recording,
        custom={_TO_THE_END: True} if utterance.duration is None else None,
    )


def _lhotse(path: Path) -> Any:
    try:
        import lhotse  # here, because it takes seconds to import and is not installed for transcription alone
    except ImportError:
        raise ManifestError(
            f"{path}: cut sets need Lhotse, which is not installed; pip install 'asr[train]', or use a .tsv list"
        ) from None
    return lhotse


def _check_audio(path: Path, utterances: list[Utterance]) -> None:
    recordings = dict.fromkeys(utterance.path for utterance in utterances)
    if missing := [str(recording) for recording in recordings if not recording.is_file()]:
        raise ManifestError(
            f"{path}: {len(missing)} of {len(recordings)} recordings are missing: {_some(missing)}; "
            "put them there or mend the paths"
        )


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
