"""Reading audio: to mono at the rate that is asked for, believing nothing but decoded samples."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import AudioEmpty, AudioMissing, AudioTooShort, AudioUndecodable

if TYPE_CHECKING:
    import soundfile

LOUDEST = 10.0
"""Full scales: MP3s of music exceed 1, but not this; what does is a damaged file."""

SAMPLE_RATES = (1_000, 768_000)
"""Hz, lowest and highest. Headers say others where they are damaged: a file of some minutes at
1 Hz would be days of sound at 22,050 Hz."""


def read_audio(
    path: str | Path,
    *,
    sr: int = 22_050,
    offset: float = 0.0,
    duration: float | None = None,
    at_least: float | None = None,
) -> np.ndarray:
    """Decode audio to mono at the asked sample rate.

    Headers and tags are not believed, only samples that were decoded: FMA's durations lie.

    Parameters
    ----------
    path : path-like
        A file of any format that libsndfile reads: MP3, FLAC, OGG, WAV and others.
    sr : int > 0
        The sample rate of the result in Hz.
    offset : float >= 0
        Where to begin, in seconds.
    duration : float > 0, optional
        How much to read, in seconds; by default all that follows.
    at_least : float > 0, optional
        How much of `duration` will do, in seconds; by default all of it.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
        The mean of the channels; ``round(duration * sr)`` samples, or fewer if `at_least` allows.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioTooShort, AudioUndecodable
        All are `AudioError`, and name the file.
    """
    # Imported here: whoever only reads metadata need not load the sound libraries.
    import soundfile
    import soxr

    path = Path(path)
    with decoding(path), soundfile.SoundFile(os.fsencode(path)) as file:
        native_sr = file.samplerate
        require_sample_rate(path, native_sr)
        wanted = -1 if duration is None else round(duration * native_sr)
        samples = _decode(file, round(offset * native_sr), wanted)
    if len(samples) == 0 and offset == 0:
        raise AudioEmpty(path, "decodes to no samples")
    needed = (duration or 0) if at_least is None else at_least
    if len(samples) == 0 or len(samples) < round(needed * native_sr):
        end = offset + len(samples) / native_sr
        raise AudioTooShort(path, f"ends at {end:.2f} s, {offset + needed:.2f} s are needed")
    mono = mix_down(path, samples)
    resampled = mono if native_sr == sr else soxr.resample(mono, native_sr, sr, quality="HQ")
    if duration is not None and len(samples) == wanted:
        # Half a sample of the file's rate, lost in rounding, may be several of the result's.
        length = round(duration * sr)
        resampled = np.pad(resampled, (0, max(0, length - len(resampled))))[:length]
    return np.ascontiguousarray(resampled)


def require_sample_rate(path: Path, sr: int) -> None:
    """Refuse a file whose header tells a sample rate that no sound has.

    Raises
    ------
    AudioUndecodable
        If it is outside `SAMPLE_RATES`.
    """
    lowest, highest = SAMPLE_RATES
    if not lowest <= sr <= highest:
        raise AudioUndecodable(path, f"is damaged: its sample rate is {sr:,} Hz")


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever keeps a file from being opened or decoded into an `AudioError` that names it.

    Parameters
    ----------
    path : Path
        What is opened or decoded inside.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioUndecodable
    """
    import soundfile

    # A pipe would keep whoever opens it waiting, and a device may have no end.
    if not path.is_file():
        raise AudioMissing(path, "no such file")
    if path.stat().st_size == 0:
        raise AudioEmpty(path, "the file is empty")
    try:
        # libmpg123 writes notes about damaged files into progress bars and notebooks.
        with silenced_stderr():
            yield
    except soundfile.LibsndfileError:
        raise AudioUndecodable(path, "is no audio, or damaged beyond decoding") from None
    except TypeError:  # soundfile wants to be told the format of a file named .raw
        raise AudioUndecodable(path, "does not decode (it has no header)") from None


def mix_down(path: Path, samples: np.ndarray) -> np.ndarray:
    """Average the channels of decoded samples.

    Parameters
    ----------
    path : Path
        Where they come from, for the message.
    samples : np.ndarray [shape=(n, channels), dtype=float32]

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]

    Raises
    ------
    AudioUndecodable
        If a sample is NaN, infinite or above `LOUDEST`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        # Column by column: NumPy's mean over so short an axis takes as long as decoding an MP3.
        mono = samples[:, 0] if samples.shape[1] == 1 else sum(samples.T) / samples.shape[1]
    peak = max(mono.max(), -mono.min())
    if not np.isfinite(peak):
        raise AudioUndecodable(path, "decodes to values that are not finite")
    if peak > LOUDEST:
        raise AudioUndecodable(path, f"is damaged: it decodes to {peak:.3g} times full scale")
    return mono


def _decode(file: soundfile.SoundFile, start: int, count: int) -> np.ndarray:
    """Read up to `count` samples (-1: all) from `start` on: float32 (samples, channels)."""
    start = min(start, file.frames)
    # The first frames after a seek in an MP3 lack what they borrow from those before them.
    lead = min(start, file.samplerate // 4)
    if start:
        file.seek(start - lead)
    samples = file.read(-1 if count < 0 else lead + count, dtype="float32", always_2d=True)
    return samples[lead:]


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keep what libraries write to the standard error from C off the terminal and notebooks.

    Python's own errors are not affected: they are exceptions, and come afterwards.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
