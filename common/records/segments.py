"""Labelled segments: splits of a folder of records, arrays in memory, and partitions of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from common.fma.metadata import SPLITS
from common.records.folder import RecordFolder

if TYPE_CHECKING:
    import tensorflow as tf

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features (segments, ...), labels (segments,), track ids (segments,)."""

ARRAY_BATCH = 256
"""Segments at a time in `Segments.arrays`."""


class Split(Protocol):
    """Labelled segments that can be read any number of times."""

    def batches(self, *, batch_size: int, **options: Any) -> tf.data.Dataset:
        """Give batches of features and labels; see `input_pipeline.read_batches`."""
        ...

    def arrays(self) -> Iterable[Batch]:
        """Iterate over batches of NumPy arrays, always in the same order."""
        ...


@dataclass(frozen=True)
class RecordSplit:
    """A `Split` of a folder of records, read from its shards."""

    records: RecordFolder
    name: str

    def batches(self, *, batch_size: int, **options: Any) -> tf.data.Dataset:
        """See `Split.batches`."""
        return self.records.batches(self.name, batch_size=batch_size, **options)

    def arrays(self) -> Iterable[Batch]:
        """See `Split.arrays`."""
        return self.records.arrays(self.name)


@dataclass(frozen=True, eq=False)
class Segments:
    """A `Split` in memory.

    Attributes
    ----------
    features : np.ndarray [shape=(segments, ...)]
        Features as records hold them, or a vector that describes each segment.
    label : np.ndarray [shape=(segments,), dtype=int64]
        Indices of genres.
    track_id : np.ndarray [shape=(segments,), dtype=int64]
    """

    features: np.ndarray
    label: np.ndarray
    track_id: np.ndarray

    @classmethod
    def join(cls, batches: Iterable[Batch]) -> Segments:
        """Concatenate batches.

        Raises
        ------
        ValueError
            If there are none.
        """
        columns = [np.concatenate(column) for column in zip(*batches, strict=True)]
        if not columns:
            raise ValueError("there are no segments to learn from")
        return cls(*columns)

    @classmethod
    def read(cls, records: RecordFolder) -> Segments:
        """Read all splits: of Constant-Q features 41 KB a segment, 3 GB for FMA medium."""
        return cls.join(batch for split in SPLITS for batch in records.arrays(split))

    def batches(self, *, batch_size: int, **options: Any) -> tf.data.Dataset:
        """See `Split.batches`; takes the options of `input_pipeline.array_batches`."""
        from common.records.input_pipeline import array_batches

        return array_batches((self.features, self.label), batch_size=batch_size, **options)

    def arrays(self) -> Iterator[Batch]:
        """See `Split.arrays`."""
        for start in range(0, len(self.label), ARRAY_BATCH):
            part = slice(start, start + ARRAY_BATCH)
            yield self.features[part], self.label[part], self.track_id[part]

    def of(self, tracks: np.ndarray) -> Segments:
        """Keep the segments of some tracks."""
        chosen = np.isin(self.track_id, tracks)
        return Segments(self.features[chosen], self.label[chosen], self.track_id[chosen])

    def counts(self, genres: int) -> list[int]:
        """Count the segments of each genre."""
        return np.bincount(self.label, minlength=genres).tolist()

    def track_counts(self, genres: int) -> list[int]:
        """Count the tracks of each genre."""
        first = np.unique(self.track_id, return_index=True)[1]
        return np.bincount(self.label[first], minlength=genres).tolist()


@dataclass(frozen=True, eq=False)
class Partition:
    """Segments for training, validation and test: the splits of a folder, or folds of its tracks.

    Attributes
    ----------
    records : RecordFolder
        The folder that the segments come from. Its manifest holds the genres.
    training, validation, test : Split
    segments, tracks : list of int
        Training segments and training tracks of each genre, in label order.
    settings : mapping
        Description of the data, ready for JSON. A training resumes only on equal settings.
    name : str
        Name among the partitions of a cross-validation, e.g. ``"fold-0-member-1"``.
    """

    records: RecordFolder
    training: Split
    validation: Split
    test: Split
    segments: list[int]
    tracks: list[int]
    settings: Mapping[str, Any]
    name: str = ""

    @property
    def genres(self) -> tuple[str, ...]:
        """Tuple of str: the genres in label order."""
        return self.records.manifest.genres

    @classmethod
    def of(cls, records: RecordFolder) -> Partition:
        """Take the splits of a folder of records."""
        manifest = records.manifest
        segments, tracks = manifest.segments["training"], manifest.tracks["training"]
        keys = ("kind", "parameters", "genres", "shards")
        return cls(
            records,
            training=RecordSplit(records, "training"),
            validation=RecordSplit(records, "validation"),
            test=RecordSplit(records, "test"),
            segments=[segments.get(genre, 0) for genre in manifest.genres],
            tracks=[tracks.get(genre, 0) for genre in manifest.genres],
            settings={"records": {key: getattr(manifest, key) for key in keys}},
        )
