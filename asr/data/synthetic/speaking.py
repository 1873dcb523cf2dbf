"""Speech from a text by one synthesiser's voice, as fast, as high and by as large a speaker as wanted."""

import json
import math
import os
import re
import struct
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.data.synthetic import espeak, pico
from asr.data.synthetic.engines import TIMEOUT_SECONDS, run_engine
from asr.data.synthetic.neural import NEURAL
from asr.data.synthetic.voice_graphs import Sound
from asr.data.synthetic.voices import ENGINES, Engine, Voice, how_to_get, known
from asr.errors import AsrError, AudioError, SettingsError

TOGETHER = 500
"""Takes of which those by one engine share a process, except flite's; most take longer to start than to speak."""

SHORTEST_SECONDS = 0.05
"""Less than this is the click that an engine makes of a text without words."""

QUIETEST = 100
"""Loudest 16-bit samples below this are the silence that an engine makes of a text without words."""

# What the engines can do: beyond it they clip the value or stop making sense.
RATES = (0.5, 2.0)
PITCHES = (0.67, 1.63)
FORMANTS = (0.8, 1.25)

ESPEAK_WORDS_PER_MINUTE = 175
# A lone a is read as the article, even beside other letters. So they are given what they read as the letter's name.
LETTER_A = re.compile(r"(?<=(?<![\w'])[a-hj-z] )a(?![\w'])|(?<![\w'])a(?= [a-hj-z]\b(?!'))|^a$")
NAME_OF_A: dict[Engine, str] = {
    **dict.fromkeys(("espeak-ng", "pico", "hibari", "kokoro", "piper"), "eh"),
    **dict.fromkeys(("flite", "festival"), "ay"),
}
# espeak-ng's pitch moves the lowest tone of a voice and leaves the rise and fall above it as it is. So a voice's mean
# pitch moves by only a part of what is set: 0.65 in the median of its voices, from 0.4 to 1.1.
ESPEAK_PITCH_PART = 0.65
# The average pitch of festival's diphone voices, its spread, and what its model of intonation was trained on, in Hz.
FESTIVAL_HERTZ = (105, 14, 170, 34)


@dataclass(frozen=True)
class SpeechRequest:
    """One utterance to be spoken.

    ``rate`` multiplies the speed (0.5 to 2), ``pitch`` the voice's fundamental frequency (0.67 to 1.63). ``formants``
    multiplies the resonances of the vocal tract (0.8 to 1.25): 1.2 is that of a speaker whose tract is a sixth shorter.
    At rate 1 espeak-ng speaks 175 words a minute, and the others as fast as they were recorded (flite's kal by itself
    is a tenth slower).

    Raises SettingsError for a text without words, or a value that the voice's engine cannot give.
    """

    text: str
    voice: Voice
    rate: float = 1.0
    pitch: float = 1.0
    formants: float = 1.0

    def __post_init__(self) -> None:
        check_text(self.text)
        for name, value, (low, high) in (
            ("rate", self.rate, RATES),
            ("pitch", self.pitch, PITCHES),
            ("formants", self.formants, FORMANTS),
        ):
            if not low <= value <= high:
                raise SettingsError(f"speech {name} {value}: wanted {low} to {high}, where 1 is the voice's own")
        for name, value, (low, high) in (("rate", self.engine_rate, RATES), ("pitch", self.engine_pitch, PITCHES)):
            if not low <= value <= high:
                raise SettingsError(
                    f"speech {name} {getattr(self, name)} with formants {self.formants}: the engine would have to "
                    f"speak at {value:.2f}, wanted {low} to {high}; move them closer to each other"
                )
        if not self.voice.has_pitch and not math.isclose(self.engine_pitch, 1):
            raise SettingsError(
                f"speech pitch {self.pitch} with formants {self.formants}: the voice {self.voice.name} has a pitch "
                "of its own, which moves with the formants only; wanted the same for both"
            )

    # To move the formants without a vocoder, the engine speaks slower and lower by the factor by which the recording
    # is then played faster: rate and pitch end where they are wanted, and only the resonances have moved.
    @property
    def engine_rate(self) -> float:
        """The rate at which the engine speaks before the formants are moved."""
        return self.rate / self.formants

    @property
    def engine_pitch(self) -> float:
        """The pitch at which the engine speaks before the formants are moved."""
        return self.pitch / self.formants

    @property
    def engine_text(self) -> str:
        """The text as the engine is given it: where letters are spelled in English, a is one of them."""
        return LETTER_A.sub(NAME_OF_A[self.voice.engine], self.text) if self.voice.language == "en" else self.text


def speak(
    text: str, voice: Voice, *, rate: float = 1.0, pitch: float = 1.0, formants: float = 1.0
) -> NDArray[np.float32]:
    """Speech, wave (N,) at 16 kHz in [-1, 1], with the silence at both ends that the engine gives.

    What ``rate``, ``pitch`` and ``formants`` are, ``SpeechRequest`` says.

    Raises SettingsError for a voice, rate, pitch or formants that are not to be had, AudioError if the engine fails.
    """
    (spoken,) = speak_all([SpeechRequest(text, voice, rate, pitch, formants)])
    if isinstance(spoken, AsrError):
        raise spoken
    return spoken


def speak_all(takes: Sequence[SpeechRequest]) -> Iterator[NDArray[np.float32] | AudioError]:
    """The wave of each take in turn, or what went wrong with it; the same wave whatever else is spoken.

    Faster than one by one where an engine takes long to start. Raises SettingsError for an unknown voice.
    """
    for take in takes:
        # The engines speak an unknown name with their default voice and report success.
        if not known(take.voice):
            voice = take.voice
            raise SettingsError(
                f"no voice {voice.name!r} of {voice.engine}: choose one of find_voices(); {how_to_get(voice.engine)}"
            )
    for start in range(0, len(takes), TOGETHER):
        yield from _speak_together(takes[start : start + TOGETHER])


def _speak_together(takes: Sequence[SpeechRequest]) -> Iterator[NDArray[np.float32] | AudioError]:
    of = {engine: [take for take in takes if take.voice.engine == engine] for engine in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        files = iter(_speak_by_festival(of["festival"], Path(folder)))
        by_espeak, by_pico = iter(_speak_by_espeak(of["espeak-ng"])), iter(_speak_by_pico(of["pico"]))
        for take in takes:
            try:
                if take.voice.engine == "festival":
                    sound = _read_wav(next(files).read_bytes())
                elif take.voice.engine == "pico":
                    spoken = next(by_pico)
                    if isinstance(spoken, AudioError):
                        raise spoken
                    sound = spoken
                elif take.voice.engine in NEURAL:
                    # In this process, which keeps the network for the next take.
                    network = NEURAL[take.voice.engine]
                    sound = network.speak(take.engine_text, take.voice.name, take.engine_rate, take.engine_pitch)
                else:
                    ready = next(by_espeak) if take.voice.engine == "espeak-ng" else None
                    sound = ready or _read_wav(_speak_alone(take))
                yield _finish(take, *sound)
            except AudioError as error:
                yield error
            except FileNotFoundError:
                yield AudioError(f"festival's voice {take.voice.name!r} could not speak {take.text!r}")


def check_text(text: str) -> None:
    """SettingsError unless it is one line with something to say on it."""
    if not text.strip() or not text.isprintable():
        raise SettingsError(f"text {text!r} cannot be spoken: wanted words on one line, without control characters")


def _speak_alone(take: SpeechRequest) -> bytes:
    """The WAV that espeak-ng or flite makes of it."""
    if take.voice.engine == "flite":
        stretch, shift = f"duration_stretch={1 / take.engine_rate:.4f}", f"f0_shift={take.engine_pitch:.4f}"
        command = ["flite", "-voice", take.voice.name, "--setf", stretch, "--setf", shift]
        command += ["-t", take.engine_text, "-o", "/dev/stdout"]
    else:
        words_per_minute, espeak_pitch = _espeak_settings(take)
        command = ["espeak-ng", "-v", take.voice.name, "-s", str(words_per_minute), "-p", str(espeak_pitch)]
        command += ["--stdout", "--", take.engine_text]
    return run_engine(command)


def _espeak_settings(take: SpeechRequest) -> tuple[int, int]:
    """Words a minute, and pitch from 0 to 99 over two octaves with the voice's own at 50."""
    lowest_tone = 1 + (take.engine_pitch - 1) / ESPEAK_PITCH_PART
    pitch = min(99, max(0, round(50 + 50 * math.log2(lowest_tone))))
    return round(take.engine_rate * ESPEAK_WORDS_PER_MINUTE), pitch


def _speak_by_espeak(takes: Sequence[SpeechRequest]) -> list[Sound | None]:
    """The same as by the program; None for what its library could not speak."""
    if not takes or not hasattr(os, "fork"):
        return [None] * len(takes)
    lines = [[take.engine_text, take.voice.name, *_espeak_settings(take)] for take in takes]
    try:
        sounds = _speak_by_script([sys.executable, "-I", "-S", espeak.__file__], lines)
        return [(samples, sample_rate) if samples.size else None for samples, sample_rate in sounds]
    except AudioError:  # the program speaks them, or says what is wrong
        return [None] * len(takes)


def _speak_by_pico(takes: Sequence[SpeechRequest]) -> list[Sound | AudioError]:
    lines = [
        [take.engine_text, take.voice.name, round(100 * take.engine_rate), round(100 * take.engine_pitch)]
        for take in takes
    ]
    try:
        # Without the script's folder on the path: a file there has a name of the standard library.
        return list(_speak_by_script([sys.executable, "-P", pico.__file__], lines)) if takes else []
    except AudioError as error:  # the rest is spoken without what felled it
        return [error] if len(takes) == 1 else [sound for take in takes for sound in _speak_by_pico([take])]


def _speak_by_script(command: list[str], lines: Sequence[Sequence[object]]) -> list[Sound]:
    """What ``espeak.py`` or ``pico.py``, started once, makes of the lines. Raises AudioError if it ends badly."""
    text = "\n".join(json.dumps(line) for line in lines)
    data = run_engine(command, text=text, timeout=TIMEOUT_SECONDS + 5 * len(lines))
    sounds: list[Sound] = []
    start = 0
    while start < len(data):
        sample_rate, length = struct.unpack_from("<II", data, start)
        sounds.append((np.frombuffer(data, "<i2", length // 2, start + 8), sample_rate))
        start += 8 + length
    return sounds


def _speak_by_festival(takes: Sequence[SpeechRequest], folder: Path) -> list[Path]:
    """Files that festival, started once, wrote; there is none for a take that it could not speak."""
    files = [folder / f"{index}.wav" for index in range(len(takes))]
    if takes:
        script = "\n".join(_festival_script(take, file) for take, file in zip(takes, files, strict=True))
        try:
            run_engine(["festival", "--pipe"], text=script, timeout=TIMEOUT_SECONDS + 5 * len(takes))
        except AudioError:  # what it has spoken before it fell is good; the rest is spoken without what felled it
            for take, file in zip(takes, files, strict=True):
                if len(takes) > 1 and not file.exists():
                    _speak_by_festival([take], folder / file.stem)[0].rename(file)
    return files


def _festival_script(take: SpeechRequest, file: Path) -> str:
    """Scheme that speaks a take into a file."""
    letters = unicodedata.normalize("NFKD", take.engine_text).encode("ascii", "ignore").decode()
    quoted = letters.replace("\\", " ").replace('"', " ")
    if take.voice.has_pitch:
        mean, spread, model_mean, model_spread = FESTIVAL_HERTZ
        settings = (
            f"(Parameter.set 'Duration_Stretch {1 / take.engine_rate:.4f})"
            f"(set! int_lr_params '((target_f0_mean {mean * take.engine_pitch:.4f})"
            f"(target_f0_std {spread * take.engine_pitch:.4f})"
            f"(model_f0_mean {model_mean})(model_f0_std {model_spread})))"
        )
    else:
        settings = f'(set! hts_engine_params (append hts_engine_params (list (list "-r" {take.engine_rate:.4f}))))'
    return f'(voice_{take.voice.name}){settings}(utt.save.wave (utt.synth (Utterance Text "{quoted}")) "{file}" \'riff)'


def _finish(take: SpeechRequest, samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.float32]:
    """The wave at 16 kHz with its formants moved."""
    if samples.size < SHORTEST_SECONDS * sample_rate or np.abs(samples.astype(np.int32)).max() < QUIETEST:
        raise AudioError(
            f"{take.voice.engine} voice {take.voice.name!r} spoke nothing for {take.text!r}: give text with words"
        )
    wave = samples.astype(np.float32) / np.float32(32768)
    if sample_rate * take.formants != SAMPLE_RATE:
        wave = soxr.resample(wave, sample_rate * take.formants, SAMPLE_RATE).clip(-1, 1).astype(np.float32)
    return wave


def _read_wav(data: bytes) -> Sound:
    """Samples and rate of a mono 16-bit WAV; its length fields are ignored, as a pipe cannot be rewound to set them."""
    start = data.find(b"data")
    if data[:4] != b"RIFF" or start < 0:
        return np.zeros(0, np.int16), SAMPLE_RATE
    body = data[start + 8 :]
    return np.frombuffer(body[: len(body) // 2 * 2], "<i2"), int.from_bytes(data[24:28], "little")
