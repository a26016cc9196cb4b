"""A partition of segments in memory, for tests that need no folder of records."""

from __future__ import annotations

from pathlib import Path

from common.records.folder import RecordFolder
from common.records.segments import Partition, Segments
from common.records.tfrecords import Manifest


def partition_of(training: Segments, validation: Segments, genres: tuple[str, ...]) -> Partition:
    """Train on some segments, and select and test on others."""
    described = Manifest("noise", {}, genres, "all", {"title": "noise"}, {}, {}, {})
    return Partition(
        RecordFolder(Path("nowhere"), described),
        training=training,
        validation=validation,
        test=validation,
        segments=training.counts(len(genres)),
        tracks=training.track_counts(len(genres)),
        settings={},
    )
