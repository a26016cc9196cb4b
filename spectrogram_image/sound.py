"""A recording, with cached intermediate results of its representations."""

from __future__ import annotations

import math
from functools import cached_property

import librosa
import numpy as np

FRAMES_PER_SECOND = 94
"""Approximate: 25 s at 48 kHz have 2,344 frames, nearly one for each of 2,480 columns."""

HOPS_PER_WINDOW = 8
"""A window has 85 to 93 ms, and bins are 11 to 12 Hz apart, at 22.05 to 48 kHz."""

MEL_BANDS = 256
"""Each band is wider than the step between FFT bins, so that none is empty."""

LEVELS = (-80.0, 0.0)
"""dB relative to the maximum; lower levels are raised to the lowest."""

SHORTEST_SECONDS = 4.0
"""Shorter sounds are padded with silence; the chromagram's longest window has 3.1 s."""

LOWEST_SAMPLE_RATE = 11_025
"""Hz: the lowest common rate that contains the whole band of the highest constant-Q bin."""


class Sound:
    """Mono samples of a recording, with a maximum of 1.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), floating-point]
        At least one, finite; otherwise a `ValueError`. Silence is assumed before and after them.
    sample_rate : int
        Hz; a `ValueError` below `LOWEST_SAMPLE_RATE`.

    Attributes
    ----------
    samples : np.ndarray [shape=(at least n,), float32]
        Divided by their peak, and at least `SHORTEST_SECONDS` long.
    hop, window : int
        Samples from one frame to the next, and per frame.
    frames : int
        1 + n // hop: the first is centred on the first sample.
    """

    def __init__(self, samples: np.ndarray, sample_rate: int) -> None:
        samples = np.asarray(samples)
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating) or not samples.size:
            raise ValueError(
                "samples must be mono and floating-point, shape (n,) with n > 0, "
                f"not {samples.dtype} of shape {samples.shape}"
            )
        if sample_rate < LOWEST_SAMPLE_RATE:
            raise ValueError(
                f"sample_rate must be at least {LOWEST_SAMPLE_RATE}, not {sample_rate}"
            )
        peak = np.abs(samples).max()
        if not np.isfinite(peak):
            raise ValueError("samples must be finite, but hold NaN or infinity")
        # Squares of very high or very low samples would exceed the range of float32.
        normalised = (samples / (peak or 1)).astype(np.float32)
        missing = math.ceil(SHORTEST_SECONDS * sample_rate) - samples.size
        self.samples = np.pad(normalised, (0, max(missing, 0)))
        self.sample_rate = sample_rate
        self.hop = hop_length(sample_rate)
        self.window = HOPS_PER_WINDOW * self.hop
        self.frames = 1 + samples.size // self.hop

    @cached_property
    def power(self) -> np.ndarray:
        """np.ndarray [shape=(1 + window // 2, frames), float32]: of the Fourier transform."""
        spectrum = librosa.stft(self.samples, n_fft=self.window, hop_length=self.hop)
        return np.abs(spectrum[:, : self.frames]) ** 2

    @cached_property
    def mel_power(self) -> np.ndarray:
        """np.ndarray [shape=(MEL_BANDS, frames), float32]: power in mel bands."""
        return librosa.feature.melspectrogram(S=self.power, sr=self.sample_rate, n_mels=MEL_BANDS)

    @cached_property
    def levels(self) -> np.ndarray:
        """np.ndarray [shape=(1 + window // 2, frames), float32]: `power` in dB."""
        return in_decibels(self.power)

    @cached_property
    def mel_levels(self) -> np.ndarray:
        """np.ndarray [shape=(MEL_BANDS, frames), float32]: `mel_power` in dB."""
        return in_decibels(self.mel_power)


def hop_length(sample_rate: int) -> int:
    """Return the power of two, in samples, nearest to `FRAMES_PER_SECOND`.

    It is 512 at 48 and 44.1 kHz and 256 at 22.05 kHz. The constant-Q transform halves the rate for
    each octave as long as the hop is even.
    """
    return 2 ** round(math.log2(sample_rate / FRAMES_PER_SECOND))


def in_decibels(power: np.ndarray) -> np.ndarray:
    """Convert power to dB below its maximum, limited to `LEVELS`."""
    lowest, loudest = LEVELS[0], power.max()
    if loudest == 0:  # librosa would return 0 dB for silence
        return np.full_like(power, lowest)
    return librosa.power_to_db(power / loudest, amin=10 ** (lowest / 10), top_db=None)
