"""`asr data`: looking at manifests of recordings."""

import hashlib
import webbrowser
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.evaluate import default_folder
from asr.apps.failures import complain
from asr.apps.options import PlainCommand
from asr.apps.output import say
from asr.apps.phrases import phrases
from asr.apps.shard import shard
from asr.errors import AudioError, ManifestError
from asr.files import write_whole

if TYPE_CHECKING:
    from asr.data.inspection.faults import Judge
    from asr.data.inspection.survey import Survey

data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at the recordings of a manifest, pack them, or divide them."
)

_NAMED_AT_MOST = 10
_BLOCK = 2**20


@data_app.callback()
def _group() -> None:
    """Look at the recordings of a manifest, pack them, or divide them."""


data_app.command(cls=PlainCommand)(shard)
data_app.command(cls=PlainCommand)(phrases)


@data_app.command(cls=PlainCommand)
def show(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST", help="A .tsv, .jsonl or .jsonl.gz, or a folder of shards.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the page. [default: reports/<folder>-<name of the manifest>.html]"
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="The model to check against. [default: `default`, in the package]"),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check against this tokenizer and a model of default settings instead."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many utterances to show and play, drawn at random.")
    ] = 6,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of --samples.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Make a page about the recordings of manifests.

    It is one HTML file with the data sheet, histograms, samples to hear and see, and all utterances that look wrong:
    clipped, silent, too short or too long for their text, with characters that the tokenizer lacks, full of marks such
    as [noise], or with a DC offset. The exit status is 1 only where audio could not be read.
    """
    # Reading for an hour should not end with the news that something is not installed.
    for package in ("jinja2", "librosa", "matplotlib", "torch"):
        import_module(package)
    from asr.data.inspection.page import choose_samples, draw_samples, list_suspects, render
    from asr.data.inspection.sheet import describe
    from asr.data.inspection.survey import survey
    from asr.data.manifests.manifest import read_manifest
    from asr.progress_bars import progress_bar

    judge, judged_for = _judge(bundle, tokenizer)
    lists = {path: read_manifest(path, lenient=True) for path in dict.fromkeys(manifests)}
    utterances = [utterance for each in lists.values() for utterance in each]
    splits = [str(path) for path, each in lists.items() for _ in each]
    with progress_bar() as progress:
        reading = progress.add_task("Reading", total=len(utterances))
        found = survey(utterances, judge, seen=lambda count: progress.advance(reading, count))
        _name_unreadable(found)
        readable = found.readable
        if not readable:
            raise ManifestError(
                f"{manifests[0]}: none of its {len(utterances)} recordings could be read; nothing to show"
            )
        sheet = describe(
            [utterances[place] for place in readable],
            [each.seconds for each in found.measures if each is not None],
            [found.rates[place] for place in readable],
            splits=[splits[place] for place in readable],
            title=", ".join(str(Path(*path.absolute().parts[-2:])) for path in lists),
            licence=_noted("licence", list(lists)),
            source=_noted("source", list(lists)) or ", ".join(map(str, lists)),
            digest=f"{_digest(list(lists))} (SHA-256 of the manifest)",
            normaliser=judge.normaliser,
        )
        chosen = choose_samples(found, samples, seed)
        drawing = progress.add_task("Drawing", total=len(chosen))
        drawn = []
        for sample in draw_samples(found, chosen, judge):
            drawn.append(sample)
            progress.advance(drawing)
        page = render(sheet, drawn, list_suspects(found), found, judge, judged_for)
    if out is None:
        folder = default_folder(manifests[0])
        out = folder.with_name(f"{folder.name}.html")
    write_whole(out, page.encode())
    counts = Counter({kind: len(findings) for kind, findings in found.faults.items() if findings})
    named = "".join(f", {kind} {count}" for kind, count in counts.most_common())
    say(f"written: {out}, {len(readable)} utterances, {sheet.whole.hours:.2f} hours")
    say(f"{found.suspects} look wrong{named}")
    if open_page:
        webbrowser.open(out.resolve().as_uri())
    if len(readable) < len(utterances):
        raise typer.Exit(1)


def _judge(bundle: Path | None, tokenizer: Path | None) -> "tuple[Judge, str]":
    """What the utterances are held against, and what to call it."""
    from asr.audio.features import FeatureSettings
    from asr.bundle import DEFAULT_BUNDLE, read_bundle
    from asr.data.inspection.faults import Judge
    from asr.model.settings import ModelSettings
    from asr.text.normaliser import Normaliser
    from asr.text.tokenizer import Tokenizer

    if tokenizer is not None:
        if bundle is not None:
            raise typer.BadParameter("--bundle and --tokenizer exclude each other; give one of them")
        return Judge(Tokenizer.load(tokenizer), FeatureSettings(), ModelSettings(), Normaliser()), f"{tokenizer}"
    read = read_bundle(bundle or DEFAULT_BUNDLE)
    name = f"the bundle {bundle}" if bundle is not None else "the bundle in the package"
    return Judge(read.tokenizer, read.features, ModelSettings.from_dict(dict(read.model)), read.normaliser), name


def _name_unreadable(found: "Survey") -> None:
    failures = found.faults["unreadable"]
    for finding in failures[:_NAMED_AT_MOST]:
        complain(AudioError(finding.fault.number))
    if len(failures) > _NAMED_AT_MOST:
        complain(AudioError(f"{len(failures) - _NAMED_AT_MOST} more could not be read; the page names them"))


def _noted(key: str, paths: list[Path]) -> str:
    """What `asr prepare` noted in the data sheets beside the lists; empty where it noted nothing."""
    from asr.data.corpora.preparation import SHEET
    from asr.data.manifests.bounded import parse_json

    noted: dict[str, None] = {}
    for path in paths:
        try:
            values = parse_json((path.parent / f"{SHEET}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(values, dict) and isinstance(value := values.get(key), str) and value:
            noted[value] = None
    return "; ".join(noted)


def _digest(paths: list[Path]) -> str:
    """SHA-256 of the lists, of a folder of shards that of its cuts."""
    total = hashlib.sha256()
    for path in paths:
        for part in sorted(path.glob("cuts.*.jsonl.gz")) if path.is_dir() else [path]:
            with part.open("rb") as file:
                while block := file.read(_BLOCK):
                    total.update(block)
    return total.hexdigest()
