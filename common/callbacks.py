"""What happens beside training: its progress bar, its learning curves on disk, when it ends."""

from __future__ import annotations

import time
from pathlib import Path

import keras
import pandas as pd

from common.jobs import progress_bar
from common.training_options import TrainingOptions

HISTORY = "history.csv"


def read_history(folder: Path) -> pd.DataFrame:
    """Read the learning curves of a training, indexed by epoch; empty before the first."""
    path = folder / HISTORY
    if not path.exists():
        return pd.DataFrame({"val_loss": []}, index=pd.Index([], name="epoch"))
    # A kill between writing this line and the backup makes the epoch happen twice.
    return pd.read_csv(path).drop_duplicates("epoch", keep="last").set_index("epoch")


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
    epochs : int
    steps : int
        Batches an epoch.
    """

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self.epochs, self.steps = epochs, steps

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the bar at the first epoch, which is a later one when training is resumed."""
        if not hasattr(self, "bar"):
            self.bar = progress_bar(
                total=self.epochs * self.steps,
                initial=epoch * self.steps,
                desc=self.model.name,
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


class HistoryFile(keras.callbacks.Callback):
    """Appends each epoch's figures, and how long it took, to a CSV file.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Look at the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Write the line."""
        row = {"epoch": epoch + 1, **logs, "seconds": time.perf_counter() - self.started}
        pd.DataFrame([row]).to_csv(
            self.path, mode="a", index=False, header=not self.path.exists(), float_format="%.6g"
        )


class StopEarly(keras.callbacks.Callback):
    """Ends training when the validation loss has not fallen for long, resumed or not.

    Parameters
    ----------
    folder : Path
        The folder that `HistoryFile` writes to, before this.
    options : TrainingOptions
    """

    def __init__(self, folder: Path, options: TrainingOptions) -> None:
        super().__init__()
        self.folder, self.options = folder, options

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Decide by the whole history, that before a resumption included."""
        if is_finished(read_history(self.folder), self.options):
            self.model.stop_training = True
