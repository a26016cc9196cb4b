"""Faults of trainings: what is injected, and what the resumed training makes of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fault_extractions import Extractions
from fault_trials import Trials, can_mount, disk_of, flip_a_bit, mounted, run, running, said

EPOCHS = 10
OPTIONS = ["--epochs", EPOCHS, "--patience", EPOCHS, "--batch-size", 8, "--no-baselines"]

# The loss that a saved model has on the validation split, and the least of its learning curve.
LOSSES = """
import json, sys
from common.quiet import import_tensorflow
import_tensorflow()
import keras, numpy, pandas
from common.evaluation.predictions import predict
from common.training.model_files import load_model
from spectrogram_feature import models
from spectrogram_feature.features.records import FeatureRecords

records = FeatureRecords.open(sys.argv[1])
for folder in sys.argv[2:]:
    model, card = load_model(folder + "/model.keras")
    told = predict(model, records, "validation")
    smoothing = card.training["options"]["label_smoothing"]
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    curve = pandas.read_csv(folder + "/history.csv")["val_loss"]
    target = numpy.eye(len(told.genres))[told.label]
    print(json.dumps([float(loss(target, told.probability)), curve.min()]))
"""


class Trainings:
    """Trainings on the records of an undisturbed extraction.

    Parameters
    ----------
    extractions : Extractions
    rng : random.Random
    """

    def __init__(self, extractions: Extractions, rng: random.Random) -> None:
        self.extractions, self.rng = extractions, rng
        self.records, self.scratch = extractions.whole, extractions.scratch
        self.whole = self.scratch / "undisturbed"
        started = time.perf_counter()
        run(self.command(self.whole))
        self.seconds = time.perf_counter() - started

    def command(self, out: Path, records: Path | None = None) -> list[str]:
        """Give the command that trains on the records, or on other ones."""
        command = [sys.executable, "-m", "spectrogram_feature.training", *map(str, OPTIONS)]
        return [*command, "--records", str(records or self.records), "--out", str(out)]

    def rows(self, kills: int) -> Iterator[Trials]:
        """Inject every kind of fault."""
        yield self.killed(kills)
        yield self.damaged_records()
        if can_mount(self.scratch / "disk"):
            yield self.full_disk()

    def killed(self, kills: int) -> Trials:
        """Kill a training again and again until it ends, and then others, up to so many kills."""
        trials = Trials("training killed", "SIGKILL at a random moment, again and again", "epochs")
        saved: dict[Path, list[list[str]]] = {}
        while kills:
            out = self.scratch / f"killed-{len(saved)}"
            saved[out] = []
            while kills and self.kill(out):
                kills -= 1
                saved[out].append(saved_epochs(out))
            run(self.command(out))
        best = self.have_best_weights(list(saved))
        for out, curves in saved.items():
            for curve in curves:
                self.compare(trials, out, "nothing", curve, best[out])
        return trials

    def kill(self, out: Path) -> bool:
        """Start a training, or go on with it; kill it unless it ends before."""
        with running(self.command(out)) as process:
            try:
                process.communicate(timeout=self.rng.uniform(0, self.seconds))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return True
        return False

    def have_best_weights(self, folders: list[Path]) -> dict[Path, bool]:
        """See whether saved models have the least validation loss of their curves."""
        command = [sys.executable, "-c", LOSSES, str(self.records), *map(str, folders)]
        losses = map(json.loads, run(command).stdout.splitlines())
        return {
            folder: abs(loss - least) <= 1e-3 * least
            for folder, (loss, least) in zip(folders, losses, strict=True)
        }

    def compare(
        self, trials: Trials, out: Path, line: str, saved: list[str], good: bool = True
    ) -> None:
        """Count the epochs that were saved, and those whose line is another one in the end."""
        curve = epochs(out)
        lost = sum(a != b for a, b in zip(saved, curve, strict=False))
        lost += max(0, len(saved) - len(curve))
        numbers = [int(entry.split(",")[0]) for entry in curve]
        ended = numbers == list(range(1, EPOCHS + 1)) and (out / "model.keras").exists()
        trials.add(line, len(saved), lost, ended and good)

    def damaged_records(self) -> Trials:
        """Train on records with a changed bit, make them again, train again."""
        trials = Trials("records damaged", "one bit changed before the training", "epochs")
        for split in ("training", "test"):
            records, out = self.scratch / f"damaged-{split}", self.scratch / f"model-{split}"
            shutil.copytree(self.records, records)
            shard = self.rng.choice(sorted(records.glob(f"{split}-*.tfrecord")))
            flip_a_bit(shard, self.rng.random())
            line = said(run(self.command(out, records)).stderr)
            saved = saved_epochs(out)
            run(self.extractions.command(records))
            run(self.command(out, records))
            self.compare(trials, out, line, saved)
        return trials

    def full_disk(self) -> Trials:
        """Let a training find too little room, make room, go on."""
        trials = Trials("disk full in a training", "a tmpfs with little room left", "epochs")
        for least, most in ((0.2, 1.2), (1.7, 2.5)):  # a state takes 1.3 MB
            with mounted(disk_of(50), self.scratch / "disk") as disk:
                out, filling = disk / "model", disk / "of_somebody_else"
                room = int(1e6 * self.rng.uniform(least, most))
                filling.write_bytes(bytes(shutil.disk_usage(disk).free - room))
                line = said(run(self.command(out)).stderr)
                saved = saved_epochs(out)
                filling.unlink()
                run(self.command(out))
                self.compare(trials, out, line, saved)
        return trials


def epochs(out: Path) -> list[str]:
    """Read the lines of a learning curve."""
    path = out / "history.csv"
    return path.read_text().splitlines()[1:] if path.exists() else []


def saved_epochs(out: Path) -> list[str]:
    """Read the lines of the epochs that a training would not do again."""
    states = [int(path.name.split(".")[1]) for path in out.glob("state.*")]
    curve = epochs(out)
    if not states and len(curve) == EPOCHS:  # trained, and not yet judged
        return curve
    return curve[: max(states, default=0)]
