"""Files of a training: settings, learning curves, weights of the last and of the best epoch.

Every file is written completely or not at all. A killed training resumes after its last epoch.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from common.errors import UserError
from common.jobs.files import atomic_write
from common.jobs.journal import as_json, require_same
from common.tables import read_table
from common.training.options import TrainingOptions

SETTINGS = "settings.json"
HISTORY = "history.csv"
BEST_WEIGHTS = "best.weights.h5"
STATE = "state.{}.weights.h5"
OPTIMISER_WARNING = "Skipping variable loading for optimizer"  # beginning of Keras' warning
FILES = (HISTORY, BEST_WEIGHTS, STATE.format("*"))  # patterns of the files of a resumed training


def open_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Begin or reopen the folder of a training.

    A `UserError` is raised if the folder holds a training with other settings, or damaged settings.
    """
    settings = as_json(settings)
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(settings, indent=1).encode())
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged: delete {folder} and train again") from None
    require_same(earlier, settings, folder, "a training")


def read_history(folder: Path) -> pd.DataFrame:
    """Read the learning curves of a training, indexed by epoch; empty before the first."""
    path = folder / HISTORY
    if not path.exists():
        return pd.DataFrame({"val_loss": []}, index=pd.Index([], name="epoch"))
    return read_table(path, "epoch")


def is_finished(history: pd.DataFrame, options: TrainingOptions) -> bool:
    """Return True if all epochs are done, the patience is exhausted, or the loss is NaN."""
    if history.empty:
        return False
    if history["val_loss"].isna().any():
        return True
    stale = history.index[-1] - history["val_loss"].idxmin()
    return len(history) >= options.epochs or stale >= options.patience


class Checkpoints(keras.callbacks.Callback):
    """Save the learning curves and the weights after each epoch, and stop early.

    The weights of the last epoch, with the optimiser's state, and of the best epoch are kept. An
    epoch is finished when its line in the curves is written.
    """

    def __init__(self, folder: Path, options: TrainingOptions) -> None:
        super().__init__()
        self.folder, self.options, self.history = folder, options, read_history(folder)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the timer."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Write the weights, then the curves; delete superseded weights; stop if it is time."""
        epoch += 1
        self._save_weights(STATE.format(epoch))
        self.history.loc[epoch, list(logs)] = list(logs.values())
        self.history.loc[epoch, "seconds"] = time.perf_counter() - self.started
        with atomic_write(self.folder / HISTORY) as file:
            file.write(self.history.to_csv(float_format="%.6g").encode())
        best = self.history["val_loss"].fillna(float("inf")).idxmin()
        for state in self.folder.glob(STATE.format("*")):
            if state.name not in (STATE.format(epoch), STATE.format(best)):
                state.unlink()
        if is_finished(read_history(self.folder), self.options):
            self.model.stop_training = True

    def _save_weights(self, name: str) -> None:
        partial = self.folder / f".partial.{name}"
        try:
            self.model.save_weights(partial)
        except OSError as error:
            # HDF5 writes again when it closes the file, and crashes the process if the disk is
            # full. Its message has many lines.
            os.truncate(partial, 0)
            raise OSError(error.errno, os.strerror(error.errno or 0), str(partial)) from None
        partial.replace(self.folder / name)


def resume(model: keras.Model, folder: Path) -> int:
    """Load the weights and the optimiser's state after the last epoch; return its number, or 0."""
    history = read_history(folder)
    if history.empty:
        return 0
    epoch = int(history.index[-1])
    load_weights(model, folder / STATE.format(epoch), with_optimiser=True)
    return epoch


def keep_best(folder: Path) -> pd.DataFrame:
    """Delete all but the best weights of a finished training, and return its learning curves.

    A `UserError` is raised if the training diverged.
    """
    history = read_history(folder)
    if history["val_loss"].isna().any():
        raise UserError(f"training in {folder} diverged: delete it, and lower the learning rate")
    best = folder / STATE.format(history["val_loss"].idxmin())
    if best.exists():
        best.replace(folder / BEST_WEIGHTS)
    for leftover in (*folder.glob(STATE.format("*")), *folder.glob(".partial.*")):
        leftover.unlink()
    return history


def load_weights(model: keras.Model, path: Path, *, with_optimiser: bool = False) -> None:
    """Load weights of `Checkpoints`; raise a `UserError` if they do not fit the model."""
    try:
        with warnings.catch_warnings():
            # Keras only warns if weights do not fit.
            warnings.simplefilter("error", UserWarning)
            if not with_optimiser:
                warnings.filterwarnings("ignore", OPTIMISER_WARNING)
            model.load_weights(path)
    except (UserWarning, ValueError, OSError):
        raise UserError(
            f"{path} does not fit {model.name}: its code has changed since, or the training began "
            f"in the precision of another kind of device; delete {path.parent} and train again"
        ) from None
