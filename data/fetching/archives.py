"""Fetch archives of a data set with resumption, check their SHA-1 and unpack them safely.

Each name of ``fma_medium.zip.part`` → ``fma_medium.zip`` → ``fma_medium.part/`` → ``fma_medium/``
is taken when the previous step is complete, so an interrupted run resumes.
"""

from __future__ import annotations

import hashlib
import stat
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from common.errors import UserError
from common.jobs.files import require_space
from common.jobs.workers import default_workers
from common.text import format_size
from data.fetching.transfer import byte_bar, fetch, part_path, size_on_disk

MAX_RATIO = 100
"""Largest allowed ratio of the declared unpacked size to the size of the archive."""

_CHUNK = 1 << 17  # bytes


@dataclass(frozen=True)
class Archive:
    """A zip file that contains one folder."""

    name: str  # of the folder: fma_medium in fma_medium.zip
    url: str
    size: int  # bytes, approximate
    unpacked_size: int  # bytes, approximate
    sha1: str  # lower-case hexadecimal digits

    def path(self, root: Path) -> Path:
        """Return the path of the zip file under `root`."""
        return root / f"{self.name}.zip"

    def is_unpacked(self, root: Path) -> bool:
        """Return whether the unpacked folder exists under `root`."""
        folder = root / self.name
        return folder.is_dir() and any(folder.iterdir())

    def space_needed(self, root: Path) -> int:
        """Estimate the bytes that fetching and unpacking need under `root`."""
        # `unpack` computes the exact number from the zip file.
        if self.is_unpacked(root) or self.path(root).exists():
            return 0
        missing = max(0, self.size - size_on_disk(part_path(self.path(root))))
        return missing + self.unpacked_size


def obtain(archive: Archive, root: Path) -> None:
    """Fetch, check and unpack an archive under the existing folder `root`, without finished steps.

    Raises `UserError` if the transfer, the checksum, the free space or the contents fail.
    """
    if archive.is_unpacked(root):
        return
    path = archive.path(root)
    if not path.exists():
        fetch(archive.url, path)
    check_sha1(path, archive.sha1)
    unpack(path, root / archive.name)


def check_sha1(path: Path, expected: str) -> None:
    """Check the SHA-1 of a file; if it differs, rename the file to ``<path>.bad`` and raise."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file, byte_bar(f"checking {path.name}", path.stat().st_size) as bar:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        bad = path.with_name(path.name + ".bad")
        path.replace(bad)
        raise UserError(
            f"{path} is damaged: its SHA-1 is {digest.hexdigest()}, expected {expected}; it is now "
            f"{bad.name}: delete it and run the same command to fetch the archive again"
        )


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip file of one folder to `folder`, and resume from ``<folder>.part``.

    Raises `UserError` before anything is written if a member has a path outside the folder, the
    declared sizes exceed `MAX_RATIO`, or the disk has too little free space.
    """
    part = part_path(folder)
    try:
        with zipfile.ZipFile(path) as archive:
            targets = _targets(archive, folder.name, part)
            # zipfile never reads more than a member's declared size.
            if (size := sum(info.file_size for info in targets)) > MAX_RATIO * path.stat().st_size:
                raise UserError(
                    f"{path} declares an unpacked size of {format_size(size)}, more than "
                    f"{MAX_RATIO} times its size: nothing was unpacked; delete the archive, it is "
                    "not FMA's"
                )
            missing = {
                info: target
                for info, target in targets.items()
                if not (target.is_file() and target.stat().st_size == info.file_size)
            }
            require_space(part.parent, sum(i.file_size for i in missing), f"unpacking {path.name}")
            _unpack_members(archive, missing, f"unpacking {path.name}")
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is no sound zip file ({error}): fetch it again") from None
    part.mkdir(exist_ok=True)
    part.replace(folder)


def _targets(archive: zipfile.ZipFile, top: str, destination: Path) -> dict[zipfile.ZipInfo, Path]:
    """Map the files of an archive to their paths; refuse paths outside the folder `top`."""
    targets = {}
    for info in archive.infolist():
        parts = info.filename.split("/")
        is_safe = (
            len(parts) > 1
            and parts[0] == top  # excludes absolute paths and drive letters
            and ".." not in parts
            and not any(sign in info.filename for sign in "\\:")  # special on Windows
            # no links, no devices
            and stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        )
        if not is_safe:
            raise UserError(
                f"{archive.filename} holds {info.filename!r:.100}, which would leave the folder "
                f"{top}/: nothing was unpacked; delete the archive, it is not FMA's"
            )
        if not info.is_dir():
            targets[info] = destination / PurePosixPath(info.filename).relative_to(top)
    return targets


def _unpack_members(
    archive: zipfile.ZipFile, targets: dict[zipfile.ZipInfo, Path], title: str
) -> None:
    """Unpack in threads; FMA's archives are bzip2, whose decompression releases the GIL."""
    stop = threading.Event()
    total = sum(info.file_size for info in targets)
    with ThreadPoolExecutor(default_workers()) as pool, byte_bar(title, total) as bar:
        jobs = [pool.submit(_unpack_member, archive, *item, bar, stop) for item in targets.items()]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _unpack_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, bar: tqdm, stop: threading.Event
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target)
    with archive.open(info) as source, part.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            if stop.is_set():
                return
            sink.write(chunk)
            bar.update(len(chunk))
    part.replace(target)
