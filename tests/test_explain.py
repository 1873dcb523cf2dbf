"""The page that shows how a recording was heard: its numbers are the library's, and hostile text stays text."""

import base64
import json
import math
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from numpy.typing import NDArray

import asr
from asr.audio.cepstra import log_mel
from asr.bundle import DEFAULT_BUNDLE, read_bundle
from asr.commands.rejection import Rejection
from asr.errors import AudioError
from asr.model.attention import sinusoidal_positions
from asr.runtime.explain.explanation import MOST_BRANCHES, Explanation, positions
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


@pytest.fixture(scope="module")
def long(model: asr.Model, computer: asr.Commands, words: list[NDArray[np.float32]]) -> Explanation:
    return model.explain((np.concatenate(words * 6 + words[:1]), RATE), computer)


def decoded(image: dict[str, Any]) -> NDArray[np.float64]:
    """What a picture of the page stands for."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(image["data"])), np.uint8)
    return image["low"] + (image["high"] - image["low"]) / 255 * steps.reshape(image["rows"], image["columns"])


def half_a_step(image: dict[str, Any]) -> float:
    return float((image["high"] - image["low"]) / 510 + 1e-5)


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


def test_the_pictures_of_the_page_are_the_stages(taken: Explanation) -> None:
    stages, shown = taken.stages, content(taken)["stages"]
    assert stages is not None
    assert stages.self_attention is not None
    assert stages.decoder is not None
    pictures = [(shown[name], getattr(stages, name)) for name in ("mel", "cepstra", "stacked", "positions")]
    for layer, heads in zip(shown["attention"], stages.self_attention, strict=True):
        pictures += zip(layer, heads, strict=True)
    pictures += [
        (seen["attention"], step.attention) for seen, step in zip(shown["decoder"], stages.decoder, strict=True)
    ]
    for picture, values in pictures:
        assert np.abs(decoded(picture) - values).max() <= half_a_step(picture)
    names = ["" if number == 0 else piece for number, piece in enumerate(stages.pieces)]
    for curve in shown["ctc"]:
        assert curve["probabilities"] == pytest.approx(stages.ctc[:, names.index(curve["token"])], abs=6e-5)
    for row, said in zip(shown["likeliest"], stages.ctc, strict=True):
        assert [token for token, _ in row] == [names[place] for place in np.argsort(-said, kind="stable")[:3]]
        assert [probability for _, probability in row] == pytest.approx(np.sort(said)[::-1][:3], abs=6e-5)
    assert shown["hertz"] == sorted(shown["hertz"])
    tone = np.sin(2 * np.pi * shown["hertz"][40] * np.arange(RATE) / RATE).astype(np.float32)
    assert log_mel(tone, asr.load().transcriber.bundle.features)[50].argmax() == 40


@pytest.mark.parametrize("name", ["taken", "refused"])
def test_the_scores_are_the_sums_that_the_page_tells(
    model: asr.Model, name: str, request: pytest.FixtureRequest
) -> None:
    told: Explanation = request.getfixturevalue(name)
    assert told.stages is not None
    shown = content(told)["stages"]
    decoding = model.transcriber.decoding
    for kind, search in (("free", told.stages.free), ("constrained", told.stages.constrained)):
        seen = shown[kind]
        assert search is not None
        assert [each["score"] for each in seen["branches"]] == pytest.approx(
            [b.score for b in search.branches], abs=6e-5
        )
        for each in seen["branches"]:
            assert bool(each["parts"]) == (each["fate"] != "dropped")
            if each["parts"]:
                whole = sum(seen["weights"][part] * value for part, value in each["parts"].items())
                assert whole / ((5 + each["step"]) / 6) ** seen["penalty"] == pytest.approx(each["score"], abs=3e-4)
    assert (shown["free"]["width"], shown["constrained"]["width"]) == (decoding.width, decoding.command_width)


@pytest.mark.parametrize("name", ["taken", "refused"])
def test_what_is_played_is_said_there(model: asr.Model, name: str, request: pytest.FixtureRequest) -> None:
    told: Explanation = request.getfixturevalue(name)
    assert told.stages is not None
    assert told.stages.decoder is not None
    assert told.stages.constrained is not None
    assert told.understanding is not None
    assert told.understanding.reading is not None
    words = [(word.start, word.end) for word in told.transcript.words]
    said = [step.said for step in told.stages.decoder]
    assert said[-1] is None
    tokens = [each for each in said if each is not None]
    assert {start for start, _ in words} <= {start for start, _ in tokens}
    assert {end for _, end in words} <= {end for _, end in tokens}
    assert [each.said for each in told.stages.free.branches if each.best] == said
    assert " ".join(word.text for word in told.stages.constrained.words) == told.understanding.reading.text
    places = [each.where for each in told.evidence if each.where is not None]
    assert bool(places) == (name == "refused")
    places += [
        each.said for search in (told.stages.free, told.stages.constrained) for each in search.branches if each.said
    ]
    for start, end in places:
        assert 0 <= start <= end <= told.seconds
    worst = {each.name: each for each in told.evidence}["worst_word"]
    if worst.word is not None:
        assert worst.where in [(w.start, w.end) for w in told.stages.constrained.words if w.text == worst.word]


def test_of_a_wide_search_some_branches_are_told() -> None:
    told = asr.load(width=40).explain(SAMPLES / "five_five.flac")
    assert told.stages is not None
    search = told.stages.free
    assert search.left_out > 0
    steps = [each.step for each in search.branches]
    assert max(steps.count(step) for step in steps) <= MOST_BRANCHES + 1
    for each in search.branches:
        if each.parent is None:
            assert each.step == 1
        else:
            assert search.branches[each.parent].step == each.step - 1
            assert each.text.startswith(search.branches[each.parent].text)
    assert [each.text for each in search.branches if each.best][-1] == told.transcript.text == "five five"


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


def test_the_page_is_small_and_asks_for_nothing(model: asr.Model, long: Explanation) -> None:
    assert long.stages is not None
    assert len(long.stages.wave) > 17 * RATE
    text = long.html()
    assert len(text.encode()) < 5_000_000
    assert Parsed(text).sources == []
    with pytest.raises(AudioError, match=r"the recording: found several utterances.*at most 20 s"):
        model.explain((np.concatenate([long.wave, long.wave]), RATE))


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
    kept = read_bundle(DEFAULT_BUNDLE).rejection
    assert kept is not None
    usual = Rejection.from_dict(kept)
    assert shown["command"]["threshold"] == usual.at(0.005).threshold != usual.threshold, "as asked for"


# A word may be over before anybody looks.
NOTE_PLAYING = """() => {
  const note = () => { if (document.body.classList.contains("playing")) document.body.dataset.played = "yes"; };
  new MutationObserver(note).observe(document.body, { attributeFilter: ["class"] });
}"""


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
    has = read_bundle(DEFAULT_BUNDLE).model
    assert view.locator(".heads button").count() == has["encoder_layers"] * has["heads"]
    threshold = content(refused)["command"]["threshold"]
    assert f"threshold {threshold:.2f}" in view.inner_text(".gauge")
    told = view.inner_text("#evidence .verdict")
    assert "Rejected: “turn off the computer”" in told
    assert "worst word (how much better" in told
    assert view.locator("#grammar .meaning.not .name").inner_text() == "shut_down"
    view.evaluate(NOTE_PLAYING)
    view.click("#words .word >> nth=1")
    view.wait_for_selector("body[data-played]:not(.playing)")
    view.hover("#ctc .field")
    assert "%" in view.inner_text("#tip")
    view.click(".heads button >> nth=0")
    assert "Layer 1, head 1" in view.inner_text(".map")
    view.close()
    assert complaints == []


def opened(browser: Any, told: Explanation, folder: Path, **settings: Any) -> Any:
    """The page, drawn."""
    path = folder / "page.html"
    path.write_text(told.html(), encoding="utf-8")
    view = browser.new_context(**settings).new_page()
    view.goto(path.as_uri())
    view.wait_for_selector("body[data-drawn=yes]", timeout=60_000)
    return view


# Of each picture's marks: where the middle is, in pixels of the row; where it should be, as a share of it; half the
# width; the row's width; whether it has its text; and in which lane.
MARKS = """() => [...document.querySelectorAll(".marks")].map((row) => {
  const box = row.getBoundingClientRect();
  return [...row.children].map((mark) => {
    const own = mark.getBoundingClientRect();
    const named = getComputedStyle(mark).color !== "rgba(0, 0, 0, 0)";
    return [own.left + own.width / 2 - box.left, +mark.dataset.at, own.width / 2, box.width, named, own.bottom];
  });
})"""


def assert_in_place(rows: list[list[tuple[float, float, float, float, bool, float]]]) -> None:
    """Each mark stands at its time, or as near as its row's ends allow, and covers no other's text."""
    for row in rows:
        ends: dict[float, float] = {}
        for middle, at, half, wide, named, lane in row:
            wanted = at * wide
            if not named or half + 3 < wanted < wide - half - 3:
                assert middle == pytest.approx(wanted, abs=0.5)
            else:
                assert half - 2 <= middle <= wide - half + 2
            if named:
                assert middle - half >= ends.get(lane, -9) - 1
                ends[lane] = middle + half


def test_a_long_text_loses_nothing_on_a_phone_nor_on_paper(browser: Any, long: Explanation, tmp_path: Path) -> None:
    stages = long.stages
    assert stages is not None
    assert stages.decoder is not None
    first, *others = stages.free.branches
    wordy = replace(stages.free, branches=(replace(first, token="_extraordinarily"), *others))
    told = replace(long, stages=replace(stages, free=wordy))
    view = opened(browser, told, tmp_path, viewport={"width": 390, "height": 844}, color_scheme="dark")
    rows = view.evaluate(MARKS)
    assert_in_place(rows)
    assert len(rows[0]) == len(long.transcript.words)
    named = [each[4] for each in rows[0]]
    assert any(named)
    assert not all(named), "there is not room for all"
    tick = view.locator("#sound .mark.tick >> nth=0")
    assert tick.bounding_box()["height"] > 10
    assert re.match(r"Play \w+", tick.get_attribute("aria-label"))
    tick.hover()
    assert " sure" in view.inner_text("#tip")
    listed = view.locator("#decoder .steps li")
    seen = "(items) => items.filter((each) => each.offsetHeight).length"
    assert listed.evaluate_all(seen) == 8 < len(stages.decoder)
    view.click("#decoder .more")
    assert listed.evaluate_all(seen) == len(stages.decoder)
    over = """() => [...document.querySelectorAll(".scroll .branches .name")].filter((name) =>
      name.getBBox().width > name.previousSibling.getBBox().width - 16).length"""
    assert view.evaluate(over) == 0
    view.set_viewport_size({"width": 1100, "height": 900})
    view.wait_for_timeout(100)
    view.evaluate("spread = () => {}")  # who prints does not see the page at the width of the paper first
    view.emulate_media(media="print", color_scheme="dark")
    view.set_viewport_size({"width": 718, "height": 1000})  # A4
    assert_in_place(view.evaluate(MARKS))
    assert view.evaluate("document.documentElement.scrollWidth") <= 718
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    scales = """(slices) => slices.map((each) => each.getBoundingClientRect().width / each.viewBox.baseVal.width)"""
    slices = view.locator("#beam .slices svg")
    assert slices.count() == -(-max(each.step for each in stages.free.branches) // 6)
    assert min(slices.evaluate_all(scales)) > 0.8, "letters of more than 10 pixels"
    assert view.locator("#beam .scroll").is_hidden()
    view.context.close()


def test_a_finger_gets_the_librarys_numbers(browser: Any, refused: Explanation, tmp_path: Path) -> None:
    view = opened(
        browser, refused, tmp_path, viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    )
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 23)"
    stages = refused.stages
    assert stages is not None
    field, tip = view.locator("#mel .field"), view.locator("#tip")
    box, (frames, bands) = field.bounding_box(), stages.mel.shape
    frame, band = frames // 3, bands // 4
    across = frame * stages.frame_seconds / (len(stages.wave) / RATE)
    field.tap(position={"x": across * box["width"], "y": (1 - (band + 0.5) / bands) * box["height"]})
    shown = float(tip.inner_text().splitlines()[-1])
    near = half_a_step(content(refused)["stages"]["mel"]) + 0.006
    assert shown == pytest.approx(stages.mel[frame, band], abs=near)
    view.locator("#mel h2").tap()
    assert tip.is_hidden()
    best = next(each for each in stages.free.branches if each.best)
    view.locator("#beam .scroll g.best >> nth=0").tap()
    total = float(tip.inner_text().replace("−", "-").rpartition("= ")[2])
    assert total == pytest.approx(best.score, abs=0.0006)  # rounded once for the page, and once there
    view.evaluate(NOTE_PLAYING)
    for press in ("#beam .scroll g.dropped >> nth=0", "#evidence .where >> nth=0", "#grammar .word >> nth=0"):
        view.evaluate("delete document.body.dataset.played")
        view.locator(press).tap()
        view.wait_for_selector("body[data-played]:not(.playing)")
    view.context.close()


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
