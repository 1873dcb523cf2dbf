"""Home Assistant's sentences as its repository has them, read as hassil and its own scripts read them."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hassil.intents import Intents
from hassil.recognize import recognize_all
from hassil.sample import sample_sentence

from asr.commands.grammar.form import read_grammar, read_grammars
from asr.commands.inspection.overlap import find_overlap
from asr.commands.network.network import Network, compile_network
from asr.errors import SettingsError, SourceError
from asr.text.normaliser import Normaliser

normalise = Normaliser()

REPOSITORY = {
    "intents.yaml": """\
HassTurnOn:
  domain: homeassistant
  slot_combinations:
    name_only:
      slots: [name]
      name_domain_groups: {default: [light, fan]}
      example: turn on the lamp
    domain_only: {slots: [domain], context_area: true}
""",
    "sentences/en/_common.yaml": """\
language: "en"
responses: {errors: {no_intent: "Sorry"}}
skip_words: ["please", "could you"]
""",
    "sentences/en/HassTurnOn/name_only.yaml": """\
---
# HassTurnOn - name_only
language: "en"
data:
  - sentences: ["<turn> on [<the>] {name}"]
    name_domains: "default"
    example: "turn on the lamp"
    response: "default"
  - sentences: ["open [<the>] {name}"]
    name_domains: [cover]
    response: "cover"
  - sentences: ["turn on {name}", "lamp it up {name}"]
    name_domains: "default"
    speech_to_phrase: true
""",
    "sentences/en/HassTurnOn/domain_only.yaml": """\
language: "en"
data:
  - sentences: ["<turn> on [<the>] lights"]
    inferred_domain: "light"
    response: "lights"
  - sentences: ["<turn> on [<the>] fans"]
    inferred_domain: "fan"
    slots: {speed: 3}
    response: "fans"
""",
    "sentences/en/HassLightSet/area_brightness.yaml": """\
language: "en"
data:
  - sentences: ["set {area} [to] {brightness} percent", "{color} in [the] {area}"]
    response: "default"
""",
    "sentences/en/HassNevermind/default.yaml": "data: [{sentences: [never mind], speech_to_phrase: true}]\n",
    "sentences/de/HassNevermind/default.yaml": "language: de\ndata: [{sentences: [vergiss es]}]\n",
    "sentences/de/_common.yaml": "language: de\nskip_words: [bitte]\n",
    "lists/lights.yaml": "lists:\n  brightness: {range: {from: 0, to: 10}}\n  color: {wildcard: true}\n",
    "lists/en/lights.yaml": "language: en\nlists: {color: {values: [{in: '[bright] red', out: red}]}}\n",
    "lists/de/lights.yaml": "language: de\nlists: {color: {values: [rot]}}\n",
    "rules/en/verbs.yaml": "language: en\nexpansion_rules: {turn: '(turn|switch)', the: '(the|my)'}\n",
    "rules/de/verbs.yaml": "language: de\nexpansion_rules: {turn: schalte}\n",
    "tests/en/HassNevermind/default.yaml": "language: en\ntests: [{sentences: [never mind]}]\n",
    ".github/workflows/test.yaml": "on: push\n",
    "package.yaml": "name: intents\nversion: 1\n",
}

DEVICES = """\
language: en
lists:
  name:
    values:
      - {in: "[desk] lamp", out: Lamp, context: {domain: light, area: Office}, metadata: {entity_id: light.lamp}}
      - {in: Ceiling Fan, out: Ceiling Fan, context: {domain: fan}}
      - {in: side door, out: side door, context: {domain: cover}}
      - anything else
  area: [Kitchen, hall]
"""


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return lay(tmp_path / "intents", REPOSITORY)


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    return lay(tmp_path, {"devices.yaml": DEVICES}) / "devices.yaml"


def network(*paths: Path) -> Network:
    return compile_network(read_grammars(paths), normalise)


def means(found: Network, text: str) -> list[tuple[str, dict[str, Any]]]:
    return [(reading.command, dict(reading.slots)) for reading in found.readings(text)]


@pytest.mark.parametrize("part", [".", "sentences", "sentences/en"])
def test_a_copy_of_the_repository_is_read_with_its_lists_and_rules(repository: Path, devices: Path, part: str) -> None:
    found = network(repository / part, devices)
    assert set(found.commands) == {"HassTurnOn", "HassLightSet", "HassNevermind"}
    for text, meant in {
        "switch on my lights": ("HassTurnOn", {"domain": "light"}),
        "could you turn on the fans please": ("HassTurnOn", {"domain": "fan", "speed": 3}),
        "set kitchen to ten percent": ("HassLightSet", {"area": "Kitchen", "brightness": 10}),
        "bright red in the hall": ("HassLightSet", {"area": "hall", "color": "red"}),
        "never mind": ("HassNevermind", {}),
        "turn on the desk lamp": ("HassTurnOn", {"name": "Lamp"}),
        "open ceiling fan": None,
        "turn on side door": None,
        "open my side door": ("HassTurnOn", {"name": "side door"}),
        "open anything else": ("HassTurnOn", {"name": "anything else"}),
        "blue in the hall": None,  # the list of the language takes the place of the one for all
        "lamp it up desk lamp": None,  # for Speech-to-Phrase alone
    }.items():
        assert means(found, text) == ([meant] if meant else []), text


@pytest.mark.parametrize("part", ["HassTurnOn", "HassTurnOn/name_only.yaml"])
def test_one_intent_and_one_file_find_what_lies_beside_them(repository: Path, devices: Path, part: str) -> None:
    found = network(repository / "sentences" / "en" / part, devices)
    assert found.commands == ("HassTurnOn",)
    assert means(found, "please switch on my lamp please please") == [("HassTurnOn", {"name": "Lamp"})]


def test_the_sentences_of_another_language_are_read_by_their_folder(repository: Path) -> None:
    sentence = "language: de\ndata: [{sentences: ['<turn> [die] {brightness}', '{color}es licht']}]\n"
    lay(repository, {"sentences/de/HassLightSet/default.yaml": sentence})
    (grammar,) = read_grammars([repository / "sentences" / "de"])
    assert grammar.language == "de"
    found = compile_network([grammar], Normaliser("de"))
    assert means(found, "schalte bitte die zwo") == [("HassLightSet", {"brightness": 2})]
    assert means(found, "rotes licht") == [("HassLightSet", {"color": "rot"})]
    assert means(found, "vergiss es bitte") == [("HassNevermind", {})]


def test_a_file_of_devices_may_lie_in_the_repository(repository: Path) -> None:
    lay(repository, {"mine.yaml": DEVICES})
    assert means(network(repository), "open side door") == [("HassTurnOn", {"name": "side door"})]


def test_what_the_repository_lacks_is_named(repository: Path) -> None:
    with pytest.raises(SourceError, match=r"\{(name|area)\} is not among the `lists:`"):
        read_grammar(repository)
    (repository / "sentences" / "en").rename(repository / "sentences" / "fr")
    with pytest.raises(SettingsError, match=r"sentences: found no folder en, of English sentences; there are de, fr"):
        read_grammar(repository)


def test_a_group_of_domains_that_is_not_there_is_named(repository: Path, devices: Path) -> None:
    path = repository / "sentences/en/HassTurnOn/name_only.yaml"
    path.write_text(path.read_text().replace('"default"\n    example', '"defualt"\n    example'))
    with pytest.raises(SourceError, match=r"name_only\.yaml:6: 'defualt' is no group .* did you mean default\?"):
        read_grammars([repository, devices])


def test_groups_are_all_domains_where_no_file_says_what_they_are(repository: Path, devices: Path) -> None:
    (repository / "intents.yaml").unlink()
    found = network(repository, devices)
    assert means(found, "turn on side door") == [("HassTurnOn", {"name": "side door"})]
    assert means(found, "open desk lamp") == []


def test_a_home_without_floors_has_no_sentence_about_them(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "HassTurnOff/floor.yaml": "data: [{sentences: ['off in {floor}']}]",
            "HassTurnOff/area.yaml": "data: [{sentences: ['off in {area}']}]",
            "mine.yaml": "lists: {area: [hall]}",
        },
    )
    assert network(tmp_path).words() == {"off", "in", "hall"}


# Several files


def test_files_that_are_given_together_share_lists_rules_and_skip_words(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "_common.yaml": "expansion_rules: {name: '[the] {name}', go: start}\nskip_words: [please]\n",
            "light_HassTurnOn.yaml": "intents: {HassTurnOn: {data: [{sentences: ['<go> <name>']}]}}",
            "mine.yaml": "lists: {name: [Lamp]}\nexpansion_rules: {go: leave}\ncommands: {away: '<go> {name}'}\n",
        },
    )
    grammars = read_grammars([tmp_path / name for name in ("_common.yaml", "light_HassTurnOn.yaml", "mine.yaml")])
    assert [grammar.name for grammar in grammars] == ["light_HassTurnOn", "mine"]
    found = compile_network(grammars, normalise)
    assert means(found, "start the lamp please") == [("HassTurnOn", {"name": "Lamp"})]
    assert means(found, "please leave lamp") == [("away", {"name": "Lamp"})], "its own rule counts first"
    with pytest.raises(SettingsError, match=r"_common\.yaml: found no commands"):
        read_grammar(tmp_path / "_common.yaml")


def test_keys_that_are_taken_over_count_after_the_own_ones(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(
        "intents:\n  On:\n    data:\n      - &first {sentences: [go], slots: {a: 1}}\n"
        "      - {<<: *first, sentences: [run]}\n      - {<<: [{slots: {a: 2}}, *first], sentences: [walk]}\n"
    )
    found = network(path)
    assert [means(found, text) for text in ("go", "run", "walk")] == [[("On", {"a": each})] for each in (1, 1, 2)]
    path.write_text("commands: &c {<<: *c, go: [go]}\n")
    assert network(path).commands == ("go",), "taking over itself ends"
    path.write_text("commands: {<<: [a], go: [go]}\n")
    with pytest.raises(SourceError, match=r"g\.yaml:1: found 'a'; wanted names with contents to take over"):
        read_grammar(path)


# Contexts

CONTEXTS = """\
language: en
lists:
  name:
    values:
      - {in: desk lamp, out: desk lamp, context: {domain: light, area: den}}
      - {in: side door, out: side door, context: {domain: lock}}
      - {in: big fan, out: big fan, context: {domain: {value: fan}, kind: old}}
intents:
  HassTurnOn:
    data:
      - sentences: ["(turn on|lock) <it>"]
        requires_context: {domain: lock}
  HassLightSet:
    data:
      - sentences: ["(turn on|dim) <it>"]
        requires_context: {domain: [light, fan], area: {slot: true}}
        excludes_context: {kind: old}
  HassGetState:
    data:
      - sentences: ["where is {name}"]
        requires_context: {area: {slot: room, value: den}, domain: {slot: true}}
      - sentences: ["what is <it>"]
        requires_context: {domain: }
expansion_rules: {it: "[the] {name}"}
"""


def test_a_value_goes_where_what_is_known_of_it_agrees(tmp_path: Path) -> None:
    found = network(lay(tmp_path, {"g.yaml": CONTEXTS}) / "g.yaml")
    reference = Intents.from_dict(yaml.safe_load(CONTEXTS))
    for text in (
        *("lock desk lamp", "dim side door", "turn on desk lamp", "turn on the side door", "dim the desk lamp"),
        *("dim big fan", "turn on big fan", "where is desk lamp", "what is the big fan"),
    ):
        theirs = [
            (each.intent.name, {name: entity.value for name, entity in each.entities.items()})
            for each in recognize_all(text, reference)
        ]
        assert means(found, text) == theirs, text
    assert find_overlap(found).shared == ()


def test_what_contexts_may_tell_apart_is_no_error(tmp_path: Path) -> None:
    path = lay(tmp_path, {"g.yaml": CONTEXTS.replace(", context: {domain: lock}", "")}) / "g.yaml"
    (shared,) = find_overlap(network(path)).shared
    assert (shared.text, shared.may_tie) == ("turn on side door", True)
    path.write_text("intents:\n  A: {data: [{sentences: [go now]}]}\n  B: {data: [{sentences: ['go [now]']}]}\n")
    (shared,) = find_overlap(network(path)).shared
    assert not shared.may_tie


def test_one_of_the_keywords_has_to_be_said(tmp_path: Path) -> None:
    path = lay(
        tmp_path,
        {
            "g.yaml": "lists: {x: {wildcard: true}}\nintents: {A: {data: [{sentences: ['play {x}'], required_keywords: "
            "[Song, tune]}]}}"
        },
    )
    found = network(path / "g.yaml")
    assert means(found, "play that song again") == [("A", {"x": "that song again"})]
    assert means(found, "play that again") == []


# Many grammars against hassil

_VERBS = ["turn on", "(switch|turn) off", "[<now>] open", "set", "<now> check"]
_PLACES = ["[the] {name}", "{name} in [the] {area}", "(<it>;[in] {area})", "all <it>", "{level} [percent] in {area}"]
_CONDITIONS: list[dict[str, Any]] = [
    {},
    {"requires_context": {"domain": "light"}},
    {"requires_context": {"domain": ["light", "cover"]}},
    {"requires_context": {"domain": "cover", "floor": {"slot": True}}},
    {"excludes_context": {"domain": ["fan", "lock"]}},
    {"requires_context": {"domain": {"value": "fan", "slot": "what"}}, "slots": {"what": "any", "n": 1}},
    {"slots": {"domain": "light"}},
]
_SKIP_WORDS = ["please", "could you", "could you please", "now then"]


def _grammar(generator: random.Random) -> dict[str, Any]:
    domains = ["light", "cover", "fan", "lock"]
    names = ["desk lamp", "[big] door", "Old Fan", "side gate", "lamp", "(red|blue) door"]
    values = [
        {
            "in": name,
            "out": name.upper(),
            "context": {
                "domain": generator.choice(domains),
                **({"floor": generator.choice(["first", "second"])} if generator.random() < 0.5 else {}),
            },
        }
        for name in generator.sample(names, 4)
    ]
    return {
        "language": "en",
        "lists": {
            "name": {"values": values},
            "area": {"values": ["den", "Old Hall", "attic"]},
            "level": {"values": [{"in": "(low|lowest)", "out": 1}, {"in": "high", "out": 9}]},
        },
        "expansion_rules": {"it": "[my] {name}", "now": "(quickly|slowly)"},
        "skip_words": generator.sample(_SKIP_WORDS, generator.randrange(4)),
        "intents": {
            intent: {
                "data": [
                    {
                        # The same template in two commands is refused.
                        "sentences": [
                            f"{generator.choice(_VERBS)} {generator.choice(_PLACES)} [{tail}]"
                            for _ in range(generator.randint(1, 2))
                        ],
                        **generator.choice(_CONDITIONS),
                    }
                    for _ in range(generator.randint(1, 3))
                ]
            }
            for intent, tail in (("HassA", "twice"), ("HassB", "again"), ("HassC", "at once"))
        },
    }


@pytest.mark.parametrize("seed", range(30))
def test_generated_grammars_mean_what_hassil_reads_in_them(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    content = _grammar(generator)
    path = tmp_path / "g.yaml"
    path.write_text(yaml.safe_dump(content))
    found = network(path)
    reference = Intents.from_dict(content)
    drawn = {found.draw(generator) for _ in range(25)}
    for intent in reference.intents.values():
        for data in intent.data:
            for sentence in data.sentences:
                listed = list(sample_sentence(sentence, reference.slot_lists, reference.expansion_rules))
                drawn |= {normalise(text) for text in generator.sample(listed, min(4, len(listed)))}
    skipped = content["skip_words"]
    for text in sorted(drawn):
        words = text.split()
        if skipped and generator.random() < 0.5:
            at = generator.choice([0, len(words)])
            words[at:at] = [generator.choice(skipped), generator.choice(skipped)]
        text = " ".join(words)
        theirs = {
            (
                each.intent.name,
                repr(sorted((name, str(e.value)) for name, e in each.entities.items() if e.value != "of the moment")),
            )
            for each in recognize_all(text, reference, intent_context={"floor": "of the moment"})
        }
        ours = {
            (command, repr(sorted((name, str(value)) for name, value in slots.items())))
            for command, slots in means(found, text)
        }
        assert ours == theirs, text


def test_names_of_groups_are_in_the_message_of_a_key_that_is_not_known(tmp_path: Path) -> None:
    lay(tmp_path, {"HassTurnOn/a.yaml": "data: [{sentences: [go], infered_domain: light}]"})
    with pytest.raises(SourceError, match=re.escape("did you mean inferred_domain?")):
        read_grammar(tmp_path)
