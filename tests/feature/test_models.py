"""The networks: what each takes and gives, that it can learn, be saved, and bear silence."""

from __future__ import annotations

import numpy as np
import pytest

# Named here, and compared with the registry below: to ask it would import TensorFlow.
MODELS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")
GENRES = 3
SHORT = (48, 60)
"""A segment of 1 s and 5 octaves: the networks are those of the real thing, their input small."""

every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(autouse=True)
def _seed(tf):
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def float16():
    import keras

    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def build(name, shape=SHORT, **arguments):
    from spectrogram_feature import models

    return models.find(name).build(shape, GENRES, **arguments)


def noise(segments, shape=SHORT):
    return np.random.default_rng(0).integers(0, 256, (segments, *shape)).astype(np.uint8)


def predict(model, segments):
    return model.predict_on_batch(noise(segments, model.input_shape[1:]))


def test_the_registry_is_what_is_tested_here():
    from spectrogram_feature import models
    from spectrogram_feature.features.kinds import KINDS

    assert tuple(models.names_for("constant-q")) == MODELS
    assert all(set(network.features) <= set(KINDS) for network in models.MODELS.values())
    assert "musicnn" in models.MODELS


@every_model
def test_the_real_shape_is_taken_with_batch_statistics_that_converge(name):
    import keras

    model = build(name, (480, 84))
    assert model.name == name
    assert model.input_shape == (None, 480, 84)
    assert model.inputs[0].dtype == "uint8"
    assert model.output_shape == (None, GENRES)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}


@every_model
def test_the_smallest_segments_give_probabilities(name):
    probability = predict(build(name, (7, 12)), 4)
    assert probability.shape == (4, GENRES)
    assert probability.dtype == np.float32
    assert (probability >= 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)


@every_model
def test_width_and_depth_change_the_size(name):
    default = build(name).count_params()
    assert build(name, width=8).count_params() < default
    assert build(name, depth=4).count_params() != default


@every_model
def test_learns_random_labels_by_heart(name):
    from common.training.train import fit_few

    few, tiny = 12, (32, 36)
    labels = np.random.default_rng(1).integers(0, GENRES, few)
    accuracies = fit_few(build(name, tiny, dropout=0.0), noise(few, tiny), labels)
    assert accuracies[-1] >= 0.99


@every_model
def test_a_reloaded_model_predicts_the_same(name, tmp_path):
    import keras

    model = build(name)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(predict(again, 4), predict(model, 4), atol=1e-5)


@every_model
def test_in_half_precision_probabilities_are_whole(name, float16):
    model = build(name, (45, 96))
    assert "float16" in {layer.compute_dtype for layer in model.layers}
    probability = predict(model, 4)
    assert probability.dtype == np.float32
    assert np.isfinite(probability).all()


@every_model
def test_augmentation_is_for_training_only(name):
    import keras

    class Erase(keras.Layer):
        def call(self, x, training=False):
            return keras.ops.zeros_like(x) if training else x

    model = build(name, augmentation=Erase(), dropout=0.0)
    features = noise(4)
    erased, heard = model(features, training=True), predict(model, 4)
    assert np.ptp(np.asarray(erased), axis=0).max() < 1e-6
    assert np.ptp(heard, axis=0).max() > 1e-4


# XLA takes seconds a network; one that has both convolutions and a loop over time stands for all.
@pytest.mark.parametrize(("name", "xla"), [*((name, False) for name in MODELS), ("crnn", True)])
def test_silence_leaves_the_gradients_finite(name, xla, tf):
    model = build(name)

    def gradients(features):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(tf.math.log(model(features, training=True)[:, 0]))
        return tape.gradient(loss, model.trainable_variables)

    if xla:
        gradients = tf.function(gradients, jit_compile=True)
    for gradient in gradients(np.zeros((4, *SHORT), np.uint8)):
        assert np.isfinite(gradient.numpy()).all()


def test_texture_windows_hold_the_statistics_of_their_frames(tf):
    from common.evaluation.baselines import bin_statistics
    from spectrogram_feature.layers import TextureWindows

    features = noise(2, (245, 6))
    windows = TextureWindows(120)(features / np.float32(255)).numpy()
    assert windows.shape == (2, 2, 18)
    # Two windows of 122 frames; the last frame is left over.
    np.testing.assert_allclose(windows[:, 0], bin_statistics(features[:, :122]), atol=1e-4)
    np.testing.assert_allclose(windows[:, 1], bin_statistics(features[:, 122:244]), atol=1e-4)
    assert TextureWindows(120)(features[:, :50]).shape == (2, 1, 18)


def test_a_tremolo_is_found_at_its_rate_and_in_its_band(tf):
    from spectrogram_feature.layers import ModulationSpectrum

    frames, cycles, swing = 120, 5, 0.2
    features = np.full((1, frames, 84), 0.5, np.float32)
    features[0, :, 30] += swing * np.sin(2 * np.pi * cycles * np.arange(frames) / frames)
    spectrum = ModulationSpectrum(frames, bins_per_band=3)(features).numpy().reshape(-1, 28)
    # Half an octave each from the fourth on: 1, 2, 3, 4-5, 6-7, 8-10 ... cycles in the window.
    assert spectrum.shape == (11, 28)
    assert np.unravel_index(spectrum.argmax(), spectrum.shape) == (3, 10)
    # The power of a sine is (swing / 2)²; a Hann window leaves a quarter in the neighbour, which
    # is averaged in, and so are two silent bins.
    expected = (swing / 2) ** 2 * (1 + 1 / 4) / 2 / 3
    assert np.exp(spectrum.max()) == pytest.approx(expected, rel=0.05)
    silent = np.delete(spectrum, 10, axis=1)
    np.testing.assert_allclose(silent, spectrum.min(), rtol=1e-4)


def test_each_window_has_a_modulation_spectrum_of_its_own(tf):
    from spectrogram_feature.layers import ModulationSpectrum

    features = noise(2, (245, 10)) / np.float32(255)
    layer = ModulationSpectrum(120, bins_per_band=4)
    both = layer(features).numpy()
    assert both.shape == (2, 2, 11 * 3)
    np.testing.assert_allclose(both[:, 1:], layer(features[:, 122:244]).numpy(), atol=1e-4)


def test_the_cepstrum_is_the_cosine_transform_of_the_bins(tf):
    from scipy.fft import dct

    from spectrogram_feature.layers import Cepstrum

    features = noise(2, (9, 84)) / np.float32(255)
    expected = dct(features, norm="ortho")[..., :28]
    np.testing.assert_allclose(Cepstrum()(features).numpy(), expected, atol=1e-5)
