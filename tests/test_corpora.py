"""Readers of corpora: on miniature copies of each, and on the real ones where they are at hand."""

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import miniatures
import numpy as np
import pytest
import soundfile
from miniatures import RATE, say, speech, write

from asr.data.corpora import CORPORA
from asr.data.corpora.digits import read_digits
from asr.data.corpora.english_ccc import LISTING, read_english_ccc
from asr.data.corpora.speech_commands import read_speech_commands, read_speech_commands_12, split_of
from asr.data.corpora.speechocean762 import DEV_SPEAKERS, read_speechocean762
from asr.data.corpora.tsv import read_lists
from asr.data.manifests.manifest import check_disjoint, read_manifest, read_utterance
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import ManifestError


def record(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, 0.1), 8000)


def hiss(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(5).uniform(-0.2, 0.2, round(seconds * RATE)), RATE)


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


COMMANDS = {
    "train": ("00176480", "004ae714", "0a7c2a8d"),
    "dev": ("026290a7", "060cd039"),
    "test": ("022cd682", "022cd682"),
}


def speech_commands_tree(folder: Path) -> None:
    lists: dict[str, list[str]] = {split: [] for split in COMMANDS}
    for split, speakers in COMMANDS.items():
        for number, speaker in enumerate(speakers):
            for word in ("yes", "no", "cat"):
                name = f"{word}/{speaker}_nohash_{number}"
                say(folder / f"{name}{'.opus' if (word, number) == ('no', 1) else '.wav'}", word, speaker)
                lists[split].append(f"{name}.wav")
    write(folder / "validation_list.txt", lists["dev"])
    write(folder / "testing_list.txt", lists["test"])
    write(folder / "README.md", ["# Speech Commands Data Set v0.02"])
    record(folder / "cat" / "odd.wav")
    hiss(folder / "_background_noise_" / "doing_the_dishes.wav", 25)
    hiss(folder / "_background_noise_" / "pink_noise.wav", 15)


def speechocean762_tree(folder: Path) -> None:
    texts = {"11": "WE CALL IT BEAR", "35": "ZERO THREE FIVE ONE", "53": "LET'S GO"}
    for half, speakers in (("train", ("0001", "0005", "0006", "0482")), ("test", ("0003", "0024"))):
        said, owners, places = [], [], []
        for speaker in speakers:
            for number, text in texts.items():
                key = f"0{speaker}{number:0>4}"
                suffix = ".flac" if key == "000050035" else ".WAV"
                say(folder / "WAVE" / f"SPEAKER{speaker}" / f"{key}{suffix}", text.lower(), speaker)
                said.append(f"{key}\t{text}")
                owners.append(f"{key}\t{speaker}")
                places.append(f"{key}\tWAVE/SPEAKER{speaker}/{key}.WAV")
        if half == "test":
            said.append("000030099\tNOBODY RECORDED THIS")
            owners.append("000030099\t0003")
        for name, lines in (("text", said), ("utt2spk", owners), ("wav.scp", places)):
            write(folder / half / name, lines)
    say(folder / "WAVE" / "SPEAKER0003" / "000030100.WAV", "nobody wrote this", "0003")


def an4_tree(folder: Path) -> None:
    halves = {"train": ("an4_clstk", ("fash", "fbbh", "fkai")), "test": ("an4test_clstk", ("fcaw", "mmxg"))}
    for half, (below, speakers) in halves.items():
        lines = []
        for speaker in speakers:
            for number, text in enumerate(("GO FORWARD", "R U B O U T")):
                key = f"an{number + 251}-{speaker}-b"
                path = folder / "wav" / below / speaker / key
                if (speaker, number) == ("fbbh", 1):
                    say(path.with_suffix(".wav"), text.lower(), speaker)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    wave = speech(text.lower(), speaker)
                    soundfile.write(path.with_suffix(".sph"), wave, RATE, format="NIST", subtype="PCM_16")
                lines.append(f"<s> {text} </s> ({key})" if half == "train" else f"{text} ({key})")
        if half == "train":
            lines.append("<s> NOBODY RECORDED THIS </s> (cen8-fash-b)")
            (folder / "wav" / below / "fash" / "cen7-fash-b.raw").write_bytes(bytes(320))
        write(folder / "etc" / f"an4_{half}.transcription", lines)
    say(folder / "wav" / "an4_clstk" / "fash" / "an999-fash-b.wav", "nobody wrote this", "fash")


def english_ccc_tree(folder: Path) -> None:
    root = folder / "EnglishCCC_v1.2"
    header = "ID,Length,Masker,Onset,SNR,Speaker,Target,Raw,Responses"
    rows = []
    for number, (speaker, word) in enumerate(
        [("s1", "home"), ("s2", "pompous"), ("s3", "cheek"), ("s4", "bazaar"), ("s1", "shaped"), ("s2", "purse")]
    ):
        path = root / "confusionWavs" / f"T_{number + 7}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = speech(word, speaker)
        masker = np.random.default_rng(number).uniform(-0.1, 0.1, len(wave))
        soundfile.write(path, np.stack([wave, masker], axis=1), RATE)
        rows.append(f'{number + 7},9000,SSN,12,-3.5,{speaker},{word},"{word}, {word}s","a b"')
    rows.append('99,9000,SSN,12,-3.5,s3,nowhere,"x","a b"')
    write(root / LISTING, [header, *rows])
    say(root / "confusionWavs" / "T_100.wav", "nobody wrote this", "s3")
    hiss(root / "maskerWavs" / "SSN.wav", 3)


TREES: dict[str, Callable[[Path], None]] = {
    "an4": an4_tree,
    "digits": digits_tree,
    "english_ccc": english_ccc_tree,
    "speech_commands": speech_commands_tree,
    "speech_commands_12": speech_commands_tree,
    "speechocean762": speechocean762_tree,
    "tsv": lists_tree,
    **miniatures.TREES,
}
SPLITS = ("train", "dev", "test", "all", "noise")


def test_every_corpus_has_a_miniature() -> None:
    assert CORPORA
    assert set(CORPORA) == set(TREES)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_splits_are_whole_and_share_no_speaker(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    reading = CORPORA[name].read(tmp_path)
    assert reading.splits
    assert [split for split in SPLITS if split in reading.splits] == list(reading.splits)
    check_disjoint(reading.splits)
    everything = [utterance for utterances in reading.splits.values() for utterance in utterances]
    assert len({utterance.id for utterance in everything}) == len(everything)
    for split, utterances in reading.splits.items():
        for utterance in utterances:
            assert bool(utterance.text) == (utterance.speaker != NOBODY)
            assert split != "noise" or not utterance.text
            assert len(read_utterance(utterance)) > 0
    for line in reading.left_out:
        assert "\n" not in line


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
    for name in ("ten_theo_0", "10_theo_0", "1_theo", "1_theo_x", "a", "b", "c"):
        record(tmp_path / "recordings" / f"{name}.wav")
    with pytest.raises(ManifestError, match=r"10_theo_0\.wav(, [^,]*){4} and 2 more.*digit.*rename or remove"):
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


def of(utterances: list[Utterance]) -> list[tuple[str, str, str]]:
    return [(utterance.id, utterance.speaker, utterance.text) for utterance in utterances]


# speech_commands


def test_hash_rule_is_the_one_of_the_corpus() -> None:
    """Against the function in the corpus's README, written out once more."""

    def which_set(speaker: str) -> str:
        number = int(hashlib.sha1(speaker.encode("utf-8")).hexdigest(), 16)
        percentage = (number % (134_217_727 + 1)) * (100.0 / 134_217_727)
        return "dev" if percentage < 10 else "test" if percentage < 20 else "train"

    speakers = [f"{number:08x}" for number in range(0, 2**32, 2**32 // 3000)]
    assert [split_of(speaker) for speaker in speakers] == [which_set(speaker) for speaker in speakers]
    counts = Counter(map(split_of, speakers))
    assert 0.08 < counts["dev"] / len(speakers) < 0.12
    assert 0.08 < counts["test"] / len(speakers) < 0.12


def test_speech_commands_are_split_by_their_hash(tmp_path: Path) -> None:
    speech_commands_tree(tmp_path)
    reading = read_speech_commands(tmp_path)
    for split, speakers in COMMANDS.items():
        assert {u.speaker for u in reading.splits[split]} == {f"sc{speaker}" for speaker in speakers}
    assert ("no/060cd039_nohash_1.opus", "sc060cd039", "no") in of(reading.splits["dev"])
    assert [u.id for u in reading.splits["noise"]] == [
        "_background_noise_/doing_the_dishes.wav",
        "_background_noise_/pink_noise.wav",
    ]
    assert len(reading.left_out) == 1
    assert reading.left_out[0].startswith("cat/odd.wav: ")


def test_v001_without_lists_is_the_same(tmp_path: Path) -> None:
    speech_commands_tree(tmp_path)
    before = read_speech_commands(tmp_path)
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / name).unlink()
    assert read_speech_commands(tmp_path) == before


@pytest.mark.parametrize(("name", "told"), [("validation_list.txt", "dev"), ("testing_list.txt", "test")])
def test_lists_that_contradict_the_hash_are_refused(name: str, told: str, tmp_path: Path) -> None:
    speech_commands_tree(tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write("cat/00176480_nohash_0.wav\n")
    with pytest.raises(ManifestError, match=rf"cat/00176480_nohash_0 is in {told}.*in train by the hash"):
        read_speech_commands(tmp_path)
    (tmp_path / name).write_text("")
    with pytest.raises(ManifestError, match=rf"is in train by.*in {told} by the hash"):
        read_speech_commands(tmp_path)


def test_twelve_classes_have_silence_that_no_two_splits_share(tmp_path: Path) -> None:
    speech_commands_tree(tmp_path)
    for number in range(40):
        shutil.copy(tmp_path / "yes" / "00176480_nohash_0.wav", tmp_path / "yes" / f"00176480_nohash_{number + 9}.wav")
    splits = read_speech_commands_12(tmp_path).splits
    texts = {split: Counter(u.text for u in splits[split]) for split in ("train", "dev", "test")}
    # 43 of yes and 3 of no among ten words are 5 a word on average.
    assert texts["train"] == {"yes": 43, "no": 3, "unknown": 3, "": 5}
    assert texts["dev"] == {"yes": 2, "no": 2, "unknown": 2, "": 1}
    assert set(texts["test"]) == {"yes", "no", "unknown", ""}
    heard: dict[Path, list[tuple[float, float, str]]] = {}
    for split in ("train", "dev", "test"):
        silence = [u for u in splits[split] if not u.text]
        assert {u.speaker for u in silence} == {NOBODY}
        for utterance in silence:
            assert len(read_utterance(utterance)) == RATE
            heard.setdefault(utterance.path, []).append((utterance.start, utterance.start + 1, split))
    for noise in splits["noise"]:
        assert noise.duration is not None
        heard[noise.path].append((0.0, noise.duration, "train"))
    for stretches in heard.values():
        for start, end, split in stretches:
            assert all(split == other or end <= first or last <= start for first, last, other in stretches)


def test_twelve_classes_without_background_have_no_silence(tmp_path: Path) -> None:
    speech_commands_tree(tmp_path)
    shutil.rmtree(tmp_path / "_background_noise_")
    reading = read_speech_commands_12(tmp_path)
    assert {u.text for u in reading.splits["dev"]} == {"yes", "no", "unknown"}
    assert "noise" not in reading.splits
    assert any("silence" in line for line in reading.left_out)


def test_real_speech_commands(corpora: Path) -> None:
    """Its lists were made by the hash rule."""
    folder = corpora / "speech_commands"
    splits = read_speech_commands(folder).splits
    assert set(splits) == {"train", "dev"}
    for split, utterances in splits.items():
        listed = (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        assert sorted("\t".join(each) for each in of(utterances)) == sorted(listed)


# speechocean762


def test_speechocean762_keeps_the_published_test_speakers(tmp_path: Path) -> None:
    speechocean762_tree(tmp_path)
    reading = read_speechocean762(tmp_path)
    speakers = {split: sorted({u.speaker for u in each}) for split, each in reading.splits.items()}
    assert speakers == {"train": ["so0005", "so0006"], "dev": ["so0001", "so0482"], "test": ["so0003", "so0024"]}
    assert of(reading.splits["train"])[:2] == [
        ("000050011", "so0005", "WE CALL IT BEAR"),
        ("000050035", "so0005", "ZERO THREE FIVE ONE"),
    ]
    assert reading.left_out == (
        "test/text:7: found no recording of 000030099",
        "WAVE/SPEAKER0003/000030100.WAV: found no transcript of it",
    )


def test_a_part_of_speechocean762_is_read(tmp_path: Path) -> None:
    speechocean762_tree(tmp_path / "speechocean762")
    shutil.rmtree(tmp_path / "speechocean762" / "WAVE" / "SPEAKER0006")
    shutil.rmtree(tmp_path / "speechocean762" / "test")
    reading = read_speechocean762(tmp_path)
    assert {split: len(each) for split, each in reading.splits.items()} == {"train": 3, "dev": 6}
    assert len(reading.left_out) == 3 + 7


def test_listed_recordings_of_speechocean762_have_the_same_dev_speakers(corpora: Path) -> None:
    """Where there are lists of its own instead of the published ones, their speakers in dev are those of the reader."""
    listed = {split: read_manifest(corpora / "speechocean762" / f"{split}.tsv") for split in ("train", "dev")}
    speakers = {split: {u.speaker.removeprefix("so") for u in each} for split, each in listed.items()}
    assert speakers["dev"] == DEV_SPEAKERS
    assert not speakers["train"] & DEV_SPEAKERS


# an4


def test_an4_is_read_from_its_transcriptions(tmp_path: Path) -> None:
    an4_tree(tmp_path / "an4")
    reading = CORPORA["an4"].read(tmp_path)
    speakers = {split: sorted({u.speaker for u in each}) for split, each in reading.splits.items()}
    assert speakers == {"train": ["an4-fash", "an4-fbbh"], "dev": ["an4-fkai"], "test": ["an4-fcaw", "an4-mmxg"]}
    assert of(reading.splits["test"])[:2] == [
        ("an251-fcaw-b", "an4-fcaw", "GO FORWARD"),
        ("an251-mmxg-b", "an4-mmxg", "GO FORWARD"),
    ]
    assert sorted(line.partition(": ")[0] for line in reading.left_out) == [
        "etc/an4_train.transcription:7",
        "wav/an4_clstk/fash/an999-fash-b.wav",
        "wav/an4_clstk/fash/cen7-fash-b.raw",
    ]
    assert any("without a header" in line for line in reading.left_out)


def test_an4_names_a_line_that_is_malformed(tmp_path: Path) -> None:
    an4_tree(tmp_path)
    with (tmp_path / "etc" / "an4_test.transcription").open("a") as file:
        file.write("GO FORWARD\n")
    with pytest.raises(ManifestError, match=r"an4_test\.transcription:5: found 'GO FORWARD'; wanted"):
        CORPORA["an4"].read(tmp_path)


# english_ccc


def test_english_ccc_is_split_by_speaker(tmp_path: Path) -> None:
    english_ccc_tree(tmp_path)
    reading = read_english_ccc(tmp_path)
    assert of(reading.splits["dev"]) == [("T_11", "ccc-s1", "shaped"), ("T_7", "ccc-s1", "home")]
    assert {u.speaker for u in reading.splits["train"]} == {"ccc-s2", "ccc-s3", "ccc-s4"}
    assert of(reading.splits["noise"]) == [("maskerWavs/SSN", NOBODY, "")]
    assert len(reading.left_out) == 2


def test_english_ccc_may_lie_flat_beside_its_list(tmp_path: Path) -> None:
    english_ccc_tree(tmp_path)
    root = tmp_path / "EnglishCCC_v1.2"
    for path in (root / "confusionWavs").iterdir():
        path.rename(root / path.name)
    (root / "confusionWavs").rmdir()
    assert {split: len(each) for split, each in read_english_ccc(root).splits.items()} == {
        "train": 4,
        "dev": 2,
        "noise": 1,
    }


def test_english_ccc_names_the_columns_it_lacks(tmp_path: Path) -> None:
    english_ccc_tree(tmp_path)
    listing = tmp_path / "EnglishCCC_v1.2" / LISTING
    listing.write_text(listing.read_text().replace("Target", "Word", 1))
    with pytest.raises(ManifestError, match=re.escape(LISTING) + r".*missing Target"):
        read_english_ccc(tmp_path)


# The readers with lists in Kaldi's way or CSV share what joins audio and transcripts.


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("speechocean762", "train/text", "000010011\tWE CALL IT BEAR"),
        ("an4", "etc/an4_train.transcription", "<s> GO FORWARD </s> (an251-fash-b)"),
        ("english_ccc", f"EnglishCCC_v1.2/{LISTING}", "7,9000,SSN,12,-3.5,s1,home,x,y"),
    ],
)
def test_an_id_that_comes_twice_is_refused(name: str, file: str, line: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    with (tmp_path / file).open("a") as listing:
        listing.write(f"{line}\n")
    with pytest.raises(ManifestError, match=r"found .* in .*:\d+ and in .*:\d+; wanted each id once"):
        CORPORA[name].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("speechocean762", "train/text"),
        ("an4", "etc/an4_train.transcription"),
        ("english_ccc", f"EnglishCCC_v1.2/{LISTING}"),
    ],
)
def test_a_list_in_another_encoding_is_named(name: str, file: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(ManifestError, match=re.escape(Path(file).name)) as caught:
        CORPORA[name].read(tmp_path)
    assert "UTF-8" in str(caught.value)
