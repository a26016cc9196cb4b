"""Names of genres: what a name is, the FMA's root genres, and the sets of labels made of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pandas as pd

from common.errors import UserError

ROOT_GENRES = (
    "Blues",
    "Classical",
    "Country",
    "Easy Listening",
    "Electronic",
    "Experimental",
    "Folk",
    "Hip-Hop",
    "Instrumental",
    "International",
    "Jazz",
    "Old-Time / Historic",
    "Pop",
    "Rock",
    "Soul-RnB",
    "Spoken",
)
"""The 16 roots of FMA's genre tree: one order everywhere, so that colours agree everywhere."""

_SHORTER_HISTORIC = {genre: genre for genre in ROOT_GENRES} | {"Old-Time / Historic": "Historic"}

GENRE_MAPPINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "all": {genre: genre for genre in ROOT_GENRES},
        "frequent": {
            root: genre
            for root, genre in _SHORTER_HISTORIC.items()
            if root not in ("Spoken", "Easy Listening")
        },
        "merged": _SHORTER_HISTORIC
        | dict.fromkeys(("Blues", "Easy Listening", "Jazz", "Soul-RnB"), "Blues-Jazz-Soul")
        | {"Country": "Folk"},
    }
)
"""Root genre → label, by the mapping's name: 16, 14 and 12 labels; an absent genre is dropped."""


def clean_name(name: str) -> str:
    """Normalise the name of a genre or an artist to Unicode NFC, without spaces at its ends."""
    return unicodedata.normalize("NFC", name).strip()


def fold_name(name: str) -> str:
    """Give the form that spellings of one name share: case and spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Find names that differ only in case or spaces, such as ``("Rock", "rock")``."""
    spellings: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        spellings.setdefault(fold_name(name), []).append(name)
    return [tuple(group) for group in spellings.values() if len(group) > 1]


def describe_similar(genres: Iterable[str]) -> list[str]:
    """Write a line for each group of genres that `similar_names` finds."""
    return [
        f"warning: the genres {' and '.join(map(repr, group))} differ only in case or spaces and "
        "are separate classes: rename one if they are the same"
        for group in similar_names(genres)
    ]


def map_genres(roots: pd.Series, mapping: str) -> pd.Series:
    """Replace root genres by the labels of a named mapping; ``all`` keeps any genre.

    Parameters
    ----------
    roots : pandas.Series
        Text, as ``("track", "genre_top")``; normalised here by `clean_name`.
    mapping : str
        A key of `GENRE_MAPPINGS`.

    Returns
    -------
    pandas.Series
        Labels; missing where the mapping drops the genre or the track has none.

    Raises
    ------
    UserError
        If there is no such mapping, or it is not ``all`` and a genre is not in `ROOT_GENRES`.
    """
    if mapping not in GENRE_MAPPINGS:
        raise UserError(f"no genre mapping {mapping!r}: choose one of {', '.join(GENRE_MAPPINGS)}")
    names = roots.astype(object).map(clean_name, na_action="ignore")
    unknown = set(names.dropna()) - {"", *ROOT_GENRES}
    if unknown and mapping != "all":
        raise UserError(
            f"{min(unknown)!r} is no root genre of the FMA, which {mapping!r} needs: use 'all'"
        )
    return names.map({**GENRE_MAPPINGS[mapping], **{genre: genre for genre in unknown}})
