"""Eight pictures of a sound: what they show, before it is drawn.

Each function takes mono samples and gives a `Representation`: a matrix, lowest frequency first,
with the values of both axes and the way the vertical one is drawn. librosa does the signal
processing [1]_; levels are in dB below the maximum. `spectrogram_image.image_rendering` makes
images and figures of them.

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

from fma_utils import UserError

# In a notebook, librosa's downloader asks for a widget that nothing here uses.
warnings.filterwarnings("ignore", message="IProgress not found")

FRAMES_PER_SECOND = 94
"""About: the hop is the power of two next to it, 512 samples at 48 and 44.1 kHz, 256 at 22.05 kHz.

25 s at 48 kHz then have 2,344 frames, nearly one for each column of an image 2,480 wide. The
constant-Q transform halves the rate for every octave as long as the hop remains even.
"""

HOPS_PER_WINDOW = 8
"""A window of 85 to 93 ms, 11 to 12 Hz from bin to bin at these rates."""

MEL_BANDS = 256
"""As many as an image 308 high can show. Each is wider than the step of FFT bins: none is empty."""

CONSTANT_Q_BINS = 84
"""Semitones from C1 (32.7 Hz) to B7 (3,951 Hz)."""

CHROMA_BINS_PER_OCTAVE = 36
"""Of the constant-Q transform under the chromagram: three to a semitone, librosa's choice."""

TEMPO_LIMITS = (16.0, 480.0)
"""BPM: what specshow draws of a tempogram, unless told otherwise."""

TEMPO_WINDOW = 768
"""Frames, about 8 s: over twice the longest lag that is drawn."""

LEVELS = (-80.0, 0.0)
"""dB relative to the maximum; what is quieter is raised to the lowest."""

SHORTEST_SECONDS = 4.0
"""Shorter sounds are completed by silence; the constant-Q chromagram's longest window is 3.1 s."""

LOWEST_SAMPLE_RATE = 11_025
"""Hz: of the common rates the lowest that holds the highest constant-Q bin with its whole band."""


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


def linear_spectrogram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute the power of the short-time Fourier transform, drawn on a linear axis.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), floating-point]
        Mono, at least one. Beyond its ends a sound is taken as silent.
    sample_rate : int
        Hz, at least `LOWEST_SAMPLE_RATE`.

    Returns
    -------
    Representation
        As all functions here, with 1 + n // hop frames, the first centred on the first sample.

    Raises
    ------
    ValueError
        If the samples are not mono, floating-point and finite, or the rate is too low.
    """
    power = _power(samples, sample_rate)
    bins = librosa.fft_frequencies(sr=sample_rate, n_fft=_window_length(sample_rate))
    return _levels("linear", "Linear-frequency spectrogram", power, bins, "linear", sample_rate)


def log_spectrogram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute what `linear_spectrogram` does, drawn on a logarithmic axis."""
    linear = linear_spectrogram(samples, sample_rate)
    return replace(linear, kind="log", title="Log-frequency spectrogram", axis="log")


def mel_spectrogram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute the power in mel bands, drawn on the mel axis: linear up to 1 kHz.

    Takes and raises what `linear_spectrogram` does.
    """
    power = _mel_power(samples, sample_rate)
    # The bands' true centres. specshow, not told, would spread the bands from 0 Hz to half the
    # rate, which puts the lowest and highest a band off.
    bins = librosa.mel_frequencies(MEL_BANDS + 2, fmin=0.0, fmax=sample_rate / 2)[1:-1]
    return _levels("mel", "Mel spectrogram", power, bins, "mel", sample_rate)


def log_mel_spectrogram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute what `mel_spectrogram` does, drawn on a logarithmic axis."""
    mel = mel_spectrogram(samples, sample_rate)
    return replace(mel, kind="log-mel", title="Log-frequency mel spectrogram", axis="log")


def constant_q(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute the power of the constant-Q transform, a bin a semitone.

    Takes and raises what `linear_spectrogram` does.
    """
    completed, frames = _completed(samples, sample_rate)
    response = librosa.cqt(
        completed,
        sr=sample_rate,
        hop_length=hop_length(sample_rate),
        n_bins=CONSTANT_Q_BINS,
        tuning=0.0,
    )
    power = np.abs(response[:, :frames]) ** 2
    bins = librosa.cqt_frequencies(CONSTANT_Q_BINS, fmin=librosa.note_to_hz("C1"))
    return _levels("cqt", "Constant-Q power", power, bins, "cqt_note", sample_rate)


def linear_chromagram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute the strength of the pitch classes from the short-time Fourier transform.

    The strongest of each frame is 1. Takes and raises what `linear_spectrogram` does.
    """
    chroma = librosa.feature.chroma_stft(S=_power(samples, sample_rate), sr=sample_rate, tuning=0.0)
    classes = np.arange(12.0)
    return _represent("chroma-stft", "Linear chromagram", chroma, classes, "chroma", sample_rate)


def constant_q_chromagram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute the strength of the pitch classes from the constant-Q transform.

    The strongest of each frame is 1. Takes and raises what `linear_spectrogram` does.
    """
    completed, frames = _completed(samples, sample_rate)
    chroma = librosa.feature.chroma_cqt(
        y=completed,
        sr=sample_rate,
        hop_length=hop_length(sample_rate),
        bins_per_octave=CHROMA_BINS_PER_OCTAVE,
        tuning=0.0,
    )
    chroma, classes = chroma[:, :frames], np.arange(12.0)
    return _represent("chroma-cqt", "Constant-Q chromagram", chroma, classes, "chroma", sample_rate)


def tempogram(samples: np.ndarray, sample_rate: int) -> Representation:
    """Compute how strongly the onsets around each moment repeat at each tempo.

    It is the local autocorrelation of the onset strength, 1 at a lag of zero (Grosche, Müller and
    Kurth 2010, "Cyclic tempogram: a mid-level tempo representation for music signals", ICASSP).
    The slow part of the onset strength is taken out: it is alike at all lags and would hide the
    beat. Where the autocorrelation is below zero, nothing repeats, and it is shown as zero.
    Takes and raises what `linear_spectrogram` does.
    """
    hop = hop_length(sample_rate)
    onsets = librosa.onset.onset_strength(
        S=_in_decibels(_mel_power(samples, sample_rate)),
        sr=sample_rate,
        n_fft=_window_length(sample_rate),
        hop_length=hop,
        detrend=True,
    )
    repetition = librosa.feature.tempogram(
        onset_envelope=onsets, sr=sample_rate, hop_length=hop, win_length=TEMPO_WINDOW
    )
    lowest, highest = TEMPO_LIMITS
    frames_per_minute = 60 * sample_rate / hop
    # One lag beyond either limit, so that cells fill the axis to its ends.
    lags = np.arange(
        math.ceil(frames_per_minute / lowest), int(frames_per_minute / highest) - 1, -1
    )
    bins = frames_per_minute / lags
    return _represent("tempogram", "Tempogram", repetition[lags], bins, "tempo", sample_rate)


KINDS: dict[str, Callable[[np.ndarray, int], Representation]] = {
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

    Takes and raises what `linear_spectrogram` does.

    Raises
    ------
    UserError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise UserError(f"there is no representation {kind!r}: choose one of {', '.join(KINDS)}")
    return KINDS[kind](samples, sample_rate)


def hop_length(sample_rate: int) -> int:
    """Give the number of samples from one frame to the next at a sample rate."""
    return 2 ** round(math.log2(sample_rate / FRAMES_PER_SECOND))


def _window_length(sample_rate: int) -> int:
    return HOPS_PER_WINDOW * hop_length(sample_rate)


def _completed(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    """Check the samples; return them with a peak of 1 and long enough, and the frames to keep."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating) or not samples.size:
        raise ValueError(
            "samples must be mono and floating-point, shape (n,) with n > 0, "
            f"not {samples.dtype} of shape {samples.shape}"
        )
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise ValueError(f"sample_rate must be at least {LOWEST_SAMPLE_RATE}, not {sample_rate}")
    peak = np.abs(samples).max()
    if not np.isfinite(peak):
        raise ValueError("samples must be finite, but hold NaN or infinity")
    # Squares of very loud or very quiet samples would leave the range of float32.
    samples = (samples / (peak or 1)).astype(np.float32)
    frames = 1 + samples.size // hop_length(sample_rate)
    missing = math.ceil(SHORTEST_SECONDS * sample_rate) - samples.size
    return np.pad(samples, (0, max(missing, 0))), frames


def _power(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Compute the power of the short-time Fourier transform (bins, frames)."""
    completed, frames = _completed(samples, sample_rate)
    spectrum = librosa.stft(
        completed, n_fft=_window_length(sample_rate), hop_length=hop_length(sample_rate)
    )
    return np.abs(spectrum[:, :frames]) ** 2


def _mel_power(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    power = _power(samples, sample_rate)
    return librosa.feature.melspectrogram(S=power, sr=sample_rate, n_mels=MEL_BANDS)


def _in_decibels(power: np.ndarray) -> np.ndarray:
    lowest, _ = LEVELS
    loudest = power.max()
    if loudest == 0:  # librosa would call silence 0 dB
        return np.full_like(power, lowest)
    return librosa.power_to_db(power / loudest, amin=10 ** (lowest / 10), top_db=None)


def _levels(
    kind: str, title: str, power: np.ndarray, bins: np.ndarray, axis: str, sample_rate: int
) -> Representation:
    levels = _in_decibels(power)
    return _represent(kind, title, levels, bins, axis, sample_rate, unit="dB", limits=LEVELS)


def _represent(
    kind: str,
    title: str,
    values: np.ndarray,
    bins: np.ndarray,
    axis: str,
    sample_rate: int,
    *,
    unit: str = "0…1",
    limits: tuple[float, float] = (0.0, 1.0),
) -> Representation:
    seconds = librosa.times_like(values, sr=sample_rate, hop_length=hop_length(sample_rate))
    # librosa's matrices run along the bins in memory; images are made row by row.
    values = np.ascontiguousarray(np.clip(values, *limits), dtype=np.float32)
    return Representation(kind, title, values, unit, limits, seconds, bins, axis)
