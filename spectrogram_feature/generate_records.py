"""From audio to TFRecords: the jobs that write them, and the command that runs these.

The plan comes first (`segment_plan`): every track with its label and the number of its segments.
Its tracks are dealt into shards, each shard is a job, and each job decodes its tracks once,
computes their features and writes one TFRecord file.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from common import cli
from common.cli import add_data_options, add_workers_option
from common.errors import AudioError
from common.fma.audio import read_recording
from common.fma.dataset import Dataset, find_dataset, get_audio_path
from common.fma.silence import SILENT, is_silent
from common.fma.track_plan import MAX_PADDING, PLAN_COLUMNS, describe_dataset, genres_of
from common.paths import output_root
from common.records import record_jobs
from common.records.record_jobs import TRACKS_PER_SHARD, deal_tracks, run_shards
from common.records.tfrecords import Manifest
from spectrogram_feature.features.kinds import CONSTANT_Q, KINDS, kind_of, transform_of
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters
from spectrogram_feature.features.segment_plan import plan_segments

KIND = CONSTANT_Q
"""What the features are unless another kind is asked for."""


@dataclass(frozen=True)
class Shard(record_jobs.Shard):
    """One job: the tracks of one TFRecord file, and all that is needed to write it.

    Attributes
    ----------
    split : str
    path : Path
        The file to write.
    tracks : tuple of (int, int, int)
        Track id, label, number of segments.
    audio_dir : Path
        As `get_audio_path` takes it.
    parameters : SegmentParameters
    """

    audio_dir: Path
    parameters: SegmentParameters

    @property
    def size(self) -> int:
        """int: see `record_jobs.Shard`."""
        return sum(count for _, _, count in self.tracks) * math.prod(self.parameters.shape)


def plan_shards(
    plan: pd.DataFrame,
    audio_dir: Path,
    out: Path,
    parameters: SegmentParameters,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> dict[str, list[Shard]]:
    """Deal the tracks of each split into shards; see `common.records.record_jobs.deal_tracks`."""
    return deal_tracks(
        plan,
        out,
        functools.partial(Shard, audio_dir=audio_dir, parameters=parameters),
        columns=("label", "segments"),
        tracks_per_shard=tracks_per_shard,
    )


def generate(
    dataset: Dataset,
    out: str | Path,
    *,
    mapping: str = "all",
    balance: bool = True,
    workers: int | str | None = None,
    parameters: SegmentParameters | None = None,
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
    workers : int or str, optional
        Number of processes, by default one a core; or the address of a Dask cluster's scheduler.
        The bytes do not depend on it.
    parameters : SegmentParameters, optional
        Of the kind of features that is wanted, by default `FeatureParameters`.
    tracks_per_shard : int
        The grain of resumption: what a killed run has to do again, a worker each.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        If the folder holds records made with other settings, the disk has no room for what is
        missing, or no track could be used.
    """
    out = Path(out).absolute()  # a cluster's workers may start elsewhere
    parameters = parameters or FeatureParameters()
    plan = plan_segments(dataset.tracks(PLAN_COLUMNS), mapping, balance=balance)
    shards = plan_shards(plan, dataset.audio_dir, out, parameters, tracks_per_shard)
    described = Manifest(
        kind=kind_of(parameters).name,
        parameters=parameters.to_dict(),
        genres=genres_of(plan),
        mapping=mapping,
        data_set=describe_dataset(dataset),
        segments={},
        tracks={},
        shards={},
        versions={name: version(name) for name in ("numpy", "soundfile", "soxr")},
    )
    return run_shards(
        write_features,
        shards,
        plan,
        described,
        out=out,
        source=dataset.audio_dir,
        failure=("offset", "reason"),
        tracks_per_shard=tracks_per_shard,
        workers=workers,
        description="features",
    )


def write_features(shard: Shard) -> dict:
    """Write one shard: decode its tracks, compute their features, store them as raw bytes.

    Parameters
    ----------
    shard : Shard

    Returns
    -------
    dict
        As `record_jobs.write_records` gives it. ``failures`` are ``(track_id, offset in
        seconds, reason)`` for every planned segment that could not be had.
    """
    failures: list[tuple[int, float, str]] = []

    def records() -> Iterator[dict[str, bytes | int]]:
        for track_id, label, count in shard.tracks:
            for segment, array in _track_features(shard, track_id, count, failures):
                yield {
                    "features": array.tobytes(),
                    "label": label,
                    "track_id": track_id,
                    "segment": segment,
                }

    return record_jobs.write_records(shard, records(), failures)


def _track_features(
    shard: Shard, track_id: int, count: int, failures: list[tuple[int, float, str]]
) -> Iterator[tuple[int, np.ndarray]]:
    """Give the first segments of a track and their features (frames, bins); note what is missing.

    A segment that is silent is missing, too.
    """
    parameters = shard.parameters
    seconds, sr = parameters.segment_seconds, parameters.sample_rate
    reasons: dict[int, str] = {}
    try:
        path = get_audio_path(shard.audio_dir, track_id)
        recording = read_recording(path, sr, duration=count * seconds, at_least=0)
        segments = cut_segments(recording.samples, count, parameters)
        end = f"ends at {len(recording.samples) / sr:.2f} s"
        missing = "; ".join([end, *recording.notes])
        silent = [i for i, one in enumerate(segments) if is_silent(one, sr, recording.step)]
        reasons = dict.fromkeys(silent, SILENT)
    except AudioError as error:
        segments, missing = np.empty((0, parameters.segment_samples), np.float32), error.reason
    reasons |= dict.fromkeys(range(len(segments), count), missing)
    failures += [(track_id, index * seconds, reason) for index, reason in sorted(reasons.items())]
    for index, samples in enumerate(segments):
        if index not in reasons:
            yield index, transform_of(parameters).features(samples)


def cut_segments(samples: np.ndarray, count: int, parameters: SegmentParameters) -> np.ndarray:
    """Cut up to `count` segments, one after the other, from the beginning.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
    count : int
    parameters : SegmentParameters

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


def default_folder(dataset: Dataset, mapping: str, kind: str = KIND) -> Path:
    """Tell where the records of a data set go unless another folder is asked for."""
    name = f"{dataset.name}-{mapping}" if kind == KIND else f"{dataset.name}-{mapping}-{kind}"
    return output_root() / "records" / name


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.generate_records",
        "Turn the tracks of an FMA subset into TFRecords of features.\n\n"
        "Each track is decoded once and cut into segments of 10 s; a segment becomes a (480, 84)\n"
        "array of uint8: 480 frames of 84 semitones from C1, in dB below the segment's maximum;\n"
        "with --features log-mel, which musicnn takes, (626, 96): 96 mel bands, absolute levels.\n"
        "Rare genres give three segments a training track, frequent ones give one.\n\n"
        "Writes <split>-00007-of-00042.tfrecord, manifest.json (what the records hold),\n"
        "tracks.csv (the plan) and failures.csv (which segments could not be had, and why). Takes\n"
        "about 41 KB of disk a segment. It may be stopped at any moment: the same command goes on\n"
        "where it was.",
        "  python -m spectrogram_feature.generate_records\n"
        "  python -m spectrogram_feature.generate_records --subset medium --genres merged\n"
        "  FMA_ROOT=/music/fma python -m spectrogram_feature.generate_records --out /fast/records",
    )
    add_data_options(parser)
    parser.add_argument("--out", help="folder for the records; by default one under data/records")
    parser.add_argument(
        "--all-segments",
        action="store_true",
        help="three segments of every training track, for cross-validation",
    )
    parser.add_argument(
        "--features",
        choices=list(KINDS),
        default=KIND,
        help="constant-q, or log-mel for training.py --model musicnn",
    )
    add_workers_option(parser)
    arguments = parser.parse_args()
    dataset = find_dataset(arguments.root, arguments.subset)
    print(dataset.notice)
    out = Path(arguments.out or default_folder(dataset, arguments.genres, arguments.features))
    if arguments.all_segments and not arguments.out:
        out = out.with_name(f"{out.name}-all-segments")
    manifest = generate(
        dataset,
        out,
        mapping=arguments.genres,
        balance=not arguments.all_segments,
        workers=arguments.cluster or arguments.workers,
        parameters=KINDS[arguments.features].parameters(),
    )
    print(summary(manifest, out))


def summary(manifest: Manifest, out: Path) -> str:
    """Say in a few lines what a folder of records holds."""
    return record_jobs.summarise(manifest, out, "segments")


if __name__ == "__main__":
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_feature.generate_records import main as main_of_module

    cli.run_command(main_of_module)
