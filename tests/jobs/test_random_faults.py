"""Extractions and trainings killed and disturbed at random moments: nothing finished is lost.

These take minutes: ``make bench-faults`` runs them, and writes the table ``benchmarks/faults.md``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from faults_for_tests import (
    Note,
    contents,
    ended,
    flip_a_bit,
    mounted,
    note_fault,
    run,
    running,
    said,
    times,
    wait_for,
)

from common.jobs.journal import JOURNAL

pytestmark = pytest.mark.slow

KILLS = 20
EPOCHS = 10

# A shell has commands in the background ignore Ctrl-C.
EXTRACTION = """
import signal, sys
from common.cli import run_command
from fma_utils import find_dataset
from spectrogram_feature.generate_records import generate

signal.signal(signal.SIGINT, signal.default_int_handler)
root, out = sys.argv[1:]
options = {"balance": False, "workers": 2, "tracks_per_shard": 2}
run_command(lambda: generate(find_dataset(root), out, **options))
"""


def extraction(root: Path, out: Path) -> list[str]:
    return [sys.executable, "-c", EXTRACTION, str(root), str(out)]


@pytest.fixture(scope="module")
def records(tiny_fma, tmp_path_factory) -> Path:
    """Records of an undisturbed run."""
    out = tmp_path_factory.mktemp("records")
    assert run(extraction(tiny_fma.root, out)).returncode == 0
    return out


def finished(out: Path) -> dict[str, int]:
    """Give the shards that the journal has, and when each was written."""
    journal = out / JOURNAL
    names: list[str] = []
    for line in journal.read_text().splitlines()[1:] if journal.exists() else []:
        with contextlib.suppress(ValueError):  # the last one, torn
            names += json.loads(line)["result"]["files"]
    return {name: time for name, time in times(out).items() if name in names}


def assert_recovers(
    command: list[str], out: Path, records: Path, note: Note, fault: str, how: str, sees: str
) -> None:
    """Run the command again: it keeps what is finished, and ends as if undisturbed."""
    before = finished(out)
    assert run(command).returncode == 0
    lost = sum(times(out).get(name) != time for name, time in before.items())
    note_fault(note, fault, how, sees, len(before), lost=lost)
    assert lost == 0
    assert contents(out) == contents(records)
    assert not list(out.glob(".*.tmp"))


@pytest.mark.parametrize("seed", range(KILLS))
def test_extraction_killed_at_any_moment(tiny_fma, records, tmp_path, record_property, seed):
    """Every other time with its workers."""
    rng, command = random.Random(seed), extraction(tiny_fma.root, tmp_path)
    some = rng.randrange(len(times(records)))
    with running(command) as process:
        while len(finished(tmp_path)) < some and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if seed % 2 else os.kill)(process.pid, signal.SIGKILL)
        sees = ended(process).stderr
    how = "SIGKILL at a random moment, alone or with its workers"
    assert_recovers(command, tmp_path, records, record_property, "extraction killed", how, sees)


def worker_that_writes(process: subprocess.Popen, out: Path, some: int) -> int:
    """Wait until some shards are finished and one is being written; tell by whom."""
    wait_for(lambda: len(finished(out)) >= some and list(out.glob(".*.tfrecord.*.tmp")), process)
    half_written = next(iter(out.glob(".*.tfrecord.*.tmp")), None)
    return int(half_written.suffixes[-2][1:]) if half_written else 0


@pytest.mark.parametrize("seed", range(2))
def test_ctrl_c_at_any_moment(tiny_fma, records, tmp_path, record_property, seed):
    command = extraction(tiny_fma.root, tmp_path)
    with running(command) as process:
        worker_that_writes(process, tmp_path, random.Random(seed).randint(1, 6))
        os.killpg(process.pid, signal.SIGINT)
        done = ended(process)
    assert done.returncode == 130
    [line] = said(done.stderr)
    assert line.startswith("interrupted: what is finished is kept")
    how = "SIGINT to all its processes at a random moment"
    assert_recovers(command, tmp_path, records, record_property, "Ctrl-C", how, done.stderr)


@pytest.mark.parametrize("seed", range(2))
def test_worker_that_gets_no_more_memory(tiny_fma, records, tmp_path, record_property, seed):
    command = extraction(tiny_fma.root, tmp_path)
    with running(command) as process:
        if pid := worker_that_writes(process, tmp_path, 0):
            worker = psutil.Process(pid)
            worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + (4 << 20),) * 2)
        sees = ended(process).stderr
    how = "RLIMIT_AS 4 MB above what it has"
    assert_recovers(command, tmp_path, records, record_property, "worker starved", how, sees)


# --- Trainings -----------------------------------------------------------------------------------

# The loss of saved models on the validation split, which must be the least of the learning curve.
LOSS = """
import sys
from common.quiet import import_tensorflow
import_tensorflow()
import keras, numpy
from common.evaluation.predictions import predict
from common.training.model_files import load_model
from spectrogram_feature import models
from spectrogram_feature.features.records import FeatureRecords

records, folder = FeatureRecords.open(sys.argv[1]), sys.argv[2]
model, card = load_model(folder + "/model.keras")
told = predict(model, records, "validation")
smoothing = card.training["options"]["label_smoothing"]
loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
print(float(loss(numpy.eye(len(told.genres))[told.label], told.probability)))
"""


def training(records: Path, out: Path) -> list[str]:
    command = [sys.executable, "-m", "spectrogram_feature.training", "--records", str(records)]
    options = ["--epochs", EPOCHS, "--patience", EPOCHS, "--batch-size", 8, "--no-baselines"]
    return [*command, "--out", str(out), *map(str, options)]


def curve_of(out: Path) -> list[str]:
    path = out / "history.csv"
    return path.read_text().splitlines()[1:] if path.exists() else []


def saved_epochs(out: Path) -> list[str]:
    """Read the lines of the epochs that a training would not do again."""
    states = [int(path.name.split(".")[1]) for path in out.glob("state.*")]
    curve = curve_of(out)
    if not states and len(curve) == EPOCHS:  # trained, and not yet judged
        return curve
    return curve[: max(states, default=0)]


def note_training(
    note: Note, fault: str, how: str, sees: str | list[str], saved: list[str], out: Path
) -> None:
    """See that the epochs that were saved are those of the curve, and that it has all."""
    curve = curve_of(out)
    lost = sum(a != b for a, b in zip(saved, curve, strict=False))
    note_fault(note, fault, how, sees, len(saved), lost=lost, unit="epochs")
    assert lost == 0
    assert [int(line.split(",")[0]) for line in curve] == list(range(1, EPOCHS + 1))
    assert (out / "model.keras").exists()


@pytest.mark.parametrize("seed", range(4))
def test_training_killed_again_and_again(records, tmp_path, record_property, seed):
    """Five times, at random moments; the model is that of the best epoch."""
    rng, out = random.Random(seed), tmp_path / "model"
    command, saved = training(records, out), []
    for _ in range(KILLS // 4):
        with running(command) as process:
            try:
                process.communicate(timeout=rng.uniform(5, 25))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                saved.append(saved_epochs(out))
    assert run(command).returncode == 0
    how = "SIGKILL at a random moment, again and again"
    for epochs in saved:
        note_training(record_property, "training killed", how, [], epochs, out)
    least = pd.read_csv(out / "history.csv")["val_loss"].min()
    loss = float(run([sys.executable, "-c", LOSS, str(records), str(out)]).stdout)
    assert loss == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("split", ["training", "test"])
def test_training_on_damaged_records(tiny_fma, records, tmp_path, record_property, split):
    damaged, out = Path(shutil.copytree(records, tmp_path / "records")), tmp_path / "model"
    flip_a_bit(min(damaged.glob(f"{split}-*.tfrecord")))
    done = run(training(damaged, out))
    assert done.returncode == 1
    saved = saved_epochs(out)
    assert run(extraction(tiny_fma.root, damaged)).returncode == 0
    assert run(training(damaged, out)).returncode == 0
    how = "one bit changed before the training"
    note_training(record_property, "records damaged", how, done.stderr, saved, out)


@pytest.mark.parametrize("room", [800_000, 2_000_000])
def test_training_on_a_full_disk(records, tmp_path, record_property, room):
    """A state takes 1.3 MB."""
    with mounted('mount -t tmpfs -o size=50m none "$1"', tmp_path / "disk") as disk:
        out, filling = disk / "model", disk / "of_somebody_else"
        filling.write_bytes(np.zeros(shutil.disk_usage(disk).free - room, np.uint8))
        done = run(training(records, out))
        assert done.returncode == 1
        saved = saved_epochs(out)
        filling.unlink()
        assert run(training(records, out)).returncode == 0
        how = "a tmpfs with little room left"
        note_training(record_property, "disk full in a training", how, done.stderr, saved, out)
