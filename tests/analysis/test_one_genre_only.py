"""Analyses of tracks with one genre refuse predictions of several genres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.analysis import carried_genres, confusion, embeddings, label_issues
from common.errors import UserError
from common.evaluation import calibration
from common.evaluation.predictions import Predictions
from common.fma.labels import ancestors
from common.records.segments import Segments
from common.training.options import TrainingOptions

GENRES = ("Folk", "Jazz", "Rock")
TARGETS = np.array([[1, 0, 0], [0, 1, 1], [1, 0, 1]], dtype=bool)
PREDICTIONS = Predictions(
    np.arange(30), np.arange(30) % 3, np.random.default_rng(0).random((30, 3)), GENRES, TARGETS
)
GROUP = np.array([0, 0, 1])
TREE = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 3]])


@pytest.mark.parametrize(
    "analyse",
    [
        confusion.mean_probability,
        confusion.most_confused,
        confusion.kappa,
        lambda predictions: confusion.merge(predictions, GROUP),
        lambda predictions: confusion.merging_curve(predictions, TREE),
        lambda predictions: carried_genres.errors_also_carried(predictions, None),
        label_issues.find_label_issues,
        label_issues.confident_genre,
        label_issues.thresholds,
        calibration.reliability,
        calibration.calibration_error,
        calibration.error_if_calibrated,
        calibration.temperature_of,
        lambda predictions: calibration.with_temperature(predictions, 2.0),
    ],
)
def test_several_genres_are_refused(analyse):
    with pytest.raises(ValueError, match="needs tracks of one genre"):
        analyse(PREDICTIONS)


def test_embeddings_need_labels_of_one_genre(tf):
    from common.nn.blocks import with_several_genres
    from spectrogram_feature.models import MODELS

    points = np.ones((1, 2))
    with pytest.raises(ValueError, match="one genre"):
        embeddings.Embeddings.of_segments(np.array([1]), np.array([3]), points, GENRES)
    network = MODELS["texture"].build((48, 84), 3, width=4)
    model = with_several_genres(network, ancestors(GENRES, {}).tolist())
    with pytest.raises(ValueError, match="one genre"):
        embeddings.embed(model, [], GENRES)


def test_label_issues_need_records_of_one_genre(tiny_records):
    from spectrogram_feature.features.records import FeatureRecords
    from spectrogram_feature.out_of_fold import SVM, predict_out_of_fold

    records = FeatureRecords.open(tiny_records)
    segments = Segments.read(records)
    several = replace(records, manifest=replace(records.manifest, labels="roots"))
    how = {"folder": Path("nowhere"), "options": TrainingOptions()}
    with pytest.raises(UserError, match=r"has several genres a track.*--labels top"):
        predict_out_of_fold(several, segments, [], SVM, **how)


@pytest.mark.parametrize("join", [Predictions.concatenate, Predictions.average])
def test_predictions_of_other_labels_are_not_joined(join):
    assert join([PREDICTIONS, PREDICTIONS]).has_several_genres
    single = replace(PREDICTIONS, targets=None)
    others = replace(PREDICTIONS, targets=TARGETS[::-1])
    genres = replace(PREDICTIONS, genres=GENRES[::-1])
    for pair in ((PREDICTIONS, single), (single, PREDICTIONS), (PREDICTIONS, others)):
        with pytest.raises(ValueError, match="only predictions of the same"):
            join(pair)
    with pytest.raises(ValueError, match="only predictions of the same"):
        join([PREDICTIONS, genres])
