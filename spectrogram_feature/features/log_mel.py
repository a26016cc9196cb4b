"""Log-mel features: a segment's power in mel bands, on the scale that musicnn was trained on.

The power of a short-time Fourier transform (Hann window) is added up in triangular bands that are
equally wide on Slaney's mel scale [1]_, each divided by its width, then ``log10(1 + 10,000 x)``. It
equals ``librosa.feature.melspectrogram`` [2]_ at these settings with ``pad_mode="reflect"``, the
input on which musicnn was trained [3]_.

musicnn's output depends on the level of a recording, so `LogMel.features` scales each segment to
the same root mean square first. `LogMel.levels` does not scale.

The code needs NumPy and SciPy only: a worker that extracts features imports neither librosa nor
TensorFlow. `keras_layers.LogMelLayer` is the same computation as a Keras layer.

References
----------
.. [1] M. Slaney, "Auditory Toolbox, version 2", Interval Research Corporation, 1998.
.. [2] B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy, 2015.
.. [3] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking session of ISMIR, 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from common.errors import UserError
from common.records.quantization import dequantize, quantize
from spectrogram_feature.features.parameters import SegmentParameters, finite

_HZ_PER_MEL = 200 / 3  # below 1 kHz, where Slaney's scale is linear
_LINEAR_HZ = 1000.0
_STEPS_PER_LOG = 27 / math.log(6.4)  # above, where it is logarithmic

QUIETEST = 1e-6  # root mean square of the largest scaling: 120 dB below full scale


@dataclass(frozen=True)
class LogMelParameters(SegmentParameters):
    """Parameters of log-mel features.

    The default loudness is 18 dB below full scale, the median of the excerpts in
    ``results/real_music``. A sine of full scale reaches a logarithm of 6.9. A segment that is not
    longer than a window is a `UserError`; see also `SegmentParameters`.
    """

    sample_rate: int = 16_000
    segment_seconds: float = 10.0
    hop_length: int = 256
    n_bins: int = 96  # mel bands, from 0 Hz to half the sampling rate
    window_length: int = 512  # samples
    loudness: float = 0.125  # root mean square of each segment after scaling
    gain: float = 10_000.0  # factor of the power x in log10(1 + gain x)
    ceiling: float = 7.0  # logarithms are clipped above this

    reference: ClassVar[str] = "silence"

    def __post_init__(self) -> None:
        """Check the values, and the length of the segment."""
        super().__post_init__()
        if self.segment_samples <= self.window_length:
            raise UserError(
                f"segment_seconds={self.segment_seconds} at sample_rate={self.sample_rate} is no "
                f"more than window_length={self.window_length}: take a longer segment"
            )

    @property
    def edges(self) -> np.ndarray:
        """Edges and centres of the bands, Hz [shape=(n_bins + 2,), float64].

        Band ``k`` begins at ``edges[k]``, peaks at ``edges[k + 1]`` and ends at ``edges[k + 2]``.
        """
        return _mel_to_hz(np.linspace(0, _hz_to_mel(self.sample_rate / 2), self.n_bins + 2))

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequencies of the bands, Hz [shape=(n_bins,), float64]."""
        return self.edges[1:-1]

    @property
    def dynamic_range(self) -> float:
        """Difference between the ceiling and the level of silence, dB."""
        return 10 * self.ceiling

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB above silence; see `SegmentParameters.decibels`."""
        return dequantize(features) * self.dynamic_range


class LogMel:
    """The log-mel features of segments of sound.

    Examples
    --------
    >>> LogMel().features(np.zeros(160_000, np.float32)).shape
    (626, 96)
    """

    def __init__(self, parameters: LogMelParameters | None = None) -> None:
        self.parameters = parameters or LogMelParameters()
        phase = 2 * np.pi * np.arange(self.parameters.window_length) / self.parameters.window_length
        self.window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self.bands = _mel_bands(self.parameters)

    def scaled(self, samples: np.ndarray) -> np.ndarray:
        """Remove the mean of each segment (..., n) and scale it to the loudness.

        The result is quieter for segments below `QUIETEST`, and 0 for silence. NaN or infinity is a
        `UserError`.
        """
        samples = finite(samples)
        centred = samples - samples.mean(axis=-1, keepdims=True, dtype=float).astype(np.float32)
        level = np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True))
        return centred * (self.parameters.loudness / np.maximum(level, QUIETEST))

    def levels(self, samples: np.ndarray) -> np.ndarray:
        """Compute the logarithms that musicnn takes.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more mono signals, each longer than half a window, reflected at their ends. NaN
            or infinity is a `UserError`.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), float32]
            Time first; 0 for silence.
        """
        levels = self.parameters.by_signal(samples, self._band_power)
        levels *= self.parameters.gain
        return np.log10(1 + levels)

    def _band_power(self, signal: np.ndarray, power: np.ndarray) -> None:
        """Write the power [shape=(frames, n_bins)] of one signal [shape=(n,)]."""
        length, hop = self.parameters.window_length, self.parameters.hop_length
        padded = np.pad(signal, length // 2, mode="reflect")
        spectra = scipy.fft.rfft(sliding_window_view(padded, length)[::hop] * self.window)
        np.matmul(spectra.real**2 + spectra.imag**2, self.bands, out=power)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Quantize the levels of scaled segments (..., n), from silence (0) to the ceiling (255).

        Returns uint8 (..., 1 + n // hop_length, n_bins). NaN or infinity is a `UserError`.
        """
        return quantize(np.minimum(self.levels(self.scaled(samples)) / self.parameters.ceiling, 1))


def _mel_bands(parameters: LogMelParameters) -> np.ndarray:
    """Compute the weights of each band [shape=(window_length // 2 + 1, n_bins), float32]."""
    edges = parameters.edges
    bins = np.fft.rfftfreq(parameters.window_length, 1 / parameters.sample_rate)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (2 / (edges[2:] - edges[:-2]) * triangles).astype(np.float32)


def _hz_to_mel(frequency: float) -> float:
    if frequency <= _LINEAR_HZ:
        return frequency / _HZ_PER_MEL
    return _LINEAR_HZ / _HZ_PER_MEL + _STEPS_PER_LOG * math.log(frequency / _LINEAR_HZ)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = (mel - _LINEAR_HZ / _HZ_PER_MEL) / _STEPS_PER_LOG
    return np.where(above > 0, _LINEAR_HZ * np.exp(above), _HZ_PER_MEL * mel)
