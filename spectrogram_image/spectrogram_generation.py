"""Generation of spectrogram images from audio, and its command.

A job (`images.jobs`) is a fixed list of tracks. After the last job, `generate` writes the tables
and the description of each kind of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from common import cli
from common.cli import add_data_options, add_workers_option
from common.errors import UserError
from common.fma.dataset import Dataset, find_dataset
from common.fma.genres import describe_similar
from common.fma.metadata import SPLITS
from common.fma.track_plan import (
    PLAN_COLUMNS,
    describe_dataset,
    genres_of,
    plan_digest,
    plan_tracks,
)
from common.jobs.files import require_space
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, run_jobs
from common.paths import display_path, output_root
from common.records.coverage import find_shortcomings
from common.records.shards import PLAN, failure_table
from common.records.tfrecords import FAILURES
from common.tables import read_table, write_table
from spectrogram_image.convert import KINDS
from spectrogram_image.images.folder import (
    ImageParameters,
    ImageSet,
    read_tables,
    table_path,
    write_tables,
)
from spectrogram_image.images.jobs import Task, draw_images
from spectrogram_image.images.rendering import SIZES, palette
from spectrogram_image.sound import LOWEST_SAMPLE_RATE

DEFAULT_KINDS = ("log", "mel", "log-mel", "cqt")

SECONDS = 25.0
SAMPLE_RATE = 48_000

TRACKS_PER_JOB = 16

_MAKERS = ("librosa", "matplotlib", "numpy", "pillow", "soundfile", "soxr")
"""Packages that determine the pixels of an image."""


def generate(
    dataset: Dataset,
    out: str | Path,
    *,
    kinds: Sequence[str] = DEFAULT_KINDS,
    size: str = "full",
    seconds: float = SECONDS,
    sample_rate: int = SAMPLE_RATE,
    cmap: str = "magma",
    mapping: str = "all",
    workers: int | str | None = None,
    tracks_per_job: int = TRACKS_PER_JOB,
) -> dict[str, ImageSet]:
    """Make the missing images of a data set.

    An image is missing if it was not made, was damaged, or if its track failed and the audio file
    has changed since. A later call can add other kinds to the same folder.

    Parameters
    ----------
    out : path-like
        The output folder. Each kind gets a folder with ``000/000002.png``,
        ``TRAIN_metadata.csv``, ``VALIDATION_metadata.csv``, ``TEST_metadata.csv``, ``tracks.csv``,
        ``failures.csv``, and ``images.json`` when the kind is finished.
    kinds : sequence of str
        Keys of `spectrogram_image.convert.KINDS`.
    size : str
        A key of `spectrogram_image.images.rendering.SIZES`.
    seconds : float
        Duration of the excerpt, from the beginning of a track. Up to 0.1 s of it may be missing
        and is filled with silence.
    sample_rate : int
        Hz; audio is resampled to it.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    workers : int or str, optional
        Number of processes, by default one per core; or the address of a Dask scheduler. The bytes
        do not depend on it.

    Returns
    -------
    dict
        Kind → description of its folder.

    Raises
    ------
    UserError
        If an argument is invalid, the folder holds images made with other settings, the disk has
        no room for the missing images, or no training track could be read.
    """
    out = Path(out).absolute()  # a cluster's workers can have another working folder
    parameters = _check(kinds, size, seconds, sample_rate, cmap)
    kinds = tuple(kind for kind in KINDS if kind in kinds)  # the order does not matter
    plan = plan_tracks(dataset.tracks(PLAN_COLUMNS), mapping)
    if not (out / JOURNAL).exists() and (found := [k for k in KINDS if (out / k).exists()]):
        raise UserError(
            f"{out / found[0]} exists, but {out / JOURNAL}, the record of its settings, does not: "
            "choose another output folder, or delete this one"
        )
    tracks, step = plan.index.tolist(), tracks_per_job
    tasks = [
        Task(out, dataset.audio_dir, parameters, kinds, tuple(tracks[start : start + step]))
        for start in range(0, len(tracks), step)
    ]
    # The name contains the kinds: with other kinds it is another job, which keeps finished images.
    jobs = [
        Job(f"{'+'.join(kinds)} {i:05d}-of-{len(tasks):05d}", task, size=len(task.tracks))
        for i, task in enumerate(tasks)
    ]
    # 50 % tolerance, since the size of an image depends on the music.
    require_space(out, sum(task.size for task in tasks), "images", tolerance=0.5)
    settings = {
        "genres": genres_of(plan),
        "kind": "spectrogram-images",
        "parameters": asdict(parameters),
        "tracks": plan_digest(plan),
    }
    results = run_jobs(
        draw_images,
        jobs,
        folder=out,
        settings=settings,
        workers=workers,
        source=dataset.audio_dir,
        description="images",
    )
    failures = [failed for result in results for failed in result["failures"]]
    sets = {}
    for kind in kinds:
        failed = [(track, reason) for track, of, reason in failures if of == kind]
        made = _finish(out / kind, plan, failed)
        if not made["training"]:
            raise UserError(
                f"no training track of {dataset.audio_dir} could be read: "
                f"see {out / kind / FAILURES}"
            )
        sets[kind] = ImageSet(
            kind=kind,
            parameters=parameters,
            palette=palette(cmap).tobytes().hex(),
            genres=genres_of(plan),
            mapping=mapping,
            data_set=describe_dataset(dataset),
            images=made,
            versions={name: version(name) for name in _MAKERS},
        )
        sets[kind].write(out / kind)
    return sets


def _check(
    kinds: Sequence[str], size: str, seconds: float, sample_rate: int, cmap: str
) -> ImageParameters:
    """Check the arguments of `generate` and collect the parameters of an image."""
    if not kinds:
        raise UserError(f"no kind of images given: choose from {', '.join(KINDS)}")
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"unknown representation {kind!r}: choose from {', '.join(KINDS)}")
    if size not in SIZES:
        raise UserError(f"unknown size {size!r}: choose one of {', '.join(SIZES)}")
    if not (math.isfinite(seconds) and seconds >= 1):
        raise UserError(f"seconds = {seconds} must be 1 or more")
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise UserError(f"sample rate = {sample_rate} must be {LOWEST_SAMPLE_RATE} or more")
    palette(cmap)  # raises for an unknown colour map
    return ImageParameters(*SIZES[size], float(seconds), int(sample_rate), cmap)


def _finish(folder: Path, plan: pd.DataFrame, failed: list[tuple[int, str]]) -> dict[str, int]:
    """Write the tables of a kind and return the number of images of each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob("*/.*.tmp"):  # by a killed run
        half_written.unlink()
    made = plan.drop([track for track, _ in failed])
    write_table(folder / PLAN, plan.reset_index())
    write_table(folder / FAILURES, failure_table(plan, failed, ("reason",)))
    write_tables(folder, made)
    return {split: int((made["split"] == split).sum()) for split in SPLITS}


def default_folder(dataset: Dataset, size: str = "full", mapping: str = "all") -> Path:
    """Return the default folder of a data set's images."""
    suffix = "" if mapping == "all" else f"-{mapping}"
    return output_root() / "images" / f"{dataset.name}-{size}{suffix}"


def summary(sets: dict[str, ImageSet], out: Path) -> str:
    """Describe a folder of images in a few lines."""
    lines = [f"Images in {display_path(out)}"]
    for kind, images in sets.items():
        counts = ", ".join(f"{count:,} {split}" for split, count in images.images.items())
        lost = len(read_table(out / kind / FAILURES))
        where = f": {display_path(out / kind / FAILURES)}" if lost else ""
        lines.append(f"  {kind:<11} {counts}; {lost:,} skipped{where}")
    for kind, images in list(sets.items())[:1]:  # all kinds have the same tracks
        counts = read_tables(out / kind, images.genres).groupby("split")["genre"].value_counts()
        by_split = {split: dict(counts.get(split, {})) for split in SPLITS}
        for found in find_shortcomings(images.genres, by_split):
            lines.append(f"warning: {found}; training will refuse these images")
        lines += describe_similar(images.genres)
    return "\n".join(lines)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_image.spectrogram_generation",
        "Make spectrogram images of the tracks of an FMA subset.\n\n"
        "The first 25 s of each track become an image of each kind, without axes: time runs from\n"
        f"left to right, low frequencies are at the bottom. Kinds: {', '.join(list(KINDS)[:5])},\n"
        f"{', '.join(list(KINDS)[5:])}.\n\n"
        "Output: <kind>/<first three digits>/<track>.png, and in each <kind>/ three tables for\n"
        f"Keras' dataframe generator ({', '.join(table_path('', s).name for s in SPLITS)}),\n"
        "images.json (description), tracks.csv (plan) and failures.csv (tracks without an image,\n"
        "and the reasons). A later run can add kinds to the same folder.\n\n"
        "To continue after an interruption, run the same command again. A track in failures.csv\n"
        "is read again if its file has changed.\n\n"
        "A track in the default kinds takes half a second of one core and 2.1 MB of disk at full\n"
        "size (2480 × 1232 pixels), 0.9 MB at half, 0.4 MB at quarter. One image at full size\n"
        "takes 0.06 MB (chroma), 0.2 (cqt), 0.5 (mel, log-mel), 1.0 (log) or 1.3 (linear).",
        "  python -m spectrogram_image.spectrogram_generation --size half\n"
        "  python -m spectrogram_image.spectrogram_generation --kinds log mel --size quarter\n"
        "  python -m spectrogram_image.spectrogram_generation --kinds all --out /fast/images\n"
        "  FMA_ROOT=/music/fma python -m spectrogram_image.spectrogram_generation --subset small",
    )
    add_data_options(parser)
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=[*KINDS, "all"],
        metavar="KIND",
        default=list(DEFAULT_KINDS),
        help=f"kinds of images, or all (default: {' '.join(DEFAULT_KINDS)})",
    )
    parser.add_argument("--size", choices=SIZES, default="full", help="size of the images")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of the excerpt")
    parser.add_argument(
        "--sample-rate", type=int, default=SAMPLE_RATE, help="sampling rate of the audio, Hz"
    )
    parser.add_argument("--out", help="output folder (default: under data/images)")
    add_workers_option(parser)
    arguments = parser.parse_args()
    dataset = find_dataset(arguments.root, arguments.subset)
    print(dataset.notice)
    out = Path(arguments.out or default_folder(dataset, arguments.size, arguments.genres))
    sets = generate(
        dataset,
        out,
        kinds=tuple(KINDS) if "all" in arguments.kinds else arguments.kinds,
        size=arguments.size,
        seconds=arguments.seconds,
        sample_rate=arguments.sample_rate,
        mapping=arguments.genres,
        workers=arguments.cluster or arguments.workers,
    )
    print(summary(sets, out))


if __name__ == "__main__":
    # Workers import the functions by the module's name, not from __main__.
    from spectrogram_image.spectrogram_generation import main as main_of_module

    cli.run_command(main_of_module)
