"""Exported models: TensorFlow alone gives the probabilities that predict gives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from classifier_for_tests import GENRES, PARAMETERS, card, save_small_model, small_model
from fma_for_tests import music

from common.errors import UserError
from common.fma.audio import read_audio
from common.training.model_files import save_model
from spectrogram_feature import export as export_module
from spectrogram_feature.export import Check, export
from spectrogram_feature.features.kinds import KINDS
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.inference.classifier import GenreClassifier

LENGTH = PARAMETERS.segment_samples

ALONE = """
import json, sys
import numpy as np
import tensorflow as tf

folder, waveform, out = sys.argv[1:]
model = tf.saved_model.load(folder)
result = model.signatures["serving_default"](waveform=tf.constant(np.load(waveform)))
about = model.signatures["describe"]()
np.save(out, result["probabilities"].numpy())
print(json.dumps({
    "genres": [genre.decode() for genre in about["genres"].numpy()],
    "card": json.loads(about["card"].numpy()),
    "modules": sorted(sys.modules),
}))
"""


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(saved) -> GenreClassifier:
    return GenreClassifier.load(saved)


@pytest.fixture(scope="module")
def exported(classifier, tmp_path_factory) -> tuple[Path, Check]:
    folder = tmp_path_factory.mktemp("exported") / "model"
    return folder, export(classifier, folder)


@pytest.fixture(scope="module")
def serve(tf, exported):
    loaded = tf.saved_model.load(str(exported[0]))
    predict = loaded.signatures["serving_default"]

    def serve(*waveforms: np.ndarray) -> np.ndarray:
        return predict(waveform=tf.constant(np.stack(waveforms)))["probabilities"].numpy()

    yield serve
    del loaded  # signatures live as long as what they were loaded with


def sound(samples: int, seed: int = 0) -> np.ndarray:
    return music(seed, samples / PARAMETERS.sample_rate)[:samples]


@pytest.mark.parametrize("samples", [LENGTH, LENGTH + 1, 2 * LENGTH, 7 * LENGTH // 2, 12 * LENGTH])
def test_any_length_gives_what_the_classifier_says(serve, classifier, samples):
    waveform = sound(samples)
    expected = classifier.predict_blocks([waveform], "x").probability
    np.testing.assert_allclose(serve(waveform)[0], expected, atol=1e-3)


def test_waveforms_of_a_batch_do_not_touch(serve):
    waveforms = [sound(2 * LENGTH + 500, seed) for seed in range(3)]
    alone = np.concatenate([serve(waveform) for waveform in waveforms])
    np.testing.assert_allclose(serve(*waveforms), alone, atol=1e-5)
    assert np.ptp(alone, axis=0).max() > 0.05


def test_a_waveform_that_is_too_short_is_refused(tf, serve):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"at least {LENGTH} samples"):
        serve(sound(LENGTH - 1))


def test_silent_stretches_have_no_weight(serve, classifier):
    rng = np.random.default_rng(0)
    music_alone = sound(4 * LENGTH)
    alone = serve(music_alone)[0]
    for quiet in (
        np.zeros(20 * LENGTH),
        np.full(20 * LENGTH, 0.3),
        rng.integers(-1, 2, 20 * LENGTH) / 2**15,
    ):
        waveform = np.concatenate([music_alone, quiet.astype(np.float32), sound(2 * LENGTH + 99)])
        expected = classifier.predict_blocks([waveform], "x").probability
        np.testing.assert_allclose(serve(waveform)[0], expected, atol=1e-3)
    waveform = np.concatenate([music_alone, np.zeros(20 * LENGTH, np.float32)])
    np.testing.assert_allclose(serve(waveform)[0], alone, atol=1e-5)


@pytest.mark.parametrize("decibels", [-90, -60])
def test_quiet_music_is_predicted(serve, classifier, decibels):
    waveform = sound(3 * LENGTH)
    waveform *= 10 ** (decibels / 20) / np.abs(waveform).max()
    expected = classifier.predict_blocks([waveform], "x").probability
    np.testing.assert_allclose(serve(waveform)[0], expected, atol=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, LENGTH + 5, 3 * LENGTH + 10])
def test_impossible_values_give_nan_for_their_waveform_only(serve, value, place):
    broken, sane = sound(3 * LENGTH + 99), sound(3 * LENGTH + 99, 1)
    broken[place] = value
    probabilities = serve(broken, sane)
    assert np.isnan(probabilities[0]).all()
    np.testing.assert_allclose(probabilities[1], serve(sane)[0], atol=1e-5)


def test_silence_gives_nan(serve):
    assert np.isnan(serve(np.zeros(3 * LENGTH, np.float32))).all()


def test_tensorflow_alone_gives_what_predict_gives(exported, classifier, tmp_path):
    soundfile.write(tmp_path / "a.mp3", music(5, 4, 44_100), 44_100)
    expected = classifier.predict(tmp_path / "a.mp3").probability
    np.save(tmp_path / "waveform.npy", read_audio(tmp_path / "a.mp3")[None])
    paths = [exported[0], tmp_path / "waveform.npy", tmp_path / "probabilities.npy"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, *map(str, paths)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [probabilities] = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    told = json.loads(done.stdout)
    assert told["genres"] == list(GENRES)
    assert FeatureParameters.from_dict(told["card"]["parameters"]) == PARAMETERS
    names = ("spectrogram_feature", "common", "fma", "fma_utils", "soxr", "soundfile")
    assert not [name for name in told["modules"] if name.split(".")[0] in names]


def test_the_export_is_compared_with_the_model(exported):
    folder, check = exported
    assert check.difference < 1e-3
    assert check.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert json.loads((folder / "model.json").read_text())["genres"] == list(GENRES)


def test_an_export_that_differs_is_not_kept(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "_check", lambda *_: Check(0.2, 1.0, 1))
    with pytest.raises(UserError, match=r"differ from the model's by 0\.2, more than 0\.001"):
        export(classifier, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_features_that_no_layer_makes_cannot_be_exported(classifier, tmp_path, monkeypatch):
    kind = KINDS[classifier.card.kind]
    monkeypatch.setitem(KINDS, kind.name, replace(kind, layer=""))
    with pytest.raises(UserError, match="'constant-q' features cannot be exported"):
        export(classifier, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_and_nothing_else(classifier, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export(classifier, out)
    (out / "saved_model.pb").write_bytes(b"old")
    export(classifier, out)
    assert (out / "saved_model.pb").stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [out]

    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "a.mp3").touch()
    for path in (tmp_path / "songs", tmp_path / "songs" / "a.mp3"):
        with pytest.raises(UserError, match="holds something other than an exported model"):
            export(classifier, path)
    assert (tmp_path / "songs" / "a.mp3").exists()


@pytest.mark.parametrize("name", ["cnn", "gru", "lstm", "crnn", "texture", "resnet"])
def test_every_network_can_be_exported(tf, name, tmp_path):
    import keras

    from spectrogram_feature import models

    keras.utils.set_random_seed(0)
    network = models.find(name).build(PARAMETERS.shape, len(GENRES), width=4)
    check = export(GenreClassifier(network, card()), tmp_path / "out")
    assert check.difference < 1e-3


def test_command(saved, tmp_path, monkeypatch, capsys):
    out = tmp_path / "deep" / "out"
    monkeypatch.setattr(sys, "argv", ["export", str(saved.parent), str(out)])
    export_module.main()
    assert capsys.readouterr().out.startswith(f"{out}: ")
    assert (out / "saved_model.pb").exists()


def test_a_model_of_another_kind_is_refused(tf, tmp_path, monkeypatch):
    save_model(small_model(), tmp_path / "model.keras", card(kind="image"))
    monkeypatch.setattr(sys, "argv", ["export", str(tmp_path), str(tmp_path / "out")])
    with pytest.raises(UserError, match="was trained on 'image' records"):
        export_module.main()
    assert not (tmp_path / "out").exists()
