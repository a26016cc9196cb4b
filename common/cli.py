"""Parser, options and error messages of all commands."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from common.errors import UserError
from common.fma.genres import GENRE_MAPPINGS
from common.fma.labels import LABELS, MIN_TRACKS
from common.jobs.workers import default_workers
from common.text import accept_any_text

SCRIPT_PREFIX = "fma-"  # prefix of the console scripts

_DISK_ERRORS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EEXIST: "a file exists where a folder is needed; choose another folder",
    errno.ENOTDIR: "a file exists where a folder is needed; choose another folder",
    errno.EROFS: "it cannot be written, the file system is read-only; choose another folder",
    errno.ENOENT: "there is no such place; choose another folder",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "permission denied; choose another folder or change its permissions",
    errno.EFBIG: "the file is larger than it may be here; raise the limit or choose another folder",
}

_NO_MEMORY = (
    "there is not enough memory: what is finished is kept; free some, or ask for fewer --workers, "
    "and run the same command again"
)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep line breaks of the description and show defaults of options."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = isinstance(action.default, int | float | str) and action.default is not False
        return super()._get_help_string(action) if has_default else action.help


def make_parser(prog: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Make a parser with a description and example command lines in its ``--help``.

    ``prog`` is the command as typed, e.g. ``python -m spectrogram_feature.training``; a console
    script shows its own name instead. ``examples`` are command lines, one per line.
    """
    script = Path(sys.argv[0]).stem
    return argparse.ArgumentParser(
        prog=script if script.startswith(SCRIPT_PREFIX) else prog,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=_HelpFormatter,
    )


_INTERRUPTED = "interrupted: what is finished is kept; the same command goes on from there"


def run_command(main: Callable[[], None], interrupted: str = _INTERRUPTED) -> None:
    """Run a command; print one line instead of a traceback for errors that the user can correct.

    Exit codes: 0 done, 1 such an error, 130 interrupted (with the message `interrupted`).
    Characters that the encoding of the terminal lacks are replaced.
    """
    for stream in (sys.stdout, sys.stderr):
        accept_any_text(stream)
    try:
        main()
    except UserError as error:
        _end(f"error: {error}", 1)
    except KeyboardInterrupt:
        _end(interrupted, 130)
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for buffered output
        sys.exit(1)
    except MemoryError:
        _end(f"error: {_NO_MEMORY}", 1)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        advice = f"{_DISK_ERRORS[error.errno]} and run the same command again"
        _end(f"error: {where}{advice}", 1)


def _end(message: str, code: int) -> None:
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()  # the message begins a new line
    print(message, file=sys.stderr)
    sys.exit(code)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--root``, ``--subset`` and ``--genres``."""
    parser.add_argument("--root", help="folder with fma_metadata/ and fma_<subset>/ (or FMA_ROOT)")
    parser.add_argument("--subset", help="small, medium, large or full (or FMA_SUBSET)")
    parser.add_argument(
        "--genres",
        choices=GENRE_MAPPINGS,
        default="all",
        help="all: the 16 root genres; frequent: 14, without Spoken and Easy Listening; "
        "merged: 12, with Blues, Jazz, Soul-RnB and Easy Listening as one and Country in Folk",
    )


def add_label_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--labels`` and ``--min-tracks``."""
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in LABELS.items())
    parser.add_argument("--labels", choices=LABELS, default="top", help=meanings)
    parser.add_argument(
        "--min-tracks",
        type=int,
        default=MIN_TRACKS,
        metavar="N",
        help="with --labels all: leave out genres below a root with fewer training tracks, by "
        f"default {MIN_TRACKS}, or with none in validation or test",
    )


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``, by default one per core, and ``--cluster``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=default_workers(), help="number of processes")
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of a Dask scheduler, e.g. tcp://10.0.0.1:8786, whose workers run the jobs instead; "
        "they need this project and the same folders",
    )
