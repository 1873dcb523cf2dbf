"""The same work on many things by several processes, the results in the order of the things.

Processes, for the search is Python, which one process runs on one core at a time. Spawned, not forked: what threads of
the parent hold at that moment would be held in a forked one for ever.

Not by ProcessPoolExecutor: there one process that dies, as for want of memory, breaks all, and those of a parent that
was killed wait for more to do for ever (seen with Python 3.11 and 3.13). Here each ends when nobody is left to give
orders.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from asr.failures import Failure, Told, failure_of, show_tracebacks, tracebacks_are_shown
from asr.signals import clean_up_when_terminated

Thing = TypeVar("Thing")
Result = TypeVar("Result")
Begin = Callable[..., Callable[[Any], Any]]

WORTH_A_PROCESS: Final = 20
"""Things that a process should have to do: starting it takes about as long as hearing so many commands."""

_AHEAD: Final = 16  # results, times the processes, that may wait for an earlier one
_GIVEN: Final = 2  # things that a process has at a time, so that it never waits for the next
_PATIENCE: Final = 5.0  # seconds that a process has to end when it is told to


def cores() -> int:
    """The processors that this process may use, by its affinity and by the share of its control group."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no Linux, no such group, or "max"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count


def chosen_jobs(jobs: int | None, things: int) -> int:
    """How many processes to use: as many as asked for, or, unless it is said, as many as are worth while."""
    return min(jobs, things) if jobs is not None else max(1, min(cores(), things // WORTH_A_PROCESS))


def in_order(
    begin: Callable[..., Callable[[Thing], Result]], arguments: tuple[Any, ...], things: Sequence[Thing], jobs: int
) -> Generator[Result | Failure, None, None]:
    """What comes of each thing in turn, by ``jobs`` processes; close the iterator and they are gone.

    Each process calls ``begin(*arguments)`` once, and what that gives with each of its things. All of it must be
    picklable, ``begin`` a function of a module. An error of one thing is its result; a process that dies is replaced.

    Raises:
        Told: ``begin`` failed, or a process died in it.
    """
    done: dict[int, Result | Failure] = {}
    with _Crew[Thing, Result](begin, arguments, jobs) as crew:
        given = 0
        for place in range(len(things)):
            while place not in done:
                while given < min(len(things), place + _AHEAD * jobs) and crew.take(given, things[given]):
                    given += 1
                done.update(crew.results())
            yield done.pop(place)


class _Crew(Generic[Thing, Result]):
    """The processes, and what each has to do."""

    def __init__(self, begin: Begin, arguments: tuple[Any, ...], jobs: int) -> None:
        self._begin, self._arguments, self._jobs = begin, arguments, jobs
        self._processes: dict[Connection, BaseProcess] = {}  # by where its results come from
        self._orders: dict[Connection, Connection] = {}
        self._doing: dict[Connection, deque[tuple[int, Thing]]] = {}
        self._begun: set[Connection] = set()
        self._end = ExitStack()

    def __enter__(self) -> "_Crew[Thing, Result]":
        self._end.callback(self._dismiss)
        with self._end:
            for _ in range(self._jobs):
                self._hire()
            self._end = self._end.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def take(self, place: int, thing: Thing) -> bool:
        """Give a thing to whoever has least to do; false where all have enough."""
        pipe = min(self._doing, key=lambda each: len(self._doing[each]))
        if len(self._doing[pipe]) == _GIVEN:
            return False
        self._doing[pipe].append((place, thing))
        self._send(pipe, place, thing)
        return True

    def results(self) -> dict[int, Result | Failure]:
        """Wait until something is done, and give what is, by its place."""
        found: dict[int, Result | Failure] = {}
        for pipe in wait(list(self._processes)):
            assert isinstance(pipe, Connection)
            try:
                place, result = pipe.recv()
            except (EOFError, OSError):
                found.update(self._replace(pipe))
                continue
            if place is not None:
                self._doing[pipe].popleft()
                found[place] = result
            elif isinstance(result, Failure):
                raise Told(result)
            else:
                self._begun.add(pipe)
        return found

    def _hire(self) -> Connection:
        context = get_context("spawn")
        # Two pipes that lead one way: one that leads both ways would be a socket.
        (results, theirs), (orders, ours) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        # A daemon, so that the interpreter ends it should all else fail.
        process = context.Process(
            target=_work, args=(orders, theirs, self._begin, self._arguments, tracebacks_are_shown()), daemon=True
        )
        with theirs, orders, deaf_to_ctrl_c():
            process.start()
            self._processes[results], self._orders[results], self._doing[results] = process, ours, deque()
        return results

    def _replace(self, pipe: Connection) -> dict[int, Result | Failure]:
        """Let another take over from a process that died; what it was at has failed."""
        process, doing = self._processes.pop(pipe), self._doing.pop(pipe)
        self._orders.pop(pipe).close()
        pipe.close()
        process.join(_PATIENCE)
        code = process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"status {code}"
        if pipe not in self._begun:
            raise Told(Failure(f"a process to work with ended at once ({how}); try --jobs 1", None))
        failed: dict[int, Result | Failure] = {}
        if doing:
            place, thing = doing.popleft()
            failed[place] = Failure(
                f"{thing}: the process that was at it ended ({how}), perhaps for want of memory; try it alone", None
            )
        new = self._hire()
        for place, thing in doing:
            self._doing[new].append((place, thing))
            self._send(new, place, thing)
        return failed

    def _send(self, pipe: Connection, place: int, thing: Thing) -> None:
        with suppress(BrokenPipeError, ConnectionError):  # it has died, which is seen when its results are read
            self._orders[pipe].send((place, thing))

    def _dismiss(self) -> None:
        for pipe, process in self._processes.items():
            # One that is still importing has no files to clean up, and would complain of the interruption.
            (process.terminate if pipe in self._begun else process.kill)()
        for pipe, process in self._processes.items():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
            pipe.close()
            self._orders[pipe].close()


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """For starting a process, which inherits it.

    Ctrl-C reaches all processes of a terminal, and only the first is to answer, and then to end the others. One that
    comes in the meantime is not lost.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(orders: Connection, results: Connection, begin: Begin, arguments: tuple[Any, ...], tracebacks: bool) -> None:
    """What a process does: orders, until nobody is there to give more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clean_up_when_terminated()
    show_tracebacks(tracebacks)
    with suppress(BrokenPipeError, ConnectionError, EOFError):
        try:
            do = begin(*arguments)
        except Exception as error:
            results.send((None, failure_of(error)))
            return
        results.send((None, None))
        while True:
            place, thing = orders.recv()
            try:
                result = do(thing)
            except Exception as error:
                result = failure_of(error)
            results.send((place, result))
