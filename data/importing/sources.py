"""Recordings of a folder or a CSV, with their genres and artists."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from common.errors import AudioError, UserError
from common.fma.audio_blocks import decoding
from common.fma.audio_files import search_folder
from common.fma.genres import clean_name, fold_name
from common.fma.metadata import SPLITS
from common.text import name_text, one_line

ARTIST_FROM = ("path", "folder", "name", "numbered-name", "tags")
"""Where a folder's artists are read from; see `read_sources`."""

_REQUIRED = ("path", "genre", "artist")
_OPTIONAL = ("title", "split")

_NUMBER = re.compile(
    r"(cd|dis[ck]|no|side|track|vol)?[\s._#-]*[a-d]?\d+([\s._-]\d+)*\.?", re.IGNORECASE
)
"""``01``, ``1-01``, ``CD 2``, ``A1``: what track and disc numbers look like."""

_NUMBERED = re.compile(
    r"[\[(#]*0\d|[\[(#]+\d|track\s*\d|\d{1,3}[.)_](?!\d)|\d{1,2}-\d\d\s", re.IGNORECASE
)
"""How a name begins that has a track number before the artist: ``01 Ada``, ``1. Ada``."""

_PREFIX = re.compile(r"[\[(#]*(track\s*)?[a-d]?\d{1,3}([.-]\d{1,3})?[\s.)\]_-]+", re.IGNORECASE)
"""A track number and what separates it from the artist."""


@dataclass(frozen=True)
class Source:
    """One recording.

    Attributes
    ----------
    key : str
        Names it from one run to the next: its path relative to the folder, or as in the CSV.
    path : Path
        Absolute.
    genre, artist, title : str
    split : str
        One of `SPLITS`, or empty if it is to be chosen.
    """

    key: str
    path: Path
    genre: str
    artist: str
    title: str
    split: str = ""


@dataclass(frozen=True)
class Listing:
    """The recordings, sorted by key, and lines about what was skipped."""

    sources: list[Source]
    notes: list[str] = field(default_factory=list)


def read_sources(given: Path, artist_from: str = "path") -> Listing:
    """List the recordings of a folder or of a CSV.

    Parameters
    ----------
    given : Path
        A folder with a folder for each genre, or a CSV with the columns path, genre, artist and
        optionally title and split; paths relative to the CSV.
    artist_from : str
        Where the artist of a folder's file is: ``folder``, the first below the genre's; ``name``,
        ``artist - title.mp3``; ``path``, either of these but not a track number; ``numbered-name``,
        ``01 - artist - title.mp3``; ``tags``, the file's own.

    Returns
    -------
    Listing
        Each file once, whatever links to it. Genres and artists are in Unicode NFC; artists that
        differ only in case and spaces are one.

    Raises
    ------
    UserError
        If there is nothing, a recording has no genre or artist, or there are fewer than two genres.
    """
    if given.is_dir():
        listing = _read_folder(given.resolve(), artist_from)
    elif given.is_file():
        listing = Listing(_read_table(given.resolve()))
    else:
        raise UserError(f"{given}: there is no such folder or CSV")
    genres = sorted({source.genre for source in listing.sources})
    if len(genres) < 2:
        raise UserError(
            f"{given} has one genre only ({one_line(genres[0])}): a classifier needs two or more"
        )
    spellings: dict[str, str] = {}
    sources = [
        replace(source, artist=spellings.setdefault(fold_name(source.artist), source.artist))
        for source in sorted(listing.sources, key=lambda source: source.key)
    ]
    return replace(listing, sources=sources)


def _identity(path: Path) -> object:
    """Tell files apart: links to one file are equal."""
    try:
        state = path.stat()
    except OSError:
        return path
    return state.st_dev, state.st_ino


def _listed(paths: Iterable[Path]) -> str:
    first, *others = sorted(paths)
    return one_line(first) + (f" and {len(others):,} more" if others else "")


# --- A folder ------------------------------------------------------------------------------------


def _read_folder(folder: Path, artist_from: str) -> Listing:
    files = search_folder(folder)
    skipped = files.describe_skipped()
    sources: dict[object, Source] = {}
    lost, numbers, again = [], {}, []
    # The file itself comes before links to it.
    for path in sorted(files.paths, key=lambda path: (path.is_symlink(), path)):
        place = path.relative_to(folder)
        genre, *between = (clean_name(name_text(part)) for part in place.parts[:-1] or ("",))
        artist, title = _artist_and_title(path, between, artist_from)
        key = os.fsencode(place.as_posix()).decode("utf-8", "backslashreplace")
        source = Source(key, path, genre, artist, title)
        kept = sources.setdefault(_identity(path), source)
        if kept is not source:
            as_genre = f" ({kept.genre}, not {genre})" if genre != kept.genre else ""
            again.append(f"{one_line(key)} is {one_line(kept.key)}{as_genre}")
        elif not (genre and artist):
            lost.append(place)
        elif artist_from == "path" and (_NUMBER.fullmatch(artist) or _NUMBERED.match(artist)):
            numbers[place] = artist
    if numbers:
        first = min(numbers)
        raise UserError(
            f"{_listed(numbers)} in {folder}: {numbers[first]!r} looks like a track number, "
            "and track numbers are no artists: name the artist's place with --artist-from "
            "numbered-name (01 - Ada - One.mp3), tags (in the file) or, if it is the artist, name "
            "(311 - Down.mp3) or folder (311/Down.mp3)"
        )
    if lost:
        raise UserError(
            f"{_listed(lost)} in {folder}: no artist is found. Put it into a folder of its artist, "
            "genre/artist/title.mp3, call it genre/artist - title.mp3, or see --artist-from: "
            "without artists, one artist's tracks may be in two splits"
        )
    if not sources:
        found = f" ({skipped})" if skipped else ""
        raise UserError(f"{folder} holds no audio files in folders of genres{found}: see --help")
    notes = [f"skipped: {skipped}"] if skipped else []
    if again:
        more = ", …" if len(again) > 3 else ""
        notes.append(
            f"linked again and imported once: {len(again):,} ({'; '.join(again[:3])}{more})"
        )
    return Listing(list(sources.values()), notes)


def _artist_and_title(path: Path, between: list[str], where: str) -> tuple[str, str]:
    """Give the artist, empty if there is none, and the title."""
    stem = clean_name(name_text(path.stem))
    if where == "tags":
        return _tags_of(path, stem)
    if where in ("path", "folder") and between:
        return between[0], stem
    if where == "numbered-name":
        number = _PREFIX.match(stem)
        stem = stem[number.end() :] if number else ""
    artist, _, title = (part.strip() for part in stem.partition(" - "))
    return (artist, title) if artist and title and where != "folder" else ("", stem)


def _tags_of(path: Path, title: str) -> tuple[str, str]:
    import soundfile

    try:
        with decoding(path), soundfile.SoundFile(os.fsencode(path)) as file:
            return clean_name(file.artist), clean_name(file.title) or title
    except AudioError:
        return "unknown", title  # the file is left out, since it does not decode


# --- A CSV ---------------------------------------------------------------------------------------


def _read_table(path: Path) -> list[Source]:
    rows = _read_rows(path)
    sources: dict[object, Source] = {}
    for number, row in rows:
        for name in _REQUIRED:
            if not row[name]:
                raise UserError(f"{path}: row {number} has no {name}: fill it in, or take it out")
        if "split" in row and row["split"] not in SPLITS:
            raise UserError(
                f"{path}: row {number} has the split {one_line(row['split'])!r}: it must be one of "
                f"{', '.join(SPLITS)}, or leave the column out to have them chosen"
            )
        file = path.parent / row["path"]
        source = Source(
            key=row["path"],
            path=file,
            genre=clean_name(row["genre"]),
            artist=clean_name(row["artist"]),
            title=clean_name(row.get("title", "")) or file.stem,
            split=row.get("split", ""),
        )
        earlier = sources.setdefault(_identity(file), source)
        if earlier is not source:
            raise UserError(
                f"{path}: row {number} names a file again ({one_line(earlier.key)}): take one of "
                "the two out"
            )
    if not sources:
        raise UserError(f"{path} has no rows: there is nothing to import")
    _require_one_split_each(path, sources.values())
    return list(sources.values())


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the rows with their numbers, the header being row 1."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV in UTF-8: {one_line(error)}") from None
    header = rows[0] if rows else []
    if missing := [name for name in _REQUIRED if name not in header]:
        raise UserError(
            f"{path} lacks the column {missing[0]!r}: it needs {', '.join(_REQUIRED)} and may have "
            f"{' and '.join(_OPTIONAL)}, separated by commas"
        )
    if twice := [name for name in (*_REQUIRED, *_OPTIONAL) if header.count(name) > 1]:
        raise UserError(f"{path} has the column {twice[0]!r} twice: take one of the two out")
    table = []
    for number, row in enumerate(rows[1:], start=2):
        if any(row[len(header) :]):
            raise UserError(
                f"{path}: row {number} has more cells than the header: put text with commas into "
                "quotation marks"
            )
        cells = [*row, *[""] * (len(header) - len(row))]
        if any(cells):
            table.append((number, dict(zip(header, cells, strict=False))))
    return table


def _require_one_split_each(path: Path, sources: Iterable[Source]) -> None:
    pairs = {(fold_name(source.artist), source.split) for source in sources}
    splits = Counter(artist for artist, _ in pairs)
    if several := [s.artist for s in sources if splits[fold_name(s.artist)] > 1]:
        raise UserError(
            f"{path}: {one_line(several[0])} is in more than one split: a network would be tested "
            "on an artist it was trained on; put all tracks of an artist into one"
        )
