"""Readers of corpora: on miniature copies of each, and on the real digits where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.load import load_audio
from asr.data.corpora import CORPORA
from asr.data.corpora.digits import WORDS, read_digits
from asr.data.corpora.tsv import read_lists
from asr.data.manifest import check_disjoint
from asr.errors import ManifestError


def record(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, 0.1), 8000)


def digits_tree(folder: Path) -> None:
    for speaker, digits in (("jackson", "019"), ("theo", "3"), ("george", "45"), ("yweweler", "6"), ("lucas", "7")):
        for digit in digits:
            record(folder / "recordings" / f"{digit}_{speaker}_{10 if digit == '9' else 2}.wav")
    record(folder / "recordings" / "0_jackson_10.ogg")
    record(folder / "recordings" / "0_jackson_3.flac")
    (folder / "recordings" / "notes.txt").write_text("not audio")


def lists_tree(folder: Path) -> None:
    for split, speaker in (("train", "anna"), ("dev", "ben"), ("test", "cleo")):
        record(folder / f"{split}.wav")
        (folder / f"{split}.tsv").write_text(f"path\tspeaker\ttext\n{split}.wav\t{speaker}\tstop it\n")


TREES: dict[str, Callable[[Path], None]] = {"digits": digits_tree, "tsv": lists_tree}


def test_every_corpus_has_a_miniature_here() -> None:
    assert CORPORA
    assert set(CORPORA) == set(TREES)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_splits_are_whole_and_share_no_speaker(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    splits = CORPORA[name].read(tmp_path).splits
    assert list(splits) == ["train", "dev", "test"]
    check_disjoint(splits)
    everything = [utterance for utterances in splits.values() for utterance in utterances]
    assert len({utterance.id for utterance in everything}) == len(everything)
    for utterance in everything:
        assert utterance.text
        assert len(load_audio(utterance.path)) == 1600


@pytest.mark.parametrize("name", sorted(CORPORA))
@pytest.mark.parametrize("content", ["nothing", "absent", "file", "other"])
def test_wrong_folder_is_named_with_what_was_wanted(name: str, content: str, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    if content != "absent":
        folder.mkdir()
    if content == "file":
        folder = folder / "file"
        folder.write_text("no folder")
    if content == "other":
        record(folder / "speech.wav")
    with pytest.raises(ManifestError, match=r"corpus.*wanted") as caught:
        CORPORA[name].read(folder)
    assert "\n" not in str(caught.value)


def test_digits_are_read_by_their_names(tmp_path: Path) -> None:
    digits_tree(tmp_path)
    splits = read_digits(tmp_path).splits
    assert [(u.id, u.speaker, u.text) for u in splits["train"]] == [
        ("recordings/0_jackson_2.wav", "jackson", "zero"),
        ("recordings/0_jackson_3.flac", "jackson", "zero"),
        ("recordings/0_jackson_10.ogg", "jackson", "zero"),
        ("recordings/1_jackson_2.wav", "jackson", "one"),
        ("recordings/9_jackson_10.wav", "jackson", "nine"),
        ("recordings/7_lucas_2.wav", "lucas", "seven"),
    ]
    assert [(u.speaker, u.text) for u in splits["dev"]] == [("theo", "three")]
    assert [(u.speaker, u.text) for u in splits["test"]] == [
        ("george", "four"),
        ("george", "five"),
        ("yweweler", "six"),
    ]
    assert all(u.path == tmp_path / u.id for utterances in splits.values() for u in utterances)


def test_partial_copy_of_the_digits_has_fewer_splits(tmp_path: Path) -> None:
    record(tmp_path / "recordings" / "8_theo_0.wav")
    assert {split: len(utterances) for split, utterances in read_digits(tmp_path).splits.items()} == {"dev": 1}


def test_names_that_do_not_fit_are_listed_a_few_at_a_time(tmp_path: Path) -> None:
    digits_tree(tmp_path)
    for name in ("ten_theo_0", "10_theo_0", "1_theo", "1_theo_x", "a"):
        record(tmp_path / "recordings" / f"{name}.wav")
    with pytest.raises(ManifestError, match=r"10_theo_0\.wav, .*, .* and 2 more.*digit.*rename or remove"):
        read_digits(tmp_path)


def test_recording_that_is_there_as_two_kinds_of_file_is_refused(tmp_path: Path) -> None:
    digits_tree(tmp_path)
    record(tmp_path / "recordings" / "3_theo_2.flac")
    with pytest.raises(ManifestError, match=r"3_theo_2\.flac and recordings/3_theo_2\.wav"):
        read_digits(tmp_path)


def test_empty_recordings_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    with pytest.raises(ManifestError, match=r"recordings.*digit"):
        read_digits(tmp_path)


def test_lists_may_be_any_of_the_three(tmp_path: Path) -> None:
    lists_tree(tmp_path)
    (tmp_path / "test.tsv").unlink()
    splits = read_lists(tmp_path).splits
    assert [(split, [u.speaker for u in utterances]) for split, utterances in splits.items()] == [
        ("train", ["anna"]),
        ("dev", ["ben"]),
    ]


def test_lists_that_share_a_speaker_are_refused(tmp_path: Path) -> None:
    lists_tree(tmp_path)
    (tmp_path / "dev.tsv").write_text("path\tspeaker\ttext\ndev.wav\tanna\tstop it\n")
    with pytest.raises(ManifestError, match=r"train.*dev.*anna"):
        read_lists(tmp_path)


def test_real_digits(corpora: Path) -> None:
    """The copy at hand lacks the test speakers."""
    splits = read_digits(corpora / "fsdd").splits
    assert {split: len(utterances) for split, utterances in splits.items()} == {"train": 1500, "dev": 500}
    assert {utterance.speaker for utterance in splits["dev"]} == {"theo"}
    for utterances in splits.values():
        assert {utterance.text for utterance in utterances} == set(WORDS)
    listed = read_lists(corpora / "fsdd").splits
    for split, utterances in splits.items():
        assert {(u.id, u.speaker, u.text) for u in utterances} == {(u.id, u.speaker, u.text) for u in listed[split]}
