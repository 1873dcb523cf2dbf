"""Sound without a word that nobody recorded: from a hiss to a rumble, and tones: keypads, alarms, sirens, melodies."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE

STEEPEST: Final = 2.0
"""The spectrum's power falls with the frequency to a power drawn from 0, white noise, to this one, brown noise."""

LEVELS_DB: Final = (-60.0, -20.0)
"""RMS level between which noise is drawn, against full scale."""

_HUM = (50.0, 60.0)
_KEYPAD = ((697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0))  # Hz, rows and columns: ITU-T Q.23
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)  # semitones above the key
_FADE = 0.005  # seconds at both ends of a tone, without which it clicks


def made_noise(seconds: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise (N,) at 16 kHz in [-1, 1]: of a drawn colour and level, that swells and ebbs, half of it with mains hum."""
    count = round(seconds * SAMPLE_RATE)
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
    colour = generator.uniform(0, STEEPEST)
    spectrum = np.fft.rfft(generator.standard_normal(count)) * frequencies ** (-colour / 2)
    noise = np.fft.irfft(spectrum, count)
    time = np.arange(count) / SAMPLE_RATE
    noise *= 1 + generator.uniform(0, 0.8) * np.sin(2 * np.pi * (generator.uniform(0.1, 2) * time + generator.random()))
    noise /= np.sqrt(np.mean(np.square(noise)))
    if generator.random() < 0.5:
        base = generator.choice(_HUM)
        noise += sum(np.sin(2 * np.pi * base * n * time) / n for n in range(1, 6)) * generator.uniform(0.1, 1.0)
        noise /= np.sqrt(np.mean(np.square(noise)))
    level = 10 ** (generator.uniform(*LEVELS_DB) / 20)
    made: NDArray[np.float32] = np.clip(level * noise, -1, 1).astype(np.float32)
    return made


def made_tones(seconds: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Tones (N,) at 16 kHz in [-1, 1]: a keypad's, an alarm's, a siren or a melody, at a drawn level.

    What rings and beeps in a home has pitch and rhythm as speech does, and a model that met none hears words in it.
    """
    count = round(seconds * SAMPLE_RATE)
    make = (_keypad, _alarm, _siren, _melody)[int(generator.integers(4))]
    tones = make(count, generator)
    loudest = np.abs(tones).max(initial=1e-9)
    level = 10 ** (generator.uniform(*LEVELS_DB) / 20)
    made: NDArray[np.float32] = np.clip(2 * level * tones / loudest, -1, 1).astype(np.float32)
    return made


def _keypad(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Two tones at a time, in bursts with gaps between them."""
    return _in_turn(count, generator, (0.05, 0.3), (0.03, 0.4), lambda: [generator.choice(part) for part in _KEYPAD], 1)


def _alarm(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The same one to three beeps again and again, soft or shrill."""
    beeps = [[float(generator.uniform(400, 3500))] for _ in range(generator.integers(1, 4))]
    long, gap = generator.uniform(0.05, 0.6), generator.uniform(0.02, 0.6)
    numbers = iter(range(count))
    return _in_turn(
        count,
        generator,
        (long, long),
        (gap, gap),
        lambda: beeps[next(numbers) % len(beeps)],
        int(generator.integers(1, 8)),
    )


def _siren(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """A tone that rises and falls."""
    time = np.arange(count) / SAMPLE_RATE
    turns = generator.uniform(0.1, 5) * time + generator.random()
    swing = np.sin(2 * np.pi * turns) if generator.random() < 0.5 else 2 * (turns % 1) - 1
    hertz = generator.uniform(300, 1500) * 2 ** (generator.uniform(0.1, 1) * swing)
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    return np.asarray(sum(np.sin(n * phase) / n for n in range(1, 1 + generator.integers(1, 5))))


def _melody(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Notes and chords of one key that die away."""
    key = 110 * 2 ** generator.uniform(0, 2.5)
    voices = int(generator.integers(1, 4))
    beat = generator.uniform(0.15, 0.6)

    def chord() -> list[float]:
        return [float(key * 2 ** (generator.choice(_SCALE) / 12)) for _ in range(voices)]

    return _in_turn(count, generator, (beat, 2 * beat), (0, 0.05), chord, int(generator.integers(3, 9)), dying=True)


def _in_turn(
    count: int,
    generator: np.random.Generator,
    lasting: tuple[float, float],
    gap: tuple[float, float],
    draw: Callable[[], Sequence[float]],
    overtones: int,
    *,
    dying: bool = False,
) -> NDArray[np.float64]:
    """Tones of drawn frequencies in Hz one after the other; ``lasting`` and ``gap`` are in seconds, from and to."""
    made = np.zeros(count)
    start = 0
    while start < count:
        length = min(max(1, round(generator.uniform(*lasting) * SAMPLE_RATE)), count - start)
        time = np.arange(length) / SAMPLE_RATE
        tone = sum(
            np.sin(2 * np.pi * hertz * n * time) / n
            for hertz in draw()
            for n in range(1, 1 + overtones)
            if hertz * n < SAMPLE_RATE / 2
        )
        ends = np.minimum(time, time[::-1]) / _FADE
        made[start : start + length] = tone * np.minimum(1, ends) * (np.exp(-4 * time) if dying else 1)
        start += length + round(generator.uniform(*gap) * SAMPLE_RATE)
    return made
