"""Commands that make what a training reads: lists of recordings, text, speech from text, tokenizers."""

import difflib
import gzip
import json
from pathlib import Path
from typing import Annotated

import typer

from asr.apps.files import write_whole
from asr.errors import SettingsError

_LISTS = (".tsv", ".jsonl", ".jsonl.gz")


def prepare(
    name: Annotated[str, typer.Argument(help="How the corpus is laid out: digits, or tsv for lists of its own.")],
    source: Annotated[Path, typer.Argument(help="The folder of the corpus, as it is published.")],
    out: Annotated[Path, typer.Argument(help="Folder for cuts_<split>.jsonl.gz; paths in them are as in SOURCE.")],
) -> None:
    """List a published corpus as Lhotse cut sets, split by speaker."""
    from rich.console import Console
    from rich.table import Table

    from asr.data.corpora import CORPORA
    from asr.data.manifest import NOBODY, check_disjoint, write_cuts

    if name not in CORPORA:
        near = difflib.get_close_matches(name, CORPORA, n=1)
        advice = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(sorted(CORPORA))}"
        raise SettingsError(f"corpus {name!r} is not known; {advice}")
    splits = CORPORA[name].read(source).splits
    check_disjoint(splits)
    out.mkdir(parents=True, exist_ok=True)
    table = Table("split", box=None, pad_edge=False)
    for heading in ("utterances", "hours", "speakers"):
        table.add_column(heading, justify="right")
    for split, utterances in splits.items():
        cuts = out / f"cuts_{split}.jsonl.gz"
        write_cuts(utterances, cuts)
        with gzip.open(cuts, "rt", encoding="utf-8") as lines:
            seconds = sum(float(json.loads(line)["duration"]) for line in lines)
        speakers = {utterance.speaker for utterance in utterances} - {NOBODY}
        table.add_row(split, str(len(utterances)), f"{seconds / 3600:.2f}", str(len(speakers)))
    Console(highlight=False).print(table)
    print(f"written: {', '.join(f'cuts_{split}.jsonl.gz' for split in splits)} in {out}")


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
    from asr.data.sentences import sentences as make
    from asr.data.sentences import words_of

    known = _normalised([commands])
    words = words_of(_normalised(lists)) if lists else words_of(known)
    made = list(make(seed, count, words, known))
    write_whole(out, "".join(f"{sentence}\n" for sentence in made).encode())
    print(f"written: {out}, {len(made)} sentences from {len(known)} commands and {len(words)} words")


def synthesize(
    texts: Annotated[Path, typer.Argument(help="What to speak, one text a line.")],
    out: Annotated[Path, typer.Argument(help="Folder for the recordings and their manifest.tsv.")],
    utterances: Annotated[int, typer.Option(min=1, help="How many recordings to make.")],
    voices: Annotated[str, typer.Option(help="train, dev or test; no voice is in two of them.")] = "train",
    seed: Annotated[int, typer.Option(help="Another number draws other voices, rates and pitches.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="How many to speak at a time.")] = 2,
) -> None:
    """Speak texts with many voices, by espeak-ng and flite.

    An interrupted run goes on where it was.
    """
    from asr.data.synthesis import synthesize_split

    manifest = synthesize_split(texts, out, split=voices, utterances=utterances, seed=seed, jobs=jobs)
    print(f"written: {manifest}, {utterances} utterances")


def _normalised(sources: list[Path]) -> list[str]:
    """The distinct texts of all sources in their order, as the model is to spell them."""
    from asr.data.manifest import read_manifest
    from asr.data.synthesis import read_texts
    from asr.text.normaliser import Normaliser

    normaliser = Normaliser()
    texts: dict[str, None] = {}
    for source in sources:
        if source.name.endswith(_LISTS):
            found = [utterance.text for utterance in read_manifest(source)]
        elif source.suffix == ".txt":
            found = read_texts(source)
        else:
            raise SettingsError(f"{source}: wanted a manifest ({', '.join(_LISTS)}) or a .txt file with a text a line")
        texts |= dict.fromkeys(normaliser(text) for text in found)
    texts.pop("", None)
    return list(texts)
