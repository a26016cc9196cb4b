"""SpecAugment: what it masks and warps, how often, what it leaves alone, and where it runs."""

from dataclasses import asdict, astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from common.errors import UserError
from spectrogram_feature.features.parameters import FeatureParameters

MARK = -1.0
"""A fill that no spectrogram holds: what is masked can be told from what is not."""


@pytest.fixture(scope="module", autouse=True)
def _tensorflow(tf):
    return tf


def make(*, seed=0, layer=None, **policy):
    from common.nn.policies import Policy
    from common.nn.spec_augment import SpecAugment

    return SpecAugment(Policy(**policy), seed=seed, **(layer or {}))


def augment(x, *, seed=0, layer=None, **policy):
    return np.asarray(make(seed=seed, layer=layer, **policy)(x, training=True))


def masked(batch, frames, bins, *, seed=0, **policy):
    """What is masked [shape=(batch, frames, bins), bool]."""
    x = np.zeros((batch, frames, bins), np.float32)
    return augment(x, seed=seed, layer={"fill": MARK}, **policy) == MARK


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def ramp(batch, frames):
    """Each frame holds its own number, so that a warp shows where it took each frame from."""
    return np.tile(np.arange(frames, dtype=np.float32)[None, :, None], (batch, 1, 2))


def runs(mask):
    """Lengths of the runs of True in a vector."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [int(end - start) for start, end in list(pairwise(edges))[::2]]


def expected_rate(size, widest, masks):
    """How likely each position is masked, by counting every width and start."""
    one = np.zeros(size)
    for width in range(widest + 1):
        starts = size - width + 1
        for start in range(starts):
            one[start : start + width] += 1 / (widest + 1) / starts
    return 1 - (1 - one) ** masks


few = hypothesis_settings(max_examples=25)
sizes = st.integers(3, 40)


# What comes out of inference.


@pytest.mark.parametrize("name", ["LB", "LD", "SM", "SS"])
def test_inference_gives_back_its_input_bit_for_bit(name):
    from spectrogram_feature.spec_augment import spec_augment

    x = noise(3, 480, 84)
    for training in (False, None):
        np.testing.assert_array_equal(spec_augment(name)(x, training=training), x)
    assert not np.array_equal(spec_augment(name)(x, training=True), x)


# Masks.


@few
@given(
    frames=sizes,
    bins=sizes,
    frequency_width=st.integers(0, 50),
    frequency_masks=st.integers(0, 3),
    time_width=st.integers(0, 50),
    time_share=st.floats(0, 1),
    time_masks=st.integers(0, 3),
    seed=st.integers(0, 2**31),
)
def test_masks_are_bands_no_more_and_no_wider_than_asked(frames, bins, seed, **policy):
    hidden = masked(8, frames, bins, seed=seed, **policy)
    in_time, in_frequency = hidden.all(axis=2), hidden.all(axis=1)
    for example, times, frequencies in zip(hidden, in_time, in_frequency, strict=True):
        if not example.all():
            np.testing.assert_array_equal(example, times[:, None] | frequencies[None, :])
            widest = min(policy["time_width"], policy["time_share"] * frames)
            assert len(runs(times)) <= policy["time_masks"]
            assert sum(runs(times)) <= policy["time_masks"] * widest
            assert len(runs(frequencies)) <= policy["frequency_masks"]
            assert sum(runs(frequencies)) <= policy["frequency_masks"] * policy["frequency_width"]


def test_every_width_from_none_to_the_widest_is_equally_likely():
    draws, widest = 4000, 5
    hidden = masked(draws, 30, 30, time_masks=1, time_width=widest)
    counts = np.bincount(hidden.all(axis=2).sum(axis=1))
    assert len(counts) == widest + 1
    share = 1 / (widest + 1)
    assert np.abs(counts / draws - share).max() < 5 * np.sqrt(share * (1 - share) / draws)


def test_masks_are_as_many_as_asked_unless_they_meet():
    hidden = masked(300, 100, 90, time_masks=3, time_width=9, frequency_masks=2, frequency_width=5)
    assert max(len(runs(times)) for times in hidden.all(axis=2)) == 3
    assert max(len(runs(frequencies)) for frequencies in hidden.all(axis=1)) == 2


def test_each_position_is_masked_as_often_as_counting_says():
    draws, frames, bins = 6000, 40, 24
    hidden = masked(
        draws, frames, bins, time_masks=2, time_width=12, frequency_masks=1, frequency_width=9
    )
    in_time, in_frequency = expected_rate(frames, 12, 2), expected_rate(bins, 9, 1)
    for found, rate in ((hidden.all(axis=2), in_time), (hidden.all(axis=1), in_frequency)):
        error = np.sqrt(rate * (1 - rate) / draws)
        assert (np.abs(found.mean(axis=0) - rate) < 5 * error).all()
    area = 1 - (1 - in_time.mean()) * (1 - in_frequency.mean())
    error = hidden.mean(axis=(1, 2)).std() / np.sqrt(draws)
    assert abs(hidden.mean() - area) < 4 * error


def test_the_share_of_frames_limits_time_masks():
    hidden = masked(500, 50, 4, time_masks=1, time_width=40, time_share=0.2)
    assert hidden.all(axis=2).sum(axis=1).max() == 10


def test_examples_have_their_own_masks():
    hidden = masked(64, 480, 84, time_masks=2, time_width=48)
    patterns = np.unique(hidden.all(axis=2), axis=0)
    assert len(patterns) > 60


@few
@given(seed=st.integers(0, 2**31), channels=st.sampled_from([0, 1, 3]))
def test_masks_hold_the_mean_of_the_segment_and_the_rest_is_untouched(seed, channels):
    shape = (4, 30, 20, channels) if channels else (4, 30, 20)
    x = noise(*shape) + np.arange(4, dtype=np.float32).reshape(-1, *[1] * (len(shape) - 1))
    policy = {"time_masks": 2, "time_width": 8, "frequency_masks": 2, "frequency_width": 6}
    result = augment(x, seed=seed, **policy)
    hidden = masked(4, 30, 20, seed=seed, **policy)
    hidden = np.broadcast_to(hidden[..., None] if channels else hidden, shape)
    mean = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), shape)
    np.testing.assert_array_equal(result[~hidden], x[~hidden])
    np.testing.assert_allclose(result[hidden], mean[hidden], rtol=1e-6)


def test_the_mean_is_that_before_the_warp():
    x = ramp(2, 101) ** 2
    result = augment(x, warp=30, frequency_masks=1, frequency_width=2, seed=3)
    masked_bins = np.ptp(result, axis=1) == 0
    assert masked_bins.any()
    np.testing.assert_allclose(result.mean(axis=1)[masked_bins], np.square(range(101)).mean())


@pytest.mark.parametrize("fill", [7, 0.5, [2.0, 3.0, 4.0]])
def test_masks_can_have_a_colour(fill):
    x = noise(4, 20, 30, 3)
    result = augment(x, layer={"fill": fill}, time_masks=1, time_width=20)
    hidden = (result != x).any(axis=-1)
    assert hidden.any()
    assert (result[hidden] == fill).all()


# Time warp.


@few
@given(frames=st.integers(1, 60), warp=st.integers(0, 80), seed=st.integers(0, 2**31))
def test_a_warp_keeps_the_ends_and_the_order_and_moves_by_no_more_than_asked(frames, warp, seed):
    x = ramp(16, frames)
    warped = augment(x, warp=warp, seed=seed)
    np.testing.assert_array_equal(warped[:, [0, -1]], x[:, [0, -1]])
    assert (np.diff(warped, axis=1) >= 0).all()
    assert np.abs(warped - x).max() <= warp + 1e-3
    # Straight but for one bend, which lies in one or between two frames.
    bends = np.abs(np.diff(warped, n=2, axis=1)) > 1e-3
    assert bends[:, :, 0].sum(axis=1).max(initial=0) <= 2


def test_the_warp_is_uniform_up_to_the_furthest():
    draws, furthest = 2000, 38
    moved = np.abs(augment(ramp(draws, 480), warp=furthest) - ramp(draws, 480)).max(axis=(1, 2))
    quantiles = np.quantile(moved, [0.25, 0.5, 0.75]) / furthest
    np.testing.assert_allclose(quantiles, [0.25, 0.5, 0.75], atol=0.05)
    assert moved.max() > 0.99 * furthest


def test_a_warp_interpolates_between_neighbours():
    x = noise(8, 50, 6)
    policy = {"warp": 12, "seed": 5}
    source = augment(ramp(8, 50), **policy)[:, :, 0]
    for example, where, result in zip(x, source, augment(x, **policy), strict=True):
        expected = [np.interp(where, np.arange(50), example[:, bin_]) for bin_ in range(6)]
        np.testing.assert_allclose(result, np.transpose(expected), atol=1e-4)


def test_a_warp_leaves_a_constant_signal():
    x = np.full((8, 60, 5), 0.3, np.float32)
    np.testing.assert_array_equal(augment(x, warp=20), x)


# Axes.


@pytest.mark.parametrize(
    ("axes", "order"), [((2, 1), (0, 2, 1, 3)), ((2, 3), (0, 3, 1, 2)), ((3, 1), (0, 2, 3, 1))]
)
def test_any_layout_gives_the_same(axes, order):
    from spectrogram_feature.spec_augment import scaled_policy

    x, policy = noise(3, 200, 84, 2), asdict(scaled_policy("LD"))
    layer = {"time_axis": axes[0], "frequency_axis": axes[1]}
    other = augment(x.transpose(order), layer=layer, **policy)
    np.testing.assert_allclose(other, augment(x, **policy).transpose(order), atol=1e-5)


# Randomness.


def test_the_same_seed_gives_the_same_and_each_call_another():
    import keras

    from spectrogram_feature.spec_augment import spec_augment

    x = noise(4, 480, 84)
    first, second = (spec_augment("LD", seed=7) for _ in range(2))
    once = np.asarray(first(x, training=True))
    np.testing.assert_array_equal(once, second(x, training=True))
    assert not np.array_equal(once, first(x, training=True))
    results = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        results.append(np.asarray(spec_augment("LD")(x, training=True)))
    np.testing.assert_array_equal(*results)


# Where it runs.


def test_it_trains_in_a_network_is_saved_and_loaded(tmp_path):
    import keras

    from spectrogram_feature.models import cnn
    from spectrogram_feature.spec_augment import spec_augment

    model = cnn((40, 84), 3, width=4, depth=1, augmentation=spec_augment("SS", seed=1))
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    x = (255 * noise(5, 40, 84)).astype(np.uint8)
    model.fit(x, np.array([0, 1, 2, 0, 1]), batch_size=3, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))
    layers = [m.get_layer("spec_augment") for m in (model, loaded)]
    assert layers[0].get_config() == layers[1].get_config()
    assert layers[1].policy == layers[0].policy


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_runs_compiled_on_batches_of_any_size_in_either_precision(tf, dtype, jit_compile):
    policy = {"warp": 9, "time_masks": 2, "time_width": 20, "frequency_masks": 1}
    layer = make(layer={"dtype": dtype}, frequency_width=8, **policy)
    signature = [tf.TensorSpec((None, 100, 24), "float32")]
    function = tf.function(lambda x: layer(x, training=True), signature, jit_compile=jit_compile)
    for batch in (5,) if jit_compile else (1, 5):
        # Beyond half precision in sum.
        x = 200 + 20 * noise(batch, 100, 24)
        result = function(x)
        assert result.dtype == ("float16" if dtype == "mixed_float16" else "float32")
        result = np.asarray(result, np.float32)
        assert result.shape == x.shape
        assert result.min() >= 200
        assert result.max() <= 220
        mean = x.mean(axis=(1, 2), keepdims=True)
        masked_frames = (np.abs(result - mean) < 0.15).all(axis=2)
        assert all(len(runs(frames)) <= 2 for frames in masked_frames)
        assert masked_frames.any()


def test_gradients_flow_through_masks_and_warp(tf):
    x = tf.constant(noise(4, 60, 20))
    weights = noise(4, 60, 20)[::-1]
    layer = make(warp=10, time_masks=1, time_width=10, frequency_masks=1, frequency_width=5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = tf.reduce_sum(weights * layer(x, training=True))
    gradient = tape.gradient(result, x)
    # The layer is linear: a sum of its outputs is its gradient times its inputs.
    np.testing.assert_allclose(tf.reduce_sum(gradient * x), result, rtol=1e-4)


# Policies.


def test_policies_keep_their_share_of_frequency_and_their_seconds():
    from spectrogram_feature.spec_augment import scaled_policy

    assert astuple(scaled_policy("LB")) == (38, 28, 1, 48, 1.0, 1)
    assert astuple(scaled_policy("LD")) == (38, 28, 2, 48, 1.0, 2)
    assert astuple(scaled_policy("SM")) == (19, 16, 2, 34, 0.2, 2)
    assert astuple(scaled_policy("SS")) == (19, 28, 2, 34, 0.2, 2)
    coarse = FeatureParameters(n_bins=42, bins_per_octave=6, hop_length=920)
    assert astuple(scaled_policy("LB", coarse)) == (19, 14, 1, 24, 1.0, 1)


# Mistakes.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("warp", -1),
        ("frequency_width", -3),
        ("time_width", 2.5),
        ("time_masks", True),
        ("time_share", 1.5),
        ("time_share", float("nan")),
    ],
)
def test_policies_that_cannot_be_meant_are_refused_by_name(field, value):
    with pytest.raises(UserError, match=rf"^SpecAugment: {field} must be .*, not [^\n]*$"):
        make(**{field: value})


def test_an_unknown_policy_is_refused_with_the_known_ones():
    from spectrogram_feature.spec_augment import spec_augment

    with pytest.raises(UserError, match="no SpecAugment policy 'XL': choose one of LB, LD, SM, SS"):
        spec_augment("XL")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"fill": "median"}, "fill must be 'mean', a number or one for each channel"),
        ({"fill": ["red"]}, "fill must be"),
        ({"fill": [1.0, 2.0]}, "fill has 2 numbers for 1 channel"),
        ({"time_axis": 2}, "two of 1, 2 and 3, not 2 and 2"),
        ({"time_axis": 0}, "two of 1, 2 and 3, not 0 and 2"),
        ({"time_axis": 3}, "needs 3 or 4 axes"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layer, message):
    with pytest.raises(UserError, match=message):
        augment(noise(2, 20, 20), layer=layer)


def test_inputs_of_unknown_length_are_refused():
    import keras

    with pytest.raises(UserError, match=r"\(None, None, 84\) needs .* known size"):
        make()(keras.Input((None, 84)))
