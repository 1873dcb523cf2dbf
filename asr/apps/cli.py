"""The `asr` command: its parts, what happens to their errors, and the exit status.

0: all went well. 1: something could not be done, and a line on standard error says what. 2: the command line makes no
sense. 130: ended by ctrl-C; 143: told to end.

What a command needs is imported in the command: `asr --help` answers at once, and transcription works without the
packages that only training needs.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from asr.apps.adapt import adapt
from asr.apps.calibrate import calibrate
from asr.apps.check import check
from asr.apps.compare import compare
from asr.apps.data import data_app
from asr.apps.evaluate import evaluate
from asr.apps.explain import explain
from asr.apps.failures import complain
from asr.apps.mic import mic
from asr.apps.options import PlainCommand
from asr.apps.output import flush, open_standard_streams, say
from asr.apps.prepare import prepare
from asr.apps.push import push
from asr.apps.record import record
from asr.apps.serve import serve
from asr.apps.synthesize import synthesize
from asr.apps.texts import language_model, sentences, tokenizer
from asr.apps.transcribe import demo, transcribe
from asr.apps.voices import voices_app
from asr.failures import show_tracebacks

__all__ = ["app", "mic_app", "run", "transcribe_app"]

_DEBUG = "--debug"

# Without rich markup a usage error is three plain lines, which scripts and narrow terminals can read.
app = typer.Typer(name="asr", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
transcribe_app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
transcribe_app.command(cls=PlainCommand)(transcribe)
mic_app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
mic_app.command(cls=PlainCommand)(mic)
commands_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and record grammars of commands.")


@commands_app.callback()
def _commands() -> None:
    """Check and record grammars of commands."""


commands_app.command(cls=PlainCommand)(check)
commands_app.command(cls=PlainCommand)(record)


def _print_version(asked: bool) -> None:
    if asked:
        try:
            say(f"asr {version('asr')}")
        except PackageNotFoundError:
            say("asr, run from a checkout that is not installed")
        raise typer.Exit


@app.callback()
def _global_options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show the traceback of an error; may stand anywhere on the line.")
    ] = False,
) -> None:
    """Turn speech into text, offline, on a computer without a GPU."""


for _command in (
    transcribe,
    demo,
    explain,
    evaluate,
    compare,
    calibrate,
    adapt,
    push,
    prepare,
    serve,
    tokenizer,
    language_model,
    sentences,
    synthesize,
    mic,
):
    app.command(cls=PlainCommand)(_command)

app.add_typer(data_app, name="data")
app.add_typer(commands_app, name="commands")
app.add_typer(voices_app, name="voices")


# What follows `train` belongs to LightningCLI, --help included.
@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def train(context: typer.Context) -> None:
    """Train a model; see `asr train --help`."""
    from asr.training.command import train as run_training

    run_training(context.args, tell=say)


@app.command(cls=PlainCommand)
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training, as `asr train --run` got it.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for the bundle; an older bundle there is replaced.")
    ],
    average: Annotated[int, typer.Option(min=1, metavar="N", help="How many of the last checkpoints to average.")] = 5,
    single_precision: Annotated[
        bool, typer.Option("--single-precision", help="Keep 32 bits for each weight, which doubles the size.")
    ] = False,
    beam: Annotated[int, typer.Option(min=1, metavar="N", help="Width of the bundle's beam search.")] = 4,
    ctc_weight: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of CTC in the scores of the search, from 0 to below 1.")
    ] = 0.3,
    length_penalty: Annotated[
        float, typer.Option(metavar="X", help="Exponent of the search's length normalisation; 0 turns it off.")
    ] = 0.6,
) -> None:
    """Export a training as a bundle."""
    from asr.bundle import DecodingSettings
    from asr.training.export import export_run

    decoding = DecodingSettings(beam, ctc_weight, length_penalty)
    say(f"written: {export_run(run, out, average=average, half=not single_precision, decoding=decoding)}")


def run(application: typer.Typer, arguments: Sequence[str], name: str) -> int:
    """Carry out one command line and return the exit status; nothing that a command raises leaves it."""
    open_standard_streams()
    options = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    show_tracebacks(_DEBUG in options)
    rest = [option for option in options if option != _DEBUG]
    try:
        status = _status_of(application, [*rest, *arguments[len(options) :]], name)
        flush()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        with suppress(OSError):  # standard error may be no better a place
            if not isinstance(error, BrokenPipeError):  # whoever reads has seen enough
                complain(error)
        # What is still in the buffer can go nowhere, and must not raise once more at the very end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _in_plain_words(usage: str) -> str:
    """What is wrong with the command line, without the words that the library for its types has for itself."""
    usage = usage.replace("Value error, ", "").replace("Input should be a ", "wanted a ")
    return usage.replace("Input should be ", "wanted a value ")


def _status_of(application: typer.Typer, arguments: list[str], name: str) -> int:
    try:
        status = application(args=arguments, prog_name=name, standalone_mode=False)
    except SystemExit as end:
        if isinstance(end.code, str):
            say(end.code, error=True)
            return 1
        return end.code or 0
    except Exception as error:
        # Errors of usage: each typer has a click of its own, so that there is no one class of them.
        if not hasattr(error, "format_message"):
            raise
        shown = StringIO()
        error.show(file=shown)  # type: ignore[attr-defined]
        say(*_in_plain_words(shown.getvalue()).splitlines(), error=True)
        return int(error.exit_code)  # type: ignore[attr-defined]
    return status if isinstance(status, int) else 0
