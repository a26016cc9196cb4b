"""How fast audio becomes records: ours against what one would write first, two workers each.

Both sides do the same segments of the same tracks with the same number of processes, in turns.
The plain way loads each segment with ``librosa.load(offset, duration)``, transforms it with
``librosa.cqt`` at the same settings, and writes ``tf.train.Example`` records of float lists from
the parent. Starting the processes is left out on both sides, and given for itself.

What two workers could be at best, the machine tells: processes that share nothing, each computing
the same features of as many tracks, are slower together than one alone, where cores share caches,
memory and clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
from command import run_benchmark
from inputs import PARAMETERS, excerpt
from rows import Row, compared
from timing import Times, measure, require_equal
from track_features import load_segment, our_features, plain_levels

from common.fma.dataset import get_audio_path
from common.fma.track_plan import PLAN_COLUMNS
from common.jobs.workers import worker_pool
from common.quiet import import_tensorflow
from common.records.quantization import as_float
from common.records.shards import run_shard
from spectrogram_feature.features.segment_plan import plan_segments
from spectrogram_feature.generate_records import Shard, plan_shards


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
    """Compute features and forget them: work that shares nothing with that of another process."""
    for path in paths:
        our_features(path)


def start_up(workers: int, shard: Shard) -> float:
    """Return the seconds from nothing to workers that have imported what a job needs."""
    started = time.perf_counter()
    with worker_pool(workers) as pool:
        empty = Shard(**{**vars(shard), "tracks": ()})
        list(pool.map(run_shard, [empty] * workers))
        return time.perf_counter() - started


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare with the plain way, and two workers with one."""
    import_tensorflow()
    workers = arguments.workers
    chosen = excerpt()
    plan = plan_segments(chosen.tracks(PLAN_COLUMNS), balance=False)
    plan = plan[plan["split"] == "training"].head(arguments.tracks)
    path = get_audio_path(chosen.audio_dir, plan.index[0])
    equal = require_equal(
        PARAMETERS.dynamic_range * as_float(our_features(path)[0]),
        PARAMETERS.dynamic_range * plain_levels(load_segment(path, 0)),
        1,
        "dB",
        0.9,
    )
    paths = [get_audio_path(chosen.audio_dir, track_id) for track_id in plan.index[:24]]
    with tempfile.TemporaryDirectory(prefix="extraction-") as folder:
        out = Path(folder)
        shards = plan_shards(plan, chosen.audio_dir, out, PARAMETERS, tracks_per_shard=2)
        with worker_pool(workers) as pool, worker_pool(1) as one:
            for warm in (pool, one):  # imports, kernels, compiled code
                run_ours(warm, shards[: 2 * workers])
            run_plain(pool, shards[:workers], out)
            segments = run_ours(pool, shards)
            times = measure(
                {
                    "the plain way": lambda: run_plain(pool, shards, out),
                    "ours": lambda: run_ours(pool, shards),
                    "one worker": lambda: run_ours(one, shards),
                },
                rounds=arguments.rounds,
                units=segments,
                warm_up=False,
            )
            apart = measure(
                {
                    "alone": lambda: list(one.map(compute_features, [paths])),
                    "together": lambda: list(pool.map(compute_features, workers * [paths])),
                },
                rounds=arguments.rounds,
                units=len(paths),
            )
        starts = [start_up(workers, shards[0]) for _ in range(arguments.rounds)]
    what = f"{len(plan)} tracks, {segments} segments, MP3 to finished records"
    yield compared(
        f"Extraction with {workers} workers, against the plain way",
        what,
        times,
        "ours",
        "the plain way",
        unit="segments/s",
        equal=equal,
        target=(">=", 3.5),
    )
    ideal = [seconds / workers for seconds in times.seconds["one worker"]]
    yield compared(
        f"Extraction, efficiency of {workers} workers",
        what,
        Times({"ours": times.seconds["ours"], "ideal": ideal}),
        "ours",
        "ideal",
        unit="segments/s",
        against=f"{workers} times one worker",
        is_share=True,
        target=(">=", 0.9),
    )
    yield compared(
        f"Extraction, {workers} processes that share nothing",
        f"time of a track in each, features of the same {len(paths)}, nothing written",
        apart,
        "together",
        "alone",
        unit="ms",
        against="one alone",
        is_share=True,
    )
    yield Row(
        name=f"Extraction, start-up of {workers} workers",
        what=f"from nothing to {workers} processes that have imported what they need",
        ours=statistics.median(starts),
        unit="s",
        rounds=len(starts),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this benchmark."""
    parser.add_argument("--tracks", type=int, default=48, help="how many to do in each round")
    parser.add_argument("--workers", type=int, default=2)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, add_options=add_options)
