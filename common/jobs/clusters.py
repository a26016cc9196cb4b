"""A pool of workers on a Dask cluster, with the interface of the local pool.

The workers need this project, and a shared file system with the data under the same paths.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.text import flattened

CONNECT_SECONDS = 20.0
MESSAGE_LENGTH = 300
LOOK_SECONDS = 1.0
"""The interval at which the connection to the scheduler is checked."""


@contextmanager
def cluster_pool(address: str, folders: Sequence[Path]) -> Iterator[Executor]:
    """Connect to the workers of a Dask cluster. The jobs of a worker that dies go to another one.

    Parameters
    ----------
    address : str
        The scheduler's, e.g. ``tcp://10.0.0.1:8786``.
    folders : sequence of Path
        The folders that the workers must see.

    Raises
    ------
    UserError
        If there is no scheduler, its workers have other packages, use several threads or do not
        see the folders, one job killed several workers, or the scheduler is lost.
    """
    from distributed import Client, KilledWorker

    # Their many lines about lost connections are replaced by one error.
    for name in [
        name for name in logging.root.manager.loggerDict if name.startswith("distributed")
    ]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address}: {flattened(error, MESSAGE_LENGTH)}"
        ) from None
    executor = _ClusterExecutor(client, address)
    try:
        _check_workers(client, address, folders)
        yield executor
    except KilledWorker as error:
        raise UserError(
            f"{flattened(error, MESSAGE_LENGTH)} What is finished is kept; workers often die for "
            "want of memory"
        ) from None
    except CancelledError:  # the jobs' state after the scheduler is lost
        raise _lost(address) from None
    finally:
        executor.shutdown()
        if client.status == "running":  # otherwise closing waits for the scheduler
            client.close()  # the scheduler drops the remaining jobs


class _ClusterExecutor(Executor):
    """Dask's executor with futures that fail when the scheduler is lost instead of waiting."""

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        self.inner = client.get_executor(pure=False)
        self.pending: set[Future] = set()
        self.over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        future = self.inner.submit(_call_alone, function, *arguments, **options)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.over.set()

    def _watch(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
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
    """Call with one thread for linear algebra, as local workers do."""
    import numpy as np  # noqa: F401  (threadpoolctl limits the libraries that are loaded)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return function(*arguments, **options)


def _check_workers(client: Any, address: str, folders: Sequence[Path]) -> None:
    if not client.scheduler_info()["workers"]:
        print(f"waiting for the first worker at {address}", file=sys.stderr)
        client.wait_for_workers(1)
    workers = client.scheduler_info()["workers"].values()
    for worker in workers:
        if worker["nthreads"] > 1:  # decoders' messages are silenced a process at a time
            raise UserError(
                f"the worker {worker['name']} has {worker['nthreads']} threads: start workers with "
                "--nthreads 1, as many processes as there are cores"
            )
    try:
        client.get_versions(check=True)
    except ValueError as error:
        raise UserError(
            f"the cluster's packages are not those here: {flattened(error, MESSAGE_LENGTH)}"
        ) from None
    for worker, unseen in client.run(_first_unseen, [path.absolute() for path in folders]).items():
        if unseen:
            raise UserError(
                f"the worker {worker} does not see {unseen}: the cluster needs a file system that "
                "all its machines share, under the same paths"
            )


def _first_unseen(folders: Sequence[Path]) -> str:
    return next((str(path) for path in folders if not path.is_dir()), "")
