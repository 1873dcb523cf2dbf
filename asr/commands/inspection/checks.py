"""What can go wrong with a grammar, found before anybody speaks."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import Final, Literal

from asr.commands.grammar.budget import Exhausted, Steps
from asr.commands.grammar.grammar import AS_SAID, Grammar, NumberRange, Wildcard, WordList, language_of
from asr.commands.inspection.alike import Comparison, Phrase, find_alike
from asr.commands.inspection.bounded_search import drawn, examples_of, within
from asr.commands.inspection.outlines import Normalise, UsedList, outlines, range_texts, used_lists, value_texts
from asr.commands.inspection.overlap import find_overlap
from asr.commands.inspection.sounds import Sounds, spelled_sounds
from asr.commands.network.network import Network
from asr.commands.reading import Reading
from asr.text.folding import fold
from asr.text.languages import find_language
from asr.text.normaliser import LANGUAGE
from asr.text.special import UNK
from asr.text.tokenizer import Tokenizer

Pronounce = Callable[[Sequence[str]], Mapping[str, Sounds]]

LONG_LIST: Final = 1000
"""Values, above which more and more of them sound like another."""

QUICK_SOUND, QUICK_WORD = 0.06, 0.05
"""Seconds that a sound takes in quick speech, and what a word takes beyond its sounds."""

_DRAWS: Final = 1500  # sentences that are parsed in search of two readings
_OUTLINES: Final = 1000  # of all commands together
_WAYS: Final = 4  # of saying a value that are compared
_NUMBERS: Final = 100  # of a range that are compared: after them it is much the same again
_PRONOUNCED: Final = 3000  # words; as many take some seconds
_NAMED: Final = 5
_STEPS: Final = 1_000_000  # in search of two readings; some seconds
_TEXT_STEPS: Final = 1_500_000  # to write out commands, and values of lists; some seconds
_NUMBER_STEPS: Final = 20  # to spell a number
_DRAW_STEPS: Final = 10  # to draw a sentence and begin to parse it

_NO_VOWEL: Final = re.compile("[^aeiouy]{2,}")


@dataclass(frozen=True)
class Finding:
    """What may go wrong: ``place`` is "file:line", empty where it is the whole; ``message`` and ``advice`` are plain.

    An error leaves no way to tell what is meant; a warning costs accuracy; a note is worth a look.
    """

    severity: Literal["error", "warning", "note"]
    kind: str
    place: str
    message: str
    advice: str


@dataclass(frozen=True)
class Check:
    """What was found in some grammars: ``counts`` of texts by command, ``examples`` of each, the worst finding first.

    ``compared_by`` says what was known of how words sound: "sounds", "letters", or "sounds and letters" where there
    were too many to pronounce.
    """

    count: int
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    examples: tuple[Reading, ...]
    compared_by: str

    @property
    def fails(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity == "error" for finding in self.findings)


def check(
    grammars: Sequence[Grammar],
    network: Network,
    normaliser: Normalise,
    tokenizer: Tokenizer | None,
    step_seconds: float,
    pronounce: Pronounce | None = None,
    seed: int = 0,
) -> Check:
    """Look for all that can go wrong.

    Args:
        grammars: what was written down.
        network: the sentences of all of them.
        normaliser: the one that made the network.
        tokenizer: of the model that will listen; None where none is at hand that hears the language.
        step_seconds: how far apart the frames are in which that model places tokens.
        pronounce: the sounds of words; without it they are guessed from the letters.
        seed: of the sentences that are drawn.
    """
    generator = random.Random(seed)
    lists = used_lists(grammars)
    commands, all_commands = within(_command_texts(grammars, normaliser, generator, Steps(_TEXT_STEPS)))
    steps = Steps(_TEXT_STEPS)
    language = language_of(grammars) or LANGUAGE
    looked_at = [within(_values(used, normaliser, steps, language)) for used in lists]
    values = [said for said, _ in looked_at]
    texts = [*commands, *(said for several in values for said in several)]
    sounds, compared_by = _ears(texts, pronounce)
    findings = [
        *(_spelling(network, tokenizer, step_seconds, sounds) if tokenizer else _no_model(language)),
        *_letters(texts),
        *_same_sentences(network),
        *_swallowed_slots(network, generator),
        *_alike_commands(find_alike(commands, sounds)),
        *(finding for used, said in zip(lists, values, strict=True) for finding in _list(used, said, sounds)),
        *_one_word(grammars, network, lists),
        *_not_wholly(all_commands, all(wholly for _, wholly in looked_at)),
    ]
    order = ("error", "warning", "note")
    examples, all_examples = within(examples_of(network, generator))
    if not all_examples:
        message = f"sentences of {network.commands[len(examples)]} are too long for an example; nobody can say them"
        findings.append(Finding("warning", "long-sentence", "", message, "shorten what its rules name"))
    return Check(
        network.count(),
        network.counts(),
        tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
        tuple(examples),
        compared_by,
    )


def _no_model(language: str) -> Iterator[Finding]:
    name = find_language(language).NAME
    yield Finding(
        "warning",
        "other-language",
        "",
        f"the commands are in {name}, which the bundle does not hear",
        f"to recognise them, use a bundle that was trained on {name}",
    )


def _not_wholly(commands: bool, values: bool) -> Iterator[Finding]:
    if not (commands and values):
        parts = " and ".join([*([] if commands else ["commands"]), *([] if values else ["values of lists"])])
        yield Finding(
            "note",
            "not-wholly",
            "",
            f"there are too many {parts}, or too long ones, to compare all that sounds alike",
            "nothing to do, if none was found",
        )


def _command_texts(
    grammars: Sequence[Grammar], normaliser: Normalise, generator: random.Random, steps: Steps
) -> Iterator[Phrase]:
    count = sum(len(templates) for grammar in grammars for templates in grammar.commands.values())
    most = max(3, _OUTLINES // max(count, 1))
    for grammar in grammars:
        for command, templates in grammar.commands.items():
            for template in templates:
                for text in outlines(template, normaliser, most, generator, steps):
                    yield Phrase(command, text, template.place)


def _values(used: UsedList, normaliser: Normalise, steps: Steps, language: str) -> Iterator[Phrase]:
    """The ways of saying the values of a list; values with the same ``out`` mean the same."""
    if isinstance(used.list, WordList):
        for at, value in enumerate(used.list.values):
            out, texts = value_texts(value, used.scope, normaliser, _WAYS, steps, language)
            meaning = f"value {at}" if out is AS_SAID else repr(out)
            yield from (Phrase(meaning, text, value.place) for text in texts)
    elif isinstance(used.list, NumberRange):
        for number, texts in range_texts(used.list, _NUMBERS, language):
            steps.spend(_NUMBER_STEPS)
            yield from (Phrase(number, text, used.scope.place) for text in texts)


def _ears(texts: Sequence[Phrase], pronounce: Pronounce | None) -> tuple[Callable[[str], Sounds], str]:
    words = dict.fromkeys(word for said in texts for word in said.text if not word.startswith("{"))
    known = dict(pronounce(list(islice(words, _PRONOUNCED)))) if pronounce is not None and words else {}
    compared_by = "letters" if pronounce is None else "sounds" if len(words) <= _PRONOUNCED else "sounds and letters"

    def sounds(word: str) -> Sounds:
        if not known.get(word):
            known[word] = spelled_sounds(word)
        return known[word]

    return sounds, compared_by


def _spelling(
    network: Network, tokenizer: Tokenizer, step_seconds: float, sounds: Callable[[str], Sounds]
) -> Iterator[Finding]:
    unknown, crowded = [], []
    for word in sorted(network.words()):
        tokens = tokenizer.encode(word)
        # CTC parts two tokens that are the same by a frame in which it gives none.
        frames = len(tokens) + sum(one == other for one, other in pairwise(tokens))
        if UNK in tokens:
            unknown.append(word)
        elif frames * step_seconds > QUICK_WORD + QUICK_SOUND * len(sounds(word)):
            crowded.append(word)
    if unknown:
        yield Finding(
            "error",
            "unknown-token",
            "",
            f"the model's tokens cannot spell {_some(unknown)}",
            "take other words, or a model whose tokenizer knows every letter",
        )
    if crowded:
        yield Finding(
            "warning",
            "many-tokens",
            "",
            f"{_some(crowded)}: more tokens than quick speech leaves frames for (one every {step_seconds:g} s)",
            "such words are easily missed; take longer ones or say them with another word",
        )


def _letters(texts: Sequence[Phrase]) -> Iterator[Finding]:
    words = sorted({word for said in texts for word in said.text})
    letters = [word for word in words if word.isalpha() and _NO_VOWEL.fullmatch(fold(word))]
    if letters:
        yield Finding(
            "note",
            "letters",
            "",
            f"no vowel in {_some(letters)}; the model spells what is said",
            "write letters that are said one by one apart, and abbreviations as they are said",
        )


def _same_sentences(network: Network) -> Iterator[Finding]:
    overlap = find_overlap(network)
    for shared in overlap.shared:
        first, second = shared.commands
        if shared.wild:
            yield Finding(
                "warning",
                "same-sentence",
                "",
                f'"{shared.text}" is a sentence of {first} and of {second}, as one of them takes any words',
                "the likelier of the two is understood, mostly the one with words of its own",
            )
        elif shared.may_tie:
            yield Finding(
                "warning",
                "same-sentence",
                "",
                f'"{shared.text}" is a sentence of {first} and of {second}',
                "the likelier of the two is understood; say what your devices are (`context: {domain: light}`)",
            )
        else:
            yield Finding(
                "error",
                "same-sentence",
                "",
                f'"{shared.text}" is a sentence of {first} and of {second}',
                "let it belong to one of them",
            )
    if not overlap.complete:
        yield Finding(
            "note",
            "same-sentence",
            "",
            "the commands have too much in common to be searched for all sentences that they share",
            "nothing to do, if none was found",
        )


def _swallowed_slots(network: Network, generator: random.Random) -> Iterator[Finding]:
    steps = Steps(_STEPS)
    try:
        yield from _two_readings(network, generator, steps)
    except Exhausted:
        yield Finding(
            "note",
            "slots",
            "",
            "the sentences are too long or too many to be searched wholly for those that can be read in two ways",
            "nothing to do, if none was found",
        )


def _two_readings(network: Network, generator: random.Random, steps: Steps) -> Iterator[Finding]:
    seen: set[tuple[str, frozenset[str]]] = set()
    draws = max(20, _DRAWS // len(network.commands))
    for command in network.commands:
        for text in drawn(network, generator, command, draws, steps):
            steps.spend(_DRAW_STEPS)
            readings = [reading for reading in network.readings(text, steps=steps) if reading.command == command]
            for first, second in islice(combinations(readings, 2), _NAMED):
                slots = frozenset(
                    name
                    for name in {**first.slots, **second.slots}
                    if name not in first.slots
                    or name not in second.slots
                    or repr(first.slots[name]) != repr(second.slots[name])
                )
                if (command, slots) not in seen:
                    seen.add((command, slots))
                    yield Finding(
                        "warning",
                        "slots",
                        "",
                        f'{command}: "{text}" can mean {_slots(first)} or {_slots(second)}',
                        "put a word between the slots, or take the value out of one of them",
                    )


def _alike_commands(comparison: Comparison) -> Iterator[Finding]:
    for pair in comparison.pairs:
        same = pair.difference == 0
        yield Finding(
            "warning",
            "alike-commands",
            pair.first.place,
            f'"{" ".join(pair.first.text)}" ({pair.first.meaning}) and "{" ".join(pair.second.text)}" '
            f"({pair.second.meaning}, {pair.second.place}) sound {'the same' if same else 'alike'}",
            "say one of them in other words",
        )


def _list(used: UsedList, values: list[Phrase], sounds: Callable[[str], Sounds]) -> Iterator[Finding]:
    name = f"{{{used.name}}}"
    if isinstance(used.list, Wildcard):
        yield Finding(
            "warning",
            "wildcard",
            used.scope.place,
            f"{name} takes any words, so nothing that is said there can be rejected",
            "where the words are known, a list of them is recognised better",
        )
    size = _size(used)
    if size > LONG_LIST:
        yield Finding(
            "warning",
            "long-list",
            used.scope.place,
            f"{name} has {size:,} values; above {LONG_LIST:,} more and more of them are taken for another",
            "leave out what is never said, or part it into lists that different commands take",
        )
    texts: dict[tuple[str, ...], Phrase] = {}
    for said in values:
        other = texts.setdefault(said.text, said)
        if other.meaning != said.meaning and isinstance(used.list, WordList):
            known = any(value.context for value in used.list.values)  # which may tell them apart
            yield Finding(
                "warning" if known else "error",
                "same-value",
                said.place,
                f'{name}: "{" ".join(said.text)}" is there twice, also at {other.place}, and stands for two things',
                "let it stand for one of them",
            )
    comparison = find_alike(values, sounds)
    if comparison.pairs:
        named = [f"{' '.join(pair.first.text)} / {' '.join(pair.second.text)}" for pair in comparison.pairs]
        some = "" if comparison.complete else "; only the nearest in the order of their sounds were compared"
        numbers = isinstance(used.list, NumberRange)
        yield Finding(
            "note" if numbers else "warning",
            "alike-values",
            comparison.pairs[0].first.place,
            f"{name}: values that sound alike: {_some(named)}{some}",
            "larger steps keep numbers apart, where they will do" if numbers else "say one of each in other words",
        )


def _size(used: UsedList) -> int:
    if isinstance(used.list, WordList):
        return len(used.list.values)
    return used.list.size if isinstance(used.list, NumberRange) else 0


def _one_word(grammars: Sequence[Grammar], network: Network, lists: Sequence[UsedList]) -> Iterator[Finding]:
    words = network.words()
    if len(words) == 1 and not any(isinstance(used.list, Wildcard) for used in lists):
        yield Finding(
            "warning",
            "one-word",
            "",
            f"{grammars[0].name}: {next(iter(words))!r} is all that can be said; much other speech is near it",
            "more words in the sentence make it easier to reject what is no command",
        )


def _slots(reading: Reading) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in reading.slots.items()) + "}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
