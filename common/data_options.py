"""The options of the commands that read a data set: the same words everywhere."""

from __future__ import annotations

import argparse

from common.jobs import default_workers
from fma_utils import GENRE_MAPPINGS


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


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``, by default one a core, and ``--cluster``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=default_workers(), help="number of processes")
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of a Dask scheduler, e.g. tcp://10.0.0.1:8786, whose workers do the work instead; "
        "they need this project and the same folders",
    )
