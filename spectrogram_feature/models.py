"""The networks of stage 2, each a function from the shape of a segment to a Keras model.

A model maps features as the records hold them, uint8 (batch, frames, bins), to genre probabilities,
float32 (batch, genres). It scales them to 0…1 and contains the augmentation as a layer, active in
training only. All functions take the arguments of `cnn`; with the defaults, a training step of the
slowest takes about as long as one of `cnn`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
from keras import layers

from common.errors import UserError
from common.nn.blocks import (
    classifier,
    convolution,
    max_pool,
    plain_convolution,
    rectified,
    statistics,
)
from common.training.options import TrainingOptions
from spectrogram_feature.features.kinds import CONSTANT_Q, LOG_MEL
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.layers import describe_windows, first_convolution, join_frames, segments
from spectrogram_feature.musicnn import finetuning
from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords, with_embedder
from spectrogram_feature.musicnn.transfer import probe


def cnn(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a small convolutional network with statistics pooling.

    A first layer with a stride of 84 ms, then 3×3 convolutions with max-pooling (Choi, Fazekas and
    Sandler 2016, "Automatic tagging using deep convolutional neural networks", ISMIR). The mean and
    standard deviation over time of each channel go to the classification head, as for speaker
    recognition (Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker recognition",
    ICASSP): genre depends on which sounds occur and how varied they are, not on when. A few broad
    bands of frequency are kept apart.

    Parameters
    ----------
    input_shape : (int, int)
        Frames, bins.
    genres : int
        Number of classes.
    width : int
        Channels of the first layer; each further layer has twice as many.
    depth : int
        Number of 3×3 convolutions.
    dropout : float
        Rate before the classification head.
    augmentation : keras.Layer, optional
        Applied to float (batch, frames, bins).

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
    """
    inputs, x = segments(input_shape, augmentation)
    x = first_convolution(x, width)
    for block in range(1, depth + 1):
        x = max_pool(x, 2, 2)
        x = convolution(x, width * 2**block)
    return classifier(inputs, statistics(x), genres, dropout, "cnn")


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
    mappings in deep residual networks", ECCV 2016). First layer, pooling and head are those of
    `cnn`, and so is the number of multiplications.

    ``width`` is the channels of the first layer and the first block, doubled with each further
    block; ``depth`` is the number of blocks.
    """
    inputs, x = segments(input_shape, augmentation)
    x = max_pool(first_convolution(x, width, plain_convolution), 2, 2)
    for block in range(depth):
        x = _residual_block(x, width * 2**block, strides=1 if block == 0 else 2)
    return classifier(inputs, statistics(rectified(x)), genres, dropout, "resnet")


def lstm(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 64,
    depth: int = 1,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a bidirectional recurrent network of LSTM cells.

    Long short-term memory (Hochreiter and Schmidhuber 1997, "Long short-term memory", Neural
    Computation 9) on frames of 84 ms, the output of a convolution over time with bins as channels.
    The mean and standard deviation over time of the outputs go to the classification head, since
    the last state depends mostly on the last seconds.

    ``width`` is the number of cells per direction and the channels of the convolution; ``depth`` is
    the number of recurrent layers.
    """
    inputs, x = segments(input_shape, augmentation)
    x = _recurrent(x, layers.LSTM, width, depth)
    return classifier(inputs, x, genres, dropout, "lstm")


def gru(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 64,
    depth: int = 1,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a bidirectional recurrent network of gated recurrent units.

    As `lstm`, with cells of three quarters the weights (Cho et al. 2014, "Learning phrase
    representations using RNN encoder-decoder for statistical machine translation", EMNLP).
    """
    inputs, x = segments(input_shape, augmentation)
    x = _recurrent(x, layers.GRU, width, depth)
    return classifier(inputs, x, genres, dropout, "gru")


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

    Convolutions find local patterns and pool frequency, two layers of gated recurrent units
    summarise their sequence, and the last state of the second goes to the classification head
    (Choi, Fazekas, Sandler and Cho 2017, "Convolutional recurrent neural networks for music
    classification", ICASSP). Time is pooled twice, to 336 ms, to keep a sequence of some length.

    ``width`` is the channels of the first layer, doubled with each further convolution; recurrent
    layers have four times as many units. ``depth`` is the number of 3×3 convolutions.
    """
    inputs, x = segments(input_shape, augmentation)
    x = first_convolution(x, width)
    for block in range(1, depth + 1):
        x = max_pool(x, 2 if block <= 2 else 1, 3)
        x = convolution(x, width * 2**block)
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
    IEEE Transactions on Multimedia 11). All windows share a hidden layer, and the mean over windows
    goes to the classification head (Hamel, Lemieux, Bengio and Eck 2011, "Temporal pooling and
    multiscale learning for automatic annotation and ranking of music audio", ISMIR).

    From a few hundred segments, a convolutional network learns artists and recordings by heart.
    Here, the patterns are given and only their weights are learnt. Unlike a support-vector machine,
    the network can be augmented, and its training time is linear in the data.
    ``results/real_music`` compares it with other networks.

    ``width`` is the units of a hidden layer and ``depth`` the number of hidden layers; ``dropout``
    also applies to the descriptions.
    """
    inputs, x = segments(input_shape, augmentation)
    x = layers.Dropout(dropout)(describe_windows(x))
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return classifier(inputs, x, genres, dropout, "texture")


def _residual_block(x: keras.KerasTensor, channels: int, strides: int) -> keras.KerasTensor:
    """(batch, frames, bands, c) → (batch, frames / strides, bands / strides, channels)."""
    before = rectified(x)
    if x.shape[-1] != channels or strides > 1:
        x = plain_convolution(before, channels, kernel=1, strides=strides)
    residual = convolution(before, channels, strides=strides)
    return layers.Add()([x, plain_convolution(residual, channels)])


def _recurrent(
    x: keras.KerasTensor, cell: type[layers.RNN], width: int, depth: int
) -> keras.KerasTensor:
    """(batch, frames, bins) → float32 (batch, 4 · width)."""
    x = join_frames(x, width)
    for _ in range(depth):
        # XLA cannot compile cuDNN's kernels with the rest of a network.
        x = layers.Bidirectional(cell(width, return_sequences=True, use_cudnn=False))(x)
    return statistics(x)


@dataclass(frozen=True)
class Stage:
    """One stage of fine-tuning.

    Attributes
    ----------
    name : str
    build : callable
        Builds the model of the stage from records and the folder of the training before it.
    rate : float
        Learning rate, as a share of that of the first training.
    epochs : float
        Epochs, as a share of those of the first training.
    """

    name: str
    build: Callable[[FeatureRecords, Path], keras.Model]
    rate: float
    epochs: float = 0.1

    def options(self, options: TrainingOptions) -> TrainingOptions:
        """Give the options of the stage from those of the first training."""
        return replace(
            options,
            learning_rate=self.rate * options.learning_rate,
            epochs=max(1, round(self.epochs * options.epochs)),
        )


@dataclass(frozen=True)
class Network:
    """A network of the registry: how it is built, and what it is trained on.

    Attributes
    ----------
    build : callable
        From the shape of a segment and the number of genres to the model; see `cnn`.
    name : str
        By default that of the function.
    features : str
        The kind of features it takes, a key of `features.kinds.KINDS`.
    prepare : callable
        From records of these features to the records that `build`'s model is trained on, e.g.
        their embeddings. By default the same records.
    finish : callable
        From the trained model and the records that it was trained on to the model that takes
        features. By default the same model.
    stages : tuple of Stage
        Stages of fine-tuning, which begin with the trained model.
    """

    build: Callable[..., keras.Model]
    name: str = ""
    features: str = CONSTANT_Q
    prepare: Callable[[FeatureRecords], FeatureRecords] = lambda records: records
    finish: Callable[[keras.Model, Any], keras.Model] = lambda model, _: model
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        """Name the network after its function."""
        object.__setattr__(self, "name", self.name or self.build.__name__)


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
            probe,
            name="musicnn",
            features=LOG_MEL,
            prepare=EmbeddedRecords.of,
            finish=with_embedder,
            stages=(
                Stage("musicnn-last-layers", finetuning.last_layers, rate=0.1),
                Stage("musicnn-all-layers", finetuning.all_layers, rate=0.03),
            ),
        ),
    )
}
"""Name → network. A further network is a function above and a line here."""


def find(name: str) -> Network:
    """Find a network.

    Raises
    ------
    UserError
        If there is no such network.
    """
    if name not in MODELS:
        raise UserError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]


def names_for(kind: str) -> list[str]:
    """List the networks that take a kind of features."""
    return [name for name, network in MODELS.items() if network.features == kind]
