"""Training on several devices: the results of one, whichever devices begin it and end it.

TensorFlow divides a processor into devices only before it has used it, so what needs several runs
in a process of its own: this file, run as a script, trains there what the tests look at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from records_for_tests import records_of

from common.evaluation.predictions import Predictions
from common.records.segments import MemoryRecords, Segments
from common.training.model_files import ModelCard, load_model, save_model
from common.training.options import TrainingOptions

GENRES = ("Folk", "Jazz", "Rock")
OPTIONS = TrainingOptions(epochs=3, batch_size=8, learning_rate=0.01, balance="weights", cutmix=0.0)
# The last validation batch gives two devices 3 and 2 segments, or one of them the only one.
VALIDATION = {"normalised": 21, "plain": 17}
TOLERANCE = 1e-5  # relative; sums of float32 in another order, and the curves' six digits
CARD = ModelCard("toy", "noise", {}, GENRES, data_set={}, training={})


class Unshuffled(MemoryRecords):
    """Records that are read in their order: shuffling differs on several devices."""

    def batches(self, split, *, batch_size, **options):
        return super().batches(split, batch_size=batch_size)


def segments(count: int) -> Segments:
    """Noise that is louder the higher the label; some genres are rarer than others."""
    rng = np.random.default_rng(count)
    label = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    noise = rng.integers(0, 100, (count, 12, 6)) + 75 * label[:, None, None]
    return Segments(noise.astype(np.uint8), label, np.arange(count))


def train(folder: Path, kind: str, *callbacks):
    import keras

    from common.training import train as training

    def build() -> keras.Model:
        inputs = keras.Input((12, 6), dtype="uint8")
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
        x = keras.layers.Dense(16, use_bias=False)(x)
        if kind == "normalised":
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
        return keras.Model(
            inputs, keras.layers.Dense(3, "softmax")(keras.layers.ReLU()(x)), name=kind
        )

    data = records_of(segments(64), segments(VALIDATION[kind]), GENRES, Unshuffled)
    usual = training.make_callbacks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "make_callbacks", lambda *a: [*usual(*a), *callbacks])
        return training.train(kind, build, data, folder=folder, options=OPTIONS, save=False)


def predictions(model, count: int = 21) -> Predictions:
    from common.evaluation.predictions import predict

    part = segments(count)
    return predict(model, records_of(part, part, GENRES), "test")


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Path:
    """What was trained where there are three devices, of which two can share a batch of 8."""
    folder = tmp_path_factory.mktemp("several")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, __file__, folder], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def train_on_several(folder: Path) -> None:
    from common.quiet import import_tensorflow

    import_tensorflow()
    import keras
    import tensorflow as tf

    from common.training import devices

    [processor] = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * 3
    tf.config.set_logical_device_configuration(processor, parts)
    devices.gpus = lambda: ["CPU:0", "CPU:1", "CPU:2"]

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.replicas = self.model.distribute_strategy.num_replicas_in_sync

    look = Look()
    with pytest.raises(KeyboardInterrupt):
        train(folder / "normalised", "normalised", look, stop_in_third_epoch())
    run = train(folder / "plain", "plain", look)
    predictions(run.model).save(folder / "predictions.npz")
    save_model(run.model, folder / "model.keras", CARD)
    facts = {
        "used": {size: devices.strategy(size).num_replicas_in_sync for size in (7, 8, 9, 32)},
        "replicas": [look.replicas, run.model.distribute_strategy.num_replicas_in_sync],
        "losses": train_full_network(folder / "full"),
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def stop_in_third_epoch():
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    return Stop()


def train_full_network(folder: Path) -> list[float]:
    """Train a network of stage 2 as GPUs do: half precision, dropout, augmentation, mixup."""
    from common.training.devices import prepare_device
    from common.training.train import train
    from spectrogram_feature.features.parameters import FeatureParameters
    from spectrogram_feature.models import cnn
    from spectrogram_feature.spec_augment import spec_augment

    parameters = FeatureParameters(segment_seconds=1.5)
    label = np.arange(24) % 3
    features = np.random.default_rng(0).integers(0, 160, (24, *parameters.shape))
    features[np.arange(24), :, 12 * label] += 90
    part = Segments(features.astype(np.uint8), label, np.arange(24))
    prepare_device()
    run = train(
        "cnn",
        lambda: cnn(parameters.shape, 3, depth=1, augmentation=spec_augment("LD", parameters)),
        records_of(part, part, GENRES),
        folder=folder,
        options=TrainingOptions(epochs=2, batch_size=8, mixup=0.3, augment="LD"),
        save=False,
    )
    return run.history["loss"].tolist()


@pytest.fixture(scope="module")
def facts(several) -> dict:
    return json.loads((several / "facts.json").read_text())


@pytest.fixture(scope="module")
def alone(tf, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("alone")
    return {kind: train(folder / kind, kind) for kind in VALIDATION}


@pytest.mark.parametrize(("kind", "epochs"), [("normalised", [1, 2]), ("plain", [1, 2, 3])])
def test_several_devices_learn_what_one_learns(several, alone, kind, epochs):
    from common.training.checkpoints import read_history

    shared = read_history(several / kind).drop(columns="seconds")
    assert list(shared.index) == epochs
    assert shared["loss"].iloc[-1] < 0.95 * shared["loss"].iloc[0]
    expected = alone[kind].history.loc[epochs, shared.columns]
    np.testing.assert_allclose(shared, expected, rtol=TOLERANCE)


def test_one_device_goes_on_where_several_stopped(several, alone, tmp_path):
    folder = shutil.copytree(several / "normalised", tmp_path / "normalised")
    resumed = train(folder, "normalised").history
    assert list(resumed.index) == [1, 2, 3]
    losses = ["loss", "val_loss"]
    np.testing.assert_allclose(resumed[losses], alone["normalised"].history[losses], rtol=1e-4)


def test_several_devices_train_and_one_predicts(several, alone, facts):
    assert facts["replicas"] == [2, 1]
    shared = Predictions.load(several / "predictions.npz")
    expected = predictions(alone["plain"].model)
    np.testing.assert_allclose(shared.probability, expected.probability, atol=1e-5)


def test_what_several_devices_have_trained_can_be_saved(several, tf):
    model, _ = load_model(several / "model.keras")
    expected = Predictions.load(several / "predictions.npz")
    np.testing.assert_allclose(predictions(model).probability, expected.probability, atol=1e-6)


def test_half_precision_and_augmentation_work_on_several_devices(facts):
    first, second = facts["losses"]
    assert np.isfinite([first, second]).all()


def test_as_many_devices_are_used_as_can_share_a_batch_equally(facts):
    assert facts["used"] == {"7": 1, "8": 2, "9": 3, "32": 2}


@pytest.mark.parametrize("names", [[], ["GPU:0"]])
def test_nothing_is_distributed_on_one_device(tf, monkeypatch, names):
    from common.training import devices

    monkeypatch.setattr(devices, "gpus", lambda: names)
    assert devices.strategy(8) is tf.distribute.get_strategy()


if __name__ == "__main__":
    train_on_several(Path(sys.argv[1]))
