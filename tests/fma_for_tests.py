"""A data set in FMA's layout, small enough to be made anew for every test run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from common.fma.dataset import get_audio_path

ALBUM = """
    comments date_created date_released engineer favorites id information listens producer tags
    title tracks type
"""
ARTIST = """
    active_year_begin active_year_end associated_labels bio comments date_created favorites id
    latitude location longitude members name related_projects tags website wikipedia_page
"""
TRACK = """
    bit_rate comments composer date_created date_recorded duration favorites genre_top genres
    genres_all information interest language_code license listens lyricist number publisher tags
    title
"""
COLUMNS = [
    *(("album", name) for name in ALBUM.split()),
    *(("artist", name) for name in ARTIST.split()),
    ("set", "split"),
    ("set", "subset"),
    *(("track", name) for name in TRACK.split()),
]
"""Of the real tracks.csv, in its order."""

LISTS = [column for column in COLUMNS if column[1] in ("tags", "genres", "genres_all")]

FILE_RATE = 16_000
"""Of the tiny data set: less than real music has, since writing MP3s takes time."""

# Rock has 5 of 12 training tracks, above 1/3; Folk has 4, which is 1/3 and not above it.
TINY_TRACKS: dict[int, tuple[str, str]] = {
    2: ("training", "Rock"),
    3: ("training", "Rock"),
    5: ("training", "Rock"),
    7: ("training", "Rock"),
    20: ("training", "Rock"),
    10: ("training", "Folk"),
    11: ("training", "Folk"),
    21: ("training", "Folk"),
    24: ("training", "Folk"),
    12: ("training", "Jazz"),
    13: ("training", "Jazz"),
    1014: ("training", "Jazz"),
    30: ("validation", "Rock"),
    31: ("validation", "Folk"),
    32: ("validation", "Jazz"),
    23: ("validation", "Jazz"),
    40: ("test", "Rock"),
    41: ("test", "Folk"),
    42: ("test", "Jazz"),
    22: ("test", "Jazz"),
}
"""Track → split, root genre."""

MISSING, EMPTY, SHORT, NO_AUDIO, PADDED = 20, 21, 22, 23, 24
"""Tracks with no file; no bytes; 15 s; text instead of music; 29.95 s, which will do."""

TINY_FAILURES = {
    MISSING: [0.0],
    EMPTY: [0.0, 10.0, 20.0],
    SHORT: [10.0, 20.0],
    NO_AUDIO: [0.0, 10.0, 20.0],
}
"""Track → offsets of its planned segments that cannot be had."""

TINY_SEGMENTS = {"training": 22, "validation": 9, "test": 10}
"""Split → segments that can."""


def write_tracks_csv(path: Path, rows: Iterable[tuple[int, Mapping[tuple[str, str], str]]]) -> None:
    """Write a tracks.csv in FMA's layout from track ids and the cells that are not empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    empty = dict.fromkeys(LISTS, "[]")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *(table for table, _ in COLUMNS)])
        writer.writerow(["", *(name for _, name in COLUMNS)])
        writer.writerow(["track_id", *("" for _ in COLUMNS)])
        for track_id, cells in rows:
            filled = empty | dict(cells)
            writer.writerow([track_id, *(filled.get(column, "") for column in COLUMNS)])


def music(seed: int, seconds: float, sr: int = 22_050) -> np.ndarray:
    """Make three tones that are struck twice a second, with some noise; no two seeds alike."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sr)) / sr
    tones = np.sin(2 * np.pi * rng.uniform(60, 2000, (3, 1)) * time).sum(axis=0)
    sound = 0.2 * tones * np.exp(-4 * (time % 0.5)) + 0.01 * rng.standard_normal(time.size)
    return sound.astype(np.float32)


def write_tiny_fma(root: Path) -> None:
    """Write 20 tracks in fma_medium, four of them in trouble, and metadata of one more in large."""
    rows = [
        (
            track_id,
            {
                ("set", "split"): split,
                ("set", "subset"): "small" if genre == "Rock" else "medium",
                ("track", "genre_top"): genre,
            },
        )
        for track_id, (split, genre) in TINY_TRACKS.items()
    ]
    rows.append((50, {("set", "split"): "training", ("set", "subset"): "large"}))
    write_tracks_csv(root / "fma_metadata" / "tracks.csv", rows)
    for track_id in TINY_TRACKS:
        path = get_audio_path(root / "fma_medium", track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        if track_id == MISSING:
            continue
        if track_id == EMPTY:
            path.touch()
        elif track_id == NO_AUDIO:
            path.write_text("This is no music.\n" * 50, encoding="utf-8")
        else:
            seconds = {SHORT: 15.0, PADDED: 29.95}.get(track_id, 30.0)
            if track_id in (2, 3, 5):  # only their first segment is wanted
                seconds = 10.0
            soundfile.write(path, music(track_id, seconds, FILE_RATE), FILE_RATE, format="MP3")
