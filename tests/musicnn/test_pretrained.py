"""musicnn: that the port says what the original says, and where its weights come from."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fma_for_tests import music

from common.errors import UserError
from common.paths import PROJECT_ROOT
from data import pretrained as command
from spectrogram_feature.features.log_mel import LogMel, LogMelParameters

EXPECTED = Path(__file__).with_name("musicnn_expected.npz")
"""What musicnn 0.1.0 said; musicnn_expected.md tells how it was asked."""

CHECKPOINTS = ("MSD_musicnn", "MTT_musicnn")
FRAMES = 187

has_weights = pytest.mark.skipif(
    not all(
        (PROJECT_ROOT / "data" / "pretrained" / f"{name}.weights.h5").exists()
        for name in CHECKPOINTS
    ),
    reason="musicnn's weights are not there: make pretrained obtains them",
)
every_checkpoint = pytest.mark.parametrize("checkpoint", CHECKPOINTS)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(EXPECTED) as file:
        return dict(file)


@functools.cache
def port(checkpoint: str):
    from spectrogram_feature.musicnn.pretrained import load_musicnn

    return load_musicnn(checkpoint)


def patches(levels: np.ndarray) -> np.ndarray:
    """Cut two patches (2, 187, 96)."""
    return levels[: 2 * FRAMES].reshape(2, FRAMES, -1)


# --- Features ------------------------------------------------------------------------------------


def test_levels_are_those_that_the_original_computes(expected):
    levels = LogMel().levels(music(0, 6, 16_000))
    np.testing.assert_allclose(levels, expected["levels"], atol=4e-4)


def test_levels_agree_with_librosa():
    import librosa

    samples = np.stack([music(seed, 2, 16_000) for seed in range(3)])
    power = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect"
    )
    reference = np.log10(1 + 10_000 * power).swapaxes(1, 2)
    np.testing.assert_allclose(LogMel().levels(samples), reference, rtol=1e-4, atol=1e-5)


def test_features_are_levels_in_bytes():
    parameters = LogMelParameters(segment_seconds=2.0)
    transform = LogMel(parameters)
    samples = music(0, 2, 16_000)
    features = transform.features(samples)
    assert features.shape == parameters.shape
    assert features.dtype == np.uint8
    restored = features * (parameters.ceiling / 255)
    levels = transform.levels(transform.scaled(samples))
    np.testing.assert_allclose(restored, levels, atol=0.51 * 7 / 255)
    assert not transform.features(np.zeros_like(samples)).any()
    assert LogMel(replace(parameters, ceiling=3.0)).features(samples).max() == 255


@pytest.mark.parametrize("decibels", [6, -10, -20, -30, -60, -90])
def test_features_do_not_depend_on_the_level(decibels):
    transform = LogMel(LogMelParameters(segment_seconds=2.0))
    samples = np.stack([music(seed, 2, 16_000) for seed in range(2)])
    features = transform.features(samples)
    assert len(np.unique(features)) > 150
    other = transform.features(samples * np.float32(10 ** (decibels / 20)))
    np.testing.assert_allclose(other, features.astype(int), atol=1)
    np.testing.assert_allclose(transform.scaled(samples).std(axis=1), 0.125, rtol=1e-4)


def test_an_offset_is_not_part_of_the_level():
    transform = LogMel(LogMelParameters(segment_seconds=2.0))
    samples = music(0, 2, 16_000) / 10
    features = transform.features(samples).astype(int)
    np.testing.assert_allclose(transform.features(samples + np.float32(0.3)), features, atol=1)
    assert not transform.features(np.full_like(samples, 0.3)).any()


def test_what_is_below_the_quietest_is_scaled_no_further():
    transform = LogMel(LogMelParameters(segment_seconds=2.0))
    samples = music(0, 2, 16_000)
    samples = samples * np.float32(1e-7) / samples.std()
    assert transform.scaled(samples).std() == pytest.approx(0.0125, rel=1e-3)


def test_a_sine_of_full_scale_stays_below_the_ceiling():
    time = np.arange(32_000) / 16_000
    sines = np.sin(2 * np.pi * np.array([[60], [440], [3000]]) * time)
    assert 6 < LogMel().levels(sines).max() < LogMelParameters().ceiling


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="NaN or infinity"):
        LogMel().levels(np.array([0, np.nan] * 500))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_bins": 0}, "n_bins must be a whole number above 0"),
        ({"ceiling": "high"}, "ceiling must be a number above 0"),
        ({"segment_seconds": 0.02}, "is no more than window_length=512"),
    ],
)
def test_impossible_parameters_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        LogMelParameters(**values)


def test_the_layer_gives_what_numpy_gives(tf, tmp_path):
    import keras

    from spectrogram_feature.features.log_mel_layer import LogMelLayer

    parameters = LogMelParameters(segment_seconds=1.0, n_bins=40)
    quiet, loud = (music(seed, 1, 16_000) * gain for seed, gain in enumerate((1e-4, 1.0)))
    samples = np.stack([quiet, loud, loud + 0.1, np.zeros_like(loud)]).astype(np.float32)
    inputs = keras.Input((parameters.segment_samples,))
    keras.Model(inputs, LogMelLayer(parameters)(inputs)).save(tmp_path / "layer.keras")
    model = keras.saving.load_model(tmp_path / "layer.keras", safe_mode=True)
    assert model.output_shape == (None, *parameters.shape)
    transform = LogMel(parameters)
    levels = transform.levels(transform.scaled(samples)) / parameters.ceiling
    np.testing.assert_allclose(model.predict_on_batch(samples), levels, atol=1e-5)


# --- The network ---------------------------------------------------------------------------------


@has_weights
@every_checkpoint
def test_the_network_says_what_the_original_says(tf, expected, checkpoint):
    said = port(checkpoint).predict_on_batch(patches(expected["levels"]))
    for name in ("tags", "mean_pool", "max_pool"):
        np.testing.assert_allclose(said[name], expected[f"{checkpoint}/0/{name}"], atol=1e-3)
    of_first = expected[f"{checkpoint}/0/penultimate"]
    np.testing.assert_allclose(said["penultimate"][:1], of_first, atol=1e-3)


@has_weights
@every_checkpoint
@pytest.mark.parametrize("seed", [0, 1])
def test_sound_gives_the_tags_of_the_original(tf, expected, checkpoint, seed):
    levels = LogMel().levels(music(seed, 6, 16_000))
    said = port(checkpoint).predict_on_batch(patches(levels))
    for name in ("tags", "mean_pool"):
        np.testing.assert_allclose(said[name], expected[f"{checkpoint}/{seed}/{name}"], atol=1e-3)
    of_first = expected[f"{checkpoint}/{seed}/penultimate"]
    np.testing.assert_allclose(said["penultimate"][:1], of_first, atol=1e-3)


@has_weights
def test_tags_have_names(tf, expected):
    from spectrogram_feature.musicnn.pretrained import read_tags

    for checkpoint, known in (("MSD_musicnn", "female vocalists"), ("MTT_musicnn", "harpsichord")):
        tags = read_tags(checkpoint)
        assert len(set(tags)) == 50
        assert known in tags


def test_absent_weights_name_the_command(tf, tmp_path, monkeypatch):
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"MSD_musicnn\.weights\.h5 is missing: make pretrained"):
        pretrained.load_musicnn()
    with pytest.raises(UserError, match=r"MTT_musicnn\.tags\.json is missing: make pretrained"):
        pretrained.read_tags("MTT_musicnn")


def test_damaged_weights_are_refused(tf, tmp_path, monkeypatch):
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    pretrained.weights_path().write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"is damaged .*: delete it and run make pretrained"):
        pretrained.load_musicnn()


# --- The wheel -----------------------------------------------------------------------------------


@functools.cache
def checkpoint_values() -> dict[str, np.ndarray]:
    """Make random variables as the original's checkpoints have them."""
    from spectrogram_feature.musicnn import pretrained

    rng = np.random.default_rng(0)
    variables = dict(pretrained._checkpoint_variables(pretrained.musicnn()))
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    # Those over time stand there as convolutions of images.
    shapes |= {f"conv2d_{n}/kernel": (7, c, 1, 64) for n, c in ((5, 561), (6, 64), (7, 64))}
    values = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    return values | {"beta1_power": np.float32(0.9), "dense/kernel/Adam": values["dense/kernel"]}


def write_checkpoint(tf, prefix: Path, change=lambda variables: None) -> None:
    """Write a checkpoint of TensorFlow 1, after some change of its variables."""
    values = dict(checkpoint_values())
    change(values)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    names, tensors = zip(*sorted(values.items()), strict=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(names),
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensor) for tensor in tensors],
    )


@pytest.fixture
def wheel(tf, tmp_path, monkeypatch) -> Path:
    """A package like musicnn's, with other weights, and its checksum taken for the right one."""
    path = tmp_path / "wheel" / command.WHEEL
    path.parent.mkdir()
    labels = "".join(
        f"{name}_LABELS = {[f'{name} {i}' for i in range(50)]}\n" for name in ("MSD", "MTT")
    )
    with zipfile.ZipFile(path, "w") as archive:
        for checkpoint in CHECKPOINTS:
            prefix = tmp_path / "checkpoint" / checkpoint
            write_checkpoint(tf, prefix)
            for file in prefix.parent.glob(f"{checkpoint}.*"):
                archive.write(file, f"musicnn/{checkpoint}/{file.name[len(checkpoint) :]}")
        archive.writestr("musicnn/configuration.py", f"SR = 16000\nraise SystemExit\n{labels}")
    monkeypatch.setattr(command, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_a_wheel_becomes_weights_and_tags(wheel, tmp_path, monkeypatch):
    from spectrogram_feature.musicnn import pretrained

    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "out")
    (tmp_path / "out").mkdir()
    command.convert(wheel, "MTT_musicnn")
    assert pretrained.read_tags("MTT_musicnn")[49] == "MTT 49"
    network = pretrained.load_musicnn("MTT_musicnn")
    expected = pretrained.musicnn()
    pretrained.read_checkpoint(expected, tmp_path / "checkpoint" / "MTT_musicnn")
    for mine, theirs in zip(network.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("dense_1/bias"), "has no variable dense_1/bias"),
        (lambda v: v.update({"new/kernel": np.zeros(3, np.float32)}), r"lacks \(new/kernel\)"),
        (
            lambda v: v.update({"conv2d_3/kernel": np.zeros((64, 51), np.float32)[:60]}),
            r"conv2d_3/kernel in the shape \(60, 51\), musicnn's is \(64, 1, 1, 51\)",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tf, tmp_path, change, message):
    from spectrogram_feature.musicnn import pretrained

    write_checkpoint(tf, tmp_path / "other", change)
    with pytest.raises(UserError, match=message):
        pretrained.read_checkpoint(pretrained.musicnn(), tmp_path / "other")


def test_a_wheel_that_is_there_is_not_fetched(wheel, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert command.obtain_wheel(wheel.parent) == wheel


def test_another_wheel_is_refused(tmp_path):
    (tmp_path / command.WHEEL).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"is not musicnn 0\.1\.0 as published: its SHA-256 is"):
        command.obtain_wheel(tmp_path)


def test_without_a_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError) as caught:
        command.obtain_wheel(tmp_path)
    [line] = str(caught.value).splitlines()
    assert line.startswith("pip cannot fetch musicnn==0.1.0 (ERROR: No matching distribution")
    assert f"or put {command.WHEEL} into" in line


def test_labels_of_another_package_are_refused():
    assert command.read_labels(f"MSD_LABELS = {json.dumps(['a', 'b'])}", "MSD_musicnn") == [
        "a",
        "b",
    ]
    with pytest.raises(UserError, match="no MSD_LABELS"):
        command.read_labels("SR = 16000", "MSD_musicnn")


def test_stored_levels_are_restored_in_decibels_above_silence():
    parameters = LogMelParameters()
    restored = parameters.decibels(np.array([[0, 255]], np.uint8))
    np.testing.assert_allclose(restored, [[0, 70]], atol=1e-4)
    assert parameters.reference == "silence"
