"""Labels of tracks: one root genre, several root genres, or several genres of the whole tree.

M. Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017: the 161 genres of the FMA
form a tree, and only tracks whose genres share one root have a ``genre_top``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from common.errors import UserError
from common.fma.genres import clean_name
from common.fma.metadata import SPLITS, load

LABELS = {
    "top": "the root genre of a track, track.genre_top",
    "roots": "all root genres of a track",
    "all": "all genres of a track, with their ancestors",
}
"""Name → meaning; tracks without ``genre_top`` have labels of the last two only."""

MIN_TRACKS = 50
"""Smallest number of training tracks of a genre below a root with ``"all"``."""

SEPARATOR = " | "  # between the genres of a track in tables


@dataclass(frozen=True)
class GenreTree:
    """The tree of ``genres.csv``: the title of each genre id, and the parent of those with one."""

    path: Path
    titles: Mapping[int, str]
    parents: Mapping[int, int]

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read ``genres.csv``.

        An unknown parent, a genre that is its own ancestor, a title of two genres, or one that is
        empty or contains `SEPARATOR`, is a `UserError`.
        """
        table = load(path, ["parent", "title"])
        titles = table["title"].fillna("").astype(str).map(clean_name)
        if titles.duplicated().any():
            twice = titles[titles.duplicated()].iloc[0]
            raise UserError(f"{path} has the title {twice!r} twice: rename one of the genres")
        if (bad := (titles == "") | titles.str.contains(SEPARATOR, regex=False)).any():
            raise UserError(
                f"{path}: the genre {titles.index[bad][0]} has the title {titles[bad].iloc[0]!r}: "
                f"a title must not be empty or contain {SEPARATOR!r}"
            )
        parents = table["parent"].fillna(0).astype(int)
        tree = cls(Path(path), titles.to_dict(), parents[parents != 0].to_dict())
        for genre in tree.titles:
            tree.lineage(genre)
        return tree

    def lineage(self, genre: int) -> list[int]:
        """List a genre, its parent, and so on up to its root; see `read` for errors."""
        line = [genre]
        while (parent := self.parents.get(line[-1])) is not None:
            described = f"{self.path}: the genre {line[-1]} ({self.titles[line[-1]]})"
            if parent not in self.titles:
                raise UserError(
                    f"{described} has the parent {parent}, which the table lacks: fetch it again"
                )
            if parent in line:
                raise UserError(f"{described} is its own ancestor: correct the column parent")
            line.append(parent)
        return line

    @cached_property
    def rank(self) -> dict[str, int]:
        """dict: title → position in the tree: alphabetical, each genre before its descendants."""
        lines = [[self.titles[g] for g in reversed(self.lineage(genre))] for genre in self.titles]
        return {line[-1]: position for position, line in enumerate(sorted(lines))}

    def parents_of(self, titles: Iterable[str]) -> dict[str, str]:
        """Map each of these titles to that of its parent; roots are absent."""
        chosen = set(titles)
        pairs = {self.titles[genre]: self.titles[parent] for genre, parent in self.parents.items()}
        return {title: parent for title, parent in pairs.items() if title in chosen}


def genre_sets(genres_all: pd.Series, tree: GenreTree, labels: str) -> pd.Series:
    """Map the lists of genre ids of tracks to frozensets of titles.

    ``labels`` is ``"roots"`` or ``"all"``, with ancestors; ``genres_all`` is indexed by track id. A
    genre id that the tree lacks is a `UserError`.
    """
    known: dict[int, frozenset[str]] = {}
    for genre in tree.titles:
        line = tree.lineage(genre)
        known[genre] = frozenset(tree.titles[g] for g in (line if labels == "all" else line[-1:]))

    def titles(track_id: Any, genres: list[int]) -> frozenset[str]:
        try:
            return frozenset().union(*(known[genre] for genre in genres))
        except KeyError as error:
            raise UserError(
                f"track {track_id} has the genre {error}, which {tree.path} lacks: fetch both again"
            ) from None

    sets = [titles(*track) for track in genres_all.items()]
    return pd.Series(sets, index=genres_all.index, dtype=object)


def count_by_split(sets: pd.Series, split: pd.Series) -> pd.DataFrame:
    """Count the tracks of each genre (rows) in each of `SPLITS` (columns).

    ``sets`` are those of `genre_sets` and ``split`` the split, both by track id.
    """
    exploded = pd.DataFrame({"genre": sets.map(list), "split": split}).explode("genre")
    counts = pd.crosstab(exploded["genre"], exploded["split"])
    return counts.reindex(columns=list(SPLITS), fill_value=0)


@dataclass(frozen=True)
class LabelSets:
    """The labels of tracks with several genres.

    ``genres`` are those of a network's outputs, ``parents`` those of genres that have one, and
    ``sets`` the genres of each label: a label is a combination of genres that occurs.
    """

    labels: str
    genres: tuple[str, ...]
    parents: Mapping[str, str]
    sets: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, joined: pd.Series, tree: GenreTree, labels: str) -> Self:
        """Derive the labels of a plan from its column of joined genres, as `join` writes it."""
        sets = tuple(tuple(text.split(SEPARATOR)) for text in sorted(set(joined)))
        genres = tuple(sorted({g for own in sets for g in own}, key=tree.rank.__getitem__))
        return cls(labels, genres, tree.parents_of(genres), sets)

    @property
    def described(self) -> dict[str, Any]:
        """dict: the entries of a `common.records.tfrecords.Manifest`."""
        return {
            "genres": self.genres,
            "labels": self.labels,
            "parents": dict(self.parents),
            "label_sets": self.sets,
        }


def join(sets: pd.Series, tree: GenreTree) -> pd.Series:
    """Join the genres of each track to a text, in the order of the tree."""
    unique = {own: SEPARATOR.join(sorted(own, key=tree.rank.__getitem__)) for own in set(sets)}
    return sets.map(unique)


def lineage(genre: str, parents: Mapping[str, str]) -> list[str]:
    """List a genre, its parent, and so on; a genre that is its own ancestor is a `ValueError`."""
    line = [genre]
    while (parent := parents.get(line[-1])) is not None:
        if parent in line:
            raise ValueError(f"the genre {parent!r} is its own ancestor")
        line.append(parent)
    return line


def root_of(genre: str, parents: Mapping[str, str]) -> str:
    """Return the root of a genre; see `lineage`."""
    return lineage(genre, parents)[-1]


def ancestors(genres: Sequence[str], parents: Mapping[str, str]) -> np.ndarray:
    """Tabulate the ancestors of genres: bool (genres, genres), True for an ancestor, or itself."""
    lines = [lineage(genre, parents) for genre in genres]
    return np.array([[genre in line for genre in genres] for line in lines])
