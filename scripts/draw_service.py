"""Photograph the page of `asr serve`, for the documentation; needs the [all] extra and Chromium."""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import soundfile  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from asr.audio.load import SAMPLE_RATE, load_audio  # noqa: E402
from asr.files import write_whole  # noqa: E402

SAMPLES = ROOT / "recipes" / "commands" / "samples"
SAID = ("find_my_files", "show_me_my_photos_please")  # into the microphone, again and again
GRAMMAR = """language: en
lists:
  size: [small, medium, large, twelve ounce]
  drink: [coffee, latte, cappuccino]
  milk: [milk, oat milk, cream]
  percent: {range: {from: 0, to: 100, step: 10}}
commands:
  order_drink:
    - "[please] (brew|make me|i'd like) [a] [{size}] {drink} [with {milk}]"
  heat:
    - "heat the (water|milk) to {percent} percent"
  steam:
    - "heat the milk"
  stop:
    - "(stop|cancel) [it|that] [please]"
"""
MARGIN = 16  # pixels below what a picture ends with
PATIENCE = 600_000  # milliseconds


def talk(page: Any) -> None:
    """Until two commands were heard and the next is being said."""
    page.wait_for_selector("#commands option[value=computer]", state="attached")
    page.select_option("#commands", "computer")
    page.click("#open")
    page.locator("#results article").nth(1).wait_for()
    page.wait_for_selector("#inside:not([hidden])")
    page.locator("#partial", has_text="my").wait_for()


def check(page: Any) -> None:
    """A grammar, until it is drawn."""
    page.fill("#grammar", GRAMMAR)
    page.click("#check")
    page.wait_for_selector(".diagram")
    page.evaluate("document.activeElement.blur()")


@dataclass(frozen=True)
class Photograph:
    """A picture in docs."""

    name: str
    done: Callable[[Any], None]  # before it is taken
    view: tuple[int, int]  # width and height of the window, in pixels of the page
    top: str = "body"  # what it begins with
    bottom: str | None = None  # what it ends with; without it, with the window
    colours: str = "light"


PHOTOGRAPHS = (
    Photograph("page", talk, (1180, 1300), bottom="#inside"),
    Photograph("page_dark", talk, (1180, 800), bottom="#heard", colours="dark"),
    Photograph("page_phone", talk, (390, 844)),
    Photograph("page_grammar", check, (1180, 800), top="#own", bottom=".diagram:nth-of-type(2)"),
)


@contextmanager
def service() -> Iterator[str]:
    """A service, ended with the block; its address."""
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", "--workers", "1", "--max-rate", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


def photograph(browser: Any, wanted: Photograph, url: str) -> bytes:
    """A PNG of the page."""
    width, height = wanted.view
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=wanted.colours)
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    wanted.done(page)
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")  # places are those on the screen
    if wanted.bottom is None:
        taken = page.screenshot()
    else:
        first, last = (page.locator(each).bounding_box() for each in (wanted.top, wanted.bottom))
        high = last["y"] + last["height"] + MARGIN - first["y"]
        taken = page.screenshot(full_page=True, clip=first | {"height": high})
    page.close()
    small = io.BytesIO()
    with Image.open(io.BytesIO(taken)) as picture:
        picture.convert("RGB").save(small, format="png", optimize=True)
    return small.getvalue()


def main() -> None:
    """Photograph all, or those that are named."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    names = sys.argv[1:] or [each.name for each in PHOTOGRAPHS]
    with tempfile.TemporaryDirectory() as folder, service() as url, sync_playwright() as driver:
        spoken = Path(folder, "spoken.wav")
        pause = np.zeros(2 * SAMPLE_RATE, np.float32)
        said = [part for name in SAID for part in (pause, load_audio(SAMPLES / f"{name}.flac"))]
        soundfile.write(spoken, np.concatenate(said), SAMPLE_RATE, "PCM_16")
        microphone = ("ui-for-media-stream", "device-for-media-stream", f"file-for-fake-audio-capture={spoken}")
        options = [f"--use-{'' if each.startswith('file') else 'fake-'}{each}" for each in microphone]
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", *options])
        for each in PHOTOGRAPHS:
            if each.name in names:
                write_whole(ROOT / "docs" / f"{each.name}.png", photograph(browser, each, url))
        browser.close()


if __name__ == "__main__":
    main()
