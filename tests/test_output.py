"""What is printed of files that strangers wrote, and what becomes of it where nobody listens."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import ROOT

from asr.apps import hearing
from asr.apps.cli import app, run
from asr.apps.mic_views import final_line
from asr.apps.output import json_text
from asr.commands.reading import Reading
from asr.errors import AsrError, SourceError
from asr.evaluation.report import format_report
from asr.evaluation.scoring import score
from asr.failures import describe
from asr.printable import printable
from asr.runtime.commander import Understanding
from asr.runtime.live import Final
from asr.runtime.transcript import Transcript, TranscriptSegment, Word

ASR = [sys.executable, "-m", "asr"]
SAMPLE = ROOT / "recipes" / "commands" / "samples" / "five_five.flac"

# What turns a terminal's colours, title or cursor, begins another line, or turns the direction of writing.
HOSTILE = "a\x1b]0;owned\x07\x1b[31m\r\n/forged.wav\tunlock\x85\u2028\u2029\u202e\u2066\u200b\x9b31m\x00\x7fz"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

SAID = Transcript(
    text=HOSTILE,
    confidence=1.0,
    seconds=1.0,
    tokens=(HOSTILE,),
    words=(Word(HOSTILE, 1.0, 0.0, 1.0),),
    segments=(TranscriptSegment(HOSTILE, 1.0, 0.0, 1.0, (Word(HOSTILE, 1.0, 0.0, 1.0),)),),
)
UNDERSTOOD = Understanding(SAID, True, Reading(HOSTILE, {HOSTILE: HOSTILE, "list": [HOSTILE]}, HOSTILE), 1.0, None, 1.0)


def check_lines(text: str, count: int) -> None:
    """So many lines, and nothing in them that a terminal obeys."""
    assert not UNSAFE.search(text), ascii(text)
    assert text.count("\n") == count, text


def test_nothing_unprintable_stays() -> None:
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xDC80):
        assert printable(f"a{chr(code)}b").isascii()
    assert printable(HOSTILE).isprintable()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list:
    """What is heard in every recording, to be filled."""
    found: list = []
    hears = SimpleNamespace(whole=lambda _: found[0], segments=lambda _: iter(found[0][0].segments))
    monkeypatch.setattr(hearing, "Hearing", lambda *_: hears)
    return found


def test_a_recording_has_one_line_whatever_is_heard(heard: list, capsys: pytest.CaptureFixture[str]) -> None:
    for understood in (None, UNDERSTOOD, replace(UNDERSTOOD, understood=False)):
        heard[:] = [(SAID, understood)]
        options = [] if understood is None else ["--commands", "computer"]
        assert run(app, ["transcribe", *options, str(SAMPLE)], "asr") == 0
        out = capsys.readouterr().out
        check_lines(out, 1)
        assert out.count("\t") == 1
        assert run(app, ["transcribe", "--json", *options, str(SAMPLE)], "asr") == 0
        out = capsys.readouterr().out
        check_lines(out, 1)
        assert json.loads(out)["text"] == HOSTILE, "JSON keeps what was heard"


def test_a_microphone_has_one_line_whatever_is_heard() -> None:
    for understood in (None, UNDERSTOOD, replace(UNDERSTOOD, understood=False)):
        check_lines(final_line(Final(0.0, 1.0, SAID, understood), 1).plain, 0)


def test_a_report_has_no_line_of_a_strangers() -> None:
    plain = {"said": {"id": "one two"}, "heard": {"id": "uno three"}}
    hostile = {"said": {HOSTILE: "one\x1b[31m two"}, "heard": {HOSTILE: "one\u202e three"}}
    lines = [
        format_report(score(each["said"], each["heard"], normaliser=str, speakers=None)) for each in (plain, hostile)
    ]
    check_lines(lines[1], lines[0].count("\n"))


def test_an_error_has_no_line_of_a_strangers() -> None:
    check_lines(describe(AsrError(HOSTILE)), 0)
    check_lines(describe(OSError(2, HOSTILE, HOSTILE)), 0)
    check_lines(describe(ValueError(HOSTILE)), 0)
    check_lines(describe(SourceError(f"{HOSTILE}:1: wrong\n    x{HOSTILE.replace(chr(10), '')}\n    ^")), 2)


def test_a_usage_error_has_no_line_of_a_strangers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["export", "run", "out", HOSTILE], "asr") == 2
    error = capsys.readouterr().err
    check_lines(error, error.count("\n"))
    assert "forged" in error
    assert not any(line.startswith("/forged") for line in error.splitlines())


GRAMMAR = """
lists: {thing: [{in: lamp, out: "x (1.00)\\n/other.flac\\tunlock \\e]0;pwn\\a\\e[31m"}]}
commands: {"a\\eb": ["turn on the {thing}"]}
"""


def test_a_grammar_that_is_checked_forges_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grammar = tmp_path / "g\x1b[31m\n.yaml"
    grammar.write_text(GRAMMAR)
    run(app, ["commands", "check", str(grammar), "--draw", str(tmp_path / "d\x1b.svg")], "asr")
    out, error = capsys.readouterr()
    assert not UNSAFE.search(out + error), ascii(out + error)
    assert not any(line.startswith("/other") for line in out.splitlines())


def test_commands_print_by_way_of_what_escapes() -> None:
    for path in sorted((ROOT / "asr" / "apps").glob("*.py")):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path.name}:{node.lineno}: wanted asr.apps.output.say"


def test_json_holds_no_number_that_json_has_not(heard: list, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AsrError, match="--json"):
        json_text({"slots": {"level": float("inf")}})
    heard[:] = [(SAID, replace(UNDERSTOOD, reading=Reading("set", {"level": float("nan")}, "set")))]
    assert run(app, ["transcribe", "--json", str(SAMPLE), str(SAMPLE)], "asr") == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 2), "a line for each recording"


# a terminal or pipe of few characters


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_name_outside_the_code_page_ends_no_batch(tmp_path: Path, encoding: str) -> None:
    for name in ("a.flac", "b語.flac", "файл.flac", "я.flac", "z.flac"):
        shutil.copy(SAMPLE, tmp_path / name)
    (tmp_path / "ж.flac").write_bytes(b"")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for command, lines in (["transcribe"], 5), (["demo"], 5):
        done = subprocess.run([*ASR, *command, tmp_path], capture_output=True, env=environment, cwd=ROOT, check=False)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
        assert done.stdout.count(b"five five") == lines
        assert b"\\u0436" in done.stderr


def test_a_grammar_outside_the_code_page_is_checked(tmp_path: Path) -> None:
    grammar = tmp_path / "caf語.yaml"
    grammar.write_text("lists: {room: [{in: kitchen, out: 台所}]}\ncommands: {light: ['light the {room}']}\n")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*ASR, "commands", "check", grammar], capture_output=True, env=environment, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u8a9e" in done.stdout


# closed streams, full disks


@pytest.mark.skipif(os.name != "posix", reason="wants a shell")
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (f"transcribe {SAMPLE} >&-", 1, "asr: standard output: is closed"),
        (f"demo {SAMPLE} >&-", 1, "asr: standard output: is closed"),
        ("commands check yes-no >&-", 1, "asr: standard output: is closed"),
        ("mic >&-", 1, "asr: standard output: is closed"),
        ("transcribe - <&-", 1, "asr: standard input: is closed"),
        ("transcribe - <&- 2>&-", 1, ""),
        (f"transcribe {SAMPLE} <&- >&- 2>&-", 1, ""),
        ("transcribe missing.wav 2>&-", 1, ""),
        (f"transcribe {SAMPLE} 2>&-", 0, ""),
        (f"transcribe {SAMPLE} --beam 0 2>&-", 2, ""),
        ("tokenizer /dev/null/no recipes/commands/commands.txt >&-", 1, "asr: /dev/null"),
        ("--version >&-", 0, ""),
        pytest.param("train --help >&- 2>&-", 0, "", marks=pytest.mark.slow),
    ],
)
def test_a_closed_stream_is_one_line_at_most(command: str, status: int, said: str) -> None:
    line = f"{sys.executable} -m asr {command}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, cwd=ROOT, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (status, bool(said)), done.stderr
    assert done.stderr.startswith(said)


def test_what_is_written_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """A file opened while standard output is closed would get its number, and what is printed."""
    out = tmp_path / "tokenizer.model"
    line = f"{sys.executable} -m asr tokenizer {out} recipes/commands/commands.txt --vocabulary 60"
    for closed in ("", " >&-", " <&- >&- 2>&-"):
        subprocess.run(["sh", "-c", line + closed], cwd=ROOT, check=True, capture_output=True)
        out.replace(tmp_path / f"made{len(closed)}")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


# signals


def started(*arguments: str | Path, **more) -> subprocess.Popen:
    """A command whose ctrl-C is heard, as in a terminal: in a group of processes of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [*ASR, *map(str, arguments)],
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
        **pipes,
        **more,
    )


def running(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    found = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in found.splitlines()]
    return [row[2] for row in rows if int(row[0]) == group and not row[1].startswith("Z")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_leaves_nothing(tmp_path: Path, number: int) -> None:
    with started("transcribe", SAMPLE, "-", env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        assert process.stdout.readline()
        process.stdin.write(bytes(3_000_000))  # more than a pipe holds: it is being read
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_amid_the_imports_is_silent() -> None:
    program = (
        "import os, signal, sys, threading, time\n"
        "import asr.apps.main as entry\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), os.kill(os.getpid(), signal.SIGINT))).start()\n"
        "sys.argv = ['asr', 'transcribe', '-']\n"
        "class Slow:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        time.sleep(0.02)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "entry.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


def test_what_ignores_a_signal_goes_on_ignoring_it() -> None:
    """As with nohup, or in the background of a shell."""
    line = f"trap '' INT HUP; exec {sys.executable} -m asr transcribe {SAMPLE} -"
    with subprocess.Popen(
        ["sh", "-c", line], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        out, _ = process.communicate(SAMPLE.read_bytes())
    assert process.returncode == 0
    assert out.startswith(b"-\t")


# several processes


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 14 recordings, two of which are none."""
    folder = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(5)
    for number in range(10):
        soundfile.write(folder / f"{number:02d}.wav", generator.uniform(-0.3, 0.3, 4000 * (1 + number % 4)), 16_000)
    for name in ("03a.flac", "11.flac"):
        shutil.copy(SAMPLE, folder / name)
    for name in ("00a.wav", "07b.wav"):
        (folder / name).write_bytes(b"no recording\n" * 9)
    return folder


@pytest.mark.parametrize("options", [[], ["--json", "--commands", "computer"]], ids=["text", "commands"])
def test_what_is_printed_does_not_depend_on_how_many_hear(
    many: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    ended = []
    for jobs in ("1", "3"):
        status = run(app, ["transcribe", str(many), "--jobs", jobs, *options], "asr")
        ended.append((status, *capfd.readouterr()))
    assert ended[0] == ended[1]
    assert ended[0][0] == 1
    assert (ended[0][1].count("\n"), ended[0][2].count("\n")) == (12, 2)


def test_a_bundle_that_is_none_is_said_once(many: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["transcribe", str(many), "--jobs", "3", "--bundle", str(tmp_path)], "asr") == 1
    out, error = capfd.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith(f"asr: {tmp_path}")
    assert run(app, ["--debug", "transcribe", str(many), "--jobs", "2", "--bundle", str(tmp_path)], "asr") == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_all_processes_end_with_the_first(many: Path, number: int, status: int) -> None:
    """Ctrl-C reaches all of them at once, the others only the first."""
    with started("transcribe", *[many] * 200, "--jobs", "2") as process:
        assert process.stdout.readline()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.stdout.close()
        assert process.wait(60) == status
        assert all(line.startswith(b"asr: ") for line in process.stderr.read().splitlines())
    for _ in range(100):
        if not (left := running(process.pid)):
            break
        time.sleep(0.1)
    assert left == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_speaks_stops_amid_a_shard(tmp_path: Path, number: int, status: int, jobs: int) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    texts, out = tmp_path / "texts.txt", tmp_path / "out"
    texts.write_text("check the program log and find out whether it ran please\n")
    options = ["--engines", "espeak-ng", "--voices", "train", "--utterances", "20000", "--jobs", str(jobs)]
    with started("synthesize", texts, out, *options) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("cuts.*.audio")) and time.monotonic() < deadline:
            time.sleep(0.05)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        assert process.wait(60) == status
        assert process.stderr.read() == b""
    for _ in range(100):  # a synthesiser ends when nobody asks it any more
        if not (left := running(process.pid)):
            break
        time.sleep(0.1)
    assert left == []
    # The shards that were begun are not there: nobody waited for them.
    assert [path.name for path in out.iterdir()] == ["cuts.plan.json"]


def test_a_process_that_dies_costs_one_recording(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        shutil.copy(SAMPLE, tmp_path / f"{number}.flac")
    (tmp_path / "3.flac").write_bytes(b"kill")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, asr.audio.load as load\n"
        "open_audio = load.open_audio\n"
        "def deadly(source, **more):\n"
        "    if source.read_bytes() == b'kill':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return open_audio(source, **more)\n"
        "load.open_audio = deadly\n"
    )
    done = subprocess.run(
        [*ASR, "transcribe", tmp_path, "--jobs", "2"],
        capture_output=True,
        cwd=ROOT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        check=False,
    )
    assert done.returncode == 1
    assert [Path(line.split("\t")[0]).name for line in done.stdout.splitlines()] == [
        f"{number}.flac" for number in range(8) if number != 3
    ]
    assert re.fullmatch(r"asr: .*/3\.flac: the process that was at it ended \(signal 9\).*\n", done.stderr)


def test_evaluation_does_not_depend_on_how_many_hear(many: Path, tmp_path: Path) -> None:
    rows = [f"{path}\tme\tfive five" for path in sorted(many.iterdir())]
    manifest = tmp_path / "list.tsv"
    manifest.write_text("path\tspeaker\ttext\n" + "\n".join(rows) + "\n")
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        options = ["--noise", str(many / "05.wav"), "--snr", "12", "--jobs", jobs, "--out", str(out)]
        assert run(app, ["evaluate", str(manifest), *options], "asr") == 1
        report = json.loads((out / "report.json").read_text())
        assert report.pop("seconds_taken") >= 0
        found.append(report)
    assert found[0] == found[1]
    assert len(found[0]["failed"]) == 2


@pytest.mark.slow
def test_the_gain_of_several_processes_can_be_measured() -> None:
    command = [sys.executable, "scripts/bench/bench_jobs.py", "--recordings", "4", "--runs", "1", "--", "--greedy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "4 recordings, 1 runs" in done.stdout
    assert "; the same output" in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines() if re.match(r"\| \d", line)] == ["1", "2"]
