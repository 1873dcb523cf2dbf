"""The page about a list of recordings, made by the real command and read back by a parser."""

import io
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pages import HOSTILE, Element, Tree, content_of
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.audio.features import FeatureSettings
from asr.audio.load import SAMPLE_RATE
from asr.bundle import read_bundle
from asr.data.inspection import page as page_module
from asr.data.inspection.faults import KINDS, Judge, ctc_steps, dropped_characters, measure, non_speech_marks
from asr.data.inspection.page import EXTREMES, HEARD, bars, choose_samples
from asr.data.inspection.pictures import mfcc, waveform
from asr.data.inspection.sheet import FACTS, Histogram, describe, facts
from asr.data.inspection.survey import survey
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.shard import write_shard
from asr.data.manifests.utterance import Utterance
from asr.model.settings import ModelSettings
from asr.text.normaliser import Normaliser
from asr.text.special import UNK
from asr.text.tokenizer import SMALLEST, Tokenizer


def voice(seconds: float, seed: int, level: float = 0.1) -> NDArray[np.float32]:
    """Noise that comes and goes, as syllables do; it reaches full scale nowhere."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).uniform(-1, 1, len(time))
    return (level * noise * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


@dataclass(frozen=True)
class Made:
    """A list of recordings with faults, and the page that the command made of it."""

    manifest: Path
    html: str
    tree: Element
    status: int
    output: str
    complaints: str


PLANTED = {
    "clipped.wav": ("clipped", "stop the clock"),
    "silent.wav": ("silent", "turn it off"),
    "short.wav": ("short", "this is far too much to say in a twentieth of a second"),
    "long.wav": ("long", "yes"),
    "letters.wav": ("characters", "turn on привет"),
    "marks.wav": ("marks", "[noise] turn on the <unk> fan"),
    "offset.wav": ("offset", "lights on"),
    "broken.wav": ("unreadable", "volume up"),
}
CLEAN = {"clean1.wav": "Turn the lights on!", "clean2.wav": "stop it", "hostile.wav": "play music", "noise.flac": ""}


def show(manifest: Path | list[Path], out: Path, *options: str | Path) -> Made:
    manifests = manifest if isinstance(manifest, list) else [manifest]
    done = CliRunner().invoke(app, ["data", "show", *map(str, (*manifests, "--out", out, *options))])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    html = out.read_text(encoding="utf-8")
    return Made(manifests[0], html, Tree(html).root, done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Made:
    folder = tmp_path_factory.mktemp("faulty")
    waves = {name: voice(2.0 + i / 10, i) for i, name in enumerate([*PLANTED, *CLEAN])}
    waves["clipped.wav"] = np.clip(waves["clipped.wav"] * 15, -1, 1)
    waves["silent.wav"] *= 0.01
    waves["short.wav"] = voice(0.05, 50)
    waves["long.wav"] = voice(31.5, 51)
    waves["offset.wav"] += 0.05
    rows = {name: ("anna", text) for name, (_, text) in PLANTED.items()}
    rows |= {name: ("ben", text) for name, text in CLEAN.items()}
    rows["hostile.wav"] = (HOSTILE, CLEAN["hostile.wav"])
    rows["noise.flac"] = ("-", "")
    rows |= {f"{HOSTILE.replace('/', '|')}.wav": ("ben", HOSTILE)}
    for name, wave in waves.items():
        rate = 8_000 if name == "clean2.wav" else SAMPLE_RATE
        soundfile.write(folder / name, wave, rate, subtype="PCM_16")
    soundfile.write(folder / f"{HOSTILE.replace('/', '|')}.wav", voice(5.0, 60), SAMPLE_RATE)
    (folder / "broken.wav").write_bytes((folder / "clean1.wav").read_bytes()[:9000])
    lines = "".join(f"{name}\t{speaker}\t{text}\n" for name, (speaker, text) in rows.items())
    (folder / "list.tsv").write_text(f"path\tspeaker\ttext\n{lines}", encoding="utf-8")
    return show(folder / "list.tsv", folder / "page.html", "--bundle", tiny_bundle)


def suspects(tree: Element) -> dict[str, list[Element]]:
    """Items of each kind of fault that was found, by its heading."""
    (section,) = tree.all("section", **{"aria-labelledby": "wrong"})
    return {heading.text: list(section_of(section, heading).all("li")) for heading in section.all("h3")}


def section_of(root: Element, heading: Element) -> Element:
    return next(card for card in root.all("div") if heading in card.children)


def test_each_planted_fault_is_named_and_nothing_clean_is(made: Made) -> None:
    found = suspects(made.tree)
    for name, (kind, text) in PLANTED.items():
        (heading,) = [each for each in found if each.startswith(f"{KINDS[kind].title}: ")]
        assert any(name in item.text and text in item.text for item in found[heading]), (kind, name)
        for other, items in found.items():
            if other != heading:
                assert not any(name in item.text for item in items), f"{name} is under {other}"
    (section,) = made.tree.all("section", **{"aria-labelledby": "wrong"})
    for name in CLEAN:
        assert name not in section.text
    assert len(KINDS) == len(PLANTED)  # every kind is planted


def test_unreadable_audio_makes_the_status_and_other_faults_do_not(
    made: Made, tmp_path: Path, tiny_bundle: Path
) -> None:
    assert made.status == 1
    assert "broken.wav: cut short" in made.complaints
    assert "9 look wrong" in made.output
    lines = made.manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    rest = made.manifest.with_name("rest.tsv")
    rest.write_text("".join(line for line in lines if "broken" not in line), encoding="utf-8")
    again = show(rest, tmp_path / "rest.html", "--bundle", tiny_bundle, "--samples", "0")
    assert again.status == 0
    assert "8 look wrong" in again.output


def test_every_number_is_that_of_the_data_sheet(made: Made) -> None:
    utterances = [each for each in read_manifest(made.manifest) if each.id != "broken.wav"]
    seconds = [len(read_utterance(each)) / SAMPLE_RATE for each in utterances]
    sheet = describe(utterances, seconds, [soundfile.info(each.path).samplerate for each in utterances])
    (table,) = made.tree.all("table", id="facts")
    assert table.rows == [["split", "all"], *map(list, zip(FACTS, facts(sheet.whole), strict=True))]
    (table,) = made.tree.all("table", id="rates")
    assert table.rows[1:] == [["8,000 Hz", "1"], ["16,000 Hz", "11"]]
    lengths, rates = made.tree.all("table", **{"class": "bins"})
    for table, histogram, unit in ((lengths, sheet.whole.lengths, "s"), (rates, sheet.whole.speaking_rates, "/s")):
        numbers = zip(histogram.labels(unit), map(str, histogram.counts), strict=True)
        assert table.rows[1:] == [list(row) for row in numbers]
    (tiles,) = made.tree.all("dl", **{"class": "tiles"})
    shown = [each.text for each in tiles.all("dd")]
    whole = sheet.whole
    assert shown == [str(whole.utterances), f"{whole.hours:.2f}", str(whole.speakers), str(whole.vocabulary), "9"]


def test_bars_are_as_high_as_their_counts() -> None:
    drawn = bars(Histogram(1.0, (2, 0, 8)), "s")
    assert [(bar.count, bar.share) for bar in drawn] == [(2, 0.25), (0, 0), (8, 1)]
    assert bars(Histogram(1.0, (0,)), "s")[0].share == 0


def test_players_hold_the_whole_utterance(made: Made) -> None:
    by_name = {each.id: each for each in read_manifest(made.manifest)}
    samples = list(made.tree.all("article"))
    players = 0
    for item in [*samples, *made.tree.all("li")]:
        for player in item.all("audio"):
            name = player.attributes["aria-label"].removeprefix("Sound of ").replace("\\u202e", "\u202e")
            wave, rate = soundfile.read(io.BytesIO(content_of(player.attributes["src"], "audio/wav")), dtype="float32")
            original = read_utterance(by_name[name])
            assert rate == SAMPLE_RATE
            assert len(wave) == min(len(original), 30 * SAMPLE_RATE)
            np.testing.assert_allclose(wave, original[: len(wave)], atol=2**-15)
            assert ("the first 30 s are shown" in item.text) == (name == "long.wav" and item in samples)
            players += 1
    # The broken one has none; the text of the hostile one is strange too.
    assert players == len(samples) + len(PLANTED)


def test_samples_are_drawn_shortest_and_longest_with_pictures(made: Made) -> None:
    samples = list(made.tree.all("article"))
    tags = [next(each.all("span", **{"class": "tag"})).text for each in samples]
    assert tags.count("drawn") == 6
    shown = {next(each.all("audio")).attributes["aria-label"]: each for each in samples}
    assert {"Sound of short.wav", "Sound of long.wav"} <= set(shown)
    for sample in samples:
        pictures = list(sample.all("img"))
        assert len(pictures) == 2
        for picture in pictures:
            assert content_of(picture.attributes["src"], "image/png").startswith(b"\x89PNG")
        assert len(list(sample.all("path"))) == 1


def test_nothing_leaves_the_page_and_nothing_of_the_list_is_markup(made: Made) -> None:
    assert "<script" not in made.html
    assert "\u202e" not in made.html
    assert "alert('x')" in made.tree.text
    for tag in ("script", "link", "iframe", "object", "form"):
        assert not list(made.tree.all(tag))
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]{0,20})""", made.html)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    (policy,) = made.tree.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"].startswith("default-src 'none'")
    handlers = [name for each in made.tree.all("*") for name in each.attributes if name.startswith("on")]
    assert not handlers


def test_page_can_be_read_aloud(made: Made) -> None:
    (html,) = made.tree.all("html")
    assert html.attributes["lang"] == "en"
    assert all(each.attributes["alt"] for each in made.tree.all("img"))
    assert all(each.attributes["aria-label"] for each in made.tree.all("audio"))
    for picture in made.tree.all("svg"):
        assert picture.attributes["role"] == "img"
        assert picture.attributes["aria-label"]
    identities = [
        each.attributes["id"] for tag in ("h2", "table") for each in made.tree.all(tag) if "id" in each.attributes
    ]
    assert len(set(identities)) == len(identities) > 3
    for section in made.tree.all("section"):
        assert section.attributes["aria-labelledby"] in identities


def test_same_list_and_seed_give_the_same_page(made: Made, tmp_path: Path, tiny_bundle: Path) -> None:
    again = show(made.manifest, tmp_path / "again.html", "--bundle", tiny_bundle)
    assert again.html == made.html
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


def test_splits_and_shards_are_read_as_lists_are(made: Made, tmp_path: Path, tiny_bundle: Path) -> None:
    good = [each for each in read_manifest(made.manifest) if each.id.startswith("clean")]
    write_shard(tmp_path / "shards", 0, ((each, read_utterance(each)) for each in good), form="flac")
    shown = show(
        [tmp_path / "shards", made.manifest], tmp_path / "page.html", "--bundle", tiny_bundle, "--samples", "1"
    )
    (table,) = shown.tree.all("table", id="facts")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["split"] == [str(tmp_path / "shards"), str(made.manifest), "all"]
    assert rows["utterances"] == ["2", "12", "14"]


def test_licence_and_source_are_those_that_were_noted_beside_the_list(
    made: Made, tmp_path: Path, tiny_bundle: Path
) -> None:
    known = next(made.tree.all("dl", **{"class": "known"})).text
    assert str(made.manifest) in known
    assert "licence" not in known
    (tmp_path / "a.wav").write_bytes((made.manifest.parent / "clean1.wav").read_bytes())
    (tmp_path / "list.tsv").write_text("path\tspeaker\ttext\na.wav\tanna\tstop it\n")
    (tmp_path / "data_sheet.json").write_text('{"licence": "CC BY <4.0>", "source": "example.org"}')
    shown = show(tmp_path / "list.tsv", tmp_path / "page.html", "--bundle", tiny_bundle, "--samples", "0")
    known = next(shown.tree.all("dl", **{"class": "known"})).text
    assert "CC BY <4.0>" in known
    assert "example.org" in known
    assert "could not be read" not in shown.tree.text
    (tmp_path / "data_sheet.json").write_text("[")
    assert show(tmp_path / "list.tsv", tmp_path / "page.html", "--bundle", tiny_bundle).status == 0


def judge(vocabulary: int = SMALLEST) -> Judge:
    tokenizer = Tokenizer.train(["stop it now", "go on then"], vocabulary)
    return Judge(tokenizer, FeatureSettings(), ModelSettings(), Normaliser())


def test_worst_come_first_and_only_the_worst_are_heard(tmp_path: Path) -> None:
    utterances = []
    for i, gain in enumerate((3, 9, 5, 12, 7)):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.clip(voice(1.0, i, 1.0) * gain, -1, 1), SAMPLE_RATE)
        utterances.append(Utterance(path.name, path, "anna", "stop it"))
    seen: list[int] = []
    found = survey(utterances, judge(), seen=seen.append)
    assert sum(seen) == 5
    assert [finding.place for finding in found.faults["clipped"]] == [3, 1, 4, 2, 0]
    assert found.suspects == 5
    (clipped,) = [each for each in page_module.list_suspects(found) if each.count]
    assert [each.audio is not None for each in clipped.worst] == [True] * HEARD + [False] * (5 - HEARD)


def test_every_utterance_is_surveyed_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.data.inspection.survey._AT_A_TIME", 3)
    utterances = []
    for i in range(8):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, voice(1 + i / 10, i), SAMPLE_RATE)
        utterances.append(Utterance(path.name, path, "anna", "stop it"))
    found = survey(utterances, judge())
    assert [each.samples for each in found.measures if each] == [16_000 + 1_600 * i for i in range(8)]
    chosen = choose_samples(found, 2, seed=1)
    assert len(chosen) >= 2 + EXTREMES
    assert {0, 1, 6, 7} <= set(chosen)
    assert choose_samples(found, 2, seed=1) == chosen
    assert any(choose_samples(found, 2, seed) != chosen for seed in range(2, 9))
    assert set(choose_samples(found, 99, seed=1)) == set(range(8))


def test_steps_are_those_that_ctc_needs() -> None:
    assert ctc_steps([]) == 0
    assert ctc_steps([5]) == 1
    assert ctc_steps([5, 6, 5]) == 3
    assert ctc_steps([5, 5, 5, 6, 6]) == 8
    # The judge's law: as many steps as needed are enough, one fewer is too few.
    judged = judge()
    needed = ctc_steps(judged.tokenizer.encode("stoop"))
    hop = judged.features.hop_length * judged.model.stack
    for steps, wrong in ((needed, False), (needed - 1, True)):
        samples = (steps - 1) * hop + judged.features.hop_length
        assert judged.model.steps(judged.features.frames(samples)) == steps
        found = judged.faults(measure(voice(samples / SAMPLE_RATE, 0)), "stoop")
        assert [fault.number.startswith(f"{steps} steps") for fault in found] == [True] * wrong


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        ("Café, “naïve”: it’s 5 o’clock – now!", ""),
        ("$5 & 10% + 3°", ""),
        ("$ and then", "$"),
        ("me@home #1 a=b", "@#="),
        ("привет", "привет"),
        ("a\x00b\ufffd", "\x00\ufffd"),
    ],
)
def test_dropped_characters_are_those_that_make_no_difference(text: str, dropped: str) -> None:
    assert "".join(dropped_characters(text, Normaliser())) == dropped


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("[noise] find <unk>", ["[noise]", "<unk>"]),
        ("(laughs) stop [NOISE] it *cough* <sil>", ["(laughs)", "[NOISE]", "*cough*", "<sil>"]),
        (
            "[LAUGHTER] {breath} (Coughing) (background noise)",
            ["[LAUGHTER]", "{breath}", "(Coughing)", "(background noise)"],
        ),
        (
            "go ++UM++ on ((inaudible)) *door slams* <|nospeech|> ♪♪",
            ["++UM++", "((inaudible))", "*door slams*", "<|nospeech|>", "♪♪"],
        ),
        (
            "[[x]] <s> go </s> [laughter-yes] [BLANK_AUDIO] [ Silence ]",
            ["[x]", "<s>", "</s>", "[laughter-yes]", "[BLANK_AUDIO]", "[ Silence ]"],
        ),
        # Spoken, or arithmetic.
        ("he (the king of spain) said so", []),
        ("5 * 3 * 2 and 2*3*4, a < b and c > d, C++ and C++", []),
        ("it’s “fine” - isn't it? (yes) [", []),
        ("", []),
    ],
)
def test_what_transcribers_write_for_what_is_not_speech(text: str, marks: list[str]) -> None:
    assert non_speech_marks(text) == marks


def test_marks_are_a_fault_of_their_own_and_of_no_other_kind(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    judge = Judge(bundle.tokenizer, bundle.features, ModelSettings.from_dict(dict(bundle.model)), Normaliser())
    (fault,) = judge.faults(measure(voice(3.0, 0)), "<unk> stop [noise] [noise]")
    assert (fault.kind, fault.number, fault.badness) == ("marks", "<unk> [noise]", 3)
    assert {each.kind for each in judge.faults(measure(voice(3.0, 0)), "<unk> stop @ [noise] привет")} == {
        "marks",
        "characters",
    }


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "(" * 50_000, "*a " * 30_000, "<a" * 30_000, "++a" * 30_000, "((" * 30_000]
)
def test_looking_for_marks_takes_no_longer_than_the_text_is_long(text: str) -> None:
    begun = time.process_time()
    non_speech_marks(text)
    assert time.process_time() - begun < 1


def test_tokens_that_are_unknown_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = judge()
    whole = judged.faults(measure(voice(2, 0)), "stop it")
    assert not whole
    monkeypatch.setattr(judged.tokenizer, "encode", lambda text: [7, UNK, 9, UNK])
    (fault,) = judged.faults(measure(voice(2, 0)), "stop it")
    assert (fault.kind, fault.number) == ("characters", "tokens that are unknown: 2")
    (fault,) = judged.faults(measure(voice(2, 0)), "...")
    assert fault.number == "nothing of the text is left"


def test_measures_are_those_of_known_waves() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sine = (0.5 * np.sin(2 * np.pi * 100 * time)).astype(np.float32)
    found = measure(sine)
    assert found.seconds == 1
    assert found.level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert (found.clipped, found.offset) == (0, pytest.approx(0, abs=1e-6))
    moved = measure(sine + np.float32(0.25))
    assert moved.level == pytest.approx(found.level, abs=0.01)
    assert moved.offset == pytest.approx(0.25)
    # A word of a tenth of a second is as loud as one that fills the second.
    assert measure(np.where((time >= 0.5) & (time < 0.6), sine, 0)).level == pytest.approx(found.level, abs=0.1)
    square = np.where(time < 0.25, 1, 0.1).astype(np.float32)
    assert measure(square).clipped == 0.25
    assert measure(-square).clipped == 0.25
    assert measure(np.zeros(10, np.float32)).level == pytest.approx(-120)
    assert measure(np.zeros(0, np.float32)).samples == 0


@pytest.mark.parametrize("samples", [1, 7, 100, 1600, 16_001, 480_000])
def test_pictures_of_any_length(samples: int) -> None:
    wave = voice(samples / SAMPLE_RATE, 0)
    wave[samples // 2] = 0.75
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", waveform(wave))]
    assert min(numbers[1::2]) == pytest.approx((1 - 0.75) * 40 - 0.5, abs=0.06)
    assert max(numbers[::2]) <= 600
    for uri in (mfcc(wave, FeatureSettings()), page_module.mel_spectrogram(wave)):
        assert content_of(uri, "image/png")


def test_mfcc_is_what_the_model_gets() -> None:
    import torch
    from matplotlib.image import imread

    from asr.audio.mfcc import Mfcc

    wave = voice(1.0, 3)
    settings = FeatureSettings(coefficients=13)
    features, _ = Mfcc(settings)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
    drawn = imread(io.BytesIO(content_of(mfcc(wave, settings), "image/png")))
    assert drawn.shape[:2] == (13, settings.frames(len(wave)))
    # Red without blue is high; the first coefficient is the lowest row.
    values = features[0].numpy().T[::-1]
    redness = drawn[..., 0] - drawn[..., 2]
    assert np.corrcoef(np.clip(values, -2, 2).ravel(), redness.ravel())[0, 1] > 0.9


def test_wrong_use_is_an_error(made: Made, tmp_path: Path, tiny_bundle: Path) -> None:
    def fails(*arguments: str | Path) -> str:
        done = CliRunner().invoke(app, ["data", "show", *map(str, arguments)])
        assert done.exit_code != 0
        return f"{done.stderr} {done.exception}"

    assert "exclude each other" in fails(made.manifest, "--bundle", tiny_bundle, "--tokenizer", "t.model")
    assert "no such file" in fails(tmp_path / "none.tsv", "--bundle", tiny_bundle)
    lines = made.manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    broken = made.manifest.with_name("broken.tsv")
    broken.write_text("".join(line for line in lines if "broken" in line or "speaker" in line), encoding="utf-8")
    assert "none of its 1 recordings could be read" in fails(broken, "--bundle", tiny_bundle)


def test_tokens_of_a_file_are_held_against(made: Made, tmp_path: Path) -> None:
    (tmp_path / "t.model").write_bytes(judge(40).tokenizer.model)
    shown = show(made.manifest, tmp_path / "page.html", "--tokenizer", tmp_path / "t.model", "--samples", "0")
    assert f"{tmp_path / 't.model'}: 40 tokens" in shown.tree.text


def test_browser_draws_it_without_complaint(made: Made, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser here: neither chromium nor google-chrome")
    page = tmp_path / "page.html"
    page.write_text(made.html, encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}",
        "--enable-logging",
    ]
    done = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert "look wrong" in done.stdout
    assert "CONSOLE" not in done.stderr
