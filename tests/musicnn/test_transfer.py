"""Classifiers on musicnn's embeddings: records of log-mel features, the probe, and the whole."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.errors import UserError
from common.evaluation.cross_validation import make_folds
from common.fma.dataset import Dataset
from common.records.segments import Segments
from common.training.options import TrainingOptions
from spectrogram_feature import training
from spectrogram_feature.features.kinds import LOG_MEL
from spectrogram_feature.features.log_mel import LogMel, LogMelParameters
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.generate_records import default_folder, generate

PARAMETERS = LogMelParameters(segment_seconds=0.5)
"""Segments of one short patch: the network is the real one, its input small."""

LENGTH = PARAMETERS.segment_samples

QUICK = TrainingOptions(epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def weights(tf, tmp_path_factory) -> Path:
    """A folder with weights as `make pretrained` writes them, but random."""
    import keras

    from spectrogram_feature.musicnn import pretrained

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("pretrained")
    pretrained.musicnn().save_weights(folder / "MSD_musicnn.weights.h5")
    return folder


@pytest.fixture(autouse=True)
def _pretrained(weights, monkeypatch) -> None:
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", weights)


@pytest.fixture(scope="module")
def folder(tiny_fma: Dataset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("log-mel")
    generate(tiny_fma, out, workers=1, tracks_per_shard=4, parameters=PARAMETERS)
    return out


@pytest.fixture
def records(folder) -> FeatureRecords:
    return FeatureRecords.open(folder, LOG_MEL)


@pytest.fixture(scope="module")
def run(weights, folder, tmp_path_factory):
    from spectrogram_feature.musicnn import pretrained

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "FOLDER", weights)
        return training.train_model(
            FeatureRecords.open(folder, LOG_MEL),
            "musicnn",
            folder=tmp_path_factory.mktemp("models") / "musicnn",
            options=QUICK,
        )


# --- Records -------------------------------------------------------------------------------------


def test_records_hold_log_mel_features(records, tiny_fma):
    from common.fma.audio import read_audio
    from common.fma.dataset import get_audio_path

    assert records.parameters == PARAMETERS
    features, _, track_id = next(records.arrays("validation"))
    assert features.shape[1:] == PARAMETERS.shape
    track = int(track_id[0])
    samples = read_audio(get_audio_path(tiny_fma.audio_dir, track), sr=16_000)
    of_track = features[track_id == track]
    expected = LogMel(PARAMETERS).features(samples[: 3 * LENGTH].reshape(3, -1))
    np.testing.assert_array_equal(of_track, expected)


def test_each_network_refuses_records_of_the_other_kind(folder, tiny_records):
    with pytest.raises(UserError, match=r"holds 'constant-q' records.*--features log-mel makes"):
        training.open_records(tiny_records, ["musicnn"])
    with pytest.raises(UserError, match=r"holds 'log-mel' records, 'constant-q' ones are needed"):
        training.open_records(folder, ["cnn", "texture"])
    with pytest.raises(UserError, match="musicnn takes other features than the others"):
        training.open_records(folder, ["cnn", "musicnn"])
    assert training.open_records(folder, ["musicnn"]).parameters == PARAMETERS
    assert training.open_records(tiny_records, ["cnn"]).parameters == FeatureParameters()


def test_records_of_another_kind_are_not_added_to(folder, tiny_fma):
    with pytest.raises(UserError, match="holds"):
        generate(tiny_fma, folder, workers=1, tracks_per_shard=4)


def test_each_kind_has_a_folder_of_its_own(tiny_fma):
    assert default_folder(tiny_fma, "all", "log-mel").name.endswith("-all-log-mel")
    assert default_folder(tiny_fma, "all", "constant-q") == default_folder(tiny_fma, "all")


# --- Embeddings ----------------------------------------------------------------------------------


def test_segments_are_cut_into_patches_and_averaged(tf):
    from spectrogram_feature.musicnn.transfer import MeanOfPatches, Patches

    frames = np.arange(2 * 7 * 3, dtype=np.float32).reshape(2, 7, 3)
    patches = np.asarray(Patches(3)(frames))
    np.testing.assert_array_equal(
        patches, [frames[0, :3], frames[0, 3:6], frames[1, :3], frames[1, 3:6]]
    )
    said = patches[:, 0]
    mean = np.asarray(MeanOfPatches(2)(said))
    np.testing.assert_array_equal(mean, [said[:2].mean(axis=0), said[2:].mean(axis=0)])


def test_in_training_a_segment_is_one_patch_at_any_place(tf):
    from spectrogram_feature.musicnn.transfer import MeanOfPatches, Patches

    frames = np.arange(2 * 7 * 3, dtype=np.float32).reshape(2, 7, 3)
    layer = Patches(3)
    starts = set()
    for _ in range(100):
        patches = np.asarray(layer(frames, training=True))
        assert patches.shape == (2, 3, 3)
        start = int(patches[0, 0, 0]) // 3
        np.testing.assert_array_equal(patches, frames[:, start : start + 3])
        starts.add(start)
    assert starts == set(range(5))
    said = patches[:, 0]
    np.testing.assert_array_equal(MeanOfPatches(2)(said, training=True), said)


def test_a_segment_of_10_s_is_the_mean_of_three_patches_of_3_s(tf):
    from spectrogram_feature.musicnn.pretrained import musicnn
    from spectrogram_feature.musicnn.transfer import EMBEDDING, embedder

    parameters = LogMelParameters()
    network = musicnn()
    samples = music(0, 10, 16_000)
    levels = LogMel(parameters).levels(samples)
    patches = np.stack([levels[start : start + 187] for start in (0, 187, 374)])
    expected = network.predict_on_batch(patches)[EMBEDDING].mean(axis=0)
    features = LogMel(parameters).features(samples)
    embedding = embedder(parameters, network).predict_on_batch(features[None])[0]
    # Features are rounded to a byte.
    assert np.corrcoef(embedding, expected)[0, 1] > 0.999


def test_embeddings_are_computed_once(records, monkeypatch):
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    embedded = EmbeddedRecords.of(records)
    features, label, track_id = map(np.concatenate, zip(*embedded.arrays("training"), strict=True))
    raw, raw_label, raw_track = map(np.concatenate, zip(*records.arrays("training"), strict=True))
    assert features.shape == (len(raw), *embedded.shape)
    order, raw_order = np.lexsort((label, track_id)), np.lexsort((raw_label, raw_track))
    np.testing.assert_array_equal(track_id[order], raw_track[raw_order])
    np.testing.assert_array_equal(label[order], raw_label[raw_order])
    by_itself = embedded.network.predict_on_batch(raw[raw_track == raw_track[0]])
    np.testing.assert_allclose(features[track_id == raw_track[0]], by_itself, atol=1e-4)

    monkeypatch.setattr(EmbeddedRecords, "network", None)
    again = EmbeddedRecords.of(records)
    np.testing.assert_array_equal(
        np.concatenate([x for x, *_ in again.arrays("training")]), features
    )


def test_changed_records_are_embedded_anew(records, tmp_path):
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    folder = tmp_path / "records"
    shutil.copytree(records.folder, folder, ignore=shutil.ignore_patterns("MSD_*"))
    manifest = FeatureRecords.open(folder, LOG_MEL).manifest
    list(EmbeddedRecords(folder, manifest).arrays("test"))
    before = sorted(folder.glob("MSD_*/*"))
    manifest.shards["test"][0]["crc32c"] += 1
    list(EmbeddedRecords(folder, manifest).arrays("test"))
    assert len(list(folder.glob("MSD_*/*"))) == len(before) + 1


# --- The probe -----------------------------------------------------------------------------------


def test_the_probe_learns_what_embeddings_tell(tf):
    import keras

    from common.training.train import fit_few
    from spectrogram_feature.musicnn.transfer import probe

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    label = np.arange(64) % 3
    embeddings = rng.normal(size=(64, 20)) + 6 * rng.normal(size=(3, 20))[label]
    accuracies = fit_few(probe((20,), 3, dropout=0), embeddings.astype(np.float32), label)
    assert accuracies[-1] >= 0.99


def test_the_saved_model_needs_no_weights_beside_it(run, records, tmp_path, monkeypatch):
    from common.evaluation.predictions import predict
    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    classifier = GenreClassifier.load(run.folder / "model.keras")
    assert classifier.parameters == PARAMETERS
    assert not classifier.model.get_layer("musicnn").trainable_weights
    expected = predict(run.model, records, "test")
    features, _, track_id = next(records.arrays("test"))
    np.testing.assert_array_equal(track_id, expected.track_id)
    loaded = classifier.model.predict_on_batch(features)
    np.testing.assert_allclose(loaded, expected.probability, atol=1e-5)
    assert np.ptp(loaded, axis=0).max() > 1e-3


def test_a_file_is_heard_with_the_features_of_the_model(run, tmp_path):
    from spectrogram_feature.inference.classifier import GenreClassifier

    classifier = GenreClassifier.load(run.folder / "model.keras")
    samples = music(0, 2, 16_000)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    features = LogMel(PARAMETERS).features(samples.reshape(-1, LENGTH))
    expected = run.model.predict_on_batch(features)
    prediction = classifier.predict(tmp_path / "a.wav", keep_features=True)
    np.testing.assert_allclose(prediction.by_segment, expected, atol=1e-5)
    np.testing.assert_array_equal(prediction.features, np.concatenate(features))


def test_it_can_be_exported(run, tmp_path):
    from spectrogram_feature.export import export
    from spectrogram_feature.inference.classifier import GenreClassifier

    check = export(GenreClassifier.load(run.folder / "model.keras"), tmp_path / "out")
    assert check.difference < 1e-3


def test_augmentation_is_refused(records):
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    with pytest.raises(UserError, match=r"musicnn hears each segment once.*leave --augment out"):
        training.build_model(EmbeddedRecords.of(records), "musicnn", "LD")


def test_absent_weights_cost_one_line(folder, tmp_path, monkeypatch):
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    copy = tmp_path / "records"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("MSD_*"))
    arguments = ["--records", str(copy), "--model", "musicnn", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(UserError, match=r"MSD_musicnn\.weights\.h5 is missing: make pretrained"):
        training.main()


@pytest.mark.parametrize("more", [[], ["--folds", "3"]])
def test_the_command_compares_with_machines(folder, tmp_path, monkeypatch, capsys, more):
    arguments = ["--records", str(folder), "--model", "musicnn", "--out", str(tmp_path / "out")]
    options = ["--epochs", "1", "--batch-size", "16"]
    monkeypatch.setattr(sys, "argv", ["training", *arguments, *options, *more])
    training.main()
    rows = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name in ("Majority class", "SVM on bin statistics", "SVM on musicnn", "musicnn"):
        assert any(row.startswith(f"{name} ") for row in rows)


# --- Fine-tuning ---------------------------------------------------------------------------------


def test_each_stage_trains_its_layers_and_leaves_normalisations_alone(records, run):
    from spectrogram_feature.musicnn.finetuning import last_layers, thaw

    model = last_layers(records, run.folder)
    features, *_ = next(records.arrays("test"))
    expected = run.model.predict_on_batch(features)
    np.testing.assert_allclose(model.predict_on_batch(features), expected, atol=1e-5)
    last, every = (
        {
            variable.path.split("/")[0]
            for variable in thaw(model, front=front).get_layer("musicnn").trainable_weights
        }
        for front in (False, True)
    )
    assert last == {"middle_1", "middle_2", "middle_3", "hidden"}
    assert every == last | {
        "timbral_38",
        "timbral_67",
        "temporal_128",
        "temporal_64",
        "temporal_32",
    }


def test_fine_tuning_goes_on_from_stage_to_stage(records, tmp_path):
    from spectrogram_feature.inference.classifier import GenreClassifier

    options = TrainingOptions(epochs=1, batch_size=8)
    run = training.finetune(records, "musicnn", folder=tmp_path, options=options)
    folders = (tmp_path / "musicnn", tmp_path / "musicnn-last-layers", tmp_path)
    models = [GenreClassifier.load(folder / "model.keras").model for folder in folders]

    def weights(name: str) -> list[np.ndarray]:
        return [m.get_layer("musicnn").get_layer(name).get_weights()[0] for m in models]

    front, middle, norm = weights("timbral_38"), weights("middle_1"), weights("penultimate")
    assert np.array_equal(front[0], front[1])
    assert not np.array_equal(front[1], front[2])
    assert not np.array_equal(middle[0], middle[1])
    assert not np.array_equal(middle[1], middle[2])
    assert all(np.array_equal(norm[0], other) for other in norm)
    assert run.model.name == "musicnn"


def test_the_stages_of_a_fold_go_on_from_its_probe(records, tmp_path):
    from spectrogram_feature import models
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    folds = make_folds(records.plan(), 3)[:1]
    embedded = EmbeddedRecords.of(records)
    how = {"folder": tmp_path, "options": TrainingOptions(epochs=1, batch_size=16)}
    with pytest.raises(FileNotFoundError):
        training.cross_validate_stages(records, folds, "musicnn", **how)
    shutil.rmtree(tmp_path)
    training.cross_validate_model(
        embedded,
        Segments.read(embedded),
        folds,
        "musicnn",
        folder=tmp_path / "musicnn",
        options=how["options"],
    )
    judged = training.cross_validate_stages(records, folds, "musicnn", **how)
    stages = models.find("musicnn").stages
    assert [result.model for result, _ in judged] == [stage.name for stage in stages]
    for _, predictions in judged:
        assert set(predictions.track_id) <= set(folds[0].test)


def test_other_networks_have_nothing_to_fine_tune(tiny_records, monkeypatch):
    arguments = ["--records", str(tiny_records), "--model", "cnn", "--finetune"]
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(UserError, match="--finetune is for --model musicnn"):
        training.main()
