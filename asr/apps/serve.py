"""`asr serve`: speech to text and commands for other programs and for browsers."""

import os
from pathlib import Path
from typing import Annotated

import typer

from asr.apps.options import Beam, BundleFolder, Greedy, chosen_width
from asr.apps.output import say
from asr.errors import SettingsError
from asr.workers import cores

TOKEN = "ASR_TOKEN"
"""The environment variable with the token: what stands on a command line, everybody on the computer can read."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; beyond this computer a token is wanted.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen at; 0 takes a free one.")] = 8000,
    commands: Annotated[
        list[str] | None,
        typer.Option(
            "--commands",
            metavar="GRAMMAR",
            help="A .yaml, a folder of them, or a ready grammar, that clients may choose by its name; may be repeated.",
        ),
    ] = None,
    wyoming: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            metavar="PORT",
            help="Speak Wyoming too, Home Assistant's protocol, usually at 10300; with --commands its text is that of "
            "the command, or empty.",
        ),
    ] = None,
    wyoming_allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="An address or network beyond this computer that may use Wyoming, which knows no tokens; may be "
            "repeated.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"File with the token that clients have to show. [default: ${TOKEN}]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which it is reached, besides localhost; may be repeated."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Pages of others that may use it, as https://example.org; may be repeated."
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file with a certificate: speak TLS.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key. [default: in the certificate's file]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Hear N recordings at a time. [default: one a core]")
    ] = None,
    queue: Annotated[int, typer.Option(min=0, metavar="N", help="How many may wait; the next is answered 503.")] = 32,
    max_megabytes: Annotated[int, typer.Option(min=1, metavar="MB", help="The longest upload.")] = 100,
    max_seconds: Annotated[float, typer.Option(metavar="S", help="The longest recording.")] = 1800.0,
    max_rate: Annotated[
        float, typer.Option(min=0, metavar="N", help="Requests that one client may make a minute; 0 sets no limit.")
    ] = 600.0,
    max_streams: Annotated[int, typer.Option(min=1, metavar="N", help="Streams open at a time.")] = 64,
    log_transcripts: Annotated[
        bool, typer.Option("--log-transcripts", help="Write what is said into the log.")
    ] = False,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Answer programs over HTTP: OpenAI's transcription API, with commands of grammars besides.

    It listens on this computer only, unless told otherwise. The log goes to standard error, a JSON object a line,
    without what was said. SIGHUP reads bundle, grammars and certificate anew; SIGTERM and ctrl-C end it when what has
    begun is done.
    """
    from asr.serve.server import serve as run
    from asr.serve.settings import ServeSettings

    settings = ServeSettings(
        host=host,
        port=port,
        token=_token(token_file),
        hosts=tuple(allow_host or ()),
        origins=tuple(origin or ()),
        certificate=certificate,
        key=key,
        wyoming_port=wyoming,
        wyoming_allow=tuple(wyoming_allow or ()),
        bundle=bundle,
        commands=tuple(commands or ()),
        width=chosen_width(beam, greedy),
        workers=workers or cores(),
        queue=queue,
        max_bytes=max_megabytes * 1_000_000,
        max_seconds=max_seconds,
        max_rate=max_rate,
        max_streams=max_streams,
        log_transcripts=log_transcripts,
    )
    run(settings, say)


def _token(file: Path | None) -> str | None:
    """The token of a file or of the environment, None where there is neither."""
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8"
        raise SettingsError(f"--token-file {file}: cannot be read ({reason}); wanted a line with the token") from error
