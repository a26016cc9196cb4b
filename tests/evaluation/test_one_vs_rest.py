import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.one_vs_rest import bound_by_ancestors, fit_one_vs_rest, fit_sigmoid
from common.fma.labels import ancestors
from common.records.segments import Segments

TARGETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]], dtype=bool)
"""Rock; Rock and Punk; Folk; Rock and Folk."""

TREE = ancestors(["Rock", "Punk", "Folk"], {"Punk": "Rock"})


def segments(seed, tracks=60):
    """Three segments a track, whose descriptions are the genres with noise."""
    rng = np.random.default_rng(seed)
    label = np.resize(np.arange(len(TARGETS)), tracks).repeat(3)
    values = TARGETS[label] + rng.normal(0, 0.3, (3 * tracks, 3))
    return Segments(values.astype(np.float32), label, np.arange(tracks).repeat(3) + 1000 * seed)


@pytest.fixture(scope="module")
def machine():
    return fit_one_vs_rest(segments(1), segments(2), TARGETS, TREE, [(1.0, 1.0), (1.0, 1e6)])


def test_each_genre_is_found_and_none_exceeds_its_parent(machine):
    test = segments(3)
    probability = machine.predict_statistics(test.features)
    assert probability.dtype == np.float32
    assert ((probability > 0.5) == TARGETS[test.label]).mean() > 0.9
    assert (probability[:, 1] <= probability[:, 0]).all()


def test_probabilities_are_calibrated(machine):
    test = segments(4, tracks=400)
    probability, truth = machine.predict_statistics(test.features), TARGETS[test.label]
    np.testing.assert_allclose(probability.mean(axis=0), truth.mean(axis=0), atol=0.03)


def test_validation_chooses_from_the_grid(machine):
    # So narrow a kernel remembers the training segments and knows nothing of others.
    svc = machine.machine[-1].estimator
    assert svc.gamma == pytest.approx(1 / 3)


def test_a_genre_without_training_segments_has_no_chance():
    training = segments(1)
    training = training.of(training.track_id[training.label < 2])
    machine = fit_one_vs_rest(training, segments(2), TARGETS, TREE, [(1.0, 1.0)])
    probability = machine.predict_statistics(segments(3).features)
    assert np.isfinite(probability).all()
    assert np.ptp(probability[:, 2]) < 1e-6  # the same for every segment


def test_a_separating_value_does_not_give_certainty():
    decisions = np.array([-2.0, -1, 1, 2])
    slope, offset = fit_sigmoid(decisions, decisions > 0)
    assert slope > 0
    assert 1 / (1 + np.exp(-(2 * slope + offset))) < 0.95
    # By Platt's targets: the mean probability is that of 3/4 and 1/4.
    mean = (1 / (1 + np.exp(-(decisions * slope + offset)))).mean()
    assert mean == pytest.approx(0.5, abs=1e-3)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_limit_is_the_smallest_of_the_lineage(rows):
    probability = np.array(rows)
    bound = bound_by_ancestors(probability, TREE)
    np.testing.assert_array_equal(bound[:, [0, 2]], probability[:, [0, 2]])
    np.testing.assert_array_equal(bound[:, 1], probability[:, :2].min(axis=1))
