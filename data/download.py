"""Fetch the FMA, verify and unpack it; or check which of its tracks are there and decode."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from common.cli import make_parser, run_command
from common.errors import AudioEmpty, AudioError, AudioMissing, AudioSilent, UserError
from common.fma.audio_blocks import LOSS, UNDECODABLE
from common.fma.audio_stream import check_audio
from common.fma.dataset import DEMO_MARKER, find_dataset, get_audio_path
from common.fma.metadata import SUBSETS
from common.jobs.files import only_run_in, require_space
from common.jobs.run import progress_bar
from common.jobs.workers import worker_pool
from common.paths import PROJECT_ROOT
from common.text import format_size
from data.fetching.archives import Archive, obtain

_GIB = 2**30
_BASE_URL = "https://os.unil.cloud.switch.ch/fma"


def _fma_archive(name: str, gib: float, unpacked_gib: float, sha1: str) -> Archive:
    url = f"{_BASE_URL}/{name}.zip"
    return Archive(name, url, round(gib * _GIB), round(unpacked_gib * _GIB), sha1)


# What the archives unpack to is an estimate: MP3 does not compress, CSV does.
METADATA = _fma_archive("fma_metadata", 0.334, 1.5, "f0df49ffe5f2a6008d7dc83c6915b31835dfe733")
AUDIO = {
    "small": _fma_archive("fma_small", 7.2, 7.4, "ade154f733639d52e35e32f5593efe5be76c6d70"),
    "medium": _fma_archive("fma_medium", 22, 23, "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
    "large": _fma_archive("fma_large", 93, 96, "497109f4dd721066b5ce5e5f250ec604dc78939e"),
    "full": _fma_archive("fma_full", 879, 900, "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
}

CHECKED_SECONDS = 60.0
"""How much of a track must decode: all of a 30 s clip; of ``full``, where hours occur, a minute."""

_DESCRIPTION = """\
Fetch the Free Music Archive data set: its metadata and the audio of one subset.

  subset   tracks                        archive   on disk while unpacking   at 100 Mbit/s
  small      8,000 clips of 30 s         7.2 GiB                   17 GiB       10 minutes
  medium    25,000 clips of 30 s          22 GiB                   47 GiB       35 minutes
  large    106,574 clips of 30 s          93 GiB                  191 GiB        2.5 hours
  full     106,574 whole tracks          879 GiB                1,780 GiB         22 hours

Each archive is fetched, checked against its SHA-1 and unpacked to ROOT/fma_metadata/ and
ROOT/fma_SUBSET/. Unpacking takes about 80 s of a core for each GiB, on all cores at once; --verify
decodes about ten tracks a second and core. Interrupt it whenever you like: the same command
goes on where it stopped, and does nothing once all is there. An archive that lies in ROOT already
is used instead of fetched."""

_EXAMPLES = """\
  python data/download.py small
  python data/download.py medium --root /big/disk/fma --remove-archives
  python data/download.py medium --root /big/disk/fma --verify > damaged.csv"""


def main() -> None:
    """Run the command line."""
    args = _parser().parse_args()
    if args.verify:
        print_verdict(args.root, args.subset, args.workers)
    else:
        archives = [METADATA, AUDIO[args.subset]]
        download(archives, args.root, remove_archives=args.remove_archives)


def download(archives: Sequence[Archive], root: Path, *, remove_archives: bool = False) -> None:
    """Fetch, verify and unpack archives, doing only what is not done yet.

    Parameters
    ----------
    archives : sequence of Archive
        What to get, in this order.
    root : Path
        The folder that receives them; it is made if need be.
    remove_archives : bool
        Whether to delete each zip file once its contents are unpacked.

    Raises
    ------
    UserError
        If the disk is too small for all of it, one of them cannot be had, or another run is
        fetching into this folder.
    """
    _prepare(root)
    missing = [archive for archive in archives if not archive.is_unpacked(root)]
    # What is complete may lie where nothing can be written.
    with only_run_in(root) if missing else nullcontext():
        needed = sum(archive.space_needed(root) for archive in archives)
        require_space(root, needed, " and ".join(archive.name for archive in archives))
        for archive in archives:
            already = archive.is_unpacked(root)
            obtain(archive, root)
            print(f"{root / archive.name}: {'already here' if already else 'ready'}")
            _tidy(archive.path(root), remove_archives)


def check_tracks(
    root: Path, subset: str, workers: int | None = None
) -> tuple[int, list[tuple[int, Path, str]]]:
    """Decode every track that the metadata lists for a subset, in parallel processes.

    Parameters
    ----------
    root : Path
        The folder with ``fma_metadata/`` and ``fma_<subset>/``.
    subset : str
        One of `fma_utils.SUBSETS`.
    workers : int, optional
        Number of processes, by default one a core.

    Returns
    -------
    expected : int
        How many tracks there should be.
    damaged : list of (track id, path, reason)
        Those that are not in order; see `check_track`.

    Raises
    ------
    UserError
        If the metadata or the folder of the audio is missing.
    """
    dataset = find_dataset(root, subset)
    ids = dataset.tracks(columns=[]).index.tolist()
    paths = [get_audio_path(dataset.audio_dir, track_id) for track_id in ids]
    with worker_pool(workers) as pool:
        checks = pool.map(check_track, paths, chunksize=8)
        reasons = list(progress_bar(iterable=checks, total=len(ids), desc="decoding", unit="track"))
    rows = zip(ids, paths, reasons, strict=True)
    return len(ids), [row for row in rows if row[2]]


def check_track(path: Path) -> str:
    """Say what is wrong with the first `CHECKED_SECONDS` of a track.

    Returns
    -------
    str
        ``missing``, ``empty``, ``silent``, ``undecodable`` or ``damaged`` (a part decodes), and the
        reason where it is known; empty for a track that is in order. How long it is does not matter
        here.
    """
    try:
        notes = check_audio(path, CHECKED_SECONDS)
    except AudioMissing:
        return "missing"
    except AudioSilent:
        return "silent"
    except AudioEmpty:
        return "empty"
    except AudioError as error:
        known = "" if error.reason == UNDECODABLE else f": {error.reason}"
        return f"undecodable{known}"
    lost = [note for note in notes if note.endswith(LOSS)]
    return f"damaged: {lost[0]}" if lost else ""


def print_verdict(root: Path, subset: str, workers: int | None = None) -> None:
    """Check a subset's tracks; print the damaged ones as CSV, and how many are good.

    Parameters
    ----------
    root, subset, workers
        As `check_tracks` takes them.

    Raises
    ------
    UserError
        If a track is damaged: the summary, so that the command ends with exit code 1.
    """
    expected, damaged = check_tracks(root, subset, workers)
    if not damaged:
        print(f"all {expected:,} tracks of fma_{subset} are there and decode")
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["track_id", "path", "reason"])
    table.writerows(damaged)
    sys.stdout.flush()  # the table comes before the verdict, wherever the two go
    counts = Counter(reason.partition(":")[0] for _, _, reason in damaged)
    raise UserError(
        f"{expected - len(damaged):,} of {expected:,} tracks of fma_{subset} are there and decode; "
        f"{', '.join(f'{count:,} {reason}' for reason, count in counts.items())}. "
        "A few damaged clips are normal, FMA was published with them; data/README.md tells which, "
        "and how to get missing ones"
    )


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("python data/download.py", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("subset", metavar="SUBSET", choices=SUBSETS, help=", ".join(SUBSETS))
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("FMA_ROOT") or PROJECT_ROOT / "data"),
        help="the folder that holds or receives the data set; FMA_ROOT sets it, too",
    )
    parser.add_argument(
        "--remove-archives",
        action="store_true",
        help="delete each zip file once it is unpacked; they are kept otherwise",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="fetch nothing: decode every track under ROOT, list those missing, silent or damaged",
    )
    parser.add_argument(
        "--workers", type=int, help="processes that --verify decodes in; by default one a core"
    )
    return parser


def _prepare(root: Path) -> None:
    if (root / "fma_metadata" / DEMO_MARKER).exists():
        raise UserError(
            f"{root} holds the synthetic demo set, which must not mix with the FMA: "
            "choose another folder with --root"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{root} cannot be made a folder ({error.strerror}): choose another with --root"
        ) from None


def _tidy(path: Path, remove: bool) -> None:
    if not path.exists():
        return
    size = format_size(path.stat().st_size)
    if remove:
        path.unlink()
        print(f"{path}: removed, {size} freed")
    else:
        print(f"{path}: kept, {size}; --remove-archives removes it")


if __name__ == "__main__":
    # By its full name, so that worker processes find `check_track` where it was pickled from.
    from data import download as command

    run_command(command.main)
