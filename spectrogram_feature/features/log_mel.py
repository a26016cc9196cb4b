"""Log-mel features: a segment's power in mel bands, on the scale that musicnn was trained on.

The power of a short-time Fourier transform (Hann window), added up in triangular bands that are
equally wide on Slaney's mel scale [1]_, each divided by its width, then ``log10(1 + 10,000 x)``. It
is what ``librosa.feature.melspectrogram`` [2]_ gives at these settings with
``pad_mode="reflect"``, as it did when musicnn was trained [3]_.

musicnn's output depends on the level of a recording, so `LogMel.features` and `LogMelLayer` scale
each segment to the same root mean square first. `LogMel.levels` does not scale.

NumPy and SciPy suffice: a worker that extracts features imports neither librosa nor TensorFlow.
`spectrogram_feature.features.log_mel_layer` has the same computation as a Keras layer.

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

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from common.errors import UserError
from common.records.quantization import as_bytes, as_float
from spectrogram_feature.features.parameters import SegmentParameters

KIND = "log-mel"

_HZ_PER_MEL = 200 / 3  # below 1 kHz, where Slaney's scale is linear
_LINEAR_HZ = 1000.0
_STEPS_PER_LOG = 27 / math.log(6.4)  # above, where it is logarithmic

QUIETEST = 1e-6
"""Root mean square below which a segment is scaled no further: 120 dB below full scale."""


@dataclass(frozen=True)
class LogMelParameters(SegmentParameters):
    """Everything that decides what the numbers of log-mel features mean.

    Parameters
    ----------
    sample_rate : int > 0
        Samples per second of the audio, Hz.
    segment_seconds : float > 0
        Length of a segment, s.
    hop_length : int > 0
        Samples from one frame to the next.
    n_bins : int > 0
        Number of mel bands, from 0 Hz to half the sampling rate.
    window_length : int > 0
        Of the transform, in samples.
    loudness : float > 0
        Root mean square that each segment is scaled to. The default is 18 dB below full scale,
        the median of the excerpts in ``results/real_music``.
    gain : float > 0
        What power is multiplied by before 1 is added and the logarithm taken.
    ceiling : float > 0
        Logarithms above this are clipped. A sine of full scale reaches 6.9.

    Raises
    ------
    UserError
        If a value has the wrong type or is not positive, or the segment is not longer than a
        window.
    """

    sample_rate: int = 16_000
    segment_seconds: float = 10.0
    hop_length: int = 256
    n_bins: int = 96
    window_length: int = 512
    loudness: float = 0.125
    gain: float = 10_000.0
    ceiling: float = 7.0

    def __post_init__(self) -> None:
        """Refuse values that no features can be made of."""
        super().__post_init__()
        if self.segment_samples <= self.window_length:
            raise UserError(
                f"segment_seconds={self.segment_seconds} at sample_rate={self.sample_rate} is no "
                f"more than window_length={self.window_length}: take a longer segment"
            )

    @property
    def edges(self) -> np.ndarray:
        """Where bands begin, culminate and end, Hz [shape=(n_bins + 2,), float64].

        Band ``k`` begins at ``edges[k]``, culminates at the next one and ends at the one after it.
        """
        return _mel_to_hz(np.linspace(0, _hz_to_mel(self.sample_rate / 2), self.n_bins + 2))

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequencies of the bands, Hz [shape=(n_bins,), float64]."""
        return self.edges[1:-1]

    @property
    def dynamic_range(self) -> float:
        """How far the ceiling is above what counts as silence, dB."""
        return 10 * self.ceiling

    @property
    def reference(self) -> str:
        """What has 0 dB: silence, in all segments alike."""
        return "silence"

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB above silence; see `SegmentParameters.decibels`."""
        return as_float(features) * self.dynamic_range


class LogMel:
    """The log-mel features of segments of sound.

    Parameters
    ----------
    parameters : LogMelParameters
        What to compute.

    Examples
    --------
    >>> LogMel().features(np.zeros(160_000, np.float32)).shape
    (626, 96)
    """

    def __init__(self, parameters: LogMelParameters | None = None) -> None:
        self.parameters = parameters or LogMelParameters()
        phase = 2 * np.pi * np.arange(self.parameters.window_length) / self.parameters.window_length
        self.window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self.bands = mel_bands(self.parameters)

    def scaled(self, samples: np.ndarray) -> np.ndarray:
        """Remove the mean of each segment and scale it to the loudness of the parameters.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]

        Returns
        -------
        np.ndarray [shape=(..., n), float32]
            Quieter than the loudness where a segment is quieter than `QUIETEST`; 0 for silence.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        samples = _finite(samples)
        centred = samples - samples.mean(axis=-1, keepdims=True, dtype=float).astype(np.float32)
        level = np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True))
        return centred * (self.parameters.loudness / np.maximum(level, QUIETEST))

    def levels(self, samples: np.ndarray) -> np.ndarray:
        """Compute the logarithms that musicnn takes.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more mono signals, each longer than half a window. At its ends a signal is
            reflected.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), float32]
            Time first; 0 for silence.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        samples = _finite(samples)
        *batch, length = samples.shape
        signals = samples.reshape(math.prod(batch), length)
        frames = 1 + length // self.parameters.hop_length
        levels = np.empty((len(signals), frames, self.parameters.n_bins), np.float32)
        # One at a time stays in the processor's cache.
        for signal, result in zip(signals, levels, strict=True):
            np.matmul(self._power(signal), self.bands, out=result)
        levels *= self.parameters.gain
        return np.log10(1 + levels).reshape(*batch, frames, self.parameters.n_bins)

    def _power(self, signal: np.ndarray) -> np.ndarray:
        """Compute the power spectra (frames, window_length // 2 + 1) of one signal (n,)."""
        length, hop = self.parameters.window_length, self.parameters.hop_length
        padded = np.pad(signal, length // 2, mode="reflect")
        spectra = scipy.fft.rfft(sliding_window_view(padded, length)[::hop] * self.window)
        return spectra.real**2 + spectra.imag**2

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Compute what is stored: levels of scaled segments up to the ceiling, in 8 bits.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more segments.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), uint8]
            0 for silence, 255 at the ceiling and above.

        Raises
        ------
        UserError
            If a sample is NaN or infinite.
        """
        return as_bytes(np.minimum(self.levels(self.scaled(samples)) / self.parameters.ceiling, 1))


def _finite(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples, np.float32)
    if not np.isfinite(samples).all():
        raise UserError("the samples hold NaN or infinity: decode the audio anew or skip it")
    return samples


def mel_bands(parameters: LogMelParameters) -> np.ndarray:
    """Make the triangles that add up the power of each band, divided by the band's width.

    Returns
    -------
    np.ndarray [shape=(window_length // 2 + 1, n_bins), float32]
    """
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
