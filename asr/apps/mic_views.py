"""What `asr mic` shows: on a terminal a line that changes while somebody speaks, elsewhere one line an utterance."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from asr.apps.output import command_text, say, say_json
from asr.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from asr.runtime import live

_METER_DB: Final = 60
_METER_WIDTH: Final = 30


class View(Protocol):
    """Where everything goes."""

    def block(self, block: "NDArray[np.float32]") -> None:
        """Sound that has come."""

    def event(self, event: "live.Event", milliseconds: float) -> None:
        """What is heard in it, and how late."""

    def note(self, line: str) -> None:
        """What else there is to say."""


@contextmanager
def view_for(*, as_json: bool) -> Iterator[View]:
    """The view for standard output."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        yield JsonView()
    elif not console.is_terminal:
        yield LineView(console)
    else:
        with Live(Text(), console=console, transient=True, auto_refresh=False) as shown:
            yield TerminalView(console, shown)


class JsonView:
    """An object a line on standard output for each event, all else on standard error."""

    def block(self, block: "NDArray[np.float32]") -> None:
        """Shown is what is heard."""

    def event(self, event: "live.Event", milliseconds: float) -> None:
        """Print it."""
        from asr.runtime.keys import event_keys

        say_json(event_keys(event, milliseconds))

    def note(self, line: str) -> None:
        """Print it aside."""
        say(line, error=True)


class LineView:
    """A line for each utterance with words in it."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def block(self, block: "NDArray[np.float32]") -> None:
        """Shown is what is heard."""

    def event(self, event: "live.Event", milliseconds: float) -> None:
        """Print a final result."""
        from asr.runtime.live import Final

        if isinstance(event, Final):
            self._console.print(final_line(event, milliseconds))

    def note(self, line: str) -> None:
        """Print it."""
        from rich.text import Text

        self._console.print(Text(printable(line)))


class TerminalView(LineView):
    """The same, and below it how loud it is and what has been said so far."""

    def __init__(self, console: "Console", shown: "Live") -> None:
        super().__init__(console)
        self._shown = shown
        self._said: live.Partial | None = None

    def block(self, block: "NDArray[np.float32]") -> None:
        """Show how loud it is."""
        from rich.text import Text

        peak = float(abs(block).max(initial=0.0))
        self._shown.update(Text.assemble(*level_bar(peak), *self._words(), no_wrap=True), refresh=True)

    def event(self, event: "live.Event", milliseconds: float) -> None:
        """Show what has been said so far, or print a final result."""
        from asr.runtime.live import Partial

        self._said = event if isinstance(event, Partial) else None
        if self._said is None:  # the meter goes on with the next block
            self._shown.update("", refresh=True)
        super().event(event, milliseconds)

    def _words(self) -> Iterator[tuple[str, str]]:
        """The end of what has been said, as much as there is room for; dim is what may still change."""
        if self._said is None:
            return
        room = max(self._console.width - _METER_WIDTH - len("  -99 dBFS   "), 1)
        text, stable = printable(self._said.text), len(printable(self._said.stable))
        left_out = max(len(text) - room, 0)
        yield text[left_out : max(stable, left_out)], "bold"
        yield text[max(stable, left_out) :], "dim"


def level_bar(peak: float) -> list[tuple[str, str]]:
    """A meter for a peak from 0 to 1: texts, each with its style."""
    level = 20 * math.log10(max(peak, 1e-6))
    filled = round(_METER_WIDTH * min(max(1 + level / _METER_DB, 0.0), 1.0))
    style = "red" if level > -1 else "yellow" if level > -6 else "green"
    return [
        ("█" * filled, style),
        ("░" * (_METER_WIDTH - filled), "dim"),
        (f" {max(level, -99):4.0f} dBFS  ", ""),
    ]


def final_line(event: "live.Final", milliseconds: float) -> "Text":
    """The text of an utterance, or its command with slots and confidence, and how long after the end of speech."""
    from rich.text import Text

    understanding = event.understanding
    shown = printable(event.transcript.text if understanding is None else command_text(understanding))
    style = "" if understanding is None or understanding.understood else "dim"
    return Text.assemble((shown, style), (f"  {milliseconds:.0f} ms", "dim"))
