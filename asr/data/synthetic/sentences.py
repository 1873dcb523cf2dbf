"""Varied training text for a recogniser of commands.

A decoder trained on a few hundred commands learns to recite them: two words in, it knows the rest and stops listening.
So most of this text cannot be guessed: commands with words exchanged, words in random order, digits and letters.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from num2words import num2words

from asr.errors import SettingsError

# The share of each kind. Half of the text is commands or close to them, half has no grammar to lean on.
SHARES = {"command": 0.25, "changed": 0.15, "template": 0.20, "words": 0.25, "numbers": 0.15}

MAX_WORDS = 6

TEMPLATES = (
    "open the {program}",
    "open the {program} please",
    "close the {program}",
    "start the {program} please",
    "restart the {program}",
    "check whether the {program} ran {when}",
    "check whether the {device} {past}",
    "check whether the {device} {past} please",
    "check the {device} log",
    "check the {program} log and find out whether it {past}",
    "did the {program} run {when}",
    "is the {program} still running",
    "find my {things}",
    "find my {things} from {when}",
    "find the {size} {thing}",
    "show me my {things}",
    "show me my {things} please",
    "show me the {things} from {when}",
    "show me the {number} {size} {things}",
    "list all {things} in the {place} folder",
    "search for {word} in my {things}",
    "search the web for {word} {word}",
    "look up the word {word}",
    "create a folder called {word}",
    "rename the {thing} to {word}",
    "rename this to {word} {word}",
    "move the {thing} to the {place} folder",
    "copy the {size} {thing} to the {place} folder please",
    "delete the {size} {thing}",
    "print {number} copies of the {thing}",
    "write a mail to {person}",
    "call {person}",
    "call {person} {when}",
    "send the {thing} to {person}",
    "tell {person} that {word} is {word}",
    "remind me to {verb} {person} {when}",
    "remind me to {verb} the {word} {when}",
    "remind me in {number} minutes",
    "set a timer for {number} minutes",
    "set a timer for {number} {unit} please",
    "set an alarm for {time}",
    "wake me at {time}",
    "wake me up at {time} {when}",
    "add a meeting with {person} at {time}",
    "move the meeting on {day} to {day} at {time}",
    "what is on my calendar on {day}",
    "what is the weather on {day}",
    "will it rain on {day}",
    "add {word} to the {word} list",
    "add {word} and {word} to my list",
    "take a note {word} {word} {word}",
    "type {word} {word}",
    "type the word {word}",
    "replace {word} with {word}",
    "spell {word}",
    "go to line {number}",
    "go to page {number}",
    "scroll {direction} {number} lines",
    "move the window {direction}",
    "set the volume to {number} percent",
    "turn the volume {direction} by {number} percent",
    "set the brightness to {number} percent",
    "play {word} by {person}",
    "play the song {word} {word}",
    "play some {word}",
    "go {direction} {number} seconds",
    "turn on the {appliance} in the {room}",
    "turn off the {appliance} in the {room}",
    "turn {switch} the {appliance}",
    "turn {switch} the {room} {appliance} please",
    "turn {switch} the {appliance} at {time}",
    "dim the {room} lights to {number} percent",
    "set the {room} to {number} degrees",
    "is the {appliance} in the {room} {switch}",
    "what is {number} {operation} {number}",
    "connect to {word}",
    "my name is {person}",
)

# What a slot may hold, parted by bars; {word}, {number} and {time} are made up afresh each time.
SLOTS = {
    "program": "program|browser|editor|terminal|calculator|calendar|mail program|music player|camera|backup|update|"
    "download|test|printer|settings|task manager|virus scan|build",
    "device": "battery|program|screen|printer|disk|network|camera|keyboard|microphone|computer|phone|server|fan",
    "past": "ran|ran down|stopped|failed|finished|started|broke down|went off|was full|was empty|crashed|worked",
    "thing": "file|photo|picture|document|letter|note|message|report|video|song|page|log|directory|mail|book",
    "things": "files|photos|pictures|documents|letters|notes|messages|reports|videos|songs|pages|logs|directories|"
    "programs|mails|alarms|reminders|downloads|books",
    "size": "newest|oldest|largest|smallest|first|second|third|last|next|previous|red|green|long|short|new|old",
    "place": "home|work|backup|music|photo|download|project|holiday|school|office|public|private",
    "person": "my mother|my father|my brother|my sister|my boss|the doctor|the dentist|the office|anna|ben|maria|"
    "peter|john|sarah|david|emma|lucas|nina|oscar|paul|ruth|sam|tom|victoria|william",
    "when": "today|tomorrow|yesterday|tonight|last night|this morning|this week|last week|next week|last year|"
    "in the morning|in the evening|after lunch|before noon|on monday|in may|last summer",
    "day": "monday|tuesday|wednesday|thursday|friday|saturday|sunday|the first of january|the third of march|"
    "the tenth of april|the last of june|the fourth of july|christmas|new year's day",
    "verb": "call|visit|thank|pay|wash|find|buy|sell|feed|clean|meet|write to|open|paint",
    "unit": "seconds|minutes|hours|days",
    "direction": "up|down|left|right|back|forward",
    "appliance": "light|lights|lamp|fan|heating|television|radio|oven|washing machine|coffee machine|speaker|alarm",
    "room": "kitchen|bedroom|living room|bathroom|garage|garden|office|hall|cellar|dining room",
    "switch": "on|off",
    "operation": "plus|minus|times|divided by",
}

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# No "a": a lone a is read as the article, so what is spoken would not be the letter's name.
LETTERS = "bcdefghijklmnopqrstuvwxyz"

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def sentences(seed: int, n: int, vocabulary: Sequence[str], commands: Sequence[str]) -> Iterator[str]:
    """``n`` sentences in a-z, apostrophes and single blanks, always the same for the same arguments.

    Shares by expectation (``SHARES``): 25 % commands as they are; 15 % commands cut short, joined, or with words
    exchanged for words of the vocabulary; 20 % templates of computer, home and media commands with filled slots;
    25 % one to six random words of the vocabulary; 15 % digits, numbers, percentages, times and spelled letters.
    Commands are used in turn, as evenly as can be.
    """
    if not vocabulary or not commands:
        raise SettingsError(f"{len(vocabulary)} words and {len(commands)} commands: wanted at least 1 of each")
    generator = random.Random(seed)
    deck = _deck(generator, commands)
    kinds: dict[str, Callable[[], str]] = {
        "command": lambda: next(deck),
        "changed": lambda: _changed(generator, commands, vocabulary),
        "template": lambda: _filled(generator, vocabulary),
        "words": lambda: " ".join(generator.choices(vocabulary, k=generator.randint(1, MAX_WORDS))),
        "numbers": lambda: _numbers(generator),
    }
    for kind in generator.choices(list(SHARES), list(SHARES.values()), k=n):
        yield kinds[kind]()


def words_of(texts: Iterable[str]) -> list[str]:
    """The distinct words of transcripts, sorted; what is not in a-z with apostrophes inside is left out."""
    return sorted({word for text in texts for word in text.lower().split() if _WORD.fullmatch(word)})


def number_in_words(number: int, generator: random.Random) -> str:
    """A number as people say it, in a-z: with or without the "and" after hundreds."""
    words = str(num2words(number)).replace("-", " ").replace(",", "")
    return words.replace(" and ", " ") if generator.random() < 0.5 else words


def _deck(generator: random.Random, items: Sequence[str]) -> Iterator[str]:
    while True:
        yield from generator.sample(items, len(items))


def _changed(generator: random.Random, commands: Sequence[str], vocabulary: Sequence[str]) -> str:
    words = generator.choice(commands).split()
    way = generator.choice(("exchange", "cut", "join", "insert"))
    if way == "cut" and len(words) > 1:
        start = generator.randrange(len(words) - 1)
        return " ".join(words[start : generator.randint(start + 1, len(words))])
    if way == "join":
        return " ".join([*words, generator.choice(("and", "then", "and then")), generator.choice(commands)])
    if way == "insert":
        words.insert(generator.randint(0, len(words)), generator.choice(vocabulary))
        return " ".join(words)
    for position in generator.sample(range(len(words)), (len(words) + 2) // 3):
        words[position] = generator.choice(vocabulary)
    return " ".join(words)


def _filled(generator: random.Random, vocabulary: Sequence[str]) -> str:
    words = generator.choice(TEMPLATES).split()
    for position, word in enumerate(words):
        if not word.startswith("{"):
            continue
        slot = word.strip("{}")
        if slot == "word":
            words[position] = generator.choice(vocabulary)
        elif slot == "number":
            words[position] = number_in_words(generator.randint(1, 100), generator)
        elif slot == "time":
            words[position] = _time(generator)
        else:
            words[position] = generator.choice(SLOTS[slot].split("|"))
    return " ".join(words)


def _time(generator: random.Random) -> str:
    hour = number_in_words(generator.randint(1, 12), generator)
    minute = generator.randint(1, 59)
    written = ("oh " if minute < 10 else "") + number_in_words(minute, generator)
    return generator.choice(
        (
            f"{hour} o'clock",
            f"{hour} {written}",
            f"half past {hour}",
            f"quarter {generator.choice(('to', 'past'))} {hour}",
            f"{number_in_words(generator.randint(1, 29), generator)} {generator.choice(('to', 'past'))} {hour}",
            f"{hour} in the {generator.choice(('morning', 'afternoon', 'evening'))}",
        )
    )


def _numbers(generator: random.Random) -> str:
    way = generator.choice(("digits", "digits", "number", "percent", "year", "time", "letters"))
    if way == "digits":
        return " ".join(generator.choices(DIGITS, k=generator.randint(1, 8)))
    if way == "number":
        return number_in_words(generator.randrange(10 ** generator.randint(1, 6)), generator)
    if way == "percent":
        return number_in_words(generator.randint(0, 100), generator) + " percent"
    if way == "year":
        return str(num2words(generator.randint(1900, 2040), to="year")).replace("-", " ").replace(" and ", " ")
    if way == "time":
        return _time(generator)
    return " ".join(generator.choices(LETTERS, k=generator.randint(2, 6)))
