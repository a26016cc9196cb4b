"""What the networks share beyond `common.nn.blocks`: their beginning, and texture windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import scipy.fft
from keras import layers, ops

from common.nn.blocks import BATCH_NORM_MOMENTUM, EPSILON, convolution, rectified
from common.records.quantization import FULL_SCALE

FRAMES_PER_STEP = 4
"""How many frames the first layer joins: 21 ms each, four are 84 ms."""

TEXTURE_FRAMES = 120
"""How many frames a texture window has: 2.5 s, the length of a bar or two."""

BINS_PER_BAND = 3
"""How many semitones share a modulation spectrum: a quarter of an octave."""

MODULATION_FLOOR = 3e-6
"""Added to the power of modulations: that of a swing of 0.3 dB, the step in which features are
stored. Without it, rounding would weigh in a quiet bin what rhythm weighs in a loud one."""


class _InWindows(layers.Layer):
    """What describes windows side by side, all equally long; what is left at the end is ignored.

    Parameters
    ----------
    frames : int
        How long a window should be. Those of a segment are made as near to this as they can be
        while filling it, and a segment of less is one window.
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
        """Describe windows that are cut already: (batch, windows, frames, bins) → (…, n)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Give what the layer was made with."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class TextureWindows(_InWindows):
    """Statistics of bins in windows: (batch, frames, bins) → (batch, windows, 3 bins).

    Of each bin the mean, the standard deviation and the mean absolute step between neighbouring
    frames.
    """

    def describe(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Summarise: (batch, windows, frames, bins) → (batch, windows, 3 bins)."""
        deviation = ops.sqrt(ops.var(x, axis=2) + EPSILON)
        step = ops.mean(ops.abs(x[:, :, 1:] - x[:, :, :-1]), axis=2)
        return ops.concatenate([ops.mean(x, axis=2), deviation, step], axis=-1)


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class ModulationSpectrum(_InWindows):
    """How strongly what is given fluctuates at which rate: (batch, frames, bins) → (…, windows, n).

    The power spectrum of each bin's course over a window (Hann), averaged over neighbouring bins
    and over rates that widen with the rate, in logarithms: n is rates times bands. In windows of
    120 frames of 21 ms, the rates are 11, from 0.4 Hz, a slow swell, through the beat and its
    divisions, to 24 Hz, a rough edge.

    Parameters
    ----------
    frames : int
        How long a window should be.
    bins_per_band : int
        How many neighbouring bins share a spectrum; the last band may have fewer.
    """

    def __init__(self, frames: int = TEXTURE_FRAMES, bins_per_band: int = 1, **kwargs: Any) -> None:
        super().__init__(frames, **kwargs)
        self.bins_per_band = bins_per_band

    def describe(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Transform: (batch, windows, frames, bins) → (batch, windows, rates · bands)."""
        _, windows, frames, bins = x.shape
        waves, rates = _rate_filters(frames)
        bands = _averages(np.arange(bins) // self.bins_per_band)
        # With time last, this is one product of matrices, twice as fast as with bins last.
        courses = ops.transpose(x - ops.mean(x, axis=2, keepdims=True), (0, 1, 3, 2))
        cosines, sines = ops.split(
            ops.einsum("bwkt,tf->bwkf", courses, self._constant(waves)), 2, 3
        )
        power = ops.square(cosines) + ops.square(sines)
        power = ops.einsum("bwkf,fr->bwrk", power, self._constant(rates))
        power = ops.einsum("bwrk,kn->bwrn", power, self._constant(bands))
        size = rates.shape[1] * bands.shape[1]
        return ops.reshape(ops.log(power + MODULATION_FLOOR), (-1, windows, size))

    def _constant(self, values: np.ndarray) -> np.ndarray:
        return values.astype(self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer was made with."""
        return {**super().get_config(), "bins_per_band": self.bins_per_band}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class Cepstrum(layers.Layer):
    """The broad shape of each frame's spectrum: (batch, frames, bins) → (batch, frames, bins / 3).

    The first third of its discrete cosine transform: loudness, brightness, and so on to ripples of
    half an octave (Davis and Mermelstein 1980, "Comparison of parametric representations for
    monosyllabic word recognition in continuously spoken sentences", IEEE TASSP 28, there of mel
    bands).
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Transform."""
        bins = x.shape[-1]
        waves = scipy.fft.dct(np.eye(bins), norm="ortho")[:, : -(-bins // 3)]
        return ops.einsum("btk,kc->btc", x, waves.astype(self.compute_dtype))


def _rate_filters(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Make windowed waves, and what averages their frequencies into rates.

    Returns
    -------
    waves : np.ndarray [shape=(frames, 2 * frequencies)]
        Cosines, then sines, of 1, 2, 3 … cycles.
    rates : np.ndarray [shape=(frequencies, rates)]
    """
    frequencies = np.arange(1, frames // 2 + 1)
    phase = 2 * np.pi * np.outer(np.arange(frames), frequencies) / frames
    window = np.hanning(frames + 2)[1:-1, None]
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * window / window.sum()
    edges = np.unique(np.round(2 ** np.arange(0, np.log2(frames), 0.5)))
    return waves, _averages(np.searchsorted(edges, frequencies, side="right"))


def _averages(group: np.ndarray) -> np.ndarray:
    """Make what averages the members of each group: (members, groups)."""
    within = group[:, None] == np.unique(group)
    return within / within.sum(axis=0)


def segments(
    input_shape: tuple[int, int], augmentation: keras.Layer | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Begin a network.

    Parameters
    ----------
    input_shape : (int, int)
        Frames, bins.
    augmentation : keras.Layer, optional
        Takes and gives float (batch, frames, bins).

    Returns
    -------
    inputs : uint8 (batch, frames, bins)
    x : float (batch, frames, bins)
        Between 0 and 1, augmented.
    """
    inputs = keras.Input(input_shape, dtype="uint8", name="features")
    x = layers.Rescaling(1 / FULL_SCALE, name="as_float")(inputs)
    return inputs, x if augmentation is None else augmentation(x)


def first_convolution(
    x: keras.KerasTensor,
    channels: int,
    convolve: Callable[..., keras.KerasTensor] = convolution,
) -> keras.KerasTensor:
    """Convolve over time and frequency: (batch, frames, bins) → (batch, frames / 4, bins, c).

    The kernels are 8 frames long and move by 4: from 21 ms, the frames become 84 ms, at a fraction
    of the cost of convolving all of them. Normalised and rectified by default.
    """
    x = layers.Reshape((*x.shape[1:], 1))(x)
    return convolve(x, channels, kernel=(2 * FRAMES_PER_STEP, 3), strides=(FRAMES_PER_STEP, 1))


def join_frames(x: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    """Convolve over time, bins being channels: (batch, frames, bins) → (batch, frames / 4, c).

    As `first_convolution`, but blind to which bins are neighbours.
    """
    x = layers.Conv1D(
        channels, 2 * FRAMES_PER_STEP, strides=FRAMES_PER_STEP, padding="same", use_bias=False
    )(x)
    return rectified(x)


def describe_windows(x: keras.KerasTensor) -> keras.KerasTensor:
    """Describe texture windows, standardised: (batch, frames, bins) → float32 (batch, windows, n).

    By what `TextureWindows` gives, and by the modulation spectra of bands and of the cepstrum. In
    float32 always, as in `statistics`.
    """
    parts = (
        TextureWindows(dtype="float32")(x),
        ModulationSpectrum(bins_per_band=BINS_PER_BAND, dtype="float32")(x),
        ModulationSpectrum(dtype="float32")(Cepstrum(dtype="float32")(x)),
    )
    # Steps between frames vary by some 3e-4 (squared), less than Keras' ε of 1e-3 added to it.
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=1e-4, dtype="float32")(
        layers.Concatenate(dtype="float32")(parts)
    )
