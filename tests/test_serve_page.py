"""The web page in a real browser: spoken to, given recordings and grammars, on a phone, by keyboard, read by axe."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from service import FIND, SAMPLES, Served, serving

from asr.audio.load import load_audio

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright, which drives the browser, is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

TOKEN = "a-token-that-nobody-guesses"
PATIENCE = 90_000  # milliseconds
AMBIGUOUS = """
commands:
  play: ["play the song"]
  hear: ["play the {what}"]
lists:
  what: [song, record]
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("service") / "log") as served:
        yield served


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears, over and over: a command, and a pause."""
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    soundfile.write(path, np.pad(load_audio(FIND), (12_000, 32_000)), 16_000, "PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator["playwright.Browser"]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no browser here: neither chromium nor google-chrome")
    options = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=options)
        yield opened
        opened.close()


@contextmanager
def page_of(
    browser: "playwright.Browser", url: str, allowed: str = "nothing", **settings: object
) -> Iterator["playwright.Page"]:
    """The page, newly opened; nothing may be asked of another server, refused by its policy or else complained of."""
    context = browser.new_context(**settings)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(url) else complaints.append(asked.url))
    page.goto(url)
    yield page
    context.close()
    assert not [each for each in complaints if allowed not in each]


def listen_for(page: "playwright.Page", grammar: str) -> None:
    page.wait_for_selector(f"#commands option[value={grammar}]", state="attached")
    page.select_option("#commands", grammar)


def heard(page: "playwright.Page") -> "playwright.Locator":
    return page.locator("#results article").first


def look_at_nothing(page: "playwright.Page") -> None:
    """Let nothing be heard for the sake of its pictures, which takes longer than the rest."""
    found = {"text": "five five", "confidence": 0.9, "seconds": 1.0, "milliseconds": 20, "pictures": None}
    page.route("**/v1/look", lambda route: route.fulfill(json=found))


def assert_accessible(page: "playwright.Page") -> None:
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        found = axe.Axe().run(page).response["violations"]
        bad = [each for each in found if each["impact"] in ("serious", "critical")]
        assert not bad, json.dumps(bad, indent=1)


def test_what_is_spoken_into_the_page_comes_out(browser: "playwright.Browser", service: Served) -> None:
    with page_of(browser, service.url) as page:
        listen_for(page, "computer")
        page.click("#open")
        expect = playwright.expect
        expect(page.locator("#open")).to_have_attribute("aria-pressed", "true")
        expect(heard(page).locator(".said")).to_have_text("find my files", timeout=PATIENCE)
        expect(heard(page).locator(".command")).to_have_text("find")
        expect(heard(page).locator(".slot")).to_have_text("what: files")
        expect(heard(page)).to_contain_text("% sure")
        expect(page.locator("#open")).to_have_text("Close microphone")
        page.click("#press")
        expect(page.locator("#status")).to_contain_text("open already")
        expect(page.locator("#open")).to_have_attribute("aria-pressed", "true")
        page.click("#open")
        expect(page.locator("#open")).to_have_text("Open microphone")
        expect(page.locator("#open")).to_have_attribute("aria-pressed", "false")
        page.wait_for_selector("#inside:not([hidden])")
        assert page.locator("#pictures canvas").count() == 4
        assert "find" in (page.locator("#pictures canvas").last.get_attribute("aria-label") or "")
        assert page.locator("#n-best li").first.inner_text().startswith("find my files")
        assert page.locator("#problem").inner_text() == ""
        assert_accessible(page)


def test_what_is_chosen_while_the_microphone_is_open_is_listened_for(
    browser: "playwright.Browser", service: Served
) -> None:
    """In one stream after another behind the same microphone, each block in one of them."""
    with page_of(browser, service.url) as page:
        look_at_nothing(page)
        page.wait_for_selector("#commands option[value=computer]", state="attached")
        order: list[str] = []

        def follow(socket: "playwright.WebSocket") -> None:
            order.append("open")
            socket.on("close", lambda _: order.append("closed"))
            socket.on("framesent", lambda sent: order.append(sent) if isinstance(sent, str) else None)

        page.on("websocket", follow)
        page.click("#open")
        playwright.expect(heard(page).locator(".said")).to_have_text("find my files", timeout=PATIENCE)
        page.fill("#grammar", "commands:\n  look_for:\n    - find my {what}\nlists:\n  what: [files, keys]\n")
        page.click("#check")
        playwright.expect(heard(page).locator(".command")).to_have_text("look_for", timeout=PATIENCE)
        page.select_option("#commands", "computer")
        page.click("#open")
        playwright.expect(page.locator("#status")).to_have_text("", timeout=PATIENCE)
        assert page.locator("#problem").inner_text() == ""
    opened = [place for place, what in enumerate(order) if what == "open"]
    assert len(opened) == 3
    for place, wanted in zip(opened, ({}, "grammar", "computer"), strict=True):
        start = json.loads(order[place + 1])
        assert start["type"] == "start"
        assert start.get("commands", "grammar" if "grammar" in start else {}) == wanted
        assert json.loads(order[place + 2]) == {"type": "end"}
        assert order[place + 3] == "closed"


def test_a_dozen_results_scroll_by_keyboard(browser: "playwright.Browser", service: Served) -> None:
    with page_of(browser, service.url) as page:
        look_at_nothing(page)
        page.set_input_files("#file", [SAMPLES / "five_five.flac"] * 12)
        playwright.expect(page.locator("#results article")).to_have_count(12, timeout=PATIENCE)
        oldest = page.locator("#results article").last
        playwright.expect(oldest).not_to_be_in_viewport()
        page.focus("#results")
        page.keyboard.press("End")
        playwright.expect(oldest).to_be_in_viewport(timeout=PATIENCE)
        assert_accessible(page)


def test_by_keyboard_alone(browser: "playwright.Browser", service: Served) -> None:
    with page_of(browser, service.url) as page:
        page.wait_for_selector("#commands option[value=computer]", state="attached")
        reached = []
        for _ in range(8):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
            outline = page.evaluate(
                "(() => { const on = document.activeElement;"
                " const seen = on.type === 'file' ? on.nextElementSibling : on;"
                " return getComputedStyle(seen).outlineStyle })()"
            )
            assert outline == "solid", f"the focus on {reached[-1]} is not to be seen"
        assert reached == ["commands", "press", "open", "file", "example", "grammar-file", "grammar", "check"]
        page.focus("#commands")
        page.keyboard.type("comp")
        page.focus("#press")
        page.keyboard.down("Space")
        playwright.expect(page.locator("#press")).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(3_500)
        page.keyboard.up("Space")
        playwright.expect(heard(page).locator(".command")).to_have_text("find", timeout=PATIENCE)
        playwright.expect(page.locator("#press")).to_have_attribute("aria-pressed", "false")
        page.focus("#check")
        page.keyboard.press("Enter")
        page.wait_for_selector(".diagram")


def test_recordings_on_a_phone(browser: "playwright.Browser", service: Served) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}
    with page_of(browser, service.url, **phone) as page:
        page.set_input_files("#file", [SAMPLES / "five_five.flac"])
        playwright.expect(heard(page).locator(".said")).to_have_text("five five", timeout=PATIENCE)
        page.wait_for_selector("#inside:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for control in page.locator("button:visible, select:visible").all():
            box = control.bounding_box()
            assert box is not None
            assert box["height"] >= 44, "fingers want room"
        assert_accessible(page)


def test_recordings_are_dropped_anywhere(browser: "playwright.Browser", service: Served) -> None:
    with page_of(browser, service.url, allowed="400") as page:
        dropped = page.evaluate_handle(
            "() => { const all = new DataTransfer(); all.items.add(new File(['no sound'], 'note.wav')); return all }"
        )
        page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
        playwright.expect(page.locator("#problem")).to_contain_text("note.wav", timeout=PATIENCE)


def test_a_grammar_is_checked_drawn_and_heard(browser: "playwright.Browser", service: Served) -> None:
    with page_of(browser, service.url) as page:
        page.fill("#grammar", AMBIGUOUS)
        page.click("#check")
        playwright.expect(page.locator(".finding.error")).to_contain_text('"play the song"', timeout=PATIENCE)
        assert page.locator(".diagram svg.railroad-diagram").count() == 3
        assert "play the" in page.locator(".diagram").first.inner_text()
        assert_accessible(page)
        page.fill("#grammar", "commands:\n  look_for:\n    - find my {what}\nlists:\n  what: [files, keys]\n")
        page.click("#check")
        playwright.expect(page.locator("#grammar-status")).to_contain_text("listened for", timeout=PATIENCE)
        page.set_input_files("#file", FIND)
        playwright.expect(heard(page).locator(".command")).to_have_text("look_for", timeout=PATIENCE)


def test_the_token_is_asked_for(browser: "playwright.Browser", tmp_path: Path) -> None:
    with (
        serving(tmp_path / "log", environment={"ASR_TOKEN": TOKEN}) as served,
        page_of(browser, served.url, allowed="401") as page,
    ):
        page.fill("#token", "another-token-that-is-wrong")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#ask-problem")).to_have_text("That is not its token.")
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        listen_for(page, "computer")
        page.click("#open")
        playwright.expect(heard(page).locator(".command")).to_have_text("find", timeout=PATIENCE)
        page.click("#open")
