"""Who plays what in the synthetic demo set, and the tables that say so in FMA's format.

The names, dates and counts are invented; the genre tree is an extract of FMA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.importing.fma_tables import format_genres_csv, format_tracks_csv
from common.errors import UserError
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS

MIN_TRACKS = len(ROOT_GENRES) * len(SPLITS)
MAX_TRACKS = 150_000

# Root: FMA's id, its tracks in FMA medium, and a child genre's id and title.
_GENRES: dict[str, tuple[int, int, int | None, str | None]] = {
    "Blues": (3, 74, 567, "Gospel"),
    "Classical": (5, 619, 442, "Chamber Music"),
    "Country": (9, 178, 63, "Bluegrass"),
    "Easy Listening": (13, 21, 311, "Lounge"),
    "Electronic": (15, 6314, 182, "House"),
    "Experimental": (38, 2251, 47, "Drone"),
    "Folk": (17, 1519, 103, "Singer-Songwriter"),
    "Hip-Hop": (21, 2201, 811, "Hip-Hop Beats"),
    "Instrumental": (1235, 1350, 107, "Ambient"),
    "International": (2, 1018, 118, "Balkan"),
    "Jazz": (4, 384, 906, "Modern Jazz"),
    "Old-Time / Historic": (8, 510, None, None),
    "Pop": (10, 1186, 362, "Synth Pop"),
    "Rock": (12, 7103, 66, "Indie-Rock"),
    "Soul-RnB": (14, 154, 19, "Funk"),
    "Spoken": (20, 118, 187, "Poetry"),
}

DAMAGES = {"empty": "Rock", "short": "Electronic", "not_audio": "Experimental"}
"""The files damaged on purpose, and their genres; they come on top of the good ones."""

_SYLLABLES = "ba do fe ga hu ja ki lo me nu pa ri so ta ve wi xo ya zu len mar nor sel tor"
_PLACES = {"Utopia": (0.0, 0.0), "Lyonesse": (50.0, -6.0), "Erewhon": (-43.4, 170.9)}
_WORDS = (
    "River Night Paper Copper Winter Garden Ghost Summer Silver Radio Harbour Dust Letter Mirror "
    "Engine Orchard Signal Thunder Velvet Window Lantern Salt Meadow Static"
)


@dataclass(frozen=True)
class Recording:
    """One track of the demo set.

    Attributes
    ----------
    track_id : int
    genre : str
        One of `fma_utils.ROOT_GENRES`.
    split : str
        One of `fma_utils.SPLITS`.
    artist : int
        Counted within the genre from 0; no artist is in two splits.
    damage : str
        A key of `DAMAGES`, or nothing.
    """

    track_id: int
    genre: str
    split: str
    artist: int
    damage: str = ""


def make_plan(tracks: int, seed: int) -> list[Recording]:
    """Share the tracks out among genres, splits and artists.

    Genres are as unequal as FMA's, only less so, and every genre is in every split.

    Parameters
    ----------
    tracks : int
        Good tracks, at least `MIN_TRACKS`; the damaged ones of `DAMAGES` come on top.
    seed : int >= 0

    Returns
    -------
    list of Recording
        By track id.

    Raises
    ------
    UserError
        If the tracks are too few for every genre to be in every split, or too many for FMA's ids.
    """
    if not MIN_TRACKS <= tracks <= MAX_TRACKS:
        raise UserError(
            f"--tracks {tracks} does not work: ask for {MIN_TRACKS} (one for each genre in each "
            f"split) to {MAX_TRACKS}"
        )
    if seed < 0:
        raise UserError(f"--seed {seed} does not work: ask for 0 or more")
    parts = []
    for genre, count in _share_out(tracks).items():
        artists = 0
        held_out = max(1, round(count / 10))
        for split, size in zip(SPLITS, (count - 2 * held_out, held_out, held_out), strict=True):
            several = -(-size // 3)  # artists of three tracks each, one may have fewer
            parts += [(genre, split, artists + i % several, "") for i in range(size)]
            artists += several
    parts += [(genre, "training", 0, damage) for damage, genre in DAMAGES.items()]
    rng = np.random.default_rng(seed)
    ids = sorted(_draw_ids(len(parts), rng))
    order = rng.permutation(len(parts))
    return [Recording(track_id, *parts[i]) for track_id, i in zip(ids, order, strict=True)]


def _share_out(tracks: int) -> dict[str, int]:
    """Give each genre three tracks, and more of the rest the more frequent it is in FMA."""
    weights = np.array([_GENRES[genre][1] for genre in ROOT_GENRES]) ** 0.5
    exact = (tracks - MIN_TRACKS) * weights / weights.sum()
    counts = exact.astype(int)
    most_cut = np.argsort(counts - exact, kind="stable")
    counts[most_cut[: tracks - MIN_TRACKS - counts.sum()]] += 1
    return dict(zip(ROOT_GENRES, (counts + len(SPLITS)).tolist(), strict=True))


def _draw_ids(count: int, rng: np.random.Generator) -> list[int]:
    """Draw ids that lie in a few of FMA's folders of a thousand."""
    folders = rng.choice(155, size=min(155, max(4, -(-count // 100))), replace=False)
    places = rng.choice(1000 * len(folders) - 2, size=count, replace=False)
    return [1000 * int(folders[p // 1000]) + int(p % 1000) for p in places + 2]


def format_tracks(plan: Sequence[Recording], seed: int, bit_rates: Sequence[int]) -> str:
    """Write ``tracks.csv`` with FMA's 52 columns, two header rows and the index's name.

    Parameters
    ----------
    plan : sequence of Recording
    seed : int
    bit_rates : sequence of int
        Of each track, in bits per second.

    Returns
    -------
    str
    """
    return format_tracks_csv(
        (
            recording.track_id,
            _describe_artist(recording, seed) | _describe_track(recording, seed, bit_rate),
        )
        for recording, bit_rate in zip(plan, bit_rates, strict=True)
    )


def format_genres(plan: Sequence[Recording], seed: int) -> str:
    """Write ``genres.csv``: the sixteen roots with FMA's ids, and a child of most of them."""
    used = [genre_id for recording in plan for genre_id in _genre_ids(recording, seed)]
    rows: list[tuple[int, int, int, str, int]] = []
    for root, (root_id, _, child_id, child) in _GENRES.items():
        rows.append((root_id, used.count(root_id), 0, root, root_id))
        if child_id and child:
            rows.append((child_id, used.count(child_id), root_id, child, root_id))
    return format_genres_csv(rows)


def _genre_ids(recording: Recording, seed: int) -> list[int]:
    """Give the root's id, and for one track in three a child's as well."""
    root, _, child, _ = _GENRES[recording.genre]
    if child and np.random.default_rng([seed, recording.track_id]).random() < 1 / 3:
        return [root, child]
    return [root]


def _describe_artist(recording: Recording, seed: int) -> dict[tuple[str, str], object]:
    """Invent what the tracks of one artist have in common."""
    number = ROOT_GENRES.index(recording.genre)
    rng = np.random.default_rng([seed, number, recording.artist])
    artist_id = 16 * recording.artist + number + 1
    name = " ".join("".join(rng.choice(_SYLLABLES.split(), 2)).title() for _ in range(2))
    place = str(rng.choice(list(_PLACES)))
    since = int(rng.integers(1995, 2012))
    latitude, longitude = _PLACES[place]
    return {
        ("album", "date_created"): f"{since + 2}-{rng.integers(1, 13):02d}-17 12:00:00",
        ("album", "date_released"): f"{since + 1}-{rng.integers(1, 13):02d}-01 00:00:00",
        ("album", "favorites"): int(rng.integers(20)),
        ("album", "id"): 1000 + artist_id,
        ("album", "listens"): int(rng.lognormal(8, 1)),
        ("album", "tags"): [],
        ("album", "title"): " ".join(rng.choice(_WORDS.split(), 2)),
        ("album", "tracks"): 3,
        ("album", "type"): "Album",
        ("artist", "active_year_begin"): f"{since}-01-01 00:00:00",
        ("artist", "bio"): "A program that composes.",
        ("artist", "comments"): 0,
        ("artist", "date_created"): f"{since + 2}-01-15 12:00:00",
        ("artist", "favorites"): int(rng.integers(50)),
        ("artist", "id"): artist_id,
        ("artist", "latitude"): latitude,
        ("artist", "location"): place,
        ("artist", "longitude"): longitude,
        ("artist", "name"): name,
        ("artist", "tags"): ["synthetic"],
    }


def _describe_track(
    recording: Recording, seed: int, bit_rate: int
) -> dict[tuple[str, str], object]:
    genres = _genre_ids(recording, seed)
    rng = np.random.default_rng([seed, recording.track_id, 1])
    return {
        ("set", "split"): recording.split,
        ("set", "subset"): "small" if rng.random() < 0.4 else "medium",
        ("track", "bit_rate"): bit_rate,
        ("track", "comments"): 0,
        ("track", "date_created"): f"2012-{rng.integers(1, 13):02d}-20 12:00:00",
        ("track", "duration"): int(rng.integers(95, 420)),
        ("track", "favorites"): int(rng.integers(30)),
        ("track", "genre_top"): recording.genre,
        ("track", "genres"): genres[-1:],
        ("track", "genres_all"): sorted(genres),
        ("track", "interest"): int(rng.lognormal(7, 1)),
        ("track", "license"): "CC0 1.0 Universal",
        ("track", "listens"): int(rng.lognormal(6.5, 1)),
        ("track", "number"): int(rng.integers(1, 13)),
        ("track", "tags"): [],
        ("track", "title"): " ".join(rng.choice(_WORDS.split(), 2)),
    }
