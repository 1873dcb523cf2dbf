"""Draw the pictures of pages that the docs show, as a browser shows the pages; needs the [train] extra and Playwright.

The pages are made anew, of recordings in this repository and the default bundle, and are drawn from their top.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

ROOT: Final = Path(__file__).resolve().parents[1]
NOISE: Final = "tests/data/noise_esc10/all.tsv"
LISTS: Final = ("recipes/commands/samples/transcripts.tsv", "tests/data/librispeech_dev/dev.tsv", NOISE)
MADE: Final = Path("reports", "pages")
"""Where the pages are made, in the repository, so that they name no folder of this machine."""

PHONE: Final = 390
"""Pixels that a phone is wide."""


@dataclass(frozen=True)
class Picture:
    """A picture in docs/ of the first ``high`` of ``wide`` pixels of a page that ``make_pages`` makes."""

    name: str
    page: str
    wide: int
    high: int


PICTURES: Final = (
    Picture("report.png", "beam/report.html", 1080, 1500),
    Picture("report-phone.png", "beam/report.html", PHONE, 1500),
    Picture("compare.png", "compared/compare.html", 1080, 1300),
    Picture("compare-phone.png", "compared/compare.html", PHONE, 1300),
)


def make_pages() -> None:
    """Make the pages of two evaluations, and of how they differ."""
    measure = ("evaluate", *LISTS, "--bundle", "asr/bundles/default", "--noise", NOISE, "--snr", "6")
    for arguments in (
        (*measure, "--report", MADE / "beam"),
        (*measure, "--greedy", "--report", MADE / "greedy"),
        ("compare", MADE / "greedy", MADE / "beam", "--report", MADE / "compared"),
    ):
        subprocess.run([sys.executable, "-m", "asr", *map(str, arguments)], cwd=ROOT, check=True)


def main() -> int:
    """Draw all of them; the exit status."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no browser here: neither chromium nor google-chrome")
    make_pages()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for each in PICTURES:
            view = browser.new_page(viewport={"width": each.wide, "height": each.high}, color_scheme="light")
            view.goto((ROOT / MADE / each.page).as_uri())
            view.screenshot(path=ROOT / "docs" / each.name)
            view.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
