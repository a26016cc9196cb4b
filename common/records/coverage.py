"""Whether the genres and splits of some records suffice to train and to evaluate a classifier."""

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
    """List what prevents training or evaluation; empty if nothing does."""
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
    """Refuse to train on records that `find_shortcomings` objects to.

    Raises
    ------
    UserError
    """
    if found := find_shortcomings(manifest.genres, manifest.segments):
        raise UserError(
            f"{'; '.join(found)}: {display_path(folder / FAILURES)} says why; replace these files, "
            "or leave out the genre, and make the records again"
        )
