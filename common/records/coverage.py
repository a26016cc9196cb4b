"""Checks that the genres and splits of records suffice to train and evaluate a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.paths import display_path
from common.records.tfrecords import FAILURES, Manifest

Counts = Mapping[str, Mapping[str, int]]
"""Split → genre → number of examples; genres without any may be absent."""


def find_shortcomings(genres: Sequence[str], counts: Counts) -> list[str]:
    """List the reasons that prevent training or evaluation."""
    used = [genre for genre in genres if counts["training"].get(genre)]
    lost = [genre for genre in genres if genre not in used]
    found = []
    if lost:
        found.append(f"no training track of {', '.join(lost)} has usable audio")
    if len(used) < 2:
        found.append(f"{len(used)} of the genres can be trained, two are needed")
    found += [
        f"no {split} track has usable audio"
        for split in SPLITS[1:]
        if not any(counts[split].values())
    ]
    return found


def require_coverage(manifest: Manifest, folder: Path) -> None:
    """Raise a `UserError` if records have shortcomings."""
    if found := find_shortcomings(manifest.genres, manifest.segments):
        raise UserError(
            f"{'; '.join(found)}: see {display_path(folder / FAILURES)}; replace these files, or "
            "leave out the genre, and make the records again"
        )
