"""Predicting whole recordings: segments, their mean, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from classifier_for_tests import GENRES, PARAMETERS, card, save_small_model, small_model
from fma_for_tests import music
from hypothesis import given
from hypothesis import strategies as st

from common.errors import AudioEmpty, AudioTooShort, UserError
from common.fma.audio import read_audio
from common.training.model_files import save_model
from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.default_model import find_model
from spectrogram_feature.inference.segment_stream import cut_stream

LENGTH = PARAMETERS.segment_samples
SR = PARAMETERS.sample_rate


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(saved) -> GenreClassifier:
    return GenreClassifier.load(saved)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return music(seed, seconds, SR)


@given(
    sizes=st.lists(st.integers(0, 25), max_size=12),
    length=st.integers(1, 9),
)
def test_segments_hold_every_sample_once(sizes, length):
    total = sum(sizes)
    samples = np.arange(1, total + 1, dtype=np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
    segments = list(cut_stream(blocks, length))
    assert all(len(segment.samples) == length for segment in segments)
    assert sum(segment.fresh for segment in segments) == total
    assert all(0 < segment.fresh <= length for segment in segments)
    if total >= length:
        for segment in segments:
            expected = samples[segment.start : segment.start + length]
            np.testing.assert_array_equal(segment.samples, expected)
        heard = np.concatenate([segment.samples[length - segment.fresh :] for segment in segments])
        np.testing.assert_array_equal(heard, samples)


def test_short_sound_goes_backwards_and_forwards():
    [segment] = cut_stream([np.array([1, 2, 3], np.float32)], 8)
    assert segment.fresh == 3
    np.testing.assert_array_equal(segment.samples, [1, 2, 3, 3, 2, 1, 1, 2])


def test_whole_segments_are_averaged_as_in_the_evaluation(classifier):
    samples = sound(4.5)
    features = ConstantQ(PARAMETERS).features(samples.reshape(3, LENGTH))
    expected = classifier.model.network.predict_on_batch(features)
    prediction = classifier.predict_blocks([samples], "x")
    np.testing.assert_allclose(prediction.by_segment, expected, atol=1e-6)
    np.testing.assert_allclose(prediction.probability, expected.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(prediction.starts, [0, 1.5, 3])
    assert prediction.seconds == pytest.approx(4.5)


def test_the_last_segment_counts_what_only_it_hears(classifier):
    samples = sound(3.6)
    prediction = classifier.predict_blocks([samples], "x")
    np.testing.assert_allclose(prediction.starts, [0, 1.5, 2.1])
    np.testing.assert_allclose(prediction.weight, np.array([1.5, 1.5, 0.6]) / 3.6)
    np.testing.assert_allclose(prediction.edges, [0, 1.5, 3, 3.6])
    last = classifier.predict_blocks([samples[-LENGTH:]], "x")
    np.testing.assert_allclose(prediction.by_segment[-1], last.probability, atol=1e-6)


def test_prediction_changes_steadily_with_the_length(classifier):
    samples = sound(3.2)
    before = classifier.predict_blocks([samples[: 2 * LENGTH]], "x").probability
    after = classifier.predict_blocks([samples[: 2 * LENGTH + 10]], "x").probability
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_prediction_does_not_depend_on_how_the_sound_comes(classifier, monkeypatch):
    samples = sound(10.3)
    expected = classifier.predict_blocks([samples], "x").by_segment
    monkeypatch.setattr("spectrogram_feature.inference.classifier.BATCH", 2)
    pieces = np.array_split(samples, 71)
    np.testing.assert_allclose(
        classifier.predict_blocks(pieces, "x").by_segment, expected, atol=1e-6
    )


@pytest.mark.parametrize(("name", "sr"), [("a.wav", 44_100), ("a.flac", 48_000), ("a.mp3", 22_050)])
def test_a_file_is_heard_as_its_samples(classifier, tmp_path, name, sr):
    soundfile.write(tmp_path / name, np.stack([music(3, 4, sr)] * 2, axis=1), sr)
    expected = classifier.predict_blocks([read_audio(tmp_path / name)], "x")
    prediction = classifier.predict(tmp_path / name)
    np.testing.assert_allclose(prediction.probability, expected.probability, atol=1e-4)
    assert prediction.genres == GENRES
    assert prediction.probability.sum() == pytest.approx(1, abs=1e-5)


def test_sounds_are_told_apart(classifier):
    """Otherwise the comparisons above would prove nothing."""
    predictions = [
        classifier.predict_blocks([sound(3, seed)], "x").probability for seed in range(4)
    ]
    assert np.ptp(predictions, axis=0).max() > 0.05


def test_features_are_kept_each_moment_once(classifier):
    prediction = classifier.predict_blocks([sound(3.6)], "x", keep_features=True)
    frames = PARAMETERS.frames
    assert prediction.features.shape == (2 * frames + round(frames * 0.4), PARAMETERS.n_bins)
    short = classifier.predict_blocks([sound(1.2)], "x", keep_features=True)
    assert len(short.features) == round(frames * 0.8)
    assert classifier.predict_blocks([sound(3.6)], "x").features is None


def test_top_is_sorted(classifier):
    top = classifier.predict_blocks([sound(3)], "x").top()
    assert set(top) == set(GENRES)
    assert list(top.values()) == sorted(top.values(), reverse=True)
    assert list(classifier.predict_blocks([sound(3)], "x").top(1)) == list(top)[:1]


def test_what_is_too_short_is_refused(classifier):
    with pytest.raises(AudioTooShort, match=r"a.wav: ends at 0.90 s, 1 s are needed"):
        classifier.predict_blocks([sound(0.9)], "a.wav")


def test_silence_is_refused_but_a_silent_part_is_not(classifier):
    with pytest.raises(AudioEmpty, match=r"a.wav: is silent from beginning to end"):
        classifier.predict_blocks([np.zeros(3 * LENGTH, np.float32)], "a.wav")
    samples = np.concatenate([np.zeros(3 * LENGTH, np.float32), sound(2)])
    assert len(classifier.predict_blocks([samples], "a.wav").starts) == 5


def test_a_folder_stands_for_the_model_in_it(saved):
    assert find_model(saved.parent) == find_model(saved) == saved


def test_a_model_of_other_features_is_refused(tf, tmp_path):
    save_model(small_model(), tmp_path / "model.keras", card(kind="image"))
    with pytest.raises(UserError, match=r"model.keras was trained on 'image' records, not on"):
        GenreClassifier.load(tmp_path / "model.keras")


def test_a_model_that_contradicts_its_card_is_refused(tf, tmp_path):
    other = FeatureParameters(segment_seconds=2)
    save_model(small_model(), tmp_path / "model.keras", card(parameters=other))
    with pytest.raises(UserError, match="does not match its card"):
        GenreClassifier.load(tmp_path / "model.keras")


def test_the_newest_usable_model_is_found(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    with pytest.raises(UserError, match=r"no trained model in .*spectrogram_feature\.training"):
        find_model()
    for age, name in enumerate(["new", "old"]):
        path = tmp_path / "models" / "records" / name / "model.keras"
        path.parent.mkdir(parents=True)
        path.write_bytes(saved.read_bytes())
        os.utime(path, (1e9 - age, 1e9 - age))
    images = tmp_path / "models" / "images" / "model.keras"
    images.parent.mkdir()
    save_model(small_model(), images, card(kind="image"))
    (tmp_path / "models" / "model.keras").write_text("no model")
    assert find_model().parent.name == "new"


@pytest.mark.parametrize("level", [0, 2.0**-15])
def test_silent_stretches_have_no_weight(classifier, level):
    """Thirty seconds of music say the same, whatever silence is between them and the next ones."""
    first, last = sound(6), sound(3, 1)
    rng = np.random.default_rng(0)
    noise = (level * rng.integers(-1, 2, 20 * LENGTH)).astype(np.float32)
    alone = classifier.predict_blocks([first, last], "x")
    prediction = classifier.predict_blocks([first, noise, last], "x")
    np.testing.assert_allclose(prediction.probability, alone.probability, atol=1e-6)
    assert prediction.weight.sum() == pytest.approx(1)
    assert not prediction.weight[4:24].any()
    assert not prediction.by_segment[4:24].any()
    np.testing.assert_allclose(prediction.edges[-1], prediction.seconds)
    assert prediction.notes == ("30 s are silent and have no weight",)


def test_a_file_tells_its_quantisation_and_its_notes(classifier, tmp_path):
    rng = np.random.default_rng(0)
    left = sound(6)
    soundfile.write(tmp_path / "dither.wav", rng.integers(-1, 2, 6 * SR) / 128, SR, "PCM_U8")
    with pytest.raises(AudioEmpty, match="is silent from beginning to end"):
        classifier.predict(tmp_path / "dither.wav")
    soundfile.write(tmp_path / "opposed.wav", np.stack([left, -left], axis=1), SR)
    prediction = classifier.predict(tmp_path / "opposed.wav")
    assert prediction.notes == ("the channels cancel each other: the opposed ones are negated",)
    expected = classifier.predict_blocks([left], "x").probability
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-2)


def test_music_of_24_bits_at_90_decibels_below_full_scale_is_predicted(classifier, tmp_path):
    loud = sound(6) / np.abs(sound(6)).max()
    soundfile.write(tmp_path / "a.wav", 10 ** (-90 / 20) * loud, SR, "PCM_24")
    prediction = classifier.predict(tmp_path / "a.wav")
    expected = classifier.predict_blocks([loud], "x").probability
    np.testing.assert_allclose(prediction.probability, expected, atol=0.05)
