"""Reading a folder of finished records, as batches of TensorFlow or of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from common.errors import UserError
from common.records.shards import PLAN
from common.records.tfrecords import Manifest

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class RecordFolder:
    """A folder of finished records. A stage derives a class with a `kind` and a `decode`."""

    folder: Path
    manifest: Manifest

    kind: ClassVar[str]
    """The kind of records; see `Manifest.kind`."""

    command: ClassVar[str] = "the command that made the records"
    """Name of that command, for messages."""

    @classmethod
    def open(cls, folder: str | Path, **options: Any) -> Self:
        """Open a folder, with further attributes of the class as options.

        Raises
        ------
        UserError
            If it holds no finished records, or those of another kind.
        """
        return cls(Path(folder), Manifest.read(folder, cls.kind), **options)

    @property
    def settings(self) -> dict[str, Any]:
        """dict: description of the data, ready for JSON; trainings resume on equal settings."""
        keys = ("kind", "parameters", "genres", "shards")
        return {"records": {key: getattr(self.manifest, key) for key in keys}}

    def plan(self) -> pd.DataFrame:
        """Read the table of tracks beside the records.

        Returns
        -------
        pandas.DataFrame
            Indexed by track id, with ``split``, ``genre``, ``label`` and ``artist``.

        Raises
        ------
        UserError
            If the table is missing.
        """
        path = self.folder / PLAN
        if not path.exists():
            raise UserError(f"{path} is missing: run {self.command} again")
        return pd.read_csv(path, index_col="track_id", dtype={"artist": str})

    @contextmanager
    def naming_damage(self) -> Iterator[None]:
        """Replace TensorFlow's error about a damaged record by a `UserError` naming the shard."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.DataLossError:
            self.manifest.check(self.folder)
            raise

    @property
    def reading_batch(self) -> int:
        """int: the size of batches where it does not change the result."""
        return 256

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Decode a string tensor (batch,) of raw bytes into features (batch, ...)."""
        raise NotImplementedError

    def batches(self, split: str, **options: Any) -> tf.data.Dataset:
        """Read a split in batches; the options are those of `input_pipeline.read_batches`."""
        from common.records.input_pipeline import read_batches

        return read_batches(self.folder, self.manifest, split, self.decode, **options)

    def labelled(self, split: str) -> tf.data.Dataset:
        """Read a split in the order of its shards: batches of features, labels and track ids."""
        keys = ("features", "label", "track_id")
        return self.batches(split, batch_size=self.reading_batch, keys=keys)

    def arrays(self, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Iterate over the batches of `labelled` as NumPy arrays."""
        with self.naming_damage():
            yield from self.labelled(split).as_numpy_iterator()

    def some(self, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw features (count, ...) and labels (count,) at random from a split."""
        batches = self.batches(split, batch_size=count, training=True)
        return next(batches.as_numpy_iterator())
