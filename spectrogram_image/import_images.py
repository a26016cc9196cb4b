"""Import of pictures made elsewhere, and its command.

The pictures become a folder of images as `spectrogram_image.spectrogram_generation` writes it: they
are listed, a sample is surveyed, all are converted in parallel, and the tables are written.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from common import cli
from common.cli import add_workers_option
from common.errors import UserError
from common.fma.genres import GENRE_MAPPINGS, describe_similar
from common.fma.metadata import SPLITS
from common.fma.track_plan import genres_of
from common.jobs.files import require_space
from common.jobs.journal import JOURNAL
from common.jobs.run import run_jobs
from common.paths import display_path
from common.records.coverage import find_shortcomings
from common.records.shards import PLAN, failure_table
from common.records.tfrecords import FAILURES
from common.tables import write_table
from common.text import one_line
from spectrogram_image.images.folder import DESCRIPTION, ImageParameters, ImageSet, write_tables
from spectrogram_image.images.rendering import palette
from spectrogram_image.importing.jobs import Conversion, convert_pictures, make_jobs
from spectrogram_image.importing.pictures import UNCUT, Box
from spectrogram_image.importing.sources import read_listing
from spectrogram_image.importing.survey import survey
from spectrogram_image.importing.tables import DUPLICATES, list_copies, plan_import

SECONDS = 30.0


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

    The arguments are the options of the command, with `mapping` for ``--genres``. `crop` is pixels
    to cut off at the left, top, right and bottom, and `size` is width and height. `workers` is a
    number of processes or the address of a Dask scheduler.

    Returns the description of the images, and messages about the pictures. A `UserError` is raised
    if an argument is invalid, the pictures are insufficient, or `out` holds other images.
    """
    source, out = Path(source), Path(out).absolute()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out} is inside {source}: choose a folder outside it with --out")
    if not (out / JOURNAL).exists() and out.is_dir() and any(out.glob("[!.]*")):
        raise UserError(f"{out} holds other files: choose a new folder with --out")
    for option, value, valid in (
        ("--crop", crop, not crop or (len(crop) == 4 and min(crop) >= 0)),
        ("--size", size, not size or (len(size) == 2 and 2 <= min(size) <= max(size) <= 10_000)),
        ("--seconds", seconds, 1 <= seconds <= 1e6),
        ("--seed", seed, seed >= 0),
    ):
        if not valid:
            raise UserError(f"{option} {value} is invalid: see --help")
    for name in (cmap, paint):
        if name not in (None, "none"):
            palette(name)  # raises for an unknown colour map

    listing = read_listing(source, Path(metadata) if metadata else None, subset, mapping)
    tracks = listing.tracks
    surveyed = survey(listing.folder, tracks["path"].tolist(), crop, cmap)
    if surveyed.cmap is None and paint:
        raise UserError(f"--paint {paint} needs levels, but the pictures are in colours")
    painted = "" if surveyed.cmap is None else paint or surveyed.cmap or "gray"
    width, height = size or surveyed.size
    conversion = Conversion(width, height, crop or UNCUT, surveyed.cmap, painted)
    parameters = ImageParameters(width, height, float(seconds), 0, painted)

    require_space(out, len(tracks) * width * height * (0.5 if painted else 1.5), "images")
    results = run_jobs(
        convert_pictures,
        make_jobs(list(tracks["path"].items()), listing.folder, out, conversion),
        folder=out,
        settings={
            "kind": "imported-images",
            "parameters": asdict(parameters) | asdict(conversion),
            "representation": kind or out.name,
            "seed": seed,
            "source": str(source.resolve()),
            "tracks": hashlib.sha256(tracks.to_csv().encode(errors="surrogateescape")).hexdigest(),
        },
        workers=workers,
        source=listing.folder,
        description="importing",
        unit="picture",
    )
    for half_written in out.glob("*/.*.tmp"):  # by a killed run
        half_written.unlink()

    failures = [tuple(failed) for result in results for failed in result["failures"]]
    rows = [row for result in results for row in result["pictures"]]
    pictures = pd.DataFrame(rows, columns=["track_id", "checksum", "resized"]).set_index("track_id")
    if not rows:
        write_table(out / FAILURES, failure_table(tracks, failures, ("reason",)))
        raise UserError(f"none of {len(tracks):,} pictures can be used: see {out / FAILURES}")
    plan, split_notes = plan_import(tracks, pictures["checksum"], seed)
    write_table(out / PLAN, plan.reset_index())
    write_table(out / FAILURES, failure_table(plan, failures, ("reason",)))
    copies, copy_notes = list_copies(plan, pictures["checksum"], out, allowed=allow_duplicates)
    made = plan.loc[pictures.index].sort_index()
    write_tables(out, made)
    images = ImageSet(
        kind=kind or out.name,
        parameters=parameters,
        palette=palette(painted).tobytes().hex() if painted else "",
        genres=genres_of(plan),
        mapping=mapping,
        data_set={"title": listing.title, "subset": listing.subset, "synthetic": False},
        images={split: int((made["split"] == split).sum()) for split in SPLITS},
        versions={name: version(name) for name in ("matplotlib", "numpy", "pillow", "scipy")},
        origin={
            "source": one_line(source.resolve().name),
            "crop": list(conversion.crop),
            "colormap": surveyed.match and {"name": surveyed.cmap, **surveyed.match._asdict()},
            "resized": int(pictures["resized"].sum()),
            "splits": "given" if (tracks["split"] != "").all() else f"made, seed {seed}",
            "duplicates": copies,
        },
    )
    images.write(out)
    notes = [*listing.notes, surveyed.note, *_describe(images, made, failures, out)]
    return images, [*notes, *split_notes, *copy_notes]


def _describe(
    images: ImageSet, made: pd.DataFrame, failures: Sequence[tuple[int, str]], out: Path
) -> list[str]:
    """Describe resized and unusable pictures, and genres that do not suffice for training."""
    notes = []
    if resized := (images.origin or {})["resized"]:
        notes.append(
            f"{resized:,} of {len(made):,} pictures had other sizes and were resized to "
            f"{images.parameters.width} × {images.parameters.height} pixels"
        )
    if failures:
        reasons = Counter(one_line(reason.split(" (")[0]) for _, reason in failures)
        shown = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common(4))
        where = display_path(out / FAILURES)
        notes.append(f"pictures that cannot be used: {len(failures):,} ({shown}); {where}")
    counts = made.groupby("split")["genre"].value_counts()
    by_split = {split: dict(counts.get(split, {})) for split in SPLITS}
    for found in find_shortcomings(images.genres, by_split):
        notes.append(f"warning: {found}; training will refuse these images")
    return notes + describe_similar(images.genres)


def pixels(text: str) -> tuple[int, ...]:
    """Parse numbers such as ``54,35,41,35`` or ``256x128``."""
    return tuple(int(number) for number in re.split("[,x]", text.lower()))


def main() -> None:
    """Run the command; ``--help`` explains it."""
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
        "Axes and margins must be cut off: if a sample of the pictures has a margin, the command\n"
        "proposes --crop, to about one pixel. Pictures of other sizes are resized.\n\n"
        "Without splits, about 80/10/10 % of the tracks of each genre become training, validation\n"
        "and test: by artist if the artists are known, otherwise by name.\n\n"
        "Output, as from spectrogram_image.spectrogram_generation: 000/000002.png,\n"
        f"TRAIN_metadata.csv, VALIDATION_metadata.csv, TEST_metadata.csv, {DESCRIPTION},\n"
        f"{PLAN} (all tracks, with the pictures' names), {FAILURES} (pictures that cannot be\n"
        f"used, and the reasons) and {DUPLICATES} (pictures with the same pixels). Your pictures\n"
        "are not changed.\n\n"
        "To continue after an interruption, run the same command again.",
        "  python -m spectrogram_image.import_images ~/fma_small_mel --out data/images/fma/mel\n"
        "  python -m spectrogram_image.import_images ~/gtzan --crop 54,35,41,35 \\\n"
        "      --out data/images/gtzan/mel\n"
        "  python -m spectrogram_image.import_images pictures.csv --cmap magma --size 256x128 \\\n"
        "      --out /fast/images/mine/log",
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
        "--genres",
        dest="mapping",
        choices=GENRE_MAPPINGS,
        default="all",
        help="mapping of FMA's genres",
    )
    parser.add_argument(
        "--cmap", help="colour map of the pictures, or none to keep colours (default: found)"
    )
    parser.add_argument("--paint", metavar="CMAP", help="colour map of the images")
    parser.add_argument(
        "--crop",
        type=pixels,
        metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="pixels to cut off at each side",
    )
    parser.add_argument(
        "--size",
        type=pixels,
        metavar="WxH",
        help="size of the images in pixels (default: the most frequent one)",
    )
    parser.add_argument("--kind", help="name of the representation (default: name of --out)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of a picture")
    parser.add_argument("--seed", type=int, default=0, help="seed of the division into splits")
    parser.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="accept pictures with the same pixels in several splits",
    )
    add_workers_option(parser)
    options = vars(parser.parse_args())
    options["workers"] = options.pop("cluster") or options["workers"]
    images, notes = import_images(**options)
    shown = display_path(options["out"])
    counts = ", ".join(f"{count:,} {split}" for split, count in images.images.items())
    print(
        *notes,
        f"{images.data_set['title']}: {counts}; {len(images.genres)} genres, "
        f"{images.parameters.width} × {images.parameters.height} pixels",
        f"Images in {shown}. Go on with:",
        f"python -m spectrogram_image.TFRecord_generation {shown}",
        sep="\n",
    )


if __name__ == "__main__":
    # Workers import the functions by the module's name, not from __main__.
    from spectrogram_image.import_images import main as main_of_module

    cli.run_command(main_of_module)
