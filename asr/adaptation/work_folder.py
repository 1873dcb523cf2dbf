"""A folder in which long work keeps what is done, so that the same command goes on where it was interrupted."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from asr.claim import claim
from asr.errors import SettingsError
from asr.files import write_whole

_REQUEST: Final = "request.json"


class WorkFolder:
    """A folder that belongs to one request; ``kept`` results are in it as JSON, other steps have paths of their own."""

    def __init__(self, folder: Path, request: Mapping[str, Any]) -> None:
        """Begin the work, or go on with it.

        Raises SettingsError where the folder belongs to another request, or to something else, or cannot be written.
        """
        self.folder = folder
        claim(folder, _REQUEST, request)

    def path(self, name: str) -> Path:
        """Where something of this name is kept."""
        return self.folder / name

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of this name, which JSON can hold; made only if it is not there.

        Raises SettingsError where the file cannot be read.
        """
        path = self.path(f"{name}.json")
        if not path.is_file():
            write_whole(path, _json(make()))
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: cannot be read ({error}); remove it, and it is made again") from error

    def remove(self) -> None:
        """The work is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()
