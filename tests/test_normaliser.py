"""Laws and examples of the text normaliser."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import SettingsError
from asr.text.normaliser import Normaliser

normalise = Normaliser()

# Plain Unicode seldom holds a price or a clock time, so half the texts are made of the pieces that the rules look for.
pieces = st.sampled_from([*"0123456789", *" .,:-−'’&%$€°½²٣ßéİ_/()", "st", "th", "million", "Mr", "am", "a"])
texts = st.text() | st.lists(pieces | st.characters(), max_size=20).map("".join)


@given(texts)
def test_the_output_holds_words_of_letters_and_inner_apostrophes_with_single_spaces(text: str) -> None:
    words = "[a-z]+(?:'[a-z]+)*"
    assert re.fullmatch(f"(?:{words}(?: {words})*)?", normalise(text))


@given(texts)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(texts, texts)
def test_lines_are_normalised_independently(first: str, second: str) -> None:
    apart = f"{normalise(first)} {normalise(second)}".strip()
    assert normalise(f"{first}\n{second}") == apart


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_thousands_separators_do_not_change_the_number(number: int) -> None:
    assert normalise(f"{number:,}") == normalise(str(number))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Turn the LIGHTS on!", "turn the lights on"),
        ("", ""),
        (" \t\n… — !", ""),
        ("Don’t, don`t, don´t, don＇t, donʼt", "don't don't don't don't don't"),
        ("'Twas the dogs' 'best' rock 'n' roll", "twas the dogs best rock n roll"),
        ("well-known — state–of–the‑art", "well known state of the art"),
        ("café naïve Ångström straße Æsop Łódź", "cafe naive angstrom strasse aesop lodz"),
        ("cafe\u0301 co\u00adoperate ﬁne ＡＢＣ Acme™ İstanbul", "cafe cooperate fine abc acme istanbul"),
        ("привет 你好 hello", "hello"),
        ("salt & pepper, R&B", "salt and pepper r and b"),
        ("Mr. Smith and Mrs. Jones saw Dr. Who", "mister smith and missus jones saw doctor who"),
        ("0 7 21 105", "zero seven twenty one one hundred and five"),
        ("1,234 and 1234", "one thousand two hundred and thirty four and one thousand two hundred and thirty four"),
        ("1,2,3 1,000,00", "one two three one zero zero zero zero zero"),
        ("in 1984", "in one thousand nine hundred and eighty four"),
        ("007 0", "zero zero seven zero"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
        ("1st 2nd 3rd 21st 1,000th", "first second third twenty first one thousandth"),
        ("3.5 0.05 .5 3.50", "three point five zero point zero five point five three point five zero"),
        ("Version 1.2.3.", "version one point two point three"),
        ("7:30 7:05 7:00 17:45pm", "seven thirty seven oh five seven seventeen forty five pm"),
        ("25:99 1:02:03", "twenty five ninety nine one zero two zero three"),
        ("50% off, 3.5 %", "fifty percent off three point five percent"),
        ("$5 $1 £2.50 €3.00", "five dollars one dollar two pounds fifty three euros"),
        ("$3.5 million, 5 € $1,000", "three point five million dollars five euros one thousand dollars"),
        ("$1 million $1.5", "one million dollars one point five dollars"),
        ("9-11 -5 −$5 2024-25", "nine eleven minus five minus five dollars two thousand and twenty four twenty five"),
        ("mp3 3D 1990s 90's", "mp three three d one thousand nine hundred and ninety s ninety's"),
        ("٣ ３ 10² 2½", "three three ten two two one two"),
        ("20°C +5", "twenty degrees c plus five"),
    ],
)
def test_examples(text: str, words: str) -> None:
    assert normalise(text) == words


def test_the_settings_survive_a_round_trip() -> None:
    assert Normaliser.from_dict(normalise.to_dict()) == normalise
    assert normalise.to_dict() == {"language": "en", "version": 1}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"language": "en", "version": 1, "case": "upper"}, "case"),
        ({"language": "en"}, "version"),
        ({"language": "en", "version": 2}, "2"),
        ({"language": "en", "version": "1"}, "'1'"),
        ({"language": "en", "version": True}, "True"),
        ({"language": "de", "version": 1}, "'de'"),
    ],
)
def test_settings_that_are_not_known_are_refused(settings: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Normaliser.from_dict(settings)


def test_a_program_that_meets_no_number_does_not_load_the_speller() -> None:
    program = (
        "import sys\n"
        "from asr.text.normaliser import Normaliser\n"
        "Normaliser()('Hello')\n"
        "print('num2words' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
