"""Progress bar of a training."""

from __future__ import annotations

import keras

from common.jobs.run import progress_bar


class Progress(keras.callbacks.Callback):
    """Show one progress bar, called ``name``, for the whole training, with the latest scores."""

    def __init__(self, name: str, epochs: int, steps: int) -> None:
        super().__init__()
        self.name, self.epochs, self.steps = name, epochs, steps

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the bar in the first epoch of this run."""
        if not hasattr(self, "bar"):
            self.bar = progress_bar(
                total=self.epochs * self.steps,
                initial=epoch * self.steps,
                desc=self.name,
                unit="batch",
            )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Advance the bar."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Show the scores of the epoch."""
        self.bar.set_postfix_str(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.2f}, "
            f"accuracy {logs['accuracy']:.0%}, validation {logs['val_accuracy']:.0%}"
        )

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the bar."""
        if hasattr(self, "bar"):
            self.bar.close()
