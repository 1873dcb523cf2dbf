"""Laws of the model: what may have an effect and what may not, and that the layers are those of torch.nn."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import asr.model
from asr.errors import SettingsError
from asr.model.attention import MultiHeadAttention, length_mask, sinusoidal_positions
from asr.model.convolution import ConvolutionModule
from asr.model.decoder import DecoderLayer
from asr.model.encoder import EncoderLayer
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.model.torch_stepper import TorchStepper
from asr.search.beam import beam
from asr.search.ctc import ctc_log_prob
from asr.search.greedy import greedy
from asr.text.special import BOS, EOS

WIDTH, VOCABULARY = 5, 11
SMALL = ModelSettings(d_model=24, heads=3, feedforward=40, encoder_layers=3, decoder_layers=2, stack=4, dropout=0.1)
WITH_CONVOLUTIONS = replace(SMALL, convolution_kernel=5)
FRAMES = torch.tensor([37, 8, 1, 22])
EXACT = {"atol": 2e-5, "rtol": 0}


@pytest.fixture(params=[SMALL, WITH_CONVOLUTIONS], ids=["pure", "with convolutions"])
def model(request):
    """A small model with random weights (norms and biases too, else some could be swapped unseen), in evaluation."""
    return randomised(Seq2Seq(request.param, WIDTH, VOCABULARY))


def randomised(module):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module.eval()


@pytest.fixture
def batch():
    """Features, zero beyond their lengths, and tokens that begin with bos."""
    generator = torch.manual_seed(2)
    features = torch.randn(len(FRAMES), 41, WIDTH, generator=generator)
    features = features * length_mask(FRAMES, 41).unsqueeze(-1)
    tokens = torch.randint(4, VOCABULARY, (len(FRAMES), 7), generator=generator)
    tokens[:, 0] = BOS
    return features, tokens


@torch.no_grad()
def test_future_tokens_have_no_effect(model, batch):
    features, tokens = batch
    encoded = model.encode(features, FRAMES)
    logits = model.decode(encoded, tokens)
    for seen in range(1, 7):
        other = tokens.clone()
        other[:, seen:] = (other[:, seen:] + 1) % VOCABULARY
        changed = model.decode(encoded, other)
        torch.testing.assert_close(changed[:, :seen], logits[:, :seen], **EXACT)
        # And what was said has one, at once and ever after.
        assert ((changed - logits)[:, seen:].abs().amax(dim=2) > 1e-3).all()


@torch.no_grad()
def test_a_batch_equals_its_rows_alone(model, batch):
    features, tokens = batch
    logits, encoded = model(features, FRAMES, tokens)
    assert encoded.lengths.tolist() == [SMALL.steps(frames) for frames in FRAMES.tolist()] == [10, 2, 1, 6]
    for row, frames in enumerate(FRAMES.tolist()):
        alone = model.encode(features[row : row + 1, :frames])
        steps = encoded.lengths[row]
        assert alone.lengths is None
        assert alone.memory.shape[1] == steps
        torch.testing.assert_close(encoded.memory[row, :steps], alone.memory[0], **EXACT)
        torch.testing.assert_close(encoded.ctc_log_probs[row, :steps], alone.ctc_log_probs[0], **EXACT)
        torch.testing.assert_close(logits[row], model.decode(alone, tokens[row : row + 1])[0], **EXACT)


@torch.no_grad()
def test_memory_beyond_its_length_has_no_effect(model, batch):
    """Whatever stands in steps that are all padding, nobody looks at it: neither encoder nor cross-attention."""
    features, tokens = batch
    logits, encoded = model(features, FRAMES, tokens)
    whole_steps = encoded.lengths * SMALL.stack
    noisy = torch.where(length_mask(whole_steps, 41).unsqueeze(-1), features, torch.full_like(features, 9.0))
    noisy_logits, noisy_encoded = model(noisy, FRAMES, tokens)
    assert not torch.allclose(noisy_encoded.memory, encoded.memory)
    torch.testing.assert_close(noisy_logits, logits, **EXACT)


@torch.no_grad()
def test_every_step_hears_the_whole_utterance(model, batch):
    features, _ = batch
    memory = model.encode(features, FRAMES).memory
    for frame in (0, 36):
        other = features.clone()
        other[0, frame] += 1
        changed = (model.encode(other, FRAMES).memory - memory).abs().amax(dim=2)
        assert (changed[0, :10] > 1e-4).all()
        assert not changed[1:].any()


@pytest.mark.parametrize("cuts", [(1, 2, 3, 4, 5, 6), (3,), (2, 5)])
@torch.no_grad()
def test_cached_steps_equal_the_full_pass(model, batch, cuts):
    features, tokens = batch
    encoded = model.encode(features, FRAMES)
    mask = length_mask(encoded.lengths, encoded.memory.shape[1])[:, None, None, :]
    memory = model.decoder.cross_keys_values(encoded.memory)
    past, parts = None, []
    for piece in torch.tensor_split(tokens, cuts, dim=1):
        logits, past = model.decoder(piece, past, memory, mask)
        parts.append(logits)
    assert [kept.shape for kept in (*past[0], *past[1])] == [(len(FRAMES), 3, 7, 8)] * 4
    torch.testing.assert_close(torch.cat(parts, dim=1), model.decode(encoded, tokens), **EXACT)


def copy(theirs, ours):
    theirs.load_state_dict(ours.state_dict())


def copy_attention(theirs, ours):
    """torch.nn keeps the three projections in one matrix."""
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias for part in parts])
    copy(theirs.out_proj, ours.output)


def copy_layer(theirs, ours):
    copy_attention(theirs.self_attn, ours.attention)
    copy(theirs.norm1, ours.attention_norm)
    if isinstance(ours, DecoderLayer):
        copy_attention(theirs.multihead_attn, ours.cross)
        copy(theirs.norm2, ours.cross_norm)
    copy(theirs.norm3 if isinstance(ours, DecoderLayer) else theirs.norm2, ours.feedforward_norm)
    copy(theirs.linear1, ours.feedforward[0])
    copy(theirs.linear2, ours.feedforward[2])


def their_layer(kind):
    return kind(SMALL.d_model, SMALL.heads, SMALL.feedforward, dropout=0.0, batch_first=True, norm_first=True).eval()


@pytest.fixture
def inputs():
    """Vectors (2, 6, D), memory (2, 9, D), and masks that are true where attention may go."""
    generator = torch.manual_seed(3)
    x, memory = (torch.randn(2, length, SMALL.d_model, generator=generator) for length in (6, 9))
    return x, memory, length_mask(torch.tensor([6, 4]), 6), length_mask(torch.tensor([5, 9]), 9)


@pytest.mark.parametrize("masked", [False, True])
@torch.no_grad()
def test_attention_is_that_of_torch(inputs, masked):
    x, memory, _, inside = inputs
    ours = randomised(MultiHeadAttention(SMALL.d_model, SMALL.heads))
    theirs = nn.MultiheadAttention(SMALL.d_model, SMALL.heads, batch_first=True).eval()
    copy_attention(theirs, ours)
    found = ours(x, *ours.keys_values(memory), inside[:, None, None] if masked else None)
    wanted, _ = theirs(x, memory, memory, key_padding_mask=~inside if masked else None)
    torch.testing.assert_close(found, wanted, **EXACT)


@pytest.mark.parametrize("masked", [False, True])
@torch.no_grad()
def test_encoder_layer_is_that_of_torch(inputs, masked):
    x, _, inside, _ = inputs
    ours, theirs = randomised(EncoderLayer(SMALL)), their_layer(nn.TransformerEncoderLayer)
    copy_layer(theirs, ours)
    found = ours(x, inside if masked else None)
    wanted = theirs(x, src_key_padding_mask=~inside if masked else None)
    real = inside if masked else torch.ones_like(inside)
    torch.testing.assert_close(found[real], wanted[real], **EXACT)


@pytest.mark.parametrize("masked", [False, True])
@torch.no_grad()
def test_decoder_layer_is_that_of_torch(inputs, masked):
    x, memory, _, inside = inputs
    ours, theirs = randomised(DecoderLayer(SMALL)), their_layer(nn.TransformerDecoderLayer)
    copy_layer(theirs, ours)
    lower = torch.ones(6, 6, dtype=torch.bool).tril()
    nothing = torch.zeros(2, SMALL.heads, 0, SMALL.d_model // SMALL.heads)
    across = ours.cross.keys_values(memory)
    found, _ = ours(x, (nothing, nothing), lower, across, inside[:, None, None] if masked else None)
    wanted = theirs(x, memory, tgt_mask=~lower, memory_key_padding_mask=~inside if masked else None)
    torch.testing.assert_close(found, wanted, **EXACT)


@torch.no_grad()
def test_the_whole_pure_model_is_that_of_torch(batch):
    """Encoder and decoder from torch.nn, and around them what the paper says: scales, positions, a last norm."""
    model = randomised(Seq2Seq(SMALL, WIDTH, VOCABULARY))
    features, tokens = batch
    root = math.sqrt(SMALL.d_model)
    encoder = nn.TransformerEncoder(
        their_layer(nn.TransformerEncoderLayer), 3, nn.LayerNorm(SMALL.d_model), enable_nested_tensor=False
    ).eval()
    decoder = nn.TransformerDecoder(their_layer(nn.TransformerDecoderLayer), 2, nn.LayerNorm(SMALL.d_model)).eval()
    for theirs, ours in ((encoder, model.encoder), (decoder, model.decoder)):
        copy(theirs.norm, ours.norm)
        for their, our in zip(theirs.layers, ours.layers, strict=True):
            copy_layer(their, our)

    row, frames = 0, int(FRAMES[0])
    stacked = nn.functional.pad(features[row, :frames], (0, 0, 0, 3)).reshape(1, 10, SMALL.stack * WIDTH)
    x = root * model.encoder.projection(stacked) + sinusoidal_positions(0, 10, SMALL.d_model)
    memory = encoder(model.encoder.input_norm(x))
    y = root * model.decoder.embedding(tokens[row : row + 1]) + sinusoidal_positions(0, 7, SMALL.d_model)
    logits = model.decoder.output(decoder(y, memory, tgt_mask=~torch.ones(7, 7, dtype=torch.bool).tril()))

    found, encoded = model(features, FRAMES, tokens)
    torch.testing.assert_close(encoded.memory[row, :10], memory[0], **EXACT)
    torch.testing.assert_close(encoded.ctc_log_probs[row, :10].exp(), model.ctc(memory[0]).softmax(dim=-1), **EXACT)
    torch.testing.assert_close(found[row], logits[0], **EXACT)


@torch.no_grad()
def test_a_convolution_looks_at_its_neighbours_as_the_paper_says():
    """Equations of the paper step by step, and two steps to either side are all that a kernel of five reaches."""
    module = randomised(ConvolutionModule(6, 5))
    x = torch.randn(1, 9, 6, generator=torch.manual_seed(3))
    value, gate = module.gated(x[0]).chunk(2, dim=1)
    gated = nn.functional.pad(value * gate.sigmoid(), (0, 0, 2, 2))
    for step in range(9):
        mixed = (gated[step : step + 5] * module.depthwise.weight[:, 0].T).sum(dim=0) + module.depthwise.bias
        normal = module.norm(mixed)
        torch.testing.assert_close(module(x, None)[0, step], module.output(normal * normal.sigmoid()), **EXACT)
        other = x.clone()
        other[0, step] += 1
        changed = (module(other, None) - module(x, None))[0].abs().amax(dim=1) > 1e-6
        assert changed.nonzero().flatten().tolist() == [near for near in range(step - 2, step + 3) if 0 <= near < 9]


@torch.no_grad()
def test_any_encoder_layer_can_be_tapped(model, batch):
    features, _ = batch
    taps = [model.encode(features, FRAMES, tap).tapped for tap in (1, 2, 3)]
    inside = length_mask(SMALL.steps(FRAMES), 11)
    for before, after, layer in zip(taps, taps[1:], list(model.encoder.layers)[1:], strict=False):
        torch.testing.assert_close(layer(before, inside), after, **EXACT)
    torch.testing.assert_close(model.encoder.norm(taps[-1]), model.encode(features, FRAMES).memory, **EXACT)
    assert model.encode(features, FRAMES).tapped is None


@pytest.mark.parametrize("seed", range(6))
@torch.no_grad()
def test_a_search_scores_as_teacher_forcing_does(batch, seed):
    torch.manual_seed(seed)
    model = Seq2Seq(SMALL, WIDTH, VOCABULARY).eval()
    model.decoder.output.weight *= 3
    model.decoder.output.bias[EOS] += 1
    encoded = model.encode(batch[0][seed % 2 : seed % 2 + 1, : FRAMES[seed % 2]])
    stepper, ctc = TorchStepper(model, encoded.memory), encoded.ctc_log_probs[0].numpy()
    first = greedy(stepper, max_tokens=9)
    plain = beam(stepper, width=4, max_tokens=9, length_penalty=0.0, n_best=4)
    joint = beam(
        stepper, width=4, max_tokens=9, length_penalty=0.0, ctc_log_probs=ctc.astype(np.float64), ctc_weight=0.3
    )
    assert any(hypothesis.tokens for hypothesis in plain)
    for hypothesis in (first, *plain, *joint):
        said = [*hypothesis.tokens, EOS] if hypothesis.ended else [*hypothesis.tokens]
        log_probs = model.decode(encoded, torch.tensor([[BOS, *hypothesis.tokens]]))[0].log_softmax(dim=-1)
        forced = [float(log_probs[position, token]) for position, token in enumerate(said)]
        assert hypothesis.token_log_probs == pytest.approx(forced, abs=1e-4)
        assert hypothesis.log_prob == pytest.approx(sum(forced), abs=1e-4)
    assert all(hypothesis.score == pytest.approx(hypothesis.log_prob) for hypothesis in (first, *plain))
    assert not first.ended or plain[0].score >= first.score - 1e-5
    best = joint[0]
    if best.ended:
        wanted = 0.7 * best.log_prob + 0.3 * ctc_log_prob(ctc, best.tokens)
        assert best.score == pytest.approx(wanted, abs=1e-4)


@torch.no_grad()
def test_a_stepper_follows_the_parents(model, batch):
    """Rows may be dropped, doubled and exchanged between steps, as a beam does."""
    encoded = model.encode(batch[0][:1, : FRAMES[0]])
    stepper = TorchStepper(model, encoded.memory)
    _, state = stepper.step(stepper.start(), np.array([BOS]), np.array([0]))
    _, state = stepper.step(state, np.array([5, 6, 7]), np.array([0, 0, 0]))
    log_probs, _ = stepper.step(state, np.array([8, 9, 10]), np.array([2, 0, 2]))
    assert log_probs.dtype == np.float32
    for row, history in enumerate([[BOS, 7, 8], [BOS, 5, 9], [BOS, 7, 10]]):
        wanted = model.decode(encoded, torch.tensor([history]))[0, -1].log_softmax(dim=-1)
        np.testing.assert_allclose(log_probs[row], wanted.numpy(), atol=2e-5, rtol=0)


def test_dropout_is_on_in_training_only(batch):
    features, tokens = batch
    for rate in (0.0, 0.5):
        model = Seq2Seq(ModelSettings(**{**SMALL.to_dict(), "dropout": rate}), WIDTH, VOCABULARY).train()
        torch.manual_seed(0)
        first, again = (model(features, FRAMES, tokens)[0] for _ in range(2))
        assert torch.equal(first, again) == (rate == 0.0)
        first, again = (model.eval()(features, FRAMES, tokens)[0] for _ in range(2))
        assert torch.equal(first, again)


@pytest.mark.parametrize(("settings", "encoder_residuals"), [(SMALL, 2), (WITH_CONVOLUTIONS, 3)])
def test_dropout_is_on_every_residual(batch, settings, encoder_residuals):
    """And once on what goes into each stack, and nowhere else."""
    model, calls = Seq2Seq(settings, WIDTH, VOCABULARY), {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda *_, name=name: calls.update({name: calls.get(name, 0) + 1}))
    model(batch[0], FRAMES, batch[1])
    parts = {"encoder": (3, encoder_residuals), "decoder": (2, 3)}  # layers, and residuals in each
    wanted = {f"{part}.layers.{n}.dropout": each for part, (layers, each) in parts.items() for n in range(layers)}
    assert calls == {**wanted, "encoder.dropout": 1, "decoder.dropout": 1}


@pytest.mark.parametrize("settings", [SMALL, WITH_CONVOLUTIONS])
def test_every_weight_learns(batch, settings):
    """A part that no gradient reaches is a part left out of the sum."""
    features, tokens = batch
    model = Seq2Seq(settings, WIDTH, VOCABULARY)
    logits, encoded = model(features, FRAMES, tokens)
    (logits.log_softmax(dim=-1)[..., EOS].sum() + encoded.ctc_log_probs[..., 0].sum()).backward()
    # The softmax ignores what is added to all scores, so the bias of the keys has no gradient but rounding.
    still = [n for n, p in model.named_parameters() if p.grad is None or (not p.grad.any() and "key.bias" not in n)]
    assert still == []


def test_settings_are_the_dimensions_of_the_model():
    model = Seq2Seq(SMALL, WIDTH, VOCABULARY)
    assert len(model.encoder.layers) == 3
    assert len(model.decoder.layers) == 2
    assert model.encoder.projection.weight.shape == (24, 4 * WIDTH)
    assert model.decoder.embedding.weight.shape == model.ctc.weight.shape == (VOCABULARY, 24)
    for layer in (*model.encoder.layers, *model.decoder.layers):
        assert layer.attention.heads == 3
        assert layer.feedforward[0].weight.shape == (40, 24)


@pytest.mark.parametrize("shape", [(2, 8, WIDTH + 1), (2, 8, WIDTH - 1), (8, WIDTH), (1, 2, 8, WIDTH)])
def test_features_of_another_shape_are_refused(model, shape):
    with pytest.raises(SettingsError, match=r"wanted \(B, T, 5\)") as raised:
        model.encode(torch.zeros(shape))
    assert str(shape) in str(raised.value)


@pytest.mark.parametrize(
    ("message", "settings"),
    [
        *(
            (f"{name} is {found!r}; it must be a whole number at least 1 and at most", {name: found})
            for name in SMALL.to_dict()
            if name not in ("dropout", "convolution_kernel")
            for found in (0, 10**9, 2.0, "2", None, True)
        ),
        *((f"convolution_kernel is {size}; it is an odd number", {"convolution_kernel": size}) for size in (2, 4)),
        *((f"convolution_kernel is {size}; it must be", {"convolution_kernel": size}) for size in (-1, 3.0, 10**9 + 1)),
        ("d_model 256 cannot be divided into 3 heads", {"heads": 3}),
        ("d_model 33 cannot be divided into 3 heads .* even", {"d_model": 33, "heads": 3}),
        ("dropout is 1.0", {"dropout": 1.0}),
        ("dropout is -0.1", {"dropout": -0.1}),
        ("dropout is nan", {"dropout": math.nan}),
    ],
)
def test_dimensions_that_cannot_be_built_are_refused(message, settings):
    with pytest.raises(SettingsError, match=f"^model: {message}"):
        ModelSettings(**settings)


def test_settings_come_back_from_a_dictionary():
    assert ModelSettings.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(SettingsError, match="layers"):
        ModelSettings.from_dict({**SMALL.to_dict(), "layers": 2})


def test_the_model_can_be_read_in_one_sitting():
    files = sorted(Path(asr.model.__path__[0]).glob("*.py"))
    assert len(files) >= 6
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) < 475
