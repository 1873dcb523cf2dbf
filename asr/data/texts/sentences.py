"""Varied training text for a recogniser of commands.

A decoder trained on a few hundred commands learns to recite them: two words in, it knows the rest and stops listening.
So most of this text cannot be guessed: commands of every domain with anything in their places, words exchanged, words
in random order, single words, digits, names and what is spelled.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from asr.data.texts import number_phrases
from asr.data.texts.sentence_templates import ready_templates
from asr.errors import SettingsError
from asr.text.english.numbers import DIGITS

# The share of each kind. Half of the text has a grammar to lean on, half has none.
SHARES: Final = {
    "command": 0.12,
    "changed": 0.08,
    "template": 0.27,
    "sentence": 0.13,
    "words": 0.11,
    "word": 0.15,
    "numbers": 0.09,
    "spelled": 0.05,
}

MAX_WORDS: Final = 8
"""The longest string of random words."""

LONGEST: Final = 20
"""No command is said with more words; those joined stop before."""

# What becomes of a filled template: the rest is said as it is.
_WAYS: Final = {"plain": 0.4, "polite": 0.22, "joined": 0.11, "hesitating": 0.1, "off": 0.09, "cut": 0.08}

_OLDER: Final = 5
"""Of the words by commonness, the first 16th, 8th, quarter, half, or all, as likely each."""

_LONGEST_SPELLED: Final = 9
_A_NAME: Final = 0.06

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def sentences(
    seed: int,
    n: int,
    vocabulary: Sequence[str],
    commands: Sequence[str],
    *,
    ranked: Sequence[str] = (),
    names: Sequence[str] = (),
    free: Sequence[str] = (),
) -> Iterator[str]:
    """``n`` sentences in a-z, apostrophes and single blanks, always the same for the same arguments.

    Shares by expectation (``SHARES``): 12 % commands as they are, used in turn, as evenly as can be; 8 % commands cut
    short, joined, or with words exchanged; 27 % templates (``ready_templates``), half of them politely, hesitating, two
    in one, cut short or one word off; 13 % sentences of ``free``; 11 % one to eight random words; 15 % single words;
    9 % digits, numbers, sums, times, dates and letters; 5 % words and names spelled. Without ``free`` the others share
    its part.

    Random words come from ``vocabulary``, and as often from ``ranked``, words of which common ones stand first and are
    the more likely; ``names`` of people and places stand among them. All of them, ``commands`` and ``free`` are in
    a-z, apostrophes and single blanks.
    """
    if not vocabulary or not commands:
        raise SettingsError(f"{len(vocabulary)} words and {len(commands)} commands: wanted at least 1 of each")
    make = _Sentences(random.Random(seed), vocabulary, commands, ranked, names, free)
    shares = {kind: share for kind, share in SHARES.items() if free or kind != "sentence"}
    for kind in make.generator.choices(list(shares), list(shares.values()), k=n):
        yield make.kinds[kind]()


def words_of(texts: Iterable[str]) -> list[str]:
    """The distinct words of transcripts, sorted; what is not in a-z with apostrophes inside is left out."""
    return sorted({word for text in texts for word in text.lower().split() if _WORD.fullmatch(word)})


class _Sentences:
    """Makes one sentence of each kind at a time."""

    def __init__(
        self,
        generator: random.Random,
        vocabulary: Sequence[str],
        commands: Sequence[str],
        ranked: Sequence[str],
        names: Sequence[str],
        free: Sequence[str],
    ) -> None:
        self.generator = generator
        self.vocabulary, self.commands, self.ranked = vocabulary, commands, ranked
        self.names, self.free = names or vocabulary, free
        self.templates = ready_templates()
        commands_in_turn, free_in_turn = self._in_turn(commands), self._in_turn(free)
        self.kinds: dict[str, Callable[[], str]] = {
            "command": lambda: next(commands_in_turn),
            "changed": self._changed,
            "template": self._template,
            "sentence": lambda: next(free_in_turn),
            "words": lambda: self._words(generator.randint(1, MAX_WORDS)),
            "word": self._lone,
            "numbers": lambda: number_phrases.anything(generator),
            "spelled": self._spelled,
        }
        self.made: dict[str, Callable[[], str]] = {
            "word": self._word,
            "words": lambda: self._words(generator.randint(1, 4)),
            "name": lambda: generator.choice(self.names),
            "sentence": lambda: generator.choice(free) if free else self._words(4),
            "number": lambda: number_phrases.number_in_words(generator.randint(1, 100), generator),
            "small": lambda: number_phrases.number_in_words(generator.randint(1, 12), generator),
            "big": lambda: number_phrases.number(generator),
            "digit": lambda: generator.choice(DIGITS),
            "digits": lambda: number_phrases.digits(generator, 3),
            "letter": lambda: number_phrases.letter(generator),
            "letters": lambda: number_phrases.letters(generator, 3),
            "time": lambda: number_phrases.time(generator),
            "date": lambda: number_phrases.date(generator),
            "year": lambda: number_phrases.year(generator),
            "ordinal": lambda: number_phrases.ordinal(generator),
            "percent": lambda: number_phrases.percent(generator),
            "degrees": lambda: number_phrases.degrees(generator),
            "decimal": lambda: number_phrases.decimal(generator),
            "money": lambda: number_phrases.money(generator),
        }

    def _in_turn(self, items: Sequence[str]) -> Iterator[str]:
        while items:
            yield from self.generator.sample(items, len(items))

    def _word(self) -> str:
        if self.names is not self.vocabulary and self.generator.random() < _A_NAME:
            return self.generator.choice(self.names)
        if self.ranked and self.generator.random() < 0.5:
            first = len(self.ranked) >> self.generator.randrange(_OLDER)
            return self.ranked[self.generator.randrange(max(1, first))]
        return self.generator.choice(self.vocabulary)

    def _words(self, count: int) -> str:
        return " ".join(self._word() for _ in range(count))

    def _lone(self) -> str:
        return self._fill("{lone}") if self.generator.random() < 0.55 else self._word()

    def _fill(self, pattern: str) -> str:
        return self.templates.fill(pattern, self.generator, self.made)

    def _changed(self) -> str:
        command = self.generator.choice(self.commands)
        way = self.generator.choice(("exchange", "cut", "join", "off"))
        if way == "cut":
            return self._cut(command)
        if way == "off":
            return self._off(command)
        if way == "join":
            return f"{command} {self._fill('{joint}')} {self.generator.choice(self.commands)}"
        words = command.split()
        for position in self.generator.sample(range(len(words)), (len(words) + 2) // 3):
            words[position] = self._word()
        return " ".join(words)

    def _template(self) -> str:
        """A filled template, as people say commands."""
        text = self._fill(self.generator.choice(self.templates.patterns))
        (way,) = self.generator.choices(list(_WAYS), list(_WAYS.values()))
        if way == "polite":
            before, after = self.generator.choice(((1, 0), (0, 1), (0, 1), (1, 1)))
            return self._fill("{polite_before} " * before + text + " {polite_after}" * after)
        if way == "joined":
            return self._joined(text)
        if way == "hesitating":
            words = text.split()
            words.insert(self.generator.randrange(len(words)), self._fill("{hesitation}"))
            return " ".join(words)
        if way == "off":
            return self._off(text)
        return self._cut(text) if way == "cut" else text

    def _joined(self, text: str) -> str:
        """Two commands in one, or three, as long as they are no longer than ``LONGEST``."""
        for _ in range(self.generator.choice((1, 1, 2))):
            other = self._fill(self.generator.choice(self.templates.patterns))
            longer = f"{text} {self._fill('{joint}')} {other}"
            text = longer if len(longer.split()) <= LONGEST else text
        return text

    def _cut(self, text: str) -> str:
        """A part of it, which may begin or end anywhere."""
        words = text.split()
        start = self.generator.choice((0, self.generator.randrange(len(words))))
        return " ".join(words[start : self.generator.randint(start + 1, len(words))])

    def _off(self, text: str) -> str:
        """One word off: another, one more, one fewer, or two that changed places."""
        words = text.split()
        place = self.generator.randrange(len(words))
        way = self.generator.choice(("another", "another", "more", "fewer", "swapped"))
        if way == "another":
            words[place] = self._word()
        elif way == "more":
            words.insert(place, self._word())
        elif way == "swapped":
            words[place : place + 2] = words[place : place + 2][::-1]
        elif len(words) > 1:
            del words[place]
        return " ".join(words)

    def _spelled(self) -> str:
        """A word or a name and its letters, or the letters alone."""
        word = self.generator.choice((self._word, self._word, self.made["name"]))()
        plain = word.replace("'", "").replace(" ", "")
        if not 3 <= len(plain) <= _LONGEST_SPELLED:
            return number_phrases.letters(self.generator)
        letters = " ".join(plain)
        if self.generator.random() < 0.2:  # people say a double letter so, or each of the two
            letters = re.sub(r"\b([a-z]) \1\b", r"double \1", letters)
        return self.generator.choice(
            (letters, letters, f"{word} {letters}", f"spell {word} {letters}", f"{word} spelled {letters}")
        )
