"""German: laws of its figures, a grammar from the file to its sentences, and who speaks them."""

import json
import re
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.commands.grammar.form import read_grammar, read_grammars
from asr.commands.grammar.grammar import DateRange, TimeRange
from asr.commands.grammar.spoken import dates, number_ways, times, written
from asr.commands.network.network import Network, compile_network
from asr.data.manifests.manifest import read_manifest
from asr.data.synthetic.pronunciation import pronounce
from asr.data.synthetic.speaking import speak
from asr.data.synthetic.voices import Voice, find_voices, split_voices, voices_of
from asr.errors import SettingsError
from asr.text import german
from asr.text.folding import fold
from asr.text.languages import LANGUAGES, find_language, language_code
from asr.text.normaliser import Normaliser

HAUS = ROOT / "recipes" / "german" / "haus.yaml"
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="wants the Debian package espeak-ng")

normalise = Normaliser("de")
pieces = st.sampled_from(
    [*"0123456789", *" .,:-−'%$€°½⅟²٣ßẞäÖ\u0308/+()", "er", " Uhr", "mai", "am ", "3. ", "Dr", "a", "\u202f", "°C"]
)
texts = st.text() | st.lists(pieces | st.characters(), max_size=20).map("".join)
figures = st.integers(0, 10**16).map(str) | st.integers(0, 2100).map(str)
forms = st.one_of(
    figures,
    st.integers(1000, 10**9).map(lambda number: f"{number:,}".replace(",", ".")),
    st.builds("{}{}{}".format, st.sampled_from(["", "-", "+", "−", "€", "$ "]), figures, st.sampled_from([" %", "°C"])),
    st.builds("{}{},{}{}".format, st.sampled_from(["", "-", "£"]), st.integers(0, 200), figures, st.just("")),
    st.builds("{},{:02} €".format, st.integers(0, 200), st.integers(0, 99)),
    st.builds("{}{}".format, st.sampled_from(["", "1", "2 ", "305"]), st.sampled_from("½⅓¼¾⅕⅛⅞")),
    st.builds("{}/{}".format, st.integers(0, 20), st.integers(0, 40)),
    st.builds("{}:{:02}{}".format, st.integers(0, 25), st.integers(0, 59), st.sampled_from(["", " Uhr"])),
    st.builds("{}{}Uhr{}".format, st.integers(0, 25), st.sampled_from(["", ".05 ", " "]), st.sampled_from(["", " 5"])),
    st.builds(
        "{}{}.{}{}".format,
        st.sampled_from(["", "am ", "der "]),
        st.integers(0, 32),
        st.sampled_from(["5.", " 12. ", " Mai", " dez.", " Stock"]),
        st.sampled_from(["", " 2026", "1984"]),
    ),
    st.dates().map(str),
    st.sampled_from(["0171 1234567", "+49 30 123456", "90er", "1990er", "1.2.3", "110", "007"]),
)


def texts_of(text: str) -> set[str]:
    return {way.text for way in written(text, "de") or ()}


@given(texts)
def test_words_are_spelled_with_the_letters_of_german_and_stay_as_they_are(text: str) -> None:
    said = normalise(text)
    word = "[a-zäöüß]+(?:'[a-zäöüß]+)*"
    assert re.fullmatch(f"(?:{word}(?: {word})*)?", said)
    assert normalise(said) == said


@given(forms)
@settings(max_examples=300, deadline=None)
def test_what_the_normaliser_reads_is_among_the_ways_to_say_it(text: str) -> None:
    known = german.written_ways(text)
    assert known is not None or not text.isdigit()
    if known:
        assert normalise(text) in known[0]
        assert len(set(known[0])) == len(known[0])
        assert [normalise(way) for way in known[0]] == list(known[0])


@given(st.integers(-2000, 10**15) | st.builds(Decimal, st.integers(0, 9999)).map(lambda number: number / 100))
@settings(max_examples=100, deadline=None)
def test_the_first_way_to_say_a_number_is_how_it_is_read(number: int | Decimal) -> None:
    ways = number_ways(number, "de")
    assert ways[0] == normalise(str(number).replace(".", ","))
    assert [normalise(way) for way in ways] == list(ways)


def test_no_way_of_saying_a_value_means_two_of_them() -> None:
    heard: dict[str, set[Any]] = defaultdict(set)
    for number in range(10_000):
        for way in number_ways(number, "de"):
            heard[f"number {way}"].add(number)
    for spoken in (*times(TimeRange(0, 24 * 60 - 1, 1), "de"), *dates(DateRange(), "de")):
        heard[spoken.text].add(spoken.value)
        assert normalise(spoken.text) == spoken.text
    assert not {text: values for text, values in heard.items() if len(values) > 1}
    values = {value for known in heard.values() for value in known}
    english = {spoken.value for spoken in (*times(TimeRange(0, 1439, 1)), *dates(DateRange()))}
    assert english <= values, "a program gets the same values in every language"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["1", "1.", "111.", "1,", "1 ", "3. ", "3.5.", "1:", "1/", "€", "-1", "0 ", "am ", "½", "ä", "a\u0308"]
)
def test_a_long_line_takes_no_more_than_time_in_proportion(unit: str) -> None:
    first, *_, last = normalise(f"wort {unit * (50_000 // len(unit))}x und").split()
    assert (first, last) == ("wort", "und")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GRÖẞE Straße a\u0308hnlich Café", "größe straße ähnlich cafe"),
        ("Dr. Müller & Co.", "doktor müller und co"),
        ("1.000 und 1984 und 3,5", "eintausend und eintausendneunhundertvierundachtzig und drei komma fünf"),
        ("21 °C, -5 °C, 1 %", "einundzwanzig grad celsius minus fünf grad celsius ein prozent"),
        ("um 7:30, 7.05 Uhr, 13 Uhr, 1 Uhr", "um sieben uhr dreißig sieben uhr fünf dreizehn uhr ein uhr"),
        ("am 3. Mai, 3. Mai, 3.5.", "am dritten mai dritter mai dritter fünfter"),
        ("im 3. Stock, der 2. Platz", "im dritten stock der zweite platz"),
        ("5 €, 5,50 €, 0,99 €, 1 €", "fünf euro fünf euro fünfzig neunundneunzig cent ein euro"),
        ("2½ Liter, ¾, 1/2, 24/7", "zweieinhalb liter drei viertel ein halb vierundzwanzig sieben"),
        ("+49 30 123456", "plus vier neun drei null eins zwei drei vier fünf sechs"),
        ("0171 1234567", "null eins sieben eins eins zwei drei vier fünf sechs sieben"),
        ("90er, MP3, 1.2.3", "neunziger mp drei eins punkt zwei punkt drei"),
        ("32.13.", "zweiunddreißig punkt dreizehn"),
        ("7:75 25 Uhr", "sieben fünfundsiebzig fünfundzwanzig uhr"),
    ],
)  # fmt: skip
def test_examples_of_what_is_read(text: str, words: str) -> None:
    assert normalise(text) == words


@pytest.mark.parametrize(
    ("text", "value", "way"),
    [
        ("105", 105, "hundertfünf"),
        ("112", 112, "eins eins zwo"),
        ("1,5", 1.5, "anderthalb"),
        ("½", 0.5, "eine halbe"),
        ("-2,5", -2.5, "minus zweieinhalb"),
        ("7:30", "07:30", "halb acht"),
        ("19:45 Uhr", "19:45", "dreiviertel acht abends"),
        ("12:30", "12:30", "halb eins"),
        ("8.25 Uhr", "08:25", "fünf vor halb neun"),
        ("0 Uhr", "00:00", "mitternacht"),
        ("am 3. Mai", "05-03", "am dritten fünften"),
        ("3.5.2026", "2026-05-03", "der dritte mai zweitausendsechsundzwanzig"),
        ("5,50 €", "5,50 €", "fünf euro und fünfzig cent"),
        ("3. Stock", "3. Stock", "dritter stock"),
        ("Kanal 112", "Kanal 112", "kanal eins eins zwei"),
    ],
)
def test_examples_of_what_is_said(text: str, value: object, way: str) -> None:
    spoken = {each.text: each.value for each in written(text, "de") or ()}
    assert spoken[way] == value
    assert normalise(text) in spoken


@given(st.text())
def test_letters_are_kept_in_any_composition_and_the_rest_is_folded_as_ever(text: str) -> None:
    assert fold(text, "") == fold(text)
    kept = fold(text, "äöü")
    assert fold(kept) == fold(text) or re.search("[ÄÖÜäöü]|\u0308", text)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_all_that_is_asked_of_one(code: str) -> None:
    language = find_language(code)
    assert Normaliser(code)("Wort word").split() == ["wort", "word"]
    assert language_code(f"{code.upper()}_XY") == code
    assert len({value for _, value in language.date_ways()}) == 366 + 14 + 6
    assert language.number_ways(7)[0] == Normaliser(code)("7")
    assert language.time_ways(450, bare=True)


# The grammar of recipes/german.


@pytest.fixture(scope="module")
def haus() -> Network:
    grammar = read_grammar(HAUS)
    assert grammar.language == "de"
    return compile_network([grammar], normalise)


@pytest.mark.parametrize(
    ("text", "command", "slots"),
    [
        ("Schalte bitte das Licht im Bad ein", "lampe_an", {"lampe": "Badlicht"}),
        ("Dimme die Stehlampe auf 45 Prozent", "dimmen", {"lampe": "Stehlampe", "prozent": 45}),
        ("Schließe die Rollläden in der Küche", "rollladen", {"raum": "Küche"}),
        ("Stell die Heizung im Büro auf 21,5 Grad", "heizen", {"raum": "Büro", "grad": 21.5}),
        ("stell die heizung im büro auf zwanzigeinhalb grad", "heizen", {"raum": "Büro", "grad": 20.5}),
        ("weck mich übermorgen um viertel vor acht", "wecker", {"tag": "day after tomorrow", "uhrzeit": "07:45"}),
        ("weck mich am 3. Mai um 19:30", "wecker", {"tag": "05-03", "uhrzeit": "19:30"}),
        ("weck mich um zehn uhr abends", "wecker", {"uhrzeit": "22:00"}),
        ("spiel Radio 105,9", "radio", {"sender": "Radio 105,9"}),
        ("stell das Radio auf halbe Lautstärke", None, None),
        ("stell das radio auf eine halbe lautstärke", "radio", {}),
    ],
)
def test_german_commands_are_understood(haus: Network, text: str, command: str | None, slots: object) -> None:
    reading = haus.parse(normalise(text))
    assert (reading and reading.command, reading and dict(reading.slots)) == (command, slots)


def test_its_sentences_are_in_german_words(haus: Network) -> None:
    words = haus.words()
    assert {"küche", "schließe", "rollläden", "fünfundvierzig", "nächsten", "dreiviertel"} <= words
    assert {normalise(word) for word in words} == words


def test_an_english_bundle_is_refused_and_a_check_says_so() -> None:
    with pytest.raises(
        SettingsError, match=r"^haus: found commands in German, and a bundle that hears English; use .*$"
    ):
        compile_network([read_grammar(HAUS)], Normaliser())
    done: Result = CliRunner().invoke(app, ["commands", "check", str(HAUS), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (warning,) = [each for each in found["findings"] if each["severity"] == "warning"]
    assert warning["kind"] == "other-language"
    assert "German" in warning["message"]


def test_grammars_that_are_used_together_are_of_one_language(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("language: de\ncommands: {a: ['das {ding} an']}\n")
    (tmp_path / "other.yaml").write_text("language: en-GB\nlists: {ding: [lamp]}\n")
    with pytest.raises(SettingsError, match=r"other\.yaml: found `language: en`, but `language: de` in .*one\.yaml"):
        read_grammars([tmp_path / "one.yaml", tmp_path / "other.yaml"])
    (tmp_path / "other.yaml").write_text("lists: {ding: ['3']}\n")
    (grammar,) = read_grammars([tmp_path / "one.yaml", tmp_path / "other.yaml"])
    reading = compile_network([grammar], normalise).parse("das drei an")
    assert reading is not None
    assert dict(reading.slots) == {"ding": 3}
    english = read_grammar(ROOT / "configs" / "commands" / "computer.yaml")
    with pytest.raises(SettingsError, match="one in German and computer in English; wanted one language"):
        compile_network([grammar, english], normalise)


def test_letters_that_german_does_not_have_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("language: de\ncommands: {a: [привет]}\n")
    with pytest.raises(SettingsError, match="wanted German words: write it as it is said, in a to z and äöüß"):
        read_grammar(path)


# Who speaks.


@needs_espeak
def test_german_voices_of_espeak_are_of_the_same_splits_and_speak_german() -> None:
    found = find_voices(("espeak-ng",), "de")
    assert {voice.language for voice in found} == {"de"}
    assert not set(found) & voices_of("espeak-ng")
    splits = split_voices(found)
    assert {"de+f3", "de+m3"} <= {voice.name for voice in splits["dev"]}
    assert all(splits.values())
    text = "schließe die rollläden"
    german_wave, english_wave = (speak(text, Voice("espeak-ng", name)) for name in ("de", "en-us"))
    assert german_wave.size > 8000
    assert not np.array_equal(german_wave, english_wave)


@needs_espeak
def test_german_words_are_pronounced_as_german() -> None:
    sounds = pronounce(["zeit", "über", "straße"], "de")
    assert sounds["zeit"] == ("ts", "aɪ", "t")
    assert "yː" in sounds["über"]
    with pytest.raises(SettingsError, match="found other letters than a-z and apostrophes"):
        pronounce(["über"])


def test_engines_that_speak_english_only_say_so() -> None:
    with pytest.raises(SettingsError, match="flite does not speak German; wanted espeak-ng or pico"):
        find_voices(("flite",), "de")


@needs_espeak
def test_the_grammar_is_spoken_by_voices_of_its_language(tmp_path: Path) -> None:
    out = tmp_path / "spoken"
    command = ["synthesize", str(HAUS), str(out), "--utterances", "3", "--jobs", "1", "--engines", "espeak-ng"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert {str(each.speaker)[:2] for each in read_manifest(out)} == {"de"}
    refused = CliRunner().invoke(app, [*command, "--language", "en"])
    assert isinstance(refused.exception, SettingsError)
    assert "in German; leave it out" in str(refused.exception)
