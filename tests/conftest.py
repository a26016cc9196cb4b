"""What several tests share: a tiny data set, its records, and a clean environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest
from fma_for_tests import write_tiny_fma
from hypothesis import settings

from common.cli import run_command
from common.fma.dataset import Dataset, find_dataset

matplotlib.use("Agg")

# The same examples in every run, and no limit to the time of one: machines are busy at times.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


LONGEST = (
    *("test_notebooks", "test_backends", "test_distributed", "test_faults", "test_onnx"),
    *("test_report", "test_training", "test_transfer"),
)
"""Files that begin first, so that all workers finish at about the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(autouse=True)
def no_fma_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FMA_ROOT", "FMA_SUBSET", "FMA_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """Undo the precision that a command sets for its device."""
    yield
    if keras := sys.modules.get("keras"):
        keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def call(monkeypatch, capfd) -> Callable[..., subprocess.CompletedProcess]:
    """Run the `main` of a command in this process, which has imported TensorFlow already."""

    def call(main: Callable[[], None], *arguments: object) -> subprocess.CompletedProcess:
        command = [main.__module__, *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        code = 0
        capfd.readouterr()  # what was printed before
        try:
            run_command(main)
        except SystemExit as end:
            code = end.code
        return subprocess.CompletedProcess(command, code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def tf() -> ModuleType:
    from common.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def tiny_fma(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("tiny")
    write_tiny_fma(root)
    return find_dataset(root, "medium")


@pytest.fixture(scope="session")
def tiny_records(tiny_fma: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the tiny data set, four tracks a shard; to be read, not changed."""
    from spectrogram_feature.generate_records import generate

    out = tmp_path_factory.mktemp("records")
    generate(tiny_fma, out, workers=1, tracks_per_shard=4)
    return out
