"""Commands that make something of texts: tokenizers, language models, varied sentences."""

from pathlib import Path
from typing import Annotated

import typer

from asr.apps.output import say
from asr.errors import BundleError, SettingsError
from asr.files import write_whole

_MANIFESTS = (".tsv", ".jsonl", ".jsonl.gz")
_WEIGHT = 0.3  # chosen on the dev sets of the default bundle (LOG.md)


def tokenizer(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, such as tokenizer.model.")],
    manifests: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="Manifests (.tsv, .jsonl, .jsonl.gz, folders of shards), or .txt files with a text a line.",
        ),
    ],
    vocabulary: Annotated[
        int, typer.Option(min=5, metavar="N", help="How many tokens, the four special ones included.")
    ] = 300,
) -> None:
    """Learn a tokenizer from texts.

    It learns byte-pair encoding from the distinct texts of all manifests, in the normal form in which a model spells.
    """
    from asr.text.tokenizer import Tokenizer

    texts = _normalised(manifests)
    made = Tokenizer.train(texts, vocabulary)
    write_whole(out, made.model)
    say(f"written: {out}, {made.vocabulary} tokens from {len(texts)} distinct texts")


def sentences(
    commands: Annotated[Path, typer.Argument(metavar="COMMANDS", help="A .txt file of commands, one a line.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, one sentence a line.")],
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MANIFEST", help="Manifests or .txt files whose words are mixed in. [default: the commands]"
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many sentences.")] = 14_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the sentences.")] = 0,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .txt file of words, one a line, common ones first.")
    ] = None,
    names: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .txt file of names of people and places, one a line.")
    ] = None,
    free: Annotated[
        Path | None,
        typer.Option("--sentences", metavar="FILE", help="A .txt file of sentences about anything, one a line."),
    ] = None,
) -> None:
    """Make varied sentences around commands.

    They are texts for training: the commands as they are and changed, commands of many other domains, single words,
    random words, numbers, names and spelled words. A model that is trained on commands alone learns to guess them; with
    these it has to attend to the sound. A command that stands in the file twice comes twice as often.
    """
    from asr.data.texts.sentences import LONGEST, words_of
    from asr.data.texts.sentences import sentences as make

    known = _spelled([commands])
    mixed_in = words_of(_normalised(manifests)) if manifests else words_of(known)
    ranked, people = (_normalised([path]) if path else [] for path in (words, names))
    whole = [text for text in (_normalised([free]) if free else []) if 1 < len(text.split()) <= LONGEST]
    made = list(make(seed, count, mixed_in, known, ranked=ranked, names=people, free=whole))
    write_whole(out, "".join(f"{sentence}\n" for sentence in made).encode())
    say(
        f"written: {out}, {len(made)} sentences from {len(known)} commands, "
        f"{len({*mixed_in, *ranked})} words, {len(people)} names and {len(whole)} sentences"
    )


def language_model(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of the bundle that gets it.")],
    manifests: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="Manifests (.tsv, .jsonl, .jsonl.gz, folders of shards) or .txt files with a text a line; or the "
            "language_model.safetensors of a bundle with the same tokenizer, which is copied.",
        ),
    ],
    weight: Annotated[
        float, typer.Option(metavar="SHARE", help="Its share in the scores of the search; with 0 it is not used.")
    ] = _WEIGHT,
    order: Annotated[
        int, typer.Option(min=1, max=8, metavar="N", help="The longest n-grams that are counted, in tokens.")
    ] = 5,
    ngrams: Annotated[
        int, typer.Option(min=1, metavar="N", help="About how many n-grams to keep; each takes 5 bytes.")
    ] = 600_000,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(metavar="MANIFEST", help="A manifest whose sentences are left out of the texts; may be repeated."),
    ] = None,
) -> None:
    """Give a bundle a language model, learnt from texts.

    Among words that sound alike the search then prefers those that are likely in such texts. With a grammar of commands
    the language model is not used.
    """
    from asr.bundle import DEFAULT_BUNDLE, add_language_model, is_default, read_bundle
    from asr.data.texts.held_out import without_sentences
    from asr.search.language_model import read_language_model
    from asr.training.language_model import estimate

    if is_default(bundle):
        raise BundleError(
            f"{bundle}: is the bundle in the package, which stays as it is; wanted a folder of your own, as a copy of "
            f"{DEFAULT_BUNDLE}"
        )
    known = read_bundle(bundle)
    if [source.suffix for source in manifests] == [".safetensors"]:
        model, _ = read_language_model(manifests[0], known.tokenizer.vocabulary)
        made = str(manifests[0])
    else:
        texts = _spelled(manifests)
        kept = without_sentences(texts, _spelled(held_out or []))
        model = estimate(
            [known.tokenizer.encode(text) for text in kept], known.tokenizer.vocabulary, order=order, most=ngrams
        )
        made = f"{len(kept)} texts" + (f", {len(texts) - len(kept)} left out" if held_out else "")
    add_language_model(known, model, weight)
    say(f"written: {bundle}, with a language model of {model.ngrams} n-grams from {made}")


def _normalised(sources: list[Path]) -> list[str]:
    """The distinct texts of all sources in their order, as the model is to spell them."""
    return list(dict.fromkeys(_spelled(sources)))


def _spelled(sources: list[Path]) -> list[str]:
    """The texts of all sources in their order, as the model is to spell them."""
    from asr.data.manifests.manifest import read_manifest
    from asr.data.texts.sources import read_lines
    from asr.text.normaliser import Normaliser

    normaliser = Normaliser()
    texts: list[str] = []
    for source in sources:
        if source.is_dir() or source.name.endswith(_MANIFESTS):
            found = [utterance.text for utterance in read_manifest(source)]
        elif source.suffix == ".txt":
            found = read_lines(source)
        else:
            wanted = (
                f"wanted a manifest ({', '.join(_MANIFESTS)}), a folder of shards or a .txt file with a text a line"
            )
            raise SettingsError(f"{source}: {wanted}")
        texts += (normaliser(text) for text in found)
    return [text for text in texts if text]
