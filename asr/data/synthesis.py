"""Speech from text by the speech synthesisers that are installed: espeak-ng and flite.

A model for one's own commands needs nobody to record them: every text is spoken by many voices, at many speeds and
pitches. The voices fall into three fixed groups, so that a model is measured with voices that it never heard.
"""

import hashlib
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asr.audio.load import SAMPLE_RATE
from asr.data.engines import INSTALL, run_engine
from asr.errors import AsrError, AudioError, SettingsError

Engine = Literal["espeak-ng", "flite"]
Split = Literal["train", "dev", "test"]

MANIFEST = "manifest.tsv"
FILES_PER_FOLDER = 1000

RATES = (0.5, 2.0)
PITCHES = (0.5, 1.9)
DRAWN_RATES = (0.75, 1.35)
DRAWN_PITCHES = (0.8, 1.25)

# flite's few voices are cut or modelled from recorded people, espeak-ng's hundreds are computed from formants.
# Drawn evenly, the people would be one utterance in two hundred.
FLITE_SHARE = 0.25

# The voices kept out of training, chosen to sound unlike any that is trained on: variants of one family (steph, steph2,
# steph3) go together, and linda is made from f3, Mike from m3. Any voice not named here is for training.
HELD_OUT_ACCENTS: dict[str, Split] = {"en-gb-x-gbclan": "dev", "en-gb-x-gbcwmd": "test"}
HELD_OUT_VARIANTS: dict[str, Split] = {
    **dict.fromkeys(("f3", "linda", "m3", "Mike", "steph", "steph2", "steph3", "sandro", "victor"), "dev"),
    **dict.fromkeys(("f5", "m7", "Andrea", "grandma", "gustave", "marcelo", "pablo", "travis"), "test"),
}
HELD_OUT_FLITE: dict[str, Split] = {"rms": "dev", "awb": "test"}

# A speed test, two that are klatt under other names, and a voice that speaks only the time of day.
UNUSED_VARIANTS = frozenset({"fast", "caleb", "klatt6"})
UNUSED_FLITE = frozenset({"awb_time"})

ESPEAK_WORDS_PER_MINUTE = 175


@dataclass(frozen=True, order=True)
class Voice:
    """One way of speaking: an espeak-ng accent with a variant (``en-gb+f3``) or a flite voice (``slt``)."""

    engine: Engine
    name: str


@dataclass(frozen=True)
class Request:
    """One utterance to be spoken: ``path`` is relative to the output folder."""

    path: Path
    text: str
    voice: Voice
    rate: float
    pitch: float


@cache
def find_voices() -> tuple[Voice, ...]:
    """All English voices of the installed synthesisers, sorted; SettingsError if there are none."""
    voices: list[Voice] = []
    if shutil.which("espeak-ng"):
        accents = [code for code, file in _espeak_voices("en") if file.startswith("gmw/")]  # mb/ needs other programs
        variants = [file.removeprefix("!v/") for _, file in _espeak_voices("variant") if file.startswith("!v/")]
        for accent in accents:
            voices.append(Voice("espeak-ng", accent))
            voices.extend(Voice("espeak-ng", f"{accent}+{name}") for name in variants if name not in UNUSED_VARIANTS)
    if shutil.which("flite"):
        names = run_engine(["flite", "-lv"]).decode().partition(":")[2].split()
        voices.extend(Voice("flite", name) for name in names if name not in UNUSED_FLITE)
    if not voices:
        raise SettingsError(f"no speech synthesiser found: wanted espeak-ng or flite; install them: {INSTALL}")
    return tuple(sorted(set(voices)))


def split_of(voice: Voice) -> Split | None:
    """Where a voice may be used; None for one that is half held out and so would blur the line.

    A training voice has neither a held-out accent nor a held-out variant. A dev voice has a dev variant and any
    accent but a test one, and the other way round.
    """
    if voice.engine == "flite":
        return HELD_OUT_FLITE.get(voice.name, "train")
    accent, _, variant = voice.name.partition("+")
    split = HELD_OUT_VARIANTS.get(variant, "train")
    return split if HELD_OUT_ACCENTS.get(accent, split) == split else None


def split_voices(voices: Sequence[Voice]) -> dict[Split, list[Voice]]:
    """The voices of each split, by fixed rule (see ``split_of``): the same voice is always in the same split."""
    splits: dict[Split, list[Voice]] = {"train": [], "dev": [], "test": []}
    for voice in sorted(voices):
        split = split_of(voice)
        if split is not None:
            splits[split].append(voice)
    return splits


def speak(text: str, voice: Voice, *, rate: float = 1.0, pitch: float = 1.0) -> NDArray[np.float32]:
    """Speech, wave (N,) at 16 kHz in [-1, 1], with the silence at both ends that the engine gives.

    ``rate`` multiplies the speed (0.5 to 2), ``pitch`` the voice's fundamental frequency (0.5 to 1.9). At rate 1
    espeak-ng speaks 175 words a minute, and flite as fast as it was recorded (kal by itself is a tenth slower).
    Raises SettingsError for a voice, rate or pitch that is not to be had, AudioError if the engine fails.
    """
    _check_text(text)
    if not RATES[0] <= rate <= RATES[1]:
        raise SettingsError(f"speech rate {rate}: wanted {RATES[0]} to {RATES[1]}, where 1 is the voice's own")
    if not PITCHES[0] <= pitch <= PITCHES[1]:
        raise SettingsError(f"speech pitch {pitch}: wanted {PITCHES[0]} to {PITCHES[1]}, where 1 is the voice's own")
    # Both engines speak an unknown name with their default voice and report success.
    if voice not in _known_voices():
        raise SettingsError(f"no voice {voice.name!r} of {voice.engine}: choose one of find_voices(), or {INSTALL}")

    if voice.engine == "flite":
        stretch, shift = f"duration_stretch={1 / rate:.4f}", f"f0_shift={pitch:.4f}"
        command = ["flite", "-voice", voice.name, "--setf", stretch, "--setf", shift]
        command += ["-t", text, "-o", "/dev/stdout"]
    else:
        # espeak-ng's pitch goes from 0 to 99 over two octaves, with the voice's own at 50.
        words_per_minute = round(rate * ESPEAK_WORDS_PER_MINUTE)
        espeak_pitch = round(50 + 50 * math.log2(pitch))
        command = ["espeak-ng", "-v", voice.name, "-s", str(words_per_minute), "-p", str(espeak_pitch)]
        command += ["--stdout", "--", text]
    samples, sample_rate = _read_wav(run_engine(command))
    if samples.size == 0:
        raise AudioError(f"{voice.engine} voice {voice.name!r} spoke nothing for {text!r}: give text with words")
    wave = samples.astype(np.float32) / np.float32(32768)
    if sample_rate != SAMPLE_RATE:
        wave = soxr.resample(wave, sample_rate, SAMPLE_RATE).clip(-1, 1).astype(np.float32)
    return wave


def read_texts(path: Path) -> list[str]:
    """The texts of a file, one a line; empty lines and lines that begin with # are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as text ({error}); wanted one sentence a line") from error
    texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not texts:
        raise SettingsError(f"{path}: no text found; wanted one sentence a line")
    return texts


def draw(texts: Sequence[str], voices: Sequence[Voice], utterances: int, seed: int) -> Iterator[Request]:
    """What to speak: texts as evenly as can be, voices, rates and pitches by chance, the same for the same seed."""
    generator = random.Random(seed)
    groups = [[v for v in voices if v.engine == "espeak-ng"], [v for v in voices if v.engine == "flite"]]
    deck: list[str] = []
    for index in range(utterances):
        if not deck:
            deck = list(texts)
            generator.shuffle(deck)
        text = deck.pop()
        espeak, flite = groups
        use_flite = generator.random() < FLITE_SHARE
        voice = generator.choice((flite or espeak) if use_flite else (espeak or flite))
        rate = round(generator.uniform(*DRAWN_RATES), 2)
        pitch = round(generator.uniform(*DRAWN_PITCHES), 2)
        # The name tells what is in the file, so that a file of another run with other settings is never taken for it.
        digest = hashlib.sha256(f"{text}|{voice.engine}|{voice.name}|{rate}|{pitch}".encode()).hexdigest()[:8]
        path = Path(f"{index // FILES_PER_FOLDER:02d}", f"{index:06d}-{digest}.flac")
        yield Request(path, text, voice, rate, pitch)


def synthesize(
    texts: Sequence[str],
    out: Path,
    *,
    voices: Sequence[Voice],
    utterances: int,
    seed: int,
    jobs: int = 2,
) -> Path:
    """Speaks ``utterances`` drawn from texts and voices into ``out``; returns the manifest, written last.

    Files that are there from an earlier, interrupted run are kept. Where single utterances fail, the others are still
    made; then AudioError names the failures and no manifest is written.
    """
    if utterances < 1 or jobs < 1:
        raise SettingsError(f"utterances {utterances} and jobs {jobs}: wanted at least 1 of each")
    if not texts or not voices:
        raise SettingsError(f"{len(texts)} texts and {len(voices)} voices to speak them: wanted at least 1 of each")
    for text in texts:
        _check_text(text)
    requests = list(draw(texts, voices, utterances, seed))
    for folder in sorted({request.path.parent for request in requests}):
        (out / folder).mkdir(parents=True, exist_ok=True)

    failures: list[str] = []
    columns = (TextColumn("speaking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Threads are enough: the work is done by the engines, which are other processes, and by libraries without the lock.
    with Progress(*columns) as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("", total=utterances)
        futures = [pool.submit(_speak_to_file, request, out) for request in requests]
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                except AsrError as error:
                    failures.append(str(error))
                progress.advance(bar)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failures:
        named = "; ".join(sorted(failures)[:3])
        raise AudioError(f"{out}: {len(failures)} of {utterances} utterances could not be spoken: {named}")

    rows = [f"{request.path.as_posix()}\t{request.voice.name}\t{request.text}\n" for request in requests]
    manifest = out / MANIFEST
    part = manifest.with_name(MANIFEST + ".part")
    part.write_text("path\tspeaker\ttext\n" + "".join(rows), encoding="utf-8")
    part.replace(manifest)
    return manifest


def synthesize_split(texts: Path, out: Path, *, split: str, utterances: int, seed: int, jobs: int = 2) -> Path:
    """``synthesize`` for a file of texts and the voices of one split (train, dev or test)."""
    groups = split_voices(find_voices())
    for name, voices in groups.items():
        if name == split:
            return synthesize(read_texts(texts), out, voices=voices, utterances=utterances, seed=seed, jobs=jobs)
    raise SettingsError(f"voices {split!r}: wanted one of {', '.join(groups)}")


def _speak_to_file(request: Request, out: Path) -> None:
    target = out / request.path
    if target.exists():
        return
    wave = speak(request.text, request.voice, rate=request.rate, pitch=request.pitch)
    part = target.with_name(target.name + ".part")
    soundfile.write(part, wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    part.replace(target)


def _check_text(text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise SettingsError(f"text {text!r} cannot be spoken: wanted words on one line, without control characters")


@cache
def _known_voices() -> frozenset[Voice]:
    return frozenset(find_voices())


def _espeak_voices(kind: str) -> Iterator[tuple[str, str]]:
    """Language code and file of each listed voice; names with blanks do not fit the table and are passed over."""
    for line in run_engine(["espeak-ng", f"--voices={kind}"]).decode().splitlines()[1:]:
        fields = line.split()
        name_ends = len(fields) == 5 or (len(fields) > 5 and fields[5].startswith("("))
        if name_ends:
            yield fields[1], fields[4]


def _read_wav(data: bytes) -> tuple[NDArray[np.int16], int]:
    """Samples and rate of a mono 16-bit WAV; its length fields are ignored, as a pipe cannot be rewound to set them."""
    start = data.find(b"data")
    if data[:4] != b"RIFF" or start < 0:
        return np.zeros(0, np.int16), SAMPLE_RATE
    body = data[start + 8 :]
    return np.frombuffer(body[: len(body) // 2 * 2], "<i2"), int.from_bytes(data[24:28], "little")
