"""Tables of the tracks of data that were made elsewhere: genres, splits and artists by track id."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.artist_splits import deal_artists
from common.fma.genres import clean_name
from common.fma.metadata import SPLITS, load, select_subset
from common.fma.track_plan import PLAN_COLUMNS, columns_of
from common.tables import read_table

NO_ARTIST = (
    "warning: the table has neither splits nor artists: tracks of one artist may be in several "
    "splits, and scores may be too high"
)


def find_table(source: Path, metadata: str | Path | None) -> Path:
    """Find the table of tracks: a named file or folder, else ``tracks.csv`` at the source.

    ``fma_metadata/tracks.csv`` in the source, or in a folder above it, is found, too. No table is a
    `UserError`.
    """
    folder = source if source.is_dir() else source.parent
    above = [folder, *folder.absolute().parents]
    candidates = [folder / "tracks.csv", *(p / "fma_metadata" / "tracks.csv" for p in above)]
    if metadata:
        named = Path(metadata)
        candidates = [named / "tracks.csv", named / "fma_metadata" / "tracks.csv"]
        candidates = candidates if named.is_dir() else [named]
    for path in candidates:
        if path.is_file():
            return path
    raise UserError(
        f"{candidates[0]} is missing: name the table of genres and splits with --metadata"
    )


def read_track_table(
    path: Path,
    subset: str | None = None,
    present: Collection[int] | None = None,
    labels: str = "top",
) -> tuple[pd.DataFrame, list[str]]:
    """Read FMA's ``tracks.csv``, or a table with the columns ``track_id`` and ``genre``.

    The columns ``split`` and ``artist`` are optional. Without splits, the tracks that are `present`
    are divided by artist, or by track if there are no artists either. Only FMA's table has the
    genres of other ``labels`` than ``"top"``.

    Returns
    -------
    tracks : pandas.DataFrame
        Indexed by track id, with the columns of `common.fma.track_plan.columns_of`.
    notes : list of str
        Lines for the user.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        is_simple = "track_id" in file.readline().split(",")
    if not is_simple:
        tracks = load(path, [*columns_of(labels), ("set", "subset")])
        return (select_subset(tracks, subset) if subset else tracks), []
    if labels != "top":
        raise UserError(
            f"{path} has one genre a track: --labels {labels} needs FMA's tracks.csv and genres.csv"
        )
    try:
        table = read_table(path, "track_id")
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no table of tracks: {error}") from None
    if "genre" not in table:
        raise UserError(f"{path} has no column 'genre'; it needs track_id and genre")
    if not table.index.is_unique:
        raise UserError(f"{path} has the track {table.index[table.index.duplicated()][0]} twice")
    if subset:
        raise UserError(f"{path} has no subsets, which FMA's tracks.csv has: leave out --subset")
    table = table[table["genre"].notna()]
    if present is not None:
        table = table[table.index.isin(present)]
        if table.empty:
            raise UserError(
                f"none of the {len(present):,} tracks is in {path}: are the files named after ids?"
            )
    notes, names = [], table.index.to_series().astype(str)
    artist = table["artist"] if "artist" in table else pd.Series(None, table.index, dtype=object)
    if "split" in table:
        unknown = set(table["split"].dropna()) - set(SPLITS)
        if unknown:
            raise UserError(f"{path} has the split {min(unknown)!r}: they are {', '.join(SPLITS)}")
        split = table["split"]
    else:
        if artist.isna().all():
            notes.append(NO_ARTIST)
        dealt = pd.DataFrame({"genre": table["genre"], "artist": artist.fillna("track " + names)})
        dealt["artist"] = dealt["artist"].map(clean_name)
        split = dealt["artist"].map(deal_artists(dealt))
        notes.append("splits were made by artist" if artist.notna().any() else "splits by track")
    columns = dict(zip(PLAN_COLUMNS, (split, table["genre"], artist, artist), strict=True))
    return pd.DataFrame(columns, index=table.index), notes
