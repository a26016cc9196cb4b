"""Whether replaced labels are found, by hand and at random, and none where all are right."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.analysis.label_issues import (
    confident_genre,
    find_label_issues,
    plant_wrong_labels,
    score_label_issues,
    thresholds,
)
from common.evaluation.predictions import Predictions

GENRES = ("Folk", "Jazz", "Rock")

# Thresholds: Folk (0.8 + 0.6 + 0.1) / 3 = 0.5, Jazz (0.7 + 0.5) / 2 = 0.6, Rock none.
BY_HAND = Predictions(
    [10, 11, 12, 13, 14],
    [0, 0, 0, 1, 1],
    [[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.2, 0.7, 0.1], [0.45, 0.5, 0.05]],
    GENRES,
)


def test_thresholds_are_the_mean_confidence_of_the_labelled():
    np.testing.assert_allclose(thresholds(BY_HAND), [0.5, 0.6, np.inf], atol=1e-6)


def test_a_track_confidently_of_another_genre_is_an_issue():
    # Track 14 reaches no threshold, so nothing is said against its label.
    assert confident_genre(BY_HAND).tolist() == [0, 0, 1, 1, 1]
    table = find_label_issues(BY_HAND)
    assert table.index.tolist() == [12, 14, 11, 13, 10]
    assert table["issue"].tolist() == [True, False, False, False, False]
    assert (table.loc[12, "label"], table.loc[12, "suggested"]) == ("Folk", "Jazz")
    np.testing.assert_allclose(table["margin"], [-0.8, 0.05, 0.2, 0.5, 0.6], atol=1e-6)


def make(seed, tracks=200, skill=0.9):
    """Say what is true with noise, whatever the labels are."""
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=tracks)
    probability = rng.dirichlet(np.ones(3), size=tracks) * (1 - skill)
    return true, (probability + skill * np.eye(3)[true]).astype("f4")


@given(st.integers(0, 10**6), st.floats(0.05, 0.3))
def test_planted_labels_are_found_by_a_model_that_knows_the_truth(seed, share):
    true, _ = make(seed)
    probability = 0.125 + 0.625 * np.eye(3, dtype="f4")[true]
    label = pd.Series(true, index=np.arange(1000, 1200))
    planted = plant_wrong_labels(label, 3, share=share, seed=seed)
    wrong = label.index[planted != label]
    assert len(wrong) == round(share * 200)
    table = find_label_issues(Predictions(label.index, planted, probability, GENRES))
    assert sorted(table.index[table["issue"]]) == sorted(wrong)
    suggested = table.loc[wrong, "suggested"]
    assert list(suggested) == [GENRES[i] for i in label.loc[wrong]]
    verdict = score_label_issues(table, wrong)
    assert verdict["precision"] == verdict["recall"] == verdict["precision_at_planted"] == 1
    assert verdict["chance"] == pytest.approx(share, abs=0.01)


@given(st.integers(0, 10**6), st.floats(0.05, 0.3))
def test_a_model_that_is_right_but_not_always_sure_accuses_no_label_wrongly(seed, share):
    true, probability = make(seed, skill=0.6)
    planted = plant_wrong_labels(pd.Series(true), 3, share=share, seed=seed)
    wrong = np.flatnonzero(planted != true)
    table = find_label_issues(Predictions(np.arange(200), planted, probability, GENRES))
    verdict = score_label_issues(table, wrong)
    assert verdict["precision"] == verdict["precision_at_planted"] == 1
    assert verdict["recall"] > 0


@given(st.integers(0, 10**6))
def test_no_label_is_an_issue_where_the_model_agrees(seed):
    true, probability = make(seed)
    predictions = Predictions(np.arange(200), true, probability, GENRES)
    assert not find_label_issues(predictions)["issue"].any()


def test_verdicts_count_false_alarms_and_misses():
    table = pd.DataFrame({"issue": [True, True, True, False, False]}, index=[5, 6, 7, 8, 9])
    verdict = score_label_issues(table, np.array([5, 8]))
    assert verdict["found"] == 1
    assert verdict["precision"] == pytest.approx(1 / 3)
    assert verdict["recall"] == verdict["precision_at_planted"] == 0.5
    assert verdict["chance"] == pytest.approx(2 / 5)


def test_planting_is_repeatable_and_touches_nothing_else():
    label = pd.Series(np.arange(100) % 4)
    first, again, other = (plant_wrong_labels(label, 4, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_series_equal(first, again)
    assert not first.equals(other)
    assert list(label) == [i % 4 for i in range(100)]
    assert set(first) <= set(range(4))
