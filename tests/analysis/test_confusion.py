"""Which genres are confused, in what order they merge, and what merging is worth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from common.analysis.confusion import (
    genre_tree,
    groups_at,
    kappa,
    mean_probability,
    merge,
    merging_curve,
    most_confused,
    symmetric,
)
from common.evaluation.predictions import Predictions

GENRES = ("Blues", "Folk", "Jazz", "Rock")


def certain(label, predicted, genres=GENRES):
    return Predictions(np.arange(len(label)), label, np.eye(len(genres))[predicted], genres)


def some(seed, tracks=60, genres=GENRES):
    rng = np.random.default_rng(seed)
    label = rng.integers(len(genres), size=tracks)
    probability = rng.dirichlet(np.ones(len(genres)), size=tracks) / 2
    probability += np.eye(len(genres))[label] * rng.random((tracks, 1)) / 2
    probability /= probability.sum(axis=1, keepdims=True)
    return Predictions(np.arange(tracks), label, probability, genres)


def test_mean_probability_is_what_a_genre_gives_to_each():
    probability = [[0.8, 0.2, 0, 0], [0.4, 0.6, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1]]
    means = mean_probability(Predictions([1, 2, 3, 4], [0, 0, 1, 3], probability, GENRES))
    np.testing.assert_allclose(means.loc["Blues"], [0.6, 0.4, 0, 0], atol=1e-6)
    np.testing.assert_allclose(means.loc["Folk"], [0.5, 0.5, 0, 0], atol=1e-6)
    assert means.loc["Jazz"].isna().all()


def test_symmetric_averages_both_directions_or_takes_the_known_one():
    rates = pd.DataFrame([[0.7, 0.3, 0.0], [0.1, 0.8, 0.1], [np.nan, np.nan, np.nan]])
    expected = [[0, 0.2, 0], [0.2, 0, 0.1], [0, 0.1, 0]]
    np.testing.assert_allclose(symmetric(rates), expected)


def test_the_most_confused_pair_comes_first_with_its_counts():
    # Of 4 Folk tracks 2 are called Blues, of 2 Blues 1 is called Folk; of 3 Jazz 1 is called Rock.
    label = [1, 1, 1, 1, 0, 0, 2, 2, 2, 3, 3]
    said = [0, 0, 1, 1, 1, 0, 3, 2, 2, 3, 3]
    table = most_confused(certain(label, said), 2)
    first, second = table.to_dict("records")
    assert (first["first"], first["second"]) == ("Blues", "Folk")
    assert (first["first_tracks"], first["second_tracks"]) == (2, 4)
    assert (first["first_as_second"], first["second_as_first"]) == (1, 2)
    assert first["rate"].value == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert first["rate"].low < first["rate"].value < first["rate"].high
    assert (second["first"], second["second"]) == ("Jazz", "Rock")
    assert second["rate"].value == pytest.approx((1 / 3 + 0) / 2)


def test_pairs_without_wrong_decisions_are_ranked_by_probability():
    probability = [[0.6, 0.1, 0.3, 0], [0.1, 0.9, 0, 0], [0.2, 0, 0.8, 0], [0, 0, 0, 1]]
    table = most_confused(Predictions([1, 2, 3, 4], [0, 1, 2, 3], probability, GENRES), 2)
    assert [(r.first, r.second) for r in table.itertuples()] == [
        ("Blues", "Jazz"),
        ("Blues", "Folk"),
    ]
    np.testing.assert_allclose(table["probability"], [0.25, 0.1], atol=1e-6)


def test_the_tree_merges_the_most_confused_first():
    confusion = pd.DataFrame(np.zeros((4, 4)), index=GENRES, columns=GENRES)
    confusion.loc["Blues", "Jazz"] = confusion.loc["Jazz", "Blues"] = 0.4
    confusion.loc["Folk", "Rock"] = confusion.loc["Rock", "Folk"] = 0.1
    tree = genre_tree(confusion)
    np.testing.assert_allclose(tree[:, 2], [0.6, 0.9, 1.0])
    groups = {n: merge(some(0), groups_at(tree, n)).genres for n in (4, 3, 2, 1)}
    assert groups[4] == GENRES
    assert set(groups[3]) == {"Blues + Jazz", "Folk", "Rock"}
    assert set(groups[2]) == {"Blues + Jazz", "Folk + Rock"}
    assert groups[1] == ("Blues + Folk + Jazz + Rock",)


def test_merging_adds_probabilities_before_deciding():
    predictions = Predictions([7], [0], [[0.3, 0.4, 0.3, 0.0]], GENRES)
    assert predictions.predicted.tolist() == [1]
    merged = merge(predictions, np.array([0, 1, 0, 2]))
    assert merged.genres == ("Blues + Jazz", "Folk", "Rock")
    np.testing.assert_allclose(merged.probability, [[0.6, 0.4, 0.0]], atol=1e-6)
    assert merged.predicted.tolist() == merged.label.tolist() == [0]


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_curve_ends_in_certainty_and_has_every_number_of_groups(seed):
    predictions = some(seed, tracks=30)
    tree = genre_tree(symmetric(mean_probability(some(seed + 1))))
    curve = merging_curve(predictions, tree)
    assert list(curve.index) == [4, 3, 2, 1]
    right = (predictions.predicted == predictions.label).mean()
    assert curve.loc[4, "accuracy"].value == pytest.approx(right)
    assert curve.loc[4, "random"] == pytest.approx(right)
    assert curve.loc[4, "merged"] == ""
    assert all(curve["merged"].iloc[1:])
    assert curve.loc[1, "accuracy"].value == 1
    assert np.isnan(curve.loc[1, "kappa"].value)
    shares = np.bincount(predictions.label, minlength=4) / 30
    assert curve.loc[4, "majority"] == pytest.approx(shares.max())
    assert curve.loc[4, "guessing"] == pytest.approx((shares**2).sum())
    assert curve["majority"].is_monotonic_increasing
    assert (curve["guessing"] <= curve["majority"] + 1e-12).all()
    assert (curve["random_low"] <= curve["random_high"]).all()


def test_merging_what_is_confused_beats_merging_at_random():
    # Blues and Folk cannot be told apart; Jazz and Rock always can.
    rng = np.random.default_rng(0)
    label = np.arange(80) % 4
    said = np.where(label < 2, rng.integers(2, size=80), label)
    predictions = certain(label, said)
    tree = genre_tree(symmetric(mean_probability(predictions)))
    curve = merging_curve(predictions, tree)
    assert set(curve.loc[3, "merged"].split(" + ")) == {"Blues", "Folk"}
    assert curve.loc[3, "accuracy"].value == 1
    assert curve.loc[3, "random"] < 0.9
    assert curve.loc[3, "kappa"].value == 1
    assert curve.loc[4, "kappa"].value < 0.8


@given(st.integers(0, 10**6))
def test_kappa_agrees_with_scikit_learn(seed):
    predictions = some(seed)
    expected = cohen_kappa_score(predictions.label, predictions.predicted)
    score = kappa(predictions)
    assert score.value == pytest.approx(expected)
    assert score.low <= score.value <= score.high
