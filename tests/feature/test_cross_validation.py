"""Cross-validation by artist: who may be in which fold, and that each track is judged once."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.evaluation.baselines import BASELINES, svm
from common.evaluation.cross_validation import cross_validate, make_folds
from common.evaluation.judging import average_models, note_gain
from common.evaluation.predictions import Predictions
from common.records.segments import Segments
from common.training.options import TrainingOptions
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.training import cross_validate_model, main

QUICK = TrainingOptions(epochs=1, batch_size=8)


def make_tracks(artists: list[int], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"artist": [str(a) for a in artists], "label": labels},
        index=pd.RangeIndex(100, 100 + len(artists), name="track_id"),
    )


@given(
    st.lists(st.integers(0, 11), min_size=40, max_size=80),
    st.integers(3, 5),
    st.integers(0, 3),
)
def test_no_artist_is_on_two_sides_and_every_track_is_tested_once(artists, folds, seed):
    artists = [*range(12), *artists]
    tracks = make_tracks(artists, [artist % 3 for artist in artists])
    made = make_folds(tracks, folds, seed)
    tested = np.concatenate([fold.test for fold in made])
    assert sorted(tested) == list(tracks.index)
    for fold in made:
        for member in range(folds - 1):
            sides = [fold.test, *fold.divide(member)]
            artists = [set(tracks.loc[side, "artist"]) for side in sides]
            assert len(set.union(*artists)) == sum(map(len, artists))
            assert sorted(np.concatenate(sides)) == list(tracks.index)
        validated = np.concatenate([fold.divide(member)[1] for member in range(folds - 1)])
        assert set(validated) == set(tracks.index) - set(fold.test)


def test_genres_are_spread_over_the_folds():
    tracks = make_tracks(list(range(60)), [i % 3 for i in range(60)])
    for fold in make_folds(tracks, 5):
        assert list(tracks.loc[fold.test, "label"].value_counts()) == [4, 4, 4]


@pytest.mark.parametrize(
    ("artists", "folds", "message"), [(9, 2, "at least 3"), (4, 5, "4 artists")]
)
def test_impossible_folds_are_refused(artists, folds, message):
    tracks = make_tracks(list(range(artists)), [0] * artists)
    with pytest.raises(UserError, match=message):
        make_folds(tracks, folds)


@pytest.fixture(scope="module")
def judged(tf, tiny_records):
    records = FeatureRecords.open(tiny_records)
    return records, Segments.read(records), make_folds(records.plan(), 3)


@pytest.fixture(scope="module")
def alone(judged, tmp_path_factory):
    """Folder and result of a network that is cross-validated."""
    folder = tmp_path_factory.mktemp("folds")
    return folder, cross_validate_model(*judged, "texture", folder=folder, options=QUICK)


def test_baselines_and_networks_judge_the_same_segments(judged, alone):
    records, segments, folds = judged
    folder, (result, of_network) = alone
    pooled = [cross_validate(fit, records, segments, folds)[1] for fit in BASELINES]
    for predictions in (*pooled, of_network):
        assert sorted(predictions.track_id) == sorted(segments.track_id)
    assert result.note.startswith("folds ")
    saved = Predictions.load(folder / "cross_validation.npz")
    np.testing.assert_array_equal(saved.probability, of_network.probability)


def test_members_are_averaged(judged, alone, tmp_path):
    records, segments, folds = judged
    first, (alone, of_one) = alone
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    result, of_both = cross_validate_model(
        records, segments, folds, "texture", folder=tmp_path, options=QUICK, members=2
    )
    assert result.parameters == 2 * alone.parameters
    assert len(list(tmp_path.rglob("history.csv"))) == 2 * len(folds)
    assert np.abs(of_both.probability - of_one.probability).max() > 1e-4
    together, average = average_models([(result, of_both), (alone, of_one)])
    assert together.parameters == 3 * alone.parameters
    of_both, of_one = of_both.in_order(), of_one.in_order()
    np.testing.assert_allclose(
        average.probability, (of_both.probability + of_one.probability) / 2, atol=1e-6
    )
    noted, _ = note_gain((alone, of_one), (alone, of_one))
    assert noted.note == f"{alone.note}; +0.0 points [+0.0, +0.0] over texture"
    with pytest.raises(UserError, match="3 members: with 3 folds there can be 1 to 2"):
        cross_validate(svm, records, segments, folds, members=3)


def test_only_predictions_of_the_same_segments_are_averaged():
    def make(track, probability):
        return Predictions([track], [0], [[probability, 1 - probability]], ("a", "b"))

    average = Predictions.average([make(1, 0.25), make(1, 0.75)])
    assert average.probability.tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="same segments"):
        Predictions.average([make(1, 0.25), make(2, 0.75)])


def test_tracks_may_stand_in_any_order_when_they_are_averaged():
    def make(tracks, first):
        probability = [[value, 1 - value] for value in first]
        return Predictions(tracks, [0] * len(tracks), probability, ("a", "b"))

    average = Predictions.average([make([2, 1, 2], [0.5, 0, 1]), make([2, 2, 1], [0, 0.5, 0.5])])
    assert average.track_id.tolist() == [1, 2, 2]
    assert average.probability[:, 0].tolist() == [0.25, 0.25, 0.75]


def test_the_command_makes_a_leaderboard_and_the_second_run_trains_nothing(call, judged, tmp_path):
    records, *_ = judged
    options = ["--records", records.folder, "--out", tmp_path, "--folds", 3, "--epochs", 1]
    first = call(main, *options, "--model", "texture")
    assert first.returncode == 0, first.stderr
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert list(table["model"]) == ["Majority class", "SVM on bin statistics", "texture"]
    histories = {p: p.read_bytes() for p in tmp_path.rglob("history.csv")}
    assert len(histories) == 3
    second = call(main, *options, "--model", "texture")
    assert second.returncode == 0, second.stderr
    assert {p: p.read_bytes() for p in tmp_path.rglob("history.csv")} == histories


def test_records_without_the_plan_say_what_to_do(tiny_records, tmp_path):
    records = FeatureRecords.open(tiny_records)
    elsewhere = FeatureRecords(tmp_path, records.manifest)
    with pytest.raises(UserError, match=r"run spectrogram_feature\.generate_records again"):
        elsewhere.plan()
