"""Which audio files are damaged, and how damage shows, for `Feature Visualization.ipynb`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import AudioError, AudioTooShort
from common.fma.audio import read_audio
from common.fma.audio_blocks import silenced_stderr
from common.fma.dataset import Dataset, get_audio_path

CLIP_SECONDS = 30.0
SHORTEST_CLIP = CLIP_SECONDS - 0.1
"""Seconds: most of FMA's clips last 29.98."""

DECODED_AT_MOST = 40.0
"""Seconds: enough to see how long a clip is, and no more of an untrimmed track."""


def check_file(path: str | Path, *, at_least: float = SHORTEST_CLIP) -> dict[str, object]:
    """Compare what an audio file says of itself with what it decodes to.

    Parameters
    ----------
    path : path-like
    at_least : float > 0
        Seconds that it should have.

    Returns
    -------
    dict
        ``bytes``; of the header ``header_seconds``, ``sample_rate`` and ``channels``; of the sound,
        of which `DECODED_AT_MOST` seconds are read, ``decoded_seconds`` and ``peak`` (1 being full
        scale); ``error`` and ``reason``, the class and the words of the `AudioError`, empty where
        there is none. Unknown numbers are NaN.
    """
    path = Path(path)
    header_seconds, sample_rate, channels = _header(path)
    sr = 22_050 if np.isnan(sample_rate) else int(sample_rate)
    samples, error, reason = None, "", ""
    for needed in (at_least, 0):
        try:
            samples = read_audio(path, sr=sr, duration=DECODED_AT_MOST, at_least=needed)
        except AudioError as problem:
            error, reason = type(problem).__name__, problem.reason
            if isinstance(problem, AudioTooShort):
                continue  # then what there is
        break
    return {
        "bytes": path.stat().st_size if path.is_file() else np.nan,
        "header_seconds": header_seconds,
        "sample_rate": sample_rate,
        "channels": channels,
        "decoded_seconds": np.nan if samples is None else len(samples) / sr,
        "peak": np.nan if samples is None else float(np.abs(samples).max()),
        "error": error,
        "reason": reason,
    }


def _header(path: Path) -> tuple[float, float, float]:
    """Read seconds, rate and channels without decoding; NaN where there is no header."""
    import soundfile

    try:
        with silenced_stderr():
            info = soundfile.info(os.fsencode(path))
    except (soundfile.LibsndfileError, TypeError):
        return np.nan, np.nan, np.nan
    return info.duration, float(info.samplerate), float(info.channels)


def check_tracks(dataset: Dataset, track_ids: Iterable[int]) -> pd.DataFrame:
    """Check tracks' files one by one; see `check_file`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``track_id``, a column per key of `check_file`.
    """
    ids, rows = [], []
    for track_id in track_ids:
        ids.append(track_id)
        rows.append(check_file(get_audio_path(dataset.audio_dir, track_id)))
    return pd.DataFrame(rows, index=pd.Index(ids, name="track_id"))


def first_readable(
    dataset: Dataset, track_ids: Iterable[int], *, sr: int, offset: float, duration: float
) -> tuple[int, np.ndarray] | None:
    """Decode an excerpt of the first track that has it.

    Parameters
    ----------
    dataset : Dataset
    track_ids : iterable of int
        Tried in this order.
    sr, offset, duration
        As `read_audio` takes them.

    Returns
    -------
    (int, np.ndarray [shape=(samples,)]) or None
        The track and its samples; None if no track has them.
    """
    for track_id in track_ids:
        path = get_audio_path(dataset.audio_dir, track_id)
        try:
            return int(track_id), read_audio(path, sr=sr, offset=offset, duration=duration)
        except AudioError:
            continue
    return None


def damage(data: bytes) -> dict[str, bytes | None]:
    """Damage an audio file in the ways in which files are found damaged.

    Parameters
    ----------
    data : bytes
        An intact MP3.

    Returns
    -------
    dict of str to bytes or None
        What was done → the file's bytes, the intact file first; None is a file that is missing.
        The same for the same `data`.
    """
    half, tenth = len(data) // 2, len(data) // 10
    scattered = np.frombuffer(data, np.uint8).copy()
    scattered[half::1000] ^= 0xFF
    return {
        "intact": data,
        "cut off at half its length": data[:half],
        "a tenth lost in the middle": data[:half] + data[half + tenth :],
        "a tenth zeroed in the middle": data[:half] + bytes(tenth) + data[half + tenth :],
        "every 1,000th byte wrong": scattered.tobytes(),
        "a text named .mp3": b"This is no music.\n" * 1000,
        "no bytes": b"",
        "missing": None,
    }


def write_damaged(path: str | Path, folder: str | Path) -> dict[str, Path]:
    """Write damaged copies of an audio file; see `damage`.

    Returns
    -------
    dict of str to Path
        What was done → the copy in `folder`.
    """
    copies = {}
    for number, (what, content) in enumerate(damage(Path(path).read_bytes()).items()):
        copies[what] = Path(folder) / f"{number}.mp3"
        if content is not None:
            copies[what].write_bytes(content)
    return copies
