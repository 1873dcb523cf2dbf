"""Miniature copies of published corpora: their layout, their names, and a few short recordings.

Each has two or more speakers in every split with two utterances each, one recording in another format, one transcript
without its recording and one recording without its transcript, where the corpus keeps them apart.
"""

import csv
import functools
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp")
VARIANTS = ("", "+f1", "+m3", "+f4", "+m5")
RATE = 16_000


@functools.cache
def speech(text: str, speaker: str) -> NDArray[np.float32]:
    """A text in a voice of the speaker's own, wave (N,) at 16 kHz; a tone a word where espeak-ng is not installed."""
    number = zlib.crc32(speaker.encode())
    if shutil.which("espeak-ng"):
        voice = VOICES[number % len(VOICES)] + VARIANTS[number % len(VARIANTS)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "speech.wav")
            command = ["espeak-ng", "-v", voice, "-s", str(200 + number % 40), "-w", str(path), "--", text]
            subprocess.run(command, check=True, capture_output=True)
            wave, rate = soundfile.read(path, dtype="float32")
        return np.asarray(soxr.resample(wave, rate, RATE), dtype=np.float32)
    time = np.arange(RATE // 5) / RATE
    tones = [np.sin(2 * np.pi * (200 + zlib.crc32(word.encode()) % 2000) * time) for word in text.split()]
    return (0.3 * np.concatenate(tones)).astype(np.float32)


def say(path: Path, text: str, speaker: str, rate: int = RATE) -> None:
    """A recording of the text, in the format that the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = soxr.resample(speech(text, speaker), RATE, rate)
    if path.suffix in (".opus", ".ogg"):
        soundfile.write(path, wave, rate, format="OGG", subtype="OPUS")
    else:
        soundfile.write(path, wave, rate)


def write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _librispeech(folder: Path, speakers: dict[str, Sequence[str]], extra: str) -> None:
    """``extra`` is the part that has, in its first chapter, what does not belong together."""
    texts = ("OPEN THE DOOR", "HE WENT HOME", "IT'S LATE", "A COLD WIND BLEW", "SO IT WAS", "THEY CAME BACK")
    for part, people in speakers.items():
        for person in people:
            number = int(person)
            name = f"{person}-{number + 7}"
            chapter = folder / part / person / str(number + 7)
            lines = []
            for n in range(2):
                text = texts[(number + n) % len(texts)]
                ogg = part == extra and person == people[-1] and n == 1
                say(chapter / f"{name}-{n:04}{'.opus' if ogg else '.flac'}", text, person)
                lines.append(f"{name}-{n:04} {text}")
            if part == extra and person == people[0]:
                lines.append(f"{name}-0002 NOBODY RECORDED THIS")
                say(chapter / f"{name}-0003.flac", "nobody wrote this", person)
            write(chapter / f"{name}.trans.txt", lines)
    write(folder / "SPEAKERS.TXT", [";ID  |SEX| SUBSET           |MINUTES| NAME"])


def librispeech_tree(folder: Path) -> None:
    speakers = {
        "train-clean-100": ("103", "1034"),
        "train-clean-360": ("100",),
        "train-other-500": ("20",),
        "dev-clean": ("84", "174"),
        "dev-other": ("116",),
        "test-clean": ("61", "121"),
        "test-other": ("367",),
    }
    _librispeech(folder, speakers, "train-clean-100")


def mini_librispeech_tree(folder: Path) -> None:
    _librispeech(folder, {"train-clean-5": ("1088", "1553", "1737"), "dev-clean-2": ("84", "174")}, "dev-clean-2")


def audiomnist_tree(folder: Path) -> None:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    for speaker in ("01", "02", "09", "10", "19", "26", "60"):
        for number in range(2):
            digit = (int(speaker) + number) % 10
            suffix = ".ogg" if (speaker, number) == ("02", 1) else ".wav"
            say(folder / "data" / speaker / f"{digit}_{speaker}_{number}{suffix}", words[digit], speaker, 48_000)
    say(folder / "data" / "02" / "three.wav", "three", "02", 48_000)
    (folder / "data" / "audioMNIST_meta.txt").write_text("{}\n")


def ljspeech_tree(folder: Path) -> None:
    rows = [
        ("LJ001-0001", "Chapter 1, the door", "Chapter one, the door"),
        ("LJ001-0002", "Mr. Bell came home.", "Mister Bell came home."),
        ("LJ002-0001", 'He said, "it is late"', 'He said, "it is late"'),
        ("LJ002-0002", "A cold wind blew;", "A cold wind blew;"),
        ("LJ003-0001", "nobody recorded this", "nobody recorded this"),
    ]
    for key, text, _ in rows[:-1]:
        say(folder / "wavs" / f"{key}{'.mp3' if key == 'LJ002-0002' else '.wav'}", text, "LJ", 22_050)
    say(folder / "wavs" / "LJ003-0002.wav", "nobody wrote this", "LJ", 22_050)
    write(folder / "metadata.csv", ["|".join(row) for row in rows])


def vctk_tree(folder: Path) -> None:
    """Release 0.92, with two microphones; p315 has no transcripts there."""
    texts = ("Please call Stella.", "Ask her to bring snow peas.")
    for speaker in ("p225", "p226", "p230", "p233", "p259", "p276"):
        for number, text in enumerate(texts, start=1):
            name = f"{speaker}_{number:03}"
            write(folder / "txt" / speaker / f"{name}.txt", [text])
            for microphone in ("mic1", "mic2"):
                suffix = ".ogg" if (name, microphone) == ("p226_002", "mic1") else ".flac"
                say(folder / "wav48_silence_trimmed" / speaker / f"{name}_{microphone}{suffix}", text, speaker, 48_000)
    write(folder / "txt" / "p225" / "p225_003.txt", ["Nobody recorded this."])
    say(folder / "wav48_silence_trimmed" / "p315" / "p315_001_mic1.flac", "nobody wrote this", "p315", 48_000)
    write(
        folder / "speaker-info.txt", ["ID  AGE  GENDER  ACCENTS  REGION COMMENTS", "p225  23  F    English    Southern"]
    )


def common_voice_tree(folder: Path) -> None:
    """A release with English in it."""
    language = folder / "cv-corpus-99.0-2030-01-01" / "en"
    header = ("client_id", "path", "sentence_id", "sentence", "up_votes", "down_votes", "age", "gender", "accents")
    header += ("variant", "locale", "segment")
    lists: dict[str, list[tuple[str, int, str]]] = {
        "train": [("aa", 1, 'He said "stop.'), ("aa", 2, "Open the door."), ("bb", 3, "It’s late."), ("bb", 4, "Go.")],
        "dev": [("cc", 5, "A cold wind blew."), ("cc", 6, "They came back."), ("dd", 7, "Yes."), ("dd", 8, "No.")],
        "test": [("ee", 9, "Turn left."), ("ee", 10, "Turn right."), ("ff", 11, "Up."), ("ff", 12, "Down.")],
        "other": [("gg", 13, "Nobody has checked this.")],
    }
    missing = ("aa", 14, "Nobody recorded this.")
    lists["train"].append(missing)
    lists["validated"] = [row for split in ("train", "dev", "test") for row in lists[split]]
    lists["invalidated"] = []
    for name, rows in lists.items():
        lines = [
            (speaker, f"common_voice_en_{number}.mp3", "s", text, "2", "0", "", "", "", "", "en", "")
            for speaker, number, text in rows
        ]
        write(language / f"{name}.tsv", ["\t".join(line) for line in [header, *lines]])
        if name == "validated":
            continue
        for speaker, number, text in rows:
            if (speaker, number, text) != missing:
                suffix = ".ogg" if number == 8 else ".mp3"
                say(language / "clips" / f"common_voice_en_{number}{suffix}", text, speaker, 48_000)
    say(language / "clips" / "common_voice_en_15.mp3", "nobody wrote this", "aa", 48_000)


def fluent_speech_commands_tree(folder: Path) -> None:
    lists = {
        "train": ("2BqVo8kVB2Skwgyb", "4BrX8aDqK2cLZRYl"),
        "valid": ("2ojo7YRL7Gck83Z3", "4aGjX3AG5xcxeL7a"),
        "test": ("4BEzPgPKe8taG9OB", "5BEzPgPKe8taG9OB"),
    }
    texts = (("Turn on the lights", "activate"), ("Turn the heat up, please", "increase"))
    for name, speakers in lists.items():
        rows = []
        for speaker in speakers:
            for number, (text, action) in enumerate(texts):
                path = f"wavs/speakers/{speaker}/{speaker[:2]}-{number}.wav"
                audio = folder / path
                say(audio.with_suffix(".flac") if (speaker, number) == (lists["test"][1], 1) else audio, text, speaker)
                rows.append((len(rows), path, speaker, text, action, "lights", "none"))
        if name == "valid":
            path = f"wavs/speakers/{speakers[0]}/gone.wav"
            rows.append((len(rows), path, speakers[0], "Nobody recorded this", "none", "none", "none"))
        (folder / "data").mkdir(exist_ok=True)
        with (folder / "data" / f"{name}_data.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("", "path", "speakerId", "transcription", "action", "object", "location"))
            table.writerows(rows)
    say(folder / "wavs" / "speakers" / lists["train"][0] / "extra.wav", "nobody wrote this", lists["train"][0])


TREES: dict[str, Callable[[Path], None]] = {
    "audiomnist": audiomnist_tree,
    "common_voice": common_voice_tree,
    "fluent_speech_commands": fluent_speech_commands_tree,
    "librispeech": librispeech_tree,
    "ljspeech": ljspeech_tree,
    "mini_librispeech": mini_librispeech_tree,
    "vctk": vctk_tree,
}
