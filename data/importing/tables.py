"""What an imported data set writes down: its ids, its metadata, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from common.jobs.files import atomic_write
from common.records.shards import write_table
from data.importing.fma_tables import format_genres_csv, format_tracks_csv
from data.importing.sources import Source
from common.fma.metadata import SPLITS
from common.paths import display_path

SUBSET = "medium"
"""What the imported set is called in FMA's layout: the subset that is looked for first."""

KNOWN = "imported.csv"
"""Beside ``tracks.csv``: which file has which id and split, so that it keeps them."""

LEFT_OUT = "left_out.csv"
"""Beside ``tracks.csv``: the files that cannot be used, and why."""


def read_known(path: Path) -> pd.DataFrame:
    """Read the ids and splits of earlier runs, by path."""
    if not path.exists():
        return pd.DataFrame({"track_id": [], "split": []}, index=pd.Index([], name="path"))
    table = pd.read_csv(path, dtype={"path": str, "split": str}, keep_default_na=False)
    return table.set_index("path")


def _ids_of(known: pd.DataFrame) -> dict[str, int]:
    return {path: int(track_id) for path, track_id in known["track_id"].items()}


def give_ids(sources: Sequence[Source], known: pd.DataFrame) -> dict[str, int]:
    """Give each recording the id that it had, or the next one, which no other had before."""
    ids = _ids_of(known)
    following = max(ids.values(), default=0) + 1
    new = [source.key for source in sources if source.key not in ids]
    return ids | dict(zip(new, range(following, following + len(new)), strict=True))


def write_known(path: Path, ids: Mapping[str, int], splits: Mapping[str, str]) -> None:
    """Write the ids and splits, by path; a split that is not known yet is empty."""
    table = pd.DataFrame(
        {
            "track_id": list(ids.values()),
            "path": list(ids),
            "split": [splits.get(key, "") for key in ids],
        }
    )
    write_table(path, table.sort_values("track_id"))


def write_metadata(metadata: Path, used: pd.DataFrame) -> None:
    """Write ``genres.csv`` and ``tracks.csv``.

    Parameters
    ----------
    metadata : Path
        The folder ``fma_metadata``.
    used : pandas.DataFrame
        Indexed by track id: ``genre``, ``artist``, ``title`` and ``split``.
    """
    genres = {genre: number for number, genre in enumerate(sorted(set(used["genre"])), 1)}
    artists = {artist: number for number, artist in enumerate(sorted(set(used["artist"])), 1)}
    counts = used["genre"].value_counts()
    rows = [(number, int(counts[genre]), 0, genre, number) for genre, number in genres.items()]
    tracks = [
        (
            track_id,
            {
                ("artist", "id"): artists[row.artist],
                ("artist", "name"): row.artist,
                ("set", "split"): row.split,
                ("set", "subset"): SUBSET,
                ("track", "genre_top"): row.genre,
                ("track", "genres"): [genres[row.genre]],
                ("track", "genres_all"): [genres[row.genre]],
                ("track", "title"): row.title,
            },
        )
        for track_id, row in zip(used.index, used.itertuples(index=False), strict=True)
    ]
    _write(metadata / "genres.csv", format_genres_csv(rows))
    # Last: without it nobody takes the folder for a data set.
    _write(metadata / "tracks.csv", format_tracks_csv(tracks))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def summary(table: pd.DataFrame, root: Path) -> str:
    """Say what was imported: tracks and artists by genre and split, and what to do next."""
    used = table[table["problem"] == ""]
    counts = pd.crosstab(used["genre"], used["split"]).reindex(columns=list(SPLITS), fill_value=0)
    counts["artists"] = used.groupby("genre")["artist"].nunique()
    counts.columns.name = counts.index.name = None
    lines = [counts.to_string(), ""]
    for genre in counts.index[(counts[["validation", "test"]] == 0).any(axis=1)]:
        lines.append(f"{genre} is not in every split: it would need three artists for that")
    if lost := len(table) - len(used):
        left_out = display_path(root / "fma_metadata" / LEFT_OUT)
        lines.append(f"{lost:,} files cannot be used and are left out: {left_out}")
    shown = display_path(root)
    lines.append(f"{len(used):,} tracks in {shown}. Go on with:")
    lines.append(f"FMA_ROOT={shown} python -m spectrogram_feature.generate_records --all-segments")
    return "\n".join(lines)
