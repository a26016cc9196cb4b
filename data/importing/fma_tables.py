"""Write the metadata of a data set that is not the FMA in the FMA's format."""

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
"""The 52 columns of ``tracks.csv`` in the FMA's order."""


def format_tracks_csv(rows: Iterable[tuple[int, Mapping[tuple[str, str], object]]]) -> str:
    """Format ``tracks.csv`` from track ids and their cells by `COLUMNS`; others stay empty."""
    cells = ([track_id, *(row.get(column, "") for column in COLUMNS)] for track_id, row in rows)
    tables, names = zip(*COLUMNS, strict=True)
    return _format([["", *tables], ["", *names], ["track_id", *len(COLUMNS) * [""]], *cells])


def format_genres_csv(rows: Iterable[tuple[int, int, int, str, int]]) -> str:
    """Format ``genres.csv`` from ids, numbers of tracks, parents (0: none), titles and roots."""
    return _format([("genre_id", "#tracks", "parent", "title", "top_level"), *sorted(rows)])


def _format(rows: Iterable[Iterable[object]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
