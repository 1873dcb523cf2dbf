"""How right a bundle is, and PocketSphinx beside it: the same waves for both, numbers that add up, tables and goals."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_scripts import script

from asr.audio.load import SAMPLE_RATE
from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import ManifestError, SettingsError
from asr.evaluation.intervals import Rate
from asr.evaluation.noise import Noises, find_noises
from asr.text.normaliser import Normaliser

Wave = NDArray[np.float32]
TAKEN = {  # each list, and where its recordings are from: the first with each of these texts
    "librispeech_dev/dev.tsv": ("speechocean762/dev.tsv", ["we call it bear"]),
    "common_voice/dev.tsv": ("speechocean762/dev.tsv", ["mark lived in new york"]),
    "speechocean762/dev.tsv": ("speechocean762/dev.tsv", ["we call it bear", "mark lived in new york"]),
    "speech_commands/train.tsv": ("speech_commands/train.tsv", ["happy"]),
    "speech_commands/dev.tsv": ("speech_commands/dev.tsv", ["bed", "cat"]),
    "speech_commands_more/train.tsv": ("speech_commands/dev.tsv", ["bed"]),
    "speech_commands_more/dev.tsv": ("speech_commands/dev.tsv", ["cat"]),
    "fsdd/dev.tsv": ("speech_commands/dev.tsv", ["zero", "one"]),
    "precise/train.tsv": ("precise/train.tsv", ["computer", "hey chatterbox"]),
    "noise_esc10/all.tsv": ("noise_esc10/all.tsv", [""]),
    "noise_ccc_maskers/all.tsv": ("noise_ccc_maskers/all.tsv", [""]),
    "noise_mycroft/all.tsv": ("noise_mycroft/all.tsv", [""]),
    "noise_speechbrain/all.tsv": ("noise_mycroft/all.tsv", [""]),
}
FREE = [f"Free speech: {name} dev" for name in ("librispeech_dev", "common_voice", "speechocean762")]
CARD = "# Card\r\n\n<!-- bench_accuracy: begin -->\nold\n<!-- bench_accuracy: end -->\n\nThe rest.\n"


bench = script("bench_accuracy")
scores = script("accuracy_scores")
sets = script("accuracy_sets")
recognisers = script("recognisers")
goals = script("accuracy_goals")
markdown = script("markdown_tables")


@pytest.fixture(scope="module")
def few(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists that the benchmark reads, a recording or two in each, of noises the loudest half second."""
    folder = tmp_path_factory.mktemp("few")
    for name, (source, texts) in TAKEN.items():
        recordings = {each.text: each for each in reversed(read_manifest(corpora / source))}
        lines = ["path\tspeaker\ttext"]
        for number, text in enumerate(texts):
            wave = read_utterance(recordings[text])
            path = (folder / name).with_name(f"{number}.wav")
            path.parent.mkdir(exist_ok=True)
            loudest = int(np.abs(wave).argmax())
            part = wave if text else wave[max(0, loudest - SAMPLE_RATE // 4) : loudest + SAMPLE_RATE // 4]
            soundfile.write(path, part, SAMPLE_RATE)
            lines.append(f"{path.name}\t{f's{number}' if text else '-'}\t{text}")
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["bench_accuracy.py", *map(str, arguments)])
    status: int = bench.main()
    return status


def rows_of(text: str, title: str) -> list[list[str]]:
    """The cells of a section's table, its head and rule left out."""
    section = text.partition(f"### {title}")[2].partition("###")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:1] == "|"][2:]


# The report


@pytest.mark.slow
def test_both_recognisers_in_all_parts(
    bench: ModuleType,
    few: Path,
    willing_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And what cannot be read is named and left out."""
    pytest.importorskip("pocketsphinx")
    corpora, card, founding = tmp_path / "corpora", tmp_path / "card.md", tmp_path / "voices" / "list.tsv"
    shutil.copytree(few, corpora)
    (corpora / "fsdd" / "1.wav").write_bytes(b"no sound")
    card.write_bytes(CARD.encode())
    founding.parent.mkdir()
    shutil.copy(few / "fsdd" / "0.wav", founding.parent)
    founding.write_text("path\tspeaker\ttext\n0.wav\ta\tfind my files\n", encoding="utf-8")
    arguments = [
        "--corpora",
        corpora,
        "--bundle",
        willing_bundle,
        "--founding",
        founding,
        "--snr",
        "18,6",
        "--utterances",
        "2",
        "--jobs",
        "2",
    ]
    assert run(bench, monkeypatch, *arguments, "--write", card) == 1
    out, error = capsys.readouterr()
    assert "fsdd/1.wav" in error
    assert len(error.splitlines()) == 1
    assert "1 of 2 could not be read and are not counted: 1.wav." in out

    conditions = [[noise, name] for noise in ("clean", "18 dB", "6 dB") for name in ("ours", "PocketSphinx")]
    for title in (*FREE, "Single words", "Digits", "Wake phrases"):
        rows = rows_of(out, title)
        assert [row[:2] for row in rows] == conditions, title
        assert all(float(row[-1].split()[0]) > 0 for row in rows), title
        if title not in FREE:
            assert [row[4] == "-" for row in rows] == [True] * 2 + [False] * 4
            assert all(row[2:4] == [row[3]] * 2 for row in rows)  # both take what they hear
    assert "3 words" in out.partition("### Single words")[2].partition("|")[0]  # one of them is only in train
    assert "no pronunciation for chatterbox: 1 of 2 recordings" in out
    quiet = rows_of(out, "Where nobody speaks")
    assert [row[:2] for row in quiet] == [[s, name] for s in ("noise", "silence") for name in ("ours", "PocketSphinx")]
    assert [row[2].split(",")[0] for row in quiet] == ["2"] * 4
    founded = rows_of(out, "The founding sentences")
    heard = [("voices/list.tsv", "clean"), *(("voices/list.tsv, in rooms", noise) for noise in ("clean", "12 dB"))]
    assert [row[:3] for row in founded] == [[*each, name] for each in heard for name in ("ours", "PocketSphinx")]
    verdicts = [row[3] for row in rows_of(out, "Goals")]
    assert len(verdicts) == 18
    assert all(verdict.startswith(("met, by ", "**missed** by ")) for verdict in verdicts)

    written = card.read_bytes().decode()
    assert written.startswith("# Card\r\n\n<!-- bench_accuracy: begin -->\n")
    assert written.endswith("\n<!-- bench_accuracy: end -->\n\nThe rest.\n")
    assert written.partition("begin -->")[2].partition("<!--")[0].strip() == out.strip()


def test_goals_of_parts_that_were_not_asked_for_are_not_measured(
    bench: ModuleType,
    few: Path,
    willing_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(bench, monkeypatch, "--corpora", few, "--bundle", willing_bundle, "--snr", "", "--parts", "digits") == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert {line for line in out.splitlines() if line.startswith("#")} == {"### Digits", "### Goals"}
    assert [row[3] == "not measured" for row in rows_of(out, "Goals")] == [True] * 5 + [False] * 2 + [True] * 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--write", "card.md"], "card.md: found 0 times <!-- bench_accuracy: begin --> and 1 times"),
        (["--write", "none.md"], "none.md: cannot be read"),
        (["--corpora", "."], "dev.tsv: no such file"),
        (["--bundle", "."], "bundle.json"),
    ],
)
def test_what_cannot_be_measured_is_said_before_it_is(
    bench: ModuleType,
    few: Path,
    willing_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card.md").write_text("<!-- bench_accuracy: end -->", encoding="utf-8")
    assert run(bench, monkeypatch, "--corpora", few, "--bundle", willing_bundle, *arguments) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_sentence_outside_the_grammar_is_named_before_all_else(
    bench: ModuleType,
    few: Path,
    willing_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = few / "fsdd" / "dev.tsv"
    assert run(bench, monkeypatch, "--corpora", few, "--bundle", willing_bundle, "--founding", manifest) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert "fsdd/dev.tsv: '0.wav' says 'zero', wanted a sentence of the grammar" in error


@pytest.mark.parametrize("snr", ["loud", "6,6", "inf", "6;12"])
def test_ratios_that_make_no_sense_are_refused(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], snr: str
) -> None:
    with pytest.raises(SystemExit):
        run(bench, monkeypatch, "--snr", snr)
    assert f"invalid ratios value: '{snr}'" in capsys.readouterr().err


# The scores


def said_by(recognisers: ModuleType, texts: Callable[[Wave], str], seconds: float) -> Callable[[Wave], object]:
    return lambda wave: recognisers.Said(texts(wave), seconds)


def test_both_hear_the_same_waves(scores: ModuleType, sets: ModuleType, recognisers: ModuleType, few: Path) -> None:
    """As recorded, and in the same noise, whatever else is in the set."""
    speech = sets.sentences(few, 0, 0)[-1]
    ladder = scores.Ladder(Noises(find_noises(few / "noise_esc10" / "all.tsv")), (18.0, 6.0))
    heard: dict[str, list[Wave]] = {recognisers.OURS: [], recognisers.PEER: []}

    def ear(name: str) -> Callable[[Wave], object]:
        def hear(wave: Wave) -> object:
            heard[name].append(wave)
            return recognisers.Said("", 1.0)

        return hear

    scores.score_free(speech, {name: ear(name) for name in heard}, str, ladder)
    ours, peer = heard.values()
    assert len(ours) == len(peer) == 6
    assert all(np.array_equal(one, other) for one, other in zip(ours, peer, strict=True))
    np.testing.assert_array_equal(ours[0], read_utterance(speech.utterances[0]))
    quiet, loud = ours[1] - ours[0], ours[2] - ours[0]
    assert np.mean(loud**2) / np.mean(quiet**2) == pytest.approx(10**1.2, rel=0.01)
    heard[recognisers.OURS] = []
    alone = sets.SpeechSet("alone", speech.utterances[1:])
    scores.score_free(alone, {recognisers.OURS: ear(recognisers.OURS)}, str, ladder)
    assert all(np.array_equal(one, other) for one, other in zip(heard[recognisers.OURS], ours[3:], strict=True))


def test_in_a_room_a_sound_comes_back_and_keeps_its_energy(scores: ModuleType) -> None:
    """A click in a room is the room's own response; where no room is asked for nothing rings."""
    response = np.array([1, 0, 0.5, 0, -0.25], np.float32)
    click = np.zeros(100, np.float32)
    click[10] = 0.5
    rung = scores.Ladder(None, (), (response,)).waves(click, "a")[None]
    assert len(rung) == 104
    np.testing.assert_allclose(rung[10:15] / rung[10], response, atol=1e-6)
    assert np.abs(rung[:10]).max() < 1e-6
    assert np.linalg.norm(rung) == pytest.approx(np.linalg.norm(click))
    np.testing.assert_array_equal(scores.Ladder(None, ()).waves(click, "a")[None], click)
    assert not scores.in_room(np.zeros(9, np.float32), response).any()


def test_several_processes_find_what_one_finds(
    scores: ModuleType, sets: ModuleType, recognisers: ModuleType, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And say what cannot be read, once each."""
    speech = sets.sentences(few, 0, 0)[-1]
    gone = Utterance("gone", few / "gone.wav", "ann", "gone")
    speech = sets.SpeechSet("read", (speech.utterances[0], gone, speech.utterances[1]))
    texts: list[str] = []

    def hear(wave: Wave) -> object:
        texts.append(f"{len(wave)} we call it")
        return recognisers.Said(texts[-1], len(wave))

    ears = {recognisers.OURS: hear}
    alone, apart = (scores.score_free(speech, ears, str, scores.Ladder(None, ()), n) for n in (1, 2))
    assert [each.report.wer for each in apart.rows] == [each.report.wer for each in alone.rows]
    assert [each.pace for each in apart.rows] == [each.pace for each in alone.rows]
    assert apart.failures == alone.failures
    assert list(apart.failures) == ["gone"]
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert len(texts) == 2, "none of the second time was heard in this process"


def test_errors_stand_beside_the_other_recognisers(
    scores: ModuleType, sets: ModuleType, recognisers: ModuleType, few: Path
) -> None:
    speech, silent = sets.sentences(few, 0, 0)[-1], scores.Ladder(None, ())
    ears = {
        recognisers.OURS: said_by(recognisers, lambda _: "We call it", 0.5),  # 1 of 4 words wrong, then 5 of 5
        recognisers.PEER: said_by(recognisers, lambda _: "", 1.0),
    }
    result = scores.score_free(speech, ears, Normaliser(), silent)
    ours, peer = result.rows
    assert (ours.report.wer.value, peer.report.wer.value) == (6 / 9, 1.0)
    assert ours.beside.low <= ours.beside.value == 6 / 9 <= ours.beside.high
    assert peer.beside is None
    assert peer.pace.value == pytest.approx(2 * ours.pace.value)
    alone = scores.score_free(speech, {recognisers.OURS: ears[recognisers.OURS]}, Normaliser(), silent)
    assert alone.ours[None].beside is None


def test_commands_lost_in_noise(scores: ModuleType, sets: ModuleType, recognisers: ModuleType, few: Path) -> None:
    """Ours knows its words clean and takes one of two in noise; what is refused may still be right."""
    words = sets.single_words(few, 0, 0)
    assert set(words.commands.values()) == {"bed", "cat", "happy"}
    yaml = few / "words.yaml"
    yaml.write_text("language: en\ncommands: {bed: [bed], cat: [cat], happy: [happy]}\n", encoding="utf-8")
    network = compile_network([read_grammar(yaml)], Normaliser())
    clean = {read_utterance(each).tobytes(): each.text for each in words.utterances}
    texts = iter(["bed", "cat"])

    def hear(wave: Wave) -> object:
        known = clean.get(wave.tobytes())
        text = next(texts) if known is None else known
        understood = known is not None or text == "bed"
        return recognisers.Heard(network.parse(text), understood, float(understood), 0.1, "Bed.")

    ears = recognisers.CommandEars(network, frozenset(), {recognisers.OURS: hear})
    ladder = scores.Ladder(Noises(find_noises(few / "noise_esc10" / "all.tsv")), (6.0,))
    result = scores.score_understanding(words, ears, Normaliser(), ladder)
    recorded, noisy = result.rows
    assert (recorded.rates.exactly_accepted.value, recorded.lost, recorded.free.value) == (1.0, None, 0.5)
    assert (noisy.rates.command_accuracy.value, noisy.rates.exactly_accepted.value) == (1.0, 0.5)
    assert noisy.lost.low == 0.0
    assert noisy.lost.value == 0.5
    with pytest.raises(ManifestError, match="says 'zero', wanted a sentence of the grammar"):
        scores.check_sentences(sets.digits(few, 0, 0), network)


def test_words_where_nobody_speaks(scores: ModuleType, sets: ModuleType, recognisers: ModuleType, few: Path) -> None:
    yaml = few / "yes.yaml"
    yaml.write_text("language: en\ncommands: {yes: ['yes']}\n", encoding="utf-8")
    network = compile_network([read_grammar(yaml)], Normaliser())
    refusal = recognisers.Heard(network.parse("yes"), False, 0.1, 0.1)
    commands = recognisers.CommandEars(network, frozenset(), {recognisers.OURS: lambda _: refusal})
    waves = [np.zeros(SAMPLE_RATE * seconds, np.float32) for seconds in (1, 2, 3)]
    quiet = sets.QuietSet(
        "rests",
        (Utterance("a", Path("a"), "-", ""), Utterance("b", Path("b"), "-", "")),
        lambda each: waves[:2] if each.id == "a" else waves[2:],
    )
    ears = {recognisers.OURS: said_by(recognisers, lambda wave: "a b c" if len(wave) > 2 * SAMPLE_RATE else "", 0.6)}
    row = scores.score_quiet(quiet, ears, commands, str).ours
    assert (row.clips, row.seconds) == (3, 6.0)
    assert row.wordless.value == pytest.approx(2 / 3)
    assert 0.0 <= row.wordless.low < row.wordless.value < row.wordless.high <= 1.0
    assert row.words_per_hour.value == pytest.approx(3 * 600)
    assert row.words_per_hour.low < 600 < 3600 < row.words_per_hour.high
    assert (row.accepts.accepted, row.accepts.per_hour.value) == (0, 0.0)
    assert row.accepts.per_hour.high > 0  # none seen is not none ever
    assert row.pace.value == pytest.approx(0.3)


def test_silences_are_the_same_at_each_run(sets: ModuleType) -> None:
    silence = sets.silence(0, 0)
    assert len({each.id for each in silence.utterances}) == len(silence.utterances) > 50
    for each in silence.utterances:
        (wave,), (again,) = silence.read(each), silence.read(each)
        kind, length, *more = each.id.split("/")
        assert len(wave) == round(float(length) * SAMPLE_RATE)
        np.testing.assert_array_equal(wave, again)
        level = 10 * np.log10(np.mean(wave.astype(np.float64) ** 2)) if wave.any() else None
        assert level == (None if kind == "digital" else pytest.approx(float(more[0]), abs=0.5))
    assert sets.silence(5, 0).utterances == sets.silence(5, 0).utterances != sets.silence(5, 1).utterances


def test_what_sphinx_hears_apart_does_not_depend_on_what_it_heard(recognisers: ModuleType, corpora: Path) -> None:
    pytest.importorskip("pocketsphinx")
    sphinx = recognisers.Sphinx(free=True, apart=True)
    waves = [read_utterance(each) for each in read_manifest(corpora / "speech_commands" / "dev.tsv")[::5]]
    forth, back = [sphinx.hear(wave) for wave in waves], [sphinx.hear(wave) for wave in waves[::-1]]
    assert forth == back[::-1]
    assert any(forth)


# Goals


@pytest.mark.parametrize(
    ("wanted", "reached", "at_most", "spare"),
    [(0.97, 0.99, False, 0.02), (0.97, 0.97, False, 0.0), (0.04, 0.5 - 0.46, True, 0.0), (0.04, 0.1, True, -0.06)],
)
def test_a_goal_is_met_from_its_bound_on(
    goals: ModuleType, wanted: float, reached: float, at_most: bool, spare: float
) -> None:
    goal = goals.Goal("goal", wanted, Rate(reached, reached, reached), at_most)
    assert goal.spare == spare
    verdict = goals.goal_table([goal]).splitlines()[-1].split("|")[4].strip()
    assert verdict == (
        f"met, by {100 * spare:.1f} points" if spare >= 0 else f"**missed** by {-100 * spare:.1f} points"
    )
    assert goals.Goal("goal", wanted, None).spare is None


# The part of a file that is written


@settings(max_examples=50)
@given(before=st.text("ab\r\n<!", max_size=9), old=st.text("ab\n", max_size=9), after=st.text("ab\r\n->", max_size=9))
def test_only_what_is_between_the_marks_changes(
    tmp_path_factory: pytest.TempPathFactory, markdown: ModuleType, before: str, old: str, after: str
) -> None:
    path = tmp_path_factory.mktemp("cards") / "card.md"
    begin, end = "<!-- t: begin -->", "<!-- t: end -->"
    path.write_bytes(f"{before}{begin}{old}{end}{after}".encode())
    markdown.write_between(path, "t", "| new |")
    written = path.read_bytes()
    assert written == f"{before}{begin}\n\n| new |\n\n{end}{after}".encode()
    markdown.write_between(path, "t", "| new |")
    assert path.read_bytes() == written
    assert [each.name for each in path.parent.iterdir()] == ["card.md"]


@pytest.mark.parametrize("text", ["", "B", "E", "EB", "BBE", "BEE", "BEBE", "EBE"])
def test_marks_that_are_not_a_pair_are_refused(tmp_path: Path, markdown: ModuleType, text: str) -> None:
    path = tmp_path / "card.md"
    content = "".join(f"<!-- t: {'begin' if each == 'B' else 'end'} -->\n" for each in text)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"card.md: found \d times <!-- t: begin --> and \d times .*wanted each once"
    ):
        markdown.write_between(path, "t", "new")
    assert path.read_text(encoding="utf-8") == content
