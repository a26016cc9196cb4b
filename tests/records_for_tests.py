"""Records in memory, for tests that need no folder of records."""

from __future__ import annotations

from pathlib import Path

from common.fma.metadata import SPLITS
from common.records.folder import RecordFolder
from common.records.segments import MemoryRecords, Segments
from common.records.tfrecords import Manifest


def records_of(
    training: Segments,
    others: Segments,
    genres: tuple[str, ...],
    kind: type[MemoryRecords] = MemoryRecords,
) -> MemoryRecords:
    """Train on some segments, and select and test on others."""
    described = Manifest("noise", {}, genres, "all", {"title": "noise"}, {}, {}, {})
    splits = dict(zip(SPLITS, (training, others, others), strict=True))
    return kind.divide(RecordFolder(Path("nowhere"), described), splits)
