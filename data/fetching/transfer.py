"""Fetch large files over unreliable connections."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from common.errors import UserError
from common.jobs.run import progress_bar
from common.text import format_size

RETRY_PAUSES = (1, 4, 15, 60)
"""Seconds to wait after consecutive failures; a transfer that made progress restarts the list."""

_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_CHUNK = 1 << 17  # bytes
_THIS_MACHINE = "127.0.0.1"
_BROKEN_OFF = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def fetch(url: str, path: Path) -> None:
    """Fetch a file to `path`, and resume from ``<path>.part``.

    A broken connection is resumed after each of `RETRY_PAUSES`. Raises `UserError` if the server
    refuses, if all retries fail, or if `url` is neither https nor on this machine.
    """
    address = urlsplit(url)
    if address.scheme != "https" and (address.scheme, address.hostname) != ("http", _THIS_MACHINE):
        raise UserError(f"{url} cannot be fetched: its address must begin with https://")
    part = part_path(path)
    failures = 0
    while True:
        before = size_on_disk(part)
        try:
            _fetch_rest(url, part)
            break
        except _BROKEN_OFF as error:
            failures = 1 if size_on_disk(part) > before else failures + 1
            trouble = (
                f"{path.name}: the transfer from {address.netloc} stopped at "
                f"{format_size(size_on_disk(part))} ({_root_cause(error)})"
            )
        except requests.RequestException as error:
            raise UserError(f"{url} cannot be fetched: {error}") from None
        if failures > len(RETRY_PAUSES):
            raise UserError(f"{trouble}: run the same command again later to resume")
        pause = RETRY_PAUSES[failures - 1]
        tqdm.write(f"{trouble}; retry in {pause} s", file=sys.stderr)
        time.sleep(pause)
    part.replace(path)


def part_path(path: Path) -> Path:
    """Return the temporary name of `path` while it is incomplete."""
    return path.with_name(path.name + ".part")


def size_on_disk(path: Path) -> int:
    """Return the size of a file in bytes; 0 if there is no such file."""
    return path.stat().st_size if path.exists() else 0


def byte_bar(title: str, total: int | None, done: int = 0) -> tqdm:
    """Make a progress bar of bytes that begins at `done`."""
    return progress_bar(
        desc=title, total=total, initial=done, unit="B", unit_scale=True, unit_divisor=1024
    )


def _fetch_rest(url: str, part: Path) -> None:
    """Append the missing bytes to `part` in one request.

    The request has no If-Range: the SHA-1 detects a file that changed in between.
    """
    offset = size_on_disk(part)
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with (
        _session(url) as session,
        session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response,
    ):
        start, total = _range(response)
        if response.status_code == 416 and total in (None, offset):
            return  # the part is complete
        if response.status_code == 416 or (response.status_code == 206 and start != offset):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server has another file: restarting")
        answer = f"the server answers {response.status_code} {response.reason}"
        if response.status_code == 429 or response.status_code >= 500:
            raise requests.ConnectionError(answer)  # temporary, so retry
        if response.status_code not in (200, 206):
            raise UserError(
                f"{response.url} cannot be fetched: {answer}; try again later, or fetch the file "
                "by other means (see data/README.md)"
            )
        with part.open("ab" if start else "wb") as file, byte_bar(part.stem, total, start) as bar:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _session(url: str) -> requests.Session:
    """Make a session that follows redirects only within https, or within the local server."""
    session = requests.Session()
    session.adapters.clear()
    address = urlsplit(url)
    prefix = "https://" if address.scheme == "https" else f"http://{address.netloc}/"
    session.mount(prefix, requests.adapters.HTTPAdapter())
    return session


def _range(response: requests.Response) -> tuple[int, int | None]:
    """Parse the first byte of the response and the length of the file, None if unknown."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length")
        return 0, int(length) if length else None
    # "bytes 500-999/1000", with 416 "bytes */1000"
    extent, _, total = (
        response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    )
    start = extent.partition("-")[0]
    return int(start) if start.isdigit() else 0, int(total) if total.isdigit() else None


def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
