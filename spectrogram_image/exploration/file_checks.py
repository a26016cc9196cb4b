"""Checks of audio files, and damaged copies to try them on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
"""Seconds: longer than a clip, and a limit for untrimmed tracks."""


def check_file(path: str | Path) -> dict[str, object]:
    """Compare the header of an audio file with its decoded samples.

    Returns
    -------
    dict
        ``bytes``; ``header_seconds``, ``sample_rate`` and ``channels`` of the header;
        ``decoded_seconds`` (at most `DECODED_AT_MOST`) and ``peak`` (full scale is 1); ``error``
        and ``reason``, the class and the message of the `AudioError`, or empty. Unknown numbers
        are NaN. A file shorter than `SHORTEST_CLIP` is an `AudioTooShort`.
    """
    path = Path(path)
    header_seconds, sample_rate, channels = _header(path)
    sr = 22_050 if np.isnan(sample_rate) else int(sample_rate)
    seconds, peak, error, reason = np.nan, np.nan, "", ""
    for needed in (SHORTEST_CLIP, 0):
        try:
            samples = read_audio(path, sr=sr, duration=DECODED_AT_MOST, at_least=needed)
        except AudioError as problem:
            error, reason = type(problem).__name__, problem.reason
            if isinstance(problem, AudioTooShort):
                continue  # decode the shorter audio
        else:
            seconds, peak = len(samples) / sr, float(np.abs(samples).max())
        break
    return {
        "bytes": path.stat().st_size if path.is_file() else np.nan,
        "header_seconds": header_seconds,
        "sample_rate": sample_rate,
        "channels": channels,
        "decoded_seconds": seconds,
        "peak": peak,
        "error": error,
        "reason": reason,
    }


def _header(path: Path) -> tuple[float, float, float]:
    """Read duration, sample rate and channels without decoding; NaN without a header."""
    import soundfile

    try:
        with silenced_stderr():
            info = soundfile.info(os.fsencode(path))
    except (soundfile.LibsndfileError, TypeError):
        return np.nan, np.nan, np.nan
    return info.duration, float(info.samplerate), float(info.channels)


def check_tracks(dataset: Dataset, track_ids: Iterable[int]) -> pd.DataFrame:
    """Tabulate the results of `check_file`, indexed by ``track_id``."""
    rows = {track: check_file(get_audio_path(dataset.audio_dir, track)) for track in track_ids}
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="track_id"))


def first_readable(
    dataset: Dataset, track_ids: Iterable[int], **excerpt: Any
) -> tuple[int, np.ndarray] | None:
    """Decode an excerpt of the first track that contains it, or return None.

    Returns
    -------
    (int, np.ndarray [shape=(samples,)]) or None
        The track id and the samples. `excerpt` is passed to `read_audio`.
    """
    for track_id in track_ids:
        path = get_audio_path(dataset.audio_dir, track_id)
        try:
            return int(track_id), read_audio(path, **excerpt)
        except AudioError:
            continue
    return None


def write_damaged(path: str | Path, folder: str | Path) -> dict[str, Path]:
    """Write copies of an intact MP3 with typical damage: description → path."""
    data = Path(path).read_bytes()
    half, tenth = len(data) // 2, len(data) // 10
    scattered = np.frombuffer(data, np.uint8).copy()
    scattered[half::1000] ^= 0xFF
    contents = {
        "intact": data,
        "cut off at half its length": data[:half],
        "a tenth lost in the middle": data[:half] + data[half + tenth :],
        "a tenth zeroed in the middle": data[:half] + bytes(tenth) + data[half + tenth :],
        "every 1,000th byte wrong": scattered.tobytes(),
        "a text named .mp3": b"This is no music.\n" * 1000,
        "no bytes": b"",
        "missing": None,
    }
    copies = {}
    for number, (what, content) in enumerate(contents.items()):
        copies[what] = Path(folder) / f"{number}.mp3"
        if content is not None:
            copies[what].write_bytes(content)
    return copies
