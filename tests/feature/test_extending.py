"""A new kind of features, network, augmentation or split rule: one file and one registry line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toy_for_tests import KIND, LoudnessParameters

from common.errors import UserError
from common.evaluation.cross_validation import SPLIT_RULES, make_folds
from common.evaluation.judging import judge_on_test
from common.fma.dataset import get_audio_path
from common.nn.policies import PERTURB, POLICIES
from common.training.options import AUGMENTATIONS, TrainingOptions
from spectrogram_feature.features.kinds import KINDS


def toy(input_shape, genres, *, width=4, augmentation=None):
    """Build a network, as a newcomer would write its function."""
    import keras

    inputs = keras.Input(input_shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = augmentation(x) if augmentation else x
    x = keras.layers.Dense(width, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(genres, "softmax")(x), name="toy")


@pytest.fixture
def _registered(tf, monkeypatch):
    """Add the two lines to the registries."""
    from spectrogram_feature import models

    monkeypatch.setenv("REGISTER_TOY", "1")
    monkeypatch.setitem(KINDS, KIND.name, KIND)
    monkeypatch.setitem(models.MODELS, "toy", models.Network(toy, features=(KIND.name,)))


@pytest.mark.usefixtures("_registered")
def test_a_toy_kind_and_a_toy_network_go_all_the_way(tiny_fma, tmp_path):
    from spectrogram_feature import training
    from spectrogram_feature.export import export
    from spectrogram_feature.generate_records import generate
    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.inference.keras_model import KerasModel

    generate(tiny_fma, tmp_path / "records", workers=1, parameters=LoudnessParameters())
    records = training.open_records(tmp_path / "records", ["toy"])
    assert records.shape == (40, 2)
    message = "holds 'loudness' records, 'constant-q' or 'imported' ones are needed"
    with pytest.raises(UserError, match=message):
        training.open_records(tmp_path / "records", ["cnn"])

    options = TrainingOptions(epochs=2, batch_size=8, augment="SS")
    run = training.train_model(records, "toy", folder=tmp_path / "toy", options=options, width=3)
    result, predictions = judge_on_test(run, records)
    assert result.model == "toy"
    assert predictions.genres == records.manifest.genres

    classifier = GenreClassifier.load(tmp_path / "toy" / "model.keras")
    tracks = predictions.by_track()
    predicted = classifier.predict(get_audio_path(tiny_fma.audio_dir, 40))
    by_segment = predictions.probability[predictions.track_id == 40]
    np.testing.assert_allclose(predicted.by_segment[: len(by_segment)], by_segment, atol=1e-3)
    assert set(tracks.genres) == set(predicted.top())
    model = KerasModel.load(tmp_path / "toy" / "model.keras")
    assert export(model, tmp_path / "exported").difference < 1e-3


def test_every_augmentation_of_the_options_is_a_policy():
    assert set(AUGMENTATIONS) == {"none", PERTURB, *POLICIES}


def test_a_split_rule_decides_what_is_never_divided(monkeypatch):
    tracks = pd.DataFrame({"artist": ["a"] * 6 + list("bcdefg"), "label": [0, 1] * 6})
    monkeypatch.setitem(SPLIT_RULES, "pair", lambda tracks: tracks.index.to_series() // 2)

    def parts(rule):
        return [set(fold.test) for fold in make_folds(tracks, 3, rule=rule)]

    assert any(set(range(6)) <= part for part in parts("artist"))
    assert not any(set(range(6)) <= part for part in parts("track"))
    assert all(track ^ 1 in part for part in parts("pair") for track in part)
