"""Features and metadata of tracks with several genres, in FMA's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fma_for_tests import write_tracks_csv

from common.fma.metadata import SPLITS

GENRES = {1: (0, "Rock"), 2: (0, "Folk"), 3: (1, "Punk"), 4: (3, "Hardcore"), 5: (2, "Freak-Folk")}
"""Genre id → parent, title."""

OWN_GENRES = ([1], [3], [4], [2], [5], [2, 1], [5, 3])
"""Genres of tracks 1, 2, …, cyclic, without ancestors; the last two have two roots."""

ROUNDS = {"training": 3, "validation": 1, "test": 1}
"""Split → number of tracks of each of `OWN_GENRES`."""

FRAMES, BINS = 12, 6


def write_genres_csv(path: Path, genres: dict[int, tuple[int, str]] = GENRES) -> None:
    """Write a genres.csv; the column of roots is left zero."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{genre},1,{parent},{title},0" for genre, (parent, title) in genres.items()]
    path.write_text("\n".join(["genre_id,#tracks,parent,title,top_level", *rows]) + "\n")


def write_several_genres(folder: Path) -> Path:
    """Write metadata, and an array of features whose bins tell the genres; return its path.

    Track 99 has no genre.
    """
    write_genres_csv(folder / "fma_metadata" / "genres.csv")
    splits = [split for split in SPLITS for _ in range(ROUNDS[split] * len(OWN_GENRES))]
    rows = []
    rng = np.random.default_rng(0)
    features = rng.integers(0, 60, (len(splits) + 1, FRAMES, BINS)).astype(np.uint8)
    for number, split in enumerate(splits):
        own = OWN_GENRES[number % len(OWN_GENRES)]
        roots = {1: "Rock", 3: "Rock", 4: "Rock", 2: "Folk", 5: "Folk"}
        tops = {roots[genre] for genre in own}
        for genre in own:
            features[number, :, genre] += 150
        cells = {
            ("set", "split"): split,
            ("set", "subset"): "small",
            ("track", "genre_top"): "".join(tops) if len(tops) == 1 else "",
            ("track", "genres_all"): str(own),
            ("artist", "id"): str(number),
        }
        rows.append((number + 1, cells))
    rows.append((99, {("set", "split"): "training", ("set", "subset"): "small"}))
    write_tracks_csv(folder / "fma_metadata" / "tracks.csv", rows)
    ids = np.array([track_id for track_id, _ in rows])
    np.savez(folder / "features.npz", ids=ids, features=features)
    return folder / "features.npz"
