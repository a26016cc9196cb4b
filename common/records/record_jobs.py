"""From a plan of tracks to a folder of records: what the jobs of both stages have in common.

The tracks of a plan are dealt into shards. Each shard is a job, which writes one TFRecord file and
gives back what is in it and what could not be had. The folder's manifest and its list of failures
are made of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from common.errors import UserError
from common.fma.genres import describe_similar
from common.fma.metadata import SPLITS
from common.fma.track_plan import plan_digest
from common.jobs.disk import require_space
from common.jobs.run import Job, run_jobs
from common.paths import display_path
from common.records.coverage import find_shortcomings
from common.records.tfrecords import FAILURES, Manifest, shard_name, write_shard
from common.tables import read_table, write_table

TRACKS_PER_SHARD = 32

PLAN = "tracks.csv"
"""The plan as a file beside the shards: cross-validation needs the artists."""


@dataclass(frozen=True)
class Shard:
    """One job: the tracks of one TFRecord file. A stage adds what it needs to write it.

    Attributes
    ----------
    split : str
    path : Path
        The file to write.
    tracks : tuple of tuples
        Track id, label, and whatever the stage wants to know of each track.
    """

    split: str
    path: Path
    tracks: tuple[tuple, ...]

    @property
    def size(self) -> int:
        """int: about how many bytes the file will have if every track can be had."""
        raise NotImplementedError


AnyShard = TypeVar("AnyShard", bound=Shard)


def deal_tracks(
    plan: pd.DataFrame,
    out: Path,
    make: Callable[..., AnyShard],
    *,
    columns: Sequence[str],
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> dict[str, list[AnyShard]]:
    """Deal the tracks of each split into shards, mixed so that each shard has many genres.

    Parameters
    ----------
    plan : pandas.DataFrame
        Indexed by track id, with ``split`` and `columns`.
    out : Path
        The folder of the shards.
    make : callable
        Makes a shard of ``split``, ``path`` and ``tracks``.
    columns : sequence of str
        What a shard is to know of each track besides its id.
    tracks_per_shard : int
        At most.

    Returns
    -------
    dict
        Split → shards. The same plan gives the same shards.
    """
    shards = {}
    for split in SPLITS:
        tracks = plan[plan["split"] == split].sample(frac=1, random_state=0)
        rows = list(zip(tracks.index.tolist(), *(tracks[name] for name in columns), strict=True))
        count = -(-len(rows) // tracks_per_shard)
        shards[split] = [
            make(split=split, path=out / shard_name(split, i, count), tracks=tuple(rows[i::count]))
            for i in range(count)
        ]
    return shards


def write_records(shard: Shard, records: Iterable[Mapping[str, Any]], failures: list[Any]) -> dict:
    """Write one shard and tell what is in it: the last thing that a job does.

    Parameters
    ----------
    shard : Shard
    records : iterable of mappings
        With ``label`` and ``track_id``; see `common.records.tfrecords.encode_example`.
    failures : list of tuples
        What could not be had, track id first. It may grow while the records are read.

    Returns
    -------
    dict
        ``split``, ``files`` and ``checksums`` (as `common.jobs.run.run_jobs` takes them), ``shard``
        (its entry in the manifest), ``segments`` and ``tracks`` (counts by label), ``failures``.
    """
    segments: Counter[str] = Counter()
    tracks: dict[str, set[int]] = {}

    def counted() -> Iterable[Mapping[str, Any]]:
        for record in records:
            label = str(record["label"])
            segments[label] += 1
            tracks.setdefault(label, set()).add(record["track_id"])
            yield record

    written = write_shard(shard.path, counted())
    return {
        "split": shard.split,
        "files": {shard.path.name: written["bytes"]},
        "checksums": {shard.path.name: written["crc32c"]},
        "shard": {"name": shard.path.name, **written},
        "segments": dict(segments),
        "tracks": {label: len(ids) for label, ids in tracks.items()},
        "failures": failures,
    }


def run_shards(
    function: Callable[[Any], dict],
    shards: Mapping[str, Sequence[Shard]],
    plan: pd.DataFrame,
    described: Manifest,
    *,
    out: Path,
    source: Path,
    failure: Sequence[str],
    tracks_per_shard: int,
    workers: int | str | None,
    description: str,
) -> Manifest:
    """Write the records of a plan, or what is missing of them, their failures and their manifest.

    Parameters
    ----------
    function : callable
        Writes one shard; it ends with `write_records`.
    shards : mapping
        As `deal_tracks` gives them.
    plan : pandas.DataFrame
        Indexed by ``track_id``, with ``split``, ``genre`` and ``label``.
    described : Manifest
        What the records are, not yet how many.
    out, source : Path
        The folder of the records, and the one that they are made of.
    failure : sequence of str
        What the job's failures tell after the track id: column names.
    tracks_per_shard : int
        As the shards were dealt.
    workers : int or str, optional
        Number of processes, by default one a core; or the address of a Dask cluster's scheduler.
        The bytes do not depend on it.
    description : str
        For the progress bar.

    Returns
    -------
    Manifest
        What was described, with the shards and the counts.

    Raises
    ------
    UserError
        If the folder holds records made with other settings, the disk has no room for what is
        missing, or no training track could be used.
    """
    missing = sum(
        shard.size for split in SPLITS for shard in shards[split] if not shard.path.exists()
    )
    # A tenth, since tracks that cannot be had make it less.
    require_space(out, missing, "records", tolerance=0.1)
    jobs = [
        Job(shard.path.name, shard, size=len(shard.tracks))
        for split in SPLITS
        for shard in shards[split]
    ]
    settings = {
        "genres": described.genres,
        "kind": described.kind,
        "parameters": described.parameters,
        "tracks": plan_digest(plan),
        "tracks_per_shard": tracks_per_shard,
    }
    results = run_jobs(
        function,
        jobs,
        folder=out,
        settings=settings,
        workers=workers,
        sources=[source],
        description=description,
    )
    failures = [failed for result in results for failed in result["failures"]]
    write_table(out / PLAN, plan.reset_index())
    write_table(out / FAILURES, failure_table(plan, failures, failure))
    manifest = replace(
        described,
        segments=_counts("segments", results, described.genres),
        tracks=_counts("tracks", results, described.genres),
        shards={split: [r["shard"] for r in results if r["split"] == split] for split in SPLITS},
    )
    if not manifest.segments["training"]:
        raise UserError(f"no training track of {source} could be read: {out / FAILURES} says why")
    manifest.write(out)
    return manifest


def _counts(what: str, results: list[dict], genres: Sequence[str]) -> dict[str, dict[str, int]]:
    """Add up a count of the jobs: split → genre → number, where it is not zero."""
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for result in results:
        counts[result["split"]].update(result[what])
    return {
        split: {genre: labels[str(i)] for i, genre in enumerate(genres) if labels[str(i)]}
        for split, labels in counts.items()
    }


def failure_table(
    plan: pd.DataFrame, failures: Iterable[Sequence], columns: Sequence[str]
) -> pd.DataFrame:
    """List what was planned and could not be had, in the order of the tracks.

    Parameters
    ----------
    plan : pandas.DataFrame
        Indexed by track id, with ``split`` and ``genre``.
    failures : iterable of sequences
        Track id, then what `columns` name.
    columns : sequence of str

    Returns
    -------
    pandas.DataFrame
        ``track_id``, ``split``, ``genre`` and `columns`.
    """
    # Those of an earlier run come from the journal, as lists.
    rows = sorted(tuple(failed) for failed in failures)
    table = pd.DataFrame(rows, columns=["track_id", *columns])
    table.insert(1, "split", table["track_id"].map(plan["split"]))
    table.insert(2, "genre", table["track_id"].map(plan["genre"]))
    return table


def summarise(manifest: Manifest, out: Path, unit: str) -> str:
    """Say in a few lines what a folder of records holds.

    Parameters
    ----------
    manifest : Manifest
    out : Path
        The folder.
    unit : str
        What a record is, in the plural.
    """
    lines = [f"Records in {display_path(out)}"]
    for split in SPLITS:
        records = sum(manifest.segments[split].values())
        tracks = sum(manifest.tracks[split].values())
        lines.append(
            f"  {split:<10} {records:>7,} {unit} of {tracks:>6,} tracks "
            f"in {len(manifest.shards[split]):,} shard(s)"
        )
    lost = len(read_table(out / FAILURES))
    where = f": {display_path(out / FAILURES)}" if lost else ""
    lines.append(f"  {lost:,} planned {unit} could not be had{where}")
    shortcomings = find_shortcomings(manifest.genres, manifest.segments)
    lines += [f"warning: {found}; training will refuse these records" for found in shortcomings]
    return "\n".join([*lines, *describe_similar(manifest.genres)])
