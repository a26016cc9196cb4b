"""Networks and layers under each installed Keras backend, compared with TensorFlow."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

import backends_for_tests
import numpy as np
import pytest
from jax_for_tests import QUICK_COMPILATION

from common.paths import PROJECT_ROOT

SCRIPT = Path(backends_for_tests.__file__)
OTHERS = ("jax", "torch")
EXPECTED_NETWORKS = {*backends_for_tests.NETWORKS, "image windows", "musicnn probe"}


def run(backend: str, out: Path, reference: Path) -> Path:
    """Run everything under a backend in a process of its own."""
    out.mkdir()
    variables = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    variables |= QUICK_COMPILATION
    command = [sys.executable, str(SCRIPT), str(out), str(reference)]
    done = subprocess.run(
        command, env={**os.environ, **variables}, cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def reference(tf, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("tensorflow")
    with warnings.catch_warnings(action="ignore"):
        backends_for_tests.main(out, None)
    return out


@pytest.fixture(scope="module", params=OTHERS)
def other(request, reference) -> Path:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return run(request.param, reference / request.param, reference)


def assert_losses_fall(folder: Path) -> None:
    with np.load(folder / "losses.npz") as losses:
        assert set(losses) == EXPECTED_NETWORKS
        for name, values in losses.items():
            assert len(values) == 10, name
            assert np.isfinite(values).all(), name
            assert values[-3:].mean() < values[0], name


def test_ten_steps_reduce_the_loss_of_every_network_under_tensorflow(reference):
    assert_losses_fall(reference)


def test_ten_steps_reduce_the_loss_of_every_network(other):
    assert_losses_fall(other)


def test_outputs_equal_those_of_tensorflow_from_the_same_weights(reference, other):
    with np.load(reference / "outputs.npz") as expected, np.load(other / "outputs.npz") as outputs:
        assert set(expected) == set(outputs)
        assert set(outputs) >= EXPECTED_NETWORKS | {"ConstantQLayer", "LogMelLayer", "SpecAugment"}
        for name, values in outputs.items():
            np.testing.assert_allclose(values, expected[name], atol=1e-4, err_msg=name)


HEAVY = (
    *("crc32c", "distributed", "filelock", "librosa", "matplotlib", "pandas", "scipy", "sklearn"),
    *("soundfile", "soxr", "tensorflow", "tqdm"),
)


def test_networks_and_their_augmentation_import_nothing_heavy():
    # Keras itself imports some of these where they are installed. Layers of features come with
    # audio packages, but not with TensorFlow.
    code = f"""
import sys, keras
imported = {{name: sys.modules.get(name) for name in {HEAVY}}}
sys.modules |= dict.fromkeys(imported)
import spectrogram_feature.models, spectrogram_feature.spec_augment
import spectrogram_image.models, spectrogram_image.spec_augment
for name, module in imported.items():
    if name != "tensorflow":
        del sys.modules[name]
        if module:
            sys.modules[name] = module
import spectrogram_feature.features.keras_layers
import spectrogram_feature.musicnn.pretrained, spectrogram_feature.musicnn.transfer
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
