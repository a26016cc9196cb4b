"""Constant-Q features: a segment's magnitudes on a musical frequency axis, as 8-bit decibels.

The constant-Q transform correlates the signal with windowed complex exponentials whose frequencies
rise geometrically and whose lengths are a fixed number of periods [1]_. It is computed an octave at
a time, from the top. The sampling rate is halved repeatedly, so that the kernels of every octave
have about the same, short length [2]_. An octave is then one matrix product.

The values agree with ``librosa.cqt(..., sparsity=0, tuning=0.0)`` [3]_ to 0.2 dB, wherever they
are within 60 dB of the maximum, the first and last frames included. librosa halves the rate while
the hop remains a whole number of samples. After each halving it drops the resampler's output beyond
the signal's ends, which affects sounds that begin or end abruptly. It multiplies spectra without
negative frequencies, which affects bins near half the rate and far below loud ones. This module
uses the same resampler as often, and its kernels lack the same frequencies. A much shorter filter,
which drops nothing, halves the rate further for octaves that librosa keeps at a higher rate than
necessary; one set of kernels for each fraction of a sample then centres the frames. (Where librosa
lowers the rate before the highest octave, it may count one frame more, beyond the signal's last
sample.)

Kernels are made once. The code needs NumPy and soxr only: a worker that extracts features imports
neither librosa nor TensorFlow. `features.keras_layers.ConstantQLayer` is the same computation as a
Keras layer.

References
----------
.. [1] J. C. Brown, "Calculation of a constant Q spectral transform", Journal of the Acoustical
   Society of America 89(1), 1991.
.. [2] C. Schörkhuber and A. Klapuri, "Constant-Q transform toolbox for music processing", Sound
   and Music Computing Conference, 2010.
.. [3] B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy, 2015.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from common.records.quantization import quantize
from spectrogram_feature.features.constant_q_kernels import (
    BLOCK,
    decimation_matrix,
    half_band,
    rates,
)
from spectrogram_feature.features.parameters import FeatureParameters

SILENCE = 1e-15  # largest magnitude of a silent segment


class ConstantQ:
    """The constant-Q transform of segments of sound.

    Samples are real (..., n), of one or more mono signals, and taken as silent beyond their ends;
    NaN or infinity is a `UserError`. Results have the shape (..., 1 + n // hop_length, n_bins).

    Examples
    --------
    >>> ConstantQ().features(np.zeros(220_500, np.float32)).shape
    (480, 84)
    """

    def __init__(self, parameters: FeatureParameters | None = None) -> None:
        self.parameters = parameters or FeatureParameters()
        self.rates = rates(self.parameters)
        self.halving = decimation_matrix(half_band(), 2, BLOCK)

    def magnitude(self, samples: np.ndarray) -> np.ndarray:
        """Compute the magnitudes of the constant-Q transform, float32.

        The magnitude of a sine of amplitude ``a`` at a bin's frequency is about ``a / 2`` times the
        square root of the bin's window length in samples.
        """
        return self.parameters.by_signal(samples, self.write_magnitude)

    def write_magnitude(self, samples: np.ndarray, magnitude: np.ndarray) -> None:
        """Write the magnitudes [shape=(frames, n_bins)] of one signal [shape=(n,)]."""
        halvings = 0
        for rate in self.rates:
            if rate.halvings > halvings:
                samples = soxr.resample(samples, 2 ** (rate.halvings - halvings), 1, quality="HQ")
                halvings = rate.halvings
            layout = rate.layout(samples.size)
            origin, length = layout[0]
            signal = np.zeros(length, np.float32)
            signal[origin : origin + samples.size] = samples
            level = halvings
            for octave in rate.octaves:
                while level < octave.level:
                    signal = self.halve(signal)
                    level += 1
                place = layout[level - halvings]
                starts = octave.starts(len(magnitude), self.parameters.hop_length, *place)
                windows = sliding_window_view(signal, octave.kernels.shape[1])[starts]
                response = np.abs((windows @ octave.kernels).view(np.complex64))
                in_time = response.swapaxes(0, 1).reshape(-1, response.shape[-1])
                magnitude[:, octave.bins] = in_time[: len(magnitude)]

    def halve(self, signal: np.ndarray) -> np.ndarray:
        """Halve the rate of a signal with a short filter."""
        parts = signal.reshape(-1, 2 * BLOCK) @ self.halving
        return (parts[:-1, :BLOCK] + parts[1:, BLOCK:]).ravel()

    def decibels(self, samples: np.ndarray) -> np.ndarray:
        """Compute levels relative to each segment's maximum, dB.

        They range from ``-dynamic_range``, the level of silence, to 0, float32.
        """
        lowest = -self.parameters.dynamic_range
        magnitude = self.magnitude(samples)
        magnitude /= np.maximum(magnitude.max(axis=(-2, -1), keepdims=True), SILENCE)
        np.maximum(magnitude, 10 ** (lowest / 20), out=magnitude)
        return np.maximum(20 * np.log10(magnitude), lowest)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Quantize levels, from ``-dynamic_range`` dB (0) to the segment's maximum (255), uint8."""
        return quantize(1 + self.decibels(samples) / self.parameters.dynamic_range)
