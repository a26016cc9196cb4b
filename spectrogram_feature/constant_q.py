"""Constant-Q features: a segment's magnitudes on a musical frequency axis, as 8-bit decibels.

The constant-Q transform correlates the signal with windowed complex exponentials whose frequencies
rise geometrically and whose lengths are a fixed number of periods [1]_. It is computed an octave at
a time, from the top, at a sampling rate that is halved again and again, so that every octave meets
kernels of about the same, short length [2]_. An octave is then one matrix product.

The values are those of ``librosa.cqt(..., sparsity=0, tuning=0.0)`` [3]_ to 0.2 dB, wherever they
are within 60 dB of the maximum, the first and last frames included. librosa halves the rate while
the hop remains a whole number of samples, and after each halving drops what the resampler leaves
beyond the signal's ends, which shows where a sound begins or ends abruptly. It multiplies spectra
without negative frequencies, which shows in bins near half the rate and far below loud ones. Here
the same resampler halves as often, and the kernels lack the same frequencies. Octaves that librosa
leaves at a higher rate than they need are taken further down by a much shorter filter, which drops
nothing; the fraction of a sample by which a frame then stands between two is built into the
kernels, one set per fraction. (Where librosa lowers the rate before the highest octave, it may
count one frame more, beyond the signal's last sample.)

Kernels are made once. NumPy and soxr suffice: a worker that extracts features imports neither
librosa nor TensorFlow. `features.constant_q_layer` has the same computation as a Keras
layer.

References
----------
.. [1] J. C. Brown, "Calculation of a constant Q spectral transform", Journal of the Acoustical
   Society of America 89(1), 1991.
.. [2] C. Schörkhuber and A. Klapuri, "Constant-Q transform toolbox for music processing", Sound
   and Music Computing Conference, 2010.
.. [3] B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy, 2015.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from common.errors import UserError
from common.records.quantization import as_bytes
from spectrogram_feature.features.constant_q_kernels import (
    BLOCK,
    decimation_matrix,
    half_band,
    rates,
)
from spectrogram_feature.features.parameters import FeatureParameters

SILENCE = 1e-15  # a segment whose largest magnitude is not above this holds no sound


class ConstantQ:
    """The constant-Q transform of segments of sound.

    Parameters
    ----------
    parameters : FeatureParameters
        What to compute.

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
        """Compute the magnitudes of the constant-Q transform.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more mono signals. Beyond its ends a signal is taken as silent.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), float32]
            Time first. A sine of amplitude ``a`` at a bin's frequency gives about ``a / 2`` times
            the square root of the bin's window length in samples.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        samples = np.asarray(samples, np.float32)
        if not np.isfinite(samples).all():
            raise UserError("the samples hold NaN or infinity: decode the audio anew or skip it")
        *batch, length = samples.shape
        segments = samples.reshape(math.prod(batch), length)
        frames = 1 + length // self.parameters.hop_length
        magnitude = np.empty((len(segments), frames, self.parameters.n_bins), np.float32)
        # One segment at a time stays in the processor's cache; a whole batch at once is slower.
        for segment, result in zip(segments, magnitude, strict=True):
            self._transform(segment, result)
        return magnitude.reshape(*batch, frames, self.parameters.n_bins)

    def _transform(self, samples: np.ndarray, magnitude: np.ndarray) -> None:
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
                    signal = self._halve(signal)
                    level += 1
                place = layout[level - halvings]
                starts = octave.starts(len(magnitude), self.parameters.hop_length, *place)
                windows = sliding_window_view(signal, octave.kernels.shape[1])[starts]
                response = np.abs((windows @ octave.kernels).view(np.complex64))
                in_time = response.swapaxes(0, 1).reshape(-1, response.shape[-1])
                magnitude[:, octave.bins] = in_time[: len(magnitude)]

    def _halve(self, signal: np.ndarray) -> np.ndarray:
        parts = signal.reshape(-1, 2 * BLOCK) @ self.halving
        return (parts[:-1, :BLOCK] + parts[1:, BLOCK:]).ravel()

    def decibels(self, samples: np.ndarray) -> np.ndarray:
        """Compute levels relative to each segment's maximum.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more segments.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), float32]
            dB, from ``-dynamic_range`` to 0; all ``-dynamic_range`` for silence.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        lowest = -self.parameters.dynamic_range
        magnitude = self.magnitude(samples)
        magnitude /= np.maximum(magnitude.max(axis=(-2, -1), keepdims=True), SILENCE)
        np.maximum(magnitude, 10 ** (lowest / 20), out=magnitude)
        return np.maximum(20 * np.log10(magnitude), lowest)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Compute what is stored: levels from the clipping point to the maximum, in 8 bits.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more segments.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), uint8]
            0 at ``-dynamic_range`` dB and below, 255 at the segment's maximum; zeros for silence.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        share = 1 + self.decibels(samples) / self.parameters.dynamic_range
        return as_bytes(share)
