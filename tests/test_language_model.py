"""Laws of the language model: what it is estimated to be, how it is kept, and what it does to a search."""

import json
import math
import re
import shutil
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, TinyModel
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from toy import BOS, EOS, TableStepper, random_ctc

from asr.audio.load import load_audio
from asr.bundle import LANGUAGE_MODEL, DecodingSettings, add_language_model, read_bundle
from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.data.texts.held_out import without_sentences
from asr.errors import BundleError, SettingsError
from asr.runtime.commander import Listener
from asr.runtime.transcriber import Transcriber
from asr.search.beam import beam
from asr.search.ctc import ctc_log_prob
from asr.search.hypothesis import length_divisor
from asr.search.language_model import STEP, LanguageModel, language_model_bytes, read_language_model
from asr.text.normaliser import Normaliser
from asr.training.export import export_run
from asr.training.language_model import count_ngrams, estimate, kneser_ney

VOCABULARY = 7
POSSIBLE = (EOS, 4, 5, 6)
TEXTS = st.lists(st.lists(st.sampled_from([4, 5, 6]), max_size=6), min_size=1, max_size=30)
ORDERS = st.integers(1, 4)
HISTORIES = st.lists(st.lists(st.sampled_from([4, 5, 6]), max_size=6), min_size=1, max_size=4)
law = settings(max_examples=60)


def plain_kneser_ney(texts: list[list[int]], order: int) -> list[dict[tuple[int, ...], float]]:
    """Chen and Goodman's equations with dictionaries: for each length the probability of every n-gram that is there."""
    sentences = [(BOS, *text, EOS) for text in texts]
    seen = [
        Counter(s[i : i + n] for s in sentences for i in range(len(s) - n + 1) if s[i : i + n] != (BOS,))
        for n in range(1, order + 1)
    ]
    levels: list[dict[tuple[int, ...], float]] = [{(): 1 / len(POSSIBLE)}]
    for n in range(1, order + 1):
        counts = dict(seen[n - 1])
        if n < order:
            before = Counter(longer[1:] for longer in seen[n])
            counts = {gram: before.get(gram, times) for gram, times in counts.items()}
        of = [sum(times == k for times in counts.values()) for k in (1, 2, 3, 4)]
        discounts = [0.5, 0.75, 0.9]
        if all(of):
            y = of[0] / (of[0] + 2 * of[1])
            discounts = [min(max(k - (k + 1) * y * of[k] / of[k - 1], 0.05), k) for k in (1, 2, 3)]
        total, taken = defaultdict(float), defaultdict(float)
        for gram, times in counts.items():
            total[gram[:-1]] += times
            taken[gram[:-1]] += discounts[min(times, 3) - 1]
        probabilities = {}
        for gram in counts if n > 1 else [(token,) for token in POSSIBLE]:
            times = counts.get(gram, 0)
            own = times - discounts[min(times, 3) - 1] if times else 0.0
            lower = levels[-1][gram[1:]]
            probabilities[gram] = (own + taken[gram[:-1]] * lower) / total[gram[:-1]]
        levels.append(probabilities)
    return levels[1:]


def probability(levels: list[dict[tuple[int, ...], float]], history: tuple[int, ...], token: int) -> float:
    """By the longest end of the history that is known; what it has not seen is left to a shorter one."""
    if (*history, token) in levels[len(history)]:
        return levels[len(history)][*history, token]
    if not history:
        return 0.0
    shorter = {each: probability(levels, history[1:], each) for each in POSSIBLE}
    known = {gram[-1]: p for gram, p in levels[len(history)].items() if gram[:-1] == history}
    if not known:
        return shorter[token]
    return (1 - sum(known.values())) * shorter[token] / (1 - sum(shorter[each] for each in known))


@law
@given(TEXTS, ORDERS)
def test_probabilities_are_those_of_kneser_and_ney(texts: list[list[int]], order: int) -> None:
    found = kneser_ney(count_ngrams(texts, VOCABULARY, order), VOCABULARY)
    for length, (level, wanted) in enumerate(zip(found, plain_kneser_ney(texts, order), strict=True), 1):
        keys = [sum(t * VOCABULARY**i for i, t in enumerate(reversed(gram))) for gram in wanted]
        assert sorted(keys) == level.keys.tolist(), length
        values = [wanted[gram] for _, gram in sorted(zip(keys, wanted, strict=True))]
        assert level.probabilities == pytest.approx(values, rel=1e-9)


@law
@given(TEXTS, ORDERS, HISTORIES)
def test_the_model_says_the_same_to_within_its_steps(
    texts: list[list[int]], order: int, histories: list[list[int]]
) -> None:
    model, plain = estimate(texts, VOCABULARY, order=order, most=10_000), plain_kneser_ney(texts, order)
    found = model.next_log_probs(histories)
    for history, row in zip(histories, found, strict=True):
        recent = (BOS, *history)[-(order - 1) :] if order > 1 else ()
        for token in POSSIBLE:
            # Half a step for the probability, for each time of backing off, and for making the whole one.
            assert row[token] == pytest.approx(math.log(probability(plain, recent, token)), abs=STEP * (order + 1) / 2)


@law
@given(TEXTS, ORDERS, st.integers(1, 40), HISTORIES)
def test_probabilities_sum_to_one_whatever_was_written_and_however_much_is_pruned(
    texts: list[list[int]], order: int, most: int, histories: list[list[int]]
) -> None:
    found = estimate(texts, VOCABULARY, order=order, most=most).next_log_probs(histories)
    assert found.dtype == np.float32
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(len(histories)), abs=1e-5)
    assert (found[:, :EOS] == -np.inf).all()
    assert np.isfinite(found[:, EOS:]).all()


@law
@given(TEXTS, st.integers(2, 4), HISTORIES)
def test_a_row_is_the_same_in_any_company(texts: list[list[int]], order: int, histories: list[list[int]]) -> None:
    model = estimate(texts, VOCABULARY, order=order, most=20)
    together = model.next_log_probs(histories)
    assert (together == np.concatenate([model.next_log_probs([each]) for each in histories])).all()


def test_the_ngrams_that_matter_most_are_kept() -> None:
    texts = [[4, 5, 4, 5]] * 50 + [[6, 4], [5, 6], [6, 6]]
    whole = estimate(texts, VOCABULARY, order=3, most=10_000)
    few = estimate(texts, VOCABULARY, order=3, most=4)
    assert 4 <= few.ngrams < whole.ngrams
    wanted, found = (model.next_log_probs([[], [4], [4, 5, 4]]) for model in (whole, few))
    for row, token in enumerate((4, 5, 5)):
        assert found[row, token] == pytest.approx(wanted[row, token], abs=0.3)


def test_what_cannot_be_estimated_is_refused() -> None:
    for texts, order, said in (([], 3, "no text"), ([[4]], 9, "order of 9"), ([[4]], 0, "order of 0")):
        with pytest.raises(SettingsError, match=said):
            estimate(texts, VOCABULARY, order=order, most=10)


# The file


def some_model(vocabulary: int = VOCABULARY, order: int = 3) -> LanguageModel:
    random = np.random.default_rng(5)
    texts = [random.integers(4, vocabulary, random.integers(0, 8)).tolist() for _ in range(80)]
    return estimate(texts, vocabulary, order=order, most=10_000)


def test_a_file_says_what_the_model_says(tmp_path: Path) -> None:
    path = tmp_path / LANGUAGE_MODEL
    model = some_model()
    path.write_bytes(language_model_bytes(model, {"of": "me"}))
    found, told = read_language_model(path, VOCABULARY)
    assert told["of"] == "me"
    histories = [list(each) for each in product([4, 5, 6], repeat=3)]
    assert (found.next_log_probs(histories) == model.next_log_probs(histories)).all()
    assert {name: each.tolist() for name, each in load_file(path).items()} == {
        name: each.tolist() for name, each in model.tensors.items()
    }


@law
@given(st.data())
def test_a_damaged_file_is_refused_in_one_line_or_is_a_model(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    content = bytearray(language_model_bytes(some_model(), {}))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(BundleError):
        model, _ = read_language_model(path, VOCABULARY)
        found = model.next_log_probs([list(each) for each in product([4, 5, 6], repeat=2)])
        assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(9), abs=1e-5)
        return
    with pytest.raises(BundleError, match=f"^{re.escape(str(path))}: .*$") as refused:
        read_language_model(path, VOCABULARY)
    assert "\n" not in str(refused.value)


def edited(edit) -> bytes:
    content = language_model_bytes(some_model(), {})
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    edit(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda h: h.pop("1.children"), "its tensors are"),
        (lambda h: h.update({"4.log_probs": h["3.log_probs"]}), "its tensors are"),
        (lambda h: h["2.tokens"].update(dtype="F32"), "F32"),
        (lambda h: h["2.tokens"].update(shape=[True]), "2.tokens"),
        (lambda h: h["2.tokens"].update(data_offsets=[0, 1 << 40]), "2.tokens"),
        (lambda h: h["2.log_probs"].update(h["1.log_probs"]), "shape"),
        (lambda h: h["2.tokens"].update(data_offsets=h["2.children"]["data_offsets"]), "2.tokens"),
        (lambda h: h["__metadata__"].update(version="2"), "'2'"),
        (lambda h: h.pop("__metadata__"), "__metadata__"),
    ],
)
def test_what_is_no_language_model_is_refused(tmp_path: Path, edit, said: str) -> None:
    (tmp_path / "a.safetensors").write_bytes(edited(edit))
    with pytest.raises(BundleError, match=said):
        read_language_model(tmp_path / "a.safetensors", VOCABULARY)


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(language_model_bytes(some_model(), {}))
    with pytest.raises(BundleError, match=rf"\({VOCABULARY},\), wanted \(9,\)"):
        read_language_model(tmp_path / "a.safetensors", 9)


# The search

WEIGHTS = st.sampled_from([0.2, 1.0])


def written(model: LanguageModel, tokens: tuple[int, ...]) -> float:
    """Log-probability of a whole transcript by the model; of none, the mean of a first token's."""
    if not tokens:
        first = {token: float(value) for token, value in enumerate(model.next_log_probs([()])[0]) if value > -math.inf}
        return sum(math.exp(value) * value for value in first.values())
    said = (*tokens, EOS)
    return sum(float(model.next_log_probs([said[:n]])[0, token]) for n, token in enumerate(said))


@law
@given(st.integers(0, 10_000), WEIGHTS, st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 1.0]), st.integers(1, 4))
def test_unlimited_width_equals_brute_force(
    seed: int, weight: float, ctc_weight: float, penalty: float, limit: int
) -> None:
    toy, ctc, model = TableStepper(seed), random_ctc(seed, 6), some_model(6)
    found = beam(
        toy,
        width=10_000,
        max_tokens=limit,
        length_penalty=penalty,
        ctc_log_probs=ctc,
        ctc_weight=ctc_weight,
        language_model=model,
        language_model_weight=weight,
        n_best=10_000,
    )
    wanted = {}
    for tokens in toy.transcripts(limit):
        heard = (1 - ctc_weight) * sum(toy.token_log_probs(tokens, ended=True))
        if ctc_weight:
            heard += ctc_weight * ctc_log_prob(ctc, tokens)
        wanted[tokens] = (heard + weight * written(model, tokens)) / length_divisor(len(tokens) + 1, penalty)
    wanted = {tokens: score for tokens, score in wanted.items() if score > -math.inf}
    assert {h.tokens: h.score for h in found} == pytest.approx(wanted, abs=1e-4)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    for h in found[:5]:
        assert h.language_model_log_prob == pytest.approx(written(model, h.tokens), abs=1e-4)


@law
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_weight_of_nothing_is_no_model(seed: int, width: int) -> None:
    arguments = {"width": width, "max_tokens": 6, "length_penalty": 1.0, "ctc_log_probs": random_ctc(seed, 8)}
    with_model = beam(TableStepper(seed), **arguments, ctc_weight=0.3, language_model=some_model(6))
    assert with_model == beam(TableStepper(seed), **arguments, ctc_weight=0.3)


def test_weights_that_no_search_has_are_refused() -> None:
    arguments = {"width": 2, "max_tokens": 3, "length_penalty": 0.0}
    for weight in (-0.1, math.inf, math.nan):
        with pytest.raises(SettingsError, match="language_model_weight"):
            beam(TableStepper(0), **arguments, language_model=some_model(6), language_model_weight=weight)
    with pytest.raises(SettingsError, match="no language model"):
        beam(TableStepper(0), **arguments, language_model_weight=0.1)


# The bundle

SPOKEN = load_audio(ROOT / "recipes" / "commands" / "samples" / "find_my_files.flac")


@pytest.fixture
def taught(tiny: TinyModel, tmp_path: Path) -> Path:
    """A bundle with a language model that has much to say."""
    folder = Path(shutil.copytree(tiny.bundle, tmp_path / "taught"))
    bundle = read_bundle(folder)
    add_language_model(bundle, some_model(bundle.tokenizer.vocabulary), 3.0)
    return folder


def test_a_bundle_keeps_it_whole_and_says_so(taught: Path, tiny: TinyModel) -> None:
    bundle = read_bundle(taught)
    assert bundle.language_model is not None
    assert bundle.decoding.language_model_weight == 3.0
    assert set(json.loads((taught / "bundle.json").read_text())["files"]) == set(bundle.files)
    assert LANGUAGE_MODEL in bundle.files
    assert read_bundle(tiny.bundle).language_model is None
    path = taught / LANGUAGE_MODEL
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=rf"{LANGUAGE_MODEL}.*SHA-256"):
        read_bundle(taught)
    path.unlink()
    with pytest.raises(BundleError, match=rf"{LANGUAGE_MODEL}.*missing"):
        read_bundle(taught)


def test_an_export_takes_it_along(tiny: TinyModel, tmp_path: Path) -> None:
    model = some_model(tiny.tokenizer.vocabulary)
    decoding = DecodingSettings(language_model_weight=0.5)
    out = export_run(tiny.run, tmp_path / "out", average=1, decoding=decoding, language_model=model)
    found = read_bundle(out)
    assert found.language_model is not None
    assert found.decoding.language_model_weight == 0.5
    assert (found.language_model.next_log_probs([[4, 5]]) == model.next_log_probs([[4, 5]])).all()


def test_a_weight_without_a_model_is_refused(taught: Path) -> None:
    path = taught / "bundle.json"
    told = json.loads(path.read_text())
    del told["files"][LANGUAGE_MODEL]
    path.write_text(json.dumps(told))
    with pytest.raises(BundleError, match="language_model_weight is 3"):
        read_bundle(taught)


def test_it_has_a_say_in_free_transcription_alone(taught: Path, tiny: TinyModel) -> None:
    plain, other = Transcriber.from_bundle(tiny.bundle), Transcriber.from_bundle(taught)
    spoken = plain.find_utterance(SPOKEN)
    assert spoken is not None
    heard = plain.hear(spoken)
    assert other.decode(heard, 1.0)[0].tokens != plain.decode(heard, 1.0)[0].tokens
    assert other.decode(heard, 1.0, language_model=False) == plain.decode(heard, 1.0)


def test_commands_are_weighed_as_without_it(taught: Path, tiny: TinyModel) -> None:
    network = compile_network([read_grammar(ROOT / "configs" / "commands" / "computer.yaml")], Normaliser())
    plain, other = (Listener(Transcriber.from_bundle(each), network).hear([SPOKEN]) for each in (tiny.bundle, taught))
    assert (other.evidence, other.reading, other.constrained) == (plain.evidence, plain.reading, plain.constrained)
    assert plain.evidence is not None
    assert other.free == Transcriber.from_bundle(taught).transcribe(SPOKEN)
    assert plain.free == Transcriber.from_bundle(tiny.bundle).transcribe(SPOKEN)
    assert plain.free != other.free


# The texts


@law
@given(st.lists(st.text("ab ", max_size=30), max_size=6), st.lists(st.text("ab ", max_size=12), max_size=4))
@example(["x a b a b x", "xa b a b"], ["a b a b"])
@example(["go on", "please go on now"], ["go on"])
def test_no_text_keeps_a_sentence_that_is_held_out(texts: list[str], held_out: list[str]) -> None:
    texts, held_out = ([" ".join(each.split()) for each in several] for several in (texts, held_out))
    whole = [f" {each} " for each in held_out if len(each.split()) >= 4]
    assert without_sentences(texts, held_out) == [t for t in texts if not any(each in f" {t} " for each in whole)]
