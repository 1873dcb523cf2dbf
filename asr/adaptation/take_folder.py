"""A person's own recordings as a corpus that grows: each take is on the disk, whole, before the next begins."""

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.encoding import encode
from asr.data.manifests.manifest import read_manifest
from asr.data.manifests.utterance import Utterance
from asr.errors import ManifestError
from asr.files import write_whole

LIST: Final = "train.tsv"
"""The list of a folder of takes, which `asr prepare tsv` and `asr adapt` read."""

RECORDINGS: Final = "recordings"
"""The folder of their audio, beside the list."""

_HEADER: Final = "path\tspeaker\ttext"
_NUMBER: Final = re.compile(r"[0-9]+(?=_)")
_LONGEST_NAME: Final = 40  # letters of the text in a file's name


class TakeFolder:
    """A folder with ``train.tsv`` and ``recordings/``; takes that are there already stay as they are."""

    def __init__(self, folder: Path) -> None:
        """Open a folder, which need not be there yet.

        Raises ManifestError where it holds a list that is not one of takes, or one that cannot be read.
        """
        self.folder = folder
        self.list = folder / LIST
        self.utterances: list[Utterance] = []
        if self.list.exists():
            header = self.list.read_text(encoding="utf-8-sig", errors="replace").partition("\n")[0]
            if header != _HEADER:
                raise ManifestError(
                    f"{self.list}:1: found the columns {', '.join(header.split(chr(9)))}, wanted path, speaker, text; "
                    "this is no list of takes: choose another --out"
                )
            # A list with its header alone is one from which a person has taken all lines.
            if self.list.read_text(encoding="utf-8-sig").strip() != _HEADER:
                self.utterances = read_manifest(self.list)

    def add(self, wave: NDArray[np.float32], text: str, speaker: str) -> Path:
        """Keep a take: its wave (N,), float32 in [-1, 1] at 16 kHz, N > 0, as FLAC under a new name.

        Returns:
            the recording's file. Whatever interrupts this, the list names only files that are whole.

        Raises:
            OSError: it cannot be written.
            ManifestError: the text or the speaker holds what a list cannot.
        """
        name = f"{RECORDINGS}/{self._next():04}_{text.replace(' ', '_').replace(chr(39), '')[:_LONGEST_NAME]}.flac"
        if any(sign in cell for cell in (text, speaker) for sign in "\t\r\n"):
            raise ManifestError(f"{name}: found a tab or an end of line in {(speaker, text)!r}; wanted none")
        utterance = Utterance(name, self.folder / name, speaker, text)
        write_whole(utterance.path, encode(wave, "flac"))
        lines = [_HEADER, *(f"{each.id}\t{each.speaker}\t{each.text}" for each in (*self.utterances, utterance))]
        write_whole(self.list, ("\n".join(lines) + "\n").encode())
        self.utterances.append(utterance)
        return utterance.path

    def _next(self) -> int:
        """A number above all in use, those of files that no list names included."""
        names = [Path(each.id).name for each in self.utterances]
        names += [path.name for path in (self.folder / RECORDINGS).glob("*")]
        return 1 + max((int(found[0]) for name in names if (found := _NUMBER.match(name))), default=0)
