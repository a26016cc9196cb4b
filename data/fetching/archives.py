"""Archives of a data set: fetched with resumption, checked against their SHA-1, unpacked safely.

An archive ``fma_medium`` passes through these names in the folder that receives it, each taken
only when the step before is complete, so that an interruption at any point costs little:
``fma_medium.zip.part`` → ``fma_medium.zip`` → ``fma_medium.part/`` → ``fma_medium/``.
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
"""An archive that declares to unpack to more than this many times its size is a bomb."""

_CHUNK = 1 << 17  # bytes


@dataclass(frozen=True)
class Archive:
    """A zip file that holds one folder.

    Attributes
    ----------
    name : str
        The folder that it holds, ``fma_medium``; the file is ``fma_medium.zip``.
    url : str
        Where it is fetched from, by https; see `data.fetching.transfer.fetch`.
    size : int
        Its size in bytes, roughly: for estimates.
    unpacked_size : int
        The size of what it holds in bytes, roughly: for estimates.
    sha1 : str
        The SHA-1 of the whole file, in lower-case hexadecimal digits.
    """

    name: str
    url: str
    size: int
    unpacked_size: int
    sha1: str

    def path(self, root: Path) -> Path:
        """Tell where the zip file lies under `root`."""
        return root / f"{self.name}.zip"

    def is_unpacked(self, root: Path) -> bool:
        """Tell whether the folder that the archive holds is there, complete."""
        folder = root / self.name
        return folder.is_dir() and any(folder.iterdir())

    def space_needed(self, root: Path) -> int:
        """Estimate the bytes that fetching and unpacking will take under `root`."""
        # Once the zip file is there, `unpack` knows the exact number.
        if self.is_unpacked(root) or self.path(root).exists():
            return 0
        missing = max(0, self.size - size_on_disk(part_path(self.path(root))))
        return missing + self.unpacked_size


def obtain(archive: Archive, root: Path) -> None:
    """Make an archive's folder stand under `root`, doing only what is not done yet.

    Parameters
    ----------
    archive : Archive
        What to get. A zip file that is already there is used instead of a transfer.
    root : Path
        An existing folder.

    Raises
    ------
    UserError
        If the transfer, the checksum, the disk or the archive's contents forbid it.
    """
    if archive.is_unpacked(root):
        return
    path = archive.path(root)
    if not path.exists():
        fetch(archive.url, path)
    check_sha1(path, archive.sha1)
    unpack(path, root / archive.name)


def check_sha1(path: Path, expected: str) -> None:
    """Check a file against its SHA-1; a wrong one is renamed, so that nothing mistakes it.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        The SHA-1 that it must have.

    Raises
    ------
    UserError
        If it has another; the file is then called ``<path>.bad``.
    """
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
            f"called {bad.name}, delete it and run the same command to fetch the archive anew"
        )


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip file's one folder, going on from what an earlier run left in ``<folder>.part``.

    Parameters
    ----------
    path : Path
        A zip file whose members all lie in a folder of the same name as `folder`.
    folder : Path
        Where its contents go; it appears there only when it is complete.

    Raises
    ------
    UserError
        Before anything is written, if a member would leave the folder, if the declared sizes are
        absurd or if the disk has no room for them.
    """
    part = part_path(folder)
    try:
        with zipfile.ZipFile(path) as archive:
            targets = _targets(archive, folder.name, part)
            _refuse_bomb(path, sum(info.file_size for info in targets))
            missing = {i: t for i, t in targets.items() if not _is_written(i, t)}
            require_space(part.parent, sum(i.file_size for i in missing), f"unpacking {path.name}")
            _unpack_members(archive, missing, f"unpacking {path.name}")
    except zipfile.BadZipFile as error:
        raise UserError(
            f"{path} is no sound zip file ({error}): delete it, fetch it anew"
        ) from None
    part.mkdir(exist_ok=True)
    part.replace(folder)


def _targets(archive: zipfile.ZipFile, top: str, destination: Path) -> dict[zipfile.ZipInfo, Path]:
    """Tell where each file of an archive goes; refuse the archive if one would go elsewhere."""
    targets = {}
    for info in archive.infolist():
        if not _stays_in(info, top):
            raise UserError(
                f"{archive.filename} holds {info.filename!r:.100}, which would leave the folder "
                f"{top}/: nothing was unpacked; delete the archive, it is not FMA's"
            )
        if not info.is_dir():
            targets[info] = destination / PurePosixPath(info.filename).relative_to(top)
    return targets


def _stays_in(info: zipfile.ZipInfo, top: str) -> bool:
    parts = info.filename.split("/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    return (
        len(parts) > 1
        and parts[0] == top  # which no absolute path and no drive letter is
        and ".." not in parts
        and not any(sign in info.filename for sign in "\\:")  # special on Windows only
        and kind in (0, stat.S_IFREG, stat.S_IFDIR)  # no link, no device
    )


def _refuse_bomb(path: Path, unpacked_size: int) -> None:
    # The declared sizes can be relied on: zipfile never reads more than a member declares.
    if unpacked_size > MAX_RATIO * path.stat().st_size:
        raise UserError(
            f"{path} declares to unpack to {format_size(unpacked_size)}, more than {MAX_RATIO} "
            "times its size: nothing was unpacked; delete the archive, it is not FMA's"
        )


def _is_written(info: zipfile.ZipInfo, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == info.file_size


def _unpack_members(
    archive: zipfile.ZipFile, targets: dict[zipfile.ZipInfo, Path], title: str
) -> None:
    """Unpack in threads: FMA's archives are bzip2, slow to unpack, and bz2 releases the lock."""
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
