"""What the commands say of themselves: one word for one thing, arguments by name, a line of help for every setting."""

import re
from collections.abc import Iterator

import pytest
import typer

from asr.apps.cli import app, run
from asr.data.corpora import CORPORA
from asr.text.languages import LANGUAGES

pytest.importorskip("lightning")  # for the help of `asr train`

DIALECT = re.compile(r"\b(refus\w+|parted|taken|LIST|lists of recordings|at hand)\b")


def commands_of(group: typer.core.TyperGroup, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield from commands_of(command, *names, name) if hasattr(command, "commands") else [(*names, name)]


COMMANDS = [each for each in commands_of(typer.main.get_command(app)) if each != ("train",)]


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    capsys.readouterr()
    assert run(app, [*command, "--help"], "asr") == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_names_what_is_wanted_and_speaks_plainly(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = help_of(capsys, *command)
    usage = " ".join(shown.partition("\n\n")[0].split())
    assert usage.startswith(f"Usage: asr {' '.join(command)} [OPTIONS]")
    # A repository is named hf:OWNER/NAME.
    arguments = re.findall(r"[{[]([^]}]+)[]}]", usage)[1:]
    assert all(name.removeprefix("hf:").isupper() and "." not in name for name in arguments), usage
    assert not re.search(r"<(str|int|float|path|list)\b", shown), "an option or argument without a name for its value"
    assert not DIALECT.search(shown)


def test_help_lists_all_corpora_and_languages(capsys: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"[\w-]+", help_of(capsys, "prepare"))
    assert set(CORPORA) <= set(named)
    assert set(LANGUAGES) <= set(re.findall(r"[\w-]+", help_of(capsys, "synthesize")))


def test_help_of_train_says_what_each_setting_is(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys, "train")
    assert shown.startswith("usage: asr train [-c CONFIG]")
    settings = re.findall(r"^  --((?:model|data)\.[\w.]+) (?:.*\n) +(\(?[\w ]+)", shown, re.MULTILINE)
    assert len(settings) > 60
    assert not [name for name, said in settings if said.startswith(("(type", "(required"))]
    for idle in ("lacks type", "--optimizer", "--lr_scheduler", "Lightning Trainer"):
        assert idle not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("transcribe", "a.wav", "--format", "foo"), "'--format': 'foo' is not one of"),
        (("transcribe", "a.wav", "--beam", "0"), "'--beam': wanted a value greater"),
        (("transcribe", "a.wav", "--beam", "two"), "'--beam': wanted a valid integer"),
        (("calibrate", "a.tsv", "--false-accepts", "2"), "'--false-accepts': wanted a value less than or equal to 1"),
    ],
)
def test_usage_errors_do_not_speak_of_the_library(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, arguments, "asr") == 2
    assert said in capsys.readouterr().err
