"""Lists of recordings with their genres and artists, from a folder or a CSV."""

from __future__ import annotations

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
from common.tables import read_rows
from common.text import name_text, one_line

ARTIST_FROM = ("path", "folder", "name", "numbered-name", "tags")
"""Sources of the artists of a folder; see `read_sources`."""

_REQUIRED = ("path", "genre", "artist")
_OPTIONAL = ("title", "split")

_NUMBER = re.compile(
    r"(cd|dis[ck]|no|side|track|vol)?[\s._#-]*[a-d]?\d+([\s._-]\d+)*\.?", re.IGNORECASE
)
"""Track and disc numbers: ``01``, ``1-01``, ``CD 2``, ``A1``."""

_NUMBERED = re.compile(
    r"[\[(#]*0\d|[\[(#]+\d|track\s*\d|\d{1,3}[.)_](?!\d)|\d{1,2}-\d\d\s", re.IGNORECASE
)
"""The beginning of a name with a track number before the artist: ``01 Ada``, ``1. Ada``."""

_PREFIX = re.compile(r"[\[(#]*(track\s*)?[a-d]?\d{1,3}([.-]\d{1,3})?[\s.)\]_-]+", re.IGNORECASE)
"""A track number and its separator."""


@dataclass(frozen=True)
class Source:
    """One recording."""

    key: str  # stable identifier: the path relative to the folder, or as in the CSV
    path: Path  # absolute
    genre: str
    artist: str
    title: str
    split: str = ""  # one of `SPLITS`, or empty if the import chooses it


@dataclass(frozen=True)
class Listing:
    """Recordings sorted by key, and messages about skipped files."""

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
        Source of the artists of a folder: ``folder``, the first below the genre's; ``name``,
        ``artist - title.mp3``; ``path``, either of these but not a track number; ``numbered-name``,
        ``01 - artist - title.mp3``; ``tags``, the tags in the file.

    Returns
    -------
    Listing
        Files without duplicates by links. Genres and artists are in Unicode NFC; artists that
        differ only in case and spaces have one spelling.

    Raises
    ------
    UserError
        If a recording has no genre or artist, or there are fewer than two genres.
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
            f"{given} has one genre only ({one_line(genres[0])}): a classifier needs at least two"
        )
    spellings: dict[str, str] = {}
    sources = [
        replace(source, artist=spellings.setdefault(fold_name(source.artist), source.artist))
        for source in sorted(listing.sources, key=lambda source: source.key)
    ]
    return replace(listing, sources=sources)


def _identity(path: Path) -> object:
    """Return a value that is equal for all links to one file."""
    try:
        state = path.stat()
    except OSError:
        return path
    return state.st_dev, state.st_ino


def _listed(paths: Iterable[Path]) -> str:
    first, *others = sorted(paths)
    return one_line(first) + (f" and {len(others):,} more" if others else "")


def _read_folder(folder: Path, artist_from: str) -> Listing:
    files = search_folder(folder)
    skipped = files.describe_skipped()
    sources: dict[object, Source] = {}
    lost, numbers, again = [], {}, []
    # Files precede links to them.
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
            f"{_listed(numbers)} in {folder}: {numbers[first]!r} looks like a track number, and "
            "track numbers are no artists: use --artist-from numbered-name "
            "(01 - Ada - One.mp3), tags (in the file) or, if it is the artist, "
            "name (311 - Down.mp3) or folder (311/Down.mp3)"
        )
    if lost:
        raise UserError(
            f"{_listed(lost)} in {folder}: no artist is found; rename the file to "
            "genre/artist/title.mp3 or genre/artist - title.mp3, or see --artist-from: artists are "
            "needed to keep the splits apart"
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
    """Return the artist, empty if there is none, and the title."""
    stem = clean_name(name_text(path.stem))
    if where == "tags":
        import soundfile

        try:
            with decoding(path), soundfile.SoundFile(os.fsencode(path)) as file:
                return clean_name(file.artist), clean_name(file.title) or stem
        except AudioError:
            return "unknown", stem  # the import leaves the file out
    if where in ("path", "folder") and between:
        return between[0], stem
    if where == "numbered-name":
        number = _PREFIX.match(stem)
        stem = stem[number.end() :] if number else ""
    artist, _, title = (part.strip() for part in stem.partition(" - "))
    return (artist, title) if artist and title and where != "folder" else ("", stem)


def _read_table(path: Path) -> list[Source]:
    rows = read_rows(path, _REQUIRED, _OPTIONAL)
    sources: dict[object, Source] = {}
    for number, row in rows:
        file = path.parent / row["path"]
        source = Source(
            key=row["path"],
            path=file,
            genre=clean_name(row["genre"]),
            artist=clean_name(row["artist"]),
            title=clean_name(row["title"]) or file.stem,
            split=row["split"],
        )
        earlier = sources.setdefault(_identity(file), source)
        if earlier is not source:
            raise UserError(
                f"{path}: row {number} names a file again ({one_line(earlier.key)}): delete a row"
            )
    pairs = {(fold_name(source.artist), source.split) for source in sources.values()}
    splits = Counter(artist for artist, _ in pairs)
    if several := [s.artist for s in sources.values() if splits[fold_name(s.artist)] > 1]:
        raise UserError(
            f"{path}: {one_line(several[0])} is in more than one split: put all tracks of an "
            "artist into one split"
        )
    return list(sources.values())
