"""One pass over the recordings of lists: what each holds, and what looks wrong."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import soundfile

from asr.data.inspection.faults import KINDS, Fault, Judge, Measures, measure
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError

_AT_A_TIME: Final = 512  # utterances handed to the threads at once; of each, only the numbers come back


@dataclass(frozen=True)
class UtteranceFault:
    """A fault, and the place in the survey of the utterance that has it."""

    place: int
    fault: Fault


@dataclass(frozen=True)
class Survey:
    """What the pass found: for each utterance its measures and its file's sample rate, and the faults by kind.

    Measures are None where the audio could not be read; a rate of 0 Hz is one that is not known. The faults of a kind
    come worst first; every one of ``KINDS`` is a key.
    """

    utterances: Sequence[Utterance]
    measures: Sequence[Measures | None]
    rates: Sequence[int]
    faults: dict[str, list[UtteranceFault]]

    @property
    def readable(self) -> list[int]:
        """The places of the utterances that could be read."""
        return [place for place, found in enumerate(self.measures) if found is not None]

    @property
    def suspects(self) -> int:
        """How many utterances have a fault, or several."""
        return len({finding.place for findings in self.faults.values() for finding in findings})


def survey(utterances: Sequence[Utterance], judge: Judge, *, seen: Callable[[int], None] = lambda _: None) -> Survey:
    """Read every utterance once, in threads, and keep only numbers of it.

    ``seen`` is called with the number of utterances that were read since the last call. Audio that cannot be read is a
    fault among the others, not an error.
    """
    measures: list[Measures | None] = []
    rates: list[int] = []
    faults: dict[str, list[UtteranceFault]] = {kind: [] for kind in KINDS}
    waiting = iter(utterances)
    with ThreadPoolExecutor() as pool:
        while some := list(islice(waiting, _AT_A_TIME)):
            for found in pool.map(_read, some):
                place = len(measures)
                if isinstance(found, str):
                    measures.append(None)
                    rates.append(0)
                    faults["unreadable"].append(UtteranceFault(place, Fault("unreadable", found, 0.0)))
                else:
                    measures.append(found[0])
                    rates.append(found[1])
                    for fault in judge.faults(found[0], utterances[place].text):
                        faults[fault.kind].append(UtteranceFault(place, fault))
                seen(1)
    for findings in faults.values():
        findings.sort(key=lambda finding: (-finding.fault.badness, finding.place))
    return Survey(utterances, measures, rates, faults)


def _read(utterance: Utterance) -> tuple[Measures, int] | str:
    """Measures and sample rate, or why there are none."""
    try:
        wave = read_utterance(utterance)
    except AsrError as error:
        return str(error)
    if not len(wave):
        return f"{utterance.path}: utterance {utterance.id!r} has no samples"
    return measure(wave), _sample_rate(utterance)


def _sample_rate(utterance: Utterance) -> int:
    """Hz, or 0 where only ffmpeg knows."""
    try:
        if utterance.packed is None:
            return int(soundfile.info(utterance.path).samplerate)
        offset, size = utterance.packed
        with utterance.path.open("rb") as tar:
            tar.seek(offset)
            return int(soundfile.info(io.BytesIO(tar.read(size))).samplerate)
    except (soundfile.SoundFileError, OSError, TypeError):
        return 0
