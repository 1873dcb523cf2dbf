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
pieces = st.sampled_from(
    [*"0123456789", *" .,:-−'’&%$€¢°½⅟↉²٣ßéİ_/⁄()", "st", "th", "million", "Mr", "am", "p.m.", "a", "k", "0s", "\u202f"]
)
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
        (".25 .05.5", "point two five point zero five point five"),
        ("Dec. 3, 3rd of sept, mar 5", "december three third of september march five"),
        ("Mar 300, sep, 5 decades, jan", "mar three hundred sep five decades jan"),
        ("+93,641 +93641", "plus ninety three thousand six hundred and forty one plus nine three six four one"),
        ("+93641%", "plus ninety three thousand six hundred and forty one percent"),
        ("Version 1.2.3.", "version one point two point three"),
        ("7:30 7:05 7:00 17:45pm", "seven thirty seven oh five seven seventeen forty five p m"),
        ("25:99 1:02:03", "twenty five ninety nine one oh two oh three"),
        ("24:00 12:00:05 0:05", "twenty four twelve oh oh oh five zero oh five"),
        ("7:30 PM, 7:30pm, 7.30 p.m., 7pm", "seven thirty p m seven thirty p m seven thirty p m seven p m"),
        ("7:30am-9pm, I am 5, am I", "seven thirty a m nine p m i am five am i"),
        ("50% off, 3.5 %", "fifty percent off three point five percent"),
        ("$5 $1 £2.50 €3.00", "five dollars one dollar two pounds fifty three euros"),
        ("$3.5 million, 5 € $1,000", "three point five million dollars five euros one thousand dollars"),
        ("$1 million $1.5", "one million dollars one point five dollars"),
        ("9-11 -5 −$5 2024-25", "nine eleven minus five minus five dollars two thousand and twenty four twenty five"),
        ("$.50 $0.05 £0.01 €.5 50¢", "fifty cents five cents one penny point five euros fifty cents"),
        (
            "$1M $3k $2.5bn 5 m€",
            "one million dollars three thousand dollars two point five billion dollars five million euros",
        ),
        ("$2½ $½ $-5", "two and a half dollars half a dollar minus five dollars"),
        ("mp3 3D 20C 5km 10s", "mp three three d twenty c five km ten s"),
        (
            "1990s 90's the '60s 1900s 2000s 2010s",
            "nineteen nineties nineties the sixties nineteen hundreds two thousands twenty tens",
        ),
        ("٣ ３ 10² ①", "three three ten two one"),
        ("20°C +5 1° 21°", "twenty degrees c plus five one degree twenty one degrees"),
        ("2½ cups, ½ an hour, ¼ ¾", "two and a half cups half an hour one quarter three quarters"),
        (
            "⅓ ⅔ ⅕ ⅛ ⅞ 1⅛ ⅒ ٣½",
            "one third two thirds one fifth one eighth seven eighths one and an eighth one tenth three and a half",
        ),
        ("1/2 3/4 2 1/2 2-1/2 1⁄2 3⁄2", "half three quarters two and a half two and a half half three halves"),
        ("-½ 3½% ½½ 1/2's", "minus half three and a half percent half half half's"),
        (
            "24/7 9/11 50/50 4/4 1/2/2024",
            "twenty four seven nine eleven fifty fifty four four one two two thousand and twenty four",
        ),
        ("1⁄0 0/0 1⁄1", "one zero zero zero one one"),
        ("1 000 / 10 000 / 1 250 000", "one thousand ten thousand one million two hundred and fifty thousand"),
        ("1\u202f234 5 100 12 500", "one thousand two hundred and thirty four five one hundred twelve five hundred"),
        ("555-1234", "five five five one two three four"),
        (
            "(555) 123-4567 or 1-800-555-1234",
            "five five five one two three four five six seven or one eight zero zero five five five one two three four",
        ),
        ("+44 20 7946 0958", "plus four four two zero seven nine four six zero nine five eight"),
        ("500-1000 people", "five hundred one thousand people"),
        ("hi\u200bthere a\u200db\u200cc\u00add\ufeff", "hi there abcd"),
    ],
)
def test_examples(text: str, words: str) -> None:
    assert normalise(text) == words


@pytest.mark.parametrize("digits", [15, 16, 309, 5000])
@pytest.mark.parametrize(
    "form", ["{}", "{}th", "${}", "{}€", ".{}", "{}.{}", "{}/2", "1/{}", "{}½", "{}:30", "{}pm", "+{}", "{}0s"]
)
def test_no_number_is_too_long_to_be_spelled(digits: int, form: str) -> None:
    words = normalise(form.replace("{}", "7" * digits))
    assert "seven" in words
    assert normalise(words) == words


LONG = [
    *("1", "1,", "111,", "1.", ".1", "1:", "1/", "1⁄", "1 ", "111 ", "000 ", "1\u202f", "111\u202f", "-", "-1", "+1 "),
    *("$", "$1", "$.", "1€", "1m€", "1st", "0s'", "'60s", "7 p", "7:30 ", "555-", "½", "²", "a", "'", "a'", "\u200b"),
    *("e\u0301", "\u0301", "\u0301\u0323", "\uff9e", "\uff9f\uff9e"),
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", LONG)
def test_a_long_line_takes_no_more_than_time_in_proportion(unit: str) -> None:
    """With time by the square of the length, many would take minutes; and nothing of a long line is lost."""
    line = unit * (50_000 // len(unit))
    for end in ("", "9x"):
        first, *_, last = normalise(f"word {line}{end} and").split()
        assert (first, last) == ("word", "and")


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
        ({"language": "fr", "version": 1}, "'fr'"),
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
