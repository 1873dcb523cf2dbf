"""Parts of the model as they are, with weights set by hand, so that what comes out can be checked with a pencil.

The rest of it is in docs/how-it-works.md, the code of which `test_lesson.py` runs.
"""

import math

import pytest
import torch
from torch import tensor

from asr.model.attention import MultiHeadAttention, sinusoidal_positions
from asr.model.decoder import Decoder
from asr.model.encoder import EncoderLayer
from asr.model.settings import ModelSettings


@pytest.fixture(autouse=True)
def _only_looking():
    """Nothing is learnt here: the weights are what we say they are."""
    with torch.no_grad():
        yield


def assert_is(found, wanted):
    torch.testing.assert_close(found, tensor(wanted) if isinstance(wanted, list) else wanted, atol=1e-4, rtol=0)


def set_by_hand(linear, weight, bias=None):
    """A linear layer maps x to weight · x + bias; ``weight`` is a matrix, or how many times the identity."""
    matrix = weight * torch.eye(*linear.weight.shape) if isinstance(weight, int | float) else tensor(weight)
    linear.weight.copy_(matrix)
    linear.bias.copy_(tensor(bias) if bias else torch.zeros(len(linear.bias)))


WORDS = ["check", "the", "battery", "program", "ran", "down", "please"]


def one_hot(word):
    """A vector of zeros with a single one: the word's place in the list."""
    return torch.nn.functional.one_hot(tensor(WORDS.index(word)), len(WORDS)).float()


def small_decoder(width=8):
    return Decoder(
        ModelSettings(d_model=width, heads=1, feedforward=4, decoder_layers=1, dropout=0.0), len(WORDS)
    ).eval()


def attention_by_hand(width, query=0.0, key=1.0, value=1.0, heads=1):
    attention = MultiHeadAttention(width, heads)
    for linear, weight in ((attention.query, query), (attention.key, key), (attention.value, value)):
        set_by_hand(linear, weight)
    set_by_hand(attention.output, 1.0)
    return attention


def attend(attention, x, mask=None):
    """Self-attention of one sequence (T, D): queries, keys and values are all made from x."""
    return attention(x[None], *attention.keys_values(x[None]), mask)[0]


def test_the_share_comes_from_query_and_key():
    """The score of a place is query · key / √D; its share is the softmax of that; the result is the mix of values.

    D is 4, so √D is 2. The asker's query is (2 ln 3, 0, 0, 0). The first place answers to it: 2 ln 3 · 1 / 2 = ln 3.
    The second does not: 0 = ln 1. Shares of 3 and 1 of 4; and of the values 8 and 4 they make 6 + 1 = 7.
    """
    attention = attention_by_hand(4, query=[[0.0] * 4] * 4)
    attention.query.bias[0] = 2 * math.log(3)
    places = tensor([[1.0, 0.0, 0.0, 8.0], [0.0, 0.0, 0.0, 4.0]])
    mixed = attention(torch.zeros(1, 1, 4), *attention.keys_values(places[None]))[0]
    assert_is(mixed, [[3 / 4, 0.0, 0.0, 7.0]])


def test_without_a_question_everything_is_averaged():
    """All scores 0, all shares equal: attention begins as the mean over the sequence."""
    x = tensor([[1.0, 0.0], [2.0, 6.0], [6.0, 0.0]])
    assert_is(attend(attention_by_hand(2), x), [[3.0, 2.0]] * 3)


# Five columns of three features; each column is one place in the sequence.
COLUMNS = [[1.0, 2.0, 0.0, 3.0, 1.0],
           [0.0, 1.0, 1.0, 0.0, 2.0],
           [2.0, 0.0, 4.0, 1.0, 1.0]]  # fmt: skip
# Each with its right neighbour added, the last with the first: 1+2, 2+0, 0+3, 3+1, 1+1; and so on.
WITH_NEIGHBOUR = [[3.0, 2.0, 3.0, 4.0, 2.0],
                  [1.0, 2.0, 1.0, 2.0, 2.0],
                  [2.0, 4.0, 5.0, 2.0, 3.0]]  # fmt: skip


def test_queries_and_keys_add_neighbours():
    """Every place carries its number, one-hot, and asks for its own and the next one.

    Column t of the query's matrix holds the question of place t. A large one, for e⁻⁵⁰ is nothing beside e⁰; and the
    value's matrix holds the columns themselves: what is looked up is a table.
    """
    own, following = torch.eye(5), torch.eye(5).roll(1, dims=0)
    value = torch.zeros(5, 5)
    value[:3] = 2 * tensor(COLUMNS)
    attention = attention_by_hand(5, query=(50 * math.sqrt(5) * (own + following)).tolist(), value=value.tolist())
    added = attend(attention, torch.eye(5))
    assert_is(added.T[:3], WITH_NEIGHBOUR)


def test_two_heads_look_at_two_places_at_once():
    """Each head has its own half of the columns to ask, answer and speak with; here, one looks back, one forward."""
    x = torch.cat([torch.eye(3), torch.eye(3)], dim=1)
    back, forward = torch.eye(3).roll(-1, dims=0), torch.eye(3).roll(1, dims=0)
    attention = attention_by_hand(6, query=(100 * torch.block_diag(back, forward)).tolist(), heads=2)
    before, after = attend(attention, x).chunk(2, dim=1)
    assert before.argmax(dim=1).tolist() == [2, 0, 1]
    assert after.argmax(dim=1).tolist() == [1, 2, 0]


def test_the_causal_mask_is_a_triangle():
    """Row by row what each token may look at: itself and those before it. Ones are true."""
    assert mask_of(new=4) == [[1, 0, 0, 0],
                              [1, 1, 0, 0],
                              [1, 1, 1, 0],
                              [1, 1, 1, 1]]  # fmt: skip


def test_with_a_past_only_its_last_rows_are_left():
    """Tokens whose keys and values are kept need no rows of their own; so a new one costs one row, not the square."""
    assert mask_of(new=2, past=2) == [[1, 1, 1, 0],
                                      [1, 1, 1, 1]]  # fmt: skip
    assert mask_of(new=1, past=3) == [[1, 1, 1, 1]]


def mask_of(new, past=0):
    """The mask that the decoder gives its layers for so many new tokens after a past."""
    decoder, seen = small_decoder(), []
    decoder.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2]))
    kept = torch.zeros(1, 1, 1, past, 8)
    decoder(torch.zeros(1, new, dtype=torch.long), (kept, kept), decoder.cross_keys_values(torch.zeros(1, 3, 8)))
    return seen[0].int().tolist()


def test_attention_alone_does_not_know_the_order():
    torch.manual_seed(0)
    attention, x = MultiHeadAttention(4, 2), torch.randn(3, 4)
    assert_is(attend(attention, x[[2, 0, 1]]), attend(attention, x)[[2, 0, 1]])


def test_a_shift_in_time_is_a_rotation_of_each_pair():
    """The same one wherever it begins: that is what lets one matrix in a head mean "three steps back"."""
    start, shift, width = 17, 3, 8
    now, later = sinusoidal_positions(start, 1, width)[0], sinusoidal_positions(start + shift, 1, width)[0]
    turned = []
    for pair in range(width // 2):
        angle = shift / 10_000 ** (2 * pair / width)
        sine, cosine = now[2 * pair], now[2 * pair + 1]
        turned.append(sine * math.cos(angle) + cosine * math.sin(angle))
        turned.append(cosine * math.cos(angle) - sine * math.sin(angle))
    assert_is(torch.stack(turned), later)


def test_the_dot_product_of_two_positions_is_their_distance():
    """Every pair gives the cosine of its angle, so two moments are the more alike the nearer; none is longer."""
    width, steps = 32, 40
    positions = sinusoidal_positions(0, steps, width)
    products = positions @ positions.T
    speeds = [10_000 ** (-2 * pair / width) for pair in range(width // 2)]
    for distance in range(steps):
        wanted = sum(math.cos(distance * speed) for speed in speeds)
        assert_is(products.diagonal(distance), torch.full((steps - distance,), wanted))
    assert products[0, 0] == width / 2
    assert products[0, 1] > products[0, 2] > products[0, 3]


def small_layer():
    return EncoderLayer(ModelSettings(d_model=4, heads=1, feedforward=4, dropout=0.0)).eval()


def test_a_layer_with_nothing_to_say_hands_on_what_it_got():
    """Each part adds to its input; zero added is the input. So a deep stack begins as a straight wire."""
    layer = small_layer()
    set_by_hand(layer.attention.output, 0.0)
    set_by_hand(layer.feedforward[2], 0.0)
    x = tensor([[[2.0, 4.0, 6.0, 8.0], [1.0, 0.0, 0.0, 0.0]]])
    assert torch.equal(layer(x, None), x)


def test_the_de_embedding_turns_a_vector_into_votes():
    """A row for every word: the dot product with it is the word's vote. With the embedding's own rows, if they are
    at right angles, it undoes the look-up; a vector half-way between two words votes for both.
    """
    decoder = small_decoder()
    torch.nn.init.orthogonal_(decoder.embedding.weight)
    set_by_hand(decoder.output, decoder.embedding.weight.tolist())
    vector = decoder.embedding(tensor(WORDS.index("battery")))
    assert_is(decoder.output(vector), one_hot("battery"))
    between = (vector + decoder.embedding(tensor(WORDS.index("program")))) / 2
    assert_is(decoder.output(between), (one_hot("battery") + one_hot("program")) / 2)


def test_the_votes_become_the_next_word():
    """Softmax shares out the probability, and the largest share is the greedy choice."""
    decoder = small_decoder()
    set_by_hand(decoder.output, [[0.0] * 8] * 7, bias=[0.0, 0.0, 0.0, 0.0, 0.0, math.log(12), math.log(3)])
    nobody = decoder.cross_keys_values(torch.zeros(1, 1, 8))
    logits, _ = decoder(tensor([[0, 1, 2, 4]]), None, nobody)
    shares = logits[0, -1].softmax(dim=0)
    # Five words with one vote, "please" with 3, "down" with 12: of 20.
    assert_is(shares, [0.05, 0.05, 0.05, 0.05, 0.05, 0.6, 0.15])
    assert WORDS[shares.argmax()] == "down"
