"""Extraction from MP3 files to features on one thread, and to records with two workers.

Ours decodes a track once for its three segments. The first peer calls ``librosa.load(offset,
duration)`` and ``librosa.cqt`` for each segment, and writes float lists in ``tf.train.Example``
records from the parent process. The second peer loads each track once with librosa. All sides use
the same tracks and the same number of workers; start-up is measured separately. The shares of
decoding in our time, and the efficiency of independent processes on this machine, are reported.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from common.fma.audio import read_audio
from common.fma.dataset import get_audio_path
from common.fma.track_plan import PLAN_COLUMNS
from common.jobs.workers import worker_pool
from common.quiet import import_tensorflow
from common.records.quantization import dequantize
from common.records.shards import run_shard
from constant_q import librosa_magnitude
from harness.command import run_benchmark
from harness.inputs import PARAMETERS, excerpt, whole_clips
from harness.rows import Row, compared
from harness.timing import measure, on_each, require_equal
from spectrogram_feature.features.kinds import transform_of
from spectrogram_feature.features.segment_plan import plan_segments
from spectrogram_feature.generate_records import Shard, cut_segments, plan_shards

TRACKS, WORKERS = 48, 2  # of the records
SEGMENTS = 3
SECONDS = PARAMETERS.segment_seconds


def decode(path: Path) -> np.ndarray:
    """Decode a track to mono at the rate of the features, as extraction does."""
    return read_audio(path, sr=PARAMETERS.sample_rate, duration=SEGMENTS * SECONDS, at_least=0)


def our_features(path: Path) -> np.ndarray:
    """Compute the stored features of a track, uint8 (3, 480, 84)."""
    return transform_of(PARAMETERS).features(cut_segments(decode(path), SEGMENTS, PARAMETERS))


def plain_levels(samples: np.ndarray) -> np.ndarray:
    """Compute features in 0…1 (..., 480, 84) with librosa."""
    import librosa

    samples = librosa.util.fix_length(samples, size=PARAMETERS.segment_samples)
    magnitude = librosa_magnitude(samples)
    maximum = magnitude.max(axis=(-2, -1), keepdims=True)
    decibels = librosa.amplitude_to_db(magnitude / maximum, ref=1.0, top_db=None)
    return np.maximum(decibels / PARAMETERS.dynamic_range + 1, 0)


def load_segment(path: Path, segment: int) -> np.ndarray:
    """Decode one segment, which may be shorter at the end of the track."""
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, _ = librosa.load(
            path, sr=PARAMETERS.sample_rate, offset=segment * SECONDS, duration=SECONDS
        )
    return samples


def plain_features(path: Path) -> np.ndarray:
    """Load and transform each segment separately."""
    return np.stack([plain_levels(load_segment(path, segment)) for segment in range(SEGMENTS)])


def loaded_once(path: Path) -> np.ndarray:
    """Load a track once with librosa, and cut it."""
    import librosa

    samples, _ = librosa.load(path, sr=PARAMETERS.sample_rate)
    return plain_levels(cut_segments(samples, SEGMENTS, PARAMETERS))


def require_equal_features(ours: np.ndarray, peer: np.ndarray) -> str:
    """Compare stored features with those of the plain way, in dB."""
    decibels = PARAMETERS.dynamic_range * dequantize(ours)
    return require_equal(decibels, PARAMETERS.dynamic_range * peer, 1, "dB", 0.9)


def rows_of_features(rounds: int) -> Iterator[Row]:
    """Compare from MP3 to features, on one thread."""
    paths = whole_clips(8)
    peers = {
        "librosa.load + librosa.cqt a segment": plain_features,
        "librosa.load once + librosa.cqt": loaded_once,
    }
    shares = {
        "decoding and resampling": decode,
        "decoding alone": lambda path: soundfile.read(path, dtype="float32", always_2d=True),
    }
    features = our_features(paths[0])
    equal = {name: require_equal_features(features, peer(paths[0])) for name, peer in peers.items()}
    sides = {"ours": our_features, **peers, **shares}
    with threadpool_limits(1):
        times = measure(
            {name: on_each(side, paths) for name, side in sides.items()},
            rounds=rounds,
            units=len(paths),
        )
    what = f"{len(paths)} tracks of 30 s, three segments each, one thread"
    row = functools.partial(compared, what=what, times=times, side="ours", unit="ms")
    titles, targets = ("a load a segment", "one load"), ((">=", 3.0), None)
    for peer, title, target in zip(peers, titles, targets, strict=True):
        name = f"MP3 to features, against {title}"
        yield row(name, peer=peer, equal=equal[peer], target=target)
    for peer, target in zip(shares, ((">=", 0.6), None), strict=True):
        yield row(f"MP3 to features, share of {peer}", peer=peer, is_share=True, target=target)


def plain_segment(task: tuple[Path, int]) -> np.ndarray | None:
    """Compute one segment's features (480, 84) the plain way, or None if it is too short."""
    samples = load_segment(*task)
    if len(samples) < PARAMETERS.segment_samples - PARAMETERS.hop_length:
        return None
    return plain_levels(samples)


def run_plain(pool: Executor, shards: list[Shard], out: Path) -> int:
    """Write all segments as float lists; return their number."""
    import tensorflow as tf

    tasks = [
        (get_audio_path(shard.source, track_id), segment)
        for shard in shards
        for track_id, _, count in shard.tracks
        for segment in range(count)
    ]
    written = 0
    with tf.io.TFRecordWriter(str(out / "plain.tfrecord")) as writer:
        for features in pool.map(plain_segment, tasks):
            if features is not None:
                values = tf.train.Feature(float_list=tf.train.FloatList(value=features.ravel()))
                example = tf.train.Example(features=tf.train.Features(feature={"x": values}))
                writer.write(example.SerializeToString())
                written += 1
    return written


def run_ours(pool: Executor, shards: list[Shard]) -> int:
    """Write all segments as generate_records does; return their number."""
    return sum(result["shard"]["records"] for result in pool.map(run_shard, shards))


def compute_features(paths: list[Path]) -> None:
    """Compute features without records."""
    for path in paths:
        our_features(path)


def start_up(workers: int, shard: Shard) -> float:
    """Return the seconds until new workers have imported the modules of a job."""
    started = time.perf_counter()
    with worker_pool(workers) as pool:
        empty = Shard(**{**vars(shard), "tracks": ()})
        list(pool.map(run_shard, [empty] * workers))
        return time.perf_counter() - started


def rows_of_records(rounds: int) -> Iterator[Row]:
    """Compare from MP3 to records with the plain way, and several workers with one."""
    import_tensorflow()
    chosen = excerpt()
    plan = plan_segments(chosen.tracks(PLAN_COLUMNS), balance=False)
    plan = plan[plan["split"] == "training"].head(TRACKS)
    paths = [get_audio_path(chosen.audio_dir, track_id) for track_id in plan.index[:24]]
    equal = require_equal_features(
        our_features(paths[0])[0], plain_levels(load_segment(paths[0], 0))
    )
    with tempfile.TemporaryDirectory(prefix="extraction-") as folder:
        out = Path(folder)
        shards = plan_shards(plan, chosen.audio_dir, out, PARAMETERS, tracks_per_shard=2)
        with worker_pool(WORKERS) as pool, worker_pool(1) as one:
            for warm in (pool, one):  # imports, kernels, compiled code
                run_ours(warm, shards[: 2 * WORKERS])
            run_plain(pool, shards[:WORKERS], out)
            segments = run_ours(pool, shards)
            times = measure(
                {
                    "the plain way": lambda: run_plain(pool, shards, out),
                    "ours": lambda: run_ours(pool, shards),
                    "one worker": lambda: run_ours(one, shards),
                },
                rounds=rounds,
                units=segments,
                warm_up=False,
            )
            apart = measure(
                {
                    "alone": lambda: list(one.map(compute_features, [paths])),
                    "together": lambda: list(pool.map(compute_features, WORKERS * [paths])),
                },
                rounds=rounds,
                units=len(paths),
            )
        starts = [start_up(WORKERS, shards[0]) for _ in range(rounds)]
    what = f"{len(plan)} tracks, {segments} segments, MP3 to finished records"
    ideal = f"{WORKERS} times one worker"
    times.seconds[ideal] = [seconds / WORKERS for seconds in times.seconds["one worker"]]
    row = functools.partial(compared, what=what, times=times, side="ours", unit="segments/s")
    name = f"Extraction with {WORKERS} workers, against the plain way"
    yield row(name, peer="the plain way", equal=equal, target=(">=", 3.5))
    name = f"Extraction, efficiency of {WORKERS} workers"
    yield row(name, peer=ideal, is_share=True, target=(">=", 0.9))
    yield compared(
        f"Extraction, {WORKERS} processes that share nothing",
        f"time of a track in each, features of the same {len(paths)}, nothing written",
        apart,
        "together",
        "alone",
        unit="ms",
        against="one alone",
        is_share=True,
    )
    yield Row(
        name=f"Extraction, start-up of {WORKERS} workers",
        what=f"start of {WORKERS} processes, with their imports",
        ours=statistics.median(starts),
        unit="s",
        rounds=len(starts),
    )


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare features, then records."""
    yield from rows_of_features(arguments.rounds)
    yield from rows_of_records(arguments.rounds)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
