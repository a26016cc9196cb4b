import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from records_for_tests import records_of

from common.evaluation.baselines import (
    Described,
    bin_statistics,
    collect,
    fit_svm,
    majority,
)
from common.evaluation.metrics import evaluate
from common.evaluation.predictions import predict
from common.records.segments import Segments

GENRES = ("Classical", "Electronic", "Rock")


def make_batches(*, tracks=30, first_track=0, seed=0, genres=(0, 1, 2)):
    """Loud, quiet and flickering segments, three of each track, in two batches."""
    rng = np.random.default_rng(seed)
    label = np.resize(genres, tracks).repeat(3)
    track_id = np.arange(tracks).repeat(3) + first_track
    level = np.array([60, 120, 120])[label][:, None, None]
    features = level + rng.normal(0, 25, size=(3 * tracks, 20, 6))
    features[:, ::2] += 40 * (label == 2)[:, None, None]
    features = features.clip(0, 255).astype(np.uint8)
    half = 3 * tracks // 2
    return [
        (features[part], label[part], track_id[part])
        for part in (slice(None, half), slice(half, None))
    ]


def of_batches(batches):
    part = Segments.join(batches)
    return records_of(part, part, GENRES)


def test_bin_statistics_by_hand():
    features = np.array([[[0, 51], [255, 51], [0, 51], [255, 51]]], dtype=np.uint8)
    statistics = bin_statistics(features)
    assert statistics.dtype == np.float32
    np.testing.assert_allclose(statistics, [[0.5, 0.2, 0.5, 0, 1, 0]], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (3, 5, 4)))
def test_bin_statistics_ignore_the_direction_of_time_and_other_segments(features):
    statistics = bin_statistics(features)
    assert ((statistics >= 0) & (statistics <= 1)).all()
    np.testing.assert_allclose(bin_statistics(features[:, ::-1]), statistics, atol=1e-6)
    np.testing.assert_array_equal(bin_statistics(features[1:2]), statistics[1:2])


def test_bin_statistics_need_two_frames():
    with pytest.raises(ValueError, match="at least two"):
        bin_statistics(np.zeros((1, 1, 4), dtype=np.uint8))


def test_collect_joins_batches():
    batches = make_batches()
    segments = collect(batches)
    assert segments.features.shape == (90, 18)
    features = np.concatenate([batch[0] for batch in batches])
    np.testing.assert_array_equal(segments.features, bin_statistics(features))
    with pytest.raises(ValueError, match="no segments"):
        collect([])


def fit_majority(labels, n_genres):
    """Fit to a track of each label, of several segments."""
    label = np.repeat(labels, 3)
    part = Segments(np.zeros((len(label), 20, 6), np.uint8), label, np.arange(len(label)) // 3)
    return majority(records_of(part, part, tuple("abcd"[:n_genres]))).model


def test_majority_predicts_the_training_shares():
    probability = fit_majority([2, 2, 0, 2], 4).predict_on_batch(np.zeros((5, 20, 6), np.uint8))
    assert probability.shape == (5, 4)
    np.testing.assert_allclose(probability[3], [0.25, 0, 0.75, 0])


def test_always_saying_the_majority_scores_its_share():
    batches = make_batches(genres=(0, 1, 2, 2))
    label = np.concatenate([batch[1] for batch in batches])
    predictions = predict(fit_majority(label, 3), of_batches(batches), "test")
    accuracy = evaluate(predictions, resamples=10).segment_accuracy.value
    assert accuracy == pytest.approx((label == 2).mean())


@pytest.fixture(scope="module")
def svm():
    training, validation = make_batches(), make_batches(first_track=100, seed=1)
    return Described(fit_svm(collect(training), collect(validation), n_genres=3), bin_statistics)


def test_svm_learns_and_predicts_probabilities(svm):
    predictions = predict(svm, of_batches(make_batches(first_track=200, seed=2)), "test")
    assert predictions.probability.dtype == np.float32
    np.testing.assert_allclose(predictions.probability.sum(axis=1), 1, rtol=1e-5)
    assert evaluate(predictions, resamples=10).track_accuracy.value > 0.95


def test_svm_is_deterministic(svm):
    training, validation = make_batches(), make_batches(first_track=100, seed=1)
    again = Described(fit_svm(collect(training), collect(validation), n_genres=3), bin_statistics)
    features = make_batches(seed=2)[0][0]
    np.testing.assert_array_equal(again.predict_on_batch(features), svm.predict_on_batch(features))


def test_svm_is_not_sure_of_noise_and_sure_of_what_it_knows():
    rng = np.random.default_rng(0)

    def segments(labels, first, separation):
        noise = rng.normal(size=(len(labels), 12))
        noise[:, 0] += separation * labels
        return Segments(noise.astype(np.float32), labels, np.arange(len(labels)) + first)

    labels = np.resize([0, 1], 200)
    for separation, least, most in ((0, 0.5, 0.6), (20, 0.9, 1)):
        training, validation = segments(labels, 0, separation), segments(labels, 1000, separation)
        machine = fit_svm(training, validation, 2, grid=[(1.0, 1.0)])
        probability = machine.predict_statistics(segments(labels, 2000, separation).features)
        assert least <= probability.max(axis=1).mean() <= most


def test_calibration_leaves_the_machines_choice_alone(svm):
    rng = np.random.default_rng(3)
    statistics = rng.random((50, svm.machine.machine[0].n_features_in_), dtype=np.float32)
    chosen = svm.machine.machine.predict(statistics)
    np.testing.assert_array_equal(svm.machine.predict_statistics(statistics).argmax(axis=1), chosen)


def test_svm_chooses_from_the_grid_by_validation():
    training, validation = make_batches(), make_batches(first_track=100, seed=1)
    # So narrow a kernel remembers the training segments and knows nothing of others.
    grid = [(1.0, 1e6), (1.0, 1.0)]
    machine = fit_svm(collect(training), collect(validation), 3, grid=grid)
    assert machine.c == 1
    assert machine.gamma == pytest.approx(1 / 18)


@pytest.mark.parametrize("validation_genres", [(0, 1), (0, 1, 2, 3)])
def test_svm_copes_with_genres_that_a_split_lacks(validation_genres):
    training = collect(make_batches(genres=(0, 1, 2)))
    batches = make_batches(first_track=100, seed=1)
    validation = collect(batches)
    label = np.resize(validation_genres, 30).repeat(3)
    validation = Segments(validation.features, label, validation.track_id)
    machine = fit_svm(training, validation, n_genres=5, grid=[(1.0, 1.0)])
    probability = machine.predict_statistics(bin_statistics(batches[0][0]))
    assert probability.shape == (45, 5)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert (probability[:, 4] == 0).all()


def test_sampling_keeps_tracks_whole():
    segments = collect(make_batches())
    sample = segments.sample(at_most=20, seed=3)
    tracks, sizes = np.unique(sample.track_id, return_counts=True)
    assert len(tracks) == 6
    assert set(sizes) == {3}
    everything = segments.sample(at_most=1000, seed=3)
    np.testing.assert_array_equal(everything.features, segments.features)
