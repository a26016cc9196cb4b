"""What happens beside training: its progress bar, its learning curves on disk, when it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import keras
import pandas as pd

from common.jobs.files import atomic_write
from common.jobs.run import progress_bar
from common.training.options import TrainingOptions

HISTORY = "history.csv"
BEST_WEIGHTS = "best.weights.h5"
STATE = "state.{}.weights.h5"


def read_history(folder: Path) -> pd.DataFrame:
    """Read the learning curves of a training, indexed by epoch; empty before the first."""
    path = folder / HISTORY
    if not path.exists():
        return pd.DataFrame({"val_loss": []}, index=pd.Index([], name="epoch"))
    return pd.read_csv(path, index_col="epoch")


def is_finished(history: pd.DataFrame, options: TrainingOptions) -> bool:
    """Tell whether all epochs are done, patience is at its end, or the loss is no number."""
    if history.empty:
        return False
    if history["val_loss"].isna().any():
        return True
    stale = history.index[-1] - history["val_loss"].idxmin()
    return len(history) >= options.epochs or stale >= options.patience


class Progress(keras.callbacks.Callback):
    """One progress bar for the whole training, with the latest losses beside it.

    Parameters
    ----------
    name : str
        What the bar says is trained.
    epochs : int
    steps : int
        Batches an epoch.
    """

    def __init__(self, name: str, epochs: int, steps: int) -> None:
        super().__init__()
        self.name, self.epochs, self.steps = name, epochs, steps

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the bar at the first epoch, which is a later one when training is resumed."""
        if not hasattr(self, "bar"):
            self.bar = progress_bar(
                total=self.epochs * self.steps,
                initial=epoch * self.steps,
                desc=self.name,
                unit="batch",
            )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Advance."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Show how well the epoch went."""
        self.bar.set_postfix_str(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.2f}, "
            f"accuracy {logs['accuracy']:.0%}, validation {logs['val_accuracy']:.0%}"
        )

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the bar."""
        if hasattr(self, "bar"):
            self.bar.close()


class Keep(keras.callbacks.Callback):
    """Writes what must survive a kill after each epoch, every file complete or not at all.

    The learning curves, and the weights with the optimiser's of the last epoch, to resume from,
    and of the best one, named after their epoch. An epoch counts once it has its line in the
    curves: whatever a kill leaves without one is written over.

    Parameters
    ----------
    folder : Path
    history : pandas.DataFrame
        Of the epochs before this run, as `read_history` gives it.
    """

    def __init__(self, folder: Path, history: pd.DataFrame) -> None:
        super().__init__()
        self.folder, self.history = folder, history

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Look at the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Write the state, then the line that makes it count; delete what is superseded."""
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

    def _save_weights(self, name: str) -> None:
        partial = self.folder / f".partial.{name}"
        try:
            self.model.save_weights(partial)
        except OSError as error:
            # What HDF5 could not write it writes again when the file is closed: without room for
            # it the process would crash. And its message has many lines.
            os.truncate(partial, 0)
            raise OSError(error.errno, os.strerror(error.errno or 0), str(partial)) from None
        partial.replace(self.folder / name)


def find_state(folder: Path) -> tuple[Path, int] | None:
    """Find the state to resume from, and the epoch it was written after."""
    history = read_history(folder)
    if history.empty:
        return None
    return folder / STATE.format(history.index[-1]), int(history.index[-1])


class StopEarly(keras.callbacks.Callback):
    """Ends training when the validation loss has not fallen for long, resumed or not.

    Parameters
    ----------
    folder : Path
        The folder that `Keep` writes to, before this.
    options : TrainingOptions
    """

    def __init__(self, folder: Path, options: TrainingOptions) -> None:
        super().__init__()
        self.folder, self.options = folder, options

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Decide by the whole history, that before a resumption included."""
        if is_finished(read_history(self.folder), self.options):
            self.model.stop_training = True
