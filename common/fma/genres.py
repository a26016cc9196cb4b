"""The root genres, and the sets of labels that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
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


def map_genres(roots: pd.Series, mapping: str) -> pd.Series:
    """Replace root genres by the labels of a named mapping; ``all`` keeps any genre as it is.

    Parameters
    ----------
    roots : pandas.Series
        Root genres, as ``("track", "genre_top")`` has them.
    mapping : str
        A key of `GENRE_MAPPINGS`.

    Returns
    -------
    pandas.Series
        Labels; missing where the mapping drops the genre or the track has none.

    Raises
    ------
    UserError
        If there is no such mapping, or it is another than ``all`` and a genre is not one of
        `ROOT_GENRES`.
    """
    if mapping not in GENRE_MAPPINGS:
        raise UserError(f"no genre mapping {mapping!r}: choose one of {', '.join(GENRE_MAPPINGS)}")
    roots = roots.astype(object)
    unknown = set(roots.dropna()) - set(ROOT_GENRES)
    if unknown and mapping != "all":
        raise UserError(
            f"{min(unknown)!r} is no root genre of the FMA, which {mapping!r} needs: use 'all'"
        )
    return roots.map({**GENRE_MAPPINGS[mapping], **{genre: genre for genre in unknown}})
