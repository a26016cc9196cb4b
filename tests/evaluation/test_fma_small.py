"""The measurements on FMA small: what is computed from the features, and the page."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from common.evaluation.predictions import Predictions
from common.paths import PROJECT_ROOT

sys.path.append(str(PROJECT_ROOT / "results" / "fma_small"))  # scripts, as those of benchmarks/

import few_labels
import low_pass
import page
import rows
from richer_statistics import CEPSTRA, ROWS_PER_BAND, richer_statistics
from study import artist_groups


def test_the_pages_say_what_the_tables_say():
    page.write_pages(check=True)


def test_the_edge_is_the_highest_audible_bin():
    features = np.zeros((3, 5, 8), np.uint8)
    features[0, :, :6] = 20
    features[1, 2, 7] = 20  # a click: its mean over time is 4
    assert low_pass.edge(features, 3).tolist() == [[5], [7], [0]]
    assert low_pass.edge(features, 4).tolist() == [[5], [0], [0]]


def predictions(predicted):
    label = np.array([0, 0, 1, 1])
    return Predictions(np.arange(4), label, np.eye(2)[predicted], ("Folk", "Rock"))


def test_a_row_has_means_over_seeds_and_the_paired_gain():
    validation = [predictions([0, 1, 1, 0]), predictions([0, 0, 1, 0])]
    rival = rows.Row("SVM", validation[:1], [predictions([0, 1, 1, 0])])
    row = rows.Row("cnn", validation, [predictions([0, 0, 1, 0]), predictions([0, 0, 1, 1])])
    cells = row.cells({"gain_over_svm": rival})
    assert cells["validation_accuracy"] == pytest.approx((0.5 + 0.75) / 2)
    assert cells["test_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert cells["deviation_between_seeds"] == pytest.approx(np.std([0.75, 1], ddof=1))
    assert cells["gain_over_svm"] == pytest.approx(0.875 - 0.5)
    of_rival = rival.cells({"gain_over_svm": rival})
    assert of_rival["deviation_between_seeds"] is None
    assert "gain_over_svm" not in of_rival


def test_an_average_gives_each_model_the_same_weight():
    several = [predictions([0, 0, 0, 0]), predictions([0, 0, 0, 1])]
    single = [predictions([1, 0, 1, 1])]
    models = [rows.Row("a", several, several), rows.Row("b", single, single)]
    averaged = rows.average("a, b", models)
    [test] = averaged.test
    np.testing.assert_allclose(test.probability[:, 1], [0.5, 0, 0.5, 0.75])
    assert averaged.model == "average of a, b"


def test_richer_statistics_begin_with_the_means_of_bands_and_end_with_correlations(tf):
    noise = np.random.default_rng(0).integers(0, 256, (2, 128, 128)).astype(np.uint8)
    described = richer_statistics(noise)
    bands, pairs = (
        128 // ROWS_PER_BAND,
        CEPSTRA * (CEPSTRA - 1) // 2,
    )
    means = noise.reshape(2, 128, bands, ROWS_PER_BAND).mean((1, 3)) / 255
    np.testing.assert_allclose(described[:, :bands], means, atol=1e-5)
    assert np.abs(described[:, -pairs:]).max() < 0.5  # of independent rows
    assert np.isfinite(described).all()
    same = np.repeat(noise[:, :, :1], 128, axis=2)  # one course of time in all rows
    assert np.isfinite(richer_statistics(same)).all()


def test_the_readme_shows_the_chosen_network_and_the_best_of_the_others_on_validation():
    names = ["Majority class", "SVM on row statistics", "stage 1 cnn on levels", "cnn", "gru"]
    names += ["average of cnn, 3 seeds", "average of cnn, gru"]
    accuracy = [0.1, 0.5, 0.4, 0.6, 0.5, 0.61, 0.7]
    models = pd.DataFrame({"model": names, "validation_accuracy": accuracy})
    judged = pd.DataFrame({"model": [names[1], "cnn", "gru"], "accuracy": [0.7, 0.5, 0.6]})
    shown = page.short_rows(models, judged)["model"].tolist()
    assert shown == [*names[:3], "gru", "average of cnn, gru"]


def test_tables_show_percentages_intervals_and_points():
    table = pd.DataFrame(
        {
            "model": ["SVM", "cnn"],
            "test_accuracy": [0.439, 0.4],
            "test_accuracy_low": [0.4, 0.37],
            "test_accuracy_high": [0.47, 0.43],
            "deviation_between_seeds": [np.nan, 0.012],
            "gain_over_svm": [np.nan, -0.039],
            "gain_over_svm_low": [np.nan, -0.07],
            "gain_over_svm_high": [np.nan, 0.01],
            "parameters": [np.nan, 130_888],
        }
    )
    text = page.format_table(table).replace("\u00a0", " ")
    assert text.splitlines()[2:] == [
        "| SVM | 43.9 % [40.0, 47.0] | – | – | – |",
        "| cnn | 40.0 % [37.0, 43.0] | 1.2 | -3.9 [-7.0, +1.0] | 130,888 |",
    ]


def test_groups_join_neighbours_of_a_split_and_the_tracks_of_an_artist():
    unknown = "track {}".format
    tracks = {
        1: ("training", unknown(1)),
        3: ("training", unknown(3)),  # a neighbour
        5: ("validation", unknown(5)),  # of another split
        20: ("training", "A"),
        21: ("training", "B"),  # another artist
        22: ("training", unknown(22)),
        90: ("training", "A"),  # far away, the same artist
    }
    plan = pd.DataFrame.from_dict(tracks, orient="index", columns=["split", "artist"])
    groups = artist_groups(plan.iloc[::-1])
    joined = {frozenset(part.index) for _, part in groups.groupby(groups)}
    assert joined == {frozenset(ids) for ids in ({1, 3}, {5}, {20, 90}, {21, 22})}


def test_few_labels_are_drawn_outside_the_fold():
    label = np.repeat([0, 1], 20)
    outside = np.arange(40) % 4 > 0
    for chosen in few_labels.draws(label, outside, 5):
        assert outside[chosen].all()
        assert np.bincount(label[chosen]).tolist() == [5, 5]


def test_a_probe_is_right_where_the_genres_are_apart():
    label, tracks = np.repeat([0, 1], 20), np.arange(40)
    folds = [few_labels.Fold(tracks[i::4], ()) for i in range(4)]
    apart = np.random.default_rng(0).normal(size=(40, 3)) + 20 * label[:, None]
    assert few_labels.share_correct(apart, label, tracks, folds, 2).tolist() == [1.0] * 40
