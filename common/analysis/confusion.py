"""Confusions between genres, and accuracy after merging the most confused genres.

The confusion of a genre with another is the mean probability of the other over its tracks. Unlike a
count of errors, it is informative for genres with few tracks. The mean of both directions is
symmetric, and average linkage merges the most confused genres first (Godbole, Sarawagi and
Chakrabarti 2002, "Scaling multi-class support vector machines using inter-class confusion", KDD).

Accuracy rises with fewer classes whichever genres are merged. Each step is therefore compared with
chance and with random merges into groups of the same sizes, and Cohen's kappa measures the
agreement above chance (Cohen 1960, "A coefficient of agreement for nominal scales", Educational and
Psychological Measurement 20). A step may lower accuracy, since a large group sums the small
probabilities of all its genres.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from common.evaluation.metrics import Score, bootstrap, by_genre, divide, evaluate
from common.evaluation.predictions import Predictions

RANDOM_MERGES = 200


def mean_probability(predictions: Predictions) -> pd.DataFrame:
    """Average the probabilities (columns) over the tracks of each genre (rows), in label order.

    Rows sum to 1, and are NaN for genres without tracks.
    """
    predictions.require_one_genre()
    tracks = predictions.by_track()
    one_hot = np.eye(len(tracks.genres))[tracks.label]
    with np.errstate(invalid="ignore"):
        means = (one_hot.T @ tracks.probability) / one_hot.sum(axis=0)[:, None]
    return by_genre(means, tracks.genres)


def symmetric(rates: pd.DataFrame) -> pd.DataFrame:
    """Average both directions of `mean_probability`, or take the known one.

    The diagonal is zero, as are pairs of which neither direction is known.
    """
    both = np.stack([rates.to_numpy(), rates.to_numpy().T])
    known = np.isfinite(both)
    means = np.where(known, both, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    np.fill_diagonal(means, 0)
    return pd.DataFrame(means, index=rates.index, columns=rates.columns)


def most_confused(predictions: Predictions, count: int = 10) -> pd.DataFrame:
    """List the pairs of genres with the highest mean rate of errors.

    The columns are ``first`` and ``second`` genre; ``first_tracks``, ``second_tracks``;
    ``first_as_second`` and ``second_as_first`` (numbers of errors); ``rate`` (a `Score`, the mean
    of both shares), and ``probability`` (the mean of both `mean_probability`), which orders equal
    rates.
    """
    predictions.require_one_genre()
    tracks = predictions.by_track()
    true, predicted = (np.eye(len(tracks.genres))[x] for x in (tracks.label, tracks.predicted))
    rates = true.T @ predicted / np.maximum(true.sum(axis=0), 1)[:, None]
    soft = symmetric(mean_probability(tracks)).to_numpy()
    pairs = zip(*np.triu_indices(len(tracks.genres), 1), strict=True)
    ranked = sorted(pairs, key=lambda p: (-(rates[p] + rates[p[::-1]]), -soft[p]))[:count]
    rows = []
    for a, b in ranked:
        tally = np.stack(
            [true[:, a], true[:, b], true[:, a] * predicted[:, b], true[:, b] * predicted[:, a]],
            axis=1,
        )
        sums = tally.sum(axis=0).astype(int)
        names = (tracks.genres[a], tracks.genres[b])
        rows.append((*names, *sums, bootstrap(tally, _pair_rate), float(soft[a, b])))
    columns = (
        "first second first_tracks second_tracks first_as_second second_as_first rate probability"
    )
    return pd.DataFrame(rows, columns=columns.split())


def _pair_rate(sums: np.ndarray) -> np.ndarray:
    """Average both directions, (n, 4) as in `most_confused` → (n,), of the genres with tracks."""
    tracks, wrong = sums[:, :2], sums[:, 2:]
    known = (tracks > 0).sum(axis=1)
    shares = (wrong / np.maximum(tracks, 1)).sum(axis=1)
    return divide(shares, known)


def genre_tree(confusion: pd.DataFrame) -> np.ndarray:
    """Merge genres step by step by average linkage, the most confused first.

    ``confusion`` (genres, genres) is the output of `symmetric`. The tree is that of
    `scipy.cluster.hierarchy.linkage`; distance is one minus the confusion.
    """
    distance = 1 - confusion.to_numpy()
    np.fill_diagonal(distance, 0)
    return linkage(squareform(distance), method="average")


def groups_at(tree: np.ndarray, count: int) -> np.ndarray:
    """Cut a tree into so many groups: the group of each genre [shape=(genres,)]."""
    return cut_tree(tree, n_clusters=count)[:, 0]


def merge(predictions: Predictions, group: np.ndarray) -> Predictions:
    """Sum the probabilities of each group of genres, in one row per track.

    ``group`` is the group of each genre [shape=(genres,)], from 0 without gaps. The name of a group
    joins those of its genres.
    """
    predictions.require_one_genre()
    tracks = predictions.by_track()
    sums = (tracks.probability @ np.eye(group.max() + 1)[group]).clip(0, 1)
    names = [
        " + ".join(genre for genre, mine in zip(tracks.genres, group, strict=True) if mine == index)
        for index in range(group.max() + 1)
    ]
    return Predictions(tracks.track_id, group[tracks.label], sums, tuple(names))


def merging_curve(predictions: Predictions, tree: np.ndarray, *, seed: int = 0) -> pd.DataFrame:
    """Measure accuracy after each merge of the most confused genres.

    The predictions are of tracks that were not used for the tree of `genre_tree`. The table is
    indexed by ``groups``, from all genres down to 1: ``merged`` (the group that this step forms),
    ``accuracy`` and ``kappa`` (each a `Score`; kappa of one group is undefined), ``majority``
    (accuracy of the largest group for every track), ``guessing`` (accuracy of random groups in
    proportion to their tracks), and ``random``, ``random_low``, ``random_high`` (mean and 95 %
    range of the accuracy of random merges).
    """
    tracks = predictions.by_track()
    rng = np.random.default_rng(seed)
    rows, before = [], set(tracks.genres)
    for count in range(len(tracks.genres), 0, -1):
        group = groups_at(tree, count)
        merged = merge(tracks, group)
        shares = np.bincount(merged.label, minlength=count) / len(merged.label)
        shuffled = [merge(tracks, rng.permutation(group)) for _ in range(RANDOM_MERGES)]
        accuracies = [(m.predicted == m.label).mean() for m in shuffled]
        rows.append(
            {
                "groups": count,
                "merged": ", ".join(sorted(set(merged.genres) - before)),
                "accuracy": evaluate(merged, seed=seed).track_accuracy,
                "kappa": kappa(merged, seed=seed),
                "majority": shares.max(),
                "guessing": np.square(shares).sum(),
                "random": np.mean(accuracies),
                "random_low": np.quantile(accuracies, 0.025),
                "random_high": np.quantile(accuracies, 0.975),
            }
        )
        before = set(merged.genres)
    return pd.DataFrame(rows).set_index("groups")


def kappa(predictions: Predictions, *, seed: int = 0) -> Score:
    """Compute Cohen's kappa of tracks: 0 at chance, 1 for perfect agreement.

    It is NaN where only one genre occurs and is predicted.
    """
    predictions.require_one_genre()
    tracks = predictions.by_track()
    one_hot = np.eye(len(tracks.genres))
    true, predicted = one_hot[tracks.label], one_hot[tracks.predicted]
    return bootstrap(np.stack([true, predicted, true * predicted], axis=1), _kappa, seed=seed)


def _kappa(sums: np.ndarray) -> np.ndarray:
    """Compute kappa from sums (n, 3, genres) of true, predicted and correct tracks."""
    tracks = sums[:, 0].sum(axis=-1)
    observed = sums[:, 2].sum(axis=-1) / tracks
    expected = (sums[:, 0] * sums[:, 1]).sum(axis=-1) / tracks**2
    return divide(observed - expected, 1 - expected)
