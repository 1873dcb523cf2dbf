"""Byte-pair tokens: fixed ids, a lossless way back, and no silent use of a wrong model."""

import hashlib
import io
import string

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import BundleError, SettingsError
from asr.text.special import BOS, EOS, PAD, SPECIAL, UNK
from asr.text.tokenizer import SMALLEST, WORD_START, Tokenizer

TEXTS = [
    "find my files",
    "show me my directories please",
    "show me my files please",
    "show me my photos please",
    "check whether the battery ran down please",
    "check whether the program ran please",
]
LETTERS = string.ascii_lowercase + "'"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS, 60)


def foreign(**ids):
    """A model that some other program trained."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXTS), model_writer=out, model_type="bpe", vocab_size=60, minloglevel=2, **ids
    )
    return out.getvalue()


def test_the_special_ids_are_fixed(tokenizer):
    assert (PAD, UNK, BOS, EOS) == SPECIAL == (0, 1, 2, 3)
    assert [tokenizer.piece(token) for token in SPECIAL] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert tokenizer.encode("é")[-1:] == [UNK]


def test_the_vocabulary_is_as_large_as_asked(tokenizer):
    assert tokenizer.vocabulary == 60
    pieces = [tokenizer.piece(token) for token in range(60)]
    assert len(set(pieces)) == 60


@settings(max_examples=200, derandomize=True)
@given(st.text(LETTERS + " ", max_size=60))
def test_any_normalised_text_comes_back(tokenizer, text):
    normal = " ".join(text.split())
    tokens = tokenizer.encode(normal)
    assert tokenizer.decode(tokens) == normal
    assert all(len(SPECIAL) <= token < tokenizer.vocabulary for token in tokens)


def test_the_text_is_taken_as_it_is(tokenizer):
    """Making text normal is the normaliser's work alone; a second one in here would be a second definition."""
    assert UNK in tokenizer.encode("Show")
    assert UNK in tokenizer.encode("ﬁnd")


def test_pieces_spell_the_text_with_words_begun_by_a_mark(tokenizer):
    pieces = [tokenizer.piece(token) for token in tokenizer.encode("show me my files")]
    assert "".join(pieces) == "".join(WORD_START + word for word in ("show", "me", "my", "files"))


def test_frequent_words_are_learnt_whole(tokenizer):
    """Merging is what the training is for: a word of the text takes fewer tokens than letters."""
    assert len(tokenizer.encode("please")) == 1
    assert len(tokenizer.encode("qqqqqq")) >= 6


def test_every_letter_has_a_token(tokenizer):
    """Even those that the text never showed, in the smallest vocabulary there is."""
    unseen = set(LETTERS) - set("".join(TEXTS))
    assert {"'", "q", "z"} <= unseen
    for each in (tokenizer, Tokenizer.train(TEXTS, SMALLEST)):
        pieces = {each.piece(token) for token in range(each.vocabulary)}
        assert {*LETTERS, WORD_START} <= pieces


def test_special_tokens_are_silent(tokenizer):
    tokens = tokenizer.encode("show me my files")
    dressed = [BOS, PAD, *tokens[:2], UNK, *tokens[2:], EOS, PAD, PAD]
    assert tokenizer.decode(dressed) == "show me my files"
    assert tokenizer.decode(SPECIAL) == tokenizer.decode([]) == ""


def test_training_is_deterministic(tokenizer):
    again = Tokenizer.train(iter(TEXTS), 60)
    assert again.digest == tokenizer.digest == hashlib.sha256(tokenizer.model).hexdigest()
    assert Tokenizer.train([*TEXTS, "find a quiz"], 60).digest != tokenizer.digest


def test_a_file_gives_the_same_tokenizer(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(tokenizer.model)
    loaded = Tokenizer.load(path)
    assert loaded.digest == tokenizer.digest
    assert loaded.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


@pytest.mark.parametrize(
    ("texts", "vocabulary", "message"),
    [
        (
            TEXTS,
            5_000,
            "at most [0-9]+ tokens, wanted a vocabulary of 5000; lower --vocabulary to at most [0-9]+, or give",
        ),
        (TEXTS, SMALLEST - 1, f"31 has no room .* raise --vocabulary to {SMALLEST}"),
        ([], 60, "lower --vocabulary or give more text"),
        ([""], 60, "lower --vocabulary or give more text"),
    ],
)
def test_a_vocabulary_that_does_not_fit_the_text_is_refused(texts, vocabulary, message):
    with pytest.raises(SettingsError, match=f"^tokenizer: .*{message}") as raised:
        Tokenizer.train(texts, vocabulary)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"just some text", b"\x00" * 100], ids=["empty", "text", "zeros"])
def test_what_is_no_sentencepiece_model_is_refused(tmp_path, content):
    path = tmp_path / "wrong.model"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=rf"wrong\.model: not a SentencePiece model \({len(content)} bytes\)"):
        Tokenizer.load(path)


def test_a_truncated_model_is_refused(tokenizer):
    with pytest.raises(BundleError, match=r"^cut: not a SentencePiece model"):
        Tokenizer(tokenizer.model[: len(tokenizer.model) // 2], name="cut")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"none\.model: no tokenizer could be read \(No such file"):
        Tokenizer.load(tmp_path / "none.model")


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ({}, r"\(-1, 0, 1, 2\)"),
        ({"pad_id": 3, "unk_id": 0, "bos_id": 1, "eos_id": 2}, r"\(3, 0, 1, 2\)"),
        ({"pad_id": 0, "unk_id": 1, "bos_id": 3, "eos_id": 2}, r"\(0, 1, 3, 2\)"),
    ],
)
def test_other_special_ids_are_refused(ids, found):
    """A model of the right size with the wrong ids would be heard as nonsense, not seen as an error."""
    with pytest.raises(BundleError, match=rf"theirs: .* ids {found}; wanted \(0, 1, 2, 3\)"):
        Tokenizer(foreign(**ids), name="theirs")
