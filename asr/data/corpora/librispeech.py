"""LibriSpeech and Mini LibriSpeech: ``{part}/{speaker}/{chapter}/{speaker}-{chapter}-{n}.flac`` and ``….trans.txt``.

Panayotov, Chen, Povey and Khudanpur, LibriSpeech: an ASR corpus based on public domain audio books, ICASSP 2015.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_rows
from asr.data.manifests.bounded import is_file

# The publisher's checksums: https://www.openslr.org/resources/12/md5sum.txt, …/31/md5sum.txt
PARTS: Final = {
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
}
MINI_PARTS: Final = {
    "train-clean-5": "5df7d4e78065366204ca6845bb08f490",
    "dev-clean-2": "6d7ab67ac6a1d2c993d050e16d61080d",
}

_LINE: Final = re.compile(r"(([0-9]+)-[0-9]+-[0-9]+)(?: +(.*))?")


# Not Lhotse's prepare_librispeech: it reads .flac only, opens each of 280,000 files, and stops at one that is damaged.
def _reader(parts: Mapping[str, str]) -> Callable[[Path], CorpusSplits]:
    def read(folder: Path) -> CorpusSplits:
        """The utterances of train-*, dev-* and test-*, in a folder of the corpus or of one part of it.

        Ids are the corpus's own, such as 84-121123-0000.

        Raises:
            ManifestError: there is no part of the corpus, nothing in it can be used, or an id comes twice.
        """

        def is_part(place: Path) -> bool:
            return place.is_dir() and place.resolve().name in parts

        wanted = layout(parts)
        root = find_root(folder, lambda place: is_part(place) or any((place / part).is_dir() for part in parts), wanted)
        if is_part(root):
            places = {root.resolve().name: root}
        else:
            places = {part: root / part for part in parts if (root / part).is_dir()}
        left_out: list[str] = []
        transcripts: dict[str, TranscriptLine] = {}
        for part, place in places.items():
            for path in sorted(filter(is_file, place.rglob("*.trans.txt"))):
                for where, line in read_rows(path, folder, left_out):
                    match = _LINE.fullmatch(line)
                    if match is None:
                        left_out.append(f"{where}: found {line[:40]!r}, wanted an id such as 84-121123-0000 and a text")
                        continue
                    spoken = TranscriptLine(match[3] or "", match[2], part.partition("-")[0], where)
                    add(transcripts, match[1], spoken, folder)
        return pair(folder, find_recordings(folder, places.values()), transcripts, left_out, wanted)

    return read


def layout(parts: Mapping[str, str]) -> str:
    """How the folder must look, in a line."""
    return f"{', '.join(parts)}, some of them, each with SPEAKER/CHAPTER/SPEAKER-CHAPTER-N.flac and .trans.txt"


LIBRISPEECH = Corpus(
    title="LibriSpeech",
    url="https://www.openslr.org/12",
    licence="CC BY 4.0",
    layout=layout(PARTS),
    read=_reader(PARTS),
    archives=tuple(Archive(f"https://www.openslr.org/resources/12/{part}.tar.gz", md5) for part, md5 in PARTS.items()),
)
MINI_LIBRISPEECH = Corpus(
    title="Mini LibriSpeech",
    url="https://www.openslr.org/31",
    licence="CC BY 4.0",
    layout=layout(MINI_PARTS),
    read=_reader(MINI_PARTS),
    archives=tuple(
        Archive(f"https://www.openslr.org/resources/31/{part}.tar.gz", md5) for part, md5 in MINI_PARTS.items()
    ),
)
