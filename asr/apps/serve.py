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
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen at; one beyond this computer needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, metavar="PORT", help="Port to listen at; 0 takes a free one.")
    ] = 8000,
    commands: Annotated[
        list[str] | None,
        typer.Option(
            "--commands",
            metavar="GRAMMAR",
            help="A grammar that clients may choose by its name: a .yaml, a folder of them, or the name of a ready "
            "one; may be repeated.",
        ),
    ] = None,
    wyoming: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            metavar="PORT",
            help="Also answer Home Assistant, by its protocol Wyoming, usually at port 10300. With --commands the text "
            "is that of the command, or empty.",
        ),
    ] = None,
    wyoming_allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="An address or network beyond this computer that may use Wyoming, which has no tokens; may be "
            "repeated.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"File with the token that clients have to send. [default: ${TOKEN}]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A host name by which clients reach it, besides localhost; may be repeated."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="The origin of web pages of others that may use it, such as https://example.org; may be repeated.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM file with a certificate; turns on TLS.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM file with the certificate's key. [default: the certificate's file]"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many recordings to hear at a time. [default: one for each core]"),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many requests may wait; more are answered 503.")
    ] = 32,
    max_megabytes: Annotated[int, typer.Option(min=1, metavar="MB", help="The largest upload, in megabytes.")] = 100,
    max_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="The longest recording, in seconds.")] = 1800.0,
    max_rate: Annotated[
        float, typer.Option(min=0, metavar="N", help="How many requests a client may make per minute; 0 sets no limit.")
    ] = 600.0,
    max_streams: Annotated[int, typer.Option(min=1, metavar="N", help="How many streams may be open at a time.")] = 64,
    log_transcripts: Annotated[
        bool, typer.Option("--log-transcripts", help="Write the transcripts into the log.")
    ] = False,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Serve transcription over HTTP.

    It answers OpenAI's transcription API, and understands commands of grammars. By default only this computer can reach
    it. The log goes to standard error, one JSON object a line, without the transcripts. SIGHUP makes it read bundle,
    grammars and certificate again. SIGTERM and ctrl-C end it as soon as the requests that have begun are answered.
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
