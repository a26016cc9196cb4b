"""``tracks.csv`` and ``genres.csv`` in the FMA's format."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO

_COLUMNS = {
    "album": "comments date_created date_released engineer favorites id information listens "
    "producer tags title tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created "
    "favorites id latitude location longitude members name related_projects tags website "
    "wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top "
    "genres genres_all information interest language_code license listens lyricist number "
    "publisher tags title",
}

COLUMNS = tuple((table, name) for table, names in _COLUMNS.items() for name in names.split())
"""Of ``tracks.csv``: 52, in the FMA's order."""


def format_tracks_csv(rows: Iterable[tuple[int, Mapping[tuple[str, str], object]]]) -> str:
    """Write ``tracks.csv`` from each track's id and its cells by `COLUMNS`; others are empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *(table for table, _ in COLUMNS)])
    writer.writerow(["", *(name for _, name in COLUMNS)])
    writer.writerow(["track_id", *("" for _ in COLUMNS)])
    for track_id, cells in rows:
        writer.writerow([track_id, *(cells.get(column, "") for column in COLUMNS)])
    return text.getvalue()


def format_genres_csv(rows: Iterable[tuple[int, int, int, str, int]]) -> str:
    """Write ``genres.csv`` from each genre's id, tracks, parent (0: none), title and root."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("genre_id", "#tracks", "parent", "title", "top_level"))
    writer.writerows(sorted(rows))
    return text.getvalue()
