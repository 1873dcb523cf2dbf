"""`asr mic`: recorded sound in, events and lines out, while it is said; programs that are run; a clean end."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import answer_always
from rich.console import Console
from rich.live import Live

from asr.apps.cli import app, run
from asr.apps.mic import kept, listen
from asr.apps.mic_views import TerminalView, view_for
from asr.apps.on_command import CommandRunner
from asr.audio import microphone
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.microphone import lasting_blocks
from asr.bundle import DEFAULT_BUNDLE
from asr.commands.reading import Reading
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Understanding
from asr.runtime.live import Dropped, Event, Final, LiveSession, Partial, Started
from asr.runtime.transcript import Transcript, Word

ROOT = Path(__file__).resolve().parents[1]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def in_blocks(wave: np.ndarray, size: int = 800) -> Iterator[np.ndarray]:
    for start in range(0, len(wave), size):
        yield wave[start : start + size]


def stream_of(words: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([silence(1), *(part for word in words for part in (word, silence(1)))])


# Lines


def said(text: str) -> Transcript:
    """What a model heard that knows the words beforehand."""
    words = (Word(text, 0.9, 0.1, 0.2),) if text else ()
    return Transcript(text, 0.9, 1.0, (text,), words, ())


def session(hear: Callable[[np.ndarray], str]) -> LiveSession:
    """A session of a model that hears what ``hear`` makes of a wave, without partial results."""
    model = SimpleNamespace(transcribe=lambda wave: said(hear(wave)))
    return LiveSession(model, partial_seconds=None)  # type: ignore[arg-type]


def told(blocks: Iterator[np.ndarray], hear: Callable[[np.ndarray], str], **more: Any) -> list[tuple[Event, float]]:
    found: list[tuple[Event, float]] = []
    listen(blocks, session(hear), lambda event, late: found.append((event, late)), **more)
    return found


def test_each_word_gives_its_text_and_the_time_it_took(words: list[np.ndarray]) -> None:
    stream, waves = stream_of(words), []
    now = 0.0
    position = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal now, position
        for block in in_blocks(stream):
            now = max(now, (position + len(block)) / SAMPLE_RATE)  # a block arrives when its last sample is spoken
            position += len(block)
            yield block

    def hear(wave: np.ndarray) -> str:
        nonlocal now
        now += 0.2
        waves.append(wave)
        return ["alpha", "", "gamma"][len(waves) - 1]

    found = told(blocks(), hear, clock=lambda: now)
    kinds = [(type(event), event.transcript.text if isinstance(event, Final) else "") for event, _ in found]
    assert kinds == [(Started, ""), (Final, "alpha"), (Started, ""), (Dropped, ""), (Started, ""), (Final, "gamma")]
    for event, late in found:
        if isinstance(event, Final | Dropped):
            # begun 500 ms after the end, when the pause will not make the wave longer, and at most a block of 50 late
            assert 700 <= late <= 760
    # the first sound of each word is in what was transcribed
    for wave, word in zip(waves, words, strict=True):
        middle = word[len(word) // 4 : len(word) // 2]
        assert np.abs(np.correlate(wave, middle, "valid") - middle @ middle).min() < 1e-3


def test_time_spent_waiting_in_the_queue_is_counted(words: list[np.ndarray]) -> None:
    now = 0.0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal now
        heard = 0
        for block in in_blocks(stream_of(words)):
            heard += len(block)
            now = max(now, heard / SAMPLE_RATE)
            yield block

    def hear(wave: np.ndarray) -> str:
        nonlocal now
        now += 5.0
        return "x"

    found = told(blocks(), hear, clock=lambda: now)
    first, second, third = (late for event, late in found if isinstance(event, Final))
    assert 5500 <= first <= 5560
    assert second > first + 2000
    assert third > second + 2000


def test_who_is_behind_has_no_partial_results(words: list[np.ndarray]) -> None:
    now, asked = 0.0, []

    def blocks() -> Iterator[np.ndarray]:
        nonlocal now
        for place, block in enumerate(in_blocks(stream_of(words))):
            now = max(now, 0.05 * (place + 1)) + (0.6 if place == 40 else 0.0)
            yield block

    behind = SimpleNamespace(feed=lambda block, partials: asked.append(partials) or [], flush=list)
    listen(blocks(), behind, lambda event, late: None, clock=lambda: now)
    assert asked[:40] == [True] * 40
    assert asked[40:42] == [False] * 2
    assert asked[-1]


def test_an_utterance_that_the_stream_breaks_off_is_transcribed(words: list[np.ndarray]) -> None:
    (_, (final, _)) = told(iter([silence(1), words[0]]), lambda _: "end")
    assert isinstance(final, Final)
    assert final.transcript.text == "end"


@pytest.mark.parametrize("presses", [1, 2])
def test_what_is_being_said_when_ctrl_c_is_pressed_is_heard(words: list[np.ndarray], presses: int) -> None:
    """Unless it is pressed again."""

    def blocks() -> Iterator[np.ndarray]:
        yield from in_blocks(np.concatenate([silence(1), words[0]]))
        raise KeyboardInterrupt

    def hear(_: np.ndarray) -> str:
        if presses > 1:
            raise KeyboardInterrupt
        return "said"

    found = told(blocks(), hear)
    assert [type(event) for event, _ in found] == [Started, Final][: 3 - presses]
    for event, late in found[1:]:
        assert isinstance(event, Final)
        assert event.transcript.text == "said"
        assert event.end - event.start > 0.2
        assert late < 1000


@pytest.mark.parametrize("stop", [KeyboardInterrupt, AudioError("gone")])
@pytest.mark.parametrize("where", ["blocks", "hear"])
def test_the_stream_is_closed_whatever_ends_it(words: list[np.ndarray], stop: BaseException, where: str) -> None:
    closed = []

    def blocks() -> Iterator[np.ndarray]:
        try:
            yield from in_blocks(stream_of(words))
            raise stop
        finally:
            closed.append(True)

    def hear(_: np.ndarray) -> str:
        if where == "hear":
            raise stop
        return "x"

    if stop is KeyboardInterrupt:
        summary = listen(blocks(), session(hear), lambda event, late: None)
        assert summary.utterances == (0 if where == "hear" else 3)
    else:
        with pytest.raises(AudioError, match="gone"):
            listen(blocks(), session(hear), lambda event, late: None)
    assert closed == [True]


# What is shown


STARTED, PARTIAL = Started(1.0), Partial(1.0, "set a time", "set a")
FINAL = Final(1.0, 2.0, said("set a timer"), None)


def test_elsewhere_a_line_has_no_codes_and_only_what_is_final(capsys: pytest.CaptureFixture[str]) -> None:
    with view_for(as_json=False) as view:
        view.note("[red] " + "long " * 40)
        for event in (STARTED, PARTIAL, FINAL, Dropped(3.0, 4.0)):
            view.block(np.ones(800, np.float32))
            view.event(event, 640.4)
    assert capsys.readouterr().out == "[red] " + "long " * 40 + "\nset a timer  640 ms\n"


def test_events_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with view_for(as_json=True) as view:
        view.note("listening")
        for event in (STARTED, PARTIAL, FINAL, Dropped(3.0, 4.0)):
            view.event(event, 640.4)
    out, error = capsys.readouterr()
    assert error == "listening\n"
    started, partial, final, dropped = map(json.loads, out.splitlines())
    assert started == {"type": "started", "start": 1.0}
    assert partial == {"type": "partial", "start": 1.0, "text": "set a time", "stable": "set a"}
    assert dropped == {"type": "dropped", "start": 3.0, "end": 4.0}
    assert {key: final[key] for key in ("type", "start", "end", "text", "milliseconds")} == {
        "type": "final",
        "start": 1.0,
        "end": 2.0,
        "text": "set a timer",
        "milliseconds": 640,
    }


def test_a_terminal_shows_the_level_and_what_is_said_so_far() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60, color_system=None)
    with Live(console=console, auto_refresh=False) as shown:
        view = TerminalView(console, shown)
        view.event(PARTIAL, 0.0)
        view.block(np.full(800, 0.5, np.float32))
        assert "-6 dBFS  set a time" in out.getvalue()
        view.event(Partial(1.0, "so long " * 20 + "that it ends", ""), 0.0)
        view.block(np.zeros(800, np.float32))
        assert out.getvalue().rstrip().endswith("that it ends")
        assert all(
            len(line) <= 60 for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()))
        )
        view.event(FINAL, 640.0)
        assert "set a timer  640 ms\n" in out.getvalue()
        before = len(out.getvalue())
        view.block(np.zeros(800, np.float32))
        assert "ends" not in out.getvalue()[before:]


# What is kept, and who is told


def test_what_is_heard_is_kept_whatever_ends_it(words: list[np.ndarray], tmp_path: Path) -> None:
    stream = stream_of(words)
    for name, stop in (("a", None), ("b", KeyboardInterrupt()), ("c", AudioError("gone"))):

        def blocks(stop: BaseException | None = stop) -> Iterator[np.ndarray]:
            yield from in_blocks(stream)
            if stop is not None:
                raise stop

        path = tmp_path / "new" / f"{name}.wav"
        with nullcontext() if stop is None or isinstance(stop, KeyboardInterrupt) else pytest.raises(AudioError):
            listen(kept(blocks(), path), session(lambda _: "x"), lambda event, late: None)
        np.testing.assert_array_equal(load_audio(path), stream)
        assert list(path.parent.iterdir()) == [path]
        path.unlink()
    (tmp_path / "there.wav").write_bytes(b"old")
    with pytest.raises(AudioError):
        next(kept(lasting_blocks("no such microphone", report=lambda line: None), tmp_path / "there.wav"))
    assert (tmp_path / "there.wav").read_bytes() == b"old"
    with pytest.raises(OSError, match=r"there\.wav"):
        next(kept(in_blocks(stream), tmp_path / "there.wav" / "x.wav"))


PROGRAM = """
import json, os, sys
own = {name: value for name, value in os.environ.items() if name.startswith("ASR_") and name != "ASR_VOICES"}
open(sys.argv[1], "a").write(json.dumps([sys.argv[2:], own]) + "\\n")
print("printed \\x1b[31m")
sys.exit(3 if own["ASR_COMMAND"] == "fail" else 0)
"""


def understood(command: str, slots: dict[str, Any], *, taken: bool = True) -> Understanding:
    reading = Reading(command, slots, command)
    return Understanding(said(f"{command} $(touch owned)"), taken, reading, 0.75, None, 1.0)


def test_a_program_is_run_for_each_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "a program.py"
    program.write_text(PROGRAM)
    runner = CommandRunner(f"{sys.executable} '{program}' {tmp_path / 'told'} '$HOME; a' *")
    runner.run(understood("order", {"drink": "flat white", "number of cups": 2, "milk": ["oat", None]}))
    assert runner.close() == ["printed \x1b[31m"]
    runner.run(understood("order", {}, taken=False))
    runner.run(understood("fail", {}))
    assert runner.close() == ["printed \x1b[31m", f"{sys.executable}: failed, exit status 3"]
    first, second = map(json.loads, (tmp_path / "told").read_text().splitlines())
    slots = {"ASR_SLOT_DRINK": "flat white", "ASR_SLOT_NUMBER_OF_CUPS": "2", "ASR_SLOT_MILK": '["oat", null]'}
    assert json.loads(first[1].pop("ASR_SLOTS")) == {"drink": "flat white", "number of cups": 2, "milk": ["oat", None]}
    text = {"ASR_COMMAND": "order", "ASR_TEXT": "order $(touch owned)", "ASR_CONFIDENCE": "0.7500"}
    assert first == [["$HOME; a", "*"], {**text, **slots}]
    assert second[1]["ASR_COMMAND"] == "fail"
    assert capfd.readouterr() == ("", "")
    runner.run(understood("order", {"drink": "\0"}))
    assert "cannot be run" in runner.lines()[0]
    assert runner.lines() == []


def test_a_program_that_does_not_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.apps.on_command._LAST_SECONDS", 0.1)
    runner = CommandRunner("sleep 3")
    begun = time.monotonic()
    runner.run(understood("wait", {}))
    assert runner.close() == []
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("line", "complaint"), [("", "found nothing"), ("'", "cannot be read"), ("no_such_program x", "found no program")]
)
def test_what_is_no_program_is_refused(line: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        CommandRunner(line)


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
    assert first == "listening"
    assert re.fullmatch(rf"stopped after \d+ s: 3 utterances, {3 if takes else 0} of them understood", last)
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
    assert error.splitlines()[0] == "listening"
    events = [json.loads(line) for line in out.splitlines()]
    assert {event["type"] for event in events} <= {"started", "partial", "final"}
    finals = [event for event in events if event["type"] == "final"]
    ended = 0.0
    for found, digit in zip(finals, (1, 3, 7), strict=True):
        assert ended < found["start"] < found["end"]
        assert found["start"] - 0.5 < found["words"][0]["start"]
        ended = found["end"]
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
        event = json.loads(line)
        assert event["type"] != "final" or event.keys() == {
            "type",
            "start",
            "end",
            "text",
            "confidence",
            "seconds",
            "tokens",
            "words",
            "segments",
            "milliseconds",
        }


# A real device


@pytest.mark.slow
def test_a_recording_through_a_real_device(sound_server: dict[str, str], tmp_path: Path) -> None:
    """Text, command and the program that is run for it; what was kept is what was heard; ctrl-C ends with a summary."""
    pause = silence(1)
    wave = load_audio(ROOT / "recipes" / "commands" / "samples" / "find_my_files.flac")
    soundfile.write(tmp_path / "said.wav", np.concatenate([pause, wave, pause]), SAMPLE_RATE)
    program = tmp_path / "program.py"
    program.write_text("import os; print('told', os.environ['ASR_COMMAND'], os.environ['ASR_SLOT_WHAT'])")
    options = ["--device", "pulse", "--commands", "computer", "--wav-out", str(tmp_path / "kept.wav"), "--json"]
    command = [sys.executable, "scripts/microphone.py", *options, "--on-command", f"{sys.executable} {program}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=sound_server, cwd=ROOT, **pipes) as listener:
        try:
            assert listener.stderr is not None
            assert listener.stderr.readline() == "listening to pulse; ctrl-C ends\n"
            # a long buffer, so that a busy machine does not tear the sound
            subprocess.run(["paplay", "--latency-msec=2000", tmp_path / "said.wav"], env=sound_server, check=True)
            assert listener.stderr.readline() == "told find files\n"
            listener.send_signal(signal.SIGINT)
            out, errors = listener.communicate(timeout=20)
        finally:
            listener.kill()
    assert listener.returncode == 0
    *_, kept_line, summary = errors.splitlines()
    assert kept_line == f"written: {tmp_path / 'kept.wav'}"
    assert re.fullmatch(r"stopped after \d+ s: 1 utterance, 1 of them understood", summary)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in events if event["type"] != "partial"] == ["started", "final"]
    final = events[-1]
    assert (final["text"], final["command"], final["slots"]["what"]) == ("find my files", "find", "files")
    assert 400 < final["milliseconds"] < 3000
    heard = load_audio(tmp_path / "kept.wav")
    found = heard[round(final["start"] * SAMPLE_RATE) : round(final["end"] * SAMPLE_RATE)]
    assert np.abs(found).max() > 0.5 * np.abs(wave).max()
