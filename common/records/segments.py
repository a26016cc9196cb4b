"""Labelled segments in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from common.fma.metadata import SPLITS
from common.records.folder import RecordFolder

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features (segments, ...), labels (segments,), track ids (segments,)."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Labelled segments in memory.

    Attributes
    ----------
    features : np.ndarray [shape=(segments, ...)]
        As records hold them, or a vector for each segment.
    label : np.ndarray [shape=(segments,), dtype=int64]
        Indices of genres.
    track_id : np.ndarray [shape=(segments,), dtype=int64]
    """

    features: np.ndarray
    label: np.ndarray
    track_id: np.ndarray

    @classmethod
    def join(cls, batches: Iterable[Batch]) -> Segments:
        """Concatenate batches; raise a `ValueError` if there are none."""
        columns = [np.concatenate(column) for column in zip(*batches, strict=True)]
        if not columns:
            raise ValueError("there are no segments to learn from")
        return cls(*columns)

    @classmethod
    def read(cls, records: RecordFolder) -> Segments:
        """Read all splits. Constant-Q features take 41 KB a segment, 3 GB for FMA medium."""
        with records.naming_damage():
            return cls.join(batch for split in SPLITS for batch in records.arrays(split))

    def of(self, tracks: np.ndarray) -> Segments:
        """Select the segments of some tracks."""
        chosen = np.isin(self.track_id, tracks)
        return Segments(self.features[chosen], self.label[chosen], self.track_id[chosen])

    def counts(self, genres: int) -> list[int]:
        """Count the segments of each genre."""
        return np.bincount(self.label, minlength=genres).tolist()
