"""`asr commands`: grammars of commands, and recordings of them."""

import typer

from asr.apps.check import check
from asr.apps.record import record

commands_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and record grammars of commands.")


@commands_app.callback()
def _group() -> None:
    """Check and record grammars of commands."""


commands_app.command()(check)
commands_app.command()(record)
