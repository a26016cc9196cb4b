"""Tables of an import: stable ids, the metadata, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from common.fma.genres import describe_similar
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.paths import display_path
from common.tables import read_table, write_table
from common.text import one_line
from data.importing.fma_tables import format_genres_csv, format_tracks_csv
from data.importing.sources import Source

SUBSET = "medium"
"""The subset that commands use first."""

KNOWN = "imported.csv"
"""The file with the id and split of each file, which later runs keep, beside ``tracks.csv``."""

LEFT_OUT = "left_out.csv"
"""The file with the unused files and their problems, beside ``tracks.csv``."""


def read_known(path: Path) -> pd.DataFrame:
    """Read the ids and splits of earlier runs, by path."""
    if not path.exists():
        return pd.DataFrame({"track_id": [], "split": []}, index=pd.Index([], name="path"))
    return read_table(path, "path").fillna({"split": ""})


def give_ids(sources: Sequence[Source], known: pd.DataFrame) -> dict[str, int]:
    """Map each recording to its earlier id, or to the next unused one."""
    ids = {path: int(track_id) for path, track_id in known["track_id"].items()}
    following = max(ids.values(), default=0) + 1
    new = [source.key for source in sources if source.key not in ids]
    return ids | dict(zip(new, range(following, following + len(new)), strict=True))


def write_known(path: Path, ids: Mapping[str, int], splits: Mapping[str, str]) -> None:
    """Write the ids and splits by path, with empty cells for unknown splits."""
    rows = [(track_id, key, splits.get(key, "")) for key, track_id in ids.items()]
    table = pd.DataFrame(rows, columns=["track_id", "path", "split"])
    write_table(path, table.sort_values("track_id"))


def write_metadata(
    metadata: Path, used: pd.DataFrame, roots: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write ``genres.csv`` and ``tracks.csv`` of the tracks `used`, indexed by track id.

    `used` has the columns genres (one or several titles), artist, title and split. Other cells of
    ``tracks.csv`` are columns such as ``("track", "duration")``. `roots` maps sub-genres to their
    root genres. As in the FMA, a track with several root genres has no ``genre_top``.
    """
    tops = used["genres"].map(lambda genres: {roots.get(genre, genre) for genre in genres})
    with_roots = [top.union(genres) for top, genres in zip(tops, used["genres"], strict=True)]
    counts = Counter(genre for genres in with_roots for genre in genres)
    # Root genres have the lowest ids.
    titles = sorted(counts, key=lambda genre: (genre in roots, genre))
    ids = {genre: number for number, genre in enumerate(titles, 1)}
    artists = {artist: number for number, artist in enumerate(sorted(set(used["artist"])), 1)}
    rows = [
        (
            number,
            counts[genre],
            ids.get(roots.get(genre, ""), 0),
            genre,
            ids[roots.get(genre, genre)],
        )
        for genre, number in ids.items()
    ]
    cells = {
        ("artist", "id"): used["artist"].map(artists),
        ("artist", "name"): used["artist"],
        ("set", "split"): used["split"],
        ("set", "subset"): SUBSET,
        ("track", "genre_top"): ["".join(top) if len(top) == 1 else "" for top in tops],
        ("track", "genres"): [sorted(map(ids.__getitem__, genres)) for genres in used["genres"]],
        ("track", "genres_all"): [sorted(map(ids.__getitem__, genres)) for genres in with_roots],
        ("track", "title"): used["title"],
    } | {column: used[column] for column in used if isinstance(column, tuple)}
    _write(metadata / "genres.csv", format_genres_csv(rows))
    # `find_dataset` requires tracks.csv, so it is written last.
    tracks = pd.DataFrame(cells, index=used.index).to_dict("index")
    _write(metadata / "tracks.csv", format_tracks_csv(tracks.items()))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def summary(table: pd.DataFrame, root: Path) -> str:
    """Format counts by genre and split, the unused files, and the next command."""
    used = table[table["problem"] == ""]
    counts = pd.crosstab(used["genre"], used["split"]).reindex(columns=list(SPLITS), fill_value=0)
    counts["artists"] = used.groupby("genre")["artist"].nunique()
    counts.columns.name = None
    counts.index = counts.index.map(one_line).rename(None)
    lines = [counts.to_string(), ""]
    for genre in counts.index[(counts[["validation", "test"]] == 0).any(axis=1)]:
        lines.append(f"{genre} is not in every split: that requires three artists")
    for genre in sorted(set(table["genre"]) - set(used["genre"])):
        lines.append(
            f"warning: none of the files of {one_line(genre)} can be used: the genre is omitted"
        )
    lines += describe_similar(used["genre"])
    if lost := len(table) - len(used):
        left_out = display_path(root / "fma_metadata" / LEFT_OUT)
        lines.append(f"{lost:,} files cannot be used: {left_out}")
    shown = display_path(root)
    lines.append(f"{len(used):,} tracks in {shown}. Go on with:")
    lines.append(f"FMA_ROOT={shown} python -m spectrogram_feature.generate_records --all-segments")
    return "\n".join(lines)
