"""Saved models: what they carry, what they refuse, and files that are none."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from common.paths import PROJECT_ROOT
from common.records.tfrecords import Manifest
from common.training.model_files import ModelCard, load_model, read_card, save_model

CARD = ModelCard(
    name="cnn",
    kind="constant-q",
    parameters={"hop_length": 460, "fmin": 32.70319566257483},
    genres=("Folk", "Rock"),
    data_set={"title": "toy", "synthetic": True},
    training={"options": {"epochs": 3}, "best_epoch": 1},
)


@pytest.fixture(scope="module")
def model(tf):
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 3))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(model, path, CARD)
    return path


def test_model_comes_back_with_its_card_and_its_answers(model, saved):
    loaded, card = load_model(saved)
    assert card == CARD
    features = np.random.default_rng(0).random((5, 4, 3), dtype=np.float32)
    expected = model.predict_on_batch(features)
    np.testing.assert_array_equal(loaded.predict_on_batch(features), expected)


def test_card_is_read_without_the_model(saved):
    assert read_card(saved) == CARD


def test_card_names_the_versions_it_was_made_with():
    assert set(CARD.versions) == {"fma-genre-research", "keras"}


def test_plain_keras_reads_the_file_too(model, saved):
    import keras

    loaded = keras.saving.load_model(saved)
    assert loaded.count_params() == model.count_params()


def test_a_model_with_augmentation_loads_in_a_new_process(tf, tmp_path):
    from common.nn.perturbation import perturb
    from spectrogram_feature.models import cnn

    model = cnn((32, 24), 2, width=4, depth=1, augmentation=perturb(32, 24))
    save_model(model, tmp_path / "model.keras", CARD)
    code = "import sys; from common.training.model_files import load_model; "
    code += "import spectrogram_feature.models; load_model(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "model.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT_ROOT)
    assert done.returncode == 0, done.stderr


def test_model_trained_in_half_precision_loads_without_a_word(tf, tmp_path):
    import keras

    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inputs = keras.Input((3,))
        trained = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        trained.compile("adamw", "mse")
        trained.optimizer.build(trained.trainable_variables)
        save_model(trained, tmp_path / "model.keras", CARD)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    loaded, _ = load_model(tmp_path / "model.keras")
    assert loaded.count_params() == trained.count_params()


def test_saving_leaves_no_other_file_and_replaces_the_earlier_model(model, tmp_path):
    path = tmp_path / "model.keras"
    for name in ("first", "second"):
        save_model(model, path, dataclasses.replace(CARD, name=name))
    assert list(tmp_path.iterdir()) == [path]
    assert read_card(path).name == "second"


def test_failure_while_saving_leaves_the_earlier_model(model, saved, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(saved.read_bytes())
    with pytest.raises(TypeError):
        save_model(model, path, dataclasses.replace(CARD, training={"folder": Path()}))
    assert list(tmp_path.iterdir()) == [path]
    assert read_card(path) == CARD


def manifest(**changes) -> Manifest:
    values = {
        "kind": CARD.kind,
        "parameters": dict(CARD.parameters),
        "genres": CARD.genres,
        "mapping": "all",
        "data_set": {},
        "segments": {},
        "tracks": {},
        "shards": {},
    }
    return Manifest(**(values | changes))


def test_records_that_fit_are_accepted():
    CARD.check_fits(manifest(), "records")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mel"}, "trained with kind = constant-q, the records in records have mel"),
        (
            {"parameters": {"hop_length": 512, "fmin": 32.70319566257483}},
            "trained with hop_length = 460, the records in records have 512",
        ),
        (
            {"parameters": {"hop_length": 460}},
            "trained with fmin = 32.70319566257483, the records in records have None",
        ),
        (
            {"genres": ("Rock", "Folk")},
            r"trained with genres = \('Folk', 'Rock'\), .* have \('Rock', 'Folk'\)",
        ),
    ],
)
def test_records_that_do_not_fit_are_refused_naming_both(changes, message):
    with pytest.raises(UserError, match=message):
        CARD.check_fits(manifest(**changes), "records")


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load_model(path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_absent_model_is_refused(tmp_path):
    assert "no such model" in refusal(tmp_path / "model.keras")


def test_folder_is_refused(tmp_path):
    assert "is not a model of this project" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000)])
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert "is not a model of this project" in refusal(path)


def test_model_without_a_card_is_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    assert "is not a model of this project" in refusal(path)


@pytest.mark.parametrize("card", ["", "no JSON", "[]", "{}", '{"genres": [], "colour": "red"}'])
def test_card_that_is_none_is_refused(tmp_path, card):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("genre_classifier.json", card)
    assert "is not a model of this project" in refusal(path)


def test_cut_file_is_refused(saved, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    assert "is not a model of this project" in refusal(path)


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_damaged_member_is_refused(saved, tmp_path, member):
    path = tmp_path / "model.keras"
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo(member)
        start = content.index(archive.read(member), info.header_offset)
    content[start + info.file_size // 2] ^= 0xFF
    path.write_bytes(content)
    assert "does not load" in refusal(path)


def test_missing_member_is_refused(saved, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(path, "w") as fewer:
        for name in archive.namelist():
            if name != "model.weights.h5":
                fewer.writestr(name, archive.read(name))
    assert "does not load" in refusal(path)


def test_code_that_a_model_brings_along_is_not_run(tf, tmp_path, monkeypatch):
    import keras

    proof = tmp_path / "proof"
    # A lambda's bytecode is stored in the file; a named function would be only named.
    path = str(proof)
    evil = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(path).touch(), x)[1])
    inputs = keras.Input((3,))
    malicious = keras.Model(inputs, evil(inputs))
    save_model(malicious, tmp_path / "model.keras", CARD)
    proof.unlink()  # building it ran the code
    assert "contains keras.layers.Lambda" in refusal(tmp_path / "model.keras")
    with monkeypatch.context() as patch:  # Keras' safe mode is a second fence
        patch.setattr("common.training.model_files._foreign_parts", lambda config: iter(()))
        assert "does not load" in refusal(tmp_path / "model.keras")
    assert not proof.exists()

    keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    assert proof.exists()  # so the refusal is what kept it from running
