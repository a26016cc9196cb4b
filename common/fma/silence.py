"""The rule that separates silent segments from quiet ones."""

from __future__ import annotations

import functools

import numpy as np

SILENT = "is silent"  # reason of a segment or a file without sound
FINEST_STEP = 2.0**-23  # quantisation step of 24-bit samples, full scale being 1

FRAME_SECONDS = 0.1
AUDIBLE_FRAMES = 5
"""A segment is silent if fewer of its frames are audible: a click at a file's edge is no sound."""

STEPS = 1.5
"""RMS value of inaudible frames, in quantisation steps: dither of one step has at most 1.4."""

OF_OFFSET = 3e-6  # RMS error of a resampled constant, as a share of the constant

NOISE_RMS = 2.0**-14
"""RMS value up to which a noise is dither: two steps of 16 bits, in any format."""

FLAT = 2.5
"""Largest power of a band over the mean of the bands, up to which a spectrum is that of noise."""

BANDS = np.linspace(100, 3100, 13)
"""Edges of the bands, Hz: where all sample rates from 8 kHz on have sound."""


def is_silent(samples: np.ndarray, sr: int, step: float = FINEST_STEP) -> bool:
    """Return True if a segment has no sound, or only the noise of its quantisation.

    The segment (n,) is divided into frames of `FRAME_SECONDS`, and each frame's mean and trend (a
    parabola) are removed, so that a constant or drifting offset is silent. A frame is inaudible if
    its RMS value is at most `STEPS` quantisation steps of the decoded file, ``step``, or if it is
    at most `NOISE_RMS` and the spectrum is flat, as that of 16-bit dither in a file of 24 bits.
    Music at -90 dBFS in 24 bits is audible: its amplitude is hundreds of steps, and its spectrum is
    not flat. A segment is silent if fewer than `AUDIBLE_FRAMES` of its frames are audible; if it
    has fewer frames, all of them must be audible.
    """
    length = frame_length(sr)
    count = len(samples) // length
    frames = samples[: count * length].reshape(count, length)
    curves = trends(length)
    mean, trend = frames.mean(axis=1), frames @ curves
    offset = mean**2 + np.einsum("fc,fc->f", trend, trend) / length
    rms = np.sqrt(np.maximum(np.einsum("fs,fs->f", frames, frames) / length - offset, 0))
    # Subtraction before squaring is exact if the offset is much larger than the rest.
    near = rms <= np.maximum(NOISE_RMS, 1e-2 * np.sqrt(offset))
    rest = frames[near] - frames[near].mean(axis=1, keepdims=True, dtype=np.float64)
    rms[near] = (rest - rest @ curves @ curves.T).std(axis=1)
    audible = rms > STEPS * step + OF_OFFSET * np.abs(mean)
    required = min(AUDIBLE_FRAMES, max(1, count))
    doubtful = audible & (rms <= NOISE_RMS)
    if np.count_nonzero(audible & ~doubtful) >= required or not doubtful.any():
        return int(np.count_nonzero(audible)) < required
    quiet = frames[doubtful] - mean[doubtful, None] - trend[doubtful] @ curves.T
    spectra = np.fft.rfft(quiet * np.hanning(length).astype(np.float32))
    power = (spectra.real**2 + spectra.imag**2) @ band_matrix(sr)
    audible[doubtful] = power.max(axis=1) > FLAT * power.mean(axis=1)
    return int(np.count_nonzero(audible)) < required


def frame_length(sr: int) -> int:
    """Return the samples of a frame."""
    return max(1, round(FRAME_SECONDS * sr))


@functools.cache
def trends(length: int) -> np.ndarray:
    """Return an orthonormal line and parabola without offset [shape=(length, 2), float32]."""
    time = np.linspace(-1, 1, length)
    orthonormal, _ = np.linalg.qr(np.stack([np.ones(length), time, time**2], axis=1))
    return orthonormal[:, 1:].astype(np.float32)


@functools.cache
def band_matrix(sr: int) -> np.ndarray:
    """Return the matrix from power spectra to `BANDS` [shape=(frame_length // 2 + 1, bands)]."""
    bins = np.fft.rfftfreq(frame_length(sr), 1 / sr)[:, None]
    return ((bins >= BANDS[:-1]) & (bins < BANDS[1:])).astype(np.float32)
