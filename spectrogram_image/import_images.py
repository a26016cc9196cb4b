"""Import of pictures made elsewhere, and its command.

The pictures become a folder of images as `spectrogram_image.spectrogram_generation` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from common import cli
from common.cli import add_workers_option
from common.errors import UserError
from common.fma.genres import GENRE_MAPPINGS
from common.fma.metadata import SPLITS
from common.fma.track_plan import genres_of
from common.jobs.files import fingerprint, require_space
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, run_jobs
from common.paths import display_path
from common.records.shards import PLAN, failure_table
from common.records.tfrecords import FAILURES
from common.tables import write_table
from common.text import one_line
from spectrogram_image.images.folder import (
    DESCRIPTION,
    ImageParameters,
    ImageSet,
    table_path,
    write_tables,
)
from spectrogram_image.images.rendering import palette
from spectrogram_image.importing.jobs import Conversion, Task, convert_pictures
from spectrogram_image.importing.pictures import Box
from spectrogram_image.importing.sources import Listing, read_listing
from spectrogram_image.importing.survey import UNCUT, survey
from spectrogram_image.importing.tables import (
    DUPLICATES,
    describe_copies,
    describe_failures,
    describe_genres,
    describe_pixels,
    find_copies,
    plan_import,
)

SECONDS = 30.0

PICTURES_PER_JOB = 32

_MAKERS = ("matplotlib", "numpy", "pillow", "scipy")
"""Packages that determine the pixels of an image."""

_SIZE_LIMIT = 10_000


def import_images(
    source: str | Path,
    out: str | Path,
    *,
    metadata: str | Path | None = None,
    subset: str | None = None,
    mapping: str = "all",
    cmap: str | None = None,
    paint: str | None = None,
    crop: Box | None = None,
    size: tuple[int, int] | None = None,
    kind: str | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
    allow_duplicates: bool = False,
    workers: int | str | None = None,
) -> tuple[ImageSet, list[str]]:
    """Import pictures, or complete an interrupted import.

    Parameters
    ----------
    source : path-like
        A folder or a CSV; see `spectrogram_image.importing.sources.read_listing`, also for
        `metadata`, `subset` and `mapping`.
    out : path-like
        The folder of images of one kind.
    cmap : str, optional
        Colour map of the pictures, by default the one that is found among Matplotlib's; ``"none"``
        keeps the colours.
    paint : str, optional
        Colour map of the images. By default they keep the colours of the pictures.
    crop : (int, int, int, int), optional
        Pixels to cut off at the left, top, right and bottom.
    size : (int, int), optional
        Width and height of the images, by default the most frequent of the pictures.
    kind : str, optional
        Name of the representation, by default the name of `out`.
    seconds : float
        Duration of a picture, on which SpecAugment's time masks depend.
    seed : int >= 0
        Seed of the division into splits, if the source names none.
    allow_duplicates : bool
        Accept pictures with the same pixels in several splits.
    workers : int or str, optional
        Number of processes, by default one per core; or the address of a Dask scheduler.

    Returns
    -------
    images : ImageSet
    notes : list of str
        Messages about the pictures.

    Raises
    ------
    UserError
        If an argument is invalid, the pictures are insufficient, or `out` holds other images.
    """
    source, out = Path(source), Path(out).absolute()
    _check(source, out, paint, crop, size, seconds, seed)
    listing = read_listing(source, Path(metadata) if metadata else None, subset, mapping)
    if cmap not in (None, "none"):
        palette(cmap)  # raises for an unknown colour map
    tracks = listing.tracks
    surveyed = survey(listing.folder, tracks["path"].tolist(), crop, cmap)
    if surveyed.cmap is None and paint:
        raise UserError(f"--paint {paint} needs levels, but the pictures are in colours")
    width, height = size or surveyed.size
    painted = "" if surveyed.cmap is None else paint or surveyed.cmap or "gray"
    conversion = Conversion(
        width, height, crop or UNCUT, surveyed.cmap, surveyed.truncated, painted
    )
    parameters = ImageParameters(width, height, float(seconds), 0, painted)
    require_space(out, len(tracks) * width * height * (0.5 if painted else 1.5), "images")
    results = run_jobs(
        convert_pictures,
        _jobs(listing, out, conversion),
        folder=out,
        settings={
            "kind": "imported-images",
            "parameters": asdict(parameters) | asdict(conversion),
            "representation": kind or out.name,
            "seed": seed,
            "source": str(source.resolve()),
            "tracks": _digest(tracks.to_csv()),
        },
        workers=workers,
        source=listing.folder,
        description="importing",
        unit="picture",
    )
    plan, origin, notes = _finish(tracks, results, out, seed, allow_duplicates)
    origin |= {"source": one_line(source.resolve().name), "crop": list(conversion.crop)}
    if surveyed.cmap:
        origin["colormap"]["name"] = surveyed.cmap
    images = ImageSet(
        kind=kind or out.name,
        parameters=parameters,
        palette=palette(painted).tobytes().hex() if painted else "",
        genres=genres_of(plan),
        mapping=mapping,
        data_set={"title": listing.title, "subset": listing.subset, "synthetic": False},
        images={split: int((plan["made"] & (plan["split"] == split)).sum()) for split in SPLITS},
        versions={name: version(name) for name in _MAKERS},
        origin=origin,
    )
    images.write(out)
    described = [*describe_pixels(images, surveyed), *notes, *describe_genres(plan)]
    return images, listing.notes + described


def _check(
    source: Path,
    out: Path,
    paint: str | None,
    crop: Box | None,
    size: tuple[int, int] | None,
    seconds: float,
    seed: int,
) -> None:
    """Check the arguments of `import_images`."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out} is inside {source}: choose a folder outside it with --out")
    if not (out / JOURNAL).exists() and out.is_dir() and any(out.glob("[!.]*")):
        raise UserError(f"{out} holds other files: choose a new folder with --out")
    if paint:
        palette(paint)  # raises for an unknown colour map
    if crop and min(crop) < 0:
        raise UserError("--crop takes the pixels to cut off, which are 0 or more")
    if size and not all(1 < pixels <= _SIZE_LIMIT for pixels in size):
        raise UserError(f"--size must be between 2 and {_SIZE_LIMIT:,} pixels")
    if not 1 <= seconds <= 1e6:
        raise UserError(f"--seconds {seconds} must be 1 or more")
    if seed < 0:
        raise UserError(f"--seed {seed} must be at least 0")


def _jobs(listing: Listing, out: Path, conversion: Conversion) -> list[Job]:
    rows = list(zip(listing.tracks.index.tolist(), listing.tracks["path"], strict=True))
    jobs = []
    for start in range(0, len(rows), PICTURES_PER_JOB):
        some = tuple(rows[start : start + PICTURES_PER_JOB])
        state = _digest(repr([fingerprint(listing.folder / name) for _, name in some]))[:16]
        task = Task(out, listing.folder, conversion, some)
        jobs.append(Job(f"{start:07d} {state}", task, size=len(some)))
    return jobs


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _finish(
    tracks: pd.DataFrame, results: Sequence[dict], out: Path, seed: int, allow_duplicates: bool
) -> tuple[pd.DataFrame, dict[str, Any], list[str]]:
    """Write the tables of an import.

    Returns
    -------
    plan : pandas.DataFrame
        As ``tracks.csv``, with ``made``, whether a track has an image.
    origin : dict
        Entries of `ImageSet.origin`.
    notes : list of str
    """
    failures = [tuple(failed) for result in results for failed in result["failures"]]
    rows = [row for result in results for row in result["pictures"]]
    if not rows:
        write_table(out / FAILURES, failure_table(tracks, failures, ("reason",)))
        raise UserError(f"none of {len(tracks):,} pictures can be used: see {out / FAILURES}")
    columns = ["track_id", "checksum", "resized", "exact", "mean", "largest"]
    pictures = pd.DataFrame(rows, columns=columns[: len(rows[0])]).set_index("track_id")
    plan, notes = plan_import(tracks, pictures["checksum"], seed)
    copies = find_copies(plan, pictures["checksum"])
    write_table(out / DUPLICATES, copies)
    notes += describe_copies(copies, out, allow_duplicates=allow_duplicates)
    notes += describe_failures(failures, out)
    for half_written in out.glob("*/.*.tmp"):  # by a killed run
        half_written.unlink()
    write_table(out / PLAN, plan.reset_index())
    write_table(out / FAILURES, failure_table(plan, failures, ("reason",)))
    write_tables(out, plan.loc[pictures.index].sort_index())
    origin: dict[str, Any] = {
        "splits": "given" if (tracks["split"] != "").all() else f"made, seed {seed}",
        "duplicates": len(copies),
        "resized": int(pictures["resized"].sum()),
    }
    if "exact" in pictures:
        origin["colormap"] = {
            "exact_pixels": float(pictures["exact"].mean()),
            "mean_distance": float(pictures["mean"].mean()),
            "largest_distance": float(pictures["largest"].max()),
        }
    return plan.assign(made=plan.index.isin(pictures.index)), origin, notes


def summary(images: ImageSet, notes: Sequence[str], out: Path) -> str:
    """Describe an import in a few lines, with the next command."""
    counts = ", ".join(f"{count:,} {split}" for split, count in images.images.items())
    shown = display_path(out)
    return "\n".join(
        [
            *notes,
            f"{images.data_set['title']}: {counts}; {len(images.genres)} genres, "
            f"{images.parameters.width} × {images.parameters.height} pixels",
            f"Images in {shown}. Go on with:",
            f"python -m spectrogram_image.TFRecord_generation {shown}",
        ]
    )


def _numbers(text: str, separator: str, count: int, option: str, example: str) -> Any:
    try:
        values = tuple(int(value) for value in text.lower().split(separator))
    except ValueError:
        values = ()
    if len(values) != count:
        raise UserError(f"{option} {one_line(text)}: expected is for example {option} {example}")
    return values


def main() -> None:
    """Run the command; ``--help`` explains it."""
    tables = ", ".join(table_path("", split).name for split in SPLITS)
    parser = cli.make_parser(
        "python -m spectrogram_image.import_images",
        "Import pictures of spectrograms made elsewhere, one for each track.\n\n"
        "SOURCE is one of\n"
        "  a folder with FMA's names      000/000002.png, with fma_metadata/tracks.csv beside or\n"
        "                                 above it; splits and genres are FMA's\n"
        "  a folder of genres             Techno/one.png, Chanson/two.png\n"
        "  a CSV in UTF-8                 path,genre,split,artist (the last two are optional)\n"
        "                                 mel/one.png,Techno,training,Ada\n\n"
        "Formats: PNG, JPEG, WebP, GIF (first frame) and BMP. Grey pixels are levels as they are.\n"
        "The colours of one of Matplotlib's colour maps become levels again, 0 to 255; the map is\n"
        "found by itself. Other pictures stay in colours. JPEG is less exact.\n\n"
        "Axes and margins must be cut off: if the pictures have a margin, the command proposes\n"
        "--crop. Pictures of other sizes are resized to the most frequent size.\n\n"
        "Without splits, about 80/10/10 % of the tracks of each genre become training, validation\n"
        "and test: by artist if the artists are known, otherwise by name.\n\n"
        "Output, as from spectrogram_image.spectrogram_generation: 000/000002.png,\n"
        f"{tables}, {DESCRIPTION},\n"
        f"{PLAN} (all tracks, with the pictures' names), {FAILURES} (pictures that cannot be\n"
        f"used, and the reasons) and {DUPLICATES} (pictures with the same pixels). Your pictures\n"
        "are not changed.\n\n"
        "To continue after an interruption, run the same command again.",
        "  python -m spectrogram_image.import_images ~/fma_small_mel --out data/images/fma/mel\n"
        "  python -m spectrogram_image.import_images ~/gtzan --crop 54,35,41,35 \\\n"
        "      --out data/images/gtzan/mel\n"
        "  python -m spectrogram_image.import_images pictures.csv --cmap magma --size 256x128 \\\n"
        "      --out /fast/images/mine/log\n"
        "  python -m spectrogram_image.TFRecord_generation data/images/fma/mel",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a folder, or a CSV")
    parser.add_argument("--out", type=Path, required=True, help="new folder of the images")
    parser.add_argument(
        "--metadata", type=Path, help="FMA's tracks.csv or its folder (default: near SOURCE)"
    )
    parser.add_argument(
        "--subset", help="FMA's subset (default: the smallest that has all pictures)"
    )
    parser.add_argument(
        "--genres", choices=GENRE_MAPPINGS, default="all", help="mapping of FMA's genres"
    )
    parser.add_argument(
        "--cmap", help="colour map of the pictures, or none to keep colours (default: found)"
    )
    parser.add_argument("--paint", metavar="CMAP", help="colour map of the images")
    parser.add_argument(
        "--crop", metavar="LEFT,TOP,RIGHT,BOTTOM", help="pixels to cut off at each side"
    )
    parser.add_argument("--size", metavar="WxH", help="size of the images in pixels")
    parser.add_argument("--kind", help="name of the representation (default: name of --out)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of a picture")
    parser.add_argument("--seed", type=int, default=0, help="seed of the division into splits")
    parser.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="accept pictures with the same pixels in several splits",
    )
    add_workers_option(parser)
    given = parser.parse_args()
    crop = given.crop and _numbers(given.crop, ",", 4, "--crop", "54,35,41,35")
    size = given.size and _numbers(given.size, "x", 2, "--size", "256x128")
    images, notes = import_images(
        given.source,
        given.out,
        metadata=given.metadata,
        subset=given.subset,
        mapping=given.genres,
        cmap=given.cmap,
        paint=given.paint,
        crop=crop,
        size=size,
        kind=given.kind,
        seconds=given.seconds,
        seed=given.seed,
        allow_duplicates=given.allow_duplicates,
        workers=given.cluster or given.workers,
    )
    print(summary(images, notes, given.out))


if __name__ == "__main__":
    # Workers import the functions by the module's name, not from __main__.
    from spectrogram_image.import_images import main as main_of_module

    cli.run_command(main_of_module)
