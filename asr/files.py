"""Files that appear whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write into a file of another name, which then takes the place of ``path``; its folder is made where needed.

    Raises OSError, which names ``path``.
    """
    # The name first: Lhotse tells by a name's beginning what belongs to a folder of shards.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        # Nobody asked for the other name.
        named = path if error.filename in (None, os.fspath(unfinished)) else error.filename
        raise OSError(error.errno, error.strerror, os.fspath(named)) from error
    finally:
        with suppress(OSError):  # it may be the folder that could not be made or written to
            unfinished.unlink()
