"""How fast audio becomes records: ours against what one would write first, in one run.

    python benchmarks/extraction.py [--tracks 48] [--rounds 3] [--workers 2]

Both sides do the same segments of the same tracks with the same number of processes, in turns.
The plain way loads each segment with ``librosa.load(offset, duration)``, transforms it with
``librosa.cqt`` at the same settings, and writes ``tf.train.Example`` records of float lists from
the parent. Starting the processes is left out on both sides.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import warnings
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

import fma_utils
from common import cli
from common.jobs import worker_pool
from common.quiet import import_tensorflow
from common.track_plan import PLAN_COLUMNS
from spectrogram_feature.feature_parameters import FeatureParameters
from spectrogram_feature.generate_records import Shard, plan_shards, write_features
from spectrogram_feature.segment_plan import plan_segments

PARAMETERS = FeatureParameters()


def plain_segment(task: tuple[Path, int]) -> np.ndarray | None:
    """Compute one segment's features (480, 84) the plain way, or None if it is too short."""
    import librosa

    path, segment = task
    seconds = PARAMETERS.segment_seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, _ = librosa.load(
            path, sr=PARAMETERS.sample_rate, offset=segment * seconds, duration=seconds
        )
    if len(samples) < PARAMETERS.segment_samples - PARAMETERS.hop_length:
        return None
    samples = librosa.util.fix_length(samples, size=PARAMETERS.segment_samples)
    magnitude = np.abs(
        librosa.cqt(
            samples,
            sr=PARAMETERS.sample_rate,
            hop_length=PARAMETERS.hop_length,
            n_bins=PARAMETERS.n_bins,
            fmin=PARAMETERS.fmin,
        )
    )
    return librosa.amplitude_to_db(magnitude, ref=np.max).T / PARAMETERS.dynamic_range + 1


def run_plain(pool: Executor, shards: list[Shard], out: Path) -> int:
    """Write all segments as float lists; return their number."""
    import tensorflow as tf

    tasks = [
        (fma_utils.get_audio_path(shard.audio_dir, track_id), segment)
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


def run_ours(pool: Executor, shards: list[Shard], out: Path) -> int:
    """Write all segments as generate_records does; return their number."""
    return sum(result["shard"]["records"] for result in pool.map(write_features, shards))


def main() -> None:
    """Run the comparison and print rates, medians and the ratio."""
    parser = cli.make_parser(
        "python benchmarks/extraction.py",
        "Compare the speed of extraction with the plain way.",
        "  FMA_ROOT=/music/fma python benchmarks/extraction.py --tracks 96",
    )
    parser.add_argument("--tracks", type=int, default=48, help="how many to do in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    import_tensorflow()
    dataset = fma_utils.find_dataset()
    print(dataset.notice)
    plan = plan_segments(dataset.tracks(PLAN_COLUMNS))
    plan = plan[plan["split"] == "training"].head(arguments.tracks).assign(segments=3)
    out = Path(tempfile.mkdtemp(prefix="extraction-"))
    shards = plan_shards(plan, dataset.audio_dir, out, PARAMETERS, tracks_per_shard=4)["training"]
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    try:
        with worker_pool(arguments.workers) as pool:
            warm = shards[: arguments.workers]
            for side in (run_plain, run_ours):  # imports, kernels, compiled code
                side(pool, warm * 2, out)
            for _ in range(arguments.rounds):
                for name, side in (("plain", run_plain), ("ours", run_ours)):
                    started = time.perf_counter()
                    segments = side(pool, shards, out)
                    rates[name].append(segments / (time.perf_counter() - started))
    finally:
        shutil.rmtree(out)
    for name, values in rates.items():
        listed = ", ".join(f"{value:.1f}" for value in values)
        print(f"{name:<6} {statistics.median(values):7.1f} segments/s  (rounds: {listed})")
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["plain"], strict=True))
    print(f"ratio  {ratio:7.1f}  ({arguments.workers} workers, {len(plan)} tracks)")


if __name__ == "__main__":
    cli.run_command(main)
