"""How often silence around a recording changes its text: what is put there, and a table that tells."""

import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from test_scripts import script

from asr.audio.load import SAMPLE_RATE
from asr.runtime.transcriber import Transcriber

bench = script("bench_silence")


@pytest.mark.parametrize("length", [100, 16_000, 400_000])
def test_noise_lies_so_far_below(bench: ModuleType, words: list[NDArray[np.float32]], length: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, length).astype(np.float32)
    made = bench.surrounded(words[0], noise, 2.0, 20.0, random.Random(1))
    count = 2 * SAMPLE_RATE
    assert np.array_equal(made[count:-count], words[0])
    room = np.concatenate([made[:count], made[-count:]])
    assert np.mean(room**2) == pytest.approx(np.mean(words[0] ** 2) / 100, rel=1e-3)
    silent = bench.surrounded(words[0], None, 2.0, 20.0, random.Random(1))
    assert len(silent) == len(made)
    assert not silent[:count].any()
    assert not silent[-count:].any()


def test_the_table_has_the_share_of_the_same_text(
    bench: ModuleType,
    corpora: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of one that hears how long a recording is no text stays the same, of one that hears nothing all do."""
    lists = [corpora / "speech_commands" / "dev.tsv", "--noise", corpora / "noise_esc10" / "all.tsv"]
    options = ["--bundle", tiny_bundle, "--utterances", "4", "--seconds", "1,2"]
    monkeypatch.setattr(sys, "argv", ["bench_silence.py", *map(str, [*lists, *options])])
    for text_of, share in ((lambda wave: str(len(wave)), 0.0), (lambda wave: "", 100.0)):
        monkeypatch.setattr(
            Transcriber, "transcribe", lambda _, wave, text_of=text_of: SimpleNamespace(text=text_of(wave))
        )
        assert bench.main() == 0
        row = capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]
        assert [cell.strip() for cell in row[:2]] == ["speech_commands", "4"]
        assert [float(cell.split()[0]) for cell in row[2:]] == [share] * 4
