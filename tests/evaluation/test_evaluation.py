import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from common.errors import UserError
from common.evaluation.leaderboard import (
    Result,
    format_duration,
    leaderboard,
    style_leaderboard,
    style_per_genre,
    text_leaderboard,
)
from common.evaluation.metrics import (
    Predictions,
    Score,
    bootstrap,
    compare,
    confusion,
    evaluate,
    per_genre,
    ratio,
)

GENRES = ("Folk", "Jazz", "Pop", "Rock")


def make_predictions(*, tracks=60, genres=GENRES, skill=0.5, seed=0, present=None):
    rng = np.random.default_rng(seed)
    label = rng.integers(present or len(genres), size=tracks).repeat(3)
    probability = rng.dirichlet(np.ones(len(genres)), size=3 * tracks)
    probability = (1 - skill) * probability + skill * np.eye(len(genres))[label] * rng.random(
        (3 * tracks, 1)
    )
    probability /= probability.sum(axis=1, keepdims=True)
    return Predictions(np.arange(tracks).repeat(3) + 100, label, probability, genres)


def from_decisions(label, predicted, n_genres=4):
    genres = tuple(f"genre {index}" for index in range(n_genres))
    return Predictions(np.arange(len(label)), label, np.eye(n_genres)[predicted], genres)


def test_predictions_have_fixed_types():
    predictions = make_predictions()
    assert predictions.track_id.dtype == predictions.label.dtype == np.int64
    assert predictions.probability.dtype == np.float32


def test_by_track_averages_segments_and_sorts_tracks():
    predictions = Predictions(
        [7, 3, 7], [1, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.0, 1.0]], ("Jazz", "Rock")
    )
    tracks = predictions.by_track()
    assert tracks.track_id.tolist() == [3, 7]
    assert tracks.label.tolist() == [0, 1]
    np.testing.assert_allclose(tracks.probability, [[0.4, 0.6], [0.45, 0.55]])
    assert tracks.predicted.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], np.zeros((0, 2)), "ab"), "no predictions"),
        (([1, 2], [0], [[1, 0], [1, 0]], "ab"), "shapes"),
        (([1], [0], [[1, 0, 0]], "ab"), "shapes"),
        (([1], [2], [[1, 0]], "ab"), "labels"),
        (([1], [-1], [[1, 0]], "ab"), "labels"),
        (([1], [0], [[np.nan, 0]], "ab"), "finite"),
        (([1], [0], [[np.inf, 0]], "ab"), "finite"),
        (([1], [0], [[1.5, 0]], "ab"), "between 0 and 1"),
        (([5, 4, 5], [0, 0, 1], np.ones((3, 2)), "ab"), "track 5 has two labels"),
        (([1], [0], [[1, 0]], "aa"), "duplicate"),
    ],
)
def test_predictions_refuse_what_cannot_be_evaluated(arguments, message):
    with pytest.raises(ValueError, match=message):
        Predictions(*arguments)


def test_predictions_survive_a_round_trip(tmp_path):
    predictions = make_predictions()
    path = tmp_path / "test.npz"
    predictions.save(path)
    loaded = Predictions.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["test.npz"]
    assert loaded.genres == predictions.genres
    for name in ("track_id", "label", "probability"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(predictions, name))


def test_load_refuses_other_files(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        Predictions.load(tmp_path / "absent.npz")
    text = tmp_path / "text.npz"
    text.write_text("not an archive")
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, track_id=np.array([{}], dtype=object))
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    cut = tmp_path / "cut.npz"
    make_predictions().save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    for path in (text, pickled, other, cut):
        with pytest.raises(UserError, match="contains no predictions"):
            Predictions.load(path)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), skill=st.floats(0, 1), present=st.integers(1, 4))
def test_point_estimates_agree_with_scikit_learn(seed, skill, present):
    predictions = make_predictions(seed=seed, skill=skill, present=present)
    scores = evaluate(predictions, resamples=20)
    levels = {"segment": predictions, "track": predictions.by_track()}
    for level, part in levels.items():
        f1 = f1_score(
            part.label,
            part.predicted,
            labels=np.unique(part.label),
            average="macro",
            zero_division=0,
        )
        accuracy = accuracy_score(part.label, part.predicted)
        assert getattr(scores, f"{level}_accuracy").value == pytest.approx(accuracy)
        assert getattr(scores, f"{level}_macro_f1").value == pytest.approx(f1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_segments_does_not_matter(seed):
    predictions = make_predictions(seed=seed)
    order = np.random.default_rng(seed).permutation(len(predictions.label))
    shuffled = Predictions(
        predictions.track_id[order],
        predictions.label[order],
        predictions.probability[order],
        GENRES,
    )
    assert evaluate(shuffled, resamples=50) == evaluate(predictions, resamples=50)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), skill=st.floats(0, 1))
def test_intervals_contain_the_estimate_and_stay_in_range(seed, skill):
    scores = evaluate(make_predictions(seed=seed, skill=skill), resamples=300)
    for score in vars(scores).values():
        assert 0 <= score.low <= score.value <= score.high <= 1


def test_perfect_and_hopeless_predictions():
    label = np.array([0, 1, 2, 3, 0])
    right = evaluate(from_decisions(label, label))
    wrong = evaluate(from_decisions(label, (label + 1) % 4))
    assert set(vars(right).values()) == {Score(1.0, 1.0, 1.0)}
    assert set(vars(wrong).values()) == {Score(0.0, 0.0, 0.0)}


def test_the_seed_decides_the_interval():
    predictions = make_predictions()
    assert evaluate(predictions, seed=1) == evaluate(predictions, seed=1)
    assert evaluate(predictions, seed=1) != evaluate(predictions, seed=2)


def test_blocks_do_not_change_the_number_of_resamples(monkeypatch):
    predictions = make_predictions()
    whole = evaluate(predictions, resamples=350)
    monkeypatch.setattr("common.evaluation.metrics.RESAMPLES_PER_BLOCK", 1000)
    assert whole == evaluate(predictions, resamples=350)


def test_repeating_a_track_s_segments_does_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    label = rng.integers(4, size=200)
    predicted = np.where(rng.random(200) < 0.6, label, (label + 1) % 4)
    single = from_decisions(label, predicted)
    tripled = Predictions(
        single.track_id.repeat(3),
        label.repeat(3),
        single.probability.repeat(3, axis=0),
        single.genres,
    )
    one, three = evaluate(single), evaluate(tripled)
    assert three.segment_accuracy == one.segment_accuracy == one.track_accuracy


def test_intervals_cover_the_truth_as_often_as_they_claim():
    rng = np.random.default_rng(0)
    accuracy, trials, covered = 0.7, 200, 0
    for trial in range(trials):
        label = rng.integers(4, size=150)
        predicted = np.where(rng.random(150) < accuracy, label, (label + 1) % 4)
        score = evaluate(from_decisions(label, predicted), resamples=300, seed=trial).track_accuracy
        covered += score.low <= accuracy <= score.high
    assert 0.89 <= covered / trials <= 0.99


def test_the_half_width_at_the_size_of_the_fma_is_the_binomial_one():
    rng = np.random.default_rng(0)
    label = rng.integers(4, size=2573)
    predicted = np.where(rng.random(2573) < 0.63, label, (label + 1) % 4)
    score = evaluate(from_decisions(label, predicted)).track_accuracy
    assert (score.high - score.low) / 2 == pytest.approx(0.0187, abs=0.0015)


def test_a_genre_that_a_resample_misses_is_left_out_of_its_mean():
    # The one track of the last genre is missed by a third of the resamples; were its F1 counted
    # as zero there, perfect predictions would not score 1.
    label = np.array([0] * 20 + [1] * 20 + [2])
    scores = evaluate(from_decisions(label, label))
    assert scores.track_macro_f1 == Score(1.0, 1.0, 1.0)


def test_evaluating_the_size_of_the_fma_is_fast():
    genres = tuple(f"genre {index}" for index in range(16))
    predictions = make_predictions(tracks=2573, genres=genres)
    start = time.perf_counter()
    evaluate(predictions, resamples=2000)
    assert time.perf_counter() - start < 3


def test_compare_is_paired():
    good, better = make_predictions(skill=0.3), make_predictions(skill=0.9)
    difference = compare(better, good)
    scores = evaluate(better), evaluate(good)
    expected = scores[0].track_accuracy.value - scores[1].track_accuracy.value
    assert difference.value == pytest.approx(expected)
    assert 0 < difference.low < difference.value < difference.high
    assert compare(good, better).value == pytest.approx(-expected)
    assert str(compare(good, good)) == "+0.0 points [+0.0, +0.0]"


def test_compare_refuses_other_tracks():
    with pytest.raises(ValueError, match="same tracks"):
        compare(make_predictions(tracks=10), make_predictions(tracks=11))


def test_per_genre_agrees_with_scikit_learn():
    genres = (*GENRES, "Spoken", "Blues")
    predictions = make_predictions(genres=genres, present=4, skill=0.4)
    tracks = predictions.by_track()
    expected = precision_recall_fscore_support(
        tracks.label, tracks.predicted, labels=range(6), zero_division=np.nan
    )
    table = per_genre(predictions)
    assert table.index.tolist() == list(genres)
    assert table.columns.tolist() == ["precision", "recall", "f1", "tracks"]
    for column, values in zip(table.columns, expected, strict=True):
        np.testing.assert_allclose(table[column], values)


def test_per_genre_leaves_out_what_is_undefined():
    table = per_genre(from_decisions([0, 1], [0, 0], n_genres=3))
    assert table["precision"].isna().tolist() == [False, True, True]
    assert table["recall"].isna().tolist() == [False, False, True]
    assert table["f1"].tolist()[1] == 0


def test_confusion_counts_tracks_true_by_predicted():
    predictions = make_predictions(skill=0.4)
    tracks = predictions.by_track()
    table = confusion(predictions)
    np.testing.assert_array_equal(table, confusion_matrix(tracks.label, tracks.predicted))
    assert table.index.tolist() == table.columns.tolist() == list(GENRES)
    assert (table.index.name, table.columns.name) == ("true genre", "predicted genre")


def test_a_score_reads_as_percent():
    assert str(Score(0.553, 0.512, 0.591)) == "55.3 % [51.2, 59.1]"


@pytest.fixture
def board():
    weak, strong = (evaluate(make_predictions(skill=s), resamples=100) for s in (0.2, 0.9))
    return leaderboard(
        [
            Result("CNN", weak, 1_234_567, 4000.0),
            Result("ResNet", strong, 2_000, 90.4),
            Result("SVM", strong, None, 12.0, is_baseline=True),
            Result("Majority", weak, None, None, note="constant", is_baseline=True),
        ]
    )


def test_leaderboard_begins_with_the_baselines_and_ranks_the_models(board):
    assert board["model"].tolist() == ["SVM", "Majority", "ResNet", "CNN"]
    assert board["is_baseline"].tolist() == [True, True, False, False]
    assert board["parameters"].dtype == "Int64"
    assert (board["track_accuracy_low"] <= board["track_accuracy"]).all()


def test_leaderboard_survives_csv(board, tmp_path):
    board.to_csv(tmp_path / "board.csv", index=False)
    again = pd.read_csv(tmp_path / "board.csv")
    shown = style_leaderboard(board, caption="x").data
    pd.testing.assert_frame_equal(style_leaderboard(again, caption="x").data, shown)


def test_older_leaderboard_is_shown_without_the_statistics_it_lacks(board):
    older = board.drop(columns=[c for c in board if c.startswith("segment_macro_f1")])
    assert "Segment accuracy" in text_leaderboard(older)
    assert "Segment macro-F1" not in text_leaderboard(older)
    assert "Segment macro-F1" not in style_leaderboard(older, caption="x").data


def test_styled_leaderboard(board):
    styler = style_leaderboard(board, caption="Synthetic demo set")
    html = styler.to_html()
    assert "Synthetic demo set" in html
    assert "1,234,567" in html
    assert "1 h 07 min" in html
    row = styler.data.iloc[2]
    assert row["Track accuracy"].count("%") == 1
    bold = {
        cell for cell, styles in styler._compute().ctx.items() if ("font-weight", "bold") in styles
    }
    # Both rows of the best score, in each of the four statistics.
    assert bold == {(row, 1 + column) for row in (0, 2) for column in range(4)}


def test_styled_per_genre_marks_the_undefined():
    html = style_per_genre(per_genre(from_decisions([0, 1], [0, 0])), caption="SVM").to_html()
    assert "SVM" in html
    assert "50.0%" in html
    assert "–" in html
    assert "nan" not in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.9, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def test_the_bootstrap_of_hits_is_that_of_accuracy():
    predictions = make_predictions(seed=3)
    tracks = predictions.by_track()
    hits = tracks.predicted == tracks.label
    score = bootstrap(np.stack([hits, np.ones(len(hits))], axis=1), ratio)
    assert score == evaluate(predictions).track_accuracy


def test_resamples_in_which_a_statistic_is_undefined_do_not_count():
    # Two tracks of three may be asked; where neither is drawn, there is nothing to divide by.
    score = bootstrap(np.array([[1, 1], [1, 1], [0, 0]]), ratio)
    assert (score.value, score.low, score.high) == (1, 1, 1)
    assert np.isnan(bootstrap(np.zeros((3, 2)), ratio).value)


def runs_of(seed, runs=3, tracks=80):
    """Predictions of the same tracks by several trainings."""
    rng = np.random.default_rng(seed)
    label = rng.integers(4, size=tracks)
    flips = rng.random((runs, tracks)) < 0.4
    return [from_decisions(label, np.where(flip, (label + 1) % 4, label)) for flip in flips]


@given(seed=st.integers(0, 100))
@settings(max_examples=10)
def test_scores_of_several_runs_are_their_means(seed):
    runs = runs_of(seed)
    scores, single = evaluate(runs, resamples=200), [evaluate(r, resamples=200) for r in runs]
    for name in ("track_accuracy", "track_macro_f1", "segment_accuracy"):
        mean = getattr(scores, name)
        assert mean.value == pytest.approx(np.mean([getattr(s, name).value for s in single]))
        # A mean over runs varies less than a single run.
        widest = max(getattr(s, name).high - getattr(s, name).low for s in single)
        assert 0 < mean.high - mean.low <= widest
    assert evaluate(runs[:1]) == evaluate(runs[0])


def test_the_gain_of_several_runs_is_the_mean_gain():
    runs, [rival, *_] = runs_of(0), runs_of(0, runs=1)
    gain = compare(runs, rival)
    assert gain.value == pytest.approx(np.mean([compare(run, rival).value for run in runs]))
    assert compare(runs, runs[::-1]).value == pytest.approx(0)
    with pytest.raises(ValueError, match="same tracks"):
        compare([runs[0], from_decisions([0, 1], [0, 1])], rival)


def test_copies_of_tracks_in_their_clusters_narrow_no_interval():
    run, rival = make_predictions(skill=0.3), make_predictions(skill=0.2)

    def copied(predictions):
        copies = [
            Predictions(
                predictions.track_id + shift, predictions.label, predictions.probability, GENRES
            )
            for shift in (0, 1000)
        ]
        return Predictions.concatenate(copies)

    ids = np.unique(copied(run).track_id)
    clusters = pd.Series(ids % 1000, index=ids)
    assert evaluate(copied(run), clusters=clusters) == evaluate(run)
    assert compare(copied(run), copied(rival), clusters=clusters) == compare(run, rival)
    of_tracks, of_copies = evaluate(run).track_accuracy, evaluate(copied(run)).track_accuracy
    assert of_copies.high - of_copies.low < of_tracks.high - of_tracks.low
