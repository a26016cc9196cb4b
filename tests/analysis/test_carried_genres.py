"""Whether errors that name another genre of the track are counted, and against what chance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.analysis.carried_genres import (
    carried_genres,
    errors_also_carried,
    mantel_test,
    predicted_together,
    together,
)
from common.errors import UserError
from common.evaluation.predictions import Predictions

# As in the FMA: Bluegrass (63) is Country's child, Avant-Garde (1) Experimental's.
TABLE = pd.DataFrame(
    {
        "title": ["Avant-Garde", "Country", "Rock", "Folk", "Experimental", "Bluegrass"],
        "top_level": [38, 9, 12, 17, 38, 9],
    },
    index=pd.Index([1, 9, 12, 17, 38, 63], name="genre_id"),
)
GENRES = ("Country", "Folk", "Rock")


def carried(*sets):
    return pd.Series([frozenset(own) for own in sets], index=range(len(sets)), dtype=object)


def test_genres_are_mapped_to_their_roots():
    genres_all = pd.Series([[63, 9, 17], [12], [], [1, 38], [999]], index=[5, 6, 7, 8, 9])
    found = carried_genres(genres_all, TABLE)
    assert found.to_dict() == {
        5: {"Country", "Folk"},
        6: {"Rock"},
        7: set(),
        8: {"Experimental"},
        9: set(),
    }
    merged = carried_genres(genres_all, TABLE, "merged")
    assert merged[5] == {"Folk"}


def test_genres_of_ones_own_are_kept_and_refused_by_mappings_of_the_fma():
    own = TABLE.assign(title="Polka")
    assert carried_genres(pd.Series([[9]]), own)[0] == {"Polka"}
    with pytest.raises(
        UserError, match="'Polka' is no root genre of the FMA, which 'merged' needs"
    ):
        carried_genres(pd.Series([[9]]), own, "merged")


def test_errors_that_the_track_carries_are_counted_against_chance():
    # Tracks 0 and 1 are Folk, 2 is Rock; 3 is right. Only 0 carries what it is taken for.
    label, said = [1, 1, 2, 0], [0, 2, 0, 0]
    predictions = Predictions(range(4), label, np.eye(3)[said], GENRES)
    own = carried({"Folk", "Country"}, {"Folk"}, {"Rock", "Folk"}, {"Country", "Rock"})
    result = errors_also_carried(predictions, own)
    assert (result.errors, result.possible, result.carried) == (3, 2, 1)
    assert result.share.value == pytest.approx(1 / 3)
    # The wrong answers are Country, Rock, Country. Track 0 may get any: 2 of 3 hit; track 1 hits
    # never; track 2 cannot get Rock, and Country does not hit.
    assert result.by_chance == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_tracks_with_one_genre_can_have_no_such_error():
    predictions = Predictions(range(3), [0, 1, 2], np.eye(3)[[1, 1, 0]], GENRES)
    result = errors_also_carried(predictions, carried({"Country"}, {"Folk"}, {"Rock"}))
    assert (result.errors, result.possible, result.carried) == (2, 0, 0)
    assert result.share.value == result.share.high == result.by_chance == 0


def test_without_errors_there_is_no_share():
    predictions = Predictions(range(3), [0, 1, 2], np.eye(3), GENRES)
    result = errors_also_carried(predictions, carried({"Country"}, {"Folk"}, {"Rock", "Folk"}))
    assert result.errors == 0
    assert np.isnan(result.share.value)
    assert np.isnan(result.by_chance)


@given(st.integers(0, 10**6))
def test_by_chance_is_what_dealing_the_answers_gives(seed):
    rng = np.random.default_rng(seed)
    label, said = rng.integers(3, size=(2, 40))
    own = carried(*[{GENRES[i]} | {g for g in GENRES if rng.random() < 0.3} for i in label])
    predictions = Predictions(range(40), label, np.eye(3)[said], GENRES)
    result = errors_also_carried(predictions, own)
    wrong = np.flatnonzero(label != said)
    pool = said[wrong]
    shares = [
        np.mean([GENRES[answer] in own[i] for answer in pool[pool != label[i]]]) for i in wrong
    ]
    assert result.by_chance == pytest.approx(np.mean(shares))


def test_together_is_the_share_of_tracks_with_both():
    sets = carried({"Country", "Folk"}, {"Country"}, {"Folk"}, {"Country", "Folk"}, set())
    index = together(sets, GENRES)
    assert index.loc["Country", "Folk"] == index.loc["Folk", "Country"] == pytest.approx(2 / 4)
    assert index.loc["Rock"].sum() == 0
    assert (np.diag(index) == 0).all()


def test_certain_predictions_of_sets_give_the_index_of_the_sets():
    sets = [{"Country", "Folk"}, {"Country"}, {"Folk"}, {"Country", "Folk"}, {"Rock"}]
    probability = np.array([[genre in own for genre in GENRES] for own in sets], dtype=float)
    targets = probability.astype(bool)
    predictions = Predictions(np.arange(5), np.arange(5), probability, GENRES, targets)
    predicted = predicted_together(predictions, GENRES)
    pd.testing.assert_frame_equal(predicted, together(carried(*sets), GENRES))


def test_uncertain_predictions_give_the_expected_index():
    probability = np.array([[0.5, 0.4, 0.0]] * 2)
    targets = np.eye(len(GENRES), dtype=bool)
    predictions = Predictions(np.arange(2), [0, 1], probability[:, : len(GENRES)], GENRES, targets)
    predicted = predicted_together(predictions, GENRES[:2])
    assert predicted.iloc[0, 1] == pytest.approx(0.2 / (0.5 + 0.4 - 0.2))


def symmetric_table(seed, n=7):
    values = np.random.default_rng(seed).random((n, n))
    return pd.DataFrame(np.triu(values, 1) + np.triu(values, 1).T)


def test_mantel_test_finds_what_agrees_and_nothing_else():
    table = symmetric_table(0)
    rho, p = mantel_test(table, table**3)
    assert rho == pytest.approx(1)
    assert p < 0.01
    rho, _ = mantel_test(table, -table)
    assert rho == pytest.approx(-1)
    assert np.isnan(mantel_test(table, 0 * table)).all()


def test_p_values_of_what_does_not_agree_are_spread_evenly():
    p = [mantel_test(symmetric_table(i), symmetric_table(i + 500))[1] for i in range(25)]
    assert 0.3 < np.mean(p) < 0.7
    assert min(p) < 0.25
    assert max(p) > 0.75
