"""Whether confidence is measured as it should be, and mended without changing any decision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation.calibration import (
    calibration_error,
    error_if_calibrated,
    fit_temperature,
    reliability,
    temperature_of,
    with_temperature,
)
from common.evaluation.predictions import Predictions

GENRES = ("Folk", "Jazz", "Rock")


def with_confidence(confidence, right):
    """Name the first genre with these confidences; the truth is the second where it is wrong."""
    confidence = np.asarray(confidence)
    rest = 1 - confidence
    probability = np.stack([confidence, rest / 2, rest / 2], axis=1)
    return Predictions(np.arange(len(confidence)), np.where(right, 0, 1), probability, GENRES)


def drawn(seed, tracks, temperature=1.0):
    """Labels drawn from softmax(logits); the predictions claim softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((tracks, 3))

    def softmax(x):
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    label = (softmax(logits).cumsum(axis=1) < rng.random((tracks, 1))).sum(axis=1).clip(0, 2)
    return Predictions(np.arange(tracks), label, softmax(logits / temperature), GENRES)


def test_bins_hold_equally_many_tracks_and_their_means():
    # Ten of 0.5 with 2 right, ten of 0.9 with 10 right, shuffled.
    order = np.random.default_rng(0).permutation(20)
    confidence = np.repeat([0.5, 0.9], 10)[order]
    right = np.array([1] * 2 + [0] * 8 + [1] * 10, dtype=bool)[order]
    table = reliability(with_confidence(confidence, right))
    assert table["tracks"].tolist() == [10, 10]
    np.testing.assert_allclose(table["confidence"], [0.5, 0.9], atol=1e-6)
    np.testing.assert_allclose(table["accuracy"], [0.2, 1.0])
    # Of ten draws with 0.5, between 2 and 8 are heads in more than 95 of 100 times.
    assert table.loc[0, ["expected_low", "expected_high"]].tolist() == [0.2, 0.8]
    error = calibration_error(with_confidence(confidence, right))
    assert error.value == pytest.approx((0.3 + 0.1) / 2, abs=1e-6)
    assert error.low < error.value < error.high


def test_segments_are_averaged_before_they_are_judged():
    probability = np.tile([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], (10, 1)).astype("f4")
    predictions = Predictions(np.arange(10).repeat(2), [0] * 20, probability, GENRES)
    [row] = reliability(predictions).to_dict("records")
    assert row["tracks"] == 10
    assert row["confidence"] == pytest.approx(0.5)


@given(st.integers(0, 10**6))
def test_a_calibrated_classifier_errs_as_much_as_is_expected_of_one(seed):
    predictions = drawn(seed, 300)
    expected = error_if_calibrated(predictions)
    # Outside the 95 % range one sample in twenty is; beyond twice its end none is.
    assert calibration_error(predictions).value < 2 * expected.high
    assert expected.low < expected.value < expected.high


def test_too_sure_a_classifier_errs_more_than_is_expected():
    predictions = drawn(0, 600, temperature=0.3)
    assert calibration_error(predictions).low > error_if_calibrated(predictions).high


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_temperature_scaling_undoes_a_temperature(temperature):
    fitted = temperature_of(drawn(1, 3000, temperature))
    # What was divided by 0.4 must be divided by 2.5 again.
    assert fitted == pytest.approx(1 / temperature, rel=0.15)
    judged = drawn(2, 3000, temperature)
    mended = with_temperature(judged, fitted)
    np.testing.assert_array_equal(mended.predicted, judged.predicted)
    assert calibration_error(mended).value < error_if_calibrated(mended).high


def test_a_temperature_of_one_changes_nothing_and_zeros_do_no_harm():
    predictions = Predictions([1, 2], [0, 1], [[1.0, 0.0, 0.0], [0.2, 0.5, 0.3]], GENRES)
    same = with_temperature(predictions, 1.0)
    np.testing.assert_allclose(same.probability, predictions.probability, atol=1e-6)
    assert with_temperature(predictions, 3.0).probability[0].argmax() == 0


def test_fit_temperature_ignores_what_is_added_to_all_logits():
    logits = np.random.default_rng(0).standard_normal((50, 4))
    label = logits.argmax(axis=1)
    label[:15] = (label[:15] + 1) % 4
    assert fit_temperature(logits + 7, label) == pytest.approx(fit_temperature(logits, label))
