"""How numbers, times and dates are said: laws against the normaliser, and examples."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.commands.grammar.grammar import DateRange, NumberRange, TimeRange
from asr.commands.grammar.spoken import Spoken, dates, number_ways, numbers, times, written
from asr.text import english
from asr.text.normaliser import Normaliser

normalise = Normaliser()
whole_numbers = st.integers(0, 2000) | st.integers(0, 10**15 - 1)
decimals = st.builds(
    lambda whole, part: Decimal(f"{whole}.{part}"), st.integers(0, 2000), st.from_regex("[0-9]{1,3}", fullmatch=True)
)
minutes = st.integers(0, 24 * 60 - 1)


def texts_of(spoken: tuple[Spoken, ...] | None) -> set[str]:
    assert spoken is not None
    return {way.text for way in spoken}


def value_of(text: str) -> Any:
    spoken = written(text)
    assert spoken is not None
    (value,) = {way.value for way in spoken}
    return value


@given(whole_numbers | decimals)
@settings(max_examples=100)
def test_every_way_to_say_a_number_is_in_normal_form_and_the_normalisers_is_first(number: int | Decimal) -> None:
    ways = number_ways(number)
    assert ways[0] == normalise(str(number))
    assert [normalise(way) for way in ways] == list(ways)
    assert len(set(ways)) == len(ways)


@given(st.integers(1, 5000))
@settings(max_examples=50)
def test_a_negative_number_is_said_as_its_positive_one_with_minus_or_negative(number: int) -> None:
    ways = {f"{sign} {way}" for sign in ("minus", "negative") for way in number_ways(number)}
    assert set(number_ways(-number)) == ways
    assert normalise(str(-number)) in ways


def test_no_way_of_saying_a_whole_number_means_two_of_them() -> None:
    heard: dict[str, int] = {}
    for number in range(10_000):
        for way in number_ways(number):
            assert heard.setdefault(way, number) == number


@pytest.mark.parametrize(
    ("number", "ways"),
    [
        (5, {"five"}),
        (0, {"zero", "nought"}),
        (105, {"one hundred and five", "one hundred five", "a hundred and five", "a hundred five"}),
        (1200, {"one thousand two hundred", "a thousand two hundred", "twelve hundred"}),
        (2005, {"two thousand and five", "two thousand five", "twenty oh five"}),
        (-5, {"minus five", "negative five"}),
        (Decimal("20.5"), {"twenty point five", "twenty and a half"}),
        (Decimal("1.75"), {"one point seven five", "one and three quarters"}),
        (Decimal("3.0"), {"three point zero", "three point oh", "three"}),
    ],
)
def test_examples_of_numbers(number: int | Decimal, ways: set[str]) -> None:
    assert set(number_ways(number)) == ways


def test_a_number_range_has_both_its_ends_and_its_steps() -> None:
    assert list(numbers(NumberRange(-10, 10, step=10))) == [
        Spoken("minus ten", -10),
        Spoken("negative ten", -10),
        Spoken("zero", 0),
        Spoken("nought", 0),
        Spoken("ten", 10),
    ]


def test_fractions_follow_each_number_of_a_range() -> None:
    halves = {way.text: way.value for way in numbers(NumberRange(-1, 1, fractions="halves"))}
    assert sorted(set(halves.values())) == [-1, -0.5, 0, 0.5, 1, 1.5]
    assert (halves["one and a half"], halves["minus zero point five"]) == (1.5, -0.5)
    tenths = [way.value for way in numbers(NumberRange(0, 0, fractions="tenths"))]
    assert sorted(set(tenths)) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_multiplier_changes_the_value_and_not_the_words() -> None:
    found = list(numbers(NumberRange(1, 3, multiplier=0.1)))
    assert found == [Spoken("one", 0.1), Spoken("two", 0.2), Spoken("three", 0.3)]
    assert [type(way.value) for way in numbers(NumberRange(2, 2, multiplier=60.0))] == [int]


@given(minutes)
@settings(max_examples=100)
def test_a_range_of_one_time_has_what_the_normaliser_writes_for_it(minute: int) -> None:
    spoken = list(times(TimeRange(minute, minute, 1)))
    clock = f"{minute // 60:02}:{minute % 60:02}"
    assert {way.value for way in spoken} == {clock}
    texts = [way.text for way in spoken]
    assert len(set(texts)) == len(texts)
    assert [normalise(text) for text in texts] == texts
    assert {normalise(clock), normalise(f"{(minute // 60 - 1) % 12 + 1}:{minute % 60:02}")} <= set(texts)


def test_no_way_of_saying_a_time_means_two_of_them() -> None:
    heard = defaultdict(set)
    for way in times(TimeRange(0, 24 * 60 - 1, 1)):
        heard[way.text].add(way.value)
    assert {value for values in heard.values() for value in values} == {
        f"{h:02}:{m:02}" for h in range(24) for m in range(60)
    }
    assert {text for text, values in heard.items() if len(values) > 1} == set()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seven thirty", "07:30"),
        ("half past seven", "07:30"),
        ("half seven", "07:30"),
        ("seven thirty p m", "19:30"),
        ("seven thirty pm", "19:30"),
        ("nineteen thirty", "19:30"),
        ("half past seven in the evening", "19:30"),
        ("quarter to eight", "07:45"),
        ("a quarter past eight at night", "20:15"),
        ("ten to eight", "07:50"),
        ("ten minutes to eight in the evening", "19:50"),
        ("three minutes past eight", "08:03"),
        ("one minute to one", "12:59"),
        ("twenty five to one in the morning", "00:35"),
        ("seven o'clock", "07:00"),
        ("seven oh five", "07:05"),
        ("twelve", "12:00"),
        ("twelve thirty", "12:30"),
        ("twelve thirty a m", "00:30"),
        ("half past midnight", "00:30"),
        ("quarter to midnight", "23:45"),
        ("noon", "12:00"),
        ("midday", "12:00"),
        ("midnight", "00:00"),
        ("three in the afternoon", "15:00"),
        ("nineteen hundred", "19:00"),
    ],
)
def test_examples_of_times(text: str, value: str) -> None:
    assert {way.text: way.value for way in times(TimeRange(0, 24 * 60 - 1, 1))}[text] == value


@pytest.mark.parametrize(
    "text", ["three in the evening", "three a m in the morning", "eight minutes eight", "three past one"]
)
def test_what_nobody_says_is_no_time(text: str) -> None:
    assert text not in {way.text for way in times(TimeRange(0, 24 * 60 - 1, 1))}


def test_a_time_without_a_half_of_the_day_is_the_one_that_the_range_has() -> None:
    evening = {way.text: way.value for way in times(TimeRange(17 * 60, 20 * 60, 15))}
    assert (evening["seven thirty"], evening["half past seven"]) == ("19:30", "19:30")
    assert "seven thirty a m" not in evening
    assert "seven twenty" not in evening


def test_dates_are_days_of_the_week_relative_days_and_days_of_months() -> None:
    spoken = list(dates(DateRange()))
    heard = {way.text: way.value for way in spoken}
    assert len(heard) == len(spoken)
    assert [normalise(text) for text in heard] == list(heard)
    assert len({value for value in heard.values() if value[0].isdigit()}) == 366
    for text in (
        "the third of march",
        "third of march",
        "march third",
        "march the third",
        "three march",
        "march three",
    ):
        assert heard[text] == "03-03"
    wanted = {"monday": "monday", "this monday": "monday", "next monday": "next monday", "today": "today"}
    wanted |= {"tomorrow": "tomorrow", "the day after tomorrow": "day after tomorrow", "february twenty ninth": "02-29"}
    assert heard == heard | wanted
    assert "february thirtieth" not in heard


@pytest.mark.parametrize(
    ("text", "value", "way"),
    [
        ("105", 105, "a hundred and five"),
        ("1,005", 1005, "one thousand five"),
        ("3.5", 3.5, "three and a half"),
        (".5", 0.5, "point five"),
        ("-5", -5, "minus five"),
        ("−2.5", -2.5, "minus two and a half"),
        ("+5", 5, "plus five"),
        ("50%", 50, "fifty percent"),
        ("105 %", 105, "a hundred five percent"),
        ("1°", 1, "one degree"),
        ("½", 0.5, "half"),
        ("2½", 2.5, "two and a half"),
        ("1 1/2", 1.5, "one and a half"),
        ("007", "007", "oh oh seven"),
        ("1111111111111110", "1111111111111110", " ".join(["one"] * 15 + ["oh"])),
        ("7:30", "07:30", "half past seven"),
        ("7:05", "07:05", "seven oh five"),
        ("19:30", "19:30", "seven thirty p m"),
        ("7:30 am", "07:30", "seven thirty am"),
        ("7 p.m.", "19:00", "seven p m"),
        ("12 a.m.", "00:00", "midnight"),
        ("7 o'clock", "07:00", "seven o'clock"),
        ("3rd of May", "05-03", "may the third"),
        ("the 3rd of may", "05-03", "may third"),
        ("May 3", "05-03", "may three"),
        ("3 May 2026", "2026-05-03", "third of may twenty twenty six"),
        ("December 24, 2026", "2026-12-24", "december twenty fourth two thousand twenty six"),
        ("2026-12-24", "2026-12-24", "the twenty fourth of december twenty twenty six"),
        ("channel 105", "channel 105", "channel a hundred five"),
        ("1st floor", "1st floor", "first floor"),
        ("$5", "$5", "five dollars"),
        ("7:30 news", "7:30 news", "seven thirty news"),
        ("7:30 pm news", "7:30 pm news", "half past seven in the evening news"),
        ("911", 911, "nine one one"),
        ("911", 911, "nine eleven"),
        ("999", 999, "triple nine"),
        ("007", "007", "double oh seven"),
        ("channel 105", "channel 105", "channel one oh five"),
        ("channel 105", "channel 105", "channel one zero five"),
        ("room 101", "room 101", "room one oh one"),
        ("photos of 1984", "photos of 1984", "photos of nineteen eighty four"),
        ("photos of 1984", "photos of 1984", "photos of one nine eight four"),
        ("volume 1000", "volume 1000", "volume a thousand"),
        ("1500", 1500, "fifteen hundred"),
        ("10 000", 10000, "ten thousand"),
        ("-½", -0.5, "minus a half"),
        ("⅓", 1 / 3, "a third"),
        ("¾", 0.75, "three fourths"),
        ("1⅛ cups", "1⅛ cups", "one and an eighth cups"),
        ("2 1/2 cups", "2 1/2 cups", "two and one half cups"),
        ("½%", 0.5, "half percent"),
        ("$.50", "$.50", "fifty cents"),
        ("$3.50", "$3.50", "three dollars and fifty cents"),
        ("1990s", "1990s", "nineties"),
        ("24:00", "00:00", "midnight"),
        ("-0", 0, "negative zero"),
        ("555-1234", "555-1234", "triple five one two three four"),
        ("3rd Dec. 2026", "2026-12-03", "third december two thousand and twenty six"),
        ("7.30 p.m.", "19:30", "half past seven pm"),
    ],
)  # fmt: skip
def test_what_is_written_with_figures(text: str, value: object, way: str) -> None:
    spoken = written(text)
    assert way in texts_of(spoken)
    assert value_of(text) == value
    assert {normalise(each) for each in texts_of(spoken)} == texts_of(spoken)
    assert normalise(text) in texts_of(spoken)


@pytest.mark.parametrize("text", ["", "hello", "twenty", "half past seven", "monday", "don't", "-", "."])
def test_plain_words_are_left_alone(text: str) -> None:
    assert written(text) is None


figures = st.integers(0, 10**16).map(str) | st.integers(0, 2100).map(str) | st.integers(0, 10**6).map("{:,}".format)
vulgar = st.sampled_from("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒↉")
signs = st.sampled_from(["", "-", "−", "+", "$", "£", "€"])
halves = st.sampled_from(["", ":05", " pm", "am", " p.m.", " news"])
months = st.sampled_from(["may", "Dec.", "March the"])
years = st.sampled_from(["", ", 2026", " 1984"])
short_months = [" Dec", " of Dec.", "th of mar", "th sep 2026", " jan 2026"]
wholes = st.sampled_from(["", "-", "1", "2 ", "305", "0", "٣"])
slash = st.sampled_from("/⁄")
forms = st.one_of(
    figures,
    st.builds("{}{}{}".format, signs, figures, st.sampled_from(["", "%", "°"])),
    st.builds("{}{}{:02}".format, figures, st.just("."), st.integers(0, 99)),
    st.builds("{}{}".format, st.sampled_from(["$", "£", "€", "$0", ""]), st.integers(0, 99).map(".{:02}".format)),
    st.builds("{}{}{}".format, wholes, vulgar, st.sampled_from(["", "%", " cup"])),
    st.builds("{}{}{}{}".format, st.sampled_from(["", "2 ", "2-", "2"]), st.integers(0, 20), slash, st.integers(0, 40)),
    st.builds("{}:{:02}{}".format, st.integers(0, 25), st.integers(0, 59), halves),
    st.builds("{}.{:02} {}".format, st.integers(0, 25), st.integers(0, 59), st.sampled_from(["pm", "A.M."])),
    st.builds("{}{}".format, st.integers(0, 210).map("{}0".format), st.sampled_from(["s", "'s", "th"])),
    st.dates().map(str),
    st.builds("{} {}{}".format, st.sampled_from(["may", "Dec.", "March the"]), st.integers(1, 31), years),
    st.builds("{}{}{}".format, st.sampled_from(["", "the "]), st.integers(1, 31), st.sampled_from(short_months)),
    st.sampled_from(["555-1234", "+44 20 7946 0958", "+1 555 123 4567", "10 000", "1 000 000"]),
    st.sampled_from(["1\u202f234", "12 500", "7 o'clock", "007", "24:00"]),
)  # fmt: skip


@given(forms | st.lists(forms | st.just("channel"), min_size=1, max_size=4).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_what_the_normaliser_reads_is_among_the_ways_to_say_it(text: str) -> None:
    spoken = written(text)
    if spoken:
        assert normalise(text) in texts_of(spoken)
        assert [normalise(way.text) for way in spoken] == [way.text for way in spoken]


@given(forms)
@settings(max_examples=400, deadline=None)
def test_the_normaliser_and_the_grammar_read_alike_by_themselves(text: str) -> None:
    """Neither asks the other: what the one reads is among what the other knows of every form that it knows."""
    known = english.written_ways(text.strip())
    assert not known or normalise(text) in known[0]


def test_several_numbers_in_a_text_have_a_bounded_number_of_ways() -> None:
    for text in ("rooms 101 and 911 and 1984", "1984 1984 1984", "channel 105 at 7:30 pm", "1 2 3 4 5 6 7"):
        ways = [way.text for way in written(text) or ()]
        assert len(ways) <= 24
        assert not ways or normalise(text) == ways[0]
    assert "channel one oh five at half past seven p m" in texts_of(written("channel 105 at 7:30 pm"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["1", "1,", "111,", "1 ", "the ", "1/", "½", " ", "1.", "$"])
def test_a_long_text_takes_no_longer_than_its_length(unit: str) -> None:
    for text in (unit * 100_000, "1." + unit * 90):
        assert all(way.text == normalise(way.text) for way in written(text) or ())


@given(st.text(st.sampled_from("0123456789.,:-/%°½ ndpm'tMay") | st.characters(), max_size=12))
@settings(max_examples=300)
def test_whatever_is_written_comes_out_in_normal_form(text: str) -> None:
    for way in written(text) or ():
        assert way.text
        assert normalise(way.text) == way.text


@pytest.mark.parametrize("text", ["12:00", "0:00"])
def test_a_time_that_only_one_half_of_the_day_has_by_name(text: str) -> None:
    named = {"12:00": ("noon", "midnight"), "0:00": ("midnight", "noon")}[text]
    assert named[0] in texts_of(written(text))
    assert named[1] not in texts_of(written(text))
