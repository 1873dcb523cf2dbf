"""The check of a GPU goes its way on a CPU too, and says in a line that there is none."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from conftest import ROOT


def test_without_a_gpu_the_check_says_so_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert import_module("check_gpu").main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "no GPU" in said.err


@pytest.mark.slow
def test_the_check_goes_its_way_on_a_cpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status = import_module("check_gpu").main(["--device", "cpu", "--epochs", "2"])
    said = capsys.readouterr()
    assert status == 0, said.out + said.err
    for run in ("cpu 32", "cpu bf16", "resumed"):
        assert f"| {run} | " in said.out
    assert "all as it should be" in said.out
