"""The network of stage 1: a function from the shape of an image to a Keras model."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from common.errors import UserError
from common.nn.blocks import classifier, convolution, max_pool, statistics
from common.records.quantization import FULL_SCALE

STEM_COLUMNS = 155
"""To about how many columns the first layer brings an image, whatever its size."""


@keras.saving.register_keras_serializable(package="spectrogram_image")
class SlidingWindows(layers.Layer):
    """Cut windows out of time: (batch, frames, …) → (batch, windows, window, …).

    Parameters
    ----------
    window : int > 0
        Frames of a window.
    shift : int > 0
        Frames from one window to the next. What is left at the end is not looked at.
    """

    def __init__(self, window: int, shift: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window
        self.shift = shift

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Cut."""
        starts = range(0, x.shape[1] - self.window + 1, self.shift)
        return ops.stack([x[:, start : start + self.window] for start in starts], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer was made with."""
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

    A first layer reads square patches side by side, as large as brings every size of image to
    about the same number of them (Dosovitskiy et al. 2021, "An image is worth 16×16 words", ICLR),
    so that images of all sizes are judged by networks of the same depth and nearly the same cost.
    Convolutions with max-pooling follow, and the mean and standard deviation of each channel over
    time, bands of frequency kept apart, as in stage 2.

    With a window, the image is read as a sequence: windows slide over time, one network reads each
    of them, and a gated recurrent unit reads what it says (Choi, Fazekas, Sandler and Cho 2017,
    "Convolutional recurrent neural networks for music classification", ICASSP).

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of an image.
    genres : int
    width : int
        Channels of the first layer; each further one has twice as many.
    depth : int
        Number of 3×3 convolutions.
    dropout : float
        Before the classifier.
    window, shift : int, optional
        Pixels of a sliding window and from one to the next, rounded to patches; by default there
        are none, and with a window alone, half of it is the shift.
    augmentation : keras.Layer, optional
        Takes and gives float (batch, height, width, channels).

    Returns
    -------
    keras.Model
        uint8 (batch, height, width, channels) → float32 (batch, genres).

    Raises
    ------
    UserError
        If the window is wider than the image, or there is a shift without a window.
    """
    height, columns, _ = input_shape
    patch = max(1, round(columns / STEM_COLUMNS))
    inputs = keras.Input(input_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / FULL_SCALE, name="as_float")(inputs)
    x = x if augmentation is None else augmentation(x)
    x = convolution(x, width, kernel=min(patch, height), strides=min(patch, height))
    x = layers.Permute((2, 1, 3), name="time_first")(x)
    if window is None and shift is None:
        return classifier(inputs, _read(x, width, depth), genres, dropout, "cnn")
    x = _windows(x, window, shift, patch, columns)
    windows = x.shape[1]
    # All windows as one batch, which is several times as fast as TimeDistributed.
    x = _read(ops.reshape(x, (-1, *x.shape[2:])), width, depth)
    x = ops.reshape(x, (-1, windows, x.shape[1]))
    x = layers.GRU(4 * width, use_cudnn=False)(x)
    return classifier(inputs, x, genres, dropout, "cnn")


def _read(x: keras.KerasTensor, width: int, depth: int) -> keras.KerasTensor:
    """Convolve, pool and sum up: (batch, frames, bands, c) → float32 (batch, n)."""
    for block in range(1, depth + 1):
        x = max_pool(x, 2, 2)
        x = convolution(x, width * 2**block)
    return statistics(x)


def _windows(
    x: keras.KerasTensor, window: int | None, shift: int | None, patch: int, columns: int
) -> keras.KerasTensor:
    """Cut (batch, frames, bands, c) into windows given in pixels."""
    if window is None:
        raise UserError("a shift needs a window that is shifted: give both")
    if not 0 < window <= columns or not 0 < (shift or 1) <= columns:
        raise UserError(f"a window of {window} pixels does not fit an image of {columns}")
    length = max(1, round(window / patch))
    step = max(1, round((shift or window / 2) / patch))
    return SlidingWindows(min(length, x.shape[1]), step, name="windows")(x)
