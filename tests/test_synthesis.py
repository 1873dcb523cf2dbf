"""Speech from text: voices that never cross splits, speech that obeys its settings, shards that follow from a plan."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT

from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.synthetic import engines, espeak, hibari, pico, speaking, synthesis
from asr.data.synthetic.casting import SHARES
from asr.data.synthetic.engines import INSTALL, run_engine
from asr.data.synthetic.speaking import SpeechRequest, speak, speak_all
from asr.data.synthetic.synthesis import PLAN, SynthesisPlan, draw, synthesize
from asr.data.synthetic.voices import Split, Voice, find_voices, split_of, split_voices, voices_of
from asr.data.texts.sources import read_lines
from asr.errors import AudioError, SettingsError

RECIPE = ROOT / "recipes" / "commands"

# The rule for splits is about names, so it is tested without any engine.
SOME = [
    Voice("espeak-ng", accent + variant)
    for accent in ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
    for variant in ("", "+f1", "+f3", "+f5", "+m3", "+m7", "+steph", "+steph2")
] + [Voice("flite", name) for name in ("slt", "rms", "awb", "kal", "kal16")]
FESTIVAL = [Voice("festival", f"cmu_us_{person}_arctic_hts") for person in ("slt", "rms", "awb", "bdl")] + [
    Voice("festival", "kal_diphone")
]
PICO = Voice("pico", "en-US")
SLT, KAL = Voice("flite", "slt"), Voice("flite", "kal16")


@pytest.fixture(scope="module")
def voices() -> tuple[Voice, ...]:
    try:
        found = find_voices()
    except SettingsError as error:
        pytest.skip(str(error))
    if not {voice.engine for voice in found} >= {"espeak-ng", "flite"}:
        pytest.skip(f"espeak-ng and flite are not both installed: {INSTALL}")
    return found


def check_splits(splits: dict[Split, list[Voice]]) -> None:
    """No voice, no variant and no recorded person of dev or test is in another split; nor are their accents."""
    assert all(splits.values())
    variants = {
        split: {v.name.partition("+")[2] if v.engine == "espeak-ng" else v.speaker for v in group}
        for split, group in splits.items()
    }
    accents = {split: {v.name.partition("+")[0] for v in g if v.engine == "espeak-ng"} for split, g in splits.items()}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not variants[one] & variants[other]
        assert accents[other] - accents[one], f"{other} has an accent that {one} has not"
    for split in ("dev", "test"):
        assert {v.engine for v in splits[split]} >= {"espeak-ng", "flite"}


def test_held_out_voices_are_in_no_other_split() -> None:
    check_splits(split_voices(SOME))


def test_a_person_is_in_one_split_whichever_engine_speaks() -> None:
    splits = split_voices(SOME + FESTIVAL)
    check_splits(splits)
    of = {voice: split for split, group in splits.items() for voice in group}
    for person, expected in (("slt", "train"), ("kal", "train"), ("rms", "dev"), ("awb", "test")):
        made_from = [voice for voice in SOME + FESTIVAL if voice.speaker == person]
        assert {voice.engine for voice in made_from} == {"flite", "festival"}
        assert {of[voice] for voice in made_from} == {expected}


def test_split_of_a_voice_does_not_depend_on_the_others_or_their_order() -> None:
    splits = split_voices(SOME)
    assert splits == split_voices(SOME[::-1])
    for split, group in splits.items():
        assert all(split_of(voice) == split for voice in group)


def test_installed_voices_are_split_too(voices: tuple[Voice, ...]) -> None:
    check_splits(split_voices(voices))


@pytest.mark.parametrize("engine", ["espeak-ng", "flite", "pico", "hibari"])
def test_speech_is_16_khz_and_grows_with_the_text(voices: tuple[Voice, ...], engine: str) -> None:
    voice = next((v for v in voices if v.engine == engine), None)
    if voice is None:
        pytest.skip(f"{engine} is not installed")
    short, long = speak("stop", voice), speak("show me my files please", voice)
    assert short.dtype == np.float32
    assert short.ndim == 1
    assert 0.05 < np.abs(long).max() <= 1
    assert 0.2 < len(short) / 16_000 < 1.5
    assert len(long) > 1.5 * len(short)


@pytest.mark.parametrize("name", ["en-gb+f1", "en-us", "slt", "kal", "en-US", "en-GB", "heart"])
def test_rate_shortens_and_pitch_raises(voices: tuple[Voice, ...], name: str) -> None:
    voice = next((v for v in voices if v.name == name), None)
    if voice is None:
        pytest.skip(f"the voice {name} is not installed")
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


@pytest.mark.parametrize("factor", [0.85, 1.2])
@pytest.mark.parametrize("name", ["en-us+f2", "slt", "kal_diphone", "en-US"])
def test_formants_move_and_neither_pitch_nor_length_does(voices: tuple[Voice, ...], name: str, factor: float) -> None:
    voice = next((voice for voice in voices if voice.name == name), None)
    if voice is None:
        pytest.skip(f"the voice {name} is not installed")
    plain, moved = (speak("are far armour", voice, formants=formants) for formants in (1.0, factor))
    assert len(moved) == pytest.approx(len(plain), rel=0.08)
    assert fundamental(moved) == pytest.approx(fundamental(plain), rel=0.08)
    hertz = np.linspace(0, 8000, 513)
    inside = (hertz > 300) & (hertz < 3200)
    misfit = {
        stretch: np.std((envelope(moved) - np.interp(hertz / stretch, hertz, envelope(plain)))[inside])
        for stretch in np.arange(0.7, 1.4, 0.02)
    }
    assert min(misfit, key=lambda stretch: misfit[stretch]) == pytest.approx(factor, abs=0.06)


def envelope(wave: np.ndarray) -> np.ndarray:
    """The mean logarithmic spectrum (513,) of the loud frames, smoothed over what the harmonics do to it."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 1024)[::128]
    loud = frames[np.abs(frames).mean(1) > 0.5 * np.abs(frames).mean(1).max()]
    spectrum = np.log(np.abs(np.fft.rfft(loud * np.hanning(1024))) + 1e-4).mean(0)
    cepstrum = np.fft.irfft(spectrum)
    cepstrum[40:-39] = 0
    return np.fft.rfft(cepstrum).real


def test_many_are_spoken_as_each_alone(voices: tuple[Voice, ...]) -> None:
    some = [v for v in voices if v.engine in ("festival", "pico", "hibari")] + [KAL, Voice("espeak-ng", "en-us+f2")]
    takes = [SpeechRequest('the "end" is\\near', voice, 1.2, 1.1 if voice.has_pitch else 0.9, 0.9) for voice in some]
    takes.insert(1, SpeechRequest("...", takes[0].voice))
    for take, together in zip(takes, speak_all(takes), strict=True):
        (alone,) = speak_all([take])
        if take.text == "...":
            assert isinstance(alone, AudioError)
            assert isinstance(together, AudioError)
        else:
            assert np.array_equal(together, alone)


def test_library_of_espeak_speaks_as_its_program_does(
    voices: tuple[Voice, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, and also what is spoken after a text without words."""
    some = [voice for voice in voices if voice.engine == "espeak-ng"][::37]
    texts = itertools.cycle(("stop", "what's <b>5 & 6</b>, a café?", "..."))
    takes = [SpeechRequest(text, voice, 1.2, 0.9) for text, voice in zip(texts, some, strict=False)]
    if None in speaking._speak_by_espeak(takes):
        pytest.skip(f"there is no {espeak.LIBRARY}")
    by_library, backwards = list(speak_all(takes)), list(speak_all(takes[::-1]))[::-1]
    monkeypatch.setattr(espeak, "__file__", "/nowhere")
    for take, one, again, by_program in zip(takes, by_library, backwards, speak_all(takes), strict=True):
        if take.text == "...":
            assert [type(wave) for wave in (one, again, by_program)] == [AudioError] * 3
        else:
            assert np.array_equal(one, again), take
            assert np.array_equal(one, by_program), take


def test_pico_reads_no_markup_and_speaks_the_same_in_any_order(voices: tuple[Voice, ...]) -> None:
    if PICO not in voices:
        pytest.skip("pico is not installed: pip install ttspico")
    pairs = (
        ("<pitch level='200'>hello</pitch> there", "pitch level='200' hello /pitch there"),
        ("tom & jerry", "tom and jerry"),
        ("1 < 2 > 0", "1 2 0"),
    )
    spoken = speak_all([SpeechRequest(text, PICO) for pair in pairs for text in pair])
    for written, said in zip(spoken, spoken, strict=True):
        assert np.array_equal(written, said)
    takes = [SpeechRequest(text, Voice("pico", name), 1.1, pitch) for text, _ in pairs for name in ("en-GB", "en-US")
             for pitch in (0.81, 1.38)]  # fmt: skip
    waves = list(speak_all(takes))
    for take, wave, again in zip(takes, waves, list(speak_all(takes[::-1]))[::-1], strict=True):
        assert np.array_equal(wave, again), take
        assert np.abs(wave).max() < 1, "it is not clipped"


def test_what_pico_cannot_speak_is_told_and_the_rest_is_spoken(
    voices: tuple[Voice, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if PICO not in voices:
        pytest.skip("pico is not installed: pip install ttspico")
    falling = tmp_path / "falling.py"
    script = (
        Path(pico.__file__)
        .read_text()
        .replace("    engine.volume", "    assert 'two' not in text\n        engine.volume")
    )
    falling.write_text(script)
    expected = speak("one", PICO)
    monkeypatch.setattr(pico, "__file__", str(falling))
    one, two, three = speak_all([SpeechRequest(text, PICO) for text in TEXTS])
    assert np.array_equal(one, expected)
    assert isinstance(two, AudioError)
    assert not isinstance(three, AudioError)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("a", "eh"),
        ("spell anna a n n a", "spell anna eh n n eh"),
        ("five a m", "five eh m"),
        ("it's a door", "it's a door"),
        ("i a", "i a"),
        ("b a's", "b a's"),
        ("turn a light on", "turn a light on"),
    ],
)
def test_a_is_a_letter_where_letters_are_spelled(text: str, spoken: str) -> None:
    assert SpeechRequest(text, SOME[0]).engine_text == spoken
    assert SpeechRequest(text, SLT).engine_text == spoken.replace("eh", "ay")


@pytest.mark.parametrize("engine", ["espeak-ng", "flite", "festival", "pico", "hibari"])
def test_the_letter_a_is_spoken_as_in_day(voices: tuple[Voice, ...], engine: str) -> None:
    voice = next((v for v in voices if v.engine == engine), None)
    if voice is None:
        pytest.skip(f"{engine} is not installed")
    texts = ("s a m", "s eigh m", "is a man", "is eigh man")
    letter, day, article, other = speak_all([SpeechRequest(text, voice) for text in texts])
    assert np.array_equal(letter, day)
    assert not np.array_equal(article, other)


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
        ("stop", {"formants": 1.5}, "1.5"),
        ("stop", {"rate": 0.5, "formants": 1.2}, "0.42"),
    ],
)
def test_what_cannot_be_spoken_is_refused(text: str, settings: dict[str, float], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        speak(text, Voice("espeak-ng", "en-gb"), **settings)


def test_a_voice_with_a_pitch_of_its_own_keeps_it() -> None:
    with pytest.raises(SettingsError, match="pitch of its own"):
        SpeechRequest("stop", FESTIVAL[0], pitch=1.2)
    assert SpeechRequest("stop", FESTIVAL[0], pitch=1.2, formants=1.2).engine_pitch == 1


def test_unknown_voice_is_refused_although_the_engines_take_it(voices: tuple[Voice, ...]) -> None:
    for engine in ("espeak-ng", "flite"):
        with pytest.raises(SettingsError, match="en-gb\\+nobody"):
            speak("stop", Voice(engine, "en-gb+nobody"))  # type: ignore[arg-type]


def test_text_that_looks_like_an_option_is_spoken(voices: tuple[Voice, ...]) -> None:
    for engine in ("espeak-ng", "flite"):
        assert len(speak("--version", next(v for v in voices if v.engine == engine))) > 4000


def test_missing_engines_are_named_with_the_command_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    voices_of.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(engines, "PICO_PACKAGE", "no-such-package")
    monkeypatch.setattr(hibari, "PACKAGE", "no-such-package")
    with pytest.raises(SettingsError, match=r"apt-get install espeak-ng flite .*pip install ttspico"):
        find_voices()
    voices_of.cache_clear()


def test_pico_is_for_training_and_its_version_decides_about_a_plan(voices: tuple[Voice, ...]) -> None:
    assert [split_of(Voice("pico", name)) for name in ("en-US", "en-GB")] == ["train", "train"]
    assert len({Voice("pico", name).speaker for name in ("en-US", "en-GB")} - {v.name for v in voices}) == 2
    if PICO in voices:
        kept = SynthesisPlan(TEXTS, [PICO], utterances=1).to_dict()
        assert kept["engines"] == {"pico": metadata.version("ttspico")}


TEXTS = ("one", "two", "three")


def test_draw_is_fixed_by_the_seed_and_uses_texts_evenly() -> None:
    def drawn(seed: int, voices: Sequence[Voice] = SOME) -> list[SpeechRequest]:
        plan = SynthesisPlan(TEXTS, voices, seed=seed, utterances=400, shard=150)
        return [take for number in (2, 0, 1) for take in draw(plan, number)]

    takes = drawn(5)
    assert len(takes) == 400
    assert takes == drawn(5)
    assert takes != drawn(6)
    counts = Counter(take.text for take in takes)
    assert set(counts) == set(TEXTS)
    assert max(counts.values()) - min(counts.values()) <= 1
    people = sum(take.voice.engine != "espeak-ng" for take in takes) / 400
    assert people == pytest.approx(SHARES["people"], abs=0.08)
    spoken_by = Counter(take.voice.speaker for take in takes if take.voice.engine != "espeak-ng")
    assert set(spoken_by) == {"slt", "rms", "awb", "kal"}
    assert max(spoken_by.values()) < 2 * min(spoken_by.values()), "kal has two voices, and is no more likely"
    assert {take.voice for take in drawn(5, [SLT])} == {SLT}
    for values, (low, high) in (
        ([take.rate for take in takes], synthesis.DRAWN_RATES),
        ([take.pitch for take in takes], synthesis.DRAWN_PITCHES),
        ([take.formants for take in takes], synthesis.DRAWN_FORMANTS),
    ):
        assert low <= min(values) < low + 0.05
        assert high - 0.05 < max(values) <= high


def test_every_drawn_setting_can_be_spoken(voices: tuple[Voice, ...]) -> None:
    """The outermost corners of what is drawn are within what the engines can do."""
    computed = next(voice for voice in voices if voice.engine == "espeak-ng")
    corners = list(itertools.product(synthesis.DRAWN_RATES, synthesis.DRAWN_PITCHES, synthesis.DRAWN_FORMANTS))
    takes = [SpeechRequest("stop", voice, *corner) for voice in (KAL, computed) for corner in corners]
    spoken = list(speak_all(takes))
    assert len(spoken) == 16
    for take, wave in zip(takes, spoken, strict=True):
        assert not isinstance(wave, AudioError), take
        assert np.abs(wave).max() > 0.05, take


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def some_plan(voices: Sequence[Voice], **settings: int | float | str | None) -> SynthesisPlan:
    """A plan of quick voices."""
    quick = [v for v in split_voices(voices)["train"] if v.engine == "espeak-ng" or v == KAL]
    wanted = {"utterances": 10, "shard": 4, "seed": 3} | settings
    return SynthesisPlan(TEXTS, quick, **wanted)  # type: ignore[arg-type]


def test_shards_are_a_manifest_of_what_was_planned(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    texts = read_lines(RECIPE / "founding.txt")
    plan = SynthesisPlan(texts, split_voices(voices)["dev"], seed=3, utterances=16)
    made = synthesize(plan, tmp_path)
    assert sorted(files(tmp_path)) == ["cuts.000000.jsonl.gz", PLAN, "recording.000000.tar"]
    utterances = read_manifest(tmp_path)
    assert (len(utterances), made.utterances, made.left_out) == (16, 16, [])
    assert Counter(utterance.text for utterance in utterances) == dict.fromkeys(texts, 2)
    takes = draw(plan, 0)
    assert [utterance.speaker for utterance in utterances] == [take.voice.speaker for take in takes]
    seconds = 0.0
    for utterance, take in zip(utterances, takes, strict=True):
        wave = read_utterance(utterance)
        (spoken,) = speak_all([take])
        assert np.abs(wave - spoken).max() < 1e-4
        seconds += len(wave) / 16_000
    assert made.hours * 3600 == pytest.approx(seconds)


def test_two_processes_make_the_same_as_one(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    """By hours, where more is made than is kept: the last shard ends with the utterance that fills them."""
    plan = some_plan(voices, shard=3, utterances=None, hours=5 / 3600)
    one, two = tmp_path / "one", tmp_path / "two"
    made = synthesize(plan, one, jobs=1)
    assert synthesize(plan, two, jobs=2).hours == made.hours
    assert files(one) == files(two)
    assert synthesize(plan, one, jobs=1).utterances == made.utterances
    assert files(one) == files(two), "what is finished stays"
    seconds = [utterance.duration for utterance in read_manifest(one)]
    assert None not in seconds
    assert sum(seconds[:-1]) < 5 <= sum(seconds) == pytest.approx(made.hours * 3600)
    other = tmp_path / "other"
    synthesize(some_plan(voices, shard=3, utterances=None, hours=5 / 3600, seed=4), other)
    assert files(other) != files(one)


KILLED = """
import sys
from pathlib import Path
from asr.data.synthetic.synthesis import SynthesisPlan, synthesize
from asr.data.synthetic.voices import Voice
if __name__ == "__main__":
    plan = SynthesisPlan(("one", "two"), [Voice("espeak-ng", "en-us")], utterances=16, shard=2)
    synthesize(plan, Path(sys.argv[1]), jobs=int(sys.argv[2]))
"""


def children(parent: int) -> list[Path]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(status.parent)
    return found


def test_killed_run_is_taken_up_where_it_stopped(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    killed, straight, script = tmp_path / "killed", tmp_path / "straight", tmp_path / "script.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(killed), "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(killed.glob("cuts.*.jsonl.gz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    begun = children(running.pid)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    while any(child.exists() for child in begun) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(child.exists() for child in begun), "the processes that speak must end with the one that began them"
    assert 0 < len(list(killed.glob("cuts.*.jsonl.gz"))) < 8
    (killed / "cuts.000099.1.list").write_text("what a killed process was writing")

    subprocess.run([*command[:-1], "1"], env=environment, check=True, stdout=subprocess.DEVNULL)
    synthesize(SynthesisPlan(("one", "two"), [Voice("espeak-ng", "en-us")], utterances=16, shard=2), straight)
    assert files(killed) == files(straight)


def test_what_another_plan_began_is_refused(voices: tuple[Voice, ...], tmp_path: Path) -> None:
    plan = some_plan(voices, utterances=2)
    synthesize(plan, tmp_path / "speech")
    before = files(tmp_path / "speech")
    for settings, named in (
        ({"seed": 4}, "seed 3 and not 4"),
        ({"form": "opus"}, "form .flac. and not .opus."),
        ({"utterances": 3}, "utterances 2 and not 3"),
    ):
        with pytest.raises(SettingsError, match=named):
            synthesize(some_plan(voices, **{"utterances": 2, **settings}), tmp_path / "speech")
    with pytest.raises(SettingsError, match=r"begun with texts \{.count.: 3, .* and not \{.count.: 2, "):
        synthesize(SynthesisPlan(TEXTS[:2], plan.voices, seed=3, utterances=2, shard=4), tmp_path / "speech")
    assert files(tmp_path / "speech") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(SettingsError, match="holds something else"):
        synthesize(plan, tmp_path / "mine")


def test_what_cannot_be_spoken_is_left_out_until_it_is_too_much(
    voices: tuple[Voice, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(takes: Sequence[SpeechRequest]) -> Iterator[np.ndarray | AudioError]:
        for take in takes:
            yield AudioError("the engine failed at two") if take.text == "two" else np.zeros(1600, np.float32)

    monkeypatch.setattr(synthesis, "speak_all", failing)
    plan = SynthesisPlan(("one",) * 99 + ("two",), [KAL], utterances=100, shard=50)
    made = synthesize(plan, tmp_path / "few")
    assert (made.utterances, made.left_out) == (99, ["kal16: two"])
    assert len(read_manifest(tmp_path / "few")) == 99
    assert synthesize(plan, tmp_path / "few").left_out == made.left_out
    plan = SynthesisPlan(TEXTS, [KAL], utterances=100, shard=50)
    with pytest.raises(AudioError, match=r"2 of \d utterances .* failed at two"):
        synthesize(plan, tmp_path / "many")
    assert list(files(tmp_path / "many")) == [PLAN]


@pytest.mark.parametrize(
    "settings", [{"hours": 1.0}, {"utterances": None}, {"utterances": 0}, {"utterances": None, "hours": -1.0}]
)
def test_how_much_to_speak_is_said_once(settings: dict[str, float | None]) -> None:
    with pytest.raises(SettingsError, match=r"utterances|hours"):
        SynthesisPlan(TEXTS, SOME, **{"utterances": 3, **settings})  # type: ignore[arg-type]


def test_commands_of_the_recipe_are_normal_distinct_and_hold_the_founding_sentences() -> None:
    commands = read_lines(RECIPE / "commands.txt")
    assert len(commands) >= 400
    assert len(set(commands)) == len(commands)
    assert all(" ".join(c.split()) == c and set(c) <= set("abcdefghijklmnopqrstuvwxyz' ") for c in commands)
    founding = read_lines(RECIPE / "founding.txt")
    assert len(founding) == 8
    assert set(founding) <= set(commands)
