"""How the transformer works, in numbers small enough to check by hand. Read it from top to bottom.

Every chapter takes a part of the model as it is, sets its weights by hand, and looks at what comes out. The order and
many of the numbers are those of two well-known explanations: "Transformers from Scratch" (Brandon Rohrer) and
"AI by Hand: Transformer" (Tom Yeh). The parts are named as in "Attention Is All You Need".
"""

import math

import pytest
import torch
from torch import tensor

from asr.model.attention import FeedForward, MultiHeadAttention, sinusoidal_positions
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


# Chapter 1. Words are numbers: a matrix product is a look-up.

WORDS = ["check", "the", "battery", "program", "ran", "down", "please"]


def one_hot(word):
    """A vector of zeros with a single one: the word's place in the list."""
    return torch.nn.functional.one_hot(tensor(WORDS.index(word)), len(WORDS)).float()


def test_the_dot_product_of_two_words_asks_whether_they_are_the_same():
    assert one_hot("battery") @ one_hot("battery") == 1
    assert one_hot("battery") @ one_hot("program") == 0


def test_a_one_hot_row_pulls_a_row_out_of_a_table():
    table = tensor([[11.0, 12.0], [21.0, 22.0], [31.0, 32.0]])
    assert_is(tensor([0.0, 1.0, 0.0]) @ table, [21.0, 22.0])


def test_a_matrix_of_one_hot_rows_selects_rows_in_any_order():
    table = tensor([[11.0, 12.0], [21.0, 22.0], [31.0, 32.0]])
    third_first_third = tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert_is(third_first_third @ table, [[31.0, 32.0], [11.0, 12.0], [31.0, 32.0]])


def test_the_embedding_is_that_look_up():
    """So nobody multiplies all those zeros: a token's id is enough. But the mathematics is a matrix product."""
    embedding = small_decoder().embedding
    words = torch.stack([one_hot("the"), one_hot("program"), one_hot("ran")])
    ids = words.argmax(dim=1)
    assert ids.tolist() == [1, 3, 4]
    assert torch.equal(embedding(ids), words @ embedding.weight)


def small_decoder(width=8):
    return Decoder(
        ModelSettings(d_model=width, heads=1, feedforward=4, decoder_layers=1, dropout=0.0), len(WORDS)
    ).eval()


# Chapter 2. What comes next? A vote of all words so far, of which most know nothing.


def test_masking_is_multiplication():
    """After "check the battery ran" comes "down", after "check the program ran" comes "please".

    Let every word seen vote for both. "check", "the" and "ran" stood before either, so their half votes only make the
    result less sure. Multiplied by a mask of zeros and ones, only the word that knows has a voice.
    """
    #               down please
    votes = tensor([[0.5, 0.5],  # check
                    [0.5, 0.5],  # the
                    [1.0, 0.0],  # battery
                    [0.0, 1.0],  # program
                    [0.5, 0.5]])  # ran  # fmt: skip
    said = tensor([1.0, 1.0, 0.0, 1.0, 1.0])  # check the program ran
    assert_is(said @ votes, [1.5, 2.5])
    mask = tensor([0.0, 0.0, 1.0, 1.0, 0.0])
    assert_is((said * mask) @ votes, [0.0, 1.0])


# Chapter 3. Softmax: scores become shares.


def test_softmax_by_hand():
    """Raise e to the power of each, then divide by the sum. Scores of ln 1, ln 2 and ln 5 stand for 1, 2 and 5 of 8."""
    scores = tensor([math.log(1), math.log(2), math.log(5)])
    assert_is(scores.softmax(dim=0), [1 / 8, 2 / 8, 5 / 8])
    # Only differences count: what is added to all of them cancels.
    assert_is((scores + 100).softmax(dim=0), [1 / 8, 2 / 8, 5 / 8])
    # e⁰ = 1, e¹ = 2.7183, e² = 7.3891; together 11.1073.
    assert_is(tensor([0.0, 1.0, 2.0]).softmax(dim=0), [0.0900, 0.2447, 0.6652])


def test_minus_infinity_is_a_share_of_nothing():
    """So a mask on the scores is chapter 2's multiplication by zero, with the rest shared out anew."""
    scores, mask = tensor([math.log(1), math.log(2), math.log(5)]), tensor([1.0, 1.0, 0.0])
    masked = scores.masked_fill(mask == 0, -math.inf).softmax(dim=0)
    assert_is(masked, [1 / 3, 2 / 3, 0.0])
    product = scores.softmax(dim=0) * mask
    assert_is(masked, product / product.sum())


# Chapter 4. Attention: a mask that each position makes for itself.


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


def test_attention_weights_combine_columns():
    """The weights are a matrix, and attending is multiplying by it: column j of it says what place j takes of each."""
    weights = tensor([[1.0, 0.0, 0.0, 0.0, 1.0],
                      [1.0, 1.0, 0.0, 0.0, 0.0],
                      [0.0, 1.0, 1.0, 0.0, 0.0],
                      [0.0, 0.0, 1.0, 1.0, 0.0],
                      [0.0, 0.0, 0.0, 1.0, 1.0]])  # fmt: skip
    assert_is(tensor(COLUMNS) @ weights, WITH_NEIGHBOUR)


def test_a_mask_makes_those_weights():
    """Shares of one half for each of the two places that the mask leaves, and values doubled, so that ½ · 2 = 1."""
    mask = torch.eye(5, dtype=torch.bool)
    mask = mask | mask.roll(1, dims=1)
    assert mask.int().tolist()[0] == [1, 1, 0, 0, 0]
    added = attend(attention_by_hand(3, value=2.0), tensor(COLUMNS).T, mask)
    assert_is(added.T, WITH_NEIGHBOUR)


def test_queries_and_keys_make_those_weights():
    """The same without a mask: every place carries its number, one-hot, and asks for its own and the next one.

    Column t of the query's matrix holds the question of place t. A large one, for e⁻⁵⁰ is nothing beside e⁰; and the
    value's matrix holds the columns themselves: what is looked up is chapter 1's table.
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


@pytest.mark.parametrize(("thing", "following"), [("battery", "down"), ("program", "please")])
def test_attention_finds_the_word_that_knows(thing, following):
    """Chapter 2 again, its mask not given but asked for: the query of "ran" is "battery or program?"."""
    query, says = torch.zeros(7, 7), torch.zeros(7, 7)
    for word, answer in (("battery", "down"), ("program", "please")):
        query[:, WORDS.index("ran")] += 100 * one_hot(word)
        says[:, WORDS.index(word)] = one_hot(answer)
    attention = attention_by_hand(7, query=query.tolist(), value=says.tolist())
    sentence = torch.stack([one_hot(word) for word in ("check", "the", thing, "ran")])
    assert_is(attend(attention, sentence)[-1], one_hot(following))


# Chapter 5. The future is not for looking at.


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


# Chapter 6. Feed-forward: every place thinks for itself.


def test_a_feed_forward_by_hand():
    """3 → 4 → 3. Attention mixed places; this mixes the features within each, the same way at all of them."""
    network = FeedForward(3, 4)
    set_by_hand(network[0], [[1.0, 0.0, 1.0],
                             [0.0, 1.0, -1.0],
                             [1.0, 1.0, 0.0],
                             [-1.0, 0.0, 0.0]], bias=[0.0, 0.0, -3.0, 1.0])  # fmt: skip
    set_by_hand(network[2], [[1.0, 1.0, 0.0, 0.0],
                             [0.0, 1.0, 2.0, 0.0],
                             [0.0, 0.0, 1.0, -1.0]], bias=[0.0, 1.0, 0.0])  # fmt: skip
    x = tensor([[2.0, 3.0, 1.0], [0.0, 1.0, 3.0]])
    # 2+1, 3-1, 2+3-3, -2+1; and 0+3, 1-3, 0+1-3, 0+1.
    assert_is(network[0](x), [[3.0, 2.0, 2.0, -1.0], [3.0, -2.0, -2.0, 1.0]])
    # ReLU: what is below zero is silent. Without it two layers would be one matrix.
    assert_is(network[1](network[0](x)), [[3.0, 2.0, 2.0, 0.0], [3.0, 0.0, 0.0, 1.0]])
    # 3+2, 2+2·2+1, 2-0; and 3+0, 0+0+1, 0-1.
    assert_is(network(x), [[5.0, 7.0, 2.0], [3.0, 1.0, -1.0]])


# Chapter 7. Positions: attention sees a bag of words, so each must carry the time.


def test_attention_alone_does_not_know_the_order():
    torch.manual_seed(0)
    attention, x = MultiHeadAttention(4, 2), torch.randn(3, 4)
    assert_is(attend(attention, x[[2, 0, 1]]), attend(attention, x)[[2, 0, 1]])


def test_positions_are_hands_of_clocks():
    """Width 4 is two hands, each a sine and a cosine: one turns by 1 a step, the other by 1/100."""
    assert_is(
        sinusoidal_positions(0, 3, 4),
        [
            [0.0000, 1.0000, 0.0000, 1.0000],  # all hands at twelve
            [0.8415, 0.5403, 0.0100, 0.9999],  # sin 1, cos 1, sin 0.01, cos 0.01
            [0.9093, -0.4161, 0.0200, 0.9998],  # sin 2, cos 2, …
        ],
    )
    assert torch.equal(sinusoidal_positions(0, 9, 4)[6:], sinusoidal_positions(6, 3, 4))


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


# Chapter 8. Residual and norm: what lets many layers stand on each other.


def small_layer():
    return EncoderLayer(ModelSettings(d_model=4, heads=1, feedforward=4, dropout=0.0)).eval()


def test_a_norm_by_hand():
    """Less its mean, by its standard deviation. 2, 4, 6, 8: the mean is 5, the variance (9 + 1 + 1 + 9) / 4 = 5."""
    root = math.sqrt(5)
    norm = small_layer().attention_norm
    assert_is(norm(tensor([2.0, 4.0, 6.0, 8.0])), [-3 / root, -1 / root, 1 / root, 3 / root])
    # Louder or higher is the same to it.
    assert_is(norm(tensor([21.0, 41.0, 61.0, 81.0])), norm(tensor([2.0, 4.0, 6.0, 8.0])))


def test_a_layer_with_nothing_to_say_hands_on_what_it_got():
    """Each part adds to its input; zero added is the input. So a deep stack begins as a straight wire."""
    layer = small_layer()
    set_by_hand(layer.attention.output, 0.0)
    set_by_hand(layer.feedforward[2], 0.0)
    x = tensor([[[2.0, 4.0, 6.0, 8.0], [1.0, 0.0, 0.0, 0.0]]])
    assert torch.equal(layer(x, None), x)


def test_a_layer_adds_what_its_parts_say_of_the_normed():
    """One part at a time: attention silent, the feed-forward the identity for what is above zero."""
    layer, root = small_layer(), math.sqrt(5)
    set_by_hand(layer.attention.output, 0.0)
    set_by_hand(layer.feedforward[0], 1.0)
    set_by_hand(layer.feedforward[2], 1.0)
    x = tensor([[[2.0, 4.0, 6.0, 8.0]]])
    assert_is(layer(x, None)[0], [[2.0, 4.0, 6.0 + 1 / root, 8.0 + 3 / root]])


# Chapter 9. Back to words.


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
