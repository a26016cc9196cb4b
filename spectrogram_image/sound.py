"""A recording, and what several representations of it are computed from, computed once."""

from __future__ import annotations

import math
from functools import cached_property

import librosa
import numpy as np

FRAMES_PER_SECOND = 94
"""About: the hop is the power of two next to it, 512 samples at 48 and 44.1 kHz, 256 at 22.05 kHz.

25 s at 48 kHz then have 2,344 frames, nearly one for each column of an image 2,480 wide. The
constant-Q transform halves the rate for every octave as long as the hop remains even.
"""

HOPS_PER_WINDOW = 8
"""A window of 85 to 93 ms, 11 to 12 Hz from bin to bin at these rates."""

MEL_BANDS = 256
"""As many as an image 308 high can show. Each is wider than the step of FFT bins: none is empty."""

LEVELS = (-80.0, 0.0)
"""dB relative to the maximum; what is quieter is raised to the lowest."""

SHORTEST_SECONDS = 4.0
"""Shorter sounds are completed by silence; the constant-Q chromagram's longest window is 3.1 s."""

LOWEST_SAMPLE_RATE = 11_025
"""Hz: of the common rates the lowest that holds the highest constant-Q bin with its whole band."""


class Sound:
    """Mono samples of a recording, with a maximum of 1.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), floating-point]
        At least one. Beyond its ends a sound is taken as silent.
    sample_rate : int
        Hz, at least `LOWEST_SAMPLE_RATE`.

    Attributes
    ----------
    samples : np.ndarray [shape=(at least n,), float32]
        Divided by their peak, and at least `SHORTEST_SECONDS` long.
    sample_rate : int
    hop : int
        Samples from one frame to the next.
    window : int
        Samples that a frame's spectrum is computed from.
    frames : int
        1 + n // hop: the first is centred on the first sample.

    Raises
    ------
    ValueError
        If the samples are not mono, floating-point and finite, or the rate is too low.
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
        # Squares of very loud or very quiet samples would leave the range of float32.
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
        """np.ndarray [shape=(MEL_BANDS, frames), float32]: in mel bands."""
        return librosa.feature.melspectrogram(S=self.power, sr=self.sample_rate, n_mels=MEL_BANDS)

    @cached_property
    def levels(self) -> np.ndarray:
        """np.ndarray [shape=(1 + window // 2, frames), float32]: of `power`, in dB."""
        return in_decibels(self.power)

    @cached_property
    def mel_levels(self) -> np.ndarray:
        """np.ndarray [shape=(MEL_BANDS, frames), float32]: of `mel_power`, in dB."""
        return in_decibels(self.mel_power)


def hop_length(sample_rate: int) -> int:
    """Give the number of samples from one frame to the next at a sample rate."""
    return 2 ** round(math.log2(sample_rate / FRAMES_PER_SECOND))


def in_decibels(power: np.ndarray) -> np.ndarray:
    """Turn power into dB below its maximum, as far down as `LEVELS` reach."""
    lowest, _ = LEVELS
    loudest = power.max()
    if loudest == 0:  # librosa would call silence 0 dB
        return np.full_like(power, lowest)
    return librosa.power_to_db(power / loudest, amin=10 ** (lowest / 10), top_db=None)
