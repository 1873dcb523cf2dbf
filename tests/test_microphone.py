"""The microphone demo: recorded sound in, lines out; clear words where there is no microphone; a clean end."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr
from conftest import answer_always

from asr.apps.cli import app, run
from asr.apps.mic import listen, show
from asr.audio import microphone
from asr.audio.load import SAMPLE_RATE
from asr.audio.microphone import check_microphone, device_named, microphone_blocks
from asr.bundle import DEFAULT_BUNDLE
from asr.errors import AsrError, AudioError

ROOT = Path(__file__).resolve().parents[1]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def in_blocks(wave: np.ndarray, size: int = 800) -> Iterator[np.ndarray]:
    for start in range(0, len(wave), size):
        yield wave[start : start + size]


def stream_of(words: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([silence(1), *(part for word in words for part in (word, silence(1)))])


# Lines


def test_each_word_gives_its_text_and_the_time_it_took(words: list[np.ndarray]) -> None:
    stream, lines, waves = stream_of(words), [], []
    now = 0.0
    position = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal now, position
        for block in in_blocks(stream):
            now = max(now, (position + len(block)) / SAMPLE_RATE)  # a block arrives when its last sample is spoken
            position += len(block)
            yield block

    def transcribe(wave: np.ndarray) -> SimpleNamespace:
        nonlocal now
        now += 0.2
        waves.append(wave)
        return SimpleNamespace(text=["alpha", "", "gamma"][len(waves) - 1])

    listen(blocks(), transcribe, lines.append, clock=lambda: now)
    assert [line.split("  ")[0] for line in lines] == [
        "alpha",
        "\x1b[2m(nothing understood)\x1b[0m",
        "gamma",
        "stopped",
    ]
    for line in lines[:3]:
        # 600 ms until the end is certain, 200 to transcribe, and at most a block of 50
        assert 800 <= float(line.split("\x1b[2m")[-1].split(" ms")[0]) <= 860
    # the first sound of each word is in what was transcribed
    for wave, word in zip(waves, words, strict=True):
        middle = word[len(word) // 4 : len(word) // 2]
        assert np.abs(np.correlate(wave, middle, "valid") - middle @ middle).min() < 1e-3


def test_time_spent_waiting_in_the_queue_is_counted(words: list[np.ndarray]) -> None:
    now, lines = 0.0, []

    def blocks() -> Iterator[np.ndarray]:
        nonlocal now
        heard = 0
        for block in in_blocks(stream_of(words)):
            heard += len(block)
            now = max(now, heard / SAMPLE_RATE)
            yield block

    def transcribe(wave: np.ndarray) -> SimpleNamespace:
        nonlocal now
        now += 5.0
        return SimpleNamespace(text="x")

    listen(blocks(), transcribe, lines.append, clock=lambda: now)
    first, second, third = (float(line.split("\x1b[2m")[1].split(" ms")[0]) for line in lines[:3])
    assert 5600 <= first <= 5660
    assert second > first + 2000
    assert third > second + 2000


def test_an_utterance_that_the_stream_breaks_off_is_transcribed(words: list[np.ndarray]) -> None:
    lines: list[str] = []
    listen([silence(1), words[0]], lambda _: SimpleNamespace(text="end"), lines.append)
    assert [line.split()[0] for line in lines] == ["end", "stopped"]


def test_a_sound_that_is_no_speech_gives_nothing(words: list[np.ndarray]) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    lines: list[str] = []
    listen([stream_of([tone, words[0], tone])], lambda _: SimpleNamespace(text="word"), lines.append)
    assert [line.split()[0] for line in lines] == ["word", "stopped"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, AudioError("gone")])
@pytest.mark.parametrize("where", ["blocks", "transcribe"])
def test_the_stream_is_closed_whatever_ends_it(words: list[np.ndarray], stop: BaseException, where: str) -> None:
    closed, lines = [], []

    def blocks() -> Iterator[np.ndarray]:
        try:
            yield from in_blocks(stream_of(words))
            raise stop
        finally:
            closed.append(True)

    def transcribe(_: np.ndarray) -> SimpleNamespace:
        if where == "transcribe":
            raise stop
        return SimpleNamespace(text="x")

    if stop is KeyboardInterrupt:
        listen(blocks(), transcribe, lines.append)
        assert lines[-1] == "stopped"
    else:
        with pytest.raises(AudioError, match="gone"):
            listen(blocks(), transcribe, lines.append)
    assert closed == [True]


def test_a_line_has_no_codes_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show("\x1b[2m(nothing understood)\x1b[0m  [red] " + "long " * 40)
    assert capsys.readouterr().out == "(nothing understood)  [red] " + "long " * 40 + "\n"


# Commands


DIGITS = "language: en\nlists: {digit: [{in: one, out: 1}, {in: three, out: 3}, {in: seven, out: 7}]}\n"
DIGITS += 'commands: {choose: ["{digit}"], "no": ["not this one"]}\n'


@pytest.fixture(params=[3.0, -3.0], ids=["takes all", "refuses all"])
def commanded(
    request: pytest.FixtureRequest, words: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, list[str]]:
    """Whether the default model takes all that it hears for a command, and the arguments that let it hear the words."""
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    answer_always(folder, request.param)
    (tmp_path / "digits.yaml").write_text(DIGITS, encoding="utf-8")

    def recorded(device: int | str | None, *, report: Callable[[str], None]) -> Iterator[np.ndarray]:
        report("listening")
        yield from in_blocks(stream_of(words))

    monkeypatch.setattr(microphone, "microphone_blocks", recorded)
    return request.param > 0, ["mic", "--bundle", str(folder), "--commands", str(tmp_path / "digits.yaml")]


def test_commands_are_printed_or_what_was_heard_instead(
    commanded: tuple[bool, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    takes, arguments = commanded
    assert run(app, arguments, "asr") == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ("listening", "stopped")
    assert len(lines) == 3
    for line, digit in zip(lines, (1, 3, 7), strict=True):
        said, confidence, milliseconds = re.fullmatch(r"(.*)  \(([\d.]+)\)  (\d+) ms", line).groups()
        assert said == f"choose digit={digit}" if takes else said.startswith("not understood: ")
        assert float(confidence) == (0.95 if takes else 0.05)
        assert int(milliseconds) >= 0


def test_a_program_reads_one_object_a_line(
    commanded: tuple[bool, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    takes, arguments = commanded
    assert run(app, [*arguments, "--json"], "asr") == 0
    out, error = capsys.readouterr()
    assert error.splitlines() == ["listening", "stopped"]
    for line, digit in zip(out.splitlines(), (1, 3, 7), strict=True):
        found = json.loads(line)
        assert found["understood"] is takes
        assert found["command"] == ("choose" if takes else None)
        assert found["slots"] == ({"digit": digit} if takes else {})
        assert found["command_confidence"] == pytest.approx(0.9526 if takes else 0.0474, abs=1e-4)
        assert found["seconds"] > 0.3
        assert {"text", "confidence", "tokens", "words", "milliseconds"} < found.keys()
        assert "file" not in found
    capsys.readouterr()
    plain = [each for each in arguments if each != "--commands" and not each.endswith(".yaml")]
    assert run(app, [*plain, "--json"], "asr") == 0
    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line).keys() == {
            "text",
            "confidence",
            "seconds",
            "tokens",
            "words",
            "segments",
            "milliseconds",
        }


# No microphone


class PortAudioError(Exception):
    """What sounddevice raises."""


class Stream:
    """A device that gives one second of a tone at its own rate, then nothing."""

    closed = False

    def __init__(self, samplerate: int, blocksize: int, channels: int, callback: Callable[..., None], **_: object):
        self._rate, self._size, self._channels, self._callback = samplerate, blocksize, channels, callback

    def start(self) -> None:
        """Give all sound at once; the buffer is used again, as PortAudio does."""
        tone = np.sin(2 * np.pi * 440 * np.arange(self._rate) / self._rate).astype(np.float32) / 2
        buffer = np.zeros((self._size, self._channels), np.float32)
        for start in range(0, self._rate, self._size):
            buffer[:] = tone[start : start + self._size, None]
            self._callback(buffer, self._size, None, SimpleNamespace(input_overflow=start == 0))
            buffer[:] = 9.0

    def close(self) -> None:
        """Note that it was called."""
        Stream.closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A sounddevice with one microphone that takes 44.1 kHz in stereo only."""

    def check(channels: int, samplerate: int, **_: object) -> None:
        if (channels, samplerate) != (2, 44_100):
            raise PortAudioError("Invalid sample rate\n[PaErrorCode -9997]")

    module = SimpleNamespace(
        PortAudioError=PortAudioError,
        query_devices=lambda *_: {"name": "Fake", "default_samplerate": 44_100.0, "max_input_channels": 32},
        check_input_settings=check,
        InputStream=Stream,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr("asr.audio.microphone._STALL_SECONDS", 0.1)
    Stream.closed = False
    return module


def complaint() -> str:
    with pytest.raises(AudioError) as caught:
        next(microphone_blocks(report=lambda _: None))
    message = str(caught.value)
    assert "\n" not in message
    assert "wanted" in message or "cannot be opened" in message
    return message


@pytest.mark.parametrize(
    ("name", "device"),
    [
        *((None, None), ("0", 0), ("12", 12), ("007", 7), ("USB", "USB"), ("-1", "-1"), ("1.5", "1.5")),
        *(("²", "²"), ("٣", "٣"), ("⑨", "⑨"), ("", ""), ("9" * 5000, "9" * 5000)),
    ],
)
def test_only_plain_digits_are_the_number_of_a_device(name: str | None, device: int | str | None) -> None:
    assert device_named(name) == device


def test_a_microphone_is_looked_for_without_opening_it(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fake, "InputStream")
    check_microphone()

    def refuse(*_: object) -> None:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(fake, "query_devices", refuse)
    with pytest.raises(AudioError, match=r"microphone 'USB': found no such input device .* plug one in"):
        check_microphone("USB")


def test_no_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install 'asr[mic]'" in complaint()


def test_no_portaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert "libportaudio2" in complaint()


def test_no_microphone(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(fake, "query_devices", refuse)
    assert "plug one in" in complaint()


def test_a_microphone_that_takes_no_known_rate(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PortAudioError("Invalid sample rate\n[PaErrorCode -9997]")

    monkeypatch.setattr(fake, "check_input_settings", refuse)
    assert "refuses 16000 and 44100 Hz" in complaint()


def test_a_microphone_in_use(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Stream) -> None:
        raise PortAudioError("Device unavailable")

    monkeypatch.setattr(Stream, "start", refuse)
    assert "close other programs" in complaint()
    assert Stream.closed


def test_other_rates_are_resampled_loss_is_reported_and_a_pulled_plug_noticed(fake: SimpleNamespace) -> None:
    reports: list[str] = []
    blocks, received = microphone_blocks(report=reports.append), []
    with pytest.raises(AudioError, match="plug it in again"):
        received.extend(blocks)
    assert Stream.closed
    assert reports == ["listening to Fake; ctrl-C ends", "some sound was lost: the computer is too busy to keep up"]
    wave = np.concatenate(received)
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100).astype(np.float32) / 2
    expected = soxr.resample(tone, 44_100, SAMPLE_RATE, quality="HQ")[: len(wave)]
    assert len(wave) > 0.9 * SAMPLE_RATE
    np.testing.assert_allclose(wave, expected, atol=1e-4)


def test_closing_the_blocks_closes_the_device(fake: SimpleNamespace) -> None:
    blocks = microphone_blocks(report=lambda _: None)
    next(blocks)
    assert not Stream.closed
    blocks.close()
    assert Stream.closed


def test_a_microphone_that_is_not_there() -> None:
    """With the real sounddevice: one line, whether it is the package, the library or the device that is missing."""
    with pytest.raises(AsrError) as caught:
        next(microphone_blocks("no such microphone", report=lambda _: None))
    assert "wanted" in str(caught.value)


# A real device


LISTENER = """
from types import SimpleNamespace
from asr.apps.mic import listen
from asr.audio.microphone import check_microphone, device_named, microphone_blocks
write = lambda line: print(line, flush=True)
listen(microphone_blocks("pulse", report=write), lambda wave: SimpleNamespace(text=f"{len(wave)} samples"), write)
"""


@pytest.mark.slow
def test_a_real_stream_from_the_device_to_ctrl_c(
    sound_server: dict[str, str], close_words: list[np.ndarray], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "words.wav", stream_of(close_words), SAMPLE_RATE)
    command = [sys.executable, "-c", LISTENER]
    with subprocess.Popen(
        command, env=sound_server, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "listening to pulse; ctrl-C ends\n"
            subprocess.run(["paplay", tmp_path / "words.wav"], env=sound_server, check=True)
            time.sleep(1.5)
            listener.send_signal(signal.SIGINT)
            out, errors = listener.communicate(timeout=20)
        finally:
            listener.kill()
    *answers, last = out.splitlines()
    assert last == "stopped"
    assert listener.returncode == 0
    assert "Traceback" not in errors
    assert len(answers) == len(close_words)
    for answer, word in zip(answers, close_words, strict=True):
        # the word with its margins, and the text after the 600 ms that end it
        assert int(answer.split()[0]) == pytest.approx(len(word) + 0.6 * SAMPLE_RATE, abs=0.4 * SAMPLE_RATE)
        assert float(answer.split("\x1b[2m")[1].split(" ms")[0]) > 550
