"""Which recordings a folder or a table of one's own lists, and whose they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.audio_stream import walk_audio
from common.fma.metadata import SPLITS
from common.text import one_line

_REQUIRED = ("path", "genre", "artist")
_OPTIONAL = ("title", "split")


@dataclass(frozen=True)
class Source:
    """One recording.

    Attributes
    ----------
    key : str
        What it is known by from one run to the next: its path as the table has it, or relative to
        the folder.
    path : Path
        Absolute.
    genre, artist, title : str
    split : str
        One of `fma_utils.SPLITS`, or nothing if it is to be chosen.
    """

    key: str
    path: Path
    genre: str
    artist: str
    title: str
    split: str = ""


def read_sources(given: Path) -> list[Source]:
    """List the recordings of a folder or of a CSV.

    Parameters
    ----------
    given : Path
        A folder with ``genre/artist/….mp3`` or ``genre/artist - title.mp3``, or a CSV with the
        columns path, genre, artist and, if wanted, title and split; paths relative to the CSV.

    Returns
    -------
    list of Source
        By key. Artists that differ only in case and spaces are one.

    Raises
    ------
    UserError
        If there is nothing, a recording has no genre or artist, or fewer than two genres are there.
    """
    if given.is_dir():
        sources = _read_folder(given.resolve())
    elif given.is_file():
        sources = _read_table(given.resolve())
    else:
        raise UserError(f"{given}: there is no such folder or CSV")
    genres = sorted({source.genre for source in sources})
    if len(genres) < 2:
        raise UserError(
            f"{given} has one genre only ({one_line(genres[0])}): a classifier needs two or more"
        )
    spellings: dict[str, str] = {}
    return [
        Source(**vars(source) | {"artist": spellings.setdefault(_folded(source.artist), artist)})
        for source in sorted(sources, key=lambda source: source.key)
        for artist in [source.artist]
    ]


def _folded(artist: str) -> str:
    return " ".join(artist.split()).casefold()


def _read_folder(folder: Path) -> list[Source]:
    sources, lost = [], []
    for path in walk_audio(folder):
        place = path.relative_to(folder)
        genre, *between = place.parts[:-1] or ("",)
        artist, dash, title = path.stem.partition(" - ")
        if between:
            artist, title = between[0], path.stem
        elif not (genre and dash and artist.strip() and title.strip()):
            lost.append(place)
            continue
        sources.append(Source(place.as_posix(), path, genre.strip(), artist.strip(), title.strip()))
    if lost:
        raise UserError(
            f"{_listed(lost)} in {folder}: whose is it? Put it into a folder of its artist, "
            "genre/artist/title.mp3, or call it genre/artist - title.mp3: without artists, no "
            "artist could be kept out of two splits"
        )
    if not sources:
        raise UserError(f"{folder} holds no audio files, in no folder of a genre: see --help")
    return sources


def _listed(paths: list[Path]) -> str:
    first = one_line(min(paths))
    return f"{first} and {len(paths) - 1:,} more" if len(paths) > 1 else first


def _read_table(path: Path) -> list[Source]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV in UTF-8: {one_line(error)}") from None
    if missing := [name for name in _REQUIRED if name not in table]:
        raise UserError(
            f"{path} lacks the column {missing[0]!r}: it needs {', '.join(_REQUIRED)} and may have "
            f"{' and '.join(_OPTIONAL)}"
        )
    table = table.apply(lambda column: column.str.strip())
    for name in _REQUIRED:
        if (empty := table[name] == "").any():
            raise UserError(f"{path}: row {_row(empty)} has no {name}: fill it in, or take it out")
    if (twice := table["path"].duplicated()).any():
        raise UserError(f"{path}: row {_row(twice)} names a file again: take one of the two out")
    if table.empty:
        raise UserError(f"{path} has no rows: there is nothing to import")
    if "split" in table:
        _check_splits(path, table)
    return [
        Source(
            key=row.path,
            path=path.parent / row.path,
            genre=row.genre,
            artist=row.artist,
            title=getattr(row, "title", "") or Path(row.path).stem,
            split=getattr(row, "split", ""),
        )
        for row in table.itertuples()
    ]


def _row(chosen: pd.Series) -> int:
    """Give the number of the first row that is chosen, the header being row 1."""
    return int(chosen.to_numpy().argmax()) + 2


def _check_splits(path: Path, table: pd.DataFrame) -> None:
    if (wrong := ~table["split"].isin(SPLITS)).any():
        found = one_line(table["split"][wrong].iloc[0])
        raise UserError(
            f"{path}: row {_row(wrong)} has the split {found!r}: it must be one of "
            f"{', '.join(SPLITS)}, or leave the column out to have them chosen"
        )
    of_artist = Counter(
        artist for artist, _ in set(zip(table["artist"].map(_folded), table["split"], strict=True))
    )
    if several := [artist for artist in table["artist"] if of_artist[_folded(artist)] > 1]:
        raise UserError(
            f"{path}: {one_line(several[0])} is in more than one split: a network would be tested "
            "on an artist that it knows; put all tracks of an artist into one"
        )
