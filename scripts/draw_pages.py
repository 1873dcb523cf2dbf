"""Photograph the pages that commands write, for the documentation; needs the [all] extra and Chromium.

    scripts/draw_pages.py [NAME...]

The pages are made anew, of recordings in this repository by the default bundle.
"""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import asr  # noqa: E402
from asr.files import write_whole  # noqa: E402

SAMPLES = ROOT / "recipes" / "commands" / "samples"
NOISE = "tests/data/noise_esc10/all.tsv"
LISTS = ("recipes/commands/samples/transcripts.tsv", "tests/data/librispeech_dev/dev.tsv", NOISE)
MADE = Path("reports", "pages")  # in the checkout, and ignored there
PHONE = 390  # pixels that it is wide
COLOURS_KEPT = 200  # of a picture


@dataclass(frozen=True)
class Photograph:
    """A picture of a page, in docs: how wide and at most how high, in pixels of the page, and which parts it shows."""

    name: str
    page: Callable[[], Path]  # makes it, and says where in the checkout it is
    wide: int
    high: int
    shown: tuple[str, ...] = ()  # of the children of main; all where none is named
    drawn: str = "body"  # what there is as soon as the page is drawn


def explained() -> Path:
    """The page that `asr explain` writes of a sample."""
    told = asr.load().explain(SAMPLES / "show_me_my_photos_please.flac", asr.Commands.load("computer"))
    write_whole(ROOT / MADE / "explain.html", told.html().encode())
    return MADE / "explain.html"


def reported(search: str = "beam") -> Path:
    """The page that `asr evaluate` writes of two lists, in noise too."""
    made = MADE / search
    if not (ROOT / made).exists():
        options = ["--bundle", "asr/bundles/default", "--noise", NOISE, "--snr", "6"]
        run("evaluate", *LISTS, *options, *(["--greedy"] if search == "greedy" else []), "--report", made)
    return made / "report.html"


def compared() -> Path:
    """The page that `asr compare` writes of a greedy search and the beam."""
    run("compare", reported("greedy").parent, reported().parent, "--report", MADE / "compared")
    return MADE / "compared" / "compare.html"


def run(*arguments: str | Path) -> None:
    """Run `asr` in the root of the checkout, so that pages name no folder of this machine."""
    subprocess.run([sys.executable, "-m", "asr", *map(str, arguments)], cwd=ROOT, check=True)


PHOTOGRAPHS = (
    Photograph("explain", explained, 1060, 2400, ("#sound", "#self", "#beam"), "body[data-drawn=yes]"),
    Photograph("explain-phone", explained, PHONE, 1700, ("#sound", "#decoder"), "body[data-drawn=yes]"),
    Photograph("report", reported, 1080, 1500),
    Photograph("report-phone", reported, PHONE, 1500),
    Photograph("compare", compared, 1080, 1300),
    Photograph("compare-phone", compared, PHONE, 1300),
)


def photograph(browser: Any, wanted: Photograph, path: Path) -> bytes:
    """A PNG of a page."""
    view = browser.new_page(viewport={"width": wanted.wide, "height": 800}, color_scheme="light")
    view.goto(path.as_uri())
    view.wait_for_selector(wanted.drawn, timeout=60_000)
    if wanted.shown:
        left_out = "".join(f":not({each})" for each in wanted.shown)
        # Counters go on counting what only cannot be seen.
        view.add_style_tag(
            content=f"main > {left_out} {{ position: absolute !important; visibility: hidden; left: -9999px }}"
            " #player { position: static !important }"
        )
        view.wait_for_timeout(300)
    high = view.evaluate("document.querySelector('main').getBoundingClientRect().bottom")
    taken = view.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": wanted.wide, "height": min(high, wanted.high)}
    )
    view.close()
    small = io.BytesIO()
    with Image.open(io.BytesIO(taken)) as picture:
        few = picture.convert("RGB").quantize(COLOURS_KEPT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True)
    return small.getvalue()


def main() -> None:
    """Photograph all, or those that are named."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    names = sys.argv[1:] or [each.name for each in PHOTOGRAPHS]
    shutil.rmtree(ROOT / MADE, ignore_errors=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        written: dict[Callable[[], Path], Path] = {}
        for each in PHOTOGRAPHS:
            if each.name in names:
                if each.page not in written:
                    written[each.page] = ROOT / each.page()
                write_whole(ROOT / "docs" / f"{each.name}.png", photograph(browser, each, written[each.page]))
        browser.close()


if __name__ == "__main__":
    main()
