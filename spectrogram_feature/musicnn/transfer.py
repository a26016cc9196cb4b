"""Genre classifiers on musicnn: a linear probe on its embeddings, and the whole network.

The weights of musicnn do not change, and a small head is trained on its embeddings of segments
(Alain and Bengio 2017, "Understanding intermediate layers using linear classifier probes", ICLR
workshop). Each segment is embedded once, and training takes seconds. The saved model holds both: it
takes log-mel features.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from common.errors import UserError
from common.nn.blocks import BATCH_NORM_MOMENTUM, classifier
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.layers import segments
from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, PENULTIMATE, musicnn

MUSICNN = "musicnn"
"""Name of the embedding network inside models, and of models with it."""

EMBEDDING = "penultimate"
"""The output of musicnn that embeds a patch."""

EMBEDDING_SIZE = PENULTIMATE
"""Numbers in an embedding."""


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class Patches(layers.Layer):
    """Cut segments into patches: (batch, frames, bins) → (batch · patches, length, bins).

    Patches follow one another from the beginning; a rest at the end is ignored. In training, one
    patch at a random place represents a segment.

    Parameters
    ----------
    length : int
        Frames in a patch, at most those of a segment.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.seed = keras.random.SeedGenerator()

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Cut segments (batch, frames, bins)."""
        _, frames, bins = x.shape
        if training:
            start = keras.random.randint((), 0, frames - self.length + 1, seed=self.seed)
            return ops.slice(x, (0, start, 0), (ops.shape(x)[0], self.length, bins))
        heard = frames // self.length * self.length
        return ops.reshape(x[:, :heard], (-1, self.length, bins))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class MeanOfPatches(layers.Layer):
    """Average the embeddings of each segment's patches: (batch · patches, n) → (batch, n).

    In training there is one patch of each segment.

    Parameters
    ----------
    patches : int
        Patches in a segment.
    """

    def __init__(self, patches: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patches = patches

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Average embeddings (batch · patches, n)."""
        if training:
            return x
        return ops.mean(ops.reshape(x, (-1, self.patches, x.shape[-1])), axis=1)

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
    """Build the head: batch normalisation and one dense layer.

    Parameters
    ----------
    input_shape : (int,)
        Numbers in an embedding.
    genres : int
    dropout : float
        Before the dense layer.
    augmentation : None
        Embeddings cannot be augmented.

    Returns
    -------
    keras.Model
        float32 (batch, n) → float32 (batch, genres).

    Raises
    ------
    UserError
        If an augmentation is asked for.
    """
    if augmentation is not None:
        raise UserError(
            f"{MUSICNN} hears each segment once, before its training: leave --augment out"
        )
    inputs = keras.Input(input_shape, name="embedding")
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(inputs)
    return classifier(inputs, x, genres, dropout, MUSICNN)


def embedder(parameters: LogMelParameters, network: keras.Model | None = None) -> keras.Model:
    """Build the embedding of segments: musicnn on patches, and the mean over patches.

    Parameters
    ----------
    parameters : LogMelParameters
        Parameters of the features.
    network : keras.Model, optional
        As `pretrained.musicnn` builds it for patches of `patch_frames`; by default with random
        weights.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, n).
    """
    length = patch_frames(parameters)
    network = network or musicnn(length)
    inputs, x = segments(parameters.shape, None)
    x = layers.Rescaling(parameters.ceiling, name="as_levels")(x)
    # Without the layers behind the embedding.
    network = keras.Model(network.input, network.output[EMBEDDING], name=MUSICNN)
    x = network(Patches(length, name="patches")(x))
    patches = parameters.frames // length
    return keras.Model(inputs, MeanOfPatches(patches, name="mean")(x), name="embedder")


def patch_frames(parameters: LogMelParameters) -> int:
    """Give the frames in a patch: those that musicnn was trained on, or of a shorter segment."""
    return min(PATCH_FRAMES, parameters.frames)


def complete(network: keras.Model, head: keras.Model) -> keras.Model:
    """Join an embedding network, which is frozen, and a trained head.

    Parameters
    ----------
    network : keras.Model
        As `embedder` builds it.
    head : keras.Model
        As `probe` builds it.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
    """
    network.trainable = False
    x = network.output
    for layer in head.layers[1:]:  # one after the other, behind its input
        x = layer(x)
    return keras.Model(network.input, x, name=MUSICNN)
