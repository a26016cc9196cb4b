"""Parallel jobs that can be interrupted at any time and resumed with the same call.

A finished job has a line in the journal of its folder. The next run executes jobs without a line,
jobs whose files are missing or damaged, and jobs with failures whose sources have changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tqdm import tqdm

from common.jobs.files import find_damage, fingerprint, naming, only_run_in
from common.jobs.journal import JOURNAL, open_journal
from common.jobs.workers import call, default_workers, worker_pool
from common.paths import display_path

_READERS = 8
"""Threads that check files."""

_NAMED = 10
"""Largest number of files that are named when many are missing."""


@dataclass(frozen=True)
class Job:
    """One unit of work, of resumption and of failure.

    Attributes
    ----------
    name : str
        Unique among the jobs of a run, and the same in every run.
    argument : object
        Argument of the function, which must pickle.
    size : int
        Share of the progress bar, in its unit.
    """

    name: str
    argument: Any
    size: int = 1


def run_jobs(
    function: Callable[[Any], dict],
    jobs: Sequence[Job],
    *,
    folder: str | Path,
    settings: Mapping[str, Any],
    workers: int | str | None = None,
    source: Path | None = None,
    description: str = "working",
    unit: str = "track",
) -> list[dict]:
    """Run the unfinished jobs in parallel; return the results of all jobs in their order.

    When a job fails, no further ones begin, and those that have begun are finished before the
    error is raised.

    Parameters
    ----------
    function : callable
        Takes the argument of a job and returns a dictionary that is serialisable as JSON. The job
        is repeated when one of these entries no longer holds:

        - ``files``, name relative to `folder` → bytes: the files exist and have this size;
        - ``checksums``, name → CRC-32C: they have this content;
        - ``unusable``, name relative to `source` → `files.fingerprint`, taken before the file was
          read: the sources of failures are unchanged. A job with ``failures`` and no such entry
          is always repeated.
    folder : path-like
        Folder of the output and of the journal.
    settings : mapping
        All dependencies of the results, serialisable as JSON.
    workers : int or str, optional
        Number of processes, by default one per core, or address of a Dask scheduler.
    source : Path, optional
        Folder that the jobs read. The workers of a cluster need it too.
    description, unit : str
        Labels of the progress bar.

    Raises
    ------
    UserError
        If the folder holds work made with other settings, another run is writing there, or a
        worker process died.
    """
    folder = Path(folder)
    with only_run_in(folder):
        results = open_journal(folder / JOURNAL, settings)
        for name in _outdated(results, jobs, folder, source, unit):
            del results[name]
        missing = [job for job in jobs if job.name not in results]
        for half_written in folder.glob(".*.tmp"):  # by a run that was killed
            half_written.unlink()
        if missing:
            folders = [folder] if source is None else [folder, source]
            total = sum(job.size for job in jobs)
            done = total - sum(job.size for job in missing)
            with (
                _pool(workers, len(missing), folders) as pool,
                progress_bar(total=total, initial=done, desc=description, unit=unit) as bar,
                naming(folder / JOURNAL),
                (folder / JOURNAL).open("a", encoding="utf-8") as log,
            ):
                for job, result in _results(pool, function, missing):
                    results[job.name] = result
                    log.write(json.dumps({"job": job.name, "result": result}) + "\n")
                    log.flush()
                    bar.update(job.size)
    return [results[job.name] for job in jobs]


def _results(
    pool: Executor, function: Callable[[Any], dict], jobs: Sequence[Job]
) -> Iterator[tuple[Job, dict]]:
    """Yield each job with its result when it has finished, then raise the first failure."""
    # `as_completed` does not yield a cancelled future before its pool confirms it, which a broken
    # pool never does.
    done: SimpleQueue[Future] = SimpleQueue()
    running = {pool.submit(call, function, job.argument): job for job in jobs}
    for future in running:
        future.add_done_callback(done.put)
    failure: Exception | None = None
    while running:
        future = done.get()
        job = running.pop(future)
        try:
            result = future.result()
        except (BrokenExecutor, CancelledError):
            if failure is None:  # the pool is lost, and no other job finishes
                raise
        except Exception as error:
            if failure is None:
                failure = error
                # Only the pool can cancel safely: a process pool that breaks while a future is
                # cancelled from outside never sets the others.
                pool.shutdown(wait=False, cancel_futures=True)
        else:
            yield job, result
    if failure is not None:
        raise failure


def _pool(
    workers: int | str | None, jobs: int, folders: Sequence[Path]
) -> AbstractContextManager[Executor]:
    if isinstance(workers, str):
        from common.jobs.clusters import cluster_pool

        return cluster_pool(workers, folders)
    return worker_pool(min(default_workers() if workers is None else workers, jobs))


def _outdated(
    results: Mapping[str, dict],
    jobs: Sequence[Job],
    folder: Path,
    source: Path | None,
    unit: str,
) -> list[str]:
    """List the finished jobs that must be repeated, and print the reasons."""
    done = [job for job in jobs if job.name in results]
    outdated: list[str] = []
    reasons: list[str] = []

    def check(job: Job) -> list[str]:
        result = results[job.name]
        damage = find_damage(folder, result.get("files", {}), result.get("checksums", {}))
        found = [f"{display_path(path)} is {problem}: made again" for path, problem in damage]
        for name, earlier in result.get("unusable", {}).items():
            if fingerprint(path := (source or folder) / name) != earlier:
                found.append(f"{display_path(path)} has changed: tried again")
        return found

    size = sum(job.size for job in done)
    with (
        ThreadPoolExecutor(_READERS) as readers,
        progress_bar(total=size, desc="checking", unit=unit, delay=2) as bar,
    ):
        for job, found in zip(done, readers.map(check, done), strict=True):
            reasons += found
            result = results[job.name]
            if found or (result.get("failures") and "unusable" not in result):
                outdated.append(job.name)
            bar.update(job.size)
    for reason in reasons[:_NAMED]:
        print(reason, file=sys.stderr)
    if more := len(reasons[_NAMED:]):
        print(f"and {more:,} more files: made again", file=sys.stderr)
    return outdated


def progress_bar(**options: Any) -> tqdm:
    """Create a `tqdm.tqdm` bar that is updated often on a screen and seldom in a log file.

    In a notebook it goes to the standard output, since Jupyter shows the standard error in red.
    """
    in_notebook = type(sys.stdout).__module__ == "ipykernel.iostream"
    return tqdm(
        file=sys.stdout if in_notebook else sys.stderr,
        mininterval=0.2 if in_notebook or sys.stderr.isatty() else 2.0,
        dynamic_ncols=not in_notebook,
        **options,
    )
