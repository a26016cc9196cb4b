"""Random rotation, equaliser and masks."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import UserError


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).random((4, 10, 8), np.float32)


def perturbation(**arguments):
    from common.nn.perturbation import Perturbation

    return Perturbation(seed=1, **arguments)


@pytest.mark.parametrize("draw", [0.0, 0.15, 0.5, 0.99])
def test_rotation_moves_the_beginning_to_the_end(tf, noise, draw):
    from common.nn.perturbation import rotate_time

    rotated = np.asarray(rotate_time(noise, np.full(4, draw, np.float32)))
    np.testing.assert_array_equal(rotated, np.roll(noise, -int(10 * draw), axis=1))


def test_equaliser_is_a_line_through_its_points(tf):
    from common.nn.perturbation import equalizer_curve

    gains = np.array([[0.0, 1.0, -1.0]], np.float32)
    curve = np.asarray(equalizer_curve(gains, 9, 1))
    np.testing.assert_allclose(curve[0, 0], [0, 0.25, 0.5, 0.75, 1, 0.5, 0, -0.5, -1], atol=1e-6)
    colours = np.asarray(equalizer_curve(gains, 9, 3))[0, 0].reshape(9, 3)
    np.testing.assert_allclose(colours, np.repeat(curve[0, 0][:, None], 3, axis=1), atol=1e-6)


def test_without_equaliser_each_example_has_its_own_rotation(tf, noise):
    changed = np.asarray(perturbation(equalizer=0.0)(noise, training=True))
    starts = [
        next(s for s in range(10) if np.array_equal(np.roll(before, -s, axis=0), after))
        for before, after in zip(noise, changed, strict=True)
    ]
    assert len(set(starts)) > 1


def test_equaliser_has_the_deviation_that_is_asked_for(tf):
    x = np.full((2000, 1, 6), 0.5, np.float32)  # a bin a point
    gains = np.asarray(perturbation(equalizer=0.05)(x, training=True)) - x
    np.testing.assert_allclose(gains.std(axis=0), 0.05, rtol=0.1)
    np.testing.assert_allclose(gains.mean(axis=0), 0, atol=0.005)
    loud = np.asarray(perturbation(equalizer=0.5)(x, training=True))
    assert (loud.min(), loud.max()) == (0, 1)


def test_time_of_images_runs_from_left_to_right(tf):
    x = np.random.default_rng(0).random((3, 6, 9, 3), np.float32)
    layer = perturbation(equalizer=0.0, time_axis=2, frequency_axis=1)
    for before, after in zip(x, np.asarray(layer(x, training=True)), strict=True):
        assert any(np.array_equal(np.roll(before, -s, axis=1), after) for s in range(9))


def test_masks_cover_at_most_a_tenth_of_the_bins_and_an_eighth_of_the_frames(tf):
    from common.nn.perturbation import perturb

    x = np.ones((300, 80, 40), np.float32)
    masked = np.asarray(perturb(80, 40, fill=0.0, equalizer=0.0)(x, training=True)) == 0
    bins, frames = masked.all(axis=1).sum(axis=1), masked.all(axis=2).sum(axis=1)
    assert (bins.min(), bins.max()) == (0, 4)
    assert (frames.min(), frames.max()) == (0, 10)


def test_inference_changes_nothing_and_a_saved_chain_is_the_same(tf, noise, tmp_path):
    import keras

    from common.nn.perturbation import perturb

    inputs = keras.Input((10, 8))
    model = keras.Model(inputs, perturb(10, 8)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict_on_batch(noise), noise)
    again = again.get_layer("perturb")
    assert np.abs(again(noise, training=True) - noise).max() > 0.1


def test_a_negative_deviation_is_refused(tf):
    with pytest.raises(UserError, match=r"deviation of the equaliser, -1, must be 0 or more"):
        perturbation(equalizer=-1)
