"""Whether attributions add up, point where the genre is, and pass the test of taking away."""

import numpy as np
import pytest

from spectrogram_feature.saliency.integrated_gradients import (
    BINS_PER_PATCH,
    FRAMES_PER_PATCH,
    Saliency,
    _highest,
    _patches,
    deletion_test,
)

SHAPE = (96, 84)
MARKED = (slice(24, 48), slice(30, 42))
"""Where the tone stands that makes the second genre."""


def linear_model():
    """Genres whose log odds are the level in the marked cells, less a half."""
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE, dtype="uint8")
    x = layers.Rescaling(1 / 255, name="as_float")(inputs)
    x = layers.Cropping1D((24, 48))(x)
    x = layers.Permute((2, 1))(x)
    x = layers.Flatten()(layers.Cropping1D((30, 42))(x))
    outputs = layers.Dense(2, activation="softmax", name="genres")(x)
    model = keras.Model(inputs, outputs)
    weight = np.zeros((24 * 12, 2), np.float32)
    weight[:, 1] = 8 / (24 * 12)
    model.get_layer("genres").set_weights([weight, np.array([0, -4], np.float32)])
    return model


def segments(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("name", ["texture", "cnn", "gru"])
def test_attributions_sum_to_the_difference_that_they_explain(tf, name):
    from spectrogram_feature.models import MODELS

    tf.keras.utils.set_random_seed(0)
    model = MODELS[name].build(SHAPE, 3, width=8)
    genres = model.get_layer("genres")
    genres.kernel.assign(8 * genres.kernel)  # untrained, it would not tell segments apart
    baselines = segments(4, seed=1)
    saliency = Saliency(model, baselines, steps=64)
    [features] = segments(1)
    features[:, 40:] //= 4
    ends = saliency.probability(np.concatenate([features[None], baselines]).astype("f4") / 255)
    np.testing.assert_allclose(ends[0], model.predict_on_batch(features[None])[0], atol=1e-5)
    explained = np.log(ends[0]) - np.log(ends[1:]).mean(axis=0)
    totals = [saliency.attribute(features, genre).sum() for genre in range(3)]
    assert np.abs(explained).max() > 0.1
    np.testing.assert_allclose(totals, explained, atol=0.05 * np.abs(explained).max())


def test_only_cells_that_matter_are_attributed_to(tf):
    baselines = np.stack([np.full(SHAPE, level, np.uint8) for level in (51, 204)])
    saliency = Saliency(linear_model(), baselines, steps=32)
    features = np.full(SHAPE, 230, np.uint8)
    for_second = saliency.attribute(features, 1)
    inside = np.zeros(SHAPE, bool)
    inside[MARKED] = True
    assert (for_second[inside] > 0).all()
    assert (for_second[~inside] == 0).all()
    assert (saliency.attribute(features, 0)[inside] < 0).all()
    # The log of a sigmoid at log odds 8 × level - 4, at the ends of both ways.
    end, *starts = [-np.log1p(np.exp(4 - 8 * level)) for level in (230 / 255, 0.2, 0.8)]
    assert for_second.sum() == pytest.approx(end - np.mean(starts), abs=1e-2)


def test_taking_away_what_matters_lowers_the_probability_and_what_does_not_does_not(tf):
    saliency = Saliency(linear_model(), np.full((1, *SHAPE), 102, np.uint8))
    features = np.full(SHAPE, 200, np.uint8)
    features[50:, 50:] = 255  # loud, and of no consequence
    table = deletion_test(saliency, [features, features], share=0.04, seed=0)
    assert list(table.columns) == ["whole", "most attributed", "loudest", "random"]
    assert (table["whole"] > 0.9).all()
    assert (table["most attributed"] < 0.6).all()
    np.testing.assert_allclose(table["loudest"], table["whole"], atol=1e-6)
    assert (table["random"] > table["most attributed"]).all()


def test_patches_average_their_cells_and_marks_cover_them():
    cells = np.zeros((50, 7))
    cells[FRAMES_PER_PATCH : 2 * FRAMES_PER_PATCH, :BINS_PER_PATCH] = 5
    cells[2 * FRAMES_PER_PATCH :, 2 * BINS_PER_PATCH :] = 9  # what is left at both ends
    score = _patches(cells)
    np.testing.assert_allclose(score, [[0, 0, 0], [5, 0, 0], [0, 0, 9]])
    mask = _highest(score, 2 / 9, cells.shape)
    np.testing.assert_array_equal(mask, cells > 0)
