"""Names of genres: normalisation, the FMA's root genres and their mappings to labels."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pandas as pd

from common.errors import UserError

ROOT_GENRES = (
    "Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk",
    "Hip-Hop", "Instrumental", "International", "Jazz", "Old-Time / Historic", "Pop", "Rock",
    "Soul-RnB", "Spoken",
)  # fmt: skip
"""The 16 roots of FMA's genre tree, in the order of all figures and their colours."""

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
"""Mappings of root genres to 16, 14 and 12 labels; absent genres are dropped."""


def clean_name(name: str) -> str:
    """Normalise a name to Unicode NFC and strip it."""
    return unicodedata.normalize("NFC", name).strip()


def fold_name(name: str) -> str:
    """Return a form of a name that ignores case and spaces, for comparison."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Find names that differ only in case or spaces, such as ``("Rock", "rock")``."""
    spellings: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        spellings.setdefault(fold_name(name), []).append(name)
    return [tuple(group) for group in spellings.values() if len(group) > 1]


def describe_similar(genres: Iterable[str]) -> list[str]:
    """Format a warning for each group that `similar_names` finds."""
    return [
        f"warning: the genres {' and '.join(map(repr, group))} differ only in case or spaces and "
        "are separate classes: rename one if they are the same"
        for group in similar_names(genres)
    ]


def map_genres(roots: pd.Series, mapping: str) -> pd.Series:
    """Map root genres to the labels of one of `GENRE_MAPPINGS`; ``all`` also keeps other genres.

    The result is missing for dropped and missing genres. Raises `UserError` for an unknown mapping,
    and for a genre that is not in `ROOT_GENRES` unless the mapping is ``all``.
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
