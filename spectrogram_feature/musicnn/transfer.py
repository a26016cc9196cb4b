"""Genre classifiers on musicnn: a linear probe on its embeddings, and the whole network.

The weights of musicnn do not change, and a classification head is trained on its embeddings of
segments (Alain and Bengio 2017, "Understanding intermediate layers using linear classifier probes",
ICLR workshop). Each segment is embedded once, and training takes seconds. The saved model contains
both, and its input is log-mel features.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from common.errors import UserError
from common.nn.blocks import BATCH_NORM_MOMENTUM, classifier
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.layers import segments
from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, musicnn

MUSICNN = "musicnn"  # name of the embedding network inside models, and of models with it
EMBEDDING = "penultimate"  # the output of musicnn that embeds a patch


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class Patches(layers.Layer):
    """Cut segments into patches: (batch, frames, bins) → (batch · patches, length, bins).

    Patches are consecutive, at most as long as a segment, and a remainder at the end is dropped. In
    training, each step takes a single patch of every segment, from a random position common to the
    batch.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.seed = keras.random.SeedGenerator()

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Cut a batch."""
        _, frames, bins = x.shape
        if training:
            start = keras.random.randint((), 0, frames - self.length + 1, seed=self.seed)
            return ops.slice(x, (0, start, 0), (ops.shape(x)[0], self.length, bins))
        used = frames // self.length * self.length
        return ops.reshape(x[:, :used], (-1, self.length, bins))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (None, length, bins): the number of patches depends on the batch."""
        return None, self.length, input_shape[2]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class MeanOfPatches(layers.Layer):
    """Average over the patches of each segment: (batch · patches, n) → (batch, n).

    In training, a segment has a single patch.
    """

    def __init__(self, patches: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patches = patches

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Average a batch."""
        if training:
            return x
        return ops.mean(ops.reshape(x, (-1, self.patches, x.shape[-1])), axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (None, n): the number of patches depends on the mode of the layer."""
        return None, input_shape[1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "patches": self.patches}


def probe(
    input_shape: tuple[int, ...],
    genres: int,
    *,
    dropout: float = 0.5,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build the linear probe: batch norm, dropout and one dense layer.

    The model maps float32 (batch, n) to float32 (batch, genres). Embeddings cannot be augmented: an
    augmentation is a `UserError`.
    """
    if augmentation is not None:
        raise UserError(f"{MUSICNN} embeds each segment once, before training: omit --augment")
    inputs = keras.Input(input_shape, name="embedding")
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(inputs)
    return classifier(inputs, x, genres, dropout, MUSICNN)


def embedder(parameters: LogMelParameters, network: keras.Model | None = None) -> keras.Model:
    """Build the embedding of segments: musicnn on patches, and the mean over patches.

    The model maps uint8 (batch, frames, bins) to float32 (batch, n). ``network`` is the output of
    `pretrained.musicnn` for patches of `patch_frames`; by default it has random weights.
    """
    length = patch_frames(parameters)
    network = network or musicnn(length)
    inputs, x = segments(parameters.shape, None)
    x = layers.Rescaling(parameters.ceiling, name="as_levels")(x)
    network = keras.Model(network.input, network.output[EMBEDDING], name=MUSICNN)
    x = network(Patches(length, name="patches")(x))
    patches = parameters.frames // length
    return keras.Model(inputs, MeanOfPatches(patches, name="mean")(x), name="embedder")


def patch_frames(parameters: LogMelParameters) -> int:
    """Return the frames in a patch: `PATCH_FRAMES`, or those of a shorter segment."""
    return min(PATCH_FRAMES, parameters.frames)


def complete(network: keras.Model, head: keras.Model) -> keras.Model:
    """Join the network of `embedder`, which is frozen, and the head of `probe`.

    The model maps uint8 (batch, frames, bins) to float32 (batch, genres).
    """
    network.trainable = False
    x = network.output
    for layer in head.layers[1:]:  # the first is the input
        x = layer(x)
    return keras.Model(network.input, x, name=MUSICNN)
