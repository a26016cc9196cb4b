"""Checks of audio files, and damaged copies to try them on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from common.errors import AudioError, AudioTooShort
from common.fma.audio import read_audio
from common.fma.audio_blocks import silenced_stderr
from common.fma.dataset import Dataset, get_audio_path

SHORTEST_CLIP = 29.9
"""Seconds: most of FMA's clips last 29.98."""

DECODED_AT_MOST = 40.0
"""Seconds: longer than a clip, and a limit for untrimmed tracks."""


def check_file(path: str | Path) -> dict[str, Any]:
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
    numbers = ("bytes", "header_seconds", "sample_rate", "channels", "decoded_seconds", "peak")
    found: dict[str, Any] = {**dict.fromkeys(numbers, np.nan), "error": "", "reason": ""}
    if path.is_file():
        found["bytes"] = path.stat().st_size
    try:
        with silenced_stderr():
            info = soundfile.info(os.fsencode(path))
        found |= {"header_seconds": info.duration, "sample_rate": float(info.samplerate)}
        found["channels"] = float(info.channels)
    except (soundfile.LibsndfileError, TypeError):  # no header
        pass
    sr = 22_050 if np.isnan(found["sample_rate"]) else int(found["sample_rate"])
    for needed in (SHORTEST_CLIP, 0):
        try:
            samples = read_audio(path, sr=sr, duration=DECODED_AT_MOST, at_least=needed)
        except AudioError as problem:
            found |= {"error": type(problem).__name__, "reason": problem.reason}
            if not isinstance(problem, AudioTooShort):
                break
        else:
            found |= {"decoded_seconds": len(samples) / sr, "peak": float(np.abs(samples).max())}
            break
    return found


def check_tracks(dataset: Dataset, track_ids: Iterable[int]) -> pd.DataFrame:
    """Tabulate the results of `check_file`, indexed by ``track_id``."""
    rows = {track: check_file(get_audio_path(dataset.audio_dir, track)) for track in track_ids}
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="track_id"))


def first_readable(
    dataset: Dataset, track_ids: Iterable[int], **excerpt: Any
) -> tuple[int, np.ndarray] | None:
    """Decode an excerpt (options of `read_audio`) of the first track that contains it.

    Returns the track id and the samples (n,), or None if no track contains the excerpt.
    """
    for track_id in track_ids:
        try:
            path = get_audio_path(dataset.audio_dir, track_id)
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
    copies = {what: Path(folder, f"{number}.mp3") for number, what in enumerate(contents)}
    for what, content in contents.items():
        if content is not None:
            copies[what].write_bytes(content)
    return copies
