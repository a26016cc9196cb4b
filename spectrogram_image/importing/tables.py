"""Tables of an import: the splits of the tracks, and pictures with the same pixels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.artist_splits import deal_artists
from common.fma.metadata import SPLITS
from common.paths import display_path
from common.tables import write_table
from common.text import one_line

DUPLICATES = "duplicates.csv"
"""Table of the pictures with the same pixels as an earlier one."""


def plan_import(
    tracks: pd.DataFrame, checksums: pd.Series, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Complete the splits, the labels and the artists of `Listing.tracks`.

    Without splits, artists are divided among them; pictures with the same pixels count as one
    artist if theirs is unknown. `checksums` are those of the usable pictures, by track id.
    """
    plan = tracks.copy()
    notes = []
    unknown = plan["artist"] == ""
    own = "track " + plan.index.to_series().astype(str)
    if (plan["split"] == "").all():
        alike = checksums.reindex(plan.index).fillna(own)
        group = plan["artist"].mask(unknown, alike)
        usable = plan.assign(artist=group).loc[checksums.index]
        plan["split"] = group.map(deal_artists(usable, seed=seed)).fillna("training")
        if unknown.any():
            notes.append(
                f"warning: the artists of {unknown.sum():,} tracks are unknown. They were divided "
                "among the splits by name, so tracks of one artist may be in several splits, and "
                "scores are too high. A CSV can name artists, see --help"
            )
    else:
        if missing := [split for split in SPLITS if split not in set(plan["split"])]:
            raise UserError(f"no track is in the split {missing[0]}: assign some tracks to it")
        trained = set(plan.loc[plan["split"] == "training", "genre"])
        if lost := set(plan["genre"]) - trained:
            raise UserError(f"no training track is {one_line(min(lost))}, but other tracks are")
        splits = plan[~unknown].groupby("artist")["split"].nunique()
        if several := int((splits > 1).sum()):
            notes.append(f"warning: {several:,} artists are in several splits of the source")
    plan["label"] = plan["genre"].map(sorted(set(plan["genre"])).index).astype(int)
    plan["artist"] = plan["artist"].mask(unknown, own)
    plan["path"] = plan["path"].map(one_line)
    return plan[["split", "genre", "label", "artist", "path"]], notes


def list_copies(
    plan: pd.DataFrame, checksums: pd.Series, out: Path, *, allowed: bool
) -> tuple[int, list[str]]:
    """Write the table of pictures with the same pixels as one with a smaller track id.

    Copies in another split are a `UserError` unless they are allowed.
    """
    ids = checksums.sort_index().index.to_series()
    first = ids.groupby(checksums).transform("first")
    copies = first[first != ids]
    columns = ["split", "genre", "path"]
    table = plan.loc[copies.index, columns].reset_index()
    original = plan.loc[copies, columns].reset_index().add_prefix("same_as_")
    write_table(out / DUPLICATES, table := pd.concat([table, original], axis=1))
    if table.empty:
        return 0, []
    where = display_path(out / DUPLICATES)
    across = int((table["split"] != table["same_as_split"]).sum())
    if across and not allowed:
        raise UserError(
            f"pictures with the same pixels as one in another split: {across:,}; see {where}, and "
            "delete one of each pair, or accept them with --allow-duplicates"
        )
    other = int((table["genre"] != table["same_as_genre"]).sum())
    return len(table), [
        f"pictures with the same pixels as an earlier one: {len(table):,}, {other:,} of them with "
        f"another genre, {across:,} in another split; {where}"
    ]
