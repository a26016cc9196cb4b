"""An executor on a Dask cluster, whose workers share a file system and have this project."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from common.errors import UserError
from common.text import flattened

CONNECT_SECONDS = 20.0
_POLL_SECONDS = 1.0
"""Interval of the checks of the connection to the scheduler."""


@contextmanager
def cluster_pool(address: str, folders: Sequence[Path]) -> Iterator[Executor]:
    """Connect to the workers of a Dask cluster. The jobs of a worker that dies move to another.

    Parameters
    ----------
    address : str
        Address of the scheduler, e.g. ``tcp://10.0.0.1:8786``.
    folders : sequence of Path
        Folders that must exist on every worker.

    Raises
    ------
    UserError
        If there is no scheduler, its workers have other packages, several threads or no access
        to the folders, one job killed several workers, or the scheduler is lost.
    """
    from distributed import Client, KilledWorker

    # One error replaces the many log lines about lost connections.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address}: {flattened(error, 300)}"
        ) from None
    executor = _ClusterExecutor(client, address)
    try:
        _check_workers(client, address, folders)
        yield executor
    except KilledWorker as error:
        raise UserError(
            f"{flattened(error, 300)} What is finished is kept; the usual cause is a lack of memory"
        ) from None
    except CancelledError:  # the state of the jobs after the scheduler is lost
        raise _lost(address) from None
    finally:
        executor.over.set()
        if client.status == "running":  # otherwise, `close` waits for the scheduler
            client.close()


class _ClusterExecutor(Executor):
    """Dask's executor, whose futures fail when the scheduler is lost."""

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        self.inner = client.get_executor(pure=False)
        self.pending: dict[Future, str] = {}  # with the key of its task
        self.over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        key = f"job-{uuid4()}"
        future = self.inner.submit(_call_alone, function, *arguments, key=key, **options)
        self.pending[future] = key
        future.add_done_callback(lambda done: self.pending.pop(done, None))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the futures, if asked, whose tasks no worker has; never wait for the others."""
        if not cancel_futures or self.client.status != "running":
            return
        # Dask cancels running tasks too, and its futures do not tell which ones run.
        with suppress(OSError):  # the scheduler is lost: `_watch` ends all futures
            begun = {key for keys in self.client.processing().values() for key in keys}
            for future, key in list(self.pending.items()):
                if key not in begun:
                    future.cancel()

    def _watch(self) -> None:
        while not self.over.wait(_POLL_SECONDS):
            if self.client.status == "running":
                continue
            for future in list(self.pending):
                with suppress(InvalidStateError):
                    future.set_exception(_lost(self.address))


def _lost(address: str) -> UserError:
    return UserError(
        f"the Dask scheduler at {address} is lost: what is finished is kept; start it and run the "
        "same command again"
    )


def _call_alone(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with one thread for linear algebra, as local workers do."""
    import numpy as np  # noqa: F401  (threadpoolctl limits loaded libraries only)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return function(*arguments, **options)


def _check_workers(client: Any, address: str, folders: Sequence[Path]) -> None:
    if not client.scheduler_info()["workers"]:
        print(f"waiting for the first worker at {address}", file=sys.stderr)
        client.wait_for_workers(1)
    for worker in client.scheduler_info()["workers"].values():
        if worker["nthreads"] > 1:  # the standard error, which decoders write to, is per process
            raise UserError(
                f"the worker {worker['name']} has {worker['nthreads']} threads: start workers with "
                "--nthreads 1, as many processes as there are cores"
            )
    try:
        client.get_versions(check=True)
    except ValueError as error:
        raise UserError(
            f"the packages of the cluster differ from those here: {flattened(error, 300)}"
        ) from None
    paths = [path.absolute() for path in folders]
    for worker, missing in client.run(_first_missing, paths).items():
        if missing:
            raise UserError(
                f"the worker {worker} has no folder {missing}: the cluster needs a shared file "
                "system with the same paths on all machines"
            )


def _first_missing(folders: Sequence[Path]) -> str:
    return next((str(path) for path in folders if not path.is_dir()), "")
