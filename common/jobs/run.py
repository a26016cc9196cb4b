"""Long work in parallel that can be stopped at any moment and taken up again.

Work is a list of jobs. Finished ones are entered in a journal in the output folder, a JSON line
each, so a second run does only what is missing, and a run with other settings is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from common.errors import UserError
from common.jobs.files import atomic_write, find_damage, naming
from common.jobs.locks import only_run_in
from common.jobs.settings import as_json, require_same
from common.jobs.workers import call, default_workers, worker_pool
from common.paths import display_path

JOURNAL = "journal.jsonl"

_READERS = 8
"""Threads that read files to check them: disks and shared file systems serve several at once."""

_NAMED = 10
"""Files that are named when many are missing."""


@dataclass(frozen=True)
class Job:
    """One unit of work, of resumption and of failure.

    Attributes
    ----------
    name : str
        Unique among the jobs of a run, and the same in every run.
    argument : object
        What the function is called with; it must pickle.
    size : int
        How much the progress bar advances, in its unit.
    """

    name: str
    argument: Any
    size: int = 1


def progress_bar(**options: Any) -> tqdm:
    """Make the project's progress bar; in a log file it moves seldom, on a screen often.

    In a notebook it goes to the standard output: Jupyter paints the other red.

    Parameters
    ----------
    **options
        As `tqdm.tqdm` takes them: ``total``, ``initial``, ``desc``, ``unit``.
    """
    in_notebook = "ipykernel" in sys.modules
    return tqdm(
        file=sys.stdout if in_notebook else sys.stderr,
        mininterval=0.2 if in_notebook or sys.stderr.isatty() else 2.0,
        dynamic_ncols=not in_notebook,
        **options,
    )


def run_jobs(
    function: Callable[[Any], dict],
    jobs: Sequence[Job],
    *,
    folder: str | Path,
    settings: Mapping[str, Any],
    workers: int | str | None = None,
    sources: Sequence[Path] = (),
    description: str = "working",
    unit: str = "track",
) -> list[dict]:
    """Run what is missing of some jobs in parallel, with a progress bar and a journal.

    Parameters
    ----------
    function : callable
        Takes a job's argument, returns a dictionary that JSON can hold. Where it lists files as
        ``{"files": {name: bytes}}``, names relative to `folder`, the job counts as done only
        while they are there with that size; where it has their ``{"checksums": {name: CRC-32C}}``
        too, only while that is their content.
    jobs : sequence of Job
    folder : path-like
        Where the function writes, and where the journal stands.
    settings : mapping
        Whatever the results depend on; JSON must hold it.
    workers : int or str, optional
        Number of processes, by default one a core; or the address of a Dask cluster's scheduler.
    sources : sequence of Path
        The folders that jobs read: a cluster's workers must see them too.
    description, unit : str
        For the progress bar.

    Returns
    -------
    list of dict
        The results in the order of the jobs, those of earlier runs among them.

    Raises
    ------
    UserError
        If the folder holds work made with other settings, another run is writing there, or a
        worker process died.
    """
    folder = Path(folder)
    with only_run_in(folder):
        results = _finished(folder, jobs, settings, unit)
        missing = [job for job in jobs if job.name not in results]
        for half_written in folder.glob(".*.tmp"):  # by a run that was killed
            half_written.unlink()
        if missing:
            total = sum(job.size for job in jobs)
            done = total - sum(job.size for job in missing)
            with (
                _pool(workers, len(missing), (folder, *sources)) as pool,
                progress_bar(total=total, initial=done, desc=description, unit=unit) as bar,
                naming(folder / JOURNAL),
                (folder / JOURNAL).open("a", encoding="utf-8") as log,
            ):
                running = {pool.submit(call, function, job.argument): job for job in missing}
                for future in as_completed(running):
                    job = running.pop(future)
                    results[job.name] = future.result()
                    log.write(json.dumps({"job": job.name, "result": results[job.name]}) + "\n")
                    log.flush()
                    bar.update(job.size)
    return [results[job.name] for job in jobs]


def _pool(
    workers: int | str | None, jobs: int, folders: Sequence[Path]
) -> AbstractContextManager[Executor]:
    if isinstance(workers, str):
        from common.jobs.clusters import cluster_pool  # Dask is nothing that a run here needs

        return cluster_pool(workers, folders)
    return worker_pool(min(default_workers() if workers is None else workers, jobs))


def _finished(
    folder: Path, jobs: Sequence[Job], settings: Mapping[str, Any], unit: str
) -> dict[str, dict]:
    """Give the results of earlier runs whose files are what they were; name those that are not."""
    results = _open_journal(folder / JOURNAL, settings)
    done = [job for job in jobs if job.name in results]
    damage: list[tuple[Path, str]] = []

    def check(job: Job) -> list[tuple[Path, str]]:
        result = results[job.name]
        return find_damage(folder, result.get("files", {}), result.get("checksums", {}))

    with (
        ThreadPoolExecutor(_READERS) as readers,
        progress_bar(
            total=sum(job.size for job in done), desc="checking", unit=unit, delay=2
        ) as bar,
    ):
        for job, found in zip(done, readers.map(check, done), strict=True):
            damage += found
            if found:
                del results[job.name]
            bar.update(job.size)
    for path, wrong in damage[:_NAMED]:
        print(f"{display_path(path)} is {wrong}: made again", file=sys.stderr)
    if more := len(damage[_NAMED:]):
        print(f"and {more:,} more files: made again", file=sys.stderr)
    return results


def _open_journal(journal: Path, settings: Mapping[str, Any]) -> dict[str, dict]:
    """Read what is done; begin the journal if there is none; refuse other settings."""
    settings = as_json(settings)
    if not journal.exists():
        journal.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(journal) as file:
            file.write(json.dumps({"settings": settings}).encode() + b"\n")
        return {}
    complete, _, torn = journal.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    if torn:  # the run was killed while it wrote its last line
        with atomic_write(journal) as file:
            file.write(f"{complete}\n".encode() if complete else b"")
    lines = complete.splitlines()
    try:
        earlier = json.loads(lines[0])["settings"]
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{journal} is damaged: delete {journal.parent} and start again") from None
    results = {}
    for line in lines[1:]:
        with suppress(ValueError, LookupError, TypeError):  # a damaged line costs its job only
            entry = json.loads(line)
            results[entry["job"]] = dict(entry["result"])
    require_same(earlier, settings, journal.parent, "work made")
    return results
