"""What the commands say when something goes wrong: one line on standard error, the traceback only on demand."""

from asr.apps.output import say
from asr.failures import Failure, failure_of


def tell(failure: Failure) -> None:
    """Print it on standard error."""
    if failure.traced is not None:
        say(*failure.traced.rstrip("\n").split("\n"), error=True)
    say(*f"asr: {failure.message}".split("\n"), error=True)


def complain(error: BaseException) -> None:
    """Print one line on standard error, after the traceback if ``--debug`` asks for it."""
    tell(failure_of(error))
