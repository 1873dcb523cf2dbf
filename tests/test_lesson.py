"""The page that explains the machine: its code prints what it says, and its figures show those numbers."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from matplotlib import rc_context
from PIL import Image

PAGE = ROOT / "docs" / "how-it-works.md"
FIGURES = sorted((ROOT / "docs" / "how-it-works").iterdir())
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scripts() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The programs that run the page and draw its figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield import_module("run_lesson"), import_module("draw_lesson")


@pytest.fixture(scope="module")
def page(scripts: tuple[ModuleType, ModuleType]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """What its code prints, and its names afterwards; gradients, which it switches off, come back at the end."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.chdir(ROOT)
        yield list(scripts[0].run(scripts[0].pieces(TEXT), names)), names


def test_its_code_prints_what_it_says(scripts: Any, page: tuple[list[str], dict[str, Any]]) -> None:
    parts = scripts[0].pieces(TEXT)
    assert len(parts) == TEXT.count("```python") == TEXT.count("```text") > 20
    for part, printed in zip(parts, page[0], strict=True):
        told = f"{PAGE}:{part.line} prints\n{printed}\npython scripts/run_lesson.py writes it anew"
        assert scripts[0].agrees(printed, part.printed), told
    assert scripts[0].written(TEXT, [part.printed for part in parts]) == TEXT


@pytest.mark.parametrize("printed", ["files 0.53", "file 0.51", "files 0.51 0.2", "files", "files 51"])
def test_a_result_that_is_another_is_told_from_one_rounded_elsewhere(scripts: Any, printed: str) -> None:
    assert scripts[0].agrees("files  0.511", "files 0.50")
    assert not scripts[0].agrees(printed, "files 0.50")


def test_a_small_decimal_is_not_many_times_another(scripts: Any) -> None:
    assert scripts[0].agrees("0.004 0.0007 0.0000", "0.003 0.0006 0.0001")
    for printed in ("0.010", "0.022", "0.000"):
        assert not scripts[0].agrees(printed, "0.003")


def test_what_is_not_marked_runs_without_the_extra() -> None:
    program = """if True:
        import sys
        for name in ("torch", "torchaudio", "lightning", "matplotlib", "safetensors"):
            sys.modules[name] = None
        sys.path.insert(0, "scripts")
        import run_lesson
        parts = [part for part in run_lesson.pieces(run_lesson.PAGE.read_text(encoding="utf-8")) if not part.torch]
        for part, printed in zip(parts, run_lesson.run(parts, {}), strict=True):
            assert run_lesson.agrees(printed, part.printed), part.line
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_its_code_can_be_read_without_scrolling(scripts: Any) -> None:
    for part in scripts[0].pieces(TEXT):
        assert max(map(len, (part.code + part.printed).splitlines())) <= 80, part.line


def test_its_times_are_those_of_an_explanation(scripts: Any, page: tuple[list[str], dict[str, Any]]) -> None:
    names = page[1]
    stages = names["recogniser"].explain(names["samples"] / "show_me_my_photos_please.flac").stages
    steps = [int(step.attention[scripts[1].HEAD - 1].argmax()) for step in stages.decoder]
    told = [f"{stages.start + (step + 0.5) * stages.step_seconds:.2f}" for step in steps]
    (printed,) = (each for each in page[0] if "heard at" in each)
    assert re.findall(r"heard at (\S+) s", printed) == told
    whole = [stages.start, stages.start + len(stages.ctc) * stages.step_seconds]
    for figure in ("ctc", "across"):
        np.testing.assert_allclose(scripts[1].draw(figure, names)[1][:2], whole, atol=1e-3, err_msg=figure)


def test_no_edge_of_the_tree_runs_through_a_word(scripts: Any, page: Any) -> None:
    with rc_context(scripts[1].STYLES):
        figure, _ = scripts[1].FIGURES["beam"](page[1])
        figure.savefig(io.BytesIO(), format="png")
    (axis,) = figure.axes
    boxes = [(text.get_position(), text.get_window_extent()) for text in axis.texts]
    assert len(boxes) == len(axis.lines) > 10
    for line in axis.lines:
        ends = line.get_path().vertices
        for place, (start, end) in enumerate(pairwise(ends)):
            points = axis.transData.transform(np.linspace(start, end, 100))
            for word, box in boxes:
                # An edge begins behind its own word, which hides it.
                if place or word != tuple(ends[0]):
                    assert not any(box.contains(*point) for point in points), word


def test_each_figure_is_named_and_made_by_the_script(scripts: Any) -> None:
    named = re.findall(r"\]\(how-it-works/(\w+)\.png\)", TEXT)
    assert named == list(scripts[1].FIGURES)
    assert [path.stem for path in FIGURES] == sorted(named)


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_a_figure_shows_the_numbers_of_the_page(scripts: Any, page: Any, path: Path) -> None:
    drawn, numbers = scripts[1].draw(path.stem, page[1])
    assert len(drawn) < 60_000
    with Image.open(path) as picture:
        kept, width = json.loads(picture.info["Description"]), picture.width
    assert path.stat().st_size < 60_000
    assert width == scripts[1].WIDTH_INCHES * scripts[1].DOTS_PER_INCH
    assert len(numbers) > 3
    np.testing.assert_allclose(kept, numbers, atol=0.02, err_msg="python scripts/draw_lesson.py draws it anew")
