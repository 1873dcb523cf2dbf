"""A recording that is heard while somebody waits for it, and no longer than that."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from asr.serve.errors import Refusal
from asr.serve.pool import Engine
from asr.serve.service import service_of

Result = TypeVar("Result")


class Waiting:
    """Whether somebody still waits for an answer; a worker asks it from its own thread."""

    def __init__(self) -> None:
        self._gone = threading.Event()

    def end(self) -> None:
        """Nobody waits any more: the client has its answer, or has gone."""
        self._gone.set()

    def check(self) -> None:
        """Raises Refusal where nobody does."""
        if self._gone.is_set():
            raise Refusal(499, "the client has gone", "client_gone")

    def blocks(self, sound: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """The same blocks (n,), as long as somebody waits; then Refusal is raised, and the worker is free."""
        for block in sound:
            self.check()
            yield block


async def answered(request: Request, work: Callable[[Engine, Waiting], Result]) -> Result:
    """What a worker makes of a request, unless its client goes: then the worker is told so.

    Raises Refusal where the client has gone, Busy where too many wait, and what ``work`` raises.
    """
    waiting = Waiting()
    working = asyncio.ensure_future(service_of(request).pool.run(lambda engine: work(engine, waiting)))
    going = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, going), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refusal(499, "the client has gone", "client_gone")
        return await working
    finally:
        waiting.end()
        working.cancel()
        going.cancel()
