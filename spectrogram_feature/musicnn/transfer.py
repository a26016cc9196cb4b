"""A linear probe on musicnn's embeddings, and the model that contains both.

The weights of musicnn do not change, and a classification head is trained on its embeddings of
segments (Alain and Bengio 2017, "Understanding intermediate layers using linear classifier probes",
ICLR workshop). Each segment is embedded once, and training takes seconds. The saved model contains
both, and its input is log-mel features.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from common.errors import UserError
from common.nn.blocks import BATCH_NORM_MOMENTUM, classifier
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.layers import segments
from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, musicnn

MUSICNN = "musicnn"  # name of the embedding network inside models, and of models with it
EMBEDDING = "penultimate"  # the output of musicnn that embeds a patch


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
    """Build the embedding of segments: musicnn on consecutive patches, and the mean over patches.

    The model maps uint8 (batch, frames, bins) to float32 (batch, n); a remainder after the last
    whole patch is dropped. ``network`` is the output of `pretrained.musicnn` for patches of
    `patch_frames`; by default it has random weights.
    """
    length = patch_frames(parameters)
    patches, rest = divmod(parameters.frames, length)
    network = network or musicnn(length)
    network = keras.Model(network.input, network.output[EMBEDDING], name=MUSICNN)
    inputs, x = segments(parameters.shape, None)
    x = layers.Rescaling(parameters.ceiling, name="as_levels")(x)
    x = layers.Cropping1D((0, rest))(x)
    x = network(ops.reshape(x, (-1, length, x.shape[-1])))
    x = layers.GlobalAveragePooling1D(name="mean")(ops.reshape(x, (-1, patches, x.shape[-1])))
    return keras.Model(inputs, x, name="embedder")


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
