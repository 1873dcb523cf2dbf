"""The recipe for a classroom, whole but small: what run.sh says and does, and what is told of the losses."""

import math
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from shutil import which
from types import ModuleType

import pytest
from conftest import ROOT
from test_lhotse_corpora import TINY


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "recipes" / "first"))
    return import_module("losses")


def test_losses_are_told_as_probabilities(losses: ModuleType, tmp_path: Path) -> None:
    columns = ("dev/ctc", "dev/decoder", "dev/phoneme", "dev/wer", "loss")
    table = tmp_path / "csv" / "version_0" / "metrics.csv"
    table.parent.mkdir(parents=True)
    rows = [
        [-math.log(share) for share in (0.01, 0.02, 0.03)] + [1.0, ""],
        ["", "", "", "", 4.0],  # of an update, which has no dev set
        [-math.log(share) for share in (0.25, 0.5, 0.75)] + [0.125, ""],
    ]
    table.write_text("\n".join(",".join(map(str, row)) for row in (columns, *rows)) + "\n")
    told = losses.told(losses.dev_losses(tmp_path))
    for name, before, after in (("dev/ctc", 1, 25), ("dev/decoder", 2, 50), ("dev/phoneme", 3, 75)):
        line = next(line for line in told.splitlines() if line.split()[:1] == [name])
        assert f"had {before}%, now {after}%" in line
        assert f"→ {-math.log(after / 100):.2f} a token" in line
    assert "100% → 12%" in told


@pytest.mark.slow
@pytest.mark.skipif(which("espeak-ng") is None or which("flite") is None, reason="wants espeak-ng and flite")
def test_it_goes_from_words_to_a_transcript(tmp_path: Path) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    program = tmp_path / "bin" / "asr"
    program.parent.mkdir()
    program.write_text(
        f"""#!{sys.executable}
import sys
from asr.apps.main import main
if __name__ == "__main__":  # and not in the processes that speak
    _, command, *rest = sys.argv
    if command == "synthesize":
        at = rest.index("--utterances") + 1
        rest[at] = str(int(rest[at]) // 50)
    if command == "train":
        rest += {list(TINY)!r}
    sys.argv[1:] = [command, *rest]
    main()
"""
    )
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    recording = ROOT / "recipes" / "commands" / "samples" / "five_five.flac"
    script = ["sh", "recipes/first/run.sh", str(recording)]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    steps = [line[0] for line in done.stdout.splitlines() if line[:2] in ("1.", "2.", "3.", "4.", "5.")]
    assert steps == ["1", "2", "3", "4", "5"]
    assert "dev/decoder" in done.stdout
    assert (tmp_path / "runs" / "first" / "bundle" / "bundle.json").is_file()
