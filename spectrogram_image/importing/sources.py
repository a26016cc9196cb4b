"""Lists of pictures with their genres, splits and artists: FMA's names, folders or a CSV."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.audio_files import NO_PICTURE, search_folder
from common.fma.genres import clean_name
from common.fma.metadata import SUBSETS, select_subset
from common.fma.track_plan import artist_of, plan_tracks
from common.tables import read_rows
from common.text import name_text, one_line
from common.track_table import find_table, read_track_table
from spectrogram_image.images.folder import image_path
from spectrogram_image.importing.pictures import SUFFIXES

_FMA_NAME = re.compile(r"(?:.*/)?(\d{3})/(\1\d{3,})\.\w+")  # 000/000002.png


@dataclass(frozen=True)
class Listing:
    """Pictures to import."""

    folder: Path  # absolute
    tracks: pd.DataFrame  # by track_id: path in the folder, genre, split and artist (may be empty)
    title: str
    subset: str = ""  # of FMA
    notes: list[str] = field(default_factory=list)


def read_listing(source: Path, metadata: Path | None, subset: str | None, mapping: str) -> Listing:
    """List the pictures of a folder with FMA's names, a folder of genres, or a CSV.

    `metadata` (see `common.track_table`), `subset` and `mapping` are for FMA's names. A `UserError`
    is raised if there are no pictures, fewer than two genres, or the tables do not fit.
    """
    given, source = source, Path(os.path.abspath(source))  # noqa: PTH100 (keeps links)
    if not source.exists():
        raise UserError(f"{given}: there is no such folder or CSV")
    names, notes = _find_pictures(source) if source.is_dir() else ([], [])
    fma_names = {int(m[2]): m[0] for m in map(_FMA_NAME.fullmatch, reversed(names)) if m}
    if names and 2 * len(fma_names) > len(names):
        listing = _list_tracks(source, fma_names, metadata, subset, mapping)
        if unused := len(names) - listing.tracks["path"].isin(names).sum():
            notes.append(f"skipped: {unused:,} pictures of no track of {listing.title}")
    elif metadata or subset or mapping != "all":
        raise UserError(
            f"{source} does not have FMA's names (000/000002.png), which --metadata, --subset and "
            "--genres need: leave them out, or choose another folder"
        )
    else:
        listing = _list_genres(source, names) if source.is_dir() else _list_rows(source)
    genres = sorted(set(listing.tracks["genre"]))
    if len(genres) < 2:
        raise UserError(
            f"{source} has fewer than two genres ({one_line(genres[0])}): a classifier needs two"
        )
    listing.notes.extend(notes)
    return listing


def _find_pictures(folder: Path) -> tuple[list[str], list[str]]:
    """Find the names of all pictures in a folder, and describe the skipped files."""
    found = search_folder(folder, SUFFIXES, NO_PICTURE)
    skipped = found.describe_skipped()
    if not found.paths:
        raise UserError(
            f"{folder} holds no pictures{f' ({skipped})' if skipped else ''}: expected are "
            "000/000002.png or genre/name.png, see --help"
        )
    names = [path.relative_to(folder).as_posix() for path in found.paths]
    return names, [f"skipped: {skipped}"] if skipped else []


def _list_tracks(
    folder: Path, names: dict[int, str], metadata: Path | None, subset: str | None, mapping: str
) -> Listing:
    """List the tracks of a table whose ids are the pictures' names, also without a picture."""
    tracks, notes = read_track_table(find_table(folder, metadata))
    known = tracks.index.intersection(list(names))
    if known.empty:
        raise UserError(f"no picture of {folder} is named after a track of the table")
    title = name_text(folder.name)
    if ("set", "subset") in tracks:
        subset = subset or str(tracks.loc[known, ("set", "subset")].max())
        if subset not in SUBSETS:
            raise UserError(f"there is no subset {subset!r}: choose one of {', '.join(SUBSETS)}")
        tracks, title = select_subset(tracks, subset), f"FMA {subset}"
    plan = plan_tracks(tracks, mapping)
    plan["path"] = [names.get(track, image_path("", track).as_posix()) for track in plan.index]
    plan["artist"] = artist_of(tracks).reindex(plan.index).fillna("").astype(str)
    return Listing(folder, plan.drop(columns="label"), title, subset or "", notes)


def _list_genres(folder: Path, names: list[str]) -> Listing:
    """List the pictures in folders that are named after genres."""
    inside = [name for name in names if "/" in name]
    if not inside:
        raise UserError(
            f"{folder} holds {len(names):,} pictures but no folders of genres: expected are "
            "genre/name.png, or a CSV with the columns path and genre"
        )
    outside = len(names) - len(inside)
    notes = [f"skipped: {outside:,} pictures outside the folders of genres"] if outside else []
    tracks = pd.DataFrame({"path": inside, "split": "", "artist": ""})
    tracks["genre"] = [clean_name(name_text(name.split("/")[0])) for name in inside]
    return Listing(folder, _numbered(tracks), name_text(folder.name), notes=notes)


def _list_rows(path: Path) -> Listing:
    """List the rows of a CSV; their paths are relative to it."""
    folder = path.parent
    rows = read_rows(path, required=("path", "genre"), optional=("split", "artist"))
    for number, row in rows:
        place = Path(os.path.normpath(folder / row["path"]))
        if "\0" in row["path"] or not place.is_relative_to(folder):
            raise UserError(
                f"{path}: row {number} has the path {one_line(row['path'])}, which is outside "
                "the folder of the CSV: move the CSV above the pictures"
            )
        row["path"] = place.relative_to(folder).as_posix()
    tracks = pd.DataFrame([row for _, row in rows])
    for name in ("genre", "artist"):
        tracks[name] = tracks[name].map(clean_name)
    if (twice := tracks["path"].duplicated()).any():
        raise UserError(f"{path} names {one_line(tracks['path'][twice].iloc[0])} twice")
    return Listing(folder, _numbered(tracks), name_text(path.stem))


def _numbered(tracks: pd.DataFrame) -> pd.DataFrame:
    """Assign numbers to the tracks from 1 in the order of their paths."""
    tracks = tracks.sort_values("path", ignore_index=True)
    tracks.index = pd.RangeIndex(1, len(tracks) + 1, name="track_id")
    return tracks[["path", "genre", "split", "artist"]]
