"""Agreement of confusions with the other genres of a track.

A label is one root genre (``track.genre_top``); ``track.genres_all`` lists all genres of a track
with their ancestors. The FMA assigns a ``genre_top`` only to tracks whose genres share one root
(Defferrard et al. 2017), so no labelled track of the FMA carries a second root genre. The
confusions are therefore also compared with the genres of the tracks without a label.
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
    """Map all genres of each track, ``("track", "genres_all")``, to a frozenset of labels.

    ``genre_table`` is ``genres.csv`` as `fma_utils.load` reads it, and ``mapping`` a key of
    `fma_utils.GENRE_MAPPINGS`. Genres that the table lacks or the mapping drops are omitted.
    """
    titles = map_genres(genre_table["top_level"].map(genre_table["title"]), mapping)
    known = titles.dropna().to_dict()
    sets = [frozenset(known[g] for g in genres if g in known) for genres in genres_all]
    return pd.Series(sets, index=genres_all.index, dtype=object)


@dataclass(frozen=True)
class CarriedErrors:
    """Errors that predict another genre of the track.

    Attributes
    ----------
    errors, possible, carried : int
        Wrongly predicted tracks; of these, those that carry another genre than their label, and
        those that carry the predicted genre.
    share : Score
        ``carried / errors``; NaN without errors.
    by_chance : float
        Expected share if the wrong predictions were permuted among the wrongly predicted tracks
        and no track was assigned its own label; NaN without errors.
    """

    errors: int
    possible: int
    carried: int
    share: Score
    by_chance: float


def errors_also_carried(predictions: Predictions, carried: pd.Series) -> CarriedErrors:
    """Count the errors that predict another genre of the track; see `carried_genres`."""
    predictions.require_one_genre()
    tracks = predictions.by_track()
    sets = carried.loc[tracks.track_id]
    has = np.array([[genre in genres for genre in tracks.genres] for genres in sets])
    rows = np.arange(len(has))
    has[rows, tracks.label] = False
    wrong = tracks.predicted != tracks.label
    hits = wrong & has[rows, tracks.predicted]
    # Number of wrong predictions of each genre; a track is not assigned its own label.
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
    """Compute the Jaccard index of each pair of genres: tracks with both over tracks with either.

    The diagonal is zero.
    """
    has = np.array([[genre in own for genre in genres] for own in carried], dtype=np.float64)
    return _jaccard(has, genres)


def predicted_together(predictions: Predictions, genres: Sequence[str]) -> pd.DataFrame:
    """Compute `together` from the expected counts of independent draws from the probabilities.

    ``predictions`` are those of a network for several genres a track, and ``genres`` some of its
    genres.
    """
    tracks = predictions.by_track()
    columns = [tracks.genres.index(genre) for genre in genres]
    return _jaccard(tracks.probability[:, columns].astype(np.float64), genres)


def _jaccard(share: np.ndarray, genres: Sequence[str]) -> pd.DataFrame:
    """Divide the tracks with both genres by those with either, from shares (tracks, genres)."""
    both, total = share.T @ share, share.sum(axis=0)
    either = total[:, None] + total - both
    index = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    np.fill_diagonal(index, 0)
    return pd.DataFrame(index, index=list(genres), columns=list(genres))


def mantel_test(a: pd.DataFrame, b: pd.DataFrame, *, seed: int = 0) -> tuple[float, float]:
    """Test whether two symmetric measures (genres, genres) rank pairs of genres alike.

    Pairs that share a genre are not independent, so genres are permuted instead of pairs (Mantel
    1967, "The detection of disease clustering and a generalized regression approach", Cancer
    Research 27). Spearman's rank correlation over pairs, NaN if a measure is constant, and p, the
    share of permutations with at least this correlation, are returned.
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
    # The observed order counts as a permutation, so p is above zero.
    p = (1 + np.sum(permuted >= observed - 1e-12)) / (1 + PERMUTATIONS)
    return observed, float(p)
