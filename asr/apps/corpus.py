"""Commands that make what a training reads: lists of recordings, text, tokenizers."""

from pathlib import Path
from typing import Annotated

import typer

from asr.errors import SettingsError
from asr.files import write_whole

_LISTS = (".tsv", ".jsonl", ".jsonl.gz")


def tokenizer(
    out: Annotated[Path, typer.Argument(help="The file to write, such as tokenizer.model.")],
    sources: Annotated[
        list[Path], typer.Argument(help="Manifests (.tsv, .jsonl, .jsonl.gz), or .txt files with a text a line.")
    ],
    vocabulary: Annotated[int, typer.Option(min=5, help="How many tokens, the four special ones included.")] = 300,
) -> None:
    """Learn tokens from texts.

    Byte-pair encoding of the distinct texts of all sources, normalised as the model is to spell them.
    """
    from asr.text.tokenizer import Tokenizer

    texts = _normalised(sources)
    made = Tokenizer.train(texts, vocabulary)
    write_whole(out, made.model)
    print(f"written: {out}, {made.vocabulary} tokens from {len(texts)} distinct texts")


def sentences(
    commands: Annotated[Path, typer.Argument(help="Commands, one a line.")],
    out: Annotated[Path, typer.Argument(help="The file to write, one sentence a line.")],
    lists: Annotated[
        list[Path] | None,
        typer.Argument(help="Manifests or .txt files whose words are mixed in. [default: the commands]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many sentences.")] = 14_000,
    seed: Annotated[int, typer.Option(help="Another number gives other sentences.")] = 0,
) -> None:
    """Make varied text around commands.

    A model that is trained on nothing but commands recites them; on this it has to listen.
    """
    from asr.data.synthetic.sentences import sentences as make
    from asr.data.synthetic.sentences import words_of

    known = _normalised([commands])
    words = words_of(_normalised(lists)) if lists else words_of(known)
    made = list(make(seed, count, words, known))
    write_whole(out, "".join(f"{sentence}\n" for sentence in made).encode())
    print(f"written: {out}, {len(made)} sentences from {len(known)} commands and {len(words)} words")


def _normalised(sources: list[Path]) -> list[str]:
    """The distinct texts of all sources in their order, as the model is to spell them."""
    from asr.data.lists.manifest import read_manifest
    from asr.data.synthetic.texts import read_lines
    from asr.text.normaliser import Normaliser

    normaliser = Normaliser()
    texts: dict[str, None] = {}
    for source in sources:
        if source.name.endswith(_LISTS):
            found = [utterance.text for utterance in read_manifest(source)]
        elif source.suffix == ".txt":
            found = read_lines(source)
        else:
            raise SettingsError(f"{source}: wanted a manifest ({', '.join(_LISTS)}) or a .txt file with a text a line")
        texts |= dict.fromkeys(normaliser(text) for text in found)
    texts.pop("", None)
    return list(texts)
