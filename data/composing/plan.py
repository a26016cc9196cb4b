"""Tracks of the demo set, and synthetic metadata in the FMA's genres and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS
from data.importing.fma_tables import format_genres_csv, format_tracks_csv

MIN_TRACKS, MAX_TRACKS = len(ROOT_GENRES) * len(SPLITS), 150_000

DAMAGES = {"empty": "Rock", "short": "Electronic", "not_audio": "Experimental"}
"""Additional files damaged on purpose, and their genres."""

# Root genre: the FMA's id, number of tracks in FMA medium, id and title of a subgenre.
_GENRES = {
    "Blues": (3, 74, 567, "Gospel"), "Classical": (5, 619, 442, "Chamber Music"),
    "Country": (9, 178, 63, "Bluegrass"), "Easy Listening": (13, 21, 311, "Lounge"),
    "Electronic": (15, 6314, 182, "House"), "Experimental": (38, 2251, 47, "Drone"),
    "Folk": (17, 1519, 103, "Singer-Songwriter"), "Hip-Hop": (21, 2201, 811, "Hip-Hop Beats"),
    "Instrumental": (1235, 1350, 107, "Ambient"), "International": (2, 1018, 118, "Balkan"),
    "Jazz": (4, 384, 906, "Modern Jazz"), "Old-Time / Historic": (8, 510, 0, ""),
    "Pop": (10, 1186, 362, "Synth Pop"), "Rock": (12, 7103, 66, "Indie-Rock"),
    "Soul-RnB": (14, 154, 19, "Funk"), "Spoken": (20, 118, 187, "Poetry"),
}  # fmt: skip
_WORDS = "River Night Paper Copper Winter Garden Ghost Silver Radio Dust Mirror Engine Salt"


@dataclass(frozen=True)
class Recording:
    """One track of the demo set."""

    track_id: int
    genre: str
    split: str
    artist: int  # number within the genre
    damage: str = ""  # a key of `DAMAGES`, or empty


def make_plan(tracks: int, seed: int) -> list[Recording]:
    """Plan `tracks` good tracks and the damaged ones, sorted by track id.

    Each genre is in each split, no artist is in two splits. A genre's share grows with the square
    root of its frequency in FMA medium.
    """
    if not MIN_TRACKS <= tracks <= MAX_TRACKS:
        raise UserError(
            f"--tracks {tracks} does not work: use {MIN_TRACKS} (one per genre and split) to "
            f"{MAX_TRACKS}"
        )
    if seed < 0:
        raise UserError(f"--seed {seed} does not work: use at least 0")
    weights = np.sqrt([_GENRES[genre][1] for genre in ROOT_GENRES])
    ends = np.round((tracks - MIN_TRACKS) * np.cumsum([0, *weights]) / weights.sum()).astype(int)
    parts = [(genre, "training", 0, damage) for damage, genre in DAMAGES.items()]
    for genre, count in zip(ROOT_GENRES, np.diff(ends) + len(SPLITS), strict=True):
        artists, held_out = 0, max(1, round(count / 10))
        for split, size in zip(SPLITS, (count - 2 * held_out, held_out, held_out), strict=True):
            several = -(-size // 3)  # artists of three tracks each
            parts += [(genre, split, artists + i % several, "") for i in range(size)]
            artists += several
    rng = np.random.default_rng(seed)
    folders = rng.choice(155, size=min(155, max(4, -(-len(parts) // 100))), replace=False)
    places = 2 + rng.choice(1000 * len(folders) - 2, size=len(parts), replace=False)
    ids = sorted((1000 * folders[places // 1000] + places % 1000).tolist())
    order = rng.permutation(len(parts))
    return [Recording(track_id, *parts[i]) for track_id, i in zip(ids, order, strict=True)]


def format_genres(plan: Sequence[Recording], seed: int) -> str:
    """Format ``genres.csv``: the root genres and their subgenres."""
    used = Counter(genre_id for recording in plan for genre_id in _genre_ids(recording, seed))
    rows = []
    for title, (root, _, child, child_title) in _GENRES.items():
        rows += [(root, used[root], 0, title, root), (child, used[child], root, child_title, root)]
    return format_genres_csv(row for row in rows if row[0])


def _genre_ids(recording: Recording, seed: int) -> list[int]:
    """Return the id of the root genre and, for a third of the tracks, that of the subgenre."""
    root, _, child, _ = _GENRES[recording.genre]
    has_child = child and np.random.default_rng([seed, recording.track_id]).random() < 1 / 3
    return [root, child] if has_child else [root]


def format_tracks(plan: Sequence[Recording], seed: int, bit_rates: Sequence[int]) -> str:
    """Format ``tracks.csv`` with bit rates in bits per second; other cells are drawn at random."""
    rows = []
    for recording, bit_rate in zip(plan, bit_rates, strict=True):
        number, ids = ROOT_GENRES.index(recording.genre), _genre_ids(recording, seed)
        of_artist = np.random.default_rng([seed, number, recording.artist])
        of_track = np.random.default_rng([seed, recording.track_id, 1])
        artist_id, year = 16 * recording.artist + number + 1, int(of_artist.integers(1995, 2010))
        tables: dict[str, dict[str, object]] = {
            "album": {
                "date_created": f"{year + 2}-03-17 12:00:00", "id": 1000 + artist_id,
                "date_released": f"{year + 1}-05-01 00:00:00", "tags": [], "type": "Album",
                "listens": int(of_artist.lognormal(8, 1)), "title": _title(of_artist), "tracks": 3,
            },
            "artist": {
                "active_year_begin": f"{year}-01-01 00:00:00", "bio": "A program that composes.",
                "date_created": f"{year + 2}-01-15 12:00:00", "name": _title(of_artist),
                "id": artist_id, "latitude": -43.4, "location": "Erewhon", "longitude": 170.9,
                "tags": ["synthetic"],
            },
            "set": {"split": recording.split, "subset": str(of_track.choice(["small", "medium"]))},
            "track": {
                "bit_rate": bit_rate, "duration": int(of_track.integers(95, 420)),
                "date_created": "2012-05-20 12:00:00", "favorites": int(of_track.integers(30)),
                "genre_top": recording.genre, "genres": ids[-1:], "genres_all": sorted(ids),
                "interest": int(of_track.lognormal(7, 1)), "license": "CC0 1.0 Universal",
                "listens": int(of_track.lognormal(6.5, 1)), "tags": [],
                "number": int(of_track.integers(1, 13)), "title": _title(of_track),
            },
        }  # fmt: skip
        cells = {(table, name): cell for table in tables for name, cell in tables[table].items()}
        rows.append((recording.track_id, cells))
    return format_tracks_csv(rows)


def _title(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(_WORDS.split(), 2))
