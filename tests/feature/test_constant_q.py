"""Constant-Q features: right by librosa, right by definition, and the same in Keras."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from functools import cache

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from common.errors import UserError
from common.records.quantization import dequantize
from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features.parameters import FeatureParameters

SMALL = FeatureParameters(
    sample_rate=8000, segment_seconds=0.5, hop_length=100, n_bins=40, fmin=110.0
)


def music(rate, seconds, seed=0):
    """Decaying harmonic notes and drums, cut from a longer piece: they begin and end abruptly."""
    rng = np.random.default_rng(seed)
    lead = rate // 2
    signal = np.zeros(2 * lead + int(rate * seconds))
    for _ in range(int(8 * (seconds + 1))):
        start = rng.integers(signal.size)
        time = np.arange(min(signal.size - start, rate)) / rate
        pitch, decay = 32.7 * 2 ** (rng.integers(60) / 12), rng.uniform(2, 7)
        for harmonic in range(1, 9):
            if pitch * harmonic < 0.45 * rate:
                tone = np.sin(2 * np.pi * pitch * harmonic * time + rng.uniform(0, 6))
                tone *= rng.uniform(0.2, 1) / harmonic * np.exp(-decay * time)
                signal[start : start + time.size] += tone
    for start in range(rate // 5, signal.size, rate // 2):
        drum = signal[start : start + rate // 10]
        drum += rng.normal(size=drum.size) * np.exp(-40 / rate * np.arange(drum.size))
    return signal[lead : lead + int(rate * seconds)]


def chirp(rate, seconds):
    """A sine that rises from 20 Hz to near half the rate."""
    time = np.arange(int(rate * seconds)) / rate
    growth = np.log(0.45 * rate / 20) / seconds
    return np.sin(2 * np.pi * 20 * np.expm1(growth * time) / growth)


def noise(rate, seconds):
    return np.random.default_rng(1).normal(size=int(rate * seconds))


def impulses(rate, seconds):
    """Clicks on the first sample, near it, in the middle, and on the last sample."""
    signal = np.zeros(int(rate * seconds))
    signal[[0, 1001, signal.size // 2, -1]] = 1, -0.5, 0.8, 1
    return signal


@cache
def by_librosa(make, seconds, parameters):
    """Return a signal and its magnitudes, once for all tests that want them."""
    signal = make(parameters.sample_rate, seconds)
    response = librosa.cqt(
        signal,
        sr=parameters.sample_rate,
        hop_length=parameters.hop_length,
        fmin=parameters.fmin,
        n_bins=parameters.n_bins,
        bins_per_octave=parameters.bins_per_octave,
        sparsity=0,
        tuning=0.0,
    )
    return signal, np.abs(response).T


def by_definition(signal, parameters):
    """Correlate with librosa's wavelets at the full rate, in float64: at odd hops librosa too."""
    wavelets, lengths = librosa.filters.wavelet(
        freqs=parameters.frequencies,
        sr=parameters.sample_rate,
        alpha=1 / parameters.quality,
        dtype=np.complex128,
    )
    half = wavelets.shape[1] // 2
    padded = np.pad(signal, (half - 1, half))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    windows, reversed_ = windows[:: parameters.hop_length].copy(), wavelets[:, ::-1].T
    return np.hypot(windows @ reversed_.real, windows @ reversed_.imag) * np.sqrt(lengths)


def worst_decibels(measured, expected):
    """Return the largest difference in dB where the magnitude is within 60 dB of the maximum."""
    assert measured.shape == expected.shape
    assert measured.dtype == np.float32
    heard = expected > 1e-3 * expected.max()
    return np.abs(20 * np.log10(measured[heard] / expected[heard])).max()


# --- Against librosa and against the definition ---------------------------------------------------


@pytest.mark.parametrize("make", [music, chirp, noise, impulses])
def test_agrees_with_librosa(make):
    parameters = FeatureParameters()
    signal, expected = by_librosa(make, 10.0, parameters)
    magnitude = ConstantQ(parameters).magnitude(signal)
    assert magnitude.shape == parameters.shape == (480, 84)
    assert worst_decibels(magnitude, expected) < 0.2


@pytest.mark.parametrize(
    "changes",
    [
        {"hop_length": 256},
        {"hop_length": 461},  # odd: librosa halves the rate nowhere
        {"hop_length": 512},
        {"hop_length": 512, "n_bins": 60},  # librosa takes a quarter of the rate before anything
        {"hop_length": 512, "n_bins": 96},
        {"n_bins": 72},
        # Reaches half the rate, where librosa 1.0 halves the rate later than 0.11 and than we do.
        pytest.param(
            {"n_bins": 101},
            marks=pytest.mark.skipif(librosa.__version__ >= "1", reason="librosa 1.0"),
        ),
        {"n_bins": 13, "fmin": 20.0, "hop_length": 1000},
        {"n_bins": 1, "fmin": 440.0},
        {"n_bins": 168, "bins_per_octave": 24},
        {"n_bins": 250, "bins_per_octave": 36},
        {"n_bins": 37, "bins_per_octave": 5},
        {"sample_rate": 8000, "n_bins": 80, "hop_length": 256},
        {"sample_rate": 16_000, "hop_length": 333},
        {"sample_rate": 44_100},
        {"sample_rate": 44_100, "hop_length": 1024},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [music, chirp])
def test_agrees_with_librosa_at_other_parameters(changes, make):
    parameters = FeatureParameters(**changes)
    signal, expected = by_librosa(make, 3.0, parameters)
    assert worst_decibels(ConstantQ(parameters).magnitude(signal), expected) < 0.2


@pytest.mark.parametrize("make", [music, noise, impulses])
def test_agrees_with_the_definition(make):
    parameters = FeatureParameters(hop_length=461)
    signal = make(22_050, 1.0)
    magnitude = ConstantQ(parameters).magnitude(signal)
    assert worst_decibels(magnitude, by_definition(signal, parameters)) < 0.2


def test_a_tone_peaks_in_its_bin_at_the_expected_height():
    # C4 is bin 36. Q = (2^(1/6) + 1) / (2^(1/6) - 1) = 17.332 periods of 22,050 / 261.63 Hz are
    # 1,460.7 samples; half the amplitude times their root is 0.25 * 38.219 = 9.555.
    tone = 0.5 * np.sin(2 * np.pi * 261.6256 * np.arange(220_500) / 22_050)
    inner = ConstantQ().magnitude(tone)[60:-60]
    assert (inner.argmax(axis=1) == 36).all()
    np.testing.assert_allclose(inner[:, 36], 9.555, rtol=1e-3)


def test_every_bin_hears_its_own_frequency():
    parameters = replace(SMALL, segment_seconds=1.0)
    time = np.arange(parameters.segment_samples) / parameters.sample_rate
    tones = np.sin(2 * np.pi * parameters.frequencies[:, None] * time)
    middle = ConstantQ(parameters).magnitude(tones)[:, parameters.frames // 2]
    np.testing.assert_array_equal(middle.argmax(axis=1), np.arange(parameters.n_bins))


# --- Decibels and features ------------------------------------------------------------------------


def test_decibels_are_relative_to_the_maximum_and_clipped():
    transform = ConstantQ(SMALL)
    signal = np.pad(music(8000, 0.25), (0, 2000))
    magnitude, decibels = transform.magnitude(signal), transform.decibels(signal)
    assert decibels.dtype == np.float32
    assert decibels.max() == 0
    assert decibels.min() == -80
    expected = 20 * np.log10(np.maximum(magnitude / magnitude.max(), 1e-4))
    np.testing.assert_allclose(decibels, expected, atol=1e-4)


def test_features_are_decibels_in_eight_bits():
    transform = ConstantQ(replace(SMALL, dynamic_range=60.0))
    signal = music(8000, 0.5)
    features = transform.features(signal)
    assert features.dtype == np.uint8
    assert features.max() == 255
    back = dequantize(features)
    assert back.dtype == np.float32
    np.testing.assert_allclose(60 * back - 60, transform.decibels(signal), atol=60 / 255 / 2 + 1e-4)


def test_silence_is_zeros():
    silence = np.zeros(SMALL.segment_samples, np.float32)
    transform = ConstantQ(SMALL)
    np.testing.assert_array_equal(transform.decibels(silence), np.full(SMALL.shape, -80.0))
    np.testing.assert_array_equal(transform.features(silence), np.zeros(SMALL.shape))


def test_silence_in_a_batch_leaves_the_others_alone():
    batch = np.zeros((2, SMALL.segment_samples), np.float32)
    batch[1] = music(8000, 0.5)
    features = ConstantQ(SMALL).features(batch)
    assert not features[0].any()
    np.testing.assert_array_equal(features[1], ConstantQ(SMALL).features(batch[1]))


def test_integer_samples_give_the_same_features():
    samples = np.round(3000 * music(8000, 0.5)).astype(np.int16)
    transform = ConstantQ(SMALL)
    np.testing.assert_array_equal(transform.features(samples), transform.features(1.0 * samples))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(bad):
    samples = np.zeros(4000)
    samples[17] = bad
    with pytest.raises(UserError, match="the samples hold NaN or infinity"):
        ConstantQ(SMALL).features(samples)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(gain=st.floats(1e-6, 1e4), seed=st.integers(0, 3))
def test_gain_does_not_change_features(gain, seed):
    signal = music(8000, 0.5, seed)
    transform = ConstantQ(SMALL)
    steps = np.abs(
        transform.features(gain * signal).astype(int) - transform.features(signal).astype(int)
    )
    assert steps.max() <= 1  # where rounding falls to the other side
    assert (steps > 0).mean() < 0.01


@settings(max_examples=15, deadline=None, derandomize=True)
@given(shape=array_shapes(max_dims=3, max_side=3), length=st.integers(0, 1500))
def test_any_batch_of_any_length_equals_its_members(shape, length):
    batch = np.random.default_rng(length).normal(size=(*shape, length))
    transform = ConstantQ(SMALL)
    magnitude = transform.magnitude(batch)
    assert magnitude.shape == (*shape, 1 + length // SMALL.hop_length, SMALL.n_bins)
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(magnitude[index], transform.magnitude(batch[index]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(hop_length=st.integers(20, 500), frames=st.integers(1, 9))
def test_delay_by_frames_moves_frames(hop_length, frames):
    transform = ConstantQ(replace(SMALL, hop_length=hop_length))
    signal = np.pad(music(8000, 0.4), (800, 0))  # else the silence before it would be new
    expected = transform.magnitude(signal)
    delayed = transform.magnitude(np.pad(signal, (frames * hop_length, 0)))
    np.testing.assert_allclose(delayed[frames:], expected, atol=1e-4 * expected.max())


# --- Parameters -----------------------------------------------------------------------------------


def test_parameters_travel_through_json():
    parameters = replace(FeatureParameters(), hop_length=512, dynamic_range=60.0)
    assert FeatureParameters.from_dict(json.loads(json.dumps(parameters.to_dict()))) == parameters


def test_parameters_do_not_change():
    with pytest.raises(FrozenInstanceError):
        FeatureParameters().hop_length = 512


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_length": 0}, "hop_length must be a whole number above 0, not 0"),
        ({"hop_length": 460.0}, "hop_length must be a whole number above 0, not 460.0"),
        ({"n_bins": True}, "n_bins must be a whole number above 0, not True"),
        ({"fmin": -1.0}, "fmin must be a number above 0, not -1.0"),
        ({"fmin": "C1"}, "fmin must be a number above 0, not 'C1'"),
        ({"dynamic_range": float("nan")}, "dynamic_range must be a number above 0, not nan"),
        ({"segment_seconds": 1e-6}, "holds no sample: take a longer segment"),
        ({"n_bins": 102}, "n_bins=102 reaches 11659 Hz, above half of sample_rate=22050"),
    ],
)
def test_impossible_parameters_are_refused_in_one_line(changes, message):
    with pytest.raises(UserError) as refusal:
        FeatureParameters(**changes)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_parameters_of_another_version_are_refused():
    values = FeatureParameters().to_dict()
    values["hop"] = values.pop("hop_length")
    with pytest.raises(UserError, match="unknown hop; missing hop_length"):
        FeatureParameters.from_dict(values)


def test_the_highest_bins_are_those_that_librosa_takes():
    _, expected = by_librosa(music, 3.0, FeatureParameters(n_bins=101))
    assert expected.shape[1] == 101
    with pytest.raises(UserError):
        FeatureParameters(n_bins=102)
    with pytest.raises(librosa.ParameterError):
        librosa.cqt(np.zeros(44_100), sr=22_050, fmin=FeatureParameters().fmin, n_bins=102)


def test_a_worker_imports_nothing_heavy():
    script = (
        "import sys, spectrogram_feature.constant_q; "
        "print(*{'librosa', 'scipy', 'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split() == []


# --- The Keras layer ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def layer_class(keras):
    from spectrogram_feature.features.keras_layers import ConstantQLayer

    return ConstantQLayer


@pytest.fixture(scope="module")
def segments():
    """Three segments, the middle one silent."""
    batch = np.stack([music(8000, 0.5, seed) for seed in range(3)]).astype(np.float32)
    batch[1] = 0
    return batch


def expected_of(batch, parameters=SMALL):
    return 1 + ConstantQ(parameters).decibels(batch) / parameters.dynamic_range


@pytest.mark.parametrize("jit_compile", [False, True])
def test_layer_equals_numpy_at_any_batch_size(layer_class, segments, jit_compile):
    import tensorflow as tf

    spec = tf.TensorSpec((None, segments.shape[1]), tf.float32)
    compiled = tf.function(layer_class(SMALL), input_signature=[spec], jit_compile=jit_compile)
    for batch in (segments, segments[:1]):
        output = compiled(batch)
        assert output.dtype == tf.float32
        np.testing.assert_allclose(output, expected_of(batch), atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 10.0),
        ({"hop_length": 512, "n_bins": 60}, 0.5),
        ({"hop_length": 512, "n_bins": 60}, 0.501),
        ({"hop_length": 512, "n_bins": 60}, 0.02),
        ({"hop_length": 461}, 0.5),
    ],
    ids=str,
)
def test_layer_equals_numpy_at_other_parameters(layer_class, changes, seconds):
    parameters = FeatureParameters(**changes)
    batch = np.stack([music(22_050, seconds), noise(22_050, seconds)]).astype(np.float32)
    output = layer_class(parameters)(batch)
    np.testing.assert_allclose(output, expected_of(batch, parameters), atol=1e-3)


def test_layer_keeps_float32_in_mixed_precision(keras, layer_class, segments):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        output = layer_class(SMALL)(segments)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    np.testing.assert_allclose(output, expected_of(segments), atol=1e-3)


def test_layer_travels_in_a_saved_model(keras, layer_class, segments, tmp_path):
    samples = keras.Input((segments.shape[1],))
    model = keras.Model(samples, layer_class(SMALL, name="front_end")(samples))
    assert model.output_shape == (None, *SMALL.shape)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.get_layer("front_end").parameters == SMALL
    np.testing.assert_array_equal(again(segments), model(segments))


def test_layer_refuses_segments_of_unknown_length(keras, layer_class):
    with pytest.raises(UserError, match="known number of samples"):
        layer_class(SMALL)(keras.Input((None,)))


def test_stored_levels_are_restored_in_decibels_below_the_loudest():
    parameters = FeatureParameters()
    restored = parameters.decibels(np.array([[0, 255]], np.uint8))
    np.testing.assert_allclose(restored, [[-80, 0]], atol=1e-4)
    assert parameters.reference == "loudest"
