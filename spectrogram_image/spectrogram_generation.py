"""Generation of spectrogram images from audio, and its command.

A job (`images.jobs`) is a fixed list of tracks. After the last job, tables that describe the images
of a kind are written beside them.
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
"""Packages that an image depends on."""


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
    """Make the images of a data set, or those that are missing.

    An image is missing if it was not made, was damaged, or if its track failed and the track's
    file has appeared or changed since. Kinds may be added later to the same folder.

    Parameters
    ----------
    dataset : Dataset
    out : path-like
        Gets a folder for each kind, with ``000/000002.png``, ``TRAIN_metadata.csv``,
        ``VALIDATION_metadata.csv``, ``TEST_metadata.csv``, ``tracks.csv``, ``failures.csv`` and
        ``images.json``, the last when the kind is finished.
    kinds : sequence of str
        Keys of `spectrogram_image.convert.KINDS`.
    size : str
        A key of `spectrogram_image.images.rendering.SIZES`.
    seconds : float
        How much of each track to show, from its beginning. Up to 0.1 s of it may be
        missing, and is completed by silence.
    sample_rate : int
        What the audio is resampled to, Hz.
    cmap : str
        The name of a Matplotlib colour map.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    workers : int or str, optional
        Number of processes, by default one a core; or the address of a Dask cluster's scheduler.
        The bytes do not depend on it.
    tracks_per_job : int
        How often the journal gets a line.

    Returns
    -------
    dict
        Kind → what its folder holds.

    Raises
    ------
    UserError
        If an argument is not possible, the folder holds images made with other settings, the disk
        has no room for what is missing, or no training track could be read.
    """
    out = Path(out).absolute()  # a cluster's workers may start elsewhere
    kinds = _checked_kinds(kinds)
    parameters = _checked_parameters(size, seconds, sample_rate, cmap)
    plan = plan_tracks(dataset.tracks(PLAN_COLUMNS), mapping)
    _refuse_images_of_unknown_origin(out)
    jobs = _plan_jobs(plan, out, dataset.audio_dir, parameters, kinds, tracks_per_job)
    # Half as much again, since the music decides how large an image becomes.
    require_space(out, sum(job.argument.size for job in jobs), "images", tolerance=0.5)
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
                f"{out / kind / FAILURES} says why"
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


def _checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Put the kinds in order, each once, so that the order asked for changes nothing."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"there is no representation {kind!r}: choose of {', '.join(KINDS)}")
    if not kinds:
        raise UserError(f"no kind of images is asked for: choose of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _checked_parameters(size: str, seconds: float, sample_rate: int, cmap: str) -> ImageParameters:
    if size not in SIZES:
        raise UserError(f"there is no size {size!r}: choose one of {', '.join(SIZES)}")
    if not (math.isfinite(seconds) and seconds >= 1):
        raise UserError(f"seconds = {seconds} must be 1 or more")
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise UserError(f"sample rate = {sample_rate} must be {LOWEST_SAMPLE_RATE} or more")
    palette(cmap)  # refuses a name that there is not
    width, height = SIZES[size]
    return ImageParameters(width, height, float(seconds), int(sample_rate), cmap)


def _refuse_images_of_unknown_origin(out: Path) -> None:
    """Refuse to take images for ours that no journal tells the settings of."""
    if not (out / JOURNAL).exists() and (found := [k for k in KINDS if (out / k).exists()]):
        raise UserError(
            f"{out / found[0]} is there, but {out / JOURNAL} is not, which would tell how its "
            "images were made: choose another output folder, or delete this one"
        )


def _plan_jobs(
    plan: pd.DataFrame,
    out: Path,
    audio_dir: Path,
    parameters: ImageParameters,
    kinds: tuple[str, ...],
    tracks_per_job: int,
) -> list[Job]:
    tracks = plan.index.tolist()
    lists = [
        tuple(tracks[start : start + tracks_per_job])
        for start in range(0, len(tracks), tracks_per_job)
    ]
    # With other kinds it is another job, which finds the images that are there.
    return [
        Job(
            f"{'+'.join(kinds)} {i:05d}-of-{len(lists):05d}",
            Task(out, audio_dir, parameters, kinds, listed),
            size=len(listed),
        )
        for i, listed in enumerate(lists)
    ]


def _finish(folder: Path, plan: pd.DataFrame, failed: list[tuple[int, str]]) -> dict[str, int]:
    """Write what stands beside the images of a kind; count them by split."""
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob("*/.*.tmp"):  # by a run that was killed
        half_written.unlink()
    made = plan.drop([track for track, _ in failed])
    write_table(folder / PLAN, plan.reset_index())
    write_table(folder / FAILURES, failure_table(plan, failed, ("reason",)))
    write_tables(folder, made)
    return {split: int((made["split"] == split).sum()) for split in SPLITS}


def default_folder(dataset: Dataset, size: str = "full", mapping: str = "all") -> Path:
    """Tell where the images of a data set go unless another folder is asked for."""
    suffix = "" if mapping == "all" else f"-{mapping}"
    return output_root() / "images" / f"{dataset.name}-{size}{suffix}"


def summary(sets: dict[str, ImageSet], out: Path) -> str:
    """Say in a few lines what a folder of images holds."""
    lines = [f"Images in {display_path(out)}"]
    for kind, images in sets.items():
        counts = ", ".join(f"{count:,} {split}" for split, count in images.images.items())
        lost = len(read_table(out / kind / FAILURES))
        where = f": {display_path(out / kind / FAILURES)}" if lost else ""
        lines.append(f"  {kind:<11} {counts}; {lost:,} skipped{where}")
    for kind, images in list(sets.items())[:1]:  # all are made of the same tracks
        made = read_tables(out / kind, images.genres)
        counts = made.groupby("split")["genre"].value_counts()
        by_split = {split: dict(counts.get(split, {})) for split in SPLITS}
        for found in find_shortcomings(images.genres, by_split):
            lines.append(f"warning: {found}; training will refuse these images")
        lines += describe_similar(images.genres)
    return "\n".join(lines)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_image.spectrogram_generation",
        "Turn the tracks of an FMA subset into images of their spectrograms.\n\n"
        "Each track is decoded once. Its first 25 s become an image of each kind: time runs from\n"
        "left to right, low frequencies are at the bottom, there are no axes. The kinds are\n"
        f"{', '.join(KINDS)}.\n\n"
        "Writes <kind>/<first three digits>/<track>.png, and in each <kind>/ three tables for\n"
        f"Keras' dataframe generator ({', '.join(table_path('', s).name for s in SPLITS)}),\n"
        "images.json (what the images are), tracks.csv (the plan) and failures.csv (which tracks\n"
        "could not be had, and why). Other kinds can be added later to the same folder.\n\n"
        "The command can be interrupted at any time; run it again to continue. It then also reads\n"
        "the tracks in failures.csv again whose files have appeared or changed (size or time).\n\n"
        "The default kinds of a track take half a second of one core and 2.1 MB of disk at full\n"
        "size (2480 × 1232 pixels), 0.9 MB at half, 0.4 MB at quarter. Of an image at full size\n"
        "chroma takes 0.06 MB, cqt 0.2, mel and log-mel 0.5, log 1.0, linear 1.3.",
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
        help=f"which images, or all (default: {' '.join(DEFAULT_KINDS)})",
    )
    parser.add_argument("--size", choices=SIZES, default="full", help="of the images")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each track")
    parser.add_argument("--sample-rate", type=int, default=SAMPLE_RATE, help="Hz")
    parser.add_argument("--out", help="folder for the images; by default one under data/images")
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
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_image.spectrogram_generation import main as main_of_module

    cli.run_command(main_of_module)
