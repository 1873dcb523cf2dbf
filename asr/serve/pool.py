"""The workers: a bounded queue before threads, each with ONNX sessions of its own, replaced as a whole on reload."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from asr.api import Commands, Model
from asr.bundle import DEFAULT_BUNDLE, Bundle, read_bundle
from asr.commands.grammar.ready import ready_grammars
from asr.errors import SettingsError
from asr.runtime.commander import Commander
from asr.runtime.transcriber import Transcriber
from asr.serve.errors import Busy, Refusal
from asr.serve.grammars import Grammars
from asr.serve.metrics import Metrics
from asr.serve.settings import ServeSettings
from asr.settings import shown

Result = TypeVar("Result")

_LONGEST_NAME: Final = 100


class Engine:
    """What one worker hears with; used by one thread at a time."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def commander(self, commands: Commands | None) -> Commander | None:
        """What understands these commands, made at the first call; None for none.

        Raises SettingsError for commands that the model cannot spell, BundleError for a model never calibrated.
        """
        return None if commands is None else self.model.commander(commands)


class _Loaded:
    """A bundle and grammars as they were read at one time."""

    def __init__(self, settings: ServeSettings) -> None:
        self.at = int(time.time())
        self.bundle: Bundle = read_bundle(DEFAULT_BUNDLE if settings.bundle is None else settings.bundle)
        self.commands = Commands.load(*settings.commands) if settings.commands else None
        self.brought = Grammars(self.bundle.folder)
        self.by_name: dict[str, Commands] = {}
        for grammar in () if self.commands is None else self.commands.grammars:
            if grammar.name in self.by_name:
                raise SettingsError(f"--commands: found two grammars named {grammar.name}; rename the file of one")
            self.by_name[grammar.name] = Commands((grammar,))
        self.given = frozenset(self.by_name)
        if len(self.by_name) == 1:
            (self.commands,) = self.by_name.values()
        self.engines: SimpleQueue[Engine] = SimpleQueue()
        for _ in range(settings.workers):
            engine = Engine(Model(Transcriber(self.bundle, width=settings.width)))
            for commands in (*self.by_name.values(), self.commands):
                engine.commander(commands)  # kept, and refused now rather than when somebody speaks
            self.engines.put(engine)


class Pool:
    """Hears what it is given by as many workers as the settings say; what is asked beyond queue and workers is refused.

    Examples:
        >>> import asyncio
        >>> from asr.serve.settings import ServeSettings
        >>> async def hear(path):
        ...     pool = Pool(ServeSettings())
        ...     return (await pool.run(lambda engine: engine.model.transcribe(path))).text
        >>> asyncio.run(hear("recipes/commands/samples/five_five.flac"))
        'five five'
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics | None = None) -> None:
        """Raises BundleError and SettingsError for a bundle or grammars that cannot be used."""
        self._settings = settings
        self.metrics = Metrics() if metrics is None else metrics
        self._loaded = _Loaded(settings)
        self._reloading = asyncio.Lock()
        self._executor = ThreadPoolExecutor(settings.workers, "hearing")
        self._counting = threading.Lock()
        self._unfinished = 0
        self.metrics.waiting.set_function(lambda: max(0, self._unfinished - settings.workers))

    async def run(self, work: Callable[[Engine], Result]) -> Result:
        """What ``work`` makes of a worker's engine, on a thread; cancelled, it leaves the queue, unless it has begun.

        Raises Busy where the queue is full, and what ``work`` raises.
        """
        with self._counting:
            self.check_room()
            self._unfinished += 1
        given = self._executor.submit(self._do, work, time.perf_counter())
        given.add_done_callback(self._finished)
        return await asyncio.wrap_future(given)

    def check_room(self) -> None:
        """Raises Busy where the queue is full."""
        if self._unfinished >= self._settings.workers + self._settings.queue:
            raise Busy("too many wait already; try again in a moment")

    async def reload(self) -> None:
        """Read bundle and grammars anew; work that has begun ends with the old ones.

        Raises BundleError and SettingsError where they cannot be used; then the old ones stay.
        """
        async with self._reloading:
            self._loaded = await asyncio.to_thread(_Loaded, self._settings)

    def close(self) -> None:
        """Let the workers end when they have done what they are at; nothing waiting is begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def model_name(self) -> str:
        """The name of the bundle: of its folder, or that by which it is on the Hub."""
        named = self._settings.bundle
        if named is None:
            return DEFAULT_BUNDLE.name
        return os.fspath(named) if str(named).startswith("hf:") else Path(named).resolve().name

    @property
    def loaded_at(self) -> int:
        """When the bundle was read, in seconds of Unix."""
        return self._loaded.at

    @property
    def bundle(self) -> Bundle:
        """The bundle that is in use."""
        return self._loaded.bundle

    @property
    def commands(self) -> Commands | None:
        """All grammars that the service was given, as one."""
        return self._loaded.commands

    @property
    def brought(self) -> Grammars:
        """The grammars that clients brought since the bundle was read."""
        return self._loaded.brought

    @property
    def given(self) -> frozenset[str]:
        """The names of the grammars that the service was given; one may be that of a ready one, in its place."""
        return self._loaded.given

    @property
    def grammars(self) -> tuple[str, ...]:
        """The names of grammars that a client may choose: those that the service was given, and ready ones."""
        return tuple(dict.fromkeys((*self._loaded.by_name, *ready_grammars())))

    def grammar(self, name: str) -> Commands:
        """The commands of one of ``grammars``; never those of a path. Raises Refusal for another name."""
        loaded = self._loaded
        if name not in loaded.by_name:
            if name not in ready_grammars():
                raise Refusal(
                    400,
                    f"commands: found {shown(name[:_LONGEST_NAME])}, wanted one of {', '.join(self.grammars)}",
                    "unknown_grammar",
                    parameter="commands",
                )
            loaded.by_name.setdefault(name, Commands.load(ready_grammars()[name]))
        return loaded.by_name[name]

    def _do(self, work: Callable[[Engine], Result], asked: float) -> Result:
        self.metrics.queued.observe(time.perf_counter() - asked)
        engines = self._loaded.engines
        engine = engines.get()  # never waits: there are as many as threads
        try:
            return work(engine)
        finally:
            engines.put(engine)

    def _finished(self, _: "Future[Result]") -> None:
        with self._counting:
            self._unfinished -= 1
