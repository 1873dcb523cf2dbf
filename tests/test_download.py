"""Fetching a corpus: against a server on this machine that cuts connections, refuses, and sends what it should not."""

import gzip
import hashlib
import io
import socket
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from publishers import Publisher

from asr.data.corpora import CORPORA, download
from asr.data.corpora.corpus import Archive, Corpus
from asr.data.corpora.download import fetch
from asr.download import _length, fetch_file
from asr.errors import AsrError


def tar_of(members: dict[str, bytes], *, link: tuple[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tarred.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo(link[0])
            entry.type, entry.linkname = tarfile.SYMTYPE, link[1]
            tarred.addfile(entry)
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


AUDIO = np.random.default_rng(1).bytes(300_000)
MEMBERS = {"corpus/a.wav": AUDIO, "corpus/text/a.txt": b"stop it\n"}


def corpus_of(publisher: Publisher, *files: tuple[str, bytes, str]) -> Corpus:
    """A corpus with archives of these names, contents and checksums."""
    for name, content, _ in files:
        publisher.files[f"/{name}"] = content
    archives = tuple(Archive(f"{publisher.url}/{name}", md5) for name, _, md5 in files)
    return replace(CORPORA["digits"], title="Toy", url="https://example.org/toy", archives=archives)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_archives_are_unpacked_into_the_folder_and_fetched_once(publisher: Publisher, tmp_path: Path) -> None:
    first, second = tar_of(MEMBERS), zip_of({"corpus/b.wav": b"more"})
    corpus = corpus_of(publisher, ("a.tar.gz", first, md5(first)), ("b.zip", second, ""))
    folder = tmp_path / "below" / "toy"
    for _ in range(2):
        fetch(corpus, folder)
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert found == {*MEMBERS, "corpus/b.wav", ".a.tar.gz.unpacked", ".b.zip.unpacked"}
    assert all((folder / name).read_bytes() == content for name, content in MEMBERS.items())
    assert publisher.asked == [None, None]


def test_an_interrupted_download_goes_on_where_it_was(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    publisher.cut = [100_000, 50_000]
    fetch(corpus_of(publisher, ("a.tar.gz", content, md5(content))), tmp_path, pause=0)
    assert publisher.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "corpus" / "a.wav").read_bytes() == AUDIO


def test_the_next_run_goes_on_too(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    corpus = corpus_of(publisher, ("a.tar.gz", content, md5(content)))
    publisher.cut = [1_000] * 5
    with pytest.raises(AsrError, match=r"after 5000 bytes.*a\.tar\.gz\.part holds what came.*run again") as caught:
        fetch(corpus, tmp_path, pause=0)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz.part"]
    publisher.asked.clear()
    fetch(corpus, tmp_path)
    assert publisher.asked == ["bytes=5000-"]
    assert (tmp_path / "corpus" / "a.wav").read_bytes() == AUDIO


def test_a_part_that_was_whole_is_taken(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    (tmp_path / "a.tar.gz.part").write_bytes(content)
    fetch(corpus_of(publisher, ("a.tar.gz", content, md5(content))), tmp_path, pause=0)
    assert (tmp_path / "corpus" / "a.wav").read_bytes() == AUDIO


def test_a_part_of_another_file_is_dropped(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    (tmp_path / "a.tar.gz.part").write_bytes(content + b"longer")
    fetch(corpus_of(publisher, ("a.tar.gz", content, md5(content))), tmp_path, pause=0)
    assert publisher.asked == [f"bytes={len(content) + 6}-", None]
    assert (tmp_path / "corpus" / "a.wav").read_bytes() == AUDIO


def test_a_server_that_only_sends_all_is_begun_again(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    publisher.ranges, publisher.cut = False, [70_000]
    fetch(corpus_of(publisher, ("a.tar.gz", content, md5(content))), tmp_path, pause=0)
    assert (tmp_path / "corpus" / "a.wav").read_bytes() == AUDIO


def test_a_server_that_is_busy_is_asked_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.refuse = [503, 500]
    fetch(corpus_of(publisher, ("a.tar.gz", tar_of(MEMBERS), "")), tmp_path, pause=0)
    assert len(publisher.asked) == 3


def test_another_checksum_is_refused_and_nothing_is_unpacked(publisher: Publisher, tmp_path: Path) -> None:
    content = tar_of(MEMBERS)
    with pytest.raises(AsrError, match=rf"found the MD5 {md5(content)}, wanted {md5(b'x')}; it was removed"):
        fetch(corpus_of(publisher, ("a.tar.gz", content, md5(b"x"))), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        tar_of({"../evil.txt": b"x"}),
        tar_of({"a/../../evil.txt": b"x"}),
        tar_of({}, link=("here", "..")),
        zip_of({"../evil.txt": b"x"}),
        zip_of({"good.txt": b"x", "a/../../evil.txt": b"x"}),
        zip_of({"/evil.txt": b"x"}),
        zip_of({"..\\evil.txt": b"x"}),
        zip_of({"C:/evil.txt": b"x"}),
    ],
    # The bytes hold the time.
    ids=["tar up", "tar up within", "tar link", "zip up", "zip up within", "zip root", "zip backslash", "zip drive"],
)
def test_members_outside_the_folder_are_refused(content: bytes, publisher: Publisher, tmp_path: Path) -> None:
    folder = tmp_path / "below" / "toy"
    with pytest.raises(AsrError, match=r"refused, .*wanted members inside the folder"):
        fetch(corpus_of(publisher, ("a.tar.gz", content, "")), folder)
    assert not list(tmp_path.rglob("evil.txt"))
    assert [path.name for path in folder.iterdir()] == ["a.tar.gz"]


def odd_tar(**changes: Any) -> bytes:
    buffer = io.BytesIO()
    entry = tarfile.TarInfo("a.wav")
    for name, value in changes.items():
        setattr(entry, name, value)
    buffer.write(entry.tobuf(tarfile.GNU_FORMAT))
    buffer.write(bytes(1024))
    return gzip.compress(buffer.getvalue())


def odd_zip(flags: int = 0, method: int = 0) -> bytes:
    """One file whose headers say that it is encrypted, or packed in another way."""
    content = bytearray(zip_of({"a.wav": b"abc"}))
    for start, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(start) + place
        content[at : at + 4] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    return bytes(content)


def test_an_entry_for_the_folder_itself_says_nothing(publisher: Publisher, tmp_path: Path) -> None:
    for number, name in enumerate(("./", ".//", "././")):
        fetch(corpus_of(publisher, (f"{number}.zip", zip_of({name: b"", f"./{number}.wav": b"x"}), "")), tmp_path)
        assert (tmp_path / f"{number}.wav").read_bytes() == b"x"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        entry = tarfile.TarInfo("./")
        entry.type = tarfile.DIRTYPE
        tarred.addfile(entry)
    fetch(corpus_of(publisher, ("a.tar.gz", buffer.getvalue(), "")), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        *(
            zip_of({name: b"x"})
            for name in (".", "..", "../", "/", "//x", "a/..", "C:", "c:x", "\\", "..\\..", "x" * 500)
        ),
        *(zip_of(members) for members in ({"a": b"x", "a/b": b"x"}, {"a/b": b"x", "a": b"x"})),
        *(odd_zip(flags=1), odd_zip(method=99)),
        *(tar_of({name: b"x"}) for name in ("..", ".", "a/..", "../x", "x" * 500, "a/" + "y" * 300)),
        *(tar_of(members) for members in ({"a": b"x", "a/b": b"x"}, {"a/b": b"x", "a": b"x"})),
        *(tar_of({}, link=link) for link in (("a", "b"), ("a", "/dev/zero"), ("a", "a"))),
        *(odd_tar(type=kind) for kind in (tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)),
        *(odd_tar(size=size) for size in (-512, 2**40, 2**62)),
        *(odd_tar(type=kind, size=2**34) for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME)),
        *(b"", b"PK\3\4", b"PK\5\6" + bytes(18), gzip.compress(b""), bytes(10_240)),
    ],
    ids=lambda _: "archive",
)
def test_odd_archives_are_refused_in_one_line(content: bytes, publisher: Publisher, tmp_path: Path) -> None:
    folder = tmp_path / "below" / "toy"
    try:
        fetch(corpus_of(publisher, ("a.tar.gz", content, "")), folder)
    except AsrError as error:
        complaint = str(error)
    else:  # nothing in it, which is no harm
        complaint = ""
        assert [path.name for path in folder.iterdir()] == [".a.tar.gz.unpacked"]
    assert "\n" not in complaint
    assert "make room" not in complaint
    assert {path.name for path in tmp_path.iterdir()} == {"below"}
    assert {path.name for path in (tmp_path / "below").iterdir()} == {"toy"}


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_an_archive_that_would_fill_the_disk_is_refused(
    pack: Callable[[dict[str, bytes]], bytes], publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_FREE", 10_000_000)
    buffer = io.BytesIO()
    if pack is zip_of:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            for number in range(20):
                zipped.writestr(f"{number}", bytes(2_000_000))
        content = buffer.getvalue()
    else:
        content = tar_of({f"{number}": bytes(2_000_000) for number in range(20)})
    with pytest.raises(AsrError, match="far more than audio does"):
        fetch(corpus_of(publisher, ("a.tar.gz", content, "")), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000_000


def test_a_length_that_is_no_number_is_none() -> None:
    assert [_length(each) for each in ("12", "", "²", "-1", "1 2", "٣", "9" * 5000)] == [12, *[None] * 6]


def test_an_absolute_name_stays_in_the_folder(publisher: Publisher, tmp_path: Path) -> None:
    """Python's filter for data takes the first slash off."""
    folder = tmp_path / "toy"
    fetch(corpus_of(publisher, ("a.tar.gz", tar_of({f"{tmp_path}/evil.txt": b"x"}), "")), folder)
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("content", [b"<html>not here any more</html>", tar_of(MEMBERS)[:50_000], zip_of(MEMBERS)[:-9]])
def test_what_is_no_archive_is_removed(content: bytes, publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(AsrError, match=r"found no whole tar or zip archive.*run again"):
        fetch(corpus_of(publisher, ("a.tar.gz", content, "")), tmp_path)
    assert not (tmp_path / "a.tar.gz").exists()
    assert not (tmp_path / ".a.tar.gz.unpacked").exists()


@pytest.mark.parametrize("promised", [True, False])
def test_what_is_too_large_is_not_kept(
    promised: bool, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.files["/a.bin"] = bytes(5_000_000)
    if not promised:
        monkeypatch.setattr("asr.download._length", lambda _: None)
    with pytest.raises(AsrError, match=r"found [0-9,]+ bytes or more, wanted 1,500,000 at most"):
        fetch_file(f"{publisher.url}/a.bin", tmp_path / "a.bin", "", largest=1_500_000)
    assert list(tmp_path.iterdir()) == []
    fetch_file(f"{publisher.url}/a.bin", tmp_path / "a.bin", "", largest=5_000_000)
    assert (tmp_path / "a.bin").stat().st_size == 5_000_000


def test_a_file_that_is_there_is_checked_and_not_fetched(publisher: Publisher, tmp_path: Path) -> None:
    file, digest = tmp_path / "a.bin", f"sha256:{hashlib.sha256(b'good').hexdigest()}"
    publisher.files["/a.bin"] = b"good"
    for _ in range(2):
        fetch_file(f"{publisher.url}/a.bin", file, "", digest=digest)
        assert (file.read_bytes(), len(publisher.asked)) == (b"good", 1)
    file.write_bytes(b"bad")
    with pytest.raises(AsrError, match=r"found the SHA256 .*; it was removed"):
        fetch_file(f"{publisher.url}/a.bin", file, "", digest=digest)
    assert not file.exists()


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_says_how_to_get_it_by_hand(status: int, publisher: Publisher, tmp_path: Path) -> None:
    corpus = corpus_of(publisher, ("a.tar.gz", b"", ""))
    publisher.refuse = [status]
    with pytest.raises(AsrError, match=rf"HTTP {status}") as caught:
        fetch(corpus, tmp_path)
    message = str(caught.value)
    assert corpus.url in message
    assert corpus.layout in message
    assert "\n" not in message
    assert len(publisher.asked) == 1


def test_a_network_that_refuses_says_how_to_get_it_by_hand(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/a.tar.gz"
    corpus = replace(CORPORA["digits"], archives=(Archive(url),))
    with pytest.raises(AsrError, match=r"cannot be fetched \(.*refused.*get it from https://.*recordings/"):
        fetch(corpus, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://example.org/a.tar.gz", "ftp://example.org/a.tar.gz", "file:///etc/passwd"])
def test_only_https_is_trusted(url: str, tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="wanted https"):
        fetch(replace(CORPORA["digits"], archives=(Archive(url),)), tmp_path)


def test_a_redirection_to_less_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.redirect["/a.tar.gz"] = "http://example.org/a.tar.gz"
    with pytest.raises(AsrError, match=r"http://example.org/a.tar.gz: .*wanted https"):
        fetch(corpus_of(publisher, ("a.tar.gz", b"", "")), tmp_path)


@pytest.mark.parametrize("name", sorted(name for name, corpus in CORPORA.items() if not corpus.archives))
def test_a_corpus_without_archives_is_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="wants to be asked") as caught:
        fetch(CORPORA[name], tmp_path / "corpus")
    assert CORPORA[name].url in str(caught.value)
    assert CORPORA[name].layout in str(caught.value)
    assert not (tmp_path / "corpus").exists()


def test_addresses_of_all_corpora_are_https_with_names_of_their_own() -> None:
    assert any(corpus.archives for corpus in CORPORA.values())
    for corpus in CORPORA.values():
        names = [archive.url.rpartition("/")[2] for archive in corpus.archives]
        assert len(set(names)) == len(names)
        for archive in corpus.archives:
            assert archive.url.startswith("https://")
            assert not archive.md5 or len(archive.md5) == 32
