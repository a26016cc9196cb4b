"""ONNX: one file that ONNX Runtime alone runs, and that predict takes without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from classifier_for_tests import (
    GENRES,
    PARAMETERS,
    card,
    model_of_every_network,
    save_small_model,
)
from fma_for_tests import music

from common.errors import UserError
from common.fma.audio import read_audio
from common.fma.silence import is_silent
from common.paths import PROJECT_ROOT
from spectrogram_feature import export as export_module
from spectrogram_feature.export import export
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.onnx_model import OnnxModel

LENGTH = PARAMETERS.segment_samples
SR = PARAMETERS.sample_rate

ALONE = """
import json, sys
import numpy as np
sys.modules |= dict.fromkeys(["tensorflow", "keras", "jax", "onnx"])  # an import fails
import onnxruntime

path, segments, out = sys.argv[1:]
session = onnxruntime.InferenceSession(path)
[probabilities] = session.run(["probabilities"], {"waveform": np.load(segments)})
np.save(out, probabilities)
print(json.dumps(session.get_modelmeta().custom_metadata_map))
"""

PREDICT = """
import sys
sys.argv[0] = "predict"
from spectrogram_feature import predict
predict.main()
assert not {"tensorflow", "keras", "jax", "onnx"} & sys.modules.keys()
"""


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def trained(saved) -> KerasModel:
    return KerasModel.load(saved)


@pytest.fixture(scope="module")
def every_network(tf) -> KerasModel:
    return model_of_every_network()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    assert export(trained, path, "onnx").difference < 1e-4
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "a.mp3"
    soundfile.write(path, music(5, 4, 44_100), 44_100)
    return path


def run_alone(code: str, *arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_onnx_runtime_alone_agrees_with_predict(exported, trained, song, tmp_path):
    samples = read_audio(song)
    segments = samples[: len(samples) // LENGTH * LENGTH].reshape(-1, LENGTH)
    expected = GenreClassifier(trained).predict_blocks([segments.ravel()], song).by_segment
    np.save(tmp_path / "segments.npy", segments)
    paths = [exported, tmp_path / "segments.npy", tmp_path / "probabilities.npy"]
    metadata = json.loads(run_alone(ALONE, *paths, cwd=tmp_path))
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.04
    assert json.loads(metadata["genres"]) == list(GENRES)
    assert metadata["sample_rate"] == str(SR)
    assert metadata["segment_samples"] == str(LENGTH)
    assert "mean over its segments" in metadata["rule"]
    told = json.loads(metadata["card"])
    assert FeatureParameters.from_dict(told["parameters"]) == PARAMETERS
    summary = json.loads(metadata["summary"])
    assert summary["title"] == "noise"
    assert summary["synthetic"] is True
    assert summary["license"] == "mit"


def test_predict_prints_the_same_without_tensorflow(exported, saved, song, tmp_path):
    def predict(model: Path) -> dict:
        code = PREDICT if model == exported else PREDICT.rpartition("assert")[0]
        return json.loads(run_alone(code, song, "--json", "--model", model, cwd=tmp_path))

    ours, theirs = predict(exported), predict(saved)
    assert ours.pop("model").endswith("small.onnx")
    theirs.pop("model")
    for genre, probability in theirs.pop("genres").items():
        assert ours["genres"][genre] == pytest.approx(probability, abs=1e-4)
    ours.pop("genres")
    for mine, other in zip(ours.pop("segments"), theirs.pop("segments"), strict=True):
        np.testing.assert_allclose(
            mine.pop("probabilities"), other.pop("probabilities"), atol=1.1e-4
        )
        assert mine == other
    assert ours == theirs


def test_a_plot_is_drawn_from_the_features_of_the_file(exported, trained, song):
    ours, theirs = (
        GenreClassifier(model).predict(song, keep_features=True).kept_features.astype(int)
        for model in (OnnxModel.load(exported), trained)
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 1e-3


def test_segments_of_a_batch_do_not_touch(exported, trained):
    segments = np.stack([music(seed, 1.5, SR) for seed in range(11)])
    model = OnnxModel.load(exported)
    alone = np.concatenate([model.predict_segments(one[None])[1] for one in segments])
    np.testing.assert_allclose(model.predict_segments(segments)[1], alone, atol=1e-6)


@pytest.mark.parametrize("step", [0, 2.0**-15])
def test_the_graph_knows_silence(exported, step):
    import onnxruntime

    rng = np.random.default_rng(0)
    constant, loud = np.full(LENGTH, 0.3), rng.normal(0, 0.01, LENGTH)
    segments = np.stack([constant, step * rng.integers(-1, 2, LENGTH), loud, music(0, 1.5, SR)])
    session = onnxruntime.InferenceSession(exported)
    [audible] = session.run(["audible"], {"waveform": segments.astype(np.float32)})
    expected = [not is_silent(one.astype(np.float32), SR) for one in segments]
    assert audible.tolist() == expected == [False, False, True, True]


def test_every_network_is_exported_with_its_probabilities(every_network, tmp_path):
    check(every_network, tmp_path / "a.onnx")


def test_the_probe_on_musicnn_is_exported_with_its_probabilities(tf, tmp_path):
    from spectrogram_feature.features.log_mel import LogMelParameters
    from spectrogram_feature.musicnn import transfer

    parameters = LogMelParameters(segment_seconds=1.0)
    head = transfer.probe((200,), len(GENRES))
    network = transfer.complete(transfer.embedder(parameters), head)
    check(KerasModel(network, card("log-mel", parameters)), tmp_path / "a.onnx")


def check(model: KerasModel, out: Path) -> None:
    """Export a model, and compare its probabilities of two segments."""
    export(model, out, "onnx")
    seconds, sr = model.parameters.segment_seconds, model.parameters.sample_rate
    samples = np.stack([music(seed, seconds, sr) for seed in (1, 2)])
    features, probabilities = model.predict_segments(samples)
    own, found = OnnxModel.load(out).predict_segments(samples)
    np.testing.assert_allclose(found, probabilities, atol=1e-4)
    assert np.abs(own.astype(int) - features).max() <= 1


def test_what_is_no_exported_model_costs_one_line(exported, song, tmp_path, monkeypatch):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"text\.onnx is no ONNX model that ONNX Runtime can load"):
        GenreClassifier.load(tmp_path / "text.onnx")
    with pytest.raises(UserError, match=r"none\.onnx: no such model; export one first"):
        GenreClassifier.load(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UserError, match=r"folder\.onnx is a folder"):
        GenreClassifier.load(tmp_path / "folder.onnx")
    other = onnx.load(exported)
    [entry] = [entry for entry in other.metadata_props if entry.key == "card"]
    entry.value = entry.value.replace('"Folk", ', "")
    onnx.save(other, tmp_path / "fewer.onnx")
    with pytest.raises(UserError, match=r"fewer\.onnx does not match its card"):
        GenreClassifier.load(tmp_path / "fewer.onnx")
    del other.metadata_props[:]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"other\.onnx has no card of this project"):
        GenreClassifier.load(tmp_path / "other.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"small\.onnx needs ONNX Runtime: pip install"):
        GenreClassifier.load(exported)


def test_the_command_replaces_an_earlier_export_and_nothing_else(
    saved, exported, tmp_path, monkeypatch, capsys
):
    def run(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        arguments = [str(saved), str(tmp_path / name), "--format", "onnx"]
        monkeypatch.setattr(sys, "argv", ["export", *arguments])
        export_module.main()

    earlier = exported.read_bytes()
    run("a.onnx", earlier)
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'a.onnx'}: ")
    with pytest.raises(UserError, match="holds something other than an exported model"):
        run("b.onnx", b"no model")
    with pytest.raises(UserError, match=r"the name of a file of onnx must end in \.onnx"):
        run("c", earlier)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "c"]
    assert (tmp_path / "b.onnx").read_bytes() == b"no model"


def test_litert_agrees_with_predict(every_network, tmp_path):
    out = tmp_path / "a.tflite"
    assert export(every_network, out, "litert").difference < 1e-4
    with zipfile.ZipFile(out) as archive:
        genres = json.loads(json.loads(archive.read("model.json"))["genres"])
    assert genres == list(every_network.card.genres)
    (tmp_path / "b.tflite").write_text("no model")
    with pytest.raises(UserError, match="holds something other than an exported model"):
        export(every_network, tmp_path / "b.tflite", "litert")
