"""The networks of stage 2, each a function from the shape of a segment to a Keras model.

A model maps stored features, uint8 (batch, frames, bins), to genre probabilities, float32 (batch,
genres). It scales them to 0…1 and contains the augmentation as a layer, active in training only.
All functions have the parameters of `cnn`; with the defaults, a training step of the slowest takes
about as long as one of `cnn`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from common.errors import UserError
from common.nn.blocks import (
    classifier,
    convolution,
    encode,
    first_convolution,
    first_strides,
    max_pool,
    plain_convolution,
    rectified,
    statistics,
)
from spectrogram_feature.layers import as_image, describe_windows, join_frames, segments

if TYPE_CHECKING:
    from spectrogram_feature.features.records import FeatureRecords


def cnn(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a convolutional network with statistics pooling.

    3×3 convolutions with max-pooling (Choi, Fazekas and Sandler 2016, "Automatic tagging using deep
    convolutional neural networks", ISMIR). The mean, standard deviation and maximum over time of
    each channel, in a few broad bands of frequency, are the input of the classification head, as
    for speaker recognition (Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker
    recognition", ICASSP).

    The input shape is (frames, bins). The first layer has ``width`` channels, each further one
    twice as many; ``depth`` is the number of 3×3 convolutions before the last, ``dropout`` the rate
    before the classification head, and ``augmentation`` a layer on float (batch, frames, bins).
    """
    inputs, x = segments(input_shape, augmentation)
    x = first_convolution(as_image(x), width, first_strides(*input_shape))
    return classifier(inputs, statistics(encode(x, width, depth)), genres, dropout, "cnn")


def resnet(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a small residual network with statistics pooling.

    Residual blocks of two 3×3 convolutions (He, Zhang, Ren and Sun 2016, "Deep residual learning
    for image recognition", CVPR) with batch norm and ReLU before each convolution ("Identity
    mappings in deep residual networks", ECCV 2016). The first layer, pooling and classification
    head are those of `cnn`. The first layer and the first block have
    ``width`` channels, each further block twice as many; ``depth`` is the number of blocks.
    """
    inputs, x = segments(input_shape, augmentation)
    x = max_pool(
        first_convolution(as_image(x), width, first_strides(*input_shape), plain_convolution), 2, 2
    )
    for block in range(depth):
        x = residual_block(x, width * 2**block, strides=1 if block == 0 else 2)
    return classifier(inputs, statistics(rectified(x)), genres, dropout, "resnet")


def lstm(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 64,
    depth: int = 1,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
    cell: type[layers.RNN] = layers.LSTM,
) -> keras.Model:
    """Build a bidirectional recurrent network of LSTM cells.

    Long short-term memory (Hochreiter and Schmidhuber 1997, "Long short-term memory", Neural
    Computation 9) on about 80 frames, the output of a convolution over time with bins as channels.
    The mean, standard deviation and maximum over time of the outputs are the input of the
    classification head, since the last state depends mostly on the last seconds. ``width`` is the
    number of cells per direction and of channels of the convolution, ``depth`` the number of
    recurrent layers.
    """
    inputs, x = segments(input_shape, augmentation)
    x = join_frames(x, width)
    for _ in range(depth):
        # XLA cannot compile cuDNN's kernels with the rest of a network.
        x = layers.Bidirectional(cell(width, return_sequences=True, use_cudnn=False))(x)
    return classifier(inputs, statistics(x), genres, dropout, cell.__name__.lower())


def gru(input_shape: tuple[int, int], genres: int, **architecture: Any) -> keras.Model:
    """Build the network of `lstm` with gated recurrent units, which have 3/4 of the weights.

    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", EMNLP.
    """
    return lstm(input_shape, genres, cell=layers.GRU, **architecture)


def crnn(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a convolutional recurrent network.

    Two layers of gated recurrent units follow convolutions that pool frequency, and the last state
    of the second is the input of the classification head (Choi, Fazekas, Sandler and Cho 2017,
    "Convolutional recurrent neural networks for music classification", ICASSP). Time is pooled
    twice only, to about 20 steps. The first layer has ``width`` channels, each further convolution
    twice as many, and recurrent layers four times ``width``; ``depth`` is the number of 3×3
    convolutions.
    """
    inputs, x = segments(input_shape, augmentation)
    x = first_convolution(as_image(x), width, first_strides(*input_shape))
    for block in range(1, depth + 1):
        x = convolution(x, width * 2**block, pool=(2 if block <= 2 else 1, 3))
    _, frames, bands, channels = x.shape
    x = layers.Reshape((frames, bands * channels))(x)
    x = layers.GRU(4 * width, return_sequences=True, use_cudnn=False)(x)
    x = layers.GRU(4 * width, use_cudnn=False)(x)
    return classifier(inputs, x, genres, dropout, "crnn")


def texture(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 256,
    depth: int = 1,
    dropout: float = 0.6,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a shallow network on descriptions of texture windows, for few labels.

    Windows of 2.5 s (Tzanetakis and Cook 2002, "Musical genre classification of audio signals",
    IEEE Transactions on Speech and Audio Processing 10) are described by statistics of each bin and
    by modulation spectra of bands and of the cepstrum (Lee, Shih, Yu and Lin 2009, "Automatic music
    genre classification based on modulation spectral analysis of spectral and cepstral features",
    IEEE Transactions on Multimedia 11). All windows share ``depth`` hidden layers of ``width``
    units, and the mean over windows is the input of the classification head (Hamel, Lemieux, Bengio
    and Eck 2011, "Temporal pooling and multiscale learning for automatic annotation and ranking of
    music audio", ISMIR). ``dropout`` also applies to the descriptions.

    A convolutional network overfits a few hundred segments; this network has fixed descriptions.
    Unlike a support-vector machine, it can be augmented, and its training time is linear in the
    data. ``results/real_music`` compares it with other networks.
    """
    inputs, x = segments(input_shape, augmentation)
    x = layers.Dropout(dropout)(describe_windows(x))
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return classifier(inputs, x, genres, dropout, "texture")


def residual_block(x: keras.KerasTensor, channels: int, strides: int) -> keras.KerasTensor:
    """Apply a residual block: (batch, frames, bands, c) → (…, channels), strided."""
    before = rectified(x)
    if x.shape[-1] != channels or strides > 1:
        x = plain_convolution(before, channels, kernel=1, strides=strides)
    residual = convolution(before, channels, strides=strides)
    return layers.Add()([x, plain_convolution(residual, channels)])


@dataclass(frozen=True)
class Network:
    """A network of the registry.

    ``prepare`` maps records of its features to the records for training, e.g. their embeddings, and
    ``finish`` maps the trained model and those records to a model of the features.
    """

    build: Callable[..., keras.Model]  # has the parameters of `cnn`
    name: str = ""  # by default that of the function
    features: tuple[str, ...] = ("constant-q", "imported")  # keys of `features.kinds.KINDS`
    prepare: Callable[[FeatureRecords], FeatureRecords] = lambda records: records
    finish: Callable[[keras.Model, Any], keras.Model] = lambda model, _: model

    def __post_init__(self) -> None:
        """Name the network after its function."""
        object.__setattr__(self, "name", self.name or self.build.__name__)


def _probe(*shape: Any, **options: Any) -> keras.Model:
    # Imported here and below, so that the other networks need Keras and NumPy only.
    from spectrogram_feature.musicnn.transfer import probe

    return probe(*shape, **options)


def _embed(records: FeatureRecords) -> FeatureRecords:
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    return EmbeddedRecords.of(records)


def _with_embedder(head: keras.Model, embedded: Any) -> keras.Model:
    from spectrogram_feature.musicnn.transfer import complete

    return complete(embedded.network, head)


MODELS = {
    network.name: network
    for network in (
        Network(cnn),
        Network(resnet),
        Network(lstm),
        Network(gru),
        Network(crnn),
        Network(texture),
        Network(
            _probe, name="musicnn", features=("log-mel",), prepare=_embed, finish=_with_embedder
        ),
    )
}
"""Name → network. A further network is a function above and a line here."""


def find(name: str) -> Network:
    """Find a network; an unknown name is a `UserError`."""
    if name not in MODELS:
        raise UserError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]


def names_for(kind: str) -> list[str]:
    """List the networks of a kind of features."""
    return [name for name, network in MODELS.items() if kind in network.features]
