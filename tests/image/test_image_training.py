"""Training on images: the command, its leaderboard, and how input speed is measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from images_for_tests import GENRES, write_images

from common.training.options import TrainingOptions
from spectrogram_image import TFRecord_generation, training
from spectrogram_image.images import input_speed
from spectrogram_image.images.records import ImageRecords

QUICK = TrainingOptions(epochs=1, batch_size=4, augment="LD")
SMALL = {"width": 4, "depth": 1}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("set") / "mel")


@pytest.fixture(scope="module")
def records(tf, images, tmp_path_factory) -> ImageRecords:
    out = tmp_path_factory.mktemp("records") / "noise"
    TFRecord_generation.generate(images, out, size="quarter", workers=1)
    return ImageRecords.open(out)


def test_a_trained_model_carries_what_its_images_are(records, tmp_path):

    from common.evaluation.judging import judge_on_test
    from common.training.model_files import MODEL_FILE, load_model

    run = training.train_model(records, folder=tmp_path, options=QUICK, **SMALL)
    model, card = load_model(tmp_path / MODEL_FILE)
    assert card.genres == GENRES
    assert card.parameters["representation"] == "mel"
    assert card.training["architecture"] == {"colors": True, **SMALL}
    few, _ = records.some("training", 2)
    np.testing.assert_allclose(
        model.predict_on_batch(few), run.model.predict_on_batch(few), atol=1e-5
    )
    result, predictions = judge_on_test(run, records, training.describe("cnn", records))
    assert result.model == "cnn, mel 620×308"
    assert len(predictions.label) == sum(records.manifest.tracks["test"].values())


def test_levels_and_windows_are_other_settings(records, tmp_path):
    from common.errors import UserError

    levels = ImageRecords(records.folder, records.manifest, colors=False)
    assert training.build_model(levels, "SS", **SMALL).input_shape == (None, 308, 620, 1)
    training.train_model(levels, folder=tmp_path, options=QUICK, **SMALL)
    with pytest.raises(UserError, match="colors was false, now true"):
        training.train_model(records, folder=tmp_path, options=QUICK, **SMALL)
    with pytest.raises(UserError, match="architecture"):
        training.train_model(levels, folder=tmp_path, options=QUICK, window=200, **SMALL)


def test_baselines_learn_from_the_rows_of_pixels(records):
    (majority, _), (machine, _) = training.judge_baselines(records)
    assert majority.model == "Majority class"
    assert machine.model == "SVM on bin statistics, mel 620×308"
    assert majority.is_baseline
    assert machine.is_baseline


def test_images_are_cross_validated_as_features_are(records, tmp_path):
    from common.evaluation.baselines import majority
    from common.evaluation.cross_validation import cross_validate, make_folds
    from common.records.segments import Segments
    from common.training.train import train

    def fit(fold):
        return train(
            "cnn",
            lambda: training.build_model(records, QUICK.augment, **SMALL),
            fold,
            folder=tmp_path / fold.name,
            options=QUICK,
            architecture=SMALL,
            save=False,
        )

    data = records, Segments.read(records), make_folds(records.plan(), 3)[:1]
    for one in (majority, fit):
        result, predictions = cross_validate(one, *data)
        assert set(predictions.track_id) <= set(data[2][0].test)
    assert result.model == "cnn"
    assert (tmp_path / "fold-0-member-0" / "best.weights.h5").exists()


def test_the_command_compares_records_in_one_leaderboard(call, records, tmp_path):
    options = ["--records", records.folder, "--out", tmp_path / "out"]
    done = call(training.main, *options, "--epochs", 1, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert list(table["model"]) == [
        "Majority class",
        "SVM on bin statistics, mel 620×308",
        "cnn, mel 620×308",
    ]
    assert (tmp_path / "out" / "leaderboard.png").exists()
    assert (tmp_path / "out" / "noise" / "model.keras").exists()


def test_every_way_of_reading_gives_the_same_labels(images, records):
    sides = input_speed.all_sides(images, records, 4)
    assert next(iter(sides)) == "dataframe generator"
    files, generator = (next(sides[name]()) for name in ("files by tf.data", "dataframe generator"))
    np.testing.assert_array_equal(np.asarray(files[1]), np.asarray(generator[1]))
    for name in ("records", "records cached", "levels", "levels cached"):
        shape = tuple(next(sides[name]())[0].shape)
        assert shape == (4, 308, 620, 1 if name.startswith("levels") else 3)
    rates = input_speed.measure(sides, rounds=1, seconds=0.01)
    assert list(rates.columns) == list(sides)
    assert (rates > 0).all(axis=None)


def test_the_throughput_is_a_number_of_images_per_second(records):
    assert training.throughput(training.build_model(records, **SMALL), 2, rounds=1) > 0
