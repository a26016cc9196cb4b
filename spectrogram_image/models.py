"""The network of stage 1, built for the shape of an image."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from common.errors import UserError
from common.nn.blocks import classifier, encode, first_convolution, first_strides, statistics
from common.records.quantization import FULL_SCALE


@keras.saving.register_keras_serializable(package="spectrogram_image")
class SlidingWindows(layers.Layer):
    """Cut windows along time: (batch, frames, …) → (batch, windows, window, …).

    The step is `shift` frames. A remainder at the end is dropped.
    """

    def __init__(self, window: int, shift: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window
        self.shift = shift

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Cut a batch."""
        starts = range(0, x.shape[1] - self.window + 1, self.shift)
        return ops.stack([x[:, start : start + self.window] for start in starts], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "window": self.window, "shift": self.shift}


def cnn(
    input_shape: tuple[int, int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    window: int | None = None,
    shift: int | None = None,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a convolutional network for images of spectrograms.

    The strides of the first layer scale with the image, so that images of all sizes have the same
    number of columns and rows after it, and later layers the same cost. Convolutions with
    max-pooling follow, then the mean, standard deviation and maximum over time of each channel and
    band.

    With ``window``, the image is a sequence of windows over time: one network processes each
    window, and a gated recurrent unit their outputs (Choi, Fazekas, Sandler and Cho 2017,
    "Convolutional recurrent neural networks for music classification", ICASSP).

    The model maps uint8 (batch, height, width, channels) to probabilities, float32 (batch, genres).

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of an image.
    width : int
        Channels of the first layer; each further layer doubles them.
    depth : int
        Number of 3×3 convolutions before the last.
    dropout : float
        Rate before the classification head.
    window, shift : int, optional
        Width and step of a sliding window in pixels, rounded to columns of the first layer's
        output. The default step is half a window. A `UserError` if the window does not fit the
        image.
    augmentation : keras.Layer, optional
        Applied to float (batch, height, width, channels).
    """
    height, columns, _ = input_shape
    inputs = keras.Input(input_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / FULL_SCALE, name="as_float")(inputs)
    x = x if augmentation is None else augmentation(x)
    strides = first_strides(columns, height)
    x = first_convolution(x, width, strides[::-1])
    x = layers.Permute((2, 1, 3), name="time_first")(x)
    if window is None and shift is None:
        return classifier(inputs, statistics(encode(x, width, depth)), genres, dropout, "cnn")
    x = cut_windows(x, window, shift, strides[0], columns)
    windows = x.shape[1]
    # A single batch of all windows is several times as fast as TimeDistributed.
    x = statistics(encode(ops.reshape(x, (-1, *x.shape[2:])), width, depth))
    x = ops.reshape(x, (-1, windows, x.shape[1]))
    x = layers.GRU(4 * width, use_cudnn=False)(x)
    return classifier(inputs, x, genres, dropout, "cnn")


def cut_windows(
    x: keras.KerasTensor, window: int | None, shift: int | None, stride: int, columns: int
) -> keras.KerasTensor:
    """Cut (batch, frames, bands, c) into windows of a size in pixels."""
    if window is None:
        raise UserError("a shift needs a window: give both")
    if not 0 < window <= columns or not 0 < (shift or 1) <= columns:
        raise UserError(f"a window of {window} pixels does not fit an image of {columns}")
    length = max(1, round(window / stride))
    step = max(1, round((shift or window / 2) / stride))
    return SlidingWindows(min(length, x.shape[1]), step, name="windows")(x)
