"""From audio to TFRecords: the jobs that write them, and the command that runs these.

The plan comes first (`segment_plan`): every track with its label and the number of its segments.
Its tracks are dealt into shards, each shard is a job, and each job decodes its tracks once,
computes their Constant-Q features and writes one TFRecord file.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import fma_utils
from common import cli
from common.jobs import Job, default_workers, run_jobs
from common.records import FAILURES, Manifest, atomic_write, shard_name, write_shard
from fma_utils import GENRE_MAPPINGS, SPLITS, AudioError, Dataset, UserError, display_path
from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.feature_parameters import FeatureParameters
from spectrogram_feature.segment_plan import PLAN_COLUMNS, genres_of, plan_segments

KIND = "constant-q"

MAX_PADDING = 0.1
"""Seconds of silence that may complete a segment: FMA's "30 s" clips often last 29.98 s."""

TRACKS_PER_SHARD = 32

PLAN = "tracks.csv"
"""The plan as a file beside the shards: cross-validation needs the artists."""


@dataclass(frozen=True)
class Shard:
    """One job: the tracks of one TFRecord file, and all that is needed to write it.

    Attributes
    ----------
    split : str
    path : Path
        The file to write.
    audio_dir : Path
        As `fma_utils.get_audio_path` takes it.
    parameters : FeatureParameters
    tracks : tuple of (int, int, int)
        Track id, label, number of segments.
    """

    split: str
    path: Path
    audio_dir: Path
    parameters: FeatureParameters
    tracks: tuple[tuple[int, int, int], ...]


def plan_shards(
    plan: pd.DataFrame,
    audio_dir: Path,
    out: Path,
    parameters: FeatureParameters,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> dict[str, list[Shard]]:
    """Deal the tracks of each split into shards, mixed so that each shard has many genres.

    Returns
    -------
    dict
        Split → shards. The same plan gives the same shards.
    """
    shards = {}
    for split in SPLITS:
        tracks = plan[plan["split"] == split].sample(frac=1, random_state=0)
        rows = list(zip(tracks.index.tolist(), tracks["label"], tracks["segments"], strict=True))
        count = -(-len(rows) // tracks_per_shard)
        shards[split] = [
            Shard(
                split=split,
                path=out / shard_name(split, i, count),
                audio_dir=audio_dir,
                parameters=parameters,
                tracks=tuple(rows[i::count]),
            )
            for i in range(count)
        ]
    return shards


def generate(
    dataset: Dataset,
    out: str | Path,
    *,
    mapping: str = "all",
    balance: bool = True,
    workers: int | None = None,
    parameters: FeatureParameters | None = None,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> Manifest:
    """Write the records of a data set, or what is missing of them.

    Parameters
    ----------
    dataset : Dataset
    out : path-like
        The folder for the shards, ``manifest.json`` and ``failures.csv``.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    balance : bool
        As `plan_segments` takes it.
    workers : int, optional
        Number of processes, by default one a core. The bytes do not depend on it.
    parameters : FeatureParameters, optional
    tracks_per_shard : int
        The grain of resumption: what a killed run has to do again, a worker each.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        If the folder holds records made with other settings, or no track could be used.
    """
    out = Path(out)
    parameters = parameters or FeatureParameters()
    plan = plan_segments(dataset.tracks(PLAN_COLUMNS), mapping, balance=balance)
    shards = plan_shards(plan, dataset.audio_dir, out, parameters, tracks_per_shard)
    jobs = [
        Job(shard.path.name, shard, size=len(shard.tracks))
        for split_shards in shards.values()
        for shard in split_shards
    ]
    settings = {
        "genres": genres_of(plan),
        "kind": KIND,
        "parameters": parameters.to_dict(),
        "tracks": hashlib.sha256(plan.to_csv().encode()).hexdigest(),
        "tracks_per_shard": tracks_per_shard,
    }
    results = run_jobs(
        write_features,
        jobs,
        folder=out,
        settings=settings,
        workers=workers,
        description="features",
    )
    _write_table(out / PLAN, plan.reset_index())
    _write_table(out / FAILURES, _failures(plan, results))
    manifest = _make_manifest(dataset, mapping, plan, parameters, results)
    if not manifest.segments["training"]:
        raise UserError(
            f"no training track of {dataset.audio_dir} could be read: {out / FAILURES} says why"
        )
    manifest.write(out)
    return manifest


def write_features(shard: Shard) -> dict:
    """Write one shard: decode its tracks, compute their features, store them as raw bytes.

    Parameters
    ----------
    shard : Shard

    Returns
    -------
    dict
        ``split``, ``files``, ``shard`` (its entry in the manifest), ``segments`` and ``tracks``
        (counts by label), ``failures`` (``[track_id, offset in seconds, reason]`` for every
        planned segment that could not be had).
    """
    failures: list[tuple[int, float, str]] = []
    segments: Counter[str] = Counter()
    tracks: Counter[str] = Counter()

    def records() -> Iterator[dict[str, bytes | int]]:
        for track_id, label, count in shard.tracks:
            features = _track_features(shard, track_id, count, failures)
            tracks[str(label)] += len(features) > 0
            segments[str(label)] += len(features)
            for segment, array in enumerate(features):
                yield {
                    "features": array.tobytes(),
                    "label": label,
                    "track_id": track_id,
                    "segment": segment,
                }

    written = write_shard(shard.path, records())
    return {
        "split": shard.split,
        "files": {shard.path.name: written["bytes"]},
        "shard": {"name": shard.path.name, **written},
        "segments": dict(segments),
        "tracks": dict(tracks),
        "failures": failures,
    }


@functools.cache
def _constant_q(parameters: FeatureParameters) -> ConstantQ:
    """Make the kernels once a process."""
    return ConstantQ(parameters)


def _track_features(
    shard: Shard, track_id: int, count: int, failures: list[tuple[int, float, str]]
) -> np.ndarray:
    """Give the features of a track's first segments (n, frames, bins), and note what is missing."""
    parameters = shard.parameters
    seconds = parameters.segment_seconds
    try:
        samples = fma_utils.read_audio(
            fma_utils.get_audio_path(shard.audio_dir, track_id),
            sr=parameters.sample_rate,
            duration=count * seconds,
            at_least=0,
        )
        available, reason = cut_segments(samples, count, parameters), None
        if len(available) < count:
            reason = f"ends at {len(samples) / parameters.sample_rate:.2f} s"
    except AudioError as error:
        available, reason = np.empty((0, parameters.segment_samples), np.float32), error.reason
    for segment in range(len(available), count):
        failures.append((track_id, segment * seconds, reason))
    if len(available) == 0:
        return np.empty((0, *parameters.shape), np.uint8)
    return _constant_q(parameters).features(available)


def cut_segments(samples: np.ndarray, count: int, parameters: FeatureParameters) -> np.ndarray:
    """Cut up to `count` segments, one after the other, from the beginning.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
    count : int
    parameters : FeatureParameters

    Returns
    -------
    np.ndarray [shape=(segments, segment_samples), dtype=float32]
        The last may be completed by `MAX_PADDING` seconds of silence.
    """
    length = parameters.segment_samples
    padding = round(MAX_PADDING * parameters.sample_rate)
    count = min(count, (len(samples) + padding) // length)
    missing = max(0, count * length - len(samples))
    return np.pad(samples, (0, missing))[: count * length].reshape(count, length)


def _failures(plan: pd.DataFrame, results: list[dict]) -> pd.DataFrame:
    """List the segments that were planned and could not be had, in the order of the tracks."""
    # Those of an earlier run come from the journal, as lists.
    failures = sorted(tuple(failure) for result in results for failure in result["failures"])
    table = pd.DataFrame(failures, columns=["track_id", "offset", "reason"])
    table.insert(1, "split", table["track_id"].map(plan["split"]))
    table.insert(2, "genre", table["track_id"].map(plan["genre"]))
    return table


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with atomic_write(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())


def _make_manifest(
    dataset: Dataset,
    mapping: str,
    plan: pd.DataFrame,
    parameters: FeatureParameters,
    results: list[dict],
) -> Manifest:
    genres = genres_of(plan)

    def count(what: str, split: str) -> dict[str, int]:
        labels: Counter[str] = Counter()
        for result in results:
            if result["split"] == split:
                labels.update(result[what])
        return {genre: labels[str(i)] for i, genre in enumerate(genres) if labels[str(i)]}

    return Manifest(
        kind=KIND,
        parameters=parameters.to_dict(),
        genres=genres,
        mapping=mapping,
        data_set={
            "title": dataset.title,
            "subset": dataset.subset,
            "synthetic": dataset.is_demo,
        },
        segments={split: count("segments", split) for split in SPLITS},
        tracks={split: count("tracks", split) for split in SPLITS},
        shards={split: [r["shard"] for r in results if r["split"] == split] for split in SPLITS},
        versions={name: version(name) for name in ("numpy", "soundfile", "soxr")},
    )


def default_folder(dataset: Dataset, mapping: str) -> Path:
    """Tell where the records of a data set go unless another folder is asked for."""
    return fma_utils.output_root() / "records" / f"{dataset.name}-{mapping}"


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.generate_records",
        "Turn the tracks of an FMA subset into TFRecords of Constant-Q features.\n\n"
        "Each track is decoded once and cut into segments of 10 s; a segment becomes a (480, 84)\n"
        "array of uint8: 480 frames of 84 semitones from C1, in dB below the segment's maximum.\n"
        "Rare genres give three segments a training track, frequent ones give one.\n\n"
        "Writes <split>-00007-of-00042.tfrecord, manifest.json (what the records hold),\n"
        "tracks.csv (the plan) and failures.csv (which segments could not be had, and why). Takes\n"
        "about 41 KB of disk a segment. It may be stopped at any moment: the same command goes on\n"
        "where it was.",
        "  python -m spectrogram_feature.generate_records\n"
        "  python -m spectrogram_feature.generate_records --subset medium --genres merged\n"
        "  FMA_ROOT=/music/fma python -m spectrogram_feature.generate_records --out /fast/records",
    )
    parser.add_argument("--root", help="folder with fma_metadata/ and fma_<subset>/ (or FMA_ROOT)")
    parser.add_argument("--subset", help="small, medium, large or full (or FMA_SUBSET)")
    parser.add_argument("--out", help="folder for the records; by default one under data/records")
    parser.add_argument(
        "--genres",
        choices=GENRE_MAPPINGS,
        default="all",
        help="all: the 16 root genres; frequent: 14, without Spoken and Easy Listening; "
        "merged: 12, with Blues, Jazz, Soul-RnB and Easy Listening as one and Country in Folk",
    )
    parser.add_argument(
        "--all-segments",
        action="store_true",
        help="three segments of every training track, for cross-validation",
    )
    parser.add_argument(
        "--workers", type=int, default=default_workers(), help="number of processes"
    )
    arguments = parser.parse_args()
    dataset = fma_utils.find_dataset(arguments.root, arguments.subset)
    print(dataset.notice)
    out = Path(arguments.out or default_folder(dataset, arguments.genres))
    if arguments.all_segments and not arguments.out:
        out = out.with_name(f"{out.name}-all-segments")
    manifest = generate(
        dataset,
        out,
        mapping=arguments.genres,
        balance=not arguments.all_segments,
        workers=arguments.workers,
    )
    print(summary(manifest, out))


def summary(manifest: Manifest, out: Path) -> str:
    """Say in a few lines what a folder of records holds."""
    lines = [f"Records in {display_path(out)}"]
    for split in SPLITS:
        records = sum(manifest.segments[split].values())
        tracks = sum(manifest.tracks[split].values())
        lines.append(
            f"  {split:<10} {records:>7,} segments of {tracks:>6,} tracks "
            f"in {len(manifest.shards[split]):,} shard(s)"
        )
    lost = len(pd.read_csv(out / FAILURES))
    where = f": {display_path(out / FAILURES)}" if lost else ""
    lines.append(f"  {lost:,} planned segments could not be had{where}")
    return "\n".join(lines)


if __name__ == "__main__":
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_feature.generate_records import main as main_of_module

    cli.run_command(main_of_module)
