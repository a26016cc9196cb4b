"""Training: what it writes, that it resumes, what it refuses, and that the networks can learn."""

import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.records.tfrecords import Manifest, shard_name, write_shard
from common.training.options import TrainingOptions
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.generate_records import KIND
from spectrogram_feature.training import build_model, main, train_model

# Short segments: the networks are those of the real thing, their input is small.
PARAMETERS = FeatureParameters(segment_seconds=1.5)
GENRES = ("Folk", "Jazz", "Rock")
TRACKS = {"training": 24, "validation": 12, "test": 12}
QUICK = TrainingOptions(epochs=3, batch_size=8)


@pytest.fixture(scope="module", autouse=True)
def _tensorflow():
    from common.quiet import import_tensorflow

    import_tensorflow()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records whose genres differ in which octave is loud, in noise."""
    folder = tmp_path_factory.mktemp("records")
    rng = np.random.default_rng(0)
    shards, track_id = {}, 0
    for split in SPLITS:
        examples = []
        for number in range(TRACKS[split]):
            label, track_id = number % len(GENRES), track_id + 1
            for segment in range(2):
                features = rng.integers(0, 160, PARAMETERS.shape)
                features[:, 12 * label : 12 * label + 12] += 90
                examples.append(
                    {
                        "features": features.astype(np.uint8).tobytes(),
                        "label": label,
                        "track_id": track_id,
                        "segment": segment,
                    }
                )
        name = shard_name(split, 0, 1)
        shards[split] = [{"name": name, **write_shard(folder / name, examples)}]
    counts = {split: dict.fromkeys(GENRES, TRACKS[split] // 3) for split in SPLITS}
    Manifest(
        kind=KIND,
        parameters=PARAMETERS.to_dict(),
        genres=GENRES,
        mapping="all",
        data_set={"title": "noise", "subset": "medium", "synthetic": True},
        segments={split: {g: 2 * n for g, n in counts[split].items()} for split in SPLITS},
        tracks=counts,
        shards=shards,
    ).write(folder)
    return FeatureRecords.open(folder)


@pytest.fixture(scope="module")
def finished(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train_model(records, "cnn", folder=folder, options=QUICK)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("learning_rate", "fast"),
        ("batch_size", True),
        ("augment", "XL"),
        ("balance", "perfectly"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_by_name(option, value):
    with pytest.raises(UserError, match=option):
        TrainingOptions(**{option: value})


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="momentum"):
        TrainingOptions(momentum=0.9)


def test_an_unknown_model_is_refused_with_the_known_ones(records):
    with pytest.raises(UserError, match="no model 'cnm': choose one of cnn"):
        build_model(records, "cnm")


def test_training_keeps_curves_weights_and_logs(finished):
    assert list(finished.history.index) == [1, 2, 3]
    assert finished.history["seconds"].gt(0).all()
    assert finished.best_epoch == finished.history["val_loss"].idxmin()
    assert list((finished.folder / "tensorboard").rglob("events*"))
    assert not list(finished.folder.glob("*state*"))


def test_the_model_has_the_weights_of_the_best_epoch(finished, records):
    import keras

    from common.evaluation.predictions import predict

    predictions = predict(finished.model, records, "validation")
    cross_entropy = keras.losses.CategoricalCrossentropy(label_smoothing=QUICK.label_smoothing)
    loss = float(cross_entropy(np.eye(3)[predictions.label], predictions.probability))
    assert loss == pytest.approx(finished.history["val_loss"].min(), rel=1e-3)


def test_a_finished_training_is_loaded_not_repeated(finished, records):
    before = (finished.folder / "history.csv").read_bytes()
    again = train_model(records, "cnn", folder=finished.folder, options=QUICK)
    assert (finished.folder / "history.csv").read_bytes() == before
    features, _ = records.some("test", 8)
    np.testing.assert_array_equal(
        again.model.predict_on_batch(features), finished.model.predict_on_batch(features)
    )


def test_weights_of_a_network_whose_code_has_changed_are_refused(finished, records, monkeypatch):
    from spectrogram_feature import models

    monkeypatch.setitem(models.MODELS, "cnn", models.Network(models.gru))
    with pytest.raises(UserError, match=r"does not fit gru: its code has changed .* delete"):
        train_model(records, "cnn", folder=finished.folder, options=QUICK)


@pytest.fixture(params=["mixed_float16"])
def half_precision(request):
    """That of a GPU."""
    import keras

    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


def test_what_is_finished_is_loaded_in_another_precision(
    finished, records, tmp_path, half_precision
):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    again = train_model(records, "cnn", folder=folder, options=QUICK)
    features, _ = records.some("test", 8)
    np.testing.assert_allclose(
        again.model.predict_on_batch(features), finished.model.predict_on_batch(features), atol=0.02
    )


def test_what_is_not_finished_is_not_taken_up_in_another_precision(
    finished, records, tmp_path, half_precision
):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "best.weights.h5").rename(folder / "state.2.weights.h5")
    (folder / "history.csv").write_text("epoch,val_loss\n1,2.0\n2,1.0\n")
    with pytest.raises(UserError, match="in the precision of another kind of device; delete"):
        train_model(records, "cnn", folder=folder, options=QUICK)


def test_other_settings_in_the_same_folder_are_refused_by_name(finished, records):
    other = TrainingOptions(epochs=4, batch_size=8)
    with pytest.raises(UserError, match=r"options\.epochs was 3, now 4"):
        train_model(records, "cnn", folder=finished.folder, options=other)


def test_a_stopped_training_goes_on_after_its_last_epoch(records, tmp_path):
    """Interrupted in its third epoch, resumed, it has every epoch once."""
    import keras

    from common.training import train as common_training

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    usual = common_training.make_callbacks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common_training, "make_callbacks", lambda *a: [*usual(*a), Interrupt()])
        with pytest.raises(KeyboardInterrupt):
            train_model(records, "texture", folder=tmp_path, options=QUICK)
    first = pd.read_csv(tmp_path / "history.csv")
    assert list(first["epoch"]) == [1, 2]

    run = train_model(records, "texture", folder=tmp_path, options=QUICK)
    assert list(run.history.index) == [1, 2, 3]
    pd.testing.assert_frame_equal(run.history[:2], first.set_index("epoch"))


def test_an_attempt_that_was_killed_before_it_counted_is_not_taken_for_the_best(tmp_path):
    import keras

    from common.training import checkpoints

    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")

    def end_epoch(number, weight, loss):
        model.set_weights([np.array([[weight]], np.float32)])
        keep = checkpoints.Checkpoints(tmp_path, TrainingOptions())
        keep.set_model(model)
        keep.on_epoch_begin(number - 1)
        keep.on_epoch_end(number - 1, {"loss": loss, "val_loss": loss})

    end_epoch(1, weight=1.0, loss=2.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "atomic_write", lambda path: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            end_epoch(2, weight=5.0, loss=1.0)
    assert checkpoints.read_history(tmp_path).index[-1] == 1
    end_epoch(2, weight=2.0, loss=3.0)
    best = checkpoints.read_history(tmp_path)["val_loss"].idxmin()
    assert best == 1
    model.load_weights(tmp_path / checkpoints.STATE.format(best))
    assert model.get_weights()[0].item() == 1.0


def test_a_full_disk_is_one_line_and_no_crash(records, tmp_path):
    """The limit stands for the disk: HDF5 would crash the process when it closes the file."""
    import resource

    command = [sys.executable, "-m", "spectrogram_feature.training", "--no-baselines"]
    options = ["--records", records.folder, "--out", tmp_path / "model", "--model", "texture"]
    done = subprocess.run(
        [*command, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(
        r"weights\.h5: the file is larger than it may be", done.stderr.splitlines()[-1]
    )


def test_there_must_be_something_to_resume(call, records, tmp_path):
    done = call(main, "--records", records.folder, "--out", tmp_path / "none", "--resume")
    assert done.returncode == 1
    assert "no training to resume" in done.stderr


def test_training_stops_when_validation_does_not_improve():
    from common.training.checkpoints import is_finished

    options = TrainingOptions(epochs=50, patience=3)

    def history(*losses):
        return pd.DataFrame({"val_loss": losses}, index=range(1, len(losses) + 1))

    assert not is_finished(history(), options)
    assert not is_finished(history(3, 2, 2.5, 2.4), options)
    assert is_finished(history(3, 2, 2.5, 2.4, 2.3), options)
    assert is_finished(history(*np.linspace(3, 2, 50)), options)
    assert is_finished(history(3, float("nan")), options)


def test_a_training_that_diverges_says_so(records, tmp_path):
    options = TrainingOptions(epochs=3, batch_size=8, learning_rate=1e30)
    for _ in range(2):  # also when it is taken up again
        with pytest.raises(UserError, match="diverged: delete it, and lower the learning rate"):
            train_model(records, "texture", folder=tmp_path, options=options)


def test_equal_seeds_give_equal_models(finished, records, tmp_path):
    run = train_model(records, "cnn", folder=tmp_path, options=QUICK)
    features, _ = records.some("test", 8)
    np.testing.assert_allclose(
        run.model.predict_on_batch(features),
        finished.model.predict_on_batch(features),
        atol=1e-4,
    )


def test_a_saved_model_predicts_the_same_and_knows_its_records(finished, records):
    from common.training.model_files import load_model

    model, card = load_model(finished.folder / "model.keras")
    features, _ = records.some("test", 8)
    np.testing.assert_allclose(
        model.predict_on_batch(features), finished.model.predict_on_batch(features), atol=1e-5
    )
    card.check_fits(records.manifest, records.folder)
    assert card.genres == GENRES
    assert FeatureParameters.from_dict(card.parameters) == PARAMETERS


def test_judging_counts_every_test_segment_once(finished, records):
    from common.evaluation.baselines import BASELINES
    from common.evaluation.judging import judge_on_test

    card = finished.folder / "README.md"
    assert "not evaluated on the test split" in card.read_text()
    result, predictions = judge_on_test(finished, records)
    assert str(result.scores.track_accuracy) in card.read_text()
    assert len(predictions.label) == 2 * TRACKS["test"]
    assert len(np.unique(predictions.track_id)) == TRACKS["test"]
    assert result.parameters == finished.model.count_params()
    fitted = [fit(records) for fit in BASELINES]
    majority, svm = (judge_on_test(baseline, records)[0] for baseline in fitted)
    assert majority.scores.track_accuracy.value == pytest.approx(1 / 3)
    assert svm.scores.track_accuracy.value == 1  # the octaves are easily told apart


def test_the_command_prints_a_leaderboard_and_says_where_things_are(call, records, tmp_path):
    out = tmp_path / "model"
    options = ["--epochs", 1, "--batch-size", 8]
    done = call(main, "--records", records.folder, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert "Majority class" in done.stdout
    assert "SVM" in done.stdout
    assert str(out) in done.stdout
    assert len(pd.read_csv(out / "leaderboard.csv")) == 3
    assert (out / "model.keras").exists()


def test_help_and_mistakes_come_before_tensorflow(tmp_path):
    started = time.perf_counter()
    command = [sys.executable, "-m", "spectrogram_feature.training", "--records", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "no finished records" in done.stderr
    assert time.perf_counter() - started < 60


def test_damaged_records_are_named(call, records, tmp_path):
    copy = tmp_path / "records"
    shutil.copytree(records.folder, copy)
    shard = copy / shard_name("training", 0, 1)
    shard.write_bytes(shard.read_bytes()[:-10])
    done = call(main, "--records", copy, "--out", tmp_path / "model", "--model", "texture")
    assert done.returncode == 1
    assert shard.name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("split", ["training", "test"])
def test_a_changed_bit_is_found_while_reading_and_its_shard_named(records, tmp_path, split):
    copy = tmp_path / "records"
    shutil.copytree(records.folder, copy)
    shard = copy / shard_name(split, 0, 1)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    changed, options = FeatureRecords.open(copy), TrainingOptions(epochs=1, batch_size=8)
    from common.evaluation.judging import judge_on_test

    with pytest.raises(UserError, match=rf"{shard} is damaged \(checksum\): run the command that"):
        judge_on_test(
            train_model(changed, "texture", folder=tmp_path / "run", options=options), changed
        )


def test_weights_even_the_genres_out_and_average_to_one():
    from common.training.targets import genre_weights

    counts = [30, 10, 0, 20]
    weights = genre_weights(counts, "weights")
    np.testing.assert_allclose(weights * counts, [20, 20, 0, 20], rtol=1e-6)
    np.testing.assert_array_equal(genre_weights(counts, "none"), np.ones(4))


def test_mixup_mixes_features_and_targets_in_the_same_shares():
    import tensorflow as tf

    from common.training.targets import with_targets

    # A segment's value is 100 times its label, so that a mixture's value tells its target.
    labels = np.tile([0, 1], 32)
    features = np.repeat(100 * labels[:, None], 5, axis=1).astype(np.uint8)
    batches = tf.data.Dataset.from_tensors((features, labels))
    [(mixed, target, weight)] = with_targets(batches, np.ones(2, np.float32), mixup=0.4)
    np.testing.assert_allclose(mixed[:, 0], 100 * target[:, 1], atol=0.51)
    np.testing.assert_allclose(tf.reduce_sum(target, axis=1), 1, atol=1e-5)
    assert mixed.dtype == tf.uint8
    assert 0 < np.mean((target[:, 1] > 0.05) & (target[:, 1] < 0.95)) < 1
    np.testing.assert_allclose(weight, 1, atol=1e-5)


@pytest.mark.parametrize("shape", [(10, 3), (3, 10, 1)])
def test_cutmix_replaces_an_interval_of_time_in_proportion_to_its_target(shape):
    import tensorflow as tf

    from common.training.targets import with_targets

    time = shape.index(10)
    labels = np.tile([0, 1], 64)
    features = np.broadcast_to(200 * labels.reshape(-1, *[1] * len(shape)), (128, *shape))
    batches = tf.data.Dataset.from_tensors((features.astype(np.uint8), labels))
    [(cut, target, _)] = with_targets(batches, np.ones(2, np.float32), cutmix=1.0)
    frames = np.moveaxis(np.asarray(cut), 1 + time, 1).reshape(128, 10, -1)
    assert (frames == frames[:, :, :1]).all()  # whole frames
    of_second = (frames[:, :, 0] == 200).mean(axis=1)
    np.testing.assert_allclose(of_second, target[:, 1], atol=1e-6)
    changes = (np.diff(frames[:, :, 0].astype(int), axis=1) != 0).sum(axis=1)
    assert set(changes) == {0, 1, 2}  # one interval
    [(same, target, _)] = with_targets(batches, np.ones(2, np.float32))
    np.testing.assert_array_equal(same, features)


def test_vectors_have_no_frames_to_cut():
    import tensorflow as tf

    from common.training.targets import with_targets

    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    batches = tf.data.Dataset.from_tensors((features, np.array([0, 1, 0, 1])))
    [(same, target, _)] = with_targets(batches, np.ones(2, np.float32), cutmix=1.0)
    np.testing.assert_array_equal(same, features)
    np.testing.assert_array_equal(target[:, 1], [0, 1, 0, 1])


def test_fused_batch_norm_equals_that_of_keras():
    import keras

    from common.nn.blocks import BatchNorm

    x = np.random.default_rng(0).normal(2, 3, (16, 10, 6, 4)).astype(np.float32)
    results = []
    for layer in (keras.layers.BatchNormalization(momentum=0.9), BatchNorm(momentum=0.9)):
        layer.build(x.shape)
        trained = layer(x, training=True)
        results.append([trained, *layer.non_trainable_variables, layer(x, training=False)])
    for theirs, ours in zip(*results, strict=True):  # TensorFlow divides variances by n - 1
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-4)


# A CPU has no fast convolutions in float16.
@pytest.mark.parametrize("half_precision", ["mixed_bfloat16"], indirect=True)
def test_training_in_mixed_precision_returns_a_model_in_float32(records, tmp_path, half_precision):
    import keras

    run = train_model(records, "cnn", folder=tmp_path, options=QUICK, width=4)
    assert {layer.compute_dtype for layer in run.model.layers} == {"float32"}
    assert keras.mixed_precision.dtype_policy().name == half_precision


@pytest.mark.parametrize(
    ("flags", "policy"), [("amx_bf16 avx", "mixed_bfloat16"), ("avx", "float32"), (None, "float32")]
)
def test_precision_is_that_of_the_processor(tmp_path, monkeypatch, flags, policy):
    import keras

    from common.training import devices

    before = keras.mixed_precision.dtype_policy()
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"model name\t: Fast\nflags\t\t: fpu {flags} sse\n")
    try:
        description = devices.prepare_device()
        assert keras.mixed_precision.dtype_policy().name == policy
        assert policy.removeprefix("mixed_") in description
    finally:
        keras.mixed_precision.set_global_policy(before)


def test_training_with_all_the_trimmings(records, tmp_path):
    options = TrainingOptions(
        epochs=2, batch_size=8, mixup=0.3, augment="LD", balance="weights", label_smoothing=0.0
    )
    run = train_model(records, "texture", folder=tmp_path, options=options)
    assert len(run.history) == 2
    assert any(layer.name == "spec_augment" for layer in run.model.layers)


def test_several_seeds_are_trained_in_folders_of_their_own(tmp_path):
    options = TrainingOptions(seed=3)
    assert options.with_seeds(1, tmp_path) == [(options, tmp_path)]
    several = options.with_seeds(2, tmp_path)
    assert [(one.seed, folder.name) for one, folder in several] == [(3, "seed-3"), (4, "seed-4")]
    with pytest.raises(UserError, match="seeds = 0 must be 1 or more"):
        options.with_seeds(0, tmp_path)
