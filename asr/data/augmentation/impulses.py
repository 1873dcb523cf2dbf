"""Impulse responses of rooms: measured ones from recordings, and computed ones."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance

Wave = NDArray[np.float32]

_LONGEST = SAMPLE_RATE  # samples
_ONSET = 0.1  # of the peak: where the first sound is taken to arrive
_LATEST_PEAK = 0.01  # seconds after the first sound; a loudest sound later than that is an echo, and moves the words
_LATE_SHARE = 0.01  # of the energy may come after the longest; more is a hall where nobody is understood, or an effect
_DULLEST = -15.0  # dB: 4.2 to 7.5 kHz against 0.3 to 3.4 kHz; walls dampen by half of that, telephones by more

log = logging.getLogger(__name__)


def room(response: Wave) -> Wave:
    """A measured response (K,) made ready: from its first sound on, 1 s at most, with a loudest sample of 1 or -1.

    Raises ValueError, which says why, for what does not look like a room's: an effect, an echo, a filter.
    """
    if not (np.isfinite(response).all() and response.any()):
        raise ValueError("it is silent or not finite")
    size = np.abs(response.astype(np.float64))
    peak = int(size.argmax())
    first = int((size > _ONSET * size[peak]).argmax())
    if peak - first > _LATEST_PEAK * SAMPLE_RATE:
        raise ValueError(
            f"its loudest sound comes {1000 * (peak - first) / SAMPLE_RATE:.0f} ms after the first, "
            f"wanted {1000 * _LATEST_PEAK:.0f} ms at most"
        )
    late = float(np.square(size[first + _LONGEST :]).sum() / np.square(size).sum())
    if late > _LATE_SHARE:
        raise ValueError(f"{late:.0%} of its energy comes more than 1 s late, wanted {_LATE_SHARE:.0%} at most")
    dullness = _band(response, 4200, 7500) - _band(response, 300, 3400)
    if dullness < _DULLEST:
        raise ValueError(f"its highs lie {-dullness:.0f} dB below its middle, wanted {-_DULLEST:.0f} dB at most")
    kept = response[first : first + _LONGEST]
    return np.asarray(kept / size[peak], dtype=np.float32)


def measured(utterances: Sequence[Utterance]) -> list[Wave]:
    """The rooms among recordings of impulse responses; what does not look like a room is left out, and logged.

    Raises:
        AudioError: a recording cannot be read.
        ManifestError: a recording ends before its utterance does.
    """
    rooms = []
    for utterance in utterances:
        try:
            rooms.append(room(read_utterance(utterance)))
        except ValueError as error:
            log.warning("%s: left out, it does not sound like a room: %s", utterance.path, error)
    return rooms


def simulated(count: int, seed: int) -> list[Wave]:
    """So many responses (K,) of rooms that never were, with reverberation times from 0.1 to 0.8 s, the same every time.

    By Lhotse's generator, after Luo and Gu, "FRA-RIR: Fast random approximation of the image-source method", 2022.
    """
    from lhotse.augmentation import FastRandomRIRGenerator

    rooms: list[Wave] = []
    for number in range(count):
        own = [int(n) for n in np.random.SeedSequence([seed, number]).generate_state(3)]
        # It asks NumPy for the ceiling of a tensor, and draws from torch's own generator too.
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), _one_thread():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.manual_seed(own[0])
            response: Wave = FastRandomRIRGenerator(SAMPLE_RATE, room_seed=own[1], source_seed=own[2])()[0]
        peak = int(np.abs(response).argmax())
        # The resampling filter rings a little before the direct path.
        kept = response[max(0, peak - 16) :][:_LONGEST]
        rooms.append(np.asarray(kept / abs(response[peak]), dtype=np.float32))
    return rooms


@contextmanager
def _one_thread() -> Iterator[None]:
    """Where several reflections arrive in the same sample the generator keeps one: which, threads would race for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _band(response: Wave, low: float, high: float) -> float:
    """The mean power between two frequencies in Hz, in dB."""
    power = np.square(np.abs(np.fft.rfft(response.astype(np.float64), n=2 * _LONGEST)))
    inside = slice(int(low * 2 * _LONGEST / SAMPLE_RATE), int(high * 2 * _LONGEST / SAMPLE_RATE))
    return float(10 * np.log10(max(power[inside].mean(), 1e-30)))
