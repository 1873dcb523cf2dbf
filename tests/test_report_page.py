"""The page of `asr evaluate`, read back by a parser: its numbers are the library's, and what it holds is harmless."""

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pages import HOSTILE, Element, Tree, content_of
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.audio.load import SAMPLE_RATE
from asr.commands.reading import Reading
from asr.data.manifests.manifest import read_manifest
from asr.data.manifests.utterance import Utterance
from asr.evaluation.command_scoring import CommandReport, score_commands
from asr.evaluation.evaluate import Evaluation
from asr.evaluation.outcome import Outcome
from asr.evaluation.page import parts
from asr.evaluation.page.render import page_of
from asr.evaluation.page.words import confident_utterances, confident_words
from asr.evaluation.reliability import calibration_error
from asr.evaluation.report import per_cent, report_to_dict
from asr.evaluation.scoring import Report, score
from asr.printable import printable
from asr.runtime.transcript import Transcript, Word

SAID = {
    "a": ("ann", "one two three", "one too three"),
    "b": ("ann", "four", "four"),
    "c": ("ben", "one two", "one"),
    "d": ("ben", "five six seven", "five six six seven"),
    "e": ("cy", "two three", "too three"),
    "silent": ("-", "", "boo"),
    "quiet": ("-", "", ""),
}


def transcript(text: str, confidence: float) -> Transcript:
    words = tuple(
        Word(word, max(0.0, confidence - 0.1 * place), place, place + 1) for place, word in enumerate(text.split())
    )
    return Transcript(text, confidence, 2.0, (), words, ())


def recorded(folder: Path, id: str, speaker: str, text: str, seconds: float = 1.0) -> Utterance:
    path = folder / f"{len(list(folder.iterdir()))}.wav"
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * time), SAMPLE_RATE)
    return Utterance(id, path, speaker, text)


def report_on(said: dict[str, tuple[str, str, str]]) -> Report:
    return score(
        {id: text for id, (_, text, _) in said.items()},
        {id: heard for id, (_, _, heard) in said.items()},
        normaliser=str,
        speakers={id: speaker for id, (speaker, _, _) in said.items()},
    )


def evaluation(folder: Path, said: dict[str, tuple[str, str, str]], **more: object) -> Evaluation[Report]:
    found = Evaluation(
        report=report_on(said),
        in_noise={},
        transcripts={
            id: transcript(heard, 0.05 + 0.9 * n / len(said)) for n, (id, (_, _, heard)) in enumerate(said.items())
        },
        lists={"dev.tsv": [recorded(folder, id, speaker, text) for id, (speaker, text, _) in said.items()]},
        left_out={},
        left_out_noises={},
        noises=0,
        seconds=14.0,
        seconds_taken=1.0,
        jobs=1,
    )
    return replace(found, **more)  # type: ignore[arg-type]


def read(measured: Evaluation[Report] | Evaluation[CommandReport], title: str = "dev.tsv") -> Element:
    return Tree(page_of(measured, title, ["heard by mine"])).root


def rows(page: Element, id: str) -> dict[str, list[str]]:
    (table,) = page.all("table", id=id)
    return {row[0]: row[1:] for row in table.rows[1:]}


def test_the_rates_of_words_are_the_librarys(tmp_path: Path) -> None:
    loud = report_on({id: (speaker, text, "boo") for id, (speaker, text, _) in SAID.items() if text})
    measured = evaluation(tmp_path, SAID, in_noise={6.0: loud})
    page, report = read(measured), measured.report
    (tiles,) = page.all("dl", **{"class": "tiles"})
    assert report.wer is not None
    assert next(tiles.all("dd")).text == f"{100 * report.wer.value:.1f} %"
    shown = rows(page, "noise")
    assert shown["as recorded"] == ["5", "11", per_cent(report.wer), per_cent(report.sentence_accuracy)]
    spoken = report_on({id: row for id, row in SAID.items() if row[1]})
    assert (spoken.wer, spoken.sentence_accuracy) == (report.wer, report.sentence_accuracy), "as those in noise"
    assert shown["6 dB"] == ["5", "11", per_cent(loud.wer), per_cent(loud.sentence_accuracy)]
    by_speaker = rows(page, "speaker")
    for speaker in ("ann", "ben", "cy"):
        alone = report_on({id: row for id, row in SAID.items() if row[0] == speaker})
        counts = [str(len(alone.spoken)), str(alone.words)]
        assert by_speaker[speaker] == [*counts, per_cent(alone.wer), per_cent(alone.sentence_accuracy)]
    assert list(by_speaker) == ["cy", "ben", "ann"], "the worst first"
    assert by_speaker["cy"][2:] == ["50.0 % (–)", "0.0 % (0.0 to 79.3)"], "one utterance is no certainty"
    (note,) = [each.text for each in page.all("p") if "resamplings" in each.text]
    assert f"{report.bootstrap:,} bootstrap resamplings of speakers ({report.groups} in the whole list)" in note
    (section,) = page.all("section", **{"aria-labelledby": "rates-part"})
    scales = [cell.attributes["data-scale"] for cell in section.all("td", **{"class": "rate"})]
    heads = [head.text for table in section.all("table") for head in next(table.all("thead")).all("th")]
    assert all(any(head.endswith(scale) for head in heads) for scale in scales), "a phone shows no heads"
    assert len(scales) == 2 * (len(shown) + len(by_speaker) + len(rows(page, "length")))
    by_length = rows(page, "length")
    assert list(by_length) == ["1", "2", "3"]
    threes = report_on({id: row for id, row in SAID.items() if len(row[1].split()) == 3})
    assert by_length["3"] == ["2", "6", per_cent(threes.wer), per_cent(threes.sentence_accuracy)]


def test_several_lists_have_a_row_each(tmp_path: Path) -> None:
    measured = evaluation(tmp_path, SAID)
    assert not list(read(measured).all("table", id="list"))
    listed = measured.lists["dev.tsv"]
    by_list = rows(read(replace(measured, lists={"one.tsv": listed[:2], "two.tsv": listed[2:]})), "list")
    for name, ids in (("one.tsv", "ab"), ("two.tsv", "cde")):
        alone = report_on({id: SAID[id] for id in ids})
        assert by_list[name][2:] == [per_cent(alone.wer), per_cent(alone.sentence_accuracy)]


def test_confusions_and_silence_are_counted(tmp_path: Path) -> None:
    page = read(evaluation(tmp_path, SAID))
    assert rows(page, "substitutions") == {"two → too": ["2"]}
    assert rows(page, "deletions") == {"two": ["1"]}
    assert rows(page, "insertions") == {"six": ["1"]}
    assert rows(page, "silent-words") == {"boo": ["1"]}
    nothing = report_on({id: row for id, row in SAID.items() if not row[1]})
    assert rows(page, "silent") == {"": ["2", "4", "1", per_cent(nothing.silence and nothing.silence.empty)]}
    (section,) = page.all("section", **{"aria-labelledby": "silence-part"})
    assert [item.text for item in section.all("li") for item in item.all("h3")] == ["silent"]
    spoken = {id: row for id, row in SAID.items() if row[1]}
    page = read(evaluation(tmp_path, spoken))
    assert not list(page.all("section", **{"aria-labelledby": "silence-part"}))


def test_reliability_is_counted_by_hand(tmp_path: Path) -> None:
    measured = evaluation(tmp_path, SAID)
    transcripts = {**measured.transcripts, "a": transcript("one too three", 0.95), "b": transcript("four", 0.95)}
    ab = report_on({id: SAID[id] for id in "ab"}).utterances
    words = confident_words(ab, transcripts)
    # 0.95 right, 0.85 wrong, 0.75 right; 0.95 right.
    assert [(each.low, each.count, each.right.value) for each in words] == [(0.7, 1, 1), (0.8, 1, 0), (0.9, 2, 1)]
    assert calibration_error(words) == pytest.approx((0.25 + 0.85 + 2 * 0.05) / 4)
    (whole,) = confident_utterances(ab, transcripts)
    assert (whole.count, whole.right.value) == (2, 0.5)
    table = confident_words(measured.report.utterances, measured.transcripts)
    shown = rows(read(measured), "confidence-words")
    assert shown == {
        f"{each.low:.1f} to {each.high:.1f}": [str(each.count), f"{100 * each.confidence:.1f} %", per_cent(each.right)]
        for each in table
    }
    assert sum(each.count for each in table) == 12
    other = {**measured.transcripts, "d": transcript("5 6 6 7", 0.5)}
    assert sum(each.count for each in confident_words(measured.report.utterances, other)) == 8, "d is left out"


def test_the_worst_can_be_heard_and_read(tmp_path: Path) -> None:
    page = read(evaluation(tmp_path, SAID))
    (section,) = page.all("section", **{"aria-labelledby": "worst-part"})
    items = list(section.all("li"))
    assert [next(item.all("h3")).text for item in items] == ["c", "e", "a", "d"]
    for item in items:
        words = [
            [cell.text for cell in pair.all("i")] for pair in item.all("span") if pair.attributes["class"] != "quiet"
        ]
        said = [one for one, _ in words[1:] if one]
        heard = [other for _, other in words[1:] if other]
        id = next(item.all("h3")).text
        assert (" ".join(said), " ".join(heard)) == SAID[id][1:]
        (player,) = item.all("audio")
        wave, rate = soundfile.read(io.BytesIO(content_of(player.attributes["src"], "audio/wav")))
        assert (len(wave), rate) == (SAMPLE_RATE, SAMPLE_RATE)
    (wrong,) = [pair for pair in items[2].all("span") if pair.attributes["class"] == "pair S"]
    assert wrong.text == "twotooS"


def test_sound_is_bounded_and_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = evaluation(tmp_path, SAID)
    size = len(parts.Sounds(measured.lists["dev.tsv"]).of("a") or "")
    monkeypatch.setattr(parts, "SOUND_BYTES", 2 * size + size // 2)
    sounds = parts.Sounds(measured.lists["dev.tsv"])
    assert [sounds.of(id) is None for id in "abcd"] == [False, False, True, True]
    assert len(list(read(measured).all("audio"))) == 2
    monkeypatch.undo()
    measured.lists["dev.tsv"][0].path.unlink()
    assert len(list(read(measured).all("audio"))) == 4, "all that are wrong but a"
    assert parts.Sounds(measured.lists["dev.tsv"]).of("unknown") is None
    long = recorded(tmp_path, "long", "ann", "", seconds=parts.PLAYED_SECONDS + 5)
    uri = parts.Sounds([long]).of("long") or ""
    wave, _ = soundfile.read(io.BytesIO(content_of(uri, "audio/wav")))
    assert len(wave) == parts.PLAYED_SECONDS * SAMPLE_RATE


def test_a_list_of_which_nothing_was_heard_has_a_page(tmp_path: Path) -> None:
    said = {"a": ("ann", "one", ""), "silent": ("-", "", "")}
    parts_of = (said, ["rates", "confusions", "silence", "worst"]), ({"silent": said["silent"]}, ["rates", "silence"])
    for kept, wanted in parts_of:
        page = read(evaluation(tmp_path, kept))
        assert [each.attributes["aria-labelledby"] for each in page.all("section")] == [f"{id}-part" for id in wanted]
    assert rows(page, "noise") == {"as recorded": ["0", "0", "–", "–"]}
    assert rows(page, "silent") == {"": ["1", "2", "0", "100.0 % (20.7 to 100.0)"]}


def test_where_nothing_is_wrong_the_least_sure_can_be_heard(tmp_path: Path) -> None:
    said = {id: (speaker, text, text) for id, (speaker, text, _) in SAID.items()}
    page = read(evaluation(tmp_path, said))
    (section,) = page.all("section", **{"aria-labelledby": "least-part"})
    assert [heading.text for heading in section.all("h3")] == list("abcde"), "the least sure first, silence not at all"
    assert len(list(section.all("audio"))) == 5


def test_what_strangers_wrote_stays_text(tmp_path: Path) -> None:
    said = {**SAID, HOSTILE: (HOSTILE, f"{HOSTILE} two", f"one {HOSTILE}"), "x": ("ann", "one", HOSTILE)}
    measured = evaluation(tmp_path, said)
    html = page_of(measured, HOSTILE, [HOSTILE])
    assert "<script" not in html
    assert "\u202e" not in html
    page = Tree(html).root
    for tag in ("script", "link", "iframe", "object", "form", "img"):
        assert not list(page.all(tag)), tag
    assert "alert('x')" in page.text
    assert "default-src 'none'" in html
    for element in page.all("*"):
        for name in ("src", "href"):
            assert element.attributes.get(name, "#").startswith(("data:audio/wav;base64,", "#"))


def test_a_page_is_small_however_large_the_list(tmp_path: Path) -> None:
    drawn = random.Random(0)
    said = {
        f"{number:03}{'i' * 2000}": (
            f"speaker {number}",
            " ".join("w" * drawn.randrange(1, 99) for _ in range(400)),
            "no",
        )
        for number in range(90)
    }
    html = page_of(evaluation(tmp_path, said), "dev.tsv")
    assert len(html.encode()) < 9_000_000
    page = Tree(html).root
    assert len(rows(page, "speaker")) == parts.ROWS
    assert "and 50 more, which are not listed" in page.text
    assert "and 250 more words" in page.text


def outcome(id: str, kind: str, command: str, heard: str | None, **more: object) -> Outcome:
    expected = Reading(command, {"n": 1}, f"{command} one") if kind == "command" else None
    reading = None if heard is None else Reading(heard, {"n": 1}, f"{heard} one")
    text = f"{command} one" if kind == "command" else "" if kind == "noise" else "hello"
    values = {"speaker": "ann", "seconds": 2.0, "understood": heard is not None, "confidence": 0.9, **more}
    return Outcome(id=id, text=text, expected=expected, heard=reading, kind=kind, **values)  # type: ignore[arg-type]


def test_the_page_about_commands_has_the_librarys_numbers(tmp_path: Path) -> None:
    outcomes = [
        outcome("a", "command", "start", "start", confidence=0.95),
        outcome("b", "command", "start", "stop", speaker="ben", confidence=0.8),
        outcome("c", "command", "stop", "stop", understood=False, confidence=0.2),
        outcome("d", "command", "stop", None, speaker="ben", confidence=0.0),
        outcome("a", "command", "start", "start", snr=6.0, confidence=0.55),
        outcome("s", "speech", "", HOSTILE, confidence=0.7),
        outcome("n", "noise", "", None, speaker="-", confidence=0.0),
    ]
    report = score_commands(outcomes)
    words = evaluation(tmp_path, {"a": SAID["a"], "c": SAID["c"], "s": SAID["d"]})
    html = page_of(replace(words, report=report), "dev.tsv")  # type: ignore[type-var]
    assert "<script" not in html
    page = Tree(html).root
    clean, loud = report.conditions
    shown = rows(page, "noise")
    for name, each in (("as recorded", clean), ("6 dB", loud)):
        rates = each.exactly_accepted, each.wrongly_accepted, each.command_accuracy
        assert shown[name][:4] == [str(each.commands), *map(per_cent, rates)]
    by_command = rows(page, "command")
    for command in ("start", "stop"):
        members = [each for each in outcomes if each.expected and each.expected.command == command and not each.snr]
        alone = score_commands(members).overall
        assert by_command[command][1] == per_cent(alone.exactly_accepted)
    assert list(by_command) == ["stop", "start"], "the worst first"
    assert set(rows(page, "speaker")) == {"ann", "ben"}
    assert rows(page, "confusions") == {"start → stop": ["1"], "stop → (none)": ["1"]}
    others = rows(page, "other")
    assert clean.speech is not None
    assert others["other speech"][2] == str(clean.speech.accepted) == "1"
    assert others["other speech"][4] == per_cent(clean.speech.refused)
    assert "noise" in others
    (table,) = page.all("table", id="confidence-readings")
    assert [int(row[1]) for row in table.rows[1:]] == [each.count for each in report.overall.reliability]
    assert f"expected calibration error {100 * report.overall.calibration_error:.1f} %" in page.text
    for part, ids in (("wrong", ["b"]), ("refused", ["d", "c"]), ("false", ["s"])):
        (section,) = page.all("section", **{"aria-labelledby": f"{part}-part"})
        assert [heading.text for heading in section.all("h3")] == ids
    sounds = {next(item.all("h3")).text for item in page.all("li") if list(item.all("audio"))}
    assert sounds == {"a", "c", "s"}, "what the list has"
    # What was heard freely, beside what was said: only of the recordings of the list as they are.
    (section,) = page.all("section", **{"aria-labelledby": "worst-part"})
    assert [heading.text for heading in section.all("h3")] == ["a", "c", "s"]
    assert rows(page, "deletions") == {"one": ["2"], "hello": ["1"], "start": ["1"], "stop": ["1"]}


def changed(folder: Path, name: str, said: dict[str, tuple[str, str, str]]) -> Path:
    """A folder with the report of a run over two lists, whose recordings are beside it."""
    (folder / name).mkdir()
    lists = {}
    for part, ids in (("one", "abc"), ("two", "de")):
        path = folder / f"{part}.tsv"
        if not path.exists():
            named = [recorded(folder, id, *said[id][:2]) for id in ids]
            rows_of = [f"{each.path.name}\t{each.speaker}\t{each.text}\n" for each in named]
            path.write_text("path\tspeaker\ttext\n" + "".join(rows_of))
        lists[str(path)] = [each.id for each in read_manifest(path)]
    ids_of = dict(zip("abcde", [id for ids in lists.values() for id in ids], strict=True))
    values = report_to_dict(report_on({ids_of[id]: row for id, row in said.items() if id in ids_of}))
    (folder / name / "report.json").write_text(json.dumps({**values, "lists": lists}))
    return folder / name


def compared(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The page of a comparison, and what it says as JSON."""
    first = changed(folder, "first", SAID)
    better = {**SAID, "a": (*SAID["a"][:2], SAID["a"][1]), "b": ("ann", "four", HOSTILE)}
    second = changed(folder, "second", better)
    arguments = ["compare", str(first), str(second), "--report", str(folder / "page"), "--json"]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    return folder / "page" / "compare.html", json.loads(ended.output)


def difference_rows(differences: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        each["measure"]: [
            f"{100 * each['first']:.1f} %",
            f"{100 * each['second']:.1f} %",
            f"{each['p']:.4f}",
            f"{100 * each['difference']['value']:+.1f} "
            f"({100 * each['difference']['low']:+.1f} to {100 * each['difference']['high']:+.1f})",
        ]
        for each in differences
    }


def test_two_runs_have_a_page_of_what_changed(tmp_path: Path) -> None:
    path, values = compared(tmp_path)
    html = path.read_text(encoding="utf-8")
    assert "<script" not in html
    page = Tree(html).root
    assert rows(page, "noise-0") == difference_rows(values["differences"])
    assert list(rows(page, "noise-0")) == ["word error rate", "character error rate", "sentences right"]
    assert len(values["by_list"]) == 2
    for place, members in enumerate(values["by_list"].values()):
        assert rows(page, f"list-{place}") == difference_rows(members)
    for part, heard in (("better", ("one too three", "one two three")), ("worse", ("four", HOSTILE))):
        (section,) = page.all("section", **{"aria-labelledby": f"{part}-part"})
        (item,) = section.all("li")
        groups = list(item.all("div", **{"class": "words"}))
        for group, name, text in zip(groups, ("first", "second"), heard, strict=True):
            (label, *pairs) = [
                [cell.text for cell in pair.all("i")] for pair in group.all("span") if list(pair.all("i"))
            ]
            assert label == ["said", name]
            assert " ".join(other for _, other in pairs if other) == printable(text)
        (player,) = item.all("audio")
        assert content_of(player.attributes["src"], "audio/wav")
    for tag in ("script", "link", "iframe", "object", "form", "img"):
        assert not list(page.all(tag)), tag


@pytest.mark.parametrize("kind", ["words", "compared"])
def test_a_browser_shows_all_of_it_on_a_desk_and_on_a_phone(browser: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report.html"
    if kind == "words":
        measured = evaluation(tmp_path, SAID)
        path.write_text(page_of(measured, "a title without a place to break it " + 80 * "x"), encoding="utf-8")
        values = report_to_dict(measured.report)
        figures = [values["wer"]["value"], values["cer"]["value"], values["sentence_accuracy"]["value"]]
        shown = [f"{100 * each:.1f} %" for each in figures]
    else:
        path, values = compared(tmp_path)
        shown = [f"{100 * each['difference']['value']:+.1f}" for each in values["differences"]]
    complaints: list[str] = []
    for wide, high in ((1280, 900), (390, 844)):
        view = browser.new_page(viewport={"width": wide, "height": high})
        view.on("console", lambda said: complaints.append(said.text))
        view.on("pageerror", lambda error: complaints.append(str(error)))
        view.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("data:") else None)
        view.goto(path.as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= wide
        assert view.locator(".tiles dd:not(.interval)").all_inner_texts()[: len(shown)] == shown
        assert view.evaluate(
            "async () => { const player = document.querySelector('audio'); player.load();"
            " await new Promise(resolve => { player.onloadedmetadata = player.onerror = resolve; });"
            " return player.duration; }"
        ) == pytest.approx(1.0, abs=0.01)
        key = view.evaluate("getComputedStyle(document.querySelector('td.rate'), '::before').content")
        assert ("bars" in key) == (wide < 640), "where the heads are hidden, each bar says what it goes up to"
        view.close()
    assert complaints == 2 * [path.as_uri()], "nothing but the page itself"
