"""Speech from text: voices that never cross splits, speech that obeys rate and pitch, runs that can be resumed."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.data import synthesis
from asr.data.engines import INSTALL, run_engine
from asr.data.synthesis import Voice, draw, find_voices, read_texts, speak, split_of, split_voices, synthesize
from asr.errors import AudioError, SettingsError

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "commands"

# The rule for splits is about names, so it is tested without any engine.
SOME = [
    Voice("espeak-ng", accent + variant)
    for accent in ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
    for variant in ("", "+f1", "+f3", "+f5", "+m3", "+m7", "+steph", "+steph2")
] + [Voice("flite", name) for name in ("slt", "rms", "awb", "kal", "kal16")]


@pytest.fixture(scope="module")
def voices() -> tuple[Voice, ...]:
    try:
        found = find_voices()
    except SettingsError as error:
        pytest.skip(str(error))
    if {voice.engine for voice in found} != {"espeak-ng", "flite"}:
        pytest.skip(f"espeak-ng and flite are not both installed: {INSTALL}")
    return found


def check_splits(splits: dict[synthesis.Split, list[Voice]]) -> None:
    """No voice, no variant and no flite speaker of dev or test is in another split; nor are their accents."""
    assert all(splits.values())
    variants = {
        split: {v.name.partition("+")[2] if v.engine == "espeak-ng" else v.name for v in group}
        for split, group in splits.items()
    }
    accents = {split: {v.name.partition("+")[0] for v in g if v.engine == "espeak-ng"} for split, g in splits.items()}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not variants[one] & variants[other]
        assert accents[other] - accents[one], f"{other} has an accent that {one} has not"
    for split in ("dev", "test"):
        assert {v.engine for v in splits[split]} == {"espeak-ng", "flite"}


def test_held_out_voices_are_in_no_other_split() -> None:
    check_splits(split_voices(SOME))


def test_split_of_a_voice_does_not_depend_on_the_others_or_their_order() -> None:
    splits = split_voices(SOME)
    assert splits == split_voices(SOME[::-1])
    for split, group in splits.items():
        assert all(split_of(voice) == split for voice in group)


def test_installed_voices_are_split_too(voices: tuple[Voice, ...]) -> None:
    check_splits(split_voices(voices))


@pytest.mark.parametrize("engine", ["espeak-ng", "flite"])
def test_speech_is_16_khz_and_grows_with_the_text(voices: tuple[Voice, ...], engine: str) -> None:
    voice = next(v for v in voices if v.engine == engine)
    short, long = speak("stop", voice), speak("show me my files please", voice)
    assert short.dtype == np.float32
    assert short.ndim == 1
    assert 0.05 < np.abs(long).max() <= 1
    assert 0.2 < len(short) / 16_000 < 1.5
    assert len(long) > 1.5 * len(short)


@pytest.mark.parametrize("name", ["en-gb+f1", "en-us", "slt", "kal"])
def test_rate_shortens_and_pitch_raises(voices: tuple[Voice, ...], name: str) -> None:
    voice = next(v for v in voices if v.name == name)
    text = "check the battery log please"
    plain = speak(text, voice)
    assert len(speak(text, voice, rate=1.5)) < 0.8 * len(plain)
    assert len(speak(text, voice, rate=0.6)) > 1.3 * len(plain)
    raised = speak(text, voice, pitch=1.4)
    assert len(raised) == pytest.approx(len(plain), rel=0.1)
    assert fundamental(raised) / fundamental(plain) == pytest.approx(1.4, rel=0.1)


@pytest.mark.parametrize("name", ["en-gb", "kal", "slt"])
def test_speech_lasts_as_long_as_the_engine_made_it(voices: tuple[Voice, ...], name: str, tmp_path: Path) -> None:
    """Engines speak at 22,050, 8,000 and 16,000 samples a second."""
    text, path = "find my files", tmp_path / "made.wav"
    espeak = ["espeak-ng", "-v", name, "-w", str(path), "--", text]
    flite = ["flite", "-voice", name, "--setf", "duration_stretch=1", "-t", text, "-o", str(path)]
    run_engine(espeak if name == "en-gb" else flite)
    wave = speak(text, next(v for v in voices if v.name == name))
    assert len(wave) / 16_000 == pytest.approx(soundfile.info(path).duration, abs=0.001)


def fundamental(wave: np.ndarray) -> float:
    """The median frequency, in Hz, of the strongest autocorrelation between 60 and 400 Hz, over loud frames."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 1024)[::256]
    loud = frames[np.abs(frames).mean(1) > 0.5 * np.abs(frames).mean(1).max()]
    powers = np.abs(np.fft.rfft(loud, 2048)) ** 2
    correlation = np.fft.irfft(powers)[:, 40:266]
    return float(np.median(16_000 / (40 + correlation.argmax(1))))


@pytest.mark.parametrize(
    ("text", "settings", "named"),
    [
        ("", {}, "''"),
        ("two\nlines", {}, "lines"),
        ("nul\0", {}, "nul"),
        ("stop", {"rate": 3.0}, "3.0"),
        ("stop", {"rate": float("nan")}, "nan"),
        ("stop", {"pitch": 0.1}, "0.1"),
    ],
)
def test_what_cannot_be_spoken_is_refused(text: str, settings: dict[str, float], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        speak(text, Voice("espeak-ng", "en-gb"), **settings)


def test_unknown_voice_is_refused_although_the_engines_take_it(voices: tuple[Voice, ...]) -> None:
    for engine in ("espeak-ng", "flite"):
        with pytest.raises(SettingsError, match="en-gb\\+nobody"):
            speak("stop", Voice(engine, "en-gb+nobody"))  # type: ignore[arg-type]


def test_text_that_looks_like_an_option_is_spoken(voices: tuple[Voice, ...]) -> None:
    for engine in ("espeak-ng", "flite"):
        assert len(speak("--version", next(v for v in voices if v.engine == engine))) > 4000


def test_missing_engines_are_named_with_the_command_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    find_voices.cache_clear()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="apt-get install espeak-ng flite"):
        find_voices()
    find_voices.cache_clear()


def test_draw_is_fixed_by_the_seed_and_uses_texts_evenly() -> None:
    texts = ["one", "two", "three"]
    drawn = list(draw(texts, SOME, 400, seed=5))
    assert drawn == list(draw(texts, SOME, 400, seed=5))
    assert drawn != list(draw(texts, SOME, 400, seed=6))
    counts = Counter(request.text for request in drawn)
    assert set(counts) == set(texts)
    assert max(counts.values()) - min(counts.values()) <= 1
    paths = {request.path for request in drawn}
    assert len(paths) == 400
    assert not paths & {request.path for request in draw(texts, SOME, 400, seed=6)}
    same = [{r.path for r in draw(["one"], [Voice("flite", "slt")], 50, seed)} for seed in (5, 6)]
    assert len(same[0] & same[1]) < 5, "rate and pitch are told by the name too"
    flite = sum(request.voice.engine == "flite" for request in drawn) / 400
    assert flite == pytest.approx(synthesis.FLITE_SHARE, abs=0.08)
    assert {r.voice.engine for r in draw(texts, [Voice("flite", "slt")], 20, seed=5)} == {"flite"}


def test_folders_hold_at_most_a_thousand_files() -> None:
    counts = Counter(request.path.parent for request in draw(["one"], SOME, 2500, seed=1))
    assert [(str(folder), n) for folder, n in sorted(counts.items())] == [("00", 1000), ("01", 1000), ("02", 500)]


def test_synthesize_writes_flac_and_a_manifest(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    texts = read_texts(RECIPE / "founding.txt")
    manifest = synthesize(texts, tmp_path, voices=split_voices(voices)["dev"], utterances=16, seed=3, jobs=2)
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert Counter(row["text"] for row in rows) == dict.fromkeys(texts, 2)
    names = {voice.name for voice in split_voices(voices)["dev"]}
    for row in rows:
        info = soundfile.info(tmp_path / row["path"])
        assert (info.format, info.samplerate, info.channels) == ("FLAC", 16_000, 1)
        assert 0.5 < info.duration < 10
        assert row["speaker"] in names
    assert sorted(p.suffix for p in tmp_path.rglob("*") if p.is_file()) == [".flac"] * 16 + [".tsv"]


def test_interrupted_run_is_taken_up_where_it_stopped(
    voices: tuple[Voice, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, calls = list(voices)[:3], []
    wave = np.zeros(1600, np.float32)

    def failing(text: str, voice: Voice, *, rate: float, pitch: float) -> np.ndarray:
        calls.append(text)
        if text == "two" and len(calls) < 10:
            raise AudioError("the engine failed at two")
        return wave

    monkeypatch.setattr(synthesis, "speak", failing)
    texts = ["one", "two", "three"]
    with pytest.raises(AudioError, match=r"1 of 3 .* failed at two"):
        synthesize(texts, tmp_path, voices=some, utterances=3, seed=0, jobs=1)
    assert sorted(calls) == sorted(texts), "the other texts are spoken all the same"
    assert not (tmp_path / synthesis.MANIFEST).exists()

    calls.extend(["-"] * 10)
    synthesize(texts, tmp_path, voices=some, utterances=3, seed=0, jobs=1)
    assert calls[13:] == ["two"], "only what was missing is spoken"
    kept = set(tmp_path.rglob("*.flac"))
    synthesize(texts, tmp_path, voices=some, utterances=3, seed=1, jobs=1)
    assert len(calls[14:]) == 3, "another seed does not take the files of this one for its own"
    assert len(set(tmp_path.rglob("*.flac")) - kept) == 3


def test_split_must_be_one_of_three(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="train, dev, test"):
        synthesis.synthesize_split(RECIPE / "founding.txt", tmp_path, split="tset", utterances=1, seed=0)


@pytest.mark.parametrize("content", ["", "\n# nothing but a remark\n"])
def test_text_file_without_text_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "texts.txt"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"texts\.txt"):
        read_texts(path)
    with pytest.raises(SettingsError, match=r"absent\.txt"):
        read_texts(tmp_path / "absent.txt")


def test_commands_of_the_recipe_are_normal_distinct_and_hold_the_founding_sentences() -> None:
    commands = read_texts(RECIPE / "commands.txt")
    assert len(commands) >= 400
    assert len(set(commands)) == len(commands)
    assert all(" ".join(c.split()) == c and set(c) <= set("abcdefghijklmnopqrstuvwxyz' ") for c in commands)
    founding = read_texts(RECIPE / "founding.txt")
    assert len(founding) == 8
    assert set(founding) <= set(commands)
