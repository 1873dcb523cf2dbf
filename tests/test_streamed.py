"""Training that reads shards as it goes: which batches come, to whom, and where an interrupted epoch is taken up."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from test_training import WORDS, config, last, logged, say

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.data.batches.batching import BatchSettings
from asr.data.batches.dataset import Batch
from asr.data.batches.streamed import StreamedEpoch
from asr.data.batches.targets import TargetMaker
from asr.data.manifests.shard import write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.shards.index import open_shards
from asr.errors import ManifestError, SettingsError
from asr.text.tokenizer import Tokenizer
from asr.training.command import train
from asr.training.loader import EpochLoader

UTTERANCES = 120


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four shards of thirty words of tones, by people called p0 to p9."""
    folder = tmp_path_factory.mktemp("shards")
    names = list(WORDS)
    rng = np.random.default_rng(0)
    for shard in range(4):
        items = []
        for number in range(30 * shard, 30 * (shard + 1)):
            word = names[number % len(names)]
            say(word, 1 + 0.01 * (number % 10), folder / "word.wav")
            wave = np.pad(load_audio(folder / "word.wav"), int(rng.integers(4000)))
            items.append((Utterance(f"u{number}", Path("word.wav"), f"p{number % 10}", word), wave))
        write_shard(folder, shard, items, form="flac")
    (folder / "word.wav").unlink()
    return folder


@pytest.fixture(scope="module")
def speller() -> TargetMaker:
    return TargetMaker(Tokenizer.train([" ".join(WORDS)] * 10, 36), with_phonemes=False)


@pytest.fixture
def epoch(shards: Path, speller: TargetMaker) -> Callable[..., StreamedEpoch]:
    def make(**options: Any) -> StreamedEpoch:
        options = {
            "updates": 9,
            "seed": 1,
            "look_ahead": 60,
            "settings": BatchSettings(seconds=6.0, background_share=0.2),
        } | options
        return StreamedEpoch([open_shards(str(shards))], [1.0], speller, options.pop("settings"), **options)

    return make


def read(dataset: StreamedEpoch, workers: int = 0, done: int = 0) -> list[Batch]:
    context = "fork" if workers else None
    loader = EpochLoader(
        dataset,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context=context,
        epoch=dataset.epoch,
        beginning=dataset,
        done=lambda: 0,
    )
    loader.load_state_dict({"epoch": dataset.epoch, "batches": done})
    assert len(loader) == dataset.updates
    return list(loader)


def same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.equal(b) if isinstance(a, torch.Tensor) else a == b
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def names(batches: Sequence[Batch]) -> Counter[str]:
    return Counter(name for batch in batches for row in batch.ids for name in row.split("+") if name)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_epoch_is_the_same_each_time_and_can_be_taken_up_anywhere(
    workers: int, epoch: Callable[..., StreamedEpoch]
) -> None:
    whole = read(epoch(), workers)
    assert len(whole) == 9
    assert not same(whole, read(epoch(seed=2), workers))
    for done in (1, 4):
        assert same(read(epoch(), workers, done), whole[done:])
    assert read(epoch(), workers, 9) == []


def test_what_is_done_already_is_not_decoded(
    epoch: Callable[..., StreamedEpoch], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    wave = "asr.data.shards.stream.Clip.wave"
    monkeypatch.setattr(wave, lambda clip: decoded.append(clip.utterance.id) or np.zeros(100, dtype=np.float32))
    whole = names(read(epoch(updates=4)))
    assert Counter(decoded) == whole
    decoded.clear()
    rest = names(read(epoch(updates=4), done=3))
    assert Counter(decoded) == rest < whole


def test_processes_and_workers_read_parts_of_their_own_and_equally_many_batches(
    epoch: Callable[..., StreamedEpoch],
) -> None:
    shares = [read(epoch(process=process, processes=3, updates=4)) for process in range(3)]
    assert [len(share) for share in shares] == [4, 4, 4]
    once = [read(epoch(process=process, processes=3, updates=1, look_ahead=8)) for process in range(3)]
    heard = [set(names(share)) for share in once]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert not heard[one] & heard[other]
    both = read(epoch(updates=2, look_ahead=8), workers=2)
    assert not set(names(both[:1])) & set(names(both[1:]))


def test_epochs_shorter_than_the_corpus_get_through_all_of_it(epoch: Callable[..., StreamedEpoch]) -> None:
    plain = BatchSettings(seconds=6.0, background_share=0.0)
    heard = sum(
        (names(read(epoch(epoch=number, updates=5, settings=plain, look_ahead=10))) for number in range(20)),
        Counter[str](),
    )
    assert len(heard) > 0.95 * UTTERANCES, "where two epochs meet, chance decides"
    assert max(heard.values()) < 4 * np.mean(list(heard.values()))


def test_words_are_whole_and_background_says_nothing(epoch: Callable[..., StreamedEpoch]) -> None:
    rows = [row for batch in read(epoch()) for row in zip(batch.ids, batch.texts, batch.wave_lengths, strict=True)]
    background = [row for row in rows if not row[0]]
    assert 0 < len(background) < 0.4 * len(rows)
    for ids, text, length in rows:
        numbers = [int(name[1:]) for name in ids.split("+") if name]
        assert text.split() == [list(WORDS)[number % len(WORDS)] for number in numbers]
        assert length > 0.5 * SAMPLE_RATE * len(numbers)


def streamed(shards: Path, folder: Path) -> dict[str, Any]:
    """The config of a tiny run on shards; its dev set is one recording by somebody else."""
    say("go", 1.02, folder / "go.wav")
    (folder / "dev.tsv").write_text("path\tspeaker\ttext\ngo.wav\tdan\tgo\n")
    (folder / "noise.tsv").write_text("path\tspeaker\ttext\ngo.wav\t-\t\n")
    (folder / "tokenizer.model").write_bytes(Tokenizer.train([" ".join(WORDS)] * 10, 36).model)
    settings = config(folder, folder / "run")
    settings["data"]["train"] = [{"manifest": str(shards)}]
    settings["data"] |= {"stream": True, "stream_hours": 0.005, "batches": {"seconds": 6.0}}
    settings["trainer"]["max_epochs"] = 2
    return settings


def written(settings: dict[str, Any], folder: Path) -> list[str]:
    (folder / "train.yaml").write_text(yaml.safe_dump(settings))
    return ["--config", str(folder / "train.yaml")]


def test_a_training_streams_epochs_of_the_hours_asked_for(shards: Path, tmp_path: Path) -> None:
    train(written(streamed(shards, tmp_path), tmp_path))
    assert last(tmp_path / "run")["global_step"] == 2 * 3, "0.005 h are three batches of 6 s"
    loss = list(logged(tmp_path / "run", "loss").values())
    assert loss[-1] < loss[0]


def test_somebody_in_shards_and_dev_is_refused(shards: Path, tmp_path: Path) -> None:
    settings = streamed(shards, tmp_path)
    (tmp_path / "dev.tsv").write_text("path\tspeaker\ttext\ngo.wav\tp3\tgo\n")
    with pytest.raises(ManifestError, match=r"by p3, who is heard in the dev set"):
        train(written(settings, tmp_path))


def test_what_is_no_folder_of_shards_cannot_be_streamed(shards: Path, tmp_path: Path) -> None:
    settings = streamed(shards, tmp_path)
    settings["data"]["train"] = [{"manifest": str(tmp_path)}]
    with pytest.raises(ManifestError, match=r"found no utterance in 0 shards"):
        train(written(settings, tmp_path))
    settings["data"]["stream_hours"] = -1
    with pytest.raises(SettingsError, match=r"stream_hours is -1"):
        train(written(settings, tmp_path))
