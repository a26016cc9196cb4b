"""Tables of an import: splits, copies, and notes for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.fma.artist_splits import deal_artists
from common.fma.genres import describe_similar
from common.fma.metadata import SPLITS
from common.fma.track_plan import genres_of
from common.paths import display_path
from common.records.coverage import find_shortcomings
from common.records.tfrecords import FAILURES
from common.text import one_line
from spectrogram_image.images.folder import ImageSet
from spectrogram_image.images.rendering import COLORS, palette
from spectrogram_image.importing.survey import Survey

DUPLICATES = "duplicates.csv"
"""Table of the pictures with the same pixels as an earlier one."""


def plan_import(
    tracks: pd.DataFrame, checksums: pd.Series, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Complete the splits, and add labels and the artists' names.

    Parameters
    ----------
    tracks : pandas.DataFrame
        See `Listing.tracks`.
    checksums : pandas.Series
        Of the pixels of the usable pictures, by track id.
    seed : int
        Seed of the division into splits.

    Returns
    -------
    plan : pandas.DataFrame
        By track id: ``split``, ``genre``, ``label``, ``artist``, ``path``.
    notes : list of str
    """
    plan = tracks.copy()
    notes = []
    unknown = plan["artist"] == ""
    if (plan["split"] == "").all():
        # Pictures with the same pixels are in one split.
        group = plan["artist"].where(~unknown, checksums.reindex(plan.index))
        group = group.fillna("track " + plan.index.to_series().astype(str))
        usable = plan.assign(artist=group).loc[checksums.index]
        groups = usable.groupby("genre")["artist"].nunique()
        if groups.max() < 3:
            raise UserError(
                "too few tracks: no genre has three pictures or three artists, one for each split"
            )
        split = deal_artists(usable, seed=seed)
        plan["split"] = group.map(split).fillna("training")
        if unknown.any():
            notes.append(
                f"warning: the artists of {unknown.sum():,} tracks are unknown. They were divided "
                "among the splits by name, so tracks of one artist may be in several splits, and "
                "scores are too high. A CSV can name artists, see --help"
            )
    elif missing := [split for split in SPLITS if split not in set(plan["split"])]:
        raise UserError(f"no track is in the split {missing[0]}: assign some tracks to it")
    else:
        splits = plan[~unknown].groupby("artist")["split"].nunique()
        if several := int((splits > 1).sum()):
            notes.append(f"warning: {several:,} artists are in several splits of the source")
    lost = set(plan["genre"]) - set(plan.loc[plan["split"] == "training", "genre"])
    if lost:
        raise UserError(f"no training track is {one_line(min(lost))}, but other tracks are")
    plan["label"] = plan["genre"].map(sorted(set(plan["genre"])).index).astype(int)
    own = "track " + plan.index.to_series().astype(str)
    plan["artist"] = plan["artist"].where(~unknown, own)
    plan["path"] = [one_line(path) for path in plan["path"]]
    return plan[["split", "genre", "label", "artist", "path"]], notes


def find_copies(plan: pd.DataFrame, checksums: pd.Series) -> pd.DataFrame:
    """Tabulate the pictures with the same pixels as one with a smaller track id."""
    checksums = checksums.sort_index()
    ids = checksums.index.to_series()
    first = ids.groupby(checksums).transform("first")
    copies = first[first != ids]
    columns = ["split", "genre", "path"]
    table = plan.loc[copies.index, columns].reset_index()
    same_as = plan.loc[copies, columns].reset_index().add_prefix("same_as_")
    return pd.concat([table, same_as], axis=1)


def describe_copies(copies: pd.DataFrame, out: Path, *, allow_duplicates: bool) -> list[str]:
    """Count the copies; raise a `UserError` for those in another split unless they are allowed."""
    if copies.empty:
        return []
    where = display_path(out / DUPLICATES)
    across = int((copies["split"] != copies["same_as_split"]).sum())
    if across and not allow_duplicates:
        raise UserError(
            f"pictures with the same pixels as one in another split: {across:,}; see {where}, and "
            "delete one of each pair, or accept them with --allow-duplicates"
        )
    other = int((copies["genre"] != copies["same_as_genre"]).sum())
    genres = f", {other:,} of them with another genre" if other else ""
    splits = f", {across:,} of them in another split" if across else ""
    return [
        f"pictures with the same pixels as an earlier one: {len(copies):,}{genres}{splits}; {where}"
    ]


def describe_pixels(images: ImageSet, surveyed: Survey) -> list[str]:
    """Describe how pixels became levels, and how many pictures were resized."""
    origin: dict[str, Any] = images.origin or {}
    notes = []
    if surveyed.cmap is None:
        notes.append("Pixels: colours, three bytes each")
        if match := surveyed.match:
            notes[-1] += (
                f"; {surveyed.nearest}, the nearest of Matplotlib's colour maps, has "
                f"{match.exact:.0%} of the pixels, and the mean distance of the others is "
                f"{match.of_others:.0f}"
            )
    elif not surveyed.cmap:
        notes.append("Pixels: grey, taken as levels")
    elif match := origin.get("colormap"):
        name = match["name"]
        turned = name.removesuffix("_r") if name.endswith("_r") else f"{name}_r"
        notes.append(
            f"Pixels: levels of {name}; {match['exact_pixels']:.2%} of the pixels have its colours "
            f"(to 1 a channel), mean distance {match['mean_distance']:.2f}, largest "
            f"{match['largest_distance']:.0f}. --cmap {turned} would invert the levels"
        )
        if (colors := len(np.unique(palette(name), axis=0))) < COLORS:
            notes.append(f"The {COLORS} levels of {name} have {colors} different colours")
        if match["exact_pixels"] < 0.9:
            notes.append(
                "warning: most pixels have other colours, as after lossy compression (JPEG) or "
                "resizing: the levels are approximate"
            )
    if origin["resized"]:
        size = f"{images.parameters.width} × {images.parameters.height}"
        notes.append(
            f"{origin['resized']:,} of {sum(images.images.values()):,} pictures had other sizes "
            f"and were resized to {size} pixels"
        )
    return notes


def describe_failures(failures: Sequence[tuple[int, str]], out: Path) -> list[str]:
    """Count the reasons, without their details in brackets."""
    if not failures:
        return []
    reasons = Counter(reason.split(" (")[0] for _, reason in failures)
    shown = ", ".join(f"{one_line(reason)}: {count:,}" for reason, count in reasons.most_common(4))
    where = display_path(out / FAILURES)
    return [f"pictures that cannot be used: {len(failures):,} ({shown}); {where}"]


def describe_genres(plan: pd.DataFrame) -> list[str]:
    """Describe genres and splits that do not suffice for training, and similar names."""
    counts = plan[plan["made"]].groupby("split")["genre"].value_counts()
    by_split = {split: dict(counts.get(split, {})) for split in SPLITS}
    shortcomings = find_shortcomings(genres_of(plan), by_split)
    notes = [f"warning: {found}; training will refuse these images" for found in shortcomings]
    return notes + describe_similar(plan["genre"])
