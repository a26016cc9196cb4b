"""The other genres that a track carries, and whether errors name them.

A label is one root genre (``track.genre_top``), but a track may be filed under several genres, and
``track.genres_all`` has these with all their ancestors. An "error" that names one of them may be
no error.

The FMA decides part of the answer: it gives a ``genre_top`` only to tracks whose genres all have
one root (Defferrard et al. 2017), so none of its labelled tracks carries a second
one. What remains to be asked is whether genres that the model confuses are the ones that people
put together on the tracks without a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from common.evaluation.metrics import Score, bootstrap, ratio
from common.evaluation.predictions import Predictions
from common.fma.genres import map_genres

PERMUTATIONS = 2000


def carried_genres(
    genres_all: pd.Series, genre_table: pd.DataFrame, mapping: str = "all"
) -> pd.Series:
    """Map all the genres of each track to labels.

    Parameters
    ----------
    genres_all : pandas.Series of list of int
        ``("track", "genres_all")``, by track.
    genre_table : pandas.DataFrame
        ``genres.csv`` as `fma_utils.load` reads it: ``title`` and ``top_level`` by genre.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.

    Returns
    -------
    pandas.Series of frozenset of str
        Genres that the table does not have, and those that the mapping drops, are left out.
    """
    titles = map_genres(genre_table["top_level"].map(genre_table["title"]), mapping)
    known = titles.dropna().to_dict()
    sets = [frozenset(known[g] for g in genres if g in known) for genres in genres_all]
    return pd.Series(sets, index=genres_all.index, dtype=object)


@dataclass(frozen=True)
class CarriedErrors:
    """How many errors name a genre that the track carries.

    Attributes
    ----------
    errors : int
        Wrongly predicted tracks.
    possible : int
        Those of them that carry any other genre than their label.
    carried : int
        Those whose predicted genre they carry.
    share : Score
        ``carried / errors``; NaN without errors.
    by_chance : float
        The share to be expected if the same wrong answers were dealt at random to the tracks that
        were wrongly answered, none getting its own label; NaN without errors.
    """

    errors: int
    possible: int
    carried: int
    share: Score
    by_chance: float


def errors_also_carried(predictions: Predictions, carried: pd.Series) -> CarriedErrors:
    """Count the errors that name another genre which the track carries.

    Parameters
    ----------
    carried : pandas.Series of frozenset of str
        As `carried_genres` gives it, of all these tracks at least.
    """
    tracks = predictions.by_track()
    sets = carried.loc[tracks.track_id]
    has = np.array([[genre in genres for genre in tracks.genres] for genres in sets])
    rows = np.arange(len(has))
    has[rows, tracks.label] = False
    wrong = tracks.predicted != tracks.label
    hits = wrong & has[rows, tracks.predicted]
    # How often each wrong answer was given; a track cannot be dealt its own label.
    answers = np.bincount(tracks.predicted[wrong], minlength=len(tracks.genres))
    possible = answers.sum() - answers[tracks.label[wrong]]
    chances = has[wrong] @ answers / np.maximum(possible, 1)
    return CarriedErrors(
        errors=int(wrong.sum()),
        possible=int(has[wrong].any(axis=1).sum()),
        carried=int(hits.sum()),
        share=bootstrap(np.stack([hits, wrong], axis=1), ratio),
        by_chance=float(chances.mean()) if wrong.any() else np.nan,
    )


def together(carried: pd.Series, genres: Sequence[str]) -> pd.DataFrame:
    """Measure how often tracks carry two genres, against how often they carry either.

    Returns
    -------
    pandas.DataFrame [shape=(genres, genres), dtype=float64]
        Jaccard's index: tracks with both, divided by tracks with either; zero on the diagonal.
    """
    has = np.array([[genre in own for genre in genres] for own in carried], dtype=np.float64)
    both = has.T @ has
    either = np.diag(both)[:, None] + np.diag(both) - both
    index = both / np.maximum(either, 1)
    np.fill_diagonal(index, 0)
    return pd.DataFrame(index, index=list(genres), columns=list(genres))


def rank_agreement(a: pd.DataFrame, b: pd.DataFrame, *, seed: int = 0) -> tuple[float, float]:
    """Tell whether pairs of genres that are close in one sense are so in another.

    Mantel's test: pairs that share a genre are not independent, so the genres are permuted, not
    the pairs (Mantel 1967, "The detection of disease clustering and a generalized regression
    approach", Cancer Research 27).

    Parameters
    ----------
    a, b : pandas.DataFrame [shape=(genres, genres)]
        Symmetric, of the same genres in the same order.
    seed : int
        Of the permutations.

    Returns
    -------
    correlation : float
        Spearman's, over pairs; NaN if either is constant.
    p : float
        The share of permutations that correlate at least as much.
    """
    n = len(a)
    upper = np.triu_indices(n, 1)
    ranks = np.zeros((n, n))
    ranks[upper] = rankdata(b.to_numpy()[upper])
    ranks += ranks.T
    fixed = rankdata(a.to_numpy()[upper])
    if np.ptp(fixed) == 0 or np.ptp(ranks[upper]) == 0:
        return np.nan, np.nan

    def correlation(order: np.ndarray) -> float:
        return float(np.corrcoef(fixed, ranks[np.ix_(order, order)][upper])[0, 1])

    rng = np.random.default_rng(seed)
    observed = correlation(np.arange(n))
    permuted = np.array([correlation(rng.permutation(n)) for _ in range(PERMUTATIONS)])
    # The observed order is one of the permutations, so p is never zero.
    p = (1 + np.sum(permuted >= observed - 1e-12)) / (1 + PERMUTATIONS)
    return observed, float(p)
