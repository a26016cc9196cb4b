from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
    roc_auc_score,
)

from common.evaluation import metrics
from common.evaluation.metrics import Difference
from common.evaluation.multilabel import (
    STATISTICS,
    _draw,
    _Statistics,
    best_threshold,
    compare,
    evaluate,
    per_genre,
    sub_genre_errors,
    violations,
)
from common.evaluation.predictions import Predictions
from common.fma.labels import root_of

PARENTS = {"Punk": "Rock", "Hardcore": "Punk", "House": "Electronic"}
GENRES = ("Rock", "Electronic", "Punk", "Hardcore", "House")

few = settings(max_examples=12)
seeds = st.integers(0, 10**6)


def predictions_of(probability, truth, genres=None, segments=1):
    truth = np.asarray(truth, dtype=bool)
    tracks, columns = truth.shape
    genres = genres or tuple(f"genre {column}" for column in range(columns))
    ids = np.arange(tracks).repeat(segments)
    return Predictions(ids + 10, ids, np.asarray(probability), genres, truth)


def make_predictions(seed=0, *, tracks=40, genres=5, skill=0.5, decimals=7, segments=1):
    """Every genre has a true track and one that is not; few decimals make ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random((tracks, genres)) < np.geomspace(0.5, 0.1, genres)
    rows = np.arange(tracks)
    truth[rows, rows % genres] = True
    truth[rows, (rows + 1) % genres] = False
    noise = rng.random((tracks * segments, genres))
    probability = (1 - skill) * noise + skill * noise**0.5 * truth.repeat(segments, axis=0)
    names = GENRES if genres == len(GENRES) else None
    return predictions_of(np.round(probability, decimals), truth, names, segments)


def weighted_scores_of_scikit_learn(tracks, weight):
    present = weight > 0
    truth, score, weight = tracks.truth[present], tracks.probability[present], weight[present]
    with_true = truth.any(axis=0)
    with_both = with_true & ~truth.all(axis=0)
    pairs = (truth.ravel(), score.ravel())
    pair_weight = weight.repeat(truth.shape[1])
    return {
        "macro_average_precision": average_precision_score(
            truth[:, with_true], score[:, with_true], average="macro", sample_weight=weight
        ),
        "micro_average_precision": average_precision_score(*pairs, sample_weight=pair_weight),
        "macro_roc_auc": roc_auc_score(
            truth[:, with_both], score[:, with_both], average="macro", sample_weight=weight
        ),
        "micro_roc_auc": roc_auc_score(*pairs, sample_weight=pair_weight),
        "lrap": label_ranking_average_precision_score(truth, score, sample_weight=weight),
    }


@few
@given(seed=seeds, skill=st.floats(0, 1), decimals=st.sampled_from([1, 2, 7]))
def test_scores_agree_with_scikit_learn(seed, skill, decimals):
    predictions = make_predictions(seed, skill=skill, decimals=decimals, segments=2)
    scores = evaluate(predictions, resamples=20)
    tracks = predictions.by_track()
    expected = weighted_scores_of_scikit_learn(tracks, np.ones(len(tracks.label)))
    for name, value in expected.items():
        assert getattr(scores, name).value == pytest.approx(value, abs=1e-6)


@few
@given(seed=seeds, decimals=st.sampled_from([1, 7]), tracks=st.integers(6, 30))
def test_scores_of_resamples_agree_with_scikit_learn(seed, decimals, tracks):
    predictions = make_predictions(seed, tracks=tracks, decimals=decimals)
    [weights] = _draw(predictions, resamples=3, seed=seed)
    drawn = _Statistics([predictions])(weights)
    for weight, column in zip(weights.T, drawn.T, strict=True):
        scores = dict(zip(STATISTICS, column, strict=True))
        for name, value in weighted_scores_of_scikit_learn(predictions, weight).items():
            assert scores[name] == pytest.approx(value, abs=1e-6)


def test_resamples_are_those_of_the_scores_of_one_genre():
    predictions = make_predictions()
    mine = np.concatenate(list(_draw(predictions, resamples=210, seed=4)), axis=1)
    others = np.concatenate(list(metrics.draw_counts(40, 210, 4)))
    np.testing.assert_array_equal(mine.T, others)


@few
@given(seed=seeds)
def test_precision_at_the_number_of_true_genres(seed):
    predictions = make_predictions(seed)
    shares = []
    for probability, truth in zip(predictions.probability, predictions.truth, strict=True):
        best = np.argsort(-probability)[: truth.sum()]
        shares.append(truth[best].mean())
    score = evaluate(predictions, resamples=20).r_precision
    assert score.value == pytest.approx(np.mean(shares))


def test_ties_at_the_last_rank_count_as_in_random_order():
    predictions = predictions_of([[0.9, 0.5, 0.5, 0.5, 0.1]], [[1, 1, 0, 0, 0]])
    assert evaluate(predictions, resamples=5).r_precision.value == pytest.approx((1 + 1 / 3) / 2)


@few
@given(seed=seeds, skill=st.floats(0, 0.5))
def test_intervals_contain_the_value(seed, skill):
    scores = evaluate(make_predictions(seed, skill=skill), resamples=200)
    for name in STATISTICS:
        score = getattr(scores, name)
        assert 0 <= score.low <= score.value <= score.high <= 1
        assert score.high > score.low


def test_intervals_of_many_rare_genres_contain_the_value():
    """Repeated tracks raise the average precision of rare genres; the intervals correct it."""
    rng = np.random.default_rng(0)
    truth = rng.random((600, 50)) < 0.01
    truth[~truth.any(axis=1), 0] = True
    predictions = predictions_of(rng.random((600, 50)), truth)
    score = evaluate(predictions, resamples=300).macro_average_precision
    middle = (score.low + score.high) / 2
    assert abs(middle - score.value) < 0.2 * (score.high - score.low)


def test_equal_probabilities_score_the_frequency():
    truth = make_predictions().truth
    frequency = truth.mean(axis=0)
    predictions = predictions_of(np.full(truth.shape, 0.3), truth)
    scores = evaluate(predictions, resamples=50)
    assert scores.macro_average_precision.value == pytest.approx(frequency.mean())
    assert scores.micro_average_precision.value == pytest.approx(truth.mean())
    assert scores.r_precision.value == pytest.approx(truth.mean())
    for auc in (scores.macro_roc_auc, scores.micro_roc_auc):
        assert (auc.value, auc.low, auc.high) == pytest.approx((0.5, 0.5, 0.5))
    table = per_genre(predictions, {})
    np.testing.assert_allclose(table["average_precision"], table["frequency"])
    np.testing.assert_allclose(table["roc_auc"], 0.5)


def test_a_perfect_ranking_scores_one():
    truth = make_predictions().truth
    scores = evaluate(predictions_of(0.2 + 0.6 * truth, truth), resamples=50)
    for name in STATISTICS:
        score = getattr(scores, name)
        assert (score.value, score.low, score.high) == pytest.approx((1, 1, 1))


@few
@given(seed=seeds, powers=st.lists(st.floats(0.3, 3), min_size=5, max_size=5))
def test_increasing_functions_of_a_genre_do_not_change_its_scores(seed, powers):
    predictions = make_predictions(seed, decimals=2)
    other = replace(predictions, probability=predictions.probability.astype(float) ** powers)
    before, after = per_genre(predictions, PARENTS), per_genre(other, PARENTS)
    pd.testing.assert_frame_equal(before, after)


def test_genres_without_a_true_or_a_false_track_are_left_out():
    base = make_predictions()
    ones, zeros = np.ones((40, 1), dtype=bool), np.zeros((40, 1), dtype=bool)
    some = np.linspace(0, 1, 40)[:, None]
    more = predictions_of(
        np.hstack([base.probability, some, some]), np.hstack([base.truth, ones, zeros])
    )
    old, new = evaluate(base, resamples=20), evaluate(more, resamples=20)
    assert new.macro_roc_auc == old.macro_roc_auc
    precision = (5 * old.macro_average_precision.value + 1) / 6
    assert new.macro_average_precision.value == pytest.approx(precision)
    table = per_genre(more, {})
    assert table.index[0] == "genre 5"
    assert table.index[-1] == "genre 6"
    undefined = ["average_precision", "average_precision_low", "roc_auc", "chance"]
    assert table.loc["genre 6", undefined].isna().all()
    assert table.loc["genre 6", "tracks"] == 0
    assert np.isnan(table.loc["genre 5", "roc_auc"])


def test_scores_that_are_undefined_are_nan():
    scores = evaluate(predictions_of([[0.5], [0.6]], [[1], [1]]), resamples=5)
    assert scores.micro_average_precision.value == 1
    assert np.isnan([scores.macro_roc_auc.value, scores.macro_roc_auc.low]).all()


def test_a_track_without_a_genre_is_refused():
    predictions = predictions_of([[0.1, 0.2], [0.3, 0.4]], [[1, 0], [0, 0]])
    for score in (evaluate, best_threshold, lambda run: compare(run, run)):
        with pytest.raises(ValueError, match="track 11 has no genre"):
            score(predictions)


def test_tracks_of_one_genre_are_scored_too():
    label = np.arange(12) % 3
    probability = np.random.default_rng(0).dirichlet(np.ones(3), size=12)
    predictions = Predictions(np.arange(12), label, probability, ("Folk", "Jazz", "Pop"))
    scores = evaluate(predictions, resamples=20)
    accuracy = (predictions.predicted == label).mean()
    assert scores.r_precision.value == pytest.approx(accuracy)


def test_scores_of_several_runs_are_means():
    runs = [make_predictions(3), replace(make_predictions(3), probability=np.full((40, 5), 0.5))]
    joint, *single = (evaluate(run, resamples=20) for run in (runs, *runs))
    for name in STATISTICS:
        values = [getattr(scores, name).value for scores in single]
        assert getattr(joint, name).value == pytest.approx(np.mean(values))


def test_clusters_of_equal_tracks_count_as_one_track():
    once = make_predictions(2)
    ids = np.concatenate([once.track_id, once.track_id + 1000])
    twice = replace(
        once,
        track_id=ids,
        label=np.tile(once.label, 2),
        probability=np.tile(once.probability, (2, 1)),
    )
    clusters = pd.Series(ids % 1000, index=ids)
    expected, got = evaluate(once, resamples=40), evaluate(twice, clusters=clusters, resamples=40)
    independent = evaluate(twice, resamples=40).micro_average_precision
    for name in STATISTICS:
        a, b = getattr(expected, name), getattr(got, name)
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))
    width = got.micro_average_precision.high - got.micro_average_precision.low
    assert width > independent.high - independent.low


@pytest.mark.parametrize("statistic", ["macro_average_precision", "lrap"])
def test_differences_are_paired(statistic):
    a, b = make_predictions(skill=0.6, segments=2), make_predictions(skill=0.2)
    gain = compare(a, b, statistic)
    loss = compare([b, b], a, statistic)
    assert isinstance(gain, Difference)
    scores = [getattr(evaluate(run, resamples=20), statistic).value for run in (a, b)]
    assert gain.value == pytest.approx(scores[0] - scores[1])
    assert gain.low < gain.value < gain.high
    assert (gain.value, gain.low, gain.high) == pytest.approx((-loss.value, -loss.high, -loss.low))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_model_does_not_differ_from_itself(statistic):
    predictions = make_predictions()
    assert compare(predictions, predictions, statistic) == Difference(0, 0, 0)


def test_predictions_of_other_tracks_are_not_compared():
    a = make_predictions()
    truth = a.truth.copy()
    truth[0] = ~truth[0]
    others = (
        replace(a, track_id=a.track_id + 1),
        replace(a, targets=truth),
        replace(a, genres=a.genres[::-1]),
        make_predictions(tracks=20),
    )
    for other in others:
        with pytest.raises(ValueError, match="comparable"):
            compare(a, other)
        with pytest.raises(ValueError, match="comparable"):
            evaluate([a, other])


def test_table_of_genres(tmp_path):
    predictions = make_predictions()
    training = {genre: 100 + position for position, genre in enumerate(GENRES)}
    table = per_genre(predictions, PARENTS, training)
    assert list(table) == [
        "parent",
        "training_tracks",
        "tracks",
        "frequency",
        "chance",
        "average_precision",
        "average_precision_low",
        "average_precision_high",
        "roc_auc",
    ]
    assert table["tracks"].is_monotonic_decreasing
    assert table.loc["Hardcore", ["parent", "training_tracks"]].tolist() == ["Punk", 103]
    assert table.loc["Rock", "parent"] == ""
    scores = evaluate(predictions, resamples=5)
    assert table["average_precision"].mean() == pytest.approx(scores.macro_average_precision.value)
    assert table["roc_auc"].mean() == pytest.approx(scores.macro_roc_auc.value)
    assert (table["average_precision_low"] < table["average_precision"]).all()
    assert (table["average_precision"] < table["average_precision_high"]).all()
    path = tmp_path / "genres.csv"
    table.to_csv(path)
    read = pd.read_csv(path, index_col="genre", keep_default_na=False)
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert "training_tracks" not in per_genre(predictions, PARENTS)


def test_chance_is_the_mean_over_all_rankings():
    values = []
    for positions in combinations(range(6), 2):
        truth = np.isin(np.arange(6), positions)
        values.append(average_precision_score(truth, -np.arange(6)))
    truth = np.ones((6, 2), dtype=bool)
    truth[2:, 0] = False
    table = per_genre(predictions_of(np.full((6, 2), 0.5), truth), {})
    assert table.loc["genre 0", "chance"] == pytest.approx(np.mean(values))
    assert table.loc["genre 1", "chance"] == pytest.approx(1)


def test_errors_of_sub_genres_by_hand():
    # Rock, Electronic, Punk, Hardcore, House
    predictions = predictions_of(
        [
            [0.9, 0.1, 0.3, 0.8, 0.2],  # Punk, predicted Hardcore: the root is right
            [0.9, 0.1, 0.3, 0.2, 0.8],  # Hardcore, predicted House: the root is wrong
            [0.2, 0.9, 0.1, 0.2, 0.8],  # House, predicted House
            [0.9, 0.1, 0.3, 0.1, 0.8],  # Rock alone
            [0.2, 0.9, 0.9, 0.2, 0.8],  # Rock and House, predicted Punk: the root is right
        ],
        [[1, 0, 1, 0, 0], [1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 0, 0, 1]],
        GENRES,
    )
    errors = sub_genre_errors(predictions, PARENTS)
    assert (errors.tracks, errors.errors) == (4, 3)
    assert errors.root_accuracy.value == pytest.approx(2 / 3)
    # Of 15 pairs: Punk above Rock once, Hardcore above Punk twice, House above Electronic 3 times.
    assert violations(predictions, PARENTS) == pytest.approx(6 / 15)


@few
@given(seed=seeds, skill=st.floats(0, 0.8))
def test_errors_of_sub_genres_are_consistent(seed, skill):
    predictions = make_predictions(seed, skill=skill)
    errors = sub_genre_errors(predictions, PARENTS)
    assert 0 <= errors.errors <= errors.tracks <= 40
    one_root = dict.fromkeys(GENRES[1:], "Rock")
    everything = sub_genre_errors(predictions, one_root)
    assert everything.errors == 0 or everything.root_accuracy.value == 1
    perfect = sub_genre_errors(replace(predictions, probability=predictions.truth), PARENTS)
    assert perfect.errors == 0
    assert np.isnan(perfect.root_accuracy.value)


@few
@given(seed=seeds)
def test_probabilities_limited_by_the_parent_violate_nothing(seed):
    predictions = make_predictions(seed)
    limited = predictions.probability.copy()
    for sub, parent in PARENTS.items():
        column, above = GENRES.index(sub), GENRES.index(parent)
        limited[:, column] = np.minimum(limited[:, column], limited[:, above])
    assert 0 < violations(predictions, PARENTS) <= 1
    assert violations(replace(predictions, probability=limited), PARENTS) == 0
    assert violations(predictions, {}) == 0


def test_parents_that_are_not_predicted_are_followed_but_not_compared():
    predictions = make_predictions()
    parents = {"Punk": "Guitar", "Guitar": "Rock", "Noise": "Guitar"}
    assert root_of("Punk", parents) == "Rock"
    assert violations(predictions, parents) == 0
    assert sub_genre_errors(predictions, parents).tracks == predictions.truth[:, 2].sum()


def test_bad_hierarchies_are_refused():
    predictions = make_predictions()
    with pytest.raises(ValueError, match="own ancestor"):
        sub_genre_errors(predictions, {"Punk": "Hardcore", "Hardcore": "Punk"})
    with pytest.raises(ValueError, match="none of the genres is a sub-genre"):
        sub_genre_errors(predictions, {"Noise": "Rock"})


def test_best_threshold_by_hand():
    # At 0.6, two of three predictions and two of three true pairs: F1 = 2/3. At 0.3: 3/4.
    predictions = predictions_of([[0.9, 0.7], [0.6, 0.3], [0.3, 0.1]], [[1, 0], [1, 0], [1, 0]])
    assert best_threshold(predictions) == pytest.approx(0.3)
    perfect = predictions_of([[0.9, 0.2], [0.8, 0.1]], [[1, 0], [1, 0]])
    assert best_threshold(perfect) == pytest.approx(0.8)


@few
@given(seed=seeds, skill=st.floats(0, 1), decimals=st.sampled_from([1, 2]))
def test_no_other_threshold_has_a_higher_f1(seed, skill, decimals):
    predictions = make_predictions(seed, tracks=6, skill=skill, decimals=decimals)
    truth, probability = predictions.truth.ravel(), predictions.probability.ravel()
    f1 = {
        threshold: f1_score(truth, probability >= threshold) for threshold in np.unique(probability)
    }
    assert f1[np.float32(best_threshold(predictions))] == pytest.approx(max(f1.values()))
