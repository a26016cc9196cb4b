"""Writing a folder of records: the tracks of a plan are dealt into shards, and a shard is a job.

A stage derives its own `Shard`, which reads the arrays of one track.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.fma.genres import describe_similar
from common.fma.metadata import SPLITS
from common.fma.track_plan import plan_digest
from common.jobs.files import fingerprint, require_space
from common.jobs.run import Job, run_jobs
from common.paths import display_path
from common.records.coverage import find_shortcomings
from common.records.tfrecords import (
    FAILURES,
    PLAN,
    Manifest,
    count_genres,
    shard_name,
    write_shard,
)
from common.tables import read_table, write_table

TRACKS_PER_SHARD = 32


@dataclass(frozen=True)
class Shard:
    """The tracks of one TFRecord file, and methods that read them.

    ``source`` is the folder of the files to read. ``tracks`` are tuples of the track id, the label
    and the further columns given to `deal_tracks`.
    """

    split: str
    path: Path
    source: Path
    tracks: tuple[tuple, ...]

    @property
    def size(self) -> int:
        """int: approximate size of the file in bytes if no track fails."""
        raise NotImplementedError

    def file_of(self, track: tuple) -> Path:
        """Return the path of a track's source file."""
        raise NotImplementedError

    def read(self, track: tuple) -> tuple[dict[int, np.ndarray], list[tuple]]:
        """Read a track: arrays by number of the segment, and failures.

        A failure is a tuple of the track id and the columns of `run_shards`' failures, for each
        unreadable segment.
        """
        raise NotImplementedError


def deal_tracks(
    plan: pd.DataFrame, columns: Sequence[str], tracks_per_shard: int = TRACKS_PER_SHARD
) -> Iterator[tuple[str, str, tuple[tuple, ...]]]:
    """Deal the tracks of each split into shards, shuffled so that each shard has many genres.

    ``plan`` is indexed by track id, with ``split`` and the columns to be in `Shard.tracks` after
    the track id. The same plan produces the same shards. The split, file name and tracks of each
    `Shard` are yielded.
    """
    for split in SPLITS:
        tracks = plan[plan["split"] == split].sample(frac=1, random_state=0)
        rows = list(zip(tracks.index.tolist(), *(tracks[name] for name in columns), strict=True))
        count = -(-len(rows) // tracks_per_shard)
        for index in range(count):
            yield split, shard_name(split, index, count), tuple(rows[index::count])


def run_shard(shard: Shard) -> dict:
    """Write one shard as a job of `run_jobs`.

    The result has ``split``; ``shard`` (its entry in the manifest); ``segments`` and ``tracks``
    (counts by label); ``failures``; and ``files``, ``checksums`` and ``unusable`` for `run_jobs`.
    """
    segments: Counter[str] = Counter()
    tracks: Counter[str] = Counter()
    failures: list[tuple] = []
    unusable = {}

    def records() -> Iterator[dict[str, bytes | int]]:
        for track in shard.tracks:
            track_id, label, *_ = track
            path = shard.file_of(track)
            state = fingerprint(path)
            arrays, failed = shard.read(track)
            for segment, array in arrays.items():
                values = {"label": label, "track_id": track_id, "segment": segment}
                yield {"features": array.tobytes(), **values}
            segments[str(label)] += len(arrays)
            tracks[str(label)] += len(arrays) > 0
            if failed:
                failures.extend(failed)
                unusable[path.relative_to(shard.source).as_posix()] = state

    written = write_shard(shard.path, records())
    return {
        "split": shard.split,
        "files": {shard.path.name: written["bytes"]},
        "checksums": {shard.path.name: written["crc32c"]},
        "unusable": unusable,
        "shard": {"name": shard.path.name, **written},
        "segments": segments,
        "tracks": tracks,
        "failures": failures,
    }


def run_shards(
    shards: Sequence[Shard],
    plan: pd.DataFrame,
    settings: Mapping[str, Any],
    *,
    out: Path,
    source: Path,
    failure: Sequence[str],
    workers: int | str | None,
    description: str,
) -> dict[str, Any]:
    """Write the missing shards, the plan and the table of failures.

    A shard with failures is repeated if one of their source files has changed. The bytes do not
    depend on the workers.

    Parameters
    ----------
    plan : pandas.DataFrame
        Indexed by ``track_id``, with ``split``, ``genre`` and ``label``.
    settings : mapping
        All other dependencies of the records, with the ``genres`` in label order.
    out, source : Path
        Folders to write and to read.
    failure : sequence of str
        Columns of the table of failures, after those of the track.

    Returns
    -------
    dict
        ``segments``, ``tracks`` and ``shards`` of the folder's `Manifest`.

    Raises
    ------
    UserError
        If the folder holds records made with other settings, the disk has too little space for
        the missing ones, or no training track could be read.
    """
    missing = sum(shard.size for shard in shards if not shard.path.exists())
    require_space(out, missing, "records", tolerance=0.1)  # unreadable tracks take none
    results = run_jobs(
        run_shard,
        [Job(shard.path.name, shard, size=len(shard.tracks)) for shard in shards],
        folder=out,
        settings={**settings, "tracks": plan_digest(plan)},
        workers=workers,
        source=source,
        description=description,
    )
    failures = [failed for result in results for failed in result["failures"]]
    write_table(out / PLAN, plan.reset_index())
    write_table(out / FAILURES, failure_table(plan, failures, failure))
    sets = settings.get("label_sets", ())
    labels = sets or [(genre,) for genre in settings["genres"]]
    by_label = {what: _counts(what, results, len(labels)) for what in ("segments", "tracks")}
    if not any(by_label["segments"]["training"]):
        raise UserError(f"no training track of {source} could be read: see {out / FAILURES}")
    return {
        **{what: count_genres(counts, labels) for what, counts in by_label.items()},
        "shards": {split: [r["shard"] for r in results if r["split"] == split] for split in SPLITS},
        **({"by_label": by_label} if sets else {}),
    }


def _counts(what: str, results: list[dict], labels: int) -> dict[str, list[int]]:
    """Sum the counts of all jobs: split → number of each label."""
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for result in results:
        counts[result["split"]].update(result[what])
    return {
        split: [numbers[str(label)] for label in range(labels)] for split, numbers in counts.items()
    }


def failure_table(
    plan: pd.DataFrame, failures: Iterable[Sequence], columns: Sequence[str]
) -> pd.DataFrame:
    """Tabulate failures (track id, then `columns`) with split and genre, sorted by track id."""
    # The journal stores tuples as lists.
    rows = sorted(tuple(failed) for failed in failures)
    table = pd.DataFrame(rows, columns=["track_id", *columns])
    table.insert(1, "split", table["track_id"].map(plan["split"]))
    table.insert(2, "genre", table["track_id"].map(plan["genre"]))
    return table


def summarise(manifest: Manifest, out: Path, unit: str) -> str:
    """Describe a folder of records; `unit` is the plural of a record, e.g. ``"segments"``."""
    lines = [f"Records in {display_path(out)}"]
    for split in SPLITS:
        records, tracks = (manifest.size(what, split) for what in ("segments", "tracks"))
        lines.append(
            f"  {split:<10} {records:>7,} {unit} of {tracks:>6,} tracks "
            f"in {len(manifest.shards[split]):,} shard(s)"
        )
    if manifest.has_several_genres:
        lines.append(
            f"  {len(manifest.genres):,} genres, {len(manifest.parents):,} of them below a root; "
            "left out: {genres:,} genres with too few tracks, {tracks:,} tracks without genre or "
            "split".format(**manifest.left_out)
        )
    lost = len(read_table(out / FAILURES))
    where = f": {display_path(out / FAILURES)}" if lost else ""
    lines.append(f"  {lost:,} {unit} skipped{where}")
    shortcomings = find_shortcomings(manifest.genres, manifest.segments)
    lines += [f"warning: {found}; training will refuse these records" for found in shortcomings]
    return "\n".join([*lines, *describe_similar(manifest.genres)])
