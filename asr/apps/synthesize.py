"""The command that makes speech from text."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from asr.apps.options import Engines, chosen_engines
from asr.apps.output import say
from asr.errors import SettingsError
from asr.text.languages import LANGUAGES
from asr.workers import cores

# Of a grammar so many sentences are drawn; whoever wants more hears them again, by other voices.
_MOST_SENTENCES = 200_000
_SHORTEST_SECONDS = 1.0

_LISTED = 10


def synthesize(
    texts: Annotated[
        str,
        typer.Argument(
            metavar="TEXTS",
            help="What to speak: a file with a text a line, or commands: a .yaml, a folder of them, or the name of a "
            "ready grammar.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder for the recordings, as shards; a training reads it as a manifest."),
    ],
    hours: Annotated[
        float | None, typer.Option(metavar="HOURS", help="How much speech to make; give this or --utterances.")
    ] = None,
    utterances: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many recordings to make; give this or --hours.")
    ] = None,
    voices: Annotated[
        str, typer.Option(metavar="SPLIT", help="Whose voices: train, dev or test; no voice is in two of them.")
    ] = "train",
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of sentences, voices, rates and pitches.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many to speak at a time. [default: one for each core]")
    ] = None,
    engines: Engines = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help=f"The language, {' or '.join(LANGUAGES)}. [default: the grammar's; English for a file of texts]",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help="flac, or opus: a quarter of the size, but three times the time."
        ),
    ] = "flac",
) -> None:
    """Speak texts with synthetic voices.

    They are those of all synthesisers that are installed (see `asr voices`). The same seed gives the same files. An
    interrupted run continues where it was. Kokoro is slow and speaks only a part, an eighth beside all the others; its
    voices are the closest to people's, and --engines kokoro uses them alone.
    """
    from asr.audio.encoding import FORMS
    from asr.commands.grammar.ready import find_grammar
    from asr.data.synthetic.casting import slow_parts
    from asr.data.synthetic.synthesis import SynthesisPlan, guessed_hours
    from asr.data.synthetic.synthesis import synthesize as speak
    from asr.data.synthetic.voices import Split, find_voices, split_voices
    from asr.data.texts.sources import read_texts
    from asr.text.languages import find_language
    from asr.text.normaliser import LANGUAGE

    if (hours is None) == (utterances is None):
        given = "both" if hours is not None else "neither"
        raise SettingsError(f"--hours and --utterances: found {given}, wanted one of them, how much to speak")
    chosen = [known for known in FORMS if known == form]
    if not chosen:
        raise SettingsError(f"--format {form!r}: wanted one of {', '.join(FORMS)}")
    if language not in (None, *LANGUAGES):
        raise SettingsError(f"--language {language!r}: wanted one of {', '.join(LANGUAGES)}")
    engines_wanted = chosen_engines(engines)
    if voices not in get_args(Split):
        raise SettingsError(f"--voices {voices!r}: wanted one of {', '.join(get_args(Split))}")
    most = utterances or int((hours or 0) * 3600 / _SHORTEST_SECONDS) + 1
    read = read_texts(Path(texts) if Path(texts).suffix else find_grammar(texts), seed, min(most, _MOST_SENTENCES))
    if language and read.language and language != read.language:
        raise SettingsError(
            f"--language {language}: found {texts} in {find_language(read.language).NAME}; leave it out, or write the "
            f"commands in {find_language(language).NAME}"
        )
    spoken = find_voices(engines_wanted, language or read.language or LANGUAGE)
    groups = {str(split): group for split, group in split_voices(spoken).items()}
    if not groups[voices]:
        raise SettingsError(f"--engines {engines}: found no voice for {voices}, wanted one; name more of them")
    plan = SynthesisPlan(read.lines, groups[voices], seed=seed, utterances=utterances, hours=hours, form=chosen[0])
    for line in slow_parts(plan.voices, guessed_hours(plan), jobs or cores()):
        say(line)
    made = speak(plan, out, jobs=jobs or cores())
    for missed in made.left_out[:_LISTED]:
        say(f"left out, could not be spoken: {missed}", error=True)
    if len(made.left_out) > _LISTED:
        say(f"left out, could not be spoken: {len(made.left_out) - _LISTED} more", error=True)
    say(f"written: {out}, {made.utterances} utterances, {made.hours:.2f} hours")
