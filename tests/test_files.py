"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from asr.files import unfinished_file


def write(path: Path, content: bytes, error: BaseException | None = None, *, durable: bool = False) -> None:
    with unfinished_file(path, "other", durable=durable) as file:
        file.write(content)
        assert "other" in {each.name for each in path.parent.iterdir()}
        if error is not None:
            raise error


@pytest.mark.parametrize("durable", [False, True])
def test_an_unfinished_file_takes_the_name_whole_or_not_at_all(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "a.bin"
    write(path, b"old", durable=durable)
    for error in (KeyboardInterrupt(), ValueError()):
        with pytest.raises(type(error)):
            write(path, b"half", error, durable=durable)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == {"a.bin": b"old"}
