"""A bundle that is replaced: whatever fails, and whenever the program is killed, a bundle and its card are there."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, TinyModel

from asr import files
from asr.bundle import FILES, Bundle, read_bundle, record_rejection, record_score, write_bundle
from asr.errors import BundleError
from asr.files import folder_for, locked
from asr.training.export import export_run

# Every step of a replacement in turn fails, or is the last: children of one small process, so that it takes moments.
DRIVER = """
import json, os, shutil, signal, sys, traceback
from dataclasses import replace
from pathlib import Path
from asr import files
from asr.bundle import FILES, read_bundle, write_bundle
from asr.errors import BundleError

old, place, can_exchange, fault = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "exchange", sys.argv[4]
out = place / "out"
files._NEW_SECONDS = -1.0

def prepare():
    for path in place.iterdir():
        if path != out:
            shutil.rmtree(path)
    out.mkdir(exist_ok=True)
    for path in out.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(old, out, dirs_exist_ok=True)
    (out / "MODEL_CARD.md").write_text("mine")
    (out / "pictures").mkdir()
    (out / "pictures" / "a.png").write_text("picture")

def export():
    bundle = replace(read_bundle(old), folder=out, scores={"new": {}})
    with files.folder_for(out) as made:
        for name in FILES:
            shutil.copy(old / name, made / name)
        (made / FILES[1]).write_bytes((old / FILES[1]).read_bytes() + b"\\x72\\x00")  # another graph: an empty metadata
        write_bundle(bundle, made)

def faulty(step, count=[0]):
    def at(*arguments, **options):
        count[0] += 1
        if count[0] == number:
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(int(fault), os.strerror(int(fault)), "injected")
        return step(*arguments, **options)
    return at

if not can_exchange:
    def refused(*_):
        raise OSError(16, "busy")
    files._exchange = refused

seen, number = [], 0
while True:
    number += 1
    prepare()
    child = os.fork()
    if not child:
        for name in ("rename", "replace", "link", "mkdir", "rmdir", "unlink"):
            setattr(os, name, faulty(getattr(os, name)))
        files._exchange = faulty(files._exchange)
        count = faulty.__defaults__[0]
        try:
            export()
            status = 0 if count[0] < number else 1
        except (BundleError, OSError):
            status = 2
        except BaseException:
            traceback.print_exc()
            status = 3
        os._exit(status)
    _, status = os.waitpid(child, 0)
    try:
        scores = list(read_bundle(out).scores)
        kept = (out / "MODEL_CARD.md").read_text() + (out / "pictures" / "a.png").read_text()
    except Exception as error:
        scores, kept = repr(error), sorted(map(str, place.rglob("*")))
    export()
    left = [str(path.relative_to(place)) for path in (*place.iterdir(), *out.iterdir())]
    again = [list(read_bundle(out).scores), (out / "MODEL_CARD.md").read_text(), sorted(left)]
    seen.append({"status": status, "scores": scores, "kept": kept, "again": again})
    if status == 0:
        break
print(json.dumps(seen))
"""
WHOLE = sorted(["out", *(f"out/{name}" for name in (*FILES, "bundle.json", "MODEL_CARD.md", "pictures"))])


def each_step(bundle: Path, place: Path, how: str, fault: str) -> list[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRIVER, str(bundle), str(place), how, fault],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    seen: list[dict[str, object]] = json.loads(done.stdout)
    return seen


def check(seen: list[dict[str, object]], statuses: set[int]) -> None:
    assert len(seen) > 10
    assert {int(str(each["status"])) for each in seen} == statuses
    for number, each in enumerate(seen, start=1):
        assert each["scores"] in ([], ["new"]), (number, each)
        assert each["kept"] == "minepicture", (number, each)
        assert each["again"] == [["new"], "mine", WHOLE], (number, each)
    assert 9 not in statuses or seen[0]["scores"] == []
    assert seen[-1]["scores"] == ["new"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def mounted(place: Path) -> Iterator[Path]:
    """A place whose folder ``out`` is a file system of its own, as a volume of a container is."""
    (place / "out").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place / "out")]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here; as root of a machine of its own it can")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place / "out")], check=True)


@pytest.mark.parametrize("how", ["exchange", "one by one"])
@pytest.mark.parametrize(("fault", "statuses"), [("kill", {9}), pytest.param("28", {1, 2}, marks=pytest.mark.slow)])
def test_a_bundle_and_its_card_outlive_every_fault(
    tiny_bundle: Path, place: Path, how: str, fault: str, statuses: set[int]
) -> None:
    seen = each_step(tiny_bundle, place, how, fault)
    check(seen, {*(256 * code if code != 9 else 9 for code in statuses), 0})


@pytest.mark.parametrize("fault", ["kill", pytest.param("28", marks=pytest.mark.slow)])
def test_they_do_in_a_mounted_folder(tiny_bundle: Path, mounted: Path, fault: str) -> None:
    check(each_step(tiny_bundle, mounted, "exchange", fault), {9, 0} if fault == "kill" else {256, 512, 0})


def made_of(bundle: Bundle, out: Path) -> None:
    with folder_for(out) as made:
        for name in FILES:
            shutil.copy(bundle.folder / name, made / name)
        write_bundle(replace(bundle, folder=out, scores={"new": {}}), made)


def test_an_export_into_a_mounted_folder(tiny: TinyModel, mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(_model: object, _features: object, folder: Path, _tokenizer: object) -> None:
        for name in ("encoder.onnx", "decoder.onnx"):
            shutil.copy(tiny.bundle / name, folder / name)

    monkeypatch.setattr("asr.training.export.write_graphs", copied)
    out = mounted / "out"
    shutil.copytree(tiny.bundle, out, dirs_exist_ok=True)
    (out / "MODEL_CARD.md").write_text("mine")
    before = read_bundle(out)
    export_run(tiny.run, out)
    assert (out / "MODEL_CARD.md").read_text() == "mine"
    assert read_bundle(out).provenance == before.provenance
    assert sorted(f"out/{path.name}" for path in out.iterdir()) == [
        n for n in WHOLE if n not in ("out", "out/pictures")
    ]
    assert [path.name for path in mounted.iterdir()] == ["out"]


def test_a_link_to_a_bundle_stays_one(tiny_bundle: Path, place: Path) -> None:
    shutil.copytree(tiny_bundle, place / "there" / "real")
    (place / "link").symlink_to(place / "there" / "real")
    made_of(read_bundle(tiny_bundle), place / "link")
    assert (place / "link").is_symlink()
    assert read_bundle(place / "there" / "real").scores == {"new": {}}
    assert sorted(path.name for path in place.iterdir()) == ["link", "there"]
    assert [path.name for path in (place / "there").iterdir()] == ["real"]


def test_what_cannot_be_copied_stays_where_it_is(tiny_bundle: Path, place: Path) -> None:
    """A named pipe is nothing to copy; the bundle is replaced around it."""
    out = Path(shutil.copytree(tiny_bundle, place / "out"))
    os.mkfifo(out / "pipe")
    made_of(read_bundle(tiny_bundle), out)
    assert (out / "pipe").is_fifo()
    assert read_bundle(out).scores == {"new": {}}


def test_leftovers_of_others_are_left_alone(tiny_bundle: Path, place: Path) -> None:
    others = (".out.vacation", ".out.v2.abcdefgh", ".out.v2.asr-abcdefgh", "out.old")
    for name in others:
        (place / name).mkdir()
        (place / name / "photo.jpg").touch()
    out = place / "out"
    with folder_for(out) as alive:  # of another program that is still at it
        (alive / "encoder.onnx").touch()
        made_of(read_bundle(tiny_bundle), out)
        assert alive.is_dir()
    assert sorted(path.name for path in place.iterdir()) == sorted([*others, "out"])


def test_what_earlier_versions_left_is_put_back(tiny_bundle: Path, place: Path) -> None:
    """Killed between two renames they left no bundle at the name, and the card in either of two hidden folders."""
    shutil.copytree(tiny_bundle, place / ".out.123.old")
    shutil.copytree(tiny_bundle, place / ".out.abcd_123")
    (place / ".out.123.old" / "training.png").write_text("picture")
    (place / ".out.abcd_123" / "MODEL_CARD.md").write_text("mine")
    made_of(read_bundle(tiny_bundle), place / "out")
    assert [path.name for path in place.iterdir()] == ["out"]
    assert (place / "out" / "MODEL_CARD.md").read_text() == "mine"
    assert (place / "out" / "training.png").read_text() == "picture"


def test_a_reader_meets_no_half_bundle(tiny_bundle: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers and recorders go on while it is replaced again and again, by exchange and file by file."""
    out = Path(shutil.copytree(tiny_bundle, place / "out"))
    bundle, other = read_bundle(tiny_bundle), Path(shutil.copytree(tiny_bundle, place / "other"))
    (other / FILES[1]).write_bytes((other / FILES[1]).read_bytes() + b"\x72\x00")
    ended, faults = threading.Event(), []

    def again(act: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            while not ended.is_set():
                try:
                    act()
                except BundleError as error:
                    faults.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = [again(lambda: read_bundle(out)), again(lambda: record_score(out, "dev", {}))]
    try:
        for turn in range(20):
            made_of(replace(bundle, folder=(tiny_bundle, other)[turn % 2]), out)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[0]
    read_bundle(out)


def test_scores_of_two_at_once_are_both_kept(tiny_bundle: Path, place: Path) -> None:
    out = Path(shutil.copytree(tiny_bundle, place / "out"))

    def record(who: int) -> None:
        for number in range(20):
            record_score(out, f"{who} {number}", {"wer": 0.5})
            record_rejection(out, {"who": who})

    threads = [threading.Thread(target=record, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_bundle(out).scores) == 60
    assert sorted(path.name for path in out.iterdir()) == sorted((*FILES, "bundle.json"))


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    """Also where the folder that it waited for is another by then."""
    folder, order = tmp_path / "a", []
    folder.mkdir()

    def wait() -> None:
        with locked(folder):
            order.append("waited")

    thread = threading.Thread(target=wait)
    with locked(folder):
        thread.start()
        time.sleep(0.1)
        folder.rename(tmp_path / "b")
        folder.mkdir()
        order.append("first")
    thread.join()
    assert order == ["first", "waited"]


@pytest.mark.parametrize(("number", "advice"), [(28, "make room"), (13, "permissions"), (5, "another folder")])
def test_one_line_says_why_it_cannot_be_written(
    tiny: TinyModel, place: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(place / "elsewhere"))

    monkeypatch.setattr(files, "_fill", refused)
    with pytest.raises(
        BundleError, match=f"^{re.escape(str(place / 'out'))}: .*{os.strerror(number)}.*{advice}"
    ) as raised:
        made_of(read_bundle(tiny.bundle), place / "out")
    assert "\n" not in str(raised.value)
    assert not list(place.iterdir())
