"""What is said where torchaudio does not load with the torch that is installed."""

import importlib
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
import torchaudio

from asr.failures import describe

ROOT = Path(__file__).resolve().parents[1]

# What torchaudio 2.11.1 says with torch 2.11, 2.11.0 with a torch built for a CPU alone, and 2.11.0 with torch 2.15.
WORDS = {
    "symbol": "OSError('Could not load this library: torchaudio/lib/libtorchaudio.so')",
    "library": "ImportError('libc10_cuda.so: cannot open shared object file: No such file or directory')",
    "cuda": "RuntimeError('Detected that PyTorch and TorchAudio were compiled with different CUDA versions.\\n...')",
}
SAID = (
    f"found torch {metadata.version('torch')} and torchaudio 2.11.1+cu132, which do not load together; "
    "wanted torch 2.11.0 and torchaudio 2.11.0; pip install torch==2.11.0 torchaudio==2.11.0"
)


def broken(folder: Path, error: str, deep: bool) -> Path:
    """A folder with a torchaudio that does not load."""
    package, known = folder / "torchaudio", folder / "torchaudio-2.11.1.dist-info"
    package.mkdir()
    known.mkdir()
    (package / "__init__.py").write_text("from . import _extension\n" if deep else f"raise {error}\n")
    (package / "_extension.py").write_text(f"def load():\n    raise {error}\n\n\nload()\n")
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.11.1+cu132\n")
    return folder


@pytest.mark.parametrize("error", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("deep", [False, True], ids=["itself", "in a part of it"])
def test_a_pair_that_does_not_load_is_named_with_the_one_that_does(
    tmp_path: Path, error: str, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, error, deep))
    for name in [each for each in sys.modules if each.partition(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises((OSError, ImportError, RuntimeError)) as caught:
        importlib.import_module("torchaudio")
    assert describe(caught.value) == SAID


@pytest.mark.slow
def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr", "train", "--config", ROOT / "recipes" / "digits" / "train.yaml"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(broken(tmp_path, WORDS["symbol"], True)), str(ROOT)])},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (1, f"asr: {SAID}\n")


def test_an_error_in_using_torchaudio_is_not_taken_for_that() -> None:
    with pytest.raises(RuntimeError) as caught:
        torchaudio.functional.forced_align(torch.zeros(2, 1, 2), torch.ones(2, 1, dtype=torch.int32))
    assert "do not load together" not in describe(caught.value)
