"""Eight pictures of a sound: what they show, before it is drawn.

Each function takes a `Sound` and gives a `Representation`: a matrix, lowest frequency first, with
the values of both axes and the way the vertical one is drawn. librosa does the signal processing
[1]_; levels are in dB below the maximum. `spectrogram_image.images.rendering` makes images and
figures of them.

Nothing depends on the recording's gain, and A4 is 440 Hz, not estimated: a moment of music looks
the same whatever stands before and after it, but for the maximum that levels refer to.

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

# In a notebook, librosa's downloader asks for a widget that nothing here uses.
warnings.filterwarnings("ignore", message="IProgress not found")

CONSTANT_Q_BINS = 84
"""Semitones from C1 (32.7 Hz) to B7 (3,951 Hz)."""

CHROMA_BINS_PER_OCTAVE = 36
"""Of the constant-Q transform under the chromagram: three to a semitone, librosa's choice."""

TEMPO_LIMITS = (16.0, 480.0)
"""BPM: what specshow draws of a tempogram, unless told otherwise."""

TEMPO_WINDOW = 768
"""Frames, about 8 s: over twice the longest lag that is drawn."""


@dataclass(frozen=True, eq=False)
class Representation:
    """A picture of a sound that has not been drawn yet.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    title : str
        Its name for people.
    values : np.ndarray [shape=(bins, frames), float32]
        The lowest frequency first, all within `limits`.
    unit : str
        Of the values.
    limits : (float, float)
        The values that the colours span.
    seconds : np.ndarray [shape=(frames,)]
        Centres of the frames.
    bins : np.ndarray [shape=(bins,)]
        Centres of the bins, rising: Hz, pitch classes from C on as 0 to 11, or BPM.
    axis : str
        How the vertical axis is drawn: the ``y_axis`` of `librosa.display.specshow`.
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
    """Compute the power of the short-time Fourier transform, drawn on a linear axis."""
    bins = librosa.fft_frequencies(sr=sound.sample_rate, n_fft=sound.window)
    title = "Linear-frequency spectrogram"
    return _in_levels("linear", title, sound.levels, bins, "linear", sound)


def log_spectrogram(sound: Sound) -> Representation:
    """Compute what `linear_spectrogram` does, drawn on a logarithmic axis."""
    linear = linear_spectrogram(sound)
    return replace(linear, kind="log", title="Log-frequency spectrogram", axis="log")


def mel_spectrogram(sound: Sound) -> Representation:
    """Compute the power in mel bands, drawn on the mel axis: linear up to 1 kHz."""
    # The bands' true centres. specshow, not told, would spread the bands from 0 Hz to half the
    # rate, which puts the lowest and highest a band off.
    bins = librosa.mel_frequencies(MEL_BANDS + 2, fmin=0.0, fmax=sound.sample_rate / 2)[1:-1]
    return _in_levels("mel", "Mel spectrogram", sound.mel_levels, bins, "mel", sound)


def log_mel_spectrogram(sound: Sound) -> Representation:
    """Compute what `mel_spectrogram` does, drawn on a logarithmic axis."""
    mel = mel_spectrogram(sound)
    return replace(mel, kind="log-mel", title="Log-frequency mel spectrogram", axis="log")


def constant_q(sound: Sound) -> Representation:
    """Compute the power of the constant-Q transform, a bin a semitone."""
    response = librosa.cqt(
        sound.samples,
        sr=sound.sample_rate,
        hop_length=sound.hop,
        n_bins=CONSTANT_Q_BINS,
        tuning=0.0,
    )
    levels = in_decibels(np.abs(response[:, : sound.frames]) ** 2)
    bins = librosa.cqt_frequencies(CONSTANT_Q_BINS, fmin=librosa.note_to_hz("C1"))
    return _in_levels("cqt", "Constant-Q power", levels, bins, "cqt_note", sound)


def linear_chromagram(sound: Sound) -> Representation:
    """Compute the strength of the pitch classes from the short-time Fourier transform.

    The strongest of each frame is 1.
    """
    chroma = librosa.feature.chroma_stft(S=sound.power, sr=sound.sample_rate, tuning=0.0)
    return _represent("chroma-stft", "Linear chromagram", chroma, np.arange(12.0), "chroma", sound)


def constant_q_chromagram(sound: Sound) -> Representation:
    """Compute the strength of the pitch classes from the constant-Q transform.

    The strongest of each frame is 1.
    """
    chroma = librosa.feature.chroma_cqt(
        y=sound.samples,
        sr=sound.sample_rate,
        hop_length=sound.hop,
        bins_per_octave=CHROMA_BINS_PER_OCTAVE,
        tuning=0.0,
    )[:, : sound.frames]
    title = "Constant-Q chromagram"
    return _represent("chroma-cqt", title, chroma, np.arange(12.0), "chroma", sound)


def tempogram(sound: Sound) -> Representation:
    """Compute how strongly the onsets around each moment repeat at each tempo.

    It is the local autocorrelation of the onset strength, 1 at a lag of zero (Grosche, Müller and
    Kurth 2010, "Cyclic tempogram: a mid-level tempo representation for music signals", ICASSP).
    The slow part of the onset strength is taken out: it is alike at all lags and would hide the
    beat. Where the autocorrelation is below zero, nothing repeats, and it is shown as zero.
    """
    time = {"sr": sound.sample_rate, "hop_length": sound.hop}
    onsets = librosa.onset.onset_strength(
        S=sound.mel_levels, n_fft=sound.window, detrend=True, **time
    )
    repetition = librosa.feature.tempogram(onset_envelope=onsets, win_length=TEMPO_WINDOW, **time)
    lowest, highest = TEMPO_LIMITS
    frames_per_minute = 60 * sound.sample_rate / sound.hop
    # One lag beyond either limit, so that cells fill the axis to its ends.
    lags = np.arange(
        math.ceil(frames_per_minute / lowest), int(frames_per_minute / highest) - 1, -1
    )
    bins = frames_per_minute / lags
    return _represent("tempogram", "Tempogram", repetition[lags], bins, "tempo", sound)


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
    """Compute a representation by its name.

    Where several of one recording are wanted, make a `Sound` of it and call the functions of
    `KINDS`: they share what they have in common.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), floating-point]
    sample_rate : int
        Hz; both as `Sound` takes them.
    kind : str
        A key of `KINDS`.

    Returns
    -------
    Representation

    Raises
    ------
    UserError
        If there is no such kind.
    ValueError
        If the samples are not mono, floating-point and finite, or the rate is too low.
    """
    if kind not in KINDS:
        raise UserError(f"there is no representation {kind!r}: choose one of {', '.join(KINDS)}")
    return KINDS[kind](Sound(samples, sample_rate))


def _in_levels(
    kind: str, title: str, levels: np.ndarray, bins: np.ndarray, axis: str, sound: Sound
) -> Representation:
    return _represent(kind, title, levels, bins, axis, sound, unit="dB", limits=LEVELS)


def _represent(
    kind: str,
    title: str,
    values: np.ndarray,
    bins: np.ndarray,
    axis: str,
    sound: Sound,
    *,
    unit: str = "0…1",
    limits: tuple[float, float] = (0.0, 1.0),
) -> Representation:
    seconds = librosa.times_like(values, sr=sound.sample_rate, hop_length=sound.hop)
    # librosa's matrices run along the bins in memory; images are made row by row.
    values = np.ascontiguousarray(np.clip(values, *limits), dtype=np.float32)
    return Representation(kind, title, values, unit, limits, seconds, bins, axis)
