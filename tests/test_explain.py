"""The page that shows how a recording was heard: its numbers are the library's, and hostile text stays text."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from numpy.typing import NDArray

import asr
from asr.commands.rejection import Rejection
from asr.errors import AudioError
from asr.model.attention import sinusoidal_positions
from asr.runtime.explain.explanation import Explanation, positions
from asr.runtime.explain.page import content, page

SAMPLES = ROOT / "recipes" / "commands" / "samples"
RATE = 16_000
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
GRAMMAR = """
lists:
  what:
    - {in: files, out: "%s"}
commands:
  "<b>find</b>":
    - "find my {what}"
"""


class Parsed(HTMLParser):
    """The tags of a page, and its numbers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str | None] = []
        self._within: str | None = None
        self.numbers: dict[str, Any] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every tag, and what it would load."""
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        self._within = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        """The numbers."""
        if self._within == "content":
            self.numbers = json.loads(data)

    def handle_endtag(self, tag: str) -> None:
        """The end of what stands within."""
        self._within = None


@pytest.fixture(scope="module")
def model() -> asr.Model:
    return asr.load()


@pytest.fixture(scope="module")
def computer() -> asr.Commands:
    return asr.Commands.load("computer")


@pytest.fixture(scope="module")
def taken(model: asr.Model, computer: asr.Commands) -> Explanation:
    return model.explain(SAMPLES / "find_my_files.flac", computer)


@pytest.fixture(scope="module")
def refused(model: asr.Model, computer: asr.Commands) -> Explanation:
    return model.explain(SAMPLES / "ten_of_clubs.flac", computer)


@pytest.mark.parametrize("name", ["find_my_files", "ten_of_clubs"])
def test_the_numbers_are_those_of_the_library(
    model: asr.Model, computer: asr.Commands, name: str, request: pytest.FixtureRequest
) -> None:
    told: Explanation = request.getfixturevalue("taken" if name == "find_my_files" else "refused")
    shown = Parsed(page(told)).numbers
    heard = model.transcribe(SAMPLES / f"{name}.flac")
    assert shown["transcript"]["text"] == heard.text
    assert shown["transcript"]["confidence"] == heard.confidence
    assert [
        (each["word"], each["start"], each["end"], each["confidence"]) for each in shown["transcript"]["words"]
    ] == [(word.text, word.start, word.end, word.confidence) for word in heard.words]
    found = model.understand(SAMPLES / f"{name}.flac", computer)
    command = shown["command"]
    assert found.reading is not None
    assert found.evidence is not None
    assert (command["understood"], command["confidence"]) == (found.understood, found.confidence)
    assert (command["reading"]["command"], command["reading"]["slots"]) == (found.reading.command, found.reading.slots)
    for each in command["evidence"]:
        assert each["value"] == getattr(found.evidence, each["name"].replace(" ", "_"))
    total = command["intercept"] + sum(each["points"] for each in command["evidence"])
    assert 1 / (1 + math.exp(-total)) == pytest.approx(found.confidence)
    assert model.transcriber.bundle.rejection is not None
    assert command["threshold"] == Rejection.from_dict(model.transcriber.bundle.rejection).threshold
    assert shown["stages"]["constrained"]["text"] == found.reading.text


def test_the_stages_are_those_of_the_model(model: asr.Model, taken: Explanation) -> None:
    stages, transcriber = taken.stages, model.transcriber
    assert stages is not None
    assert stages.decoder is not None
    assert stages.self_attention is not None
    utterance = transcriber.find_utterance(asr.read_source(SAMPLES / "find_my_files.flac"))
    assert utterance is not None
    heard = transcriber.hear(utterance)
    assert stages.ctc == pytest.approx(np.exp(heard.ctc_log_probs))
    (best,) = transcriber.decode(heard, utterance.seconds)
    assert [step.probability for step in stages.decoder] == pytest.approx(np.exp(best.token_log_probs), rel=1e-3)
    for step in stages.decoder:
        assert [each.probability for each in step.likeliest] == sorted(
            (each.probability for each in step.likeliest), reverse=True
        )
        assert step.attention.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    way = [each for each in stages.free.branches if each.best]
    assert [each.token for each in way] == [step.token for step in stages.decoder]
    assert (way[-1].text, way[-1].score) == (taken.transcript.text, best.score)
    steps, wide = len(stages.ctc), transcriber.bundle.model["stack"]
    assert stages.stacked[1, : stages.cepstra.shape[1]] == pytest.approx(stages.cepstra[wide])
    assert len(stages.stacked) == len(stages.positions) == stages.self_attention.shape[-1] == steps


def test_positions_are_those_of_torch() -> None:
    assert np.abs(positions(40, 32) - sinusoidal_positions(0, 40, 32).numpy()).max() < 1e-5


def test_a_refusal_has_its_reasons(refused: Explanation) -> None:
    shown = content(refused)["command"]
    assert not shown["understood"]
    assert shown["confidence"] < shown["threshold"]
    assert min(each["points"] for each in shown["evidence"]) < -1
    assert shown["transcript"]["text"] == refused.transcript.text != shown["reading"]["text"]


def test_in_silence_there_is_nothing_but_sound(model: asr.Model, computer: asr.Commands) -> None:
    told = model.explain((np.zeros(3 * RATE, np.float32), RATE), computer)
    shown = Parsed(told.html()).numbers
    assert (shown["stages"], shown["transcript"]["text"], shown["command"]["reading"]) == (None, "", None)
    assert (shown["command"]["understood"], shown["command"]["evidence"]) == (False, [])


def test_what_is_hostile_stays_text(model: asr.Model, tmp_path: Path) -> None:
    grammar = tmp_path / "grammar.yaml"
    grammar.write_text(GRAMMAR % HOSTILE)
    recording = tmp_path / "<img src=x onerror=alert(1)>.flac"
    shutil.copy(SAMPLES / "find_my_files.flac", recording)
    told = model.explain(recording, asr.Commands.load(grammar))
    seen, plain = Parsed(told.html()), Parsed(model.explain(SAMPLES / "find_my_files.flac").html())
    assert seen.tags == plain.tags
    assert seen.numbers["command"]["reading"]["slots"] == {"what": HOSTILE}
    assert str(tmp_path) not in told.html(), "where a recording lies is nobody's business"
    framed = Parsed(told._repr_html_())
    assert framed.tags == ["iframe"]


def test_the_page_is_small_and_asks_for_nothing(
    model: asr.Model, computer: asr.Commands, words: list[NDArray[np.float32]]
) -> None:
    long = np.concatenate(words * 6 + words[:1])
    told = model.explain((long, RATE), computer)
    assert told.stages is not None
    assert len(told.stages.wave) > 17 * RATE
    text = told.html()
    assert len(text.encode()) < 5_000_000
    assert Parsed(text).sources == []
    with pytest.raises(AudioError, match=r"the recording: found several utterances.*at most 20 s"):
        model.explain((np.concatenate([long, long]), RATE))


WITHOUT = """
import sys
for name in ("torch", "jinja2", "matplotlib", "onnx", "safetensors"):
    sys.modules[name] = None
from asr.apps.cli import app, run
sys.exit(run(app, ["explain", *sys.argv[1:]], "asr"))
"""


def test_the_command_wants_the_core_alone(tmp_path: Path) -> None:
    arguments = [SAMPLES / "find_my_files.flac", "--commands", "computer", "--false-accepts", "0.005"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments), "--out", str(tmp_path / "page.html")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    shown = Parsed((tmp_path / "page.html").read_text(encoding="utf-8")).numbers
    assert shown["transcript"]["text"] == "find my files"
    assert shown["command"]["threshold"] > 0.5, "as asked for"


# A word may be over before anybody looks.
NOTE_PLAYING = """() => {
  const note = () => { if (document.body.classList.contains("playing")) document.body.dataset.played = "yes"; };
  new MutationObserver(note).observe(document.body, { attributeFilter: ["class"] });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright, which drives the browser, is not here")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no browser here: neither chromium nor google-chrome")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("wide", [1200, 390])
def test_a_browser_draws_all_of_it(browser: Any, refused: Explanation, tmp_path: Path, wide: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(refused.html(), encoding="utf-8")
    view = browser.new_page(viewport={"width": wide, "height": 900})
    complaints: list[str] = []
    view.on("console", lambda said: complaints.append(said.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.goto(path.as_uri())
    view.wait_for_selector("body[data-drawn=yes]", timeout=60_000)
    assert view.evaluate("document.documentElement.scrollWidth") <= wide
    assert view.locator("section").count() == 12
    assert view.locator(".heads button").count() == 24
    assert "threshold 0.50" in view.inner_text(".gauge")
    told = view.inner_text("#evidence .verdict")
    assert "Refused: “turn off the computer”" in told
    assert "worst word" in told
    view.evaluate(NOTE_PLAYING)
    view.click("#words .word >> nth=1")
    view.wait_for_selector("body[data-played]:not(.playing)")
    view.hover("#ctc .field")
    assert "%" in view.inner_text("#tip")
    view.click(".heads button >> nth=0")
    assert "Layer 1, head 1" in view.inner_text(".map")
    view.close()
    assert complaints == []


def test_a_browser_takes_no_text_for_markup(browser: Any, model: asr.Model, tmp_path: Path) -> None:
    grammar = tmp_path / "grammar.yaml"
    grammar.write_text(GRAMMAR % HOSTILE)
    path = tmp_path / "page.html"
    path.write_text(model.explain(SAMPLES / "find_my_files.flac", asr.Commands.load(grammar)).html(), encoding="utf-8")
    view = browser.new_page()
    view.goto(path.as_uri())
    view.wait_for_selector("body[data-drawn=yes]", timeout=60_000)
    assert view.title() == "find_my_files.flac: how it was heard"
    assert HOSTILE in view.inner_text("#answer")
    assert view.locator("img").count() == 0
    view.close()


def test_other_recordings_are_read_too(model: asr.Model, tmp_path: Path) -> None:
    wave = asr.read_source(SAMPLES / "five_five.flac")
    soundfile.write(tmp_path / "five.wav", wave, RATE)
    told = model.explain(tmp_path / "five.wav")
    assert (told.transcript.text, told.understanding) == ("five five", None)
    assert content(told)["command"] is None
