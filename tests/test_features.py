"""The MFCC of training, of the exported graph and of librosa are one; settings without meaning are refused."""

import warnings

import librosa
import numpy as np
import onnxruntime
import pytest
import scipy.fft
import torch
import torchaudio
from hypothesis import given
from hypothesis import strategies as st

from asr.audio.features import FeatureSettings
from asr.audio.load import SAMPLE_RATE, find_audio, load_audio
from asr.audio.mfcc import Mfcc, MfccGraph, moved, normalise, with_deltas
from asr.errors import SettingsError

RATE = 16_000
LENGTHS = (0, 1, 159, 160, 161, 399, 400, 401, 511, 512, 513, 4_000, RATE, 5 * RATE + 77, 30 * RATE)
PLAIN = FeatureSettings()
WITH_DELTAS = FeatureSettings(deltas=2)
OF_SPEECH = FeatureSettings(speech_range_db=15.0)
KINDS = {"plain": PLAIN, "deltas": WITH_DELTAS, "of speech": OF_SPEECH}
# Of values with variance 1. The worst found are 0.0003 on recordings and 0.0006 on made signals, where a band holds
# hardly more than the rounding of single precision.
TOLERANCE = 1e-3


def waves():
    """Name and samples: what a microphone never gives, but a format or a mistake does; all 30 s long."""
    rng = np.random.default_rng(0)
    time = np.arange(30 * RATE) / RATE
    return {
        "silence": np.zeros(len(time)),
        "one bit": rng.integers(0, 2, len(time)) / 32_768,
        "noise": rng.normal(0, 0.1, len(time)).clip(-1, 1),
        "loud noise": rng.uniform(-1, 1, len(time)),
        "chirp": 0.5 * np.sin(2 * np.pi * 130 * time * (1 + time)),
        "clicks": np.where(np.arange(len(time)) % 1_601 == 0, 1.0, 0.0),
        "offset": 0.5 + 0.01 * rng.normal(size=len(time)),
    }


def float32(wave):
    return np.asarray(wave, dtype=np.float32)


def by_torchaudio(mfcc, wave):
    """(N,) → (T, F)."""
    features, frames = mfcc(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
    assert features.dtype == torch.float32
    assert frames.tolist() == [features.shape[1]]
    return features[0].numpy()


def by_librosa(settings, wave):
    """The same by other hands, and in double precision."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=512 is too large", category=UserWarning)
        mel = librosa.feature.melspectrogram(
            y=wave.astype(np.float64),
            sr=RATE,
            n_fft=512,
            win_length=400,
            hop_length=160,
            window="hann",
            center=True,
            pad_mode="constant",
            power=2.0,
            n_mels=80,
            fmin=20,
            fmax=8_000,
            htk=True,
            norm=None,
            dtype=np.float64,
        )
    coefficients = scipy.fft.dct(np.log(mel + settings.log_floor), type=2, norm="ortho", axis=0)[:40]
    parts = [coefficients]
    for _ in range(settings.deltas):
        padded = np.pad(parts[-1], ((0, 0), (2, 2)), mode="edge")
        parts.append(sum(n * np.roll(padded, -n, axis=1) for n in (-2, -1, 1, 2))[:, 2:-2] / 10)
    features = np.concatenate(parts).T
    weights = np.ones(len(features))
    if settings.speech_range_db and len(features) >= 10:
        level = 10 * np.log10(np.e) * np.log(mel + settings.log_floor).mean(axis=0)
        faint = np.sort(level)[-10] - settings.speech_range_db - level
        weights = 1 / (1 + np.exp(faint / 2))
    mean = np.average(features, axis=0, weights=weights)
    variance = np.average((features - mean) ** 2, axis=0, weights=weights)
    return (features - mean) / np.sqrt(variance + settings.variance_floor)


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def three(request, tmp_path_factory):
    """Settings, and wave → features in three ways: torchaudio, the graph in torch, the exported graph."""
    settings = request.param
    mfcc = Mfcc(settings)
    graph = MfccGraph(mfcc).eval()
    path = tmp_path_factory.mktemp("graph") / "mfcc.onnx"
    with warnings.catch_warnings():
        # The exporter leans on what its own dependencies have retired.
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        torch.onnx.export(
            graph,
            (torch.zeros(1, RATE),),
            path,
            dynamo=True,
            input_names=["wave"],
            output_names=["features"],
            dynamic_shapes=({1: torch.export.Dim("samples")},),
            verbose=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def in_torch(wave):
        return graph(torch.from_numpy(wave)[None])[0].numpy()

    def exported(wave):
        return session.run(None, {"wave": wave[None]})[0][0]

    return settings, {"torchaudio": lambda wave: by_torchaudio(mfcc, wave), "graph": in_torch, "ONNX": exported}


def assert_all_equal(three, wave, name):
    settings, ways = three
    wanted = by_librosa(settings, wave)
    assert wanted.shape == (settings.frames(len(wave)), settings.dimension)
    for way, features in ways.items():
        np.testing.assert_allclose(features(wave), wanted, atol=TOLERANCE, rtol=0, err_msg=f"{way} on {name}")


@pytest.mark.parametrize("folder", ["speech_commands", "speechocean762", "english_ccc", "common_voice", "noise_esc10"])
def test_three_ways_are_equal_on_real_recordings(three, corpora, folder):
    found = find_audio(corpora / folder)
    for path in found[:: len(found) // 3]:
        assert_all_equal(three, load_audio(path), path.name)


def test_three_ways_are_equal_on_thirty_real_seconds(three, corpora):
    found = find_audio(corpora / "speechocean762")
    parts = [load_audio(path) for path in found[:12]]
    wave = np.concatenate(parts)[: 30 * RATE]
    assert len(wave) == 30 * RATE
    for length in LENGTHS:
        assert_all_equal(three, wave[-length:] if length else wave[:0], f"{length} samples")


@pytest.mark.parametrize("name", waves())
def test_three_ways_are_equal_on_made_signals(three, name):
    for length in LENGTHS if name == "noise" else (161, 2 * RATE):
        assert_all_equal(three, float32(waves()[name][:length]), f"{name}, {length} samples")


@pytest.mark.parametrize("length", LENGTHS)
def test_frames_are_counted_by_one_function(length):
    features, frames = Mfcc(PLAIN)(torch.zeros(1, length), torch.tensor([length]))
    assert features.shape == (1, PLAIN.frames(length), PLAIN.dimension)
    assert frames.tolist() == [PLAIN.frames(length)]


def test_a_frame_comes_every_hop_centred_on_it():
    """A click on the tenth hop is loudest, and symmetric, in the tenth frame, and heard as far as half a window."""
    wave = torch.zeros(1, 20 * 160)
    wave[0, 10 * 160] = 1.0
    loudness = Mfcc(PLAIN).log_mel(wave)[0].mean(dim=0)
    assert loudness.argmax() == 10
    assert loudness[9] == pytest.approx(loudness[11].item(), abs=1e-4)
    assert (loudness > loudness.min() + 1e-3).nonzero().flatten().tolist() == [9, 10, 11]


def peak_band(mfcc, hertz, tract=None):
    """The band in which a tone is loudest."""
    tone = torch.sin(torch.arange(RATE) / RATE * 2 * torch.pi * hertz)[None]
    tracts = None if tract is None else torch.tensor([tract])
    return int(mfcc.log_mel(tone, tracts)[0, :, 50].argmax())


@given(st.floats(0.8, 1.25), st.floats(300, 3500))
def test_a_longer_vocal_tract_lowers_what_is_heard_by_its_length(tract, hertz):
    """Below the bend; a band of difference is the width of the bands."""
    mfcc = Mfcc(PLAIN)
    assert abs(peak_band(mfcc, hertz, tract) - peak_band(mfcc, hertz / tract)) <= 1


@given(st.lists(st.floats(0.8, 1.25), min_size=1, max_size=4))
def test_bands_of_another_tract_cover_the_same_spectrum(tracts):
    """No place in the spectrum is left out or taken from beyond its ends, and a tract of 1 changes nothing."""
    mfcc = Mfcc(PLAIN)
    bank = mfcc.transform.MelSpectrogram.mel_scale.fb
    found = moved(bank, torch.tensor([*tracts, 1.0]))
    torch.testing.assert_close(found[-1], bank, atol=1e-4, rtol=0)
    inside = bank.sum(dim=1) > 0.2  # the outermost bands fall to nothing
    assert inside.sum() > 240
    assert (found.sum(dim=2)[:, inside.nonzero()[2] : inside.nonzero()[-3]] > 0.1).all()
    wave = torch.randn(len(tracts) + 1, 4_000, generator=torch.manual_seed(0))
    lengths = torch.full((len(wave),), 4_000)
    together, _ = mfcc(wave, lengths, torch.tensor([*tracts, 1.0]))
    for row, tract in enumerate(tracts):
        alone, _ = mfcc(wave[row : row + 1], lengths[:1], torch.tensor([tract]))
        torch.testing.assert_close(together[row], alone[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(together[-1], mfcc(wave[-1:], lengths[:1])[0][0], atol=1e-4, rtol=0)


def test_silence_is_all_zeros():
    """Nothing varies, so nothing is left after the mean is taken off; and nothing is divided by zero."""
    assert np.abs(by_torchaudio(Mfcc(PLAIN), float32(waves()["silence"]))).max() < TOLERANCE


@pytest.mark.parametrize("rows", [1, 3])
def test_deltas_are_those_of_torchaudio(rows):
    features = torch.randn(rows, 23, 7, generator=torch.manual_seed(0))
    ours = with_deltas(features, torch.full((rows,), 23), 2)
    first = torchaudio.functional.compute_deltas(features.transpose(1, 2), win_length=5, mode="replicate")
    second = torchaudio.functional.compute_deltas(first, win_length=5, mode="replicate")
    wanted = torch.cat([features, first.transpose(1, 2), second.transpose(1, 2)], dim=2)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(with_deltas(features, None, 2), wanted)
    assert torch.equal(with_deltas(features, None, 0), features)


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_a_batch_equals_its_rows_alone(settings):
    """Neither mean, variance nor derivative may see the padding, nor the windows at a row's end."""
    mfcc = Mfcc(settings)
    lengths = [0, 1, 160, 399, 4_000, RATE + 3]
    rng = np.random.default_rng(0)
    rows = [float32(rng.normal(0.02, 0.1, length)) for length in lengths]
    batch = torch.zeros(len(rows), max(lengths) + 500)
    for number, row in enumerate(rows):
        batch[number, : len(row)] = torch.from_numpy(row)
    features, frames = mfcc(batch, torch.tensor(lengths))
    assert frames.tolist() == [settings.frames(length) for length in lengths]
    for number, row in enumerate(rows):
        count = settings.frames(len(row))
        np.testing.assert_allclose(features[number, :count].numpy(), by_torchaudio(mfcc, row), atol=1e-4, rtol=0)
        assert not features[number, count:].any()


def test_normalised_features_have_mean_0_and_variance_1():
    features = 5 * torch.randn(2, 300, 4, generator=torch.manual_seed(0)) + 3
    for frames in (torch.tensor([300, 200]), None):
        normal = normalise(features, frames, PLAIN)
        for row, count in zip(normal, [300, 200 if frames is not None else 300], strict=True):
            torch.testing.assert_close(row[:count].mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
            torch.testing.assert_close(row[:count].var(dim=0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_the_floor_keeps_what_hardly_varies_small():
    features = torch.randn(1, 300, 4, generator=torch.manual_seed(0))
    features = (features - features.mean(dim=1)) / features.std(dim=1, correction=0)
    floor = PLAIN.variance_floor
    spread = normalise(0.1 * features, None, PLAIN).std(dim=1, correction=0)
    torch.testing.assert_close(spread, torch.full((1, 4), 0.1 / (0.1**2 + floor) ** 0.5))


def surrounded(wave, seconds, noise):
    """The wave with so many seconds before and after it, and noise of that amplitude over all of it."""
    longest = 5 * RATE
    hiss = np.random.default_rng(0).normal(0, noise, len(wave) + 2 * longest) if noise else np.zeros(1)
    outside = longest - round(seconds * RATE)
    return float32((np.pad(wave, longest) + hiss)[outside : len(hiss) - outside if noise else -outside])


@pytest.mark.parametrize(("noise_db", "least"), [(None, 0.01), (-40, 0.1)])
def test_what_is_silent_around_speech_leaves_its_features_alone(corpora, noise_db, least):
    """Means over the loud frames do not know how long the rest is; means over all frames do."""
    changes = {"of speech": [], "plain": []}
    for path in find_audio(corpora / "common_voice")[:6]:
        wave = load_audio(path)
        noise = 0 if noise_db is None else float(np.sqrt(np.mean(wave**2))) * 10 ** (noise_db / 20)
        for name, found in changes.items():
            mfcc = Mfcc(KINDS[name])
            near, far = (by_torchaudio(mfcc, surrounded(wave, seconds, noise)) for seconds in (0.1, 4.1))
            said = slice(20, len(near) - 20)
            moved_by = far[400 : 400 + len(near)][said] - near[said]
            loud = near[said, 0] > np.sort(near[said, 0])[-len(near) // 3]
            found.append(float(np.sqrt(np.mean(moved_by[loud] ** 2))))
    assert max(changes["of speech"]) < least
    assert min(changes["plain"]) > 3 * max(changes["of speech"])
    assert min(changes["plain"]) > 0.1


def test_of_a_scrap_every_frame_counts():
    wave = float32(waves()["noise"][: 8 * 160])
    np.testing.assert_allclose(by_torchaudio(Mfcc(OF_SPEECH), wave), by_torchaudio(Mfcc(PLAIN), wave), atol=1e-5)


def test_a_click_is_not_what_speech_is_measured_by(corpora):
    wave = np.pad(load_audio(find_audio(corpora / "common_voice")[0]), (0, RATE))
    clicked = wave.copy()
    clicked[-RATE // 2 : -RATE // 2 + 200] = 0.99
    mfcc = Mfcc(OF_SPEECH)
    with_it, without = (by_torchaudio(mfcc, each)[: len(wave) // 160 - 110] for each in (clicked, wave))
    loud = without[:, 0] > -2
    assert loud.sum() > 50
    assert np.sqrt(np.mean((with_it - without)[loud] ** 2)) < 0.1


def test_log_floor_is_the_setting():
    for floor in (1e-6, 1e-3):
        silent = Mfcc(FeatureSettings(log_floor=floor)).log_mel(torch.zeros(1, 400))
        torch.testing.assert_close(silent, torch.full_like(silent, np.log(floor)))


def test_mixed_precision_leaves_the_features_alone():
    waves, lengths = 0.1 * torch.randn(1, 8_000, generator=torch.manual_seed(0)), torch.tensor([8_000])
    wanted = Mfcc(PLAIN)(waves, lengths)[0]
    with torch.autocast("cpu", torch.bfloat16):
        found = Mfcc(PLAIN)(waves, lengths)[0]
    assert torch.equal(found, wanted)


NONSENSE = {
    "sample_rate is 0": {"sample_rate": 0},
    "window_seconds is -0.025": {"window_seconds": -0.025},
    "hop_seconds is nan": {"hop_seconds": float("nan")},
    "mel_bands is 0": {"mel_bands": 0},
    "coefficients is 0": {"coefficients": 0},
    "window_seconds is inf": {"window_seconds": float("inf")},
    "81 coefficients of 80 mel bands": {"coefficients": 81},
    "low_hz is -1.0": {"low_hz": -1.0},
    "the band 500.0 to 500.0 Hz": {"low_hz": 500.0, "high_hz": 500.0},
    "the band 20.0 to 8001.0 Hz": {"high_hz": 8_001.0},
    "sample_rate is 8000; it must be 16000": {"sample_rate": 8_000, "high_hz": 4_000.0, "mel_bands": 40},
    "sample_rate is 16000.0": {"sample_rate": 16_000.0},
    "window_seconds is 1000000000.0": {"window_seconds": 1e9, "hop_seconds": 1e9},
    "mel_bands is 80.0; it must be a whole number": {"mel_bands": 80.0},
    "coefficients is True": {"coefficients": True},
    "high_hz is '8000'; it must be a number": {"high_hz": "8000"},
    "low_hz is nan": {"low_hz": float("nan")},
    "a hop of 0.03 s steps over": {"hop_seconds": 0.03},
    "a hop of 1e-05 s is less than one sample": {"hop_seconds": 1e-5},
    "deltas is 3": {"deltas": 3},
    "deltas is -1": {"deltas": -1},
    "log_floor is 0.0": {"log_floor": 0.0},
    "variance_floor is nan": {"variance_floor": float("nan")},
    "speech_range_db is -1": {"speech_range_db": -1},
    "128 mel bands are too many": {"mel_bands": 128},
}


@pytest.mark.parametrize("message", NONSENSE)
def test_settings_without_meaning_are_refused(message):
    with pytest.raises(SettingsError, match=f"^features: .*{message}") as raised:
        FeatureSettings(**NONSENSE[message])
    assert "\n" not in str(raised.value)


def test_the_most_that_is_accepted_leaves_no_band_empty():
    """A bank with an empty band makes torchaudio warn, and a warning fails a test."""
    most = max(bands for bands in range(80, 128) if accepted(mel_bands=bands))
    mfcc = Mfcc(FeatureSettings(mel_bands=most, coefficients=most))
    assert mfcc.transform.MelSpectrogram.mel_scale.fb.any(dim=0).all()


def accepted(**settings):
    try:
        FeatureSettings(**settings)
    except SettingsError:
        return False
    return True


def test_lengths_are_those_of_the_field():
    assert (PLAIN.window_length, PLAIN.hop_length, PLAIN.fft_length) == (400, 160, 512)
    assert (PLAIN.dimension, FeatureSettings(deltas=1).dimension, WITH_DELTAS.dimension) == (40, 80, 120)
    assert PLAIN.sample_rate == SAMPLE_RATE


def test_settings_come_back_from_a_dictionary():
    settings = FeatureSettings(mel_bands=60, coefficients=13, deltas=1, low_hz=50.0, log_floor=1e-5)
    assert FeatureSettings.from_dict(settings.to_dict()) == settings
    assert len(settings.to_dict()) == 11
    with pytest.raises(SettingsError, match="coefficient' is not known"):
        FeatureSettings.from_dict({**settings.to_dict(), "coefficient": 13})
    with pytest.raises(SettingsError, match="features: found None"):
        FeatureSettings.from_dict(None)
