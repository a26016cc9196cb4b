"""Classifiers on musicnn's embeddings: records of log-mel features, the probe, and the whole."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.errors import UserError
from common.fma.dataset import Dataset
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
    with pytest.raises(
        UserError, match=r"holds 'log-mel' records, 'constant-q' or 'imported' ones are needed"
    ):
        training.open_records(folder, ["cnn", "texture"])
    with pytest.raises(UserError, match="musicnn takes other features than the others"):
        training.open_records(folder, ["cnn", "musicnn"])
    assert training.open_records(folder, ["musicnn"]).parameters == PARAMETERS
    assert training.open_records(tiny_records, ["cnn"]).parameters == FeatureParameters()


def test_records_of_another_kind_are_not_added_to(folder, tiny_fma):
    with pytest.raises(UserError, match="holds"):
        generate(tiny_fma, folder, workers=1, tracks_per_shard=4)


def test_records_and_models_without_a_loudness_are_refused(folder, run, tiny_fma, tmp_path):
    from common.training.model_files import load_model, save_model
    from spectrogram_feature.inference.classifier import GenreClassifier

    old = tmp_path / "old"
    shutil.copytree(folder, old)
    for name in ("manifest.json", "journal.jsonl"):
        text = (old / name).read_text()
        (old / name).write_text(re.sub(r'"loudness": 0\.125,\s*', "", text))
    with pytest.raises(UserError, match=r"old.*missing loudness.*--features log-mel makes"):
        training.open_records(old, ["musicnn"])
    with pytest.raises(UserError, match=r"parameters\.loudness was null, now 0\.125"):
        generate(tiny_fma, old, workers=1, tracks_per_shard=4, parameters=PARAMETERS)

    model, card = load_model(run.folder / "model.keras")
    parameters = {k: v for k, v in card.parameters.items() if k != "loudness"}
    save_model(model, old / "model.keras", replace(card, parameters=parameters))
    with pytest.raises(UserError, match=r"old/model\.keras.*missing loudness.*train"):
        GenreClassifier.load(old / "model.keras")


@pytest.mark.parametrize("decibels", [6, -20, -90])
def test_probabilities_do_not_depend_on_the_level(run, tmp_path, decibels):
    import tensorflow as tf

    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.inference.waveform_model import WaveformModel

    classifier = GenreClassifier.load(run.folder / "model.keras")
    samples = music(0, 2, 16_000)
    other = samples * np.float32(10 ** (decibels / 20))
    expected = classifier.predict_blocks([samples], "loud").probability
    np.testing.assert_allclose(
        classifier.predict_blocks([other], "quiet").probability, expected, atol=2e-3
    )
    exported = WaveformModel(classifier.model)
    probability = exported.predict(tf.constant(other[None]))["probabilities"][0]
    np.testing.assert_allclose(probability, expected, atol=2e-3)


def test_each_kind_has_a_folder_of_its_own(tiny_fma):
    assert default_folder(tiny_fma, "all", "log-mel").name.endswith("-all-log-mel")
    assert default_folder(tiny_fma, "all", "constant-q") == default_folder(tiny_fma, "all")


# --- Embeddings ----------------------------------------------------------------------------------


def test_a_segment_of_10_s_is_the_mean_of_three_patches_of_3_s(tf):
    from spectrogram_feature.musicnn.pretrained import musicnn
    from spectrogram_feature.musicnn.transfer import EMBEDDING, embedder

    parameters = LogMelParameters()
    network = musicnn()
    samples = music(0, 10, 16_000)
    levels = LogMel(parameters).levels(LogMel(parameters).scaled(samples))
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
    assert not classifier.model.network.get_layer("musicnn").trainable_weights
    expected = predict(run.model, records, "test")
    features, _, track_id = next(records.arrays("test"))
    np.testing.assert_array_equal(track_id, expected.track_id)
    loaded = classifier.model.network.predict_on_batch(features)
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

    check = export(GenreClassifier.load(run.folder / "model.keras").model, tmp_path / "out")
    assert check.difference < 1e-3


def test_several_genres_have_a_head_and_a_threshold(records, tmp_path):
    from common.nn.blocks import HierarchicalSigmoid
    from common.training.model_files import load_model

    manifest = records.manifest
    several = replace(
        manifest,
        labels="all",
        parents={"Jazz": "Folk"},
        label_sets=(("Folk",), ("Folk", "Jazz"), ("Rock",)),
        by_label={
            what: {split: manifest.counts(what, split) for split in manifest.shards}
            for what in ("segments", "tracks")
        },
    )
    both = replace(records, manifest=several)
    options = replace(QUICK, epochs=1)
    training.train_model(both, "musicnn", folder=tmp_path, options=options)
    model, card = load_model(tmp_path / "model.keras")
    assert isinstance(model.layers[-1], HierarchicalSigmoid)
    assert 0 < card.training["threshold"] < 1
    features, *_ = next(records.arrays("test"))
    folk, jazz, _ = model.predict_on_batch(features).T
    assert (jazz <= folk).all()


def test_augmentation_is_refused(records):
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    with pytest.raises(UserError, match=r"musicnn embeds each segment once.*omit --augment"):
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
