"""Lists of pictures with their genres, artists and splits: FMA's layout, folders or a CSV."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.audio_files import NO_PICTURE, search_folder
from common.fma.genres import clean_name
from common.fma.metadata import SPLITS, SUBSETS, select_subset
from common.fma.track_plan import artist_of, plan_tracks
from common.tables import read_rows
from common.text import name_text, one_line
from common.track_table import find_table, read_track_table
from spectrogram_image.images.folder import image_path
from spectrogram_image.importing.pictures import SUFFIXES

_REQUIRED = ("path", "genre")
_OPTIONAL = ("split", "artist")

_FMA_NAME = re.compile(r"(?:.*/)?(\d{3})/(\1\d{3,})\.\w+")
"""Name of a picture in FMA's layout, such as ``000/000002.png``."""


@dataclass(frozen=True)
class Listing:
    """Pictures to import.

    Attributes
    ----------
    folder : Path
        Absolute; the pictures' paths are relative to it.
    tracks : pandas.DataFrame
        Indexed by ``track_id``, in ascending order: ``path``, ``genre``, and ``split`` and
        ``artist``, empty if they are not known.
    title : str
    subset : str
        One of FMA's subsets, empty for other pictures.
    notes : list of str
        Messages about skipped files.
    """

    folder: Path
    tracks: pd.DataFrame
    title: str
    subset: str = ""
    notes: list[str] = field(default_factory=list)


def read_listing(
    source: Path, metadata: Path | None = None, subset: str | None = None, mapping: str = "all"
) -> Listing:
    """List the pictures of a folder or of a CSV.

    Parameters
    ----------
    source : Path
        A folder with FMA's names, a folder with a folder for each genre, or a CSV.
    metadata : Path, optional
        FMA's ``tracks.csv`` or its folder, or a table of `common.track_table.read_track_table`.
    subset : str, optional
        FMA's subset; by default the smallest that has all pictures.
    mapping : str
        A key of `common.fma.genres.GENRE_MAPPINGS`, for FMA's names.

    Raises
    ------
    UserError
        If there are no pictures, fewer than two genres, or the tables do not fit.
    """
    given, source = source, Path(os.path.abspath(source))  # noqa: PTH100 (keeps links)
    if source.is_file():
        _require_defaults(source, metadata, subset, mapping)
        listing = _read_table(source)
    elif source.is_dir():
        listing = _read_folder(source, metadata, subset, mapping)
    else:
        raise UserError(f"{given}: there is no such folder or CSV")
    genres = sorted(set(listing.tracks["genre"]))
    if len(genres) < 2:
        found = f" ({one_line(genres[0])})" if genres else ""
        raise UserError(f"{source} has fewer than two genres{found}: a classifier needs two")
    return listing


def _require_defaults(
    source: Path, metadata: Path | None, subset: str | None, mapping: str
) -> None:
    if metadata or subset or mapping != "all":
        raise UserError(
            f"{source} does not have FMA's names (000/000002.png), which --metadata, --subset and "
            "--genres need: leave them out, or choose another folder"
        )


def _read_folder(folder: Path, metadata: Path | None, subset: str | None, mapping: str) -> Listing:
    found = search_folder(folder, SUFFIXES, NO_PICTURE)
    skipped = found.describe_skipped()
    notes = [f"skipped: {skipped}"] if skipped else []
    names = [path.relative_to(folder).as_posix() for path in found.paths]
    if not names:
        raise UserError(
            f"{folder} holds no pictures{f' ({skipped})' if skipped else ''}: expected are "
            "000/000002.png or genre/name.png, see --help"
        )
    if 2 * sum(bool(_FMA_NAME.fullmatch(name)) for name in names) > len(names):
        return _read_named(folder, names, metadata, subset, mapping, notes)
    _require_defaults(folder, metadata, subset, mapping)
    inside = [name for name in names if "/" in name]
    if not inside:
        raise UserError(
            f"{folder} holds {len(names):,} pictures but no folders of genres: expected are "
            "genre/name.png, or a CSV with the columns path and genre"
        )
    if outside := len(names) - len(inside):
        notes.append(f"skipped: {outside:,} pictures outside the folders of genres")
    tracks = pd.DataFrame({"path": inside})
    tracks["genre"] = [clean_name(name_text(name.split("/")[0])) for name in inside]
    return Listing(folder, _numbered(tracks), name_text(folder.name), notes=notes)


def _read_named(
    folder: Path,
    names: list[str],
    metadata: Path | None,
    subset: str | None,
    mapping: str,
    notes: list[str],
) -> Listing:
    """List the tracks of a table whose ids are the pictures' names, also without a picture."""
    tracks, more = read_track_table(find_table(folder, metadata))
    paths: dict[int, str] = {}
    for name in names:
        if match := _FMA_NAME.fullmatch(name):
            paths.setdefault(int(match[2]), name)
    known = tracks.index.intersection(list(paths))
    if known.empty:
        raise UserError(f"no picture of {folder} is named after a track of the table")
    title = name_text(folder.name)
    if ("set", "subset") in tracks:
        subset = subset or str(tracks.loc[known, ("set", "subset")].max())
        if subset not in SUBSETS:
            raise UserError(f"there is no subset {subset!r}: choose one of {', '.join(SUBSETS)}")
        tracks, title = select_subset(tracks, subset), f"FMA {subset}"
    plan = plan_tracks(tracks, mapping)
    if unused := len(names) - len(plan.index.intersection(known)):
        notes.append(f"skipped: {unused:,} pictures of no track of {title} with a genre")
    plan["path"] = [paths.get(t, image_path("", t).as_posix()) for t in plan.index]
    plan["artist"] = artist_of(tracks).reindex(plan.index).fillna("").astype(str)
    return Listing(folder, plan.drop(columns="label"), title, subset or "", [*notes, *more])


def _read_table(path: Path) -> Listing:
    rows = read_rows(path, _REQUIRED, _OPTIONAL)
    if not rows:
        raise UserError(f"{path} has no rows: there is nothing to import")
    folder = path.parent
    for number, row in rows:
        for name in _REQUIRED:
            if not row[name]:
                raise UserError(
                    f"{path}: row {number} has no {name}: fill it in, or delete the row"
                )
        if "\0" in row["path"]:
            raise UserError(f"{path}: row {number} has a path with a zero character: correct it")
        place = os.path.normpath(folder / row["path"])
        if not Path(place).is_relative_to(folder):
            raise UserError(
                f"{path}: row {number} has the path {one_line(row['path'])}, which is outside "
                "the folder of the CSV: move the CSV above the pictures"
            )
        row["path"] = Path(place).relative_to(folder).as_posix()
        if row.get("split") and row["split"] not in SPLITS:
            raise UserError(
                f"{path}: row {number} has the split {one_line(row['split'])!r}: use one of "
                f"{', '.join(SPLITS)}, or omit the column"
            )
    tracks = pd.DataFrame([row for _, row in rows])
    tracks["genre"] = tracks["genre"].map(clean_name)
    for name in _OPTIONAL:
        tracks[name] = tracks[name].fillna("") if name in tracks else ""
    tracks["artist"] = tracks["artist"].map(clean_name)
    if (twice := tracks["path"].duplicated()).any():
        again = one_line(tracks["path"][twice].iloc[0])
        raise UserError(f"{path} names {again} twice: delete a row")
    if (tracks["split"] == "").any() and (tracks["split"] != "").any():
        raise UserError(f"{path} has a split in some rows only: fill in all, or omit the column")
    return Listing(folder, _numbered(tracks), name_text(path.stem))


def _numbered(tracks: pd.DataFrame) -> pd.DataFrame:
    """Assign numbers to the tracks from 1 in the order of their paths."""
    tracks = tracks.sort_values("path", ignore_index=True)
    tracks.index = pd.RangeIndex(1, len(tracks) + 1, name="track_id")
    for name in _OPTIONAL:
        if name not in tracks:
            tracks[name] = ""
    return tracks[["path", "genre", "split", "artist"]]
