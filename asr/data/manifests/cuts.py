"""Utterances in Lhotse's cut sets."""

import gzip
import json
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import soundfile

from asr.data.manifests.bounded import lines_of, number, parse_json, shown, string
from asr.data.manifests.utterance import NOBODY, Utterance, some
from asr.errors import ManifestError
from asr.files import write_whole

CUT_SUFFIXES: Final = (".jsonl", ".jsonl.gz")
UTTERANCE_ID: Final = "utterance"
"""Where a cut keeps the utterance's id if it cannot have that id itself: no file in a tar can be called so."""

_TO_THE_END: Final = "to_the_end"  # marks the cuts that were written from utterances without a duration


class Member(NamedTuple):
    """Audio inside a tar: the id of its cut, the place of its bytes, and these themselves where they were asked for."""

    name: str
    archive: Path
    offset: int
    size: int
    content: bytes = b""


def read_cuts(path: Path) -> Generator[tuple[int, Utterance], None, None]:
    """The utterances of a cut set whose audio is in files, each with the number of its line.

    Raises:
        ManifestError: Lhotse is not installed, a line does not describe a stretch of a recording, or is longer than any
            that does.
        OSError, EOFError, zlib.error, UnicodeDecodeError: the list cannot be read.
    """
    _lhotse(path)
    with lines_of(path) as lines:
        for place, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                utterance = parse_cut(line)
            except ManifestError as error:
                raise ManifestError(f"{path}:{place}: {error}") from None
            yield place, utterance


def write_cuts(utterances: Iterable[Utterance], path: Path) -> None:
    """Writes the utterances as a Lhotse cut set (``.jsonl`` or ``.jsonl.gz``); reading it back gives the same.

    The file appears whole or not at all. Paths are written as they are.

    Raises:
        ManifestError: the name has another ending, there are no utterances or an id comes twice, or a recording
            is packed in a tar, cannot be read or ends before its utterance starts, or the file cannot be written.
    """
    if not path.name.endswith(CUT_SUFFIXES):
        raise ManifestError(f"{path}: wanted a name that ends in {' or '.join(CUT_SUFFIXES)}")
    lhotse = _lhotse(path)
    recordings: dict[Path, Any] = {}
    cuts: dict[str, Any] = {}
    for utterance in utterances:
        if utterance.id in cuts:
            raise ManifestError(f"{path}: the id {utterance.id!r} comes twice; ids are unique")
        if utterance.packed is not None:
            raise ManifestError(
                f"{path}: utterance {utterance.id!r} is packed in {utterance.path}, and a cut set lists files; "
                "use the folder of shards itself as the manifest, or write shards"
            )
        if utterance.path not in recordings:
            recordings[utterance.path] = _recording(lhotse, utterance.path)
        cuts[utterance.id] = _cut(lhotse, utterance, recordings[utterance.path])
    if not cuts:
        raise ManifestError(f"{path}: there are no utterances to write; wanted at least one")
    lines = "".join(f"{json.dumps(cut.to_dict(), ensure_ascii=False)}\n" for cut in cuts.values()).encode()
    try:
        # No time in it, so that the same lines give the same bytes.
        write_whole(path, gzip.compress(lines, mtime=0) if path.suffix == ".gz" else lines)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written: {error}") from None


def parse_cut(line: str, member: Member | None = None) -> Utterance:
    """The utterance that one line of a cut set describes; its audio is in a file, or is the member of a shard.

    Raises:
        ManifestError: the line does not describe a stretch of a recording, or another than the member.
    """
    try:
        return _utterance(_deserialized(line), member)
    except ManifestError:
        raise
    except Exception as error:  # Lhotse's classes look at no type, so that a wrong one may raise anything anywhere
        raise ManifestError(
            f"found no Lhotse cut ({type(error).__name__}: {shown(str(error), 200)}), wanted one"
        ) from None


def _deserialized(line: str) -> Any:
    import lhotse

    values = parse_json(line)
    if not isinstance(values, dict):
        raise ManifestError(f"found no Lhotse cut but {shown(values)}, wanted one")
    cut = lhotse.serialization.deserialize_item(values)
    if not isinstance(cut, lhotse.MonoCut | lhotse.MultiCut):
        raise ManifestError(f"found a {type(cut).__name__}, wanted a MonoCut or MultiCut")
    return cut


def _utterance(cut: Any, member: Member | None) -> Utterance:
    name = string(cut.id, "the id of a cut")
    recording = cut.recording
    if recording is None:
        raise ManifestError(f"cut {name!r} has no recording, only features; wanted one with its audio")
    kinds = [string(source.type, "where the audio is kept") for source in recording.sources]
    if kinds != ["file" if member is None else "shar"]:
        wanted = "one file; save the cuts with CutSet.save_audios first" if member is None else "it in the shard's tar"
        raise ManifestError(f"cut {name!r} keeps its audio as {some(kinds)}; wanted {wanted}")
    changes = [
        str(change["name"]) if isinstance(change, dict) else type(change).__name__
        for change in recording.transforms or ()
    ]
    if any(change != "Resample" for change in changes):
        raise ManifestError(
            f"cut {name!r} is changed as it is read ({some(changes)}); wanted the recording as it is; "
            "save the cuts with CutSet.save_audios first"
        )
    channels = [cut.channel] if isinstance(cut.channel, int) else list(cut.channel)
    if sorted(channels) != sorted(recording.channel_ids):
        raise ManifestError(
            f"cut {name!r} takes channels {shown(channels)} of {shown(list(recording.channel_ids))}; wanted all of "
            "them; save the cuts with CutSet.save_audios first"
        )
    if len(cut.supervisions) != 1 or cut.supervisions[0].text is None:
        raise ManifestError(
            f"cut {name!r} has {len(cut.supervisions)} supervisions, wanted one with a text (empty for silence); "
            "CutSet.trim_to_supervisions makes such cuts"
        )
    spoken = cut.supervisions[0]
    if member is not None and member.name != name:
        raise ManifestError(
            f"cut {name!r} meets the audio of {member.name!r} in {member.archive}; wanted its own; copy the shard again"
        )
    custom = {} if cut.custom is None else dict(cut.custom)
    whole = custom.get(_TO_THE_END, False)
    if not isinstance(whole, bool):
        raise ManifestError(f"found {shown(whole)} as {_TO_THE_END} of cut {name!r}, wanted true or false")
    return Utterance(
        id=name if member is None else string(custom.get(UTTERANCE_ID, name), f"the utterance's id of cut {name!r}"),
        path=_path(recording.sources[0].source, name) if member is None else member.archive,
        speaker=NOBODY if spoken.speaker in (None, "") else string(spoken.speaker, f"the speaker of cut {name!r}"),
        text=string(spoken.text, f"the text of cut {name!r}"),
        start=number(cut.start, f"the start of cut {name!r}"),
        duration=None if whole else number(cut.duration, f"the duration of cut {name!r}"),
        seconds=number(cut.duration, f"the duration of cut {name!r}"),
        packed=None if member is None else (member.offset, member.size),
    )


def _path(source: object, name: str) -> Path:
    if not isinstance(source, str) or not source:
        raise ManifestError(f"found {shown(source)} as the file of cut {name!r}, wanted a path")
    return Path(source)


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
