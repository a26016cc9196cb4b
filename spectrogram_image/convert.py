"""Eight time-frequency representations of a recording.

Each function takes a `Sound` and returns a `Representation`: a matrix, lowest frequency first, with
the values of both axes and the scale of the vertical axis. librosa does the signal processing
[1]_; levels are in dB below the maximum. `spectrogram_image.images.rendering` makes images and
figures of them.

The recording's gain does not change the result. The tuning is A4 = 440 Hz, not estimated, so equal
excerpts have equal values up to the maximum that levels refer to.

References
----------
.. [1] B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy, 2015.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import librosa
import numpy as np

from common.errors import UserError
from spectrogram_image.sound import LEVELS, MEL_BANDS, Sound, in_decibels

# Importing librosa in a notebook warns of a missing widget that is not used here.
warnings.filterwarnings("ignore", message="IProgress not found")

CONSTANT_Q_BINS = 84
"""Semitones from C1 (32.7 Hz) to B7 (3,951 Hz)."""

TEMPO_LIMITS = (16.0, 480.0)
"""BPM: specshow's default range of a tempogram."""

TEMPO_WINDOW = 768
"""Frames, about 8 s: more than twice the longest lag in the image."""


@dataclass(frozen=True, eq=False)
class Representation:
    """A matrix over time and frequency, pitch class or tempo, ready to be drawn.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    values : np.ndarray [shape=(bins, frames), float32]
        Lowest frequency first, clipped to `limits`, the range of the colours.
    seconds : np.ndarray [shape=(frames,)]
        Centres of the frames.
    bins : np.ndarray [shape=(bins,)]
        Centres of the bins, rising: Hz, pitch classes from C on as 0 to 11, or BPM.
    axis : str
        Scale of the vertical axis: the ``y_axis`` of `librosa.display.specshow`.
    """

    kind: str
    title: str
    values: np.ndarray
    unit: str
    limits: tuple[float, float]
    seconds: np.ndarray
    bins: np.ndarray
    axis: str


def linear_spectrogram(sound: Sound) -> Representation:
    """Compute the power of the short-time Fourier transform on a linear axis."""
    bins = librosa.fft_frequencies(sr=sound.sample_rate, n_fft=sound.window)
    title = "Linear-frequency spectrogram"
    return _represent("linear", title, sound.levels, bins, "linear", sound)


def log_spectrogram(sound: Sound) -> Representation:
    """Compute the `linear_spectrogram` on a logarithmic axis."""
    linear = linear_spectrogram(sound)
    return replace(linear, kind="log", title="Log-frequency spectrogram", axis="log")


def mel_spectrogram(sound: Sound) -> Representation:
    """Compute the power in mel bands on the mel axis, which is linear up to 1 kHz."""
    # The centres of the bands. By default, specshow spreads the bands from 0 Hz to half the rate,
    # and the lowest and highest are off by a band.
    bins = librosa.mel_frequencies(MEL_BANDS + 2, fmin=0.0, fmax=sound.sample_rate / 2)[1:-1]
    return _represent("mel", "Mel spectrogram", sound.mel_levels, bins, "mel", sound)


def log_mel_spectrogram(sound: Sound) -> Representation:
    """Compute the `mel_spectrogram` on a logarithmic axis."""
    mel = mel_spectrogram(sound)
    return replace(mel, kind="log-mel", title="Log-frequency mel spectrogram", axis="log")


def constant_q(sound: Sound) -> Representation:
    """Compute the power of the constant-Q transform, one bin per semitone."""
    response = librosa.cqt(
        sound.samples,
        sr=sound.sample_rate,
        hop_length=sound.hop,
        n_bins=CONSTANT_Q_BINS,
        tuning=0.0,
    )
    levels = in_decibels(np.abs(response[:, : sound.frames]) ** 2)
    bins = librosa.cqt_frequencies(CONSTANT_Q_BINS, fmin=librosa.note_to_hz("C1"))
    return _represent("cqt", "Constant-Q power", levels, bins, "cqt_note", sound)


def linear_chromagram(sound: Sound) -> Representation:
    """Compute pitch classes from the short-time Fourier transform, with a maximum of 1 a frame."""
    chroma = librosa.feature.chroma_stft(S=sound.power, sr=sound.sample_rate, tuning=0.0)
    return _chromagram("chroma-stft", "Linear chromagram", chroma, sound)


def constant_q_chromagram(sound: Sound) -> Representation:
    """Compute pitch classes from the constant-Q transform, with a maximum of 1 a frame."""
    chroma = librosa.feature.chroma_cqt(
        y=sound.samples,
        sr=sound.sample_rate,
        hop_length=sound.hop,
        bins_per_octave=36,
        tuning=0.0,
    )
    return _chromagram("chroma-cqt", "Constant-Q chromagram", chroma[:, : sound.frames], sound)


def tempogram(sound: Sound) -> Representation:
    """Compute the local autocorrelation of the onset strength, 1 at a lag of zero.

    The onset strength is detrended, since its slow part correlates at all lags and hides the beat.
    Negative values are clipped to zero.

    Source: Grosche, Müller and Kurth 2010, "Cyclic tempogram: a mid-level tempo representation for
    music signals", ICASSP.
    """
    time = {"sr": sound.sample_rate, "hop_length": sound.hop}
    onsets = librosa.onset.onset_strength(
        S=sound.mel_levels, n_fft=sound.window, detrend=True, **time
    )
    repetition = librosa.feature.tempogram(onset_envelope=onsets, win_length=TEMPO_WINDOW, **time)
    lowest, highest = TEMPO_LIMITS
    frames_per_minute = 60 * sound.sample_rate / sound.hop
    # One lag beyond each limit, so that the cells cover the whole axis.
    lags = np.arange(
        math.ceil(frames_per_minute / lowest), int(frames_per_minute / highest) - 1, -1
    )
    bins = frames_per_minute / lags
    values = repetition[lags]
    return _represent("tempogram", "Tempogram", values, bins, "tempo", sound, "0…1", (0.0, 1.0))


KINDS: dict[str, Callable[[Sound], Representation]] = {
    "linear": linear_spectrogram,
    "log": log_spectrogram,
    "mel": mel_spectrogram,
    "log-mel": log_mel_spectrogram,
    "cqt": constant_q,
    "chroma-stft": linear_chromagram,
    "chroma-cqt": constant_q_chromagram,
    "tempogram": tempogram,
}


def convert(samples: np.ndarray, sample_rate: int, kind: str) -> Representation:
    """Compute a representation of finite mono samples (n,) by its name, a key of `KINDS`.

    For several representations of one recording, call the functions of `KINDS` on one `Sound`,
    which caches the shared intermediate results. An unknown kind is a `UserError`, invalid samples
    or a low sample rate a `ValueError`.
    """
    if kind not in KINDS:
        raise UserError(f"unknown representation {kind!r}: choose from {', '.join(KINDS)}")
    return KINDS[kind](Sound(samples, sample_rate))


def _chromagram(kind: str, title: str, chroma: np.ndarray, sound: Sound) -> Representation:
    return _represent(kind, title, chroma, np.arange(12.0), "chroma", sound, "0…1", (0.0, 1.0))


def _represent(
    kind: str,
    title: str,
    values: np.ndarray,
    bins: np.ndarray,
    axis: str,
    sound: Sound,
    unit: str = "dB",
    limits: tuple[float, float] = LEVELS,
) -> Representation:
    seconds = librosa.times_like(values, sr=sound.sample_rate, hop_length=sound.hop)
    # librosa's matrices are contiguous along the bins; rendering reads rows.
    values = np.ascontiguousarray(np.clip(values, *limits), dtype=np.float32)
    return Representation(kind, title, values, unit, limits, seconds, bins, axis)
