"""A pool of worker processes that end with their parent and remove partial files."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from common.errors import UserError

_GRACE_SECONDS = 10.0
"""Time for idle workers to end on their own after an error."""


def default_workers() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int | None = None) -> Iterator[Executor]:
    """Open a pool of processes, by default one per core, that end when their parent ends.

    Each uses one thread for linear algebra. A `UserError` is raised if the number is below one, or
    if a worker process died.
    """
    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise UserError(f"workers = {workers}: at least 1 is needed")
    # A forked copy of a process with TensorFlow's threads may deadlock.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    except BrokenProcessPool:
        pool.shutdown(cancel_futures=True)
        raise UserError(
            "a worker process died, often for want of memory: what is finished is kept; "
            "run the same command again, with fewer --workers"
        ) from None
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        processes = set(multiprocessing.active_children()) - others
        if isinstance(error, Exception):
            # An idle worker that is terminated while it reads from the queue leaves half a message
            # to the next one.
            for process in processes:
                process.join(_GRACE_SECONDS)
        for process in processes:
            if process.is_alive():
                process.terminate()
        pool.shutdown(wait=True)
        raise
    pool.shutdown()


_stopping = threading.Event()


def _start_worker() -> None:
    import numpy as np  # noqa: F401  (threadpoolctl limits loaded libraries only)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _stop_worker)  # last, once the worker can stop


def _stop_worker(signum: int, frame: Any) -> None:
    _stopping.set()
    sys.exit()  # unwinds the running job, which removes its partial file


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def call(function: Callable[[Any], dict], argument: Any) -> dict:
    """Run a job, unless the worker is stopping."""
    if _stopping.is_set():
        sys.exit()
    return function(argument)
