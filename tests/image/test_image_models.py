"""The network of stage 1: images of any size, sliding windows, and masks in their colours."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import UserError

GENRES = 3
SMALL = (77, 155, 3)


@pytest.fixture(autouse=True)
def _seed(tf):
    import keras

    keras.utils.set_random_seed(0)


def build(shape=SMALL, **arguments):
    from spectrogram_image.models import cnn

    return cnn(shape, GENRES, **arguments)


def noise(images, shape=SMALL):
    return np.random.default_rng(0).integers(0, 256, (images, *shape)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(308, 620, 3), (154, 310, 1), (10, 20, 3)])
def test_images_of_any_size_give_probabilities(shape):
    probability = build(shape, width=4).predict_on_batch(noise(2, shape))
    assert probability.shape == (2, GENRES)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)


def test_larger_images_are_brought_to_the_same_resolution_by_the_first_layer():
    def after_first(shape):
        return build(shape, width=4).get_layer("time_first").output.shape

    assert after_first((616, 1240, 3)) == after_first((308, 620, 3)) == (None, 78, 62, 4)


def test_it_learns_random_labels_by_heart():
    from common.training.train import fit_few

    shape, few = (24, 48, 3), 12
    labels = np.random.default_rng(1).integers(0, GENRES, few)
    accuracies = fit_few(build(shape, dropout=0.0), noise(few, shape), labels)
    assert accuracies[-1] >= 0.99


def test_windows_slide_by_their_shift_and_leave_the_rest(tf):
    from spectrogram_image.models import SlidingWindows

    x = np.arange(10, dtype=np.float32).reshape(1, 10, 1)
    windows = SlidingWindows(4, 3)(x).numpy()
    np.testing.assert_array_equal(windows[0, ..., 0], [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    assert SlidingWindows(4, 5)(x).shape == (1, 2, 4, 1)


def test_an_image_can_be_read_as_a_sequence_of_windows(tmp_path):
    import keras

    shape = (80, 310, 3)
    model = build(shape, window=100, shift=50)
    assert model.get_layer("windows").output.shape[1:3] == (5, 25)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    images = noise(2, shape)
    np.testing.assert_allclose(
        again.predict_on_batch(images), model.predict_on_batch(images), atol=1e-5
    )


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"window": 156}, "window of 156 pixels does not fit an image of 155"),
        ({"window": 0}, "does not fit"),
        ({"shift": 10}, "a shift needs a window"),
    ],
)
def test_windows_that_cannot_be_meant_are_refused(architecture, message):
    with pytest.raises(UserError, match=message):
        build(**architecture)


def test_masks_run_along_time_and_frequency_in_the_lowest_colour(tf):
    from spectrogram_image.spec_augment import spec_augment

    silence = (0, 51, 255)
    images = np.full((8, 60, 120, 3), 0.5, np.float32)
    masked = spec_augment("LD", (120, 60), 25.0, silence, seed=0)(images, training=True).numpy()
    hidden = np.isclose(masked, np.array(silence) / 255).all(axis=-1)
    np.testing.assert_allclose(masked[~hidden], 0.5, atol=1e-6)
    assert 0.05 < hidden.mean() < 0.9
    rows, columns = hidden.all(axis=2), hidden.all(axis=1)
    np.testing.assert_array_equal(hidden, rows[:, :, None] | columns[:, None, :])
    assert rows.any()
    assert columns.any()


def test_policies_keep_their_seconds_and_their_share_of_frequency():
    from spectrogram_image.spec_augment import scaled_policy

    policy = scaled_policy("LD", (2480, 1232), 25.0)
    # The paper's 27 of 80 bins, and 100 frames of 10 ms: 1 s of 25.
    assert policy.frequency_width == round(27 * 1232 / 80)
    assert policy.time_width == round(2480 / 25)
    assert policy.frequency_masks == policy.time_masks == 2
