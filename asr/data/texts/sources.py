"""What is to be spoken: the lines of a text file, or sentences drawn from a grammar of commands."""

import random
from pathlib import Path
from typing import NamedTuple

from asr.commands.grammar.form import read_grammar
from asr.commands.grammar.source import GRAMMARS
from asr.commands.network.network import compile_network
from asr.errors import SettingsError
from asr.text.normaliser import LANGUAGE, Normaliser


class Texts(NamedTuple):
    """What is to be spoken, and the code of the language it is in; None where nothing says that."""

    lines: list[str]
    language: str | None


def read_texts(path: Path, seed: int, count: int) -> Texts:
    """All texts of a file of lines, or ``count`` sentences drawn from a grammar, the same for the same seed.

    A grammar is a file that ends in .yaml or .yml, or a folder of them. Raises SettingsError, which names the file and
    the line.
    """
    if not path.is_dir() and path.suffix.lower() not in GRAMMARS:
        return Texts(read_lines(path), None)
    grammar = read_grammar(path)
    network = compile_network([grammar], Normaliser(grammar.language or LANGUAGE))
    generator = random.Random(seed)
    return Texts([network.draw(generator) for _ in range(count)], grammar.language)


def read_lines(path: Path) -> list[str]:
    """The texts of a file, one a line; empty lines and lines that begin with # are left out.

    Raises SettingsError if it is no text or has none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: found no such file, wanted a .txt file with one text a line") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8"
        raise SettingsError(f"{path}: cannot be read ({reason}), wanted a .txt file with one text a line") from error
    texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not texts:
        raise SettingsError(f"{path}: no text found; wanted one sentence a line")
    return texts
