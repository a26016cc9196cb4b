"""Extraction of features from audio into TFRecords, and its command.

A plan (`segment_plan`) lists every track with its label and number of segments. Its tracks are
dealt into shards. Each shard is a job, which decodes its tracks once, computes their features and
writes one TFRecord file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli
from common.cli import add_data_options, add_label_options, add_workers_option
from common.errors import AudioError
from common.fma.audio import read_recording
from common.fma.dataset import Dataset, find_dataset, get_audio_path
from common.fma.labels import MIN_TRACKS
from common.fma.silence import SILENT, is_silent
from common.fma.track_plan import MAX_PADDING, columns_of, describe_dataset, plan_labels
from common.paths import output_root
from common.records import shards
from common.records.shards import TRACKS_PER_SHARD, deal_tracks, run_shards
from common.records.tfrecords import Manifest
from spectrogram_feature.features.kinds import (
    CONSTANT_Q,
    KINDS,
    computed_kinds,
    kind_of,
    transform_of,
)
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters
from spectrogram_feature.features.segment_plan import count_segments

KIND = CONSTANT_Q
"""What the features are unless another kind is asked for."""


@dataclass(frozen=True)
class Shard(shards.Shard):
    """One job: the tracks of one TFRecord file, as (track id, label, number of segments).

    Attributes
    ----------
    parameters : SegmentParameters
        Of the features. The other attributes are those of `common.records.shards.Shard`; its
        failures are (track id, offset in seconds, reason).
    """

    parameters: SegmentParameters

    @property
    def size(self) -> int:
        """int: approximate size of the file in bytes if no track fails."""
        return sum(count for _, _, count in self.tracks) * math.prod(self.parameters.shape)

    def file_of(self, track: tuple) -> Path:
        """Return the path of a track's MP3."""
        return get_audio_path(self.source, track[0])

    def read(self, track: tuple) -> tuple[dict[int, np.ndarray], list[tuple]]:
        """Decode a track and compute the features (frames, bins) of its segments with sound."""
        track_id, _, count = track
        parameters = self.parameters
        seconds, sr = parameters.segment_seconds, parameters.sample_rate
        reasons: dict[int, str] = {}
        try:
            recording = read_recording(
                self.file_of(track), sr, duration=count * seconds, at_least=0
            )
            segments = cut_segments(recording.samples, count, parameters)
            end = f"ends at {len(recording.samples) / sr:.2f} s"
            missing = "; ".join([end, *recording.notes])
            silent = [i for i, one in enumerate(segments) if is_silent(one, sr, recording.step)]
            reasons = dict.fromkeys(silent, SILENT)
        except AudioError as error:
            segments, missing = np.empty((0, parameters.segment_samples), np.float32), error.reason
        reasons |= dict.fromkeys(range(len(segments), count), missing)
        failures: list[tuple] = [(track_id, i * seconds, reasons[i]) for i in sorted(reasons)]
        transform = transform_of(parameters)
        features = {
            index: transform.features(samples)
            for index, samples in enumerate(segments)
            if index not in reasons
        }
        return features, failures


def plan_shards(
    plan: pd.DataFrame,
    audio_dir: Path,
    out: Path,
    parameters: SegmentParameters,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> list[Shard]:
    """Divide the tracks of each split into shards; see `common.records.shards.deal_tracks`."""
    return [
        Shard(split, out / name, audio_dir, tracks, parameters)
        for split, name, tracks in deal_tracks(plan, ("label", "segments"), tracks_per_shard)
    ]


def generate(
    dataset: Dataset,
    out: str | Path,
    *,
    mapping: str = "all",
    balance: bool = True,
    labels: str = "top",
    min_tracks: int = MIN_TRACKS,
    workers: int | str | None = None,
    parameters: SegmentParameters | None = None,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> Manifest:
    """Write the records of a data set, or those that are missing.

    A shard is missing if it was not written, was damaged, or lacks segments of tracks whose files
    have appeared or changed since.

    Parameters
    ----------
    dataset : Dataset
    out : path-like
        The folder for the shards, ``manifest.json`` and ``failures.csv``.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    balance : bool
        See `plan_segments`.
    labels, min_tracks
        See `common.fma.track_plan.plan_labels`.
    workers : int or str, optional
        Number of processes, by default one per core, or the address of a Dask scheduler. The bytes
        do not depend on it.
    parameters : SegmentParameters, optional
        Parameters of the features, by default `FeatureParameters`.
    tracks_per_shard : int
        Unit of resumption: a killed run repeats one shard per worker.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        If the folder holds records with other settings, the disk is too small, or no track is
        usable.
    """
    out = Path(out).absolute()  # a cluster's workers may start elsewhere
    parameters = parameters or FeatureParameters()
    tracks, genres_csv = dataset.tracks(columns_of(labels)), dataset.metadata_dir / "genres.csv"
    plan, of_labels = plan_labels(tracks, mapping, labels, genres_csv, min_tracks)
    plan = count_segments(plan, balance=balance)
    described: dict[str, Any] = {
        "kind": kind_of(parameters).name,
        "parameters": parameters.to_dict(),
        **of_labels,
    }
    written = run_shards(
        plan_shards(plan, dataset.audio_dir, out, parameters, tracks_per_shard),
        plan,
        {**described, "tracks_per_shard": tracks_per_shard},
        out=out,
        source=dataset.audio_dir,
        failure=("offset", "reason"),
        workers=workers,
        description="features",
    )
    manifest = Manifest(
        **described,
        **written,
        mapping=mapping,
        data_set=describe_dataset(dataset),
        versions={name: version(name) for name in ("numpy", "soundfile", "soxr")},
    )
    manifest.write(out)
    return manifest


def cut_segments(samples: np.ndarray, count: int, parameters: SegmentParameters) -> np.ndarray:
    """Cut up to `count` consecutive segments from the beginning.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
    count : int
    parameters : SegmentParameters

    Returns
    -------
    np.ndarray [shape=(segments, segment_samples), dtype=float32]
        The last may be padded with up to `MAX_PADDING` seconds of zeros.
    """
    length = parameters.segment_samples
    padding = round(MAX_PADDING * parameters.sample_rate)
    count = min(count, (len(samples) + padding) // length)
    missing = max(0, count * length - len(samples))
    return np.pad(samples, (0, missing))[: count * length].reshape(count, length)


def default_folder(dataset: Dataset, mapping: str, kind: str = KIND, labels: str = "top") -> Path:
    """Return the default folder for the records of a data set."""
    parts = [dataset.name, mapping]
    parts += [kind] if kind != KIND else []
    parts += [f"labels-{labels}"] if labels != "top" else []
    return output_root() / "records" / "-".join(parts)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.generate_records",
        "Turn the tracks of an FMA subset into TFRecords of features.\n\n"
        "Each track is decoded once and cut into segments of 10 s; a segment becomes a (480, 84)\n"
        "array of uint8: 480 frames of 84 semitones from C1, in dB below the segment's maximum;\n"
        "with --features log-mel, which musicnn takes, (626, 96): 96 mel bands, absolute levels.\n"
        "Training tracks of rare genres contribute three segments, others one.\n\n"
        "With --labels roots or all, a track has several genres, and tracks without genre_top are\n"
        "used, too: all clips of FMA large instead of 49,598 of 106,574. The genres are those of\n"
        "genres.csv, with their ancestors. training.py --labels maps such records to coarser\n"
        "labels, so that records of all genres serve for every kind of label.\n\n"
        "Writes <split>-00007-of-00042.tfrecord, manifest.json (contents of the records),\n"
        "tracks.csv (the plan) and failures.csv (skipped segments with reasons). A segment takes\n"
        "about 41 KB of disk.\n\n"
        "The command can be interrupted at any time; run it again to continue. It then also reads\n"
        "the tracks in failures.csv again whose files have appeared or changed (size or time).\n"
        "Files of tracks that were read are not compared: for those, choose a new --out.",
        "  python -m spectrogram_feature.generate_records\n"
        "  python -m spectrogram_feature.generate_records --subset medium --genres merged\n"
        "  python -m spectrogram_feature.generate_records --subset large --labels all\n"
        "  FMA_ROOT=/music/fma python -m spectrogram_feature.generate_records --out /fast/records",
    )
    add_data_options(parser)
    add_label_options(parser)
    parser.add_argument("--out", help="folder for the records; by default one under data/records")
    parser.add_argument(
        "--all-segments",
        action="store_true",
        help="three segments of every training track, for cross-validation",
    )
    parser.add_argument(
        "--features",
        choices=computed_kinds(),
        default=KIND,
        help="constant-q, or log-mel for training.py --model musicnn",
    )
    add_workers_option(parser)
    arguments = parser.parse_args()
    dataset = find_dataset(arguments.root, arguments.subset)
    print(dataset.notice)
    out = Path(
        arguments.out
        or default_folder(dataset, arguments.genres, arguments.features, arguments.labels)
    )
    if arguments.all_segments and not arguments.out:
        out = out.with_name(f"{out.name}-all-segments")
    manifest = generate(
        dataset,
        out,
        mapping=arguments.genres,
        balance=not arguments.all_segments,
        labels=arguments.labels,
        min_tracks=arguments.min_tracks,
        workers=arguments.cluster or arguments.workers,
        parameters=KINDS[arguments.features].parameters(),
    )
    print(shards.summarise(manifest, out, "segments"))


if __name__ == "__main__":
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_feature.generate_records import main as main_of_module

    cli.run_command(main_of_module)
