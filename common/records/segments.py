"""Labelled segments in memory, and records that consist of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from common.fma.metadata import SPLITS
from common.records.folder import RecordFolder
from common.records.tfrecords import count_genres

if TYPE_CHECKING:
    import tensorflow as tf

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features (segments, ...), labels (segments,), track ids (segments,)."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Labelled segments in memory.

    ``features`` (segments, ...) are stored features, or one vector per segment; ``label`` and
    ``track_id`` are int64 (segments,).
    """

    features: np.ndarray
    label: np.ndarray
    track_id: np.ndarray

    @classmethod
    def join(cls, batches: Iterable[Batch]) -> Segments:
        """Concatenate batches; raise a `ValueError` if there are none."""
        columns = [np.concatenate(column) for column in zip(*batches, strict=True)]
        if not columns:
            raise ValueError("there are no segments")
        return cls(*columns)

    @classmethod
    def read(cls, records: RecordFolder) -> Segments:
        """Read all splits. Constant-Q features take 41 KB per segment, 3 GB for FMA medium."""
        return cls.join(batch for split in SPLITS for batch in records.arrays(split))

    def of(self, tracks: np.ndarray) -> Segments:
        """Select the segments of the given tracks."""
        chosen = np.isin(self.track_id, tracks)
        return Segments(self.features[chosen], self.label[chosen], self.track_id[chosen])

    def sample(self, at_most: int, seed: int = 0) -> Segments:
        """Draw whole tracks until the next would exceed the number of segments."""
        tracks, position = np.unique(self.track_id, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(tracks))
        sizes = np.bincount(position)[order]
        return self.of(tracks[order[np.cumsum(sizes) <= at_most]])


@dataclass(frozen=True)
class MemoryRecords(RecordFolder):
    """Records whose splits are in memory, e.g. folds of the tracks of a folder.

    ``name`` is the name of the fold, e.g. ``"fold-0-member-1"``, and ``training_tracks`` its
    planned training tracks, in order.
    """

    splits: Mapping[str, Segments] = field(default_factory=dict)
    name: str = ""
    training_tracks: tuple[int, ...] = ()

    @classmethod
    def divide(cls, records: RecordFolder, splits: Mapping[str, Segments], **options: Any) -> Self:
        """Replace the splits of a folder by segments of the same kind."""
        manifest = records.manifest
        sets = manifest.label_sets or [(genre,) for genre in manifest.genres]

        def count(label: np.ndarray) -> list[int]:
            return np.bincount(label, minlength=len(sets)).tolist()

        first = {s: np.unique(part.track_id, return_index=True)[1] for s, part in splits.items()}
        by_label = {
            "segments": {split: count(part.label) for split, part in splits.items()},
            "tracks": {split: count(part.label[first[split]]) for split, part in splits.items()},
        }
        manifest = replace(
            manifest,
            segments=count_genres(by_label["segments"], sets),
            tracks=count_genres(by_label["tracks"], sets),
            by_label=by_label if manifest.has_several_genres else {},
        )
        return cls(records.folder, manifest, splits, **options)

    @property
    def settings(self) -> dict[str, Any]:
        """dict: see `RecordFolder.settings`."""
        keys = ["parameters", "genres"]
        keys += ["labels", "parents"] if self.manifest.has_several_genres else []
        described = {key: getattr(self.manifest, key) for key in keys}
        return {"records": described, "training_tracks": self.training_tracks}

    def arrays(self, split: str) -> Iterator[Batch]:
        """Iterate over batches of a split as NumPy arrays."""
        part = self.splits[split]
        for start in range(0, len(part.label), self.reading_batch):
            rows = slice(start, start + self.reading_batch)
            yield part.features[rows], part.label[rows], part.track_id[rows]

    def batches(
        self, split: str, *, keys: Sequence[str] = ("features", "label"), **options: Any
    ) -> tf.data.Dataset:
        """Read a split in batches; takes the options of `input_pipeline.read_batches`."""
        from common.records.input_pipeline import array_batches

        part = self.splits[split]
        return array_batches(tuple(getattr(part, key) for key in keys), **options)
