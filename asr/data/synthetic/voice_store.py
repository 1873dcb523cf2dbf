"""Where the parts of neural voices lie that no package brings: a folder of the person's own."""

import os
from pathlib import Path
from typing import Final

FOLDER: Final = "ASR_VOICES"
PIPER: Final = "ASR_PIPER"


def store() -> Path:
    """The folder that the variable ASR_VOICES names, or ``asr/voices`` where the person's programs keep their data."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named)
    data = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "asr" / "voices"


def kokoro_folder() -> Path:
    """Kokoro's graph and voices, which `asr voices fetch kokoro` puts here."""
    return store() / "kokoro"


def piper_folder() -> Path:
    """A person's own Piper voices: the folder that the variable ASR_PIPER names, or ``piper`` beside the others."""
    named = os.environ.get(PIPER)
    return Path(named) if named else store() / "piper"
