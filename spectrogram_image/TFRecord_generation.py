"""Conversion of images to TFRecords, and its command.

A record holds the levels of an image, one byte per pixel. The manifest holds the palette; levels
and palette restore the exact pixels. Levels are faster to read than a PNG, which must be inflated,
and take a third of the bytes of colours. A record of an image without a palette holds its colours.
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
from spectrogram_image.images.folder import ImageError, ImageSet, read_pixels, read_tables
from spectrogram_image.images.records import KIND
from spectrogram_image.images.rendering import SIZES

REDUCTIONS = (1, 2, 4)
"""Factors by which width and height can be reduced."""


@dataclass(frozen=True)
class Shard(shards.Shard):
    """The images of one TFRecord file; a track is (track id, label, path relative to `source`).

    A failure is (track id, reason). `reduction` is one of `REDUCTIONS`.
    """

    images: ImageSet
    reduction: int

    @property
    def size(self) -> int:
        """int: approximate size of the file in bytes if no image is damaged."""
        pixels = self.images.parameters.width * self.images.parameters.height
        channels = 1 if self.images.palette else 3
        existing = sum(self.file_of(track).exists() for track in self.tracks)
        return existing * pixels * channels // self.reduction**2

    def file_of(self, track: tuple) -> Path:
        """Return the path of a track's image."""
        return self.source / track[2]

    def read(self, track: tuple) -> tuple[dict[int, np.ndarray], list[tuple]]:
        """Read the levels or colours of a track's image, reduced."""
        try:
            pixels = read_pixels(self.file_of(track), self.images)
        except ImageError as error:
            return {}, [(track[0], error.reason)]
        return {0: reduce_levels(pixels, self.reduction)}, []


def generate(
    folder: str | Path,
    out: str | Path,
    *,
    size: str | None = None,
    workers: int | str | None = None,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> Manifest:
    """Write the missing records of a folder of images.

    A shard is missing if it was not written, was damaged, or if images that it lacks have appeared
    or changed since.

    Parameters
    ----------
    folder : path-like
        Images of one kind, from `spectrogram_image.spectrogram_generation` or
        `spectrogram_image.import_images`.
    out : path-like
        The folder of the shards, ``manifest.json``, ``tracks.csv`` and ``failures.csv``.
    size : str, optional
        A key of `spectrogram_image.images.rendering.SIZES`, by default the size of the images. At
        a half, a quarter or an eighth of it, `reduce_levels` averages the levels.
    workers
        See `spectrogram_image.spectrogram_generation.generate`.
    tracks_per_shard : int
        Maximum number of tracks in a shard, the unit of resumption.

    Raises
    ------
    UserError
        If the folder holds no finished images, the size is not possible, `out` holds records made
        with other settings, the disk has no room for the missing records, or no training image
        could be read.
    """
    # A cluster's workers can have another working folder.
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
    """Return the factor from the images' size to `size`, or raise a `UserError`."""
    if size is None:
        return 1
    if size not in SIZES:
        raise UserError(f"unknown size {size!r}: choose one of {', '.join(SIZES)}")
    width, height = images.parameters.width, images.parameters.height
    possible = {(width // n, height // n): n for n in REDUCTIONS}
    wanted = SIZES[size]
    if wanted not in possible:
        names = ", ".join(name for name, pixels in SIZES.items() if pixels in possible)
        raise UserError(
            f"images of {width} × {height} pixels cannot be reduced to {wanted[0]} × {wanted[1]}: "
            f"choose from {names}, or make larger images"
            if names
            else f"images of {width} × {height} pixels have no named size: omit --size"
        )
    return possible[wanted]


def reduce_levels(levels: np.ndarray, reduction: int) -> np.ndarray:
    """Average the levels of blocks of pixels, rounding half up.

    Averaging the colours of levels instead would produce colours outside the palette. Images
    without a palette are reduced channel by channel.

    Parameters
    ----------
    levels : np.ndarray [shape=(height, width) or (height, width, 3), uint8]
    reduction : int
        A divisor of height and width.

    Returns
    -------
    np.ndarray [shape=(height // reduction, width // reduction, ...), uint8]
    """
    if reduction == 1:
        return levels
    height, width, *channels = levels.shape
    blocks = levels.reshape(
        height // reduction, reduction, width // reduction, reduction, *channels
    )
    pixels = reduction**2
    total = blocks.sum(axis=(1, 3), dtype=np.uint16)  # at most 16 * 255
    return ((total + pixels // 2) // pixels).astype(np.uint8)


def default_folder(folder: str | Path, size: str | None = None) -> Path:
    """Return the default folder of the records of a folder of images."""
    folder = Path(folder).resolve()
    name = f"{folder.parent.name}-{folder.name}" + (f"-{size}" if size else "")
    return output_root() / "records" / name


def main() -> None:
    """Run the command; ``--help`` explains it."""
    sizes = ", ".join(f"{name} {width} × {height}" for name, (width, height) in SIZES.items())
    parser = cli.make_parser(
        "python -m spectrogram_image.TFRecord_generation",
        "Convert images of one kind to TFRecords.\n\n"
        "Input: a folder of images from spectrogram_image.spectrogram_generation or from\n"
        "spectrogram_image.import_images. A record holds the levels of an image, one byte per\n"
        "pixel; manifest.json holds the palette. At the images' own size the conversion is\n"
        "lossless. At a half, a quarter or an eighth of it, levels of 2 × 2, 4 × 4 or 8 × 8\n"
        "pixels are averaged.\n"
        "A record of an imported image without levels holds its colours, three bytes per pixel.\n\n"
        "Output: <split>-00007-of-00042.tfrecord, manifest.json (description), tracks.csv (plan)\n"
        "and failures.csv (missing or damaged images). A record takes 3.1 MB of disk at full\n"
        "size, 0.76 MB at half, 0.19 MB at quarter.\n\n"
        "To continue after an interruption, run the same command again. An image in failures.csv\n"
        "is read again if its file has changed.",
        "  python -m spectrogram_image.TFRecord_generation data/images/demo-medium-quarter/log\n"
        "  python -m spectrogram_image.TFRecord_generation data/images/fma-medium-full/mel \\\n"
        "      --size quarter --out /fast/records/mel",
    )
    parser.add_argument("images", metavar="IMAGES/KIND", help="folder of images of one kind")
    parser.add_argument(
        "--size", choices=SIZES, help=f"size of the records: {sizes} (default: the images' size)"
    )
    parser.add_argument("--out", help="output folder (default: under data/records)")
    add_workers_option(parser)
    arguments = parser.parse_args()
    out = Path(arguments.out or default_folder(arguments.images, arguments.size))
    workers = arguments.cluster or arguments.workers
    manifest = generate(arguments.images, out, size=arguments.size, workers=workers)
    print(f"Data set: {manifest.data_set['title']}")
    print(shards.summarise(manifest, out, "images"))


if __name__ == "__main__":
    # Workers import the functions by the module's name, not from __main__.
    from spectrogram_image.TFRecord_generation import main as main_of_module

    cli.run_command(main_of_module)
