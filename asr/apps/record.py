"""`asr commands record`: a person's own voice, saying a grammar's sentences, as a corpus."""

import random
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from asr.apps.mic_views import level_bar
from asr.apps.options import Device
from asr.apps.output import say
from asr.errors import SettingsError
from asr.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.text import Text

    from asr.adaptation.capture import Take
    from asr.adaptation.take_folder import TakeFolder
    from asr.commands.network.network import Network

OpenMicrophone = Callable[[Callable[[str], None]], Generator["NDArray[np.float32]", None, None]]
"""Opens the microphone: given where its reports go, gives its blocks."""

_TRIES: Final = 300  # sentences drawn to find one that is not recorded yet
_KEEP, _AGAIN, _SKIP, _QUIT = "k", "r", "s", "q"


def record(
    grammar: Annotated[
        str, typer.Argument(metavar="GRAMMAR", help="A .yaml, a folder of them, or the name of a ready grammar.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the recordings; it may hold some already.")] = (
        Path("my_takes")
    ),
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many sentences to record.")] = 30,
    device: Device = None,
    speaker: Annotated[str, typer.Option(metavar="NAME", help="The speaker's name.")] = "me",
) -> None:
    """Record sentences of a grammar in your own voice.

    The recordings are for `asr adapt` and `asr evaluate`. Each sentence is shown; press Enter and say it. The recording
    ends by itself after the speech. If it is clipped, too quiet, too short or cut off, a line says so, and what to do.
    Each recording is saved before the next begins; run the command again to record more.
    """
    from rich.console import Console

    from asr.adaptation.take_folder import TakeFolder
    from asr.audio.microphone import check_microphone, device_named, microphone_blocks
    from asr.commands.grammar.form import read_grammar
    from asr.commands.grammar.ready import find_grammar
    from asr.commands.network.network import compile_network
    from asr.text.normaliser import LANGUAGE, Normaliser

    read = read_grammar(find_grammar(grammar))
    network = compile_network([read], Normaliser(read.language or LANGUAGE))
    takes = TakeFolder(out)
    check_microphone(device_named(device))  # before anybody is asked to read anything
    before = len(takes.utterances)
    console = Console(highlight=False)
    sentences = prompts(network, [each.text for each in takes.utterances], random.Random())
    try:
        collect(
            sentences,
            count,
            takes,
            speaker,
            open_microphone=lambda report: microphone_blocks(device_named(device), report=report),
            ask=lambda question, letters: answer(console, question, letters),
            console=console,
        )
    finally:
        made = len(takes.utterances) - before
        if takes.utterances:
            say(f"{made} recorded now, {len(takes.utterances)} in all: {takes.list}")


def prompts(network: "Network", recorded: Sequence[str], generator: random.Random) -> Iterator[str]:
    """Sentences to record, without an end, in normal form.

    First one of every command that no recorded sentence has, in the grammar's order, then by chance; of what is drawn,
    a sentence that was recorded least often, so that none comes again before the others of a small grammar came.
    """
    counts = Counter(recorded)
    said = {reading.command for text in counts if (reading := network.parse(text)) is not None}
    waiting = [command for command in network.commands if command not in said]
    while True:
        command = waiting.pop(0) if waiting else None
        best = network.draw(generator, command)
        for _ in range(_TRIES):
            if not counts[best]:
                break
            best = min(best, network.draw(generator, command), key=lambda text: counts[text])
        counts[best] += 1
        yield best


def collect(
    sentences: Iterator[str],
    count: int,
    takes: "TakeFolder",
    speaker: str,
    *,
    open_microphone: OpenMicrophone,
    ask: Callable[[str, str], str],
    console: "Console",
) -> None:
    """Record until ``count`` takes are kept, or the person ends it.

    Args:
        sentences: what to say, in normal form.
        count: how many takes to keep.
        takes: where they go.
        speaker: who speaks.
        open_microphone: called anew for each take, so that no device listens while nobody is asked to speak.
        ask: shows a question and gives the answer, one of the letters that it is given, or "" for Enter and nothing
            else.
        console: what is said goes there, and on a terminal the level meter.

    Raises:
        AudioError: the microphone cannot be used.
        OSError: a take cannot be written.
        SettingsError: nobody is there to answer.
    """
    from rich.text import Text

    kept = 0
    while kept < count:
        text = next(sentences)
        console.print(Text.assemble(f"\n{kept + 1} of {count}: ", (printable(text), "bold")))
        chosen = ask("Enter begins, s skips, q ends: ", _SKIP + _QUIT)
        while not chosen or chosen == _AGAIN:
            take = hear(text, open_microphone, console)
            for fault in take.faults:
                console.print(Text(f"  {printable(fault)}", style="yellow"))
            if not len(take.wave):
                chosen = ask("Enter records again, s skips, q ends: ", _SKIP + _QUIT)
            elif take.faults:
                options = "Enter records again, k keeps it all the same, s skips, q ends: "
                chosen = ask(options, _KEEP + _SKIP + _QUIT)
            else:
                console.print(f"  good: {take.seconds:.1f} s, {take.level:.0f} dBFS at its loudest")
                chosen = ask("Enter keeps it, r records again, s skips, q ends: ", _AGAIN + _SKIP + _QUIT) or _KEEP
        if chosen == _QUIT:
            return
        if chosen == _KEEP:
            takes.add(take.wave, text, speaker)
            kept += 1


def hear(text: str, open_microphone: OpenMicrophone, console: "Console") -> "Take":
    """One take, with a level meter while it lasts where the console is a terminal."""
    from rich.live import Live
    from rich.text import Text

    from asr.adaptation.capture import capture

    reports: list[str] = []
    asked = False
    with (
        closing(open_microphone(reports.append)) as blocks,
        Live(Text("wait …"), console=console, transient=True, auto_refresh=False) as live,
    ):

        def seen(block: "NDArray[np.float32]", ready: bool) -> None:
            nonlocal asked
            if not console.is_terminal:
                if ready and not asked:
                    console.print("  speak")
                asked = ready
            else:
                live.update(meter(float(abs(block).max(initial=0.0)), text if ready else None), refresh=True)

        take = capture(blocks, text, seen)
    lost = reports[1:]  # the first says that it listens
    return replace(take, faults=(*take.faults, *lost))


def meter(peak: float, text: str | None) -> "Text":
    """The line that is shown while recording: a bar for a peak from 0 to 1, and the sign to speak with what to say."""
    from rich.text import Text

    sign = ("wait …  ", "dim") if text is None else ("● speak ", "bold red")
    said = (printable(text or ""), "bold")
    return Text.assemble(sign, *level_bar(peak), said, no_wrap=True, overflow="ellipsis")


def answer(console: "Console", question: str, letters: str) -> str:
    """What the person types: one of the letters, or "" for Enter; anything else is asked again.

    Ctrl-D on a terminal is q. Raises SettingsError where standard input ends otherwise: nobody is there to answer.
    """
    wanted = f"wanted Enter{''.join(f', {letter}' for letter in letters[:-1])} or {letters[-1]}"
    while True:
        try:
            typed = console.input(question, markup=False).strip().lower()
        except (EOFError, RuntimeError) as error:  # the latter where standard input is closed
            console.print()
            if sys.stdin is not None and sys.stdin.isatty():
                return _QUIT
            raise SettingsError(f"standard input: found its end, {wanted}; run it in a terminal") from error
        except UnicodeDecodeError:
            typed = "?"
        if not typed or (len(typed) == 1 and typed in letters):
            return typed
        console.print(f"  found {typed[:20]!r}, {wanted}", markup=False)
