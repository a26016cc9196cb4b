"""Every network and layer under one Keras backend: built, trained for ten steps, and applied.

``KERAS_BACKEND=jax python tests/backends_for_tests.py OUT REFERENCE`` loads the weights of the
folder REFERENCE, which `main` without it has written, and writes ``OUT/outputs.npz``,
``OUT/losses.npz`` and, without REFERENCE, the models. A process has a single backend.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from common.nn.blocks import HierarchicalSigmoid
from common.nn.policies import Policy
from common.nn.spec_augment import SpecAugment
from spectrogram_feature import models
from spectrogram_feature.features.keras_layers import ConstantQLayer, LogMelLayer
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.musicnn.transfer import complete, embedder, probe
from spectrogram_image.models import cnn as image_cnn

NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")
GENRES, BATCH, STEPS = 3, 4, 10
SHAPE, IMAGE = (48, 60), (40, 200, 3)
POLICY = Policy(4, 5, 1, 6, 1.0, 1)
PATCHES = LogMelParameters(segment_seconds=6.2)
"""Segments of two patches."""

RELOADED = ("texture", "image windows")
"""Networks with most of the project's own layers, which are also loaded without their functions."""

LABELS = np.arange(BATCH) % GENRES

rng = np.random.default_rng(0)


def networks() -> dict[str, keras.Model]:
    """Build every network, named as in the tests."""
    built = {
        name: getattr(models, name)(SHAPE, GENRES, dropout=0.1, augmentation=SpecAugment(POLICY))
        for name in NETWORKS
    }
    axes = {"time_axis": 2, "frequency_axis": 1}
    augmentation = SpecAugment(POLICY, fill=[0, 0, 1], **axes)
    built["image windows"] = image_cnn(
        IMAGE, GENRES, width=4, window=100, shift=50, augmentation=augmentation
    )
    built["musicnn probe"] = complete(embedder(PATCHES), probe((200,), GENRES, dropout=0.1))
    return built


def losses_of(model: keras.Model, x: np.ndarray) -> list[float]:
    """Train on one batch."""
    # JAX without compilation takes minutes, TensorFlow with XLA too.
    compiled = keras.backend.backend() == "jax"
    model.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=compiled
    )
    return [float(np.asarray(model.train_on_batch(x, LABELS))) for _ in range(STEPS)]


def augmented(x: np.ndarray, **arguments: object) -> np.ndarray:
    """Apply SpecAugment with the same draws under all backends."""
    draws = np.random.default_rng(2).random((len(x), 6)).astype(np.float32)
    uniform = keras.random.uniform
    keras.random.uniform = lambda shape, **_: keras.ops.convert_to_tensor(draws)
    try:
        layer = SpecAugment(POLICY, **arguments)
        return keras.ops.convert_to_numpy(layer(x, training=True))
    finally:
        keras.random.uniform = uniform


def layer_outputs() -> dict[str, np.ndarray]:
    """Apply the layers that need no weights."""
    images = rng.random((BATCH, *IMAGE), np.float32)
    outputs = {
        "SpecAugment": augmented(rng.random((BATCH, *SHAPE), np.float32)),
        "SpecAugment of images": augmented(images, fill=[0, 0, 1], time_axis=2, frequency_axis=1),
    }
    chain = np.tri(4, dtype=bool).tolist()  # each genre is the parent of the next
    logits = rng.normal(0, 5, (BATCH, 4)).astype(np.float32)
    outputs["HierarchicalSigmoid"] = keras.ops.convert_to_numpy(HierarchicalSigmoid(chain)(logits))
    constant_q = FeatureParameters(segment_seconds=1.0)
    for layer in (ConstantQLayer(constant_q), LogMelLayer(PATCHES)):
        parameters = layer.parameters
        time = np.arange(parameters.segment_samples) / parameters.sample_rate
        sound = 0.3 * np.sin(2 * np.pi * 440 * time) + rng.normal(0, 0.05, (2, len(time)))
        inputs = keras.Input((len(time),))
        model = keras.Model(inputs, layer(inputs))
        outputs[type(layer).__name__] = model.predict_on_batch(sound.astype(np.float32))
    return outputs


def main(out: Path, reference: Path | None) -> None:
    """Write losses, outputs and, without a reference, models."""
    keras.utils.set_random_seed(0)
    losses, outputs = {}, layer_outputs()
    for name, model in networks().items():
        # The level of a segment tells its genre, wherever a patch is cut.
        x = rng.integers(0, 100, (BATCH, *model.input_shape[1:]))
        x = (x + 50 * LABELS.reshape(-1, *[1] * (x.ndim - 1))).astype(np.uint8)
        if name == "musicnn probe":  # the head is trained on embeddings
            embed, head = model.get_layer("mean").output, model.output
            losses[name] = losses_of(
                keras.Model(embed, head), keras.Model(model.input, embed).predict_on_batch(x)
            )
        else:
            losses[name] = losses_of(model, x)
        if reference is None:
            model.save(out / f"{name}.keras")
        else:
            model.load_weights(reference / f"{name}.keras")
        if name in RELOADED:
            saved = keras.saving.load_model((reference or out) / f"{name}.keras", safe_mode=True)
            outputs[f"{name}, reloaded"] = saved.predict_on_batch(x)
        outputs[name] = model.predict_on_batch(x)
    np.savez(out / "losses.npz", **losses)
    np.savez(out / "outputs.npz", **outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
