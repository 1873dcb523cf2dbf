"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from asr.files import unfinished_file


@pytest.mark.parametrize("durable", [False, True])
def test_an_unfinished_file_takes_the_name_whole_or_not_at_all(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "a.bin"
    with unfinished_file(path, "other", durable=durable) as file:
        file.write(b"old")
        assert [each.name for each in path.parent.iterdir()] == ["other"]
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), unfinished_file(path, durable=durable) as file:
            file.write(b"half")
            raise error
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == {"a.bin": b"old"}
