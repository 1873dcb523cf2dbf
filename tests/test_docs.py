"""The site builds without a warning or a network, says what the README says, and loads from nowhere else."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT
from test_offline import cut_off

import asr

PAGES = sorted((ROOT / "docs").glob("*.md"))
WARNED = re.compile("griffe: |Warning|WARNING")
NUMBER = r"-?[0-9]+(?:[.,][0-9]+)*"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("asr", "configs", "recipes", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    command = [*cut_off(), sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # What the docstrings say beside what the signatures do is a warning of griffe's, of which --strict knows nothing.
    assert not [line for line in said.splitlines() if WARNED.match(line)], said
    return folder / "site"


class Loaded(HTMLParser):
    """What a page loads by itself, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of all links only those that a browser follows unasked."""
        names = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
        self.urls += [value for name, value in attrs if name == names.get(tag) and value]

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def read(page: Path) -> Loaded:
    loaded = Loaded()
    loaded.feed(page.read_text(encoding="utf-8"))
    return loaded


def test_every_page_is_built_and_loads_from_nowhere_else(site: Path) -> None:
    assert len(PAGES) == 9
    for page in PAGES:
        built = read(site / ("" if page.stem == "index" else page.stem) / "index.html")
        assert built.urls
        assert not [url for url in built.urls if "//" in url], page
        assert "8<" not in built.text, f"{page}: a text that is to be included is not"
    # What the theme's script would fetch from elsewhere it fetches for these alone.
    for name in ("mermaid", "glightbox", "pyodide", "repo_url", "analytics"):
        assert not [page for page in (*PAGES, ROOT / "mkdocs.yml") if name in page.read_text(encoding="utf-8")]


@pytest.mark.skipif(not shutil.which("gcc") or sys.platform != "linux", reason="needs gcc and LD_PRELOAD")
def test_the_line_of_c_leaves_products_right(tmp_path: Path) -> None:
    """On every processor; how fast they are is for the benchmark to say."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"```c\n(.*?)```", page, re.S)
    (command,) = re.findall(r"`(gcc [^`]*)`", page)
    (tmp_path / "wide.c").write_text(line, encoding="utf-8")
    subprocess.run(command.split(), cwd=tmp_path, check=True)
    product = (
        "import torch; one = torch.randn(64, 99); print(torch.dist(one @ one.T, one.double() @ one.double().T) < 0.01)"
    )
    environment = {**os.environ, "LD_PRELOAD": str(tmp_path / "wide.so")}
    done = subprocess.run([sys.executable, "-c", product], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "tensor(True)\n", "")


def test_the_pages_have_no_commands_but_the_readmes() -> None:
    for page in PAGES:
        shown = re.findall(r"```(sh|python|console|bash)", page.read_text(encoding="utf-8"))
        # That page's Python is run by test_lesson.py.
        assert set(shown) <= ({"python"} if page.stem == "how-it-works" else set()), page
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    included = {
        name for page in PAGES for name in re.findall(r'"README.md:([a-z]+)"', page.read_text(encoding="utf-8"))
    }
    for name in included:
        begin, end = (readme.index(f"[{edge}:{name}]") for edge in ("start", "end"))
        assert begin < end
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S) for line in block.splitlines()]
    shown = "".join(readme[readme.index(f"[start:{name}]") : readme.index(f"[end:{name}]")] for name in included)
    assert not [line for line in commands if line not in shown], "and they have all of those"


def test_the_benchmarks_are_what_the_log_has() -> None:
    measured = set(re.findall(NUMBER, (ROOT / "LOG.md").read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) > 20
    assert not [row for row in rows if set(re.findall(NUMBER, row)) - measured]


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    reference = read(site / "api" / "index.html").text
    for name in set(asr.__all__) - {"__version__"}:
        assert re.search(rf"\b{name}\b", reference), name
    assert "['find', 'my', 'files']" in reference, "the examples are shown as they are written"
    assert "Union" not in reference
