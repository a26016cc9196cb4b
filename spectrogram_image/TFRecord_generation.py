"""Conversion of images to TFRecords, and its command.

A record holds the levels of an image, a byte a pixel, instead of the file or the colours. A PNG
must be inflated whenever it is read, and colours take three bytes; levels are read directly and
looked up in the palette, which is in the manifest. Levels and palette restore the exact pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common import cli
from common.cli import add_workers_option
from common.errors import UserError
from common.paths import output_root
from common.records import shards
from common.records.shards import TRACKS_PER_SHARD, deal_tracks, run_shards
from common.records.tfrecords import Manifest
from spectrogram_image.images.folder import ImageError, ImageSet, read_levels, read_tables
from spectrogram_image.images.records import KIND
from spectrogram_image.images.rendering import SIZES

REDUCTIONS = (1, 2, 4)
"""How many pixels of an image, in width and in height, may become one of a record."""


@dataclass(frozen=True)
class Shard(shards.Shard):
    """One job: the images of one TFRecord file, as (track id, label, path relative to `source`).

    Attributes
    ----------
    images : ImageSet
        The description of the images.
    reduction : int
        One of `REDUCTIONS`. The other attributes are those of `common.records.shards.Shard`; its
        failures are (track id, reason).
    """

    images: ImageSet
    reduction: int

    @property
    def size(self) -> int:
        """int: approximate size of the file in bytes if no image is damaged."""
        pixels = self.images.parameters.width * self.images.parameters.height
        there = sum(self.file_of(track).exists() for track in self.tracks)
        return there * pixels // self.reduction**2

    def file_of(self, track: tuple) -> Path:
        """Return the path of a track's image."""
        return self.source / track[2]

    def read(self, track: tuple) -> tuple[dict[int, np.ndarray], list[tuple]]:
        """Read the levels of a track's image, reduced."""
        try:
            levels = read_levels(self.file_of(track), self.images)
        except ImageError as error:
            return {}, [(track[0], error.reason)]
        return {0: reduce_levels(levels, self.reduction)}, []


def generate(
    folder: str | Path,
    out: str | Path,
    *,
    size: str | None = None,
    workers: int | str | None = None,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> Manifest:
    """Write the records of a folder of images, or those that are missing.

    A shard is missing if it was not written, was damaged, or lacks images that have appeared or
    changed since.

    Parameters
    ----------
    folder : path-like
        Images of one kind, as `spectrogram_image.spectrogram_generation` makes them.
    out : path-like
        The folder for the shards, ``manifest.json``, ``tracks.csv`` and ``failures.csv``.
    size : str, optional
        A key of `spectrogram_image.images.rendering.SIZES`, by default that of the images. At a
        half or a quarter of it, levels are averaged; see `reduce_levels`.
    workers : int or str, optional
        Number of processes, by default one a core; or the address of a Dask cluster's scheduler.
        The bytes do not depend on it.
    tracks_per_shard : int
        The grain of resumption: what a killed run has to do again, a worker each.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        If the folder holds no finished images or the size cannot be had of them, if `out` holds
        records made with other settings, if the disk has no room for what is missing, or if no
        training image could be read.
    """
    # A cluster's workers may start elsewhere.
    folder, out = Path(folder).absolute(), Path(out).absolute()
    images = ImageSet.read(folder)
    reduction = _reduction(images, size)
    plan = read_tables(folder, images.genres)
    described: dict[str, Any] = {
        "kind": KIND,
        "parameters": {
            "representation": images.kind,
            **asdict(images.parameters),
            "width": images.parameters.width // reduction,
            "height": images.parameters.height // reduction,
            "reduction": reduction,
            "palette": images.palette,
        },
        "genres": images.genres,
    }
    dealt = [
        Shard(split, out / name, folder, tracks, images, reduction)
        for split, name, tracks in deal_tracks(plan, ("label", "image"), tracks_per_shard)
    ]
    written = run_shards(
        dealt,
        plan,
        {**described, "tracks_per_shard": tracks_per_shard},
        out=out,
        source=folder,
        failure=("reason",),
        workers=workers,
        description="records",
    )
    manifest = Manifest(
        **described,
        **written,
        mapping=images.mapping,
        data_set=images.data_set,
        versions=images.versions | {name: version(name) for name in ("numpy", "pillow")},
    )
    manifest.write(out)
    return manifest


def _reduction(images: ImageSet, size: str | None) -> int:
    """Give how many pixels become one in each direction, or refuse the size."""
    having = (images.parameters.width, images.parameters.height)
    if size is not None and size not in SIZES:
        raise UserError(f"there is no size {size!r}: choose one of {', '.join(SIZES)}")
    possible = {(having[0] // n, having[1] // n): n for n in REDUCTIONS}
    wanted = having if size is None else SIZES[size]
    if wanted not in possible:
        names = ", ".join(name for name, pixels in SIZES.items() if pixels in possible)
        raise UserError(
            f"images of {having[0]} × {having[1]} pixels give no records of {wanted[0]} × "
            f"{wanted[1]}: choose of {names}, or make larger images"
        )
    return possible[wanted]


def reduce_levels(levels: np.ndarray, reduction: int) -> np.ndarray:
    """Make an image smaller: each pixel becomes the mean level of those that it stands for.

    Levels are averaged, not colours: the mean of two colours need not be one of the palette.

    Parameters
    ----------
    levels : np.ndarray [shape=(height, width), uint8]
    reduction : int
        Divides both.

    Returns
    -------
    np.ndarray [shape=(height // reduction, width // reduction), uint8]
        Rounded, halves upwards.
    """
    if reduction == 1:
        return levels
    height, width = levels.shape
    blocks = levels.reshape(height // reduction, reduction, width // reduction, reduction)
    pixels = reduction**2
    total = blocks.sum(axis=(1, 3), dtype=np.uint16)  # at most 16 * 255
    return ((total + pixels // 2) // pixels).astype(np.uint8)


def default_folder(folder: str | Path, size: str | None = None) -> Path:
    """Tell where the records of a folder of images go unless another folder is asked for."""
    folder = Path(folder).resolve()
    name = f"{folder.parent.name}-{folder.name}" + (f"-{size}" if size else "")
    return output_root() / "records" / name


def main() -> None:
    """Run the command; ``--help`` explains it."""
    sizes = ", ".join(f"{name} {width} × {height}" for name, (width, height) in SIZES.items())
    parser = cli.make_parser(
        "python -m spectrogram_image.TFRecord_generation",
        "Turn images of one kind into TFRecords.\n\n"
        "Reads what spectrogram_image.spectrogram_generation has made. A record holds an image's\n"
        "levels, the numbers of its colours, a byte a pixel; the palette stands in manifest.json.\n"
        "At the size of the images nothing is lost. At a half or a quarter of it, the levels of\n"
        "2 × 2 or 4 × 4 pixels are averaged and rounded.\n\n"
        "Writes <split>-00007-of-00042.tfrecord, manifest.json (what the records hold),\n"
        "tracks.csv (the plan) and failures.csv (which images are missing or damaged). A record\n"
        "takes 3.1 MB of disk at full size, 0.76 MB at half, 0.19 MB at quarter.\n\n"
        "The command can be interrupted at any time; run it again to continue. It then also reads\n"
        "the images in failures.csv again that have appeared or changed (size or time).",
        "  python -m spectrogram_image.TFRecord_generation data/images/demo-medium-half/log\n"
        "  python -m spectrogram_image.TFRecord_generation data/images/fma-medium-full/mel \\\n"
        "      --size quarter --out /fast/records/mel",
    )
    parser.add_argument("images", metavar="IMAGES/KIND", help="folder of images of one kind")
    parser.add_argument(
        "--size", choices=SIZES, help=f"of the records ({sizes}); by default that of the images"
    )
    parser.add_argument("--out", help="folder for the records; by default one under data/records")
    add_workers_option(parser)
    arguments = parser.parse_args()
    out = Path(arguments.out or default_folder(arguments.images, arguments.size))
    workers = arguments.cluster or arguments.workers
    manifest = generate(arguments.images, out, size=arguments.size, workers=workers)
    print(f"Data set: {manifest.data_set['title']}")
    print(shards.summarise(manifest, out, "images"))


if __name__ == "__main__":
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_image.TFRecord_generation import main as main_of_module

    cli.run_command(main_of_module)
