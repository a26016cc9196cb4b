"""Extraction from MP3 files to features on one thread, and to records with two workers.

Ours decodes a track once for its three segments. The first peer calls ``librosa.load(offset,
duration)`` and ``librosa.cqt`` for each segment, and writes float lists in ``tf.train.Example``
records from the parent process. The second peer loads each track once with librosa. All sides use
the same tracks and the same number of workers. The shares of decoding in our time, and the
efficiency of independent processes on this machine, are reported.
"""

from __future__ import annotations

import functools
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import librosa
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
RATE, SECONDS = PARAMETERS.sample_rate, PARAMETERS.segment_seconds


def decode(path: Path) -> np.ndarray:
    """Decode a track to mono at the rate of the features, as extraction does."""
    return read_audio(path, sr=RATE, duration=SEGMENTS * SECONDS, at_least=0)


def our_features(path: Path) -> np.ndarray:
    """Compute the stored features of a track, uint8 (3, 480, 84)."""
    return transform_of(PARAMETERS).features(cut_segments(decode(path), SEGMENTS, PARAMETERS))


def plain_levels(samples: np.ndarray) -> np.ndarray:
    """Compute features in 0…1 (..., 480, 84) with librosa."""
    magnitude = librosa_magnitude(librosa.util.fix_length(samples, size=PARAMETERS.segment_samples))
    maximum = magnitude.max(axis=(-2, -1), keepdims=True)
    decibels = librosa.amplitude_to_db(magnitude / maximum, ref=1.0, top_db=None)
    return np.maximum(decibels / PARAMETERS.dynamic_range + 1, 0)


def plain_segment(task: tuple[Path, int]) -> np.ndarray | None:
    """Load and transform one segment of a track, or return None if it is too short."""
    path, segment = task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, _ = librosa.load(path, sr=RATE, offset=segment * SECONDS, duration=SECONDS)
    is_short = len(samples) < PARAMETERS.segment_samples - PARAMETERS.hop_length
    return None if is_short else plain_levels(samples)


def plain_features(path: Path) -> np.ndarray:
    """Load and transform each segment separately."""
    return np.array([plain_segment((path, segment)) for segment in range(SEGMENTS)])


def loaded_once(path: Path) -> np.ndarray:
    """Load a track once with librosa, and cut it."""
    samples, _ = librosa.load(path, sr=RATE)
    return plain_levels(cut_segments(samples, SEGMENTS, PARAMETERS))


def require_equal_features(path: Path, peer: np.ndarray) -> str:
    """Compare stored features with those of a peer, in dB."""
    ours, scale = dequantize(our_features(path)), PARAMETERS.dynamic_range
    return require_equal(scale * ours, scale * peer, 1, "dB", 0.9)


def rows_of_features(rounds: int) -> Iterator[Row]:
    """Compare from MP3 to features, on one thread."""
    paths = whole_clips(8)
    peers: dict[str, tuple[str, Callable, Any]] = {
        "librosa.load + librosa.cqt a segment": ("a load a segment", plain_features, (">=", 3.0)),
        "librosa.load once + librosa.cqt": ("one load", loaded_once, None),
    }
    equal = {
        name: require_equal_features(paths[0], peer(paths[0]))
        for name, (_, peer, _) in peers.items()
    }
    sides: dict[str, Callable] = {
        "ours": our_features,
        **{name: peer for name, (_, peer, _) in peers.items()},
        "decoding and resampling": decode,
        "decoding alone": functools.partial(soundfile.read, dtype="float32", always_2d=True),
    }
    calls = {name: on_each(side, paths) for name, side in sides.items()}
    with threadpool_limits(1):
        times = measure(calls, rounds=rounds, units=len(paths))
    what = f"{len(paths)} tracks of 30 s, three segments each, one thread"
    row = functools.partial(compared, what=what, times=times, side="ours", unit="ms")
    for peer, (title, _, target) in peers.items():
        name = f"MP3 to features, against {title}"
        yield row(name, peer=peer, equal=equal[peer], target=target)
    for peer, target in (("decoding and resampling", (">=", 0.6)), ("decoding alone", None)):
        yield row(f"MP3 to features, share of {peer}", peer=peer, is_share=True, target=target)


def run_plain(pool: Executor, shards: list[Shard], out: Path) -> None:
    """Write all segments as float lists."""
    import tensorflow as tf

    tasks = [
        (get_audio_path(shard.source, track_id), segment)
        for shard in shards
        for track_id, _, count in shard.tracks
        for segment in range(count)
    ]
    with tf.io.TFRecordWriter(str(out / "plain.tfrecord")) as writer:
        for features in pool.map(plain_segment, tasks):
            if features is not None:
                values = tf.train.Feature(float_list=tf.train.FloatList(value=features.ravel()))
                example = tf.train.Example(features=tf.train.Features(feature={"x": values}))
                writer.write(example.SerializeToString())


def run_ours(pool: Executor, shards: list[Shard]) -> int:
    """Write all segments as generate_records does; return their number."""
    return sum(result["shard"]["records"] for result in pool.map(run_shard, shards))


def compute_features(paths: list[Path]) -> None:
    """Compute features without records."""
    for path in paths:
        our_features(path)


def rows_of_records(rounds: int) -> Iterator[Row]:
    """Compare from MP3 to records with the plain way, and several workers with one."""
    import_tensorflow()
    chosen = excerpt()
    plan = plan_segments(chosen.tracks(PLAN_COLUMNS), balance=False)
    plan = plan[plan["split"] == "training"].head(TRACKS)
    paths = [get_audio_path(chosen.audio_dir, track_id) for track_id in plan.index[:24]]
    [whole] = whole_clips(1)
    equal = require_equal_features(whole, plain_features(whole))
    with tempfile.TemporaryDirectory(prefix="extraction-") as folder:
        out = Path(folder)
        shards = plan_shards(plan, chosen.audio_dir, out, PARAMETERS, tracks_per_shard=2)
        with worker_pool(WORKERS) as pool, worker_pool(1) as one:
            for warm in (pool, one):  # imports, kernels, compiled code
                run_ours(warm, shards[: 2 * WORKERS])
            run_plain(pool, shards[:WORKERS], out)
            segments = run_ours(pool, shards)
            sides = {
                "the plain way": lambda: run_plain(pool, shards, out),
                "ours": lambda: run_ours(pool, shards),
                "one worker": lambda: run_ours(one, shards),
            }
            times = measure(sides, rounds=rounds, units=segments, warm_up=False)
            independent = {
                "one alone": lambda: list(one.map(compute_features, [paths])),
                "together": lambda: list(pool.map(compute_features, WORKERS * [paths])),
            }
            apart = measure(independent, rounds=rounds, units=len(paths))
    what = f"{len(plan)} tracks, {segments} segments, MP3 to finished records"
    ideal = f"{WORKERS} times one worker"
    times.seconds[ideal] = [seconds / WORKERS for seconds in times.seconds["one worker"]]
    row = functools.partial(compared, what=what, times=times, side="ours", unit="segments/s")
    name = f"Extraction with {WORKERS} workers, against the plain way"
    yield row(name, peer="the plain way", equal=equal, target=(">=", 3.5))
    name = f"Extraction, efficiency of {WORKERS} workers"
    yield row(name, peer=ideal, is_share=True, target=(">=", 0.9))
    name = f"Extraction, {WORKERS} processes that share nothing"
    what = f"time of a track in each, features of the same {len(paths)}, nothing written"
    yield compared(name, what, apart, "together", "one alone", unit="ms", is_share=True)


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare features, then records."""
    yield from rows_of_features(rounds)
    yield from rows_of_records(rounds)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
