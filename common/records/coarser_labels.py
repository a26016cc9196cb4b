"""Coarser labels of records: all genres → root genres → one root genre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import UserError
from common.fma.labels import LABELS
from common.records.tfrecords import Manifest, count_genres

NO_LABEL = -1  # label of tracks that the coarser labels leave out


def coarsen(manifest: Manifest, labels: str, folder: Path) -> tuple[Manifest, tuple[int, ...]]:
    """Describe records by coarser labels.

    With ``labels = "top"``, a track of one root genre has it as its label, as in the FMA, and other
    tracks are left out.

    Parameters
    ----------
    labels : str
        A key of `LABELS`, coarser than those of the manifest.
    folder : Path
        Name of the records in errors.

    Returns
    -------
    manifest : Manifest
    label_map : tuple of int
        New label of each old label, or `NO_LABEL`.

    Raises
    ------
    UserError
        If the labels of the records are coarser.
    """
    order = list(LABELS)
    if order.index(labels) >= order.index(manifest.labels):
        raise UserError(
            f"{folder} has records with --labels {manifest.labels}: make them again with --labels "
            "all, which serves for every kind of label"
        )
    roots = [
        tuple(genre for genre in own if genre not in manifest.parents)
        for own in manifest.label_sets
    ]
    sets: list[tuple[str, ...]]
    if labels == "top":
        roots = [own if len(own) == 1 else () for own in roots]
        sets = [(genre,) for genre in _in_training(manifest, roots)]
    else:
        sets = sorted(set(roots))
    number = {own: label for label, own in enumerate(sets)}
    label_map = tuple(number.get(own, NO_LABEL) for own in roots)
    segments, tracks = (
        {split: _sum(counts, label_map, len(sets)) for split, counts in of_splits.items()}
        for of_splits in (manifest.by_label["segments"], manifest.by_label["tracks"])
    )
    known = {genre for own in sets for genre in own}
    coarser = replace(
        manifest,
        genres=tuple(genre for genre in manifest.genres if genre in known),
        labels=labels,
        parents={},
        left_out={},
        segments=count_genres(segments, sets),
        tracks=count_genres(tracks, sets),
        label_sets=() if labels == "top" else tuple(sets),
        by_label={} if labels == "top" else {"segments": segments, "tracks": tracks},
    )
    return coarser, label_map


def _in_training(manifest: Manifest, roots: Sequence[tuple[str, ...]]) -> list[str]:
    """List the genres that are the only root of a training track, in label order."""
    counts = manifest.by_label["tracks"]["training"]
    found = {own[0] for own, count in zip(roots, counts, strict=True) if own and count}
    return [genre for genre in manifest.genres if genre in found]


def _sum(counts: Sequence[int], label_map: Sequence[int], labels: int) -> list[int]:
    sums = [0] * labels
    for count, label in zip(counts, label_map, strict=True):
        if label != NO_LABEL:
            sums[label] += count
    return sums
