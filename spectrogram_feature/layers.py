"""Layers of the networks of stage 2: input, first convolution, texture windows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.nn.blocks import BATCH_NORM_MOMENTUM, EPSILON, first_strides, rectified
from common.records.quantization import FULL_SCALE

TEXTURE_FRAMES = 120  # length of a texture window in frames: 2.5 s, a bar or two
BINS_PER_BAND = 3  # bins averaged into one modulation spectrum: a quarter of an octave

MODULATION_FLOOR = 3e-6
"""Power of a modulation by 0.3 dB, the quantization step of features, added before the logarithm so
that quantization noise does not dominate quiet bins."""


class _InWindows(layers.Layer):
    """Descriptions of consecutive windows of equal length; a remainder at the end is dropped.

    Windows have about ``frames`` frames, the closest length that divides a segment into whole
    windows; a shorter segment is one window.
    """

    def __init__(self, frames: int = TEXTURE_FRAMES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Describe windows: (batch, frames, bins) → (batch, windows, n)."""
        _, frames, bins = x.shape
        windows = max(1, round(frames / self.frames))
        length = frames // windows
        return self.describe(ops.reshape(x[:, : windows * length], (-1, windows, length, bins)))

    def describe(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Describe windows: (batch, windows, frames, bins) → (batch, windows, n)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class TextureWindows(_InWindows):
    """Statistics of texture windows: (batch, frames, bins) → (batch, windows, 3 bins).

    Mean, standard deviation and mean absolute difference between consecutive frames, per bin.
    """

    def describe(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Compute the statistics: (batch, windows, frames, bins) → (batch, windows, 3 bins)."""
        deviation = ops.sqrt(ops.var(x, axis=2) + EPSILON)
        step = ops.mean(ops.abs(x[:, :, 1:] - x[:, :, :-1]), axis=2)
        return ops.concatenate([ops.mean(x, axis=2), deviation, step], axis=-1)


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class ModulationSpectrum(_InWindows):
    """Modulation spectra of texture windows: (batch, frames, bins) → (batch, windows, n).

    The power spectrum of each bin over a window (Hann), averaged over neighbouring bins and over
    bands of modulation rate that widen with the rate, in logarithms; n is rates times bands of
    bins. Windows of 120 frames of 21 ms have 11 rates from 0.4 Hz to 24 Hz. A band has
    ``bins_per_band`` neighbouring bins, the last one perhaps fewer.
    """

    def __init__(self, frames: int = TEXTURE_FRAMES, bins_per_band: int = 1, **kwargs: Any) -> None:
        super().__init__(frames, **kwargs)
        self.bins_per_band = bins_per_band

    def describe(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Compute the spectra: (batch, windows, frames, bins) → (batch, windows, rates · bands)."""
        _, windows, frames, bins = x.shape
        waves, rates = _rate_filters(frames)
        bands = _averages(np.arange(bins) // self.bins_per_band)
        size = rates.shape[1] * bands.shape[1]
        waves, rates, bands = (m.astype(self.compute_dtype) for m in (waves, rates, bands))
        # With time last, this is a single matrix product, twice as fast as with bins last.
        courses = ops.transpose(x - ops.mean(x, axis=2, keepdims=True), (0, 1, 3, 2))
        cosines, sines = ops.split(ops.einsum("bwkt,tf->bwkf", courses, waves), 2, 3)
        power = ops.square(cosines) + ops.square(sines)
        power = ops.einsum("bwkf,fr->bwrk", power, rates)
        power = ops.einsum("bwrk,kn->bwrn", power, bands)
        return ops.reshape(ops.log(power + MODULATION_FLOOR), (-1, windows, size))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "bins_per_band": self.bins_per_band}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class Cepstrum(layers.Layer):
    """Cepstrum of each frame: (batch, frames, bins) → (batch, frames, bins / 3).

    The first third of the discrete cosine transform (type II, orthonormal) over bins: the spectral
    envelope down to ripples of half an octave (Davis and Mermelstein 1980, "Comparison of
    parametric representations for monosyllabic word recognition in continuously spoken sentences",
    IEEE TASSP 28, with mel bands).
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Transform a batch."""
        bins = x.shape[-1]
        order = np.arange(-(-bins // 3))
        waves = np.cos(np.pi / bins * np.outer(np.arange(bins) + 0.5, order))
        waves *= np.where(order == 0, np.sqrt(1 / bins), np.sqrt(2 / bins))
        return ops.einsum("btk,kc->btc", x, waves.astype(self.compute_dtype))


def _rate_filters(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute windowed waves, and the averages of their frequencies over bands of rate.

    The shapes are (frames, 2 · frequencies), with cosines, then sines, of 1, 2, 3 … cycles per
    window, and (frequencies, rates).
    """
    frequencies = np.arange(1, frames // 2 + 1)
    phase = 2 * np.pi * np.outer(np.arange(frames), frequencies) / frames
    window = np.hanning(frames + 2)[1:-1, None]
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * window / window.sum()
    edges = np.unique(np.round(2 ** np.arange(0, np.log2(frames), 0.5)))
    return waves, _averages(np.searchsorted(edges, frequencies, side="right"))


def _averages(group: np.ndarray) -> np.ndarray:
    """Compute the matrix that averages the members of each group [shape=(members, groups)]."""
    within = group[:, None] == np.unique(group)
    return within / within.sum(axis=0)


def segments(
    input_shape: tuple[int, int], augmentation: keras.Layer | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Create the input of a network, uint8 (batch, frames, bins); scale it to 0…1 and augment it.

    Returns the input and the float output, of the same shape.
    """
    inputs = keras.Input(input_shape, dtype="uint8", name="features")
    x = layers.Rescaling(1 / FULL_SCALE, name="as_float")(inputs)
    return inputs, x if augmentation is None else augmentation(x)


def as_image(x: keras.KerasTensor) -> keras.KerasTensor:
    """Add an axis of one channel: (batch, frames, bins) → (batch, frames, bins, 1)."""
    return layers.Reshape((*x.shape[1:], 1))(x)


def join_frames(x: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    """Convolve over time with bins as channels: (batch, frames, bins) → (batch, frames / s, c)."""
    stride, _ = first_strides(*x.shape[1:])
    x = layers.Conv1D(channels, 2 * stride + 1, strides=stride, padding="same", use_bias=False)(x)
    return rectified(x)


def describe_windows(x: keras.KerasTensor) -> keras.KerasTensor:
    """Describe texture windows, batch-normed: (batch, frames, bins) → float32 (batch, windows, n).

    Concatenates `TextureWindows` and the modulation spectra of bands and of the cepstrum.
    """
    parts = (
        TextureWindows(dtype="float32")(x),
        ModulationSpectrum(bins_per_band=BINS_PER_BAND, dtype="float32")(x),
        ModulationSpectrum(dtype="float32")(Cepstrum(dtype="float32")(x)),
    )
    # Frame differences have a variance of about 3e-4, less than Keras' default ε of 1e-3.
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=1e-4, dtype="float32")(
        layers.Concatenate(dtype="float32")(parts)
    )
