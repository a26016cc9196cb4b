"""The networks of stage 2: each a function from the shape of a segment to a Keras model.

Every model takes features as the records hold them, uint8 (batch, frames, bins), scales them to
0…1, and gives genre probabilities, float32 (batch, genres). Augmentation is a layer inside, active
in training only, so that it runs on the device that trains. What they share is in `layers`.

All take the same arguments, explained at `cnn`; what width and depth count is said at each. In
their default form, a training step of the slowest takes about as long as one of `cnn`.
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

    After a first layer that makes 84 ms of 21 ms frames, 3×3 convolutions with max-pooling follow
    (Choi, Fazekas and Sandler 2016, "Automatic tagging using deep convolutional neural networks",
    ISMIR). At the end, each channel's mean and standard deviation over time are taken, as for
    speakers (Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker recognition",
    ICASSP): genre is in what happens how much and how varied, not in when. Frequency is kept, in a
    few broad bands, since bass and treble do not mean the same.

    Parameters
    ----------
    input_shape : (int, int)
        Frames, bins.
    genres : int
    width : int
        Channels of the first layer; each further one has twice as many.
    depth : int
        Number of 3×3 convolutions.
    dropout : float
        Before the classifier.
    augmentation : keras.Layer, optional
        Takes and gives float (batch, frames, bins).

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

    Blocks of two 3×3 convolutions add to what they were given instead of replacing it (He, Zhang,
    Ren and Sun 2016, "Deep residual learning for image recognition", CVPR), each normalised and
    rectified before it, not after ("Identity mappings in deep residual networks", ECCV 2016), so
    that the sum passes from block to block untouched. The beginning and the end are those of
    `cnn`, and so is the number of multiplications: width doubles with every halving of the
    resolution, beginning one block later.

    Takes the arguments of `cnn`; ``width`` is the channels of the first layer and the first block,
    each further block has twice as many; ``depth`` is the number of blocks.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
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
    Computation 9) reads frames of 84 ms, made of those of 21 ms by a convolution over time with
    all bins as its channels: a quarter of the steps, which no processor can take side by side.
    As in `cnn`, the mean and the standard deviation over time of what the cells say go to the
    classifier: their last state alone remembers the last seconds best.

    Takes the arguments of `cnn`; ``width`` is the number of cells in each direction, and the
    channels of the convolution; ``depth`` is the number of recurrent layers.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
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

    As `lstm`, with simpler cells of three quarters the weights (Cho et al. 2014, "Learning phrase
    representations using RNN encoder-decoder for statistical machine translation", EMNLP).

    Takes the arguments of `cnn`; ``width`` is the number of cells in each direction, and the
    channels of the convolution; ``depth`` is the number of recurrent layers.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
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
    """Build a network of convolutions whose frames two recurrent layers sum up.

    Choi, Fazekas, Sandler and Cho 2017, "Convolutional recurrent neural networks for music
    classification", ICASSP: convolutions find local patterns and pool frequency away, two layers
    of gated recurrent units read what is left from frame to frame, and the state of the second
    after the last frame is the summary. Time is pooled twice only, to 336 ms, lest nothing be left
    to read.

    Takes the arguments of `cnn`; ``width`` is the channels of the first layer, each further
    convolution has twice as many, each recurrent layer four times; ``depth`` is the number of 3×3
    convolutions.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
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
    """Build a shallow network on what describes texture windows: the choice for few labels.

    Windows of 2.5 s (the texture windows of Tzanetakis and Cook 2002, "Musical genre
    classification of audio signals", IEEE Transactions on Speech and Audio Processing 10) are
    described by each bin's mean, standard deviation and mean absolute step, and by modulation
    spectra, of bands and of the cepstrum: how strongly the sound swings at which rate (Lee, Shih,
    Yu and Lin 2009, "Automatic music genre classification based on modulation spectral analysis of
    spectral and cepstral features", IEEE Transactions on Multimedia 11). The descriptions go
    through a hidden layer that all windows share, and the mean over windows to the classifier
    (Hamel, Lemieux, Bengio and Eck 2011, "Temporal pooling and multiscale learning for automatic
    annotation and ranking of music audio", ISMIR).

    It is meant for few labels. A convolutional network has to find out from the labels which
    patterns matter, and from some hundred segments it learns artists and recordings instead, until
    it makes no mistake in training; here patterns known to matter are given, and the labels only
    have to weigh them. Unlike a support-vector machine, it can be augmented, and its time grows in
    step with the data. ``results/real_music`` has the numbers, and those of what else was tried.

    Takes the arguments of `cnn`; ``width`` is the units of a hidden layer, ``depth`` the number of
    hidden layers (two were worse than one), ``dropout`` also that of the statistics.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
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
        # cuDNN's kernels cannot be compiled together with the rest of a network by XLA.
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
