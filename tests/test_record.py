"""Recording one's own commands: what is asked for, what is wrong with a take, and a corpus that nothing can break."""

import io
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from asr.adaptation import take_folder
from asr.adaptation.capture import SETTLING, Take, capture
from asr.adaptation.take_folder import TakeFolder
from asr.apps import record
from asr.apps.cli import app, run
from asr.audio import microphone
from asr.audio.encoding import to_int16
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import Network, compile_network
from asr.data.manifests.manifest import read_manifest
from asr.errors import AudioError, ManifestError, SettingsError
from asr.text.normaliser import Normaliser

Wave = NDArray[np.float32]

GRAMMAR = """
language: en
lists:
  colour: [red, green, blue]
commands:
  paint: ["paint it {colour}"]
  stop: ["(stop|halt)"]
  again: ["once more"]
"""
SENTENCES = {"paint it red", "paint it green", "paint it blue", "stop", "halt", "once more"}


@pytest.fixture(scope="module")
def grammar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grammar") / "grammar.yaml"
    path.write_text(GRAMMAR, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def network(grammar: Path) -> Network:
    return compile_network([read_grammar(grammar)], Normaliser())


def hiss(seconds: float, level: float = 1e-3) -> Wave:
    return np.random.default_rng(3).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def spoken(word: Wave, peak: float = 0.3) -> Wave:
    """A word as a person says it into a microphone that hisses a little: a second before, two after."""
    stream = hiss(3 + len(word) / SAMPLE_RATE)
    stream[SAMPLE_RATE : SAMPLE_RATE + len(word)] += word * np.float32(peak / np.abs(word).max())
    return np.clip(stream, -1, 1)


def blocks_of(stream: Wave, taken: list[int] | None = None) -> Generator[Wave, None, None]:
    for start in range(0, len(stream), 800):
        if taken is not None:
            taken.append(start)
        yield stream[start : start + 800]


def heard(stream: Wave, text: str = "one", patience: float = 10.0) -> Take:
    return capture(blocks_of(stream), text, lambda *_: None, patience=patience)


# A take


def test_a_take_holds_the_word_and_ends_by_itself(close_words: list[Wave]) -> None:
    for word in close_words:
        stream, taken, ready = spoken(word), [], []
        take = capture(blocks_of(stream, taken), "one", lambda _block, sign, ready=ready: ready.append(sign))
        assert take.faults == ()
        assert take.seconds == pytest.approx(len(word) / SAMPLE_RATE + 1.0, abs=0.4)
        middle = stream[SAMPLE_RATE + len(word) // 4 : SAMPLE_RATE + len(word) // 2]
        assert np.abs(np.correlate(take.wave, middle, "valid") - middle @ middle).min() < 1e-3
        assert taken[-1] / SAMPLE_RATE < 1 + len(word) / SAMPLE_RATE + 1.0  # not to the end of the stream
        assert ready.index(True) == SETTLING * 20 - 1
        assert all(ready[ready.index(True) :])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda word: spoken(word, 30.0), "clipped"),
        (lambda word: spoken(word, 0.3) * np.float32(0.05), "too quiet"),
        (lambda word: spoken(word)[SAMPLE_RATE + 1600 :], "beginning is cut off"),
        (lambda word: np.concatenate([hiss(1), np.tile(hiss(0.3, 0.2), 80)]), "no voice stood out"),
        (lambda word: spoken(word)[: SAMPLE_RATE + 3200], "end is cut off"),
        (lambda word: np.zeros(20 * SAMPLE_RATE, np.float32), "digital silence"),
        (lambda word: np.zeros(0, np.float32), "digital silence"),
        (lambda word: hiss(20), "no voice stood out"),
    ],
)
def test_what_is_wrong_is_said(close_words: list[Wave], spoil: Callable[[Wave], Wave], said: str) -> None:
    for word in close_words:
        found = heard(spoil(word)).faults
        assert any(said in fault for fault in found), found


def test_a_take_that_is_too_short_for_its_sentence(close_words: list[Wave]) -> None:
    assert heard(spoken(close_words[0]), "set a timer for seven minutes please").faults[0].startswith("it is too short")


def test_nothing_is_waited_for_forever_but_a_late_word_is_waited_for(close_words: list[Wave]) -> None:
    taken: list[int] = []
    silent = capture(blocks_of(hiss(60), taken), "one", lambda *_: None, patience=3)
    assert taken[-1] < 3.1 * SAMPLE_RATE
    assert len(silent.wave) == 0
    assert silent.faults
    late = np.concatenate([hiss(1.7), spoken(close_words[0])])  # it is being said when patience ends
    assert heard(late, patience=3).faults == ()


def test_a_click_of_the_key_is_no_speech(close_words: list[Wave]) -> None:
    stream = spoken(close_words[0])
    stream[:480] = hiss(0.03, 0.3)
    assert heard(stream).faults == ()


# What is asked for


@settings(max_examples=50)
@given(recorded=st.lists(st.sampled_from(sorted(SENTENCES))), seed=st.integers(0, 2**32))
def test_missing_commands_come_first_and_the_least_recorded_sentences(
    network: Network, recorded: list[str], seed: int
) -> None:
    commands = {text: reading.command for text in SENTENCES if (reading := network.parse(text)) is not None}
    assert len(commands) == len(SENTENCES)
    missing = [name for name in network.commands if name not in {commands[text] for text in recorded}]
    drawn = list(islice(record.prompts(network, recorded, random.Random(seed)), 12))
    assert [commands[text] for text in drawn[: len(missing)]] == missing
    counts = Counter(recorded)
    for place, text in enumerate(drawn):
        rivals = [other for other in SENTENCES if place >= len(missing) or commands[other] == commands[text]]
        assert counts[text] == min(counts[other] for other in rivals)
        counts[text] += 1


# A folder of takes


@settings(max_examples=30)
@given(st.lists(st.sampled_from(sorted(SENTENCES)), min_size=1, max_size=6), st.integers(0, 6))
def test_what_is_added_is_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], again: int
) -> None:
    folder = tmp_path_factory.mktemp("takes")
    waves = [hiss(0.1 + place / 10) for place in range(len(texts))]
    files = TakeFolder(folder)
    for place, (wave, text) in enumerate(zip(waves, texts, strict=True)):
        if place == again:
            files = TakeFolder(folder)  # the program was ended and begun again
        files.add(wave, text, "ann")
    found = read_manifest(folder / "train.tsv")
    assert [each.text for each in found] == texts
    assert {each.speaker for each in found} == {"ann"}
    for utterance, wave in zip(found, waves, strict=True):
        np.testing.assert_array_equal(to_int16(load_audio(utterance.path)), to_int16(wave))
        assert soundfile.info(utterance.path).samplerate == SAMPLE_RATE


@pytest.mark.parametrize("moment", [0, 1])
def test_an_interruption_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    files = TakeFolder(tmp_path)
    first = files.add(hiss(0.2), "stop", "me")
    calls = 0

    def interrupted(path: Path, content: bytes) -> None:
        nonlocal calls
        if calls == moment:
            raise KeyboardInterrupt
        calls += 1
        write(path, content)

    write = take_folder.write_whole
    monkeypatch.setattr(take_folder, "write_whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.add(hiss(0.3), "halt", "me")
    monkeypatch.undo()
    assert [each.path for each in read_manifest(tmp_path / "train.tsv")] == [first]
    third = TakeFolder(tmp_path).add(hiss(0.4), "stop", "me")
    assert [each.path for each in read_manifest(tmp_path / "train.tsv")] == [first, third]
    assert (
        len(list((tmp_path / "recordings").iterdir())) == 2 + moment
    )  # what the list does not name is not overwritten


def test_a_list_of_something_else_is_left_alone(tmp_path: Path) -> None:
    for content in ("path\tspeaker\ttext\tage\n", "nonsense", ""):
        (tmp_path / "train.tsv").write_text(content, encoding="utf-8")
        with pytest.raises(ManifestError, match=r"train.tsv:1: .* choose another --out$"):
            TakeFolder(tmp_path)
        assert (tmp_path / "train.tsv").read_text(encoding="utf-8") == content


def test_a_list_that_was_emptied_is_added_to(tmp_path: Path) -> None:
    TakeFolder(tmp_path).add(hiss(0.2), "stop", "me")
    (tmp_path / "train.tsv").write_text("path\tspeaker\ttext\n", encoding="utf-8")
    added = TakeFolder(tmp_path).add(hiss(0.2), "stop", "me")
    assert [each.path for each in read_manifest(tmp_path / "train.tsv")] == [added]
    assert added.name == "0002_stop.flac"


def test_a_name_that_a_list_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="tab"):
        TakeFolder(tmp_path).add(hiss(0.2), "stop", "a\tb")
    assert list(tmp_path.iterdir()) == []


# The program


class Person:
    """Answers questions in turn and is heard by a microphone; notes what was asked, and that the device was closed."""

    def __init__(self, answers: Sequence[str], streams: Sequence[Wave | BaseException]) -> None:
        self._answers, self._streams = iter(answers), iter(streams)
        self.opened = self.closed = 0

    def ask(self, _question: str, letters: str) -> str:
        """The next answer; no device is open meanwhile."""
        assert self.opened == self.closed
        given = next(self._answers)
        assert given == "" or given in letters
        return given

    def open(self, report: Callable[[str], None]) -> Generator[Wave, None, None]:
        """The next stream."""
        stream = next(self._streams)
        self.opened += 1
        report("listening")
        try:
            if isinstance(stream, BaseException):
                raise stream
            yield from blocks_of(stream)
        finally:
            self.closed += 1


def session(person: Person, folder: Path, count: int = 9, *, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, highlight=False)
    sentences = iter(["one", "two", "three", "four", "five"])
    record.collect(
        sentences, count, TakeFolder(folder), "me", open_microphone=person.open, ask=person.ask, console=console
    )
    return out.getvalue()


def test_keep_again_skip_and_quit(close_words: list[Wave], tmp_path: Path) -> None:
    good = [spoken(word) for word in close_words]
    person = Person(
        # one; two; three; four, clipped twice; five is not begun
        [*("", ""), *("", "r", ""), *("", "s"), *("", "", "k"), "q"],
        [good[0], good[1], good[2], good[0], spoken(close_words[1], 30.0), spoken(close_words[2], 30.0)],
    )
    out = session(person, tmp_path)
    found = read_manifest(tmp_path / "train.tsv")
    assert [each.text for each in found] == ["one", "two", "four"]
    for utterance, stream in zip(found, (good[0], good[2], spoken(close_words[2], 30.0)), strict=True):
        np.testing.assert_array_equal(to_int16(load_audio(utterance.path)), to_int16(heard(stream).wave))
    assert out.count("clipped") == 2
    assert out.count("speak\n") == person.opened == person.closed == 6
    assert [line for line in out.splitlines() if " of 9: " in line] == [
        "1 of 9: one",
        "2 of 9: two",
        "3 of 9: three",
        "3 of 9: four",
        "4 of 9: five",
    ]


def test_it_ends_with_the_last_take(close_words: list[Wave], tmp_path: Path) -> None:
    session(Person(["", "", "", ""], [spoken(close_words[0]), spoken(close_words[1])]), tmp_path, 2)
    assert len(read_manifest(tmp_path / "train.tsv")) == 2


def test_silence_cannot_be_kept(close_words: list[Wave], tmp_path: Path) -> None:
    out = session(
        Person(
            ["", "", "", "q"],
            [
                hiss(11),
                spoken(close_words[0]),
            ],
        ),
        tmp_path,
    )
    assert "no voice stood out" in out
    assert len(read_manifest(tmp_path / "train.tsv")) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), AudioError("gone")])
def test_whatever_ends_it_the_takes_are_there_and_the_device_is_closed(
    close_words: list[Wave], tmp_path: Path, stop: BaseException
) -> None:
    person = Person(["", "", ""], [spoken(close_words[0]), stop])
    with pytest.raises(type(stop)):
        session(person, tmp_path, terminal=True)
    assert len(read_manifest(tmp_path / "train.tsv")) == 1
    assert person.closed == 2


def test_a_terminal_shows_the_level(close_words: list[Wave], tmp_path: Path) -> None:
    out = session(Person(["", "", "q"], [spoken(close_words[0])]), tmp_path, terminal=True)
    assert "█" in out
    assert "● speak" in out
    bars = [record.meter(peak, "x").plain.count("█") for peak in (0.0, 0.01, 0.1, 1.0)]
    assert bars[0] == 0
    assert bars == sorted(set(bars))
    assert {str(span.style) for span in record.meter(1.0, "x").spans} >= {"red"}


@pytest.mark.parametrize(
    ("typed", "letters", "given", "asked"),
    [
        *(("\n", "sq", "", 1), ("S\n", "sq", "s", 1), (" q \n", "sq", "q", 1), ("  \n", "rsq", "", 1)),
        # "no" is not Enter, which would keep the take, and "stop" is not s.
        *(("n\nr\n", "rsq", "r", 2), ("no\nstop\nrs\ns\n", "rsq", "s", 4), ("k\n\n", "sq", "", 2)),
        ("y\n\x1b[A\n²\n\n", "ksq", "", 4),
    ],
)
def test_what_is_typed(monkeypatch: pytest.MonkeyPatch, typed: str, letters: str, given: str, asked: int) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    out = io.StringIO()
    assert record.answer(Console(file=out), "[s]?", letters) == given
    assert out.getvalue().count("[s]?") == asked
    assert out.getvalue().count(f"wanted Enter, {letters[0]}") == asked - 1
    assert "\x1b" not in out.getvalue()


class Terminal(io.StringIO):
    """Standard input where a person sits, who pressed ctrl-D."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_the_end_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert record.answer(Console(file=io.StringIO()), "?", "sq") == "q"
    for nobody in (io.StringIO(), io.StringIO("n\n"), io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8"), None):
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(SettingsError, match="standard input: found its end, wanted Enter, s or q; run it in a"):
            record.answer(Console(file=io.StringIO()), "?", "sq")


def test_a_microphone_that_is_not_there(
    grammar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    arguments = ["commands", "record", str(grammar), "--out", str(tmp_path / "takes"), "--device", "no such one"]
    assert run(app, arguments, "asr") == 1
    out, error = capsys.readouterr()
    assert out == ""  # nobody is asked to read what nothing would hear
    assert len(error.splitlines()) == 1
    assert "wanted" in error
    assert not (tmp_path / "takes").exists()


def test_nobody_at_the_keyboard(
    grammar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(microphone, "check_microphone", lambda device: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(app, ["commands", "record", str(grammar), "--out", str(tmp_path / "takes")], "asr") == 1
    out, error = capsys.readouterr()
    assert "1 of 30: " in out
    assert error == "asr: standard input: found its end, wanted Enter, s or q; run it in a terminal\n"


# A real device


@pytest.mark.slow
def test_takes_through_a_real_device_make_a_corpus(
    sound_server: dict[str, str], grammar: Path, close_words: list[Wave], tmp_path: Path
) -> None:
    out = tmp_path / "takes"
    words = [word * np.float32(0.3 / np.abs(word).max()) for word in close_words]
    played = [np.concatenate(words), words[1]]  # as many as the sentence has, which else is too short
    command = [sys.executable, "-m", "asr", "commands", "record", str(grammar), "--out", str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--device", "pulse"], env=sound_server, cwd=ROOT, **pipes) as program:
        try:
            assert program.stdin is not None
            assert program.stdout is not None
            for word in played:  # a device of no noise: hiss would be the loudest thing yet
                soundfile.write(tmp_path / "word.wav", word, SAMPLE_RATE, subtype="FLOAT")
                program.stdin.write("\n")
                program.stdin.flush()
                _until(program.stdout, "speak")
                # a long buffer, so that a busy machine does not tear the sound
                subprocess.run(["paplay", "--latency-msec=2000", tmp_path / "word.wav"], env=sound_server, check=True)
                _until(program.stdout, "good")
                program.stdin.write("\n")
            program.stdin.write("\n")  # a third take, which ctrl-C breaks off
            program.stdin.flush()
            _until(program.stdout, "speak")
            program.send_signal(signal.SIGINT)
            last, errors = program.communicate(timeout=20)
        finally:
            program.kill()
    assert program.returncode == 130
    assert errors == ""
    assert "2 recorded now, 2 in all" in last
    found = read_manifest(out / "train.tsv")
    assert found[0].text.startswith("paint it ")
    assert found[1].text in ("stop", "halt")
    for utterance, word in zip(found, played, strict=True):
        likeness = np.correlate(load_audio(utterance.path), word, "valid").max() / (word @ word)
        # the server and the device keep clocks of their own: a slip of a sample takes up to a tenth from a hiss
        assert 0.75 < likeness < 1.1
    assert run(app, ["prepare", "tsv", str(out), str(tmp_path / "prepared")], "asr") == 0


def _until(lines: Iterator[str], word: str) -> None:
    for line in lines:
        if word in line:
            return
    raise AssertionError(f"the program ended before it said {word!r}")
