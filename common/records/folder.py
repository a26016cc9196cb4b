"""Reading a folder of finished records, as batches of TensorFlow or of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from common.errors import UserError
from common.fma.labels import SEPARATOR
from common.records.shards import PLAN
from common.records.tfrecords import Manifest
from common.tables import read_table

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class RecordFolder:
    """A folder of finished records. A stage derives a class with a `kind` and a `decode`."""

    folder: Path
    manifest: Manifest

    label_map: tuple[int, ...] = field(default=(), kw_only=True)
    """Label of each label in the files, if they differ; see `with_labels`."""

    kind: ClassVar[str]
    """See `Manifest.kind`."""

    command: ClassVar[str] = "the command that made the records"
    """Name of the command for messages."""

    @classmethod
    def open(cls, folder: str | Path, **options: Any) -> Self:
        """Open a folder, with further attributes of the class as options.

        A `UserError` is raised if it holds no finished records, or those of another kind.
        """
        return cls(Path(folder), Manifest.read(folder, cls.kind), **options)

    @property
    def settings(self) -> dict[str, Any]:
        """dict: description of the data for JSON; a training resumes if it is unchanged."""
        keys = ["kind", "parameters", "genres", "shards"]
        keys += ["labels", "parents"] if self.manifest.has_several_genres else []
        return {"records": {key: getattr(self.manifest, key) for key in keys}}

    def with_labels(self, labels: str) -> Self:
        """Read the records with coarser labels; see `coarser_labels.coarsen`, also for errors."""
        from common.records.coarser_labels import coarsen

        if labels == self.manifest.labels:
            return self
        manifest, label_map = coarsen(self.manifest, labels, self.folder)
        return replace(self, manifest=manifest, label_map=label_map)

    def plan(self) -> pd.DataFrame:
        """Read the ``split``, ``genre``, ``label`` and ``artist`` of each track, by track id.

        Several genres of a track are joined by `common.fma.labels.SEPARATOR`.

        A `UserError` is raised if the table is missing.
        """
        path = self.folder / PLAN
        if not path.exists():
            raise UserError(f"{path} is missing: run {self.command} again")
        table = read_table(path, "track_id")
        if not self.label_map:
            return table
        label = np.array(self.label_map)[table["label"]]
        manifest = self.manifest
        sets = manifest.label_sets or [(genre,) for genre in manifest.genres]
        genre = [SEPARATOR.join(sets[one]) if one >= 0 else "" for one in label]
        return table.assign(label=label, genre=genre)[label >= 0]

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
        """int: batch size where it does not affect the result."""
        return 256

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Decode a string tensor (batch,) of raw bytes into features (batch, ...)."""
        raise NotImplementedError

    def batches(self, split: str, **options: Any) -> tf.data.Dataset:
        """Read a split in batches; the options are those of `input_pipeline.read_batches`."""
        from common.records.input_pipeline import read_batches

        return read_batches(
            self.folder, self.manifest, split, self.decode, label_map=self.label_map, **options
        )

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
