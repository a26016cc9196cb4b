"""Whether every track is judged by models that learnt the labels given, and not its own."""

import numpy as np
import pandas as pd
import pytest

from common.evaluation.cross_validation import make_folds
from common.records.segments import Segments
from common.training.options import TrainingOptions
from spectrogram_feature import out_of_fold
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.out_of_fold import apt_folds, apt_model, predict_out_of_fold, relabel

QUICK = TrainingOptions(epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def material(tf, tiny_records):
    records = FeatureRecords.open(tiny_records)
    tracks = records.plan()
    return records, Segments.read(records), tracks, make_folds(tracks, 3)


def test_segments_get_the_labels_of_their_tracks(material):
    _, segments, tracks, _ = material
    changed = (tracks["label"] + 1) % 3
    given = relabel(segments, changed)
    assert [changed[track] for track in segments.track_id] == given.label.tolist()
    assert given.features is segments.features
    assert segments.label.tolist() == [tracks["label"][track] for track in segments.track_id]


def check_labels(predictions, segments):
    assert sorted(predictions.track_id) == sorted(segments.track_id)
    given = dict(zip(segments.track_id, segments.label, strict=True))
    assert [given[track] for track in predictions.track_id] == predictions.label.tolist()


def test_every_segment_is_judged_and_bears_the_label_that_was_given(material, tmp_path):
    records, segments, tracks, folds = material
    for part in (segments, relabel(segments, (tracks["label"] + 1) % 3)):
        how = {"folder": tmp_path, "options": QUICK}
        check_labels(predict_out_of_fold(records, part, folds, "svm", **how), part)


def test_networks_that_learnt_the_same_labels_are_loaded_and_others_are_not(
    material, tmp_path, monkeypatch
):
    records, segments, tracks, folds = material
    how = {"folder": tmp_path, "options": QUICK}
    first = predict_out_of_fold(records, segments, folds, "texture", **how)
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("history.csv")}
    assert len(trained) == len(folds) * (len(folds) - 1)
    again = predict_out_of_fold(records, segments, folds, "texture", **how)
    np.testing.assert_array_equal(first.probability, again.probability)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("history.csv")} == trained

    class TrainedError(Exception):
        pass

    def fit(*_, **__):
        raise TrainedError

    monkeypatch.setattr("common.training.train.fit", fit)
    changed = relabel(segments, (tracks["label"] + 1) % 3)
    with pytest.raises(TrainedError):
        predict_out_of_fold(records, changed, folds, "texture", **how)


def test_the_model_and_the_folds_suit_the_number_of_tracks():
    assert apt_model(240) == out_of_fold.SVM
    assert apt_model(25_000) == "texture"
    counts = {2: 3, 4: 4, 9: 5}
    for least, folds in counts.items():
        assert apt_folds(pd.Series([0] * 30 + [1] * least)) == folds
