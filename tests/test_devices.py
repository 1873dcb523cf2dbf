"""Microphones by PortAudio: other rates, lost devices, clear words where there is none."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from asr.apps.cli import app, run
from asr.apps.mic import listen
from asr.audio.load import SAMPLE_RATE
from asr.audio.microphone import _RETRY_SECONDS, check_microphone, device_named, lasting_blocks, microphone_blocks
from asr.errors import AsrError, AudioError
from asr.runtime.live import Final
from asr.runtime.transcript import Transcript


class PortAudioError(Exception):
    """What sounddevice raises."""


class Stream:
    """A device that gives one second of a tone at its own rate, then nothing."""

    closed = False

    def __init__(self, samplerate: int, blocksize: int, channels: int, callback: Callable[..., None], **_: object):
        self.rate, self.size, self.channels, self.callback = samplerate, blocksize, channels, callback

    def start(self) -> None:
        """Give all sound at once; the buffer is used again, as PortAudio does."""
        tone = np.sin(2 * np.pi * 440 * np.arange(self.rate) / self.rate).astype(np.float32) / 2
        buffer = np.zeros((self.size, self.channels), np.float32)
        for start in range(0, self.rate, self.size):
            buffer[:] = tone[start : start + self.size, None]
            self.callback(buffer, self.size, None, SimpleNamespace(input_overflow=start == 0))
            buffer[:] = 9.0

    def close(self) -> None:
        """Note that it was called."""
        Stream.closed = True


class Clock:
    """Goes on only when it is told to; in the place of ``time``."""

    now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.now += seconds


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


def test_a_microphone_that_is_lost_is_waited_for(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listened to as before: what PortAudio takes to look again and to open it is no sound that still waits."""
    clock = Clock()
    monkeypatch.setattr("asr.audio.microphone.time", clock)
    looked = []

    def begin() -> None:
        looked.append("begin")
        clock.sleep(0.7)

    def opened(**settings: Any) -> Stream:
        clock.sleep(0.9)
        return Stream(**settings)

    monkeypatch.setattr(fake, "_terminate", lambda: looked.append("end"), raising=False)
    monkeypatch.setattr(fake, "_initialize", begin, raising=False)
    monkeypatch.setattr(fake, "InputStream", opened)
    devices = fake.query_devices

    def find(*_: object) -> dict[str, object]:
        if len(looked) in (2, 4):  # it is back at the third look
            raise PortAudioError("Error querying device -1")
        return devices()

    monkeypatch.setattr(fake, "query_devices", find)
    reports: list[str] = []
    blocks, gaps, heard, found = lasting_blocks(report=reports.append), 0, 0, []

    def all_of_both() -> Iterator[NDArray[np.float32]]:
        nonlocal gaps, heard
        while heard < 2 * SAMPLE_RATE * 0.95:
            block = next(blocks)
            if block.any():
                heard += len(block)
            else:
                gaps += len(block)
            yield block

    def hear(block: NDArray[np.float32], *, partials: bool) -> list[Final]:
        end = (gaps + heard) / SAMPLE_RATE
        return [Final(end, end, Transcript("x", 1.0, 1.0, ("x",), (), ()), None)] if block.any() and partials else []

    session = SimpleNamespace(feed=hear, flush=list)
    listen(all_of_both(), session, lambda _, late: found.append((clock.now, late)), clock=clock.monotonic)  # type: ignore[arg-type]
    retries = 3 * _RETRY_SECONDS
    assert gaps / SAMPLE_RATE == pytest.approx(retries + 3 * 0.7 + 0.9 - 0.05, abs=0.06)
    before, after = ([late for now, late in found if (now < 1) == first] for first in (True, False))
    assert len(before) == len(after) > 10, "who is not behind has partial results"
    assert after == pytest.approx(before, abs=60)
    assert looked == ["end", "begin"] * 3
    once = ["listening to Fake; ctrl-C ends", "some sound was lost: the computer is too busy to keep up"]
    assert reports[:2] == reports[3:] == once
    assert reports[2].endswith("plug it in again; waiting for it")
    blocks.close()
    assert Stream.closed


def test_lost_sound_is_silence_that_long(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("asr.audio.microphone.time", clock)
    lost = range(5, 12)

    def start(stream: Stream) -> None:
        for place in range(20):
            clock.sleep(stream.size / stream.rate)
            if place not in lost:
                sound = np.full((stream.size, stream.channels), 0.5, np.float32)
                stream.callback(sound, stream.size, None, SimpleNamespace(input_overflow=place == lost.stop))

    monkeypatch.setattr(Stream, "start", start)
    reports: list[str] = []
    received: list[NDArray[np.float32]] = []
    with pytest.raises(AudioError, match="plug it in again"):
        received.extend(microphone_blocks(report=reports.append))
    assert len(reports) == 2
    loud = np.abs(np.concatenate(received)) > 0.25
    edges = np.flatnonzero(np.diff(loud.astype(int))) / SAMPLE_RATE
    assert edges[-2:] == pytest.approx([lost.start / 20, lost.stop / 20], abs=0.002)
    assert len(loud) / SAMPLE_RATE == pytest.approx(1.0, abs=0.06)


def test_a_microphone_that_never_was_is_not_waited_for(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "start", lambda self: None)
    with pytest.raises(AudioError, match=r"plug it in again$"):
        next(lasting_blocks(report=lambda line: None))


def test_microphones_are_named(
    fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [
        {"name": "HDMI", "max_input_channels": 0, "default_samplerate": 48_000.0},
        {"name": "USB \x1b[31m", "max_input_channels": 1, "default_samplerate": 44_100.0},
        {"name": "Built in", "max_input_channels": 2, "default_samplerate": 48_000.0},
    ]
    monkeypatch.setattr(fake, "query_devices", lambda *which: {"index": 2} if which else listed)
    assert run(app, ["mic", "--list-devices"], "asr") == 0
    assert capsys.readouterr().out == (
        "  1  USB \\x1b[31m (1 channel, 44100 Hz)\n  2  Built in (2 channels, 48000 Hz, the default)\n"
    )
    monkeypatch.setattr(fake, "query_devices", lambda *which: {"index": 0} if which else listed[:1])
    assert run(app, ["mic", "--list-devices"], "asr") == 1
    assert capsys.readouterr().err == "asr: found no microphone, wanted one; plug it in\n"


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
