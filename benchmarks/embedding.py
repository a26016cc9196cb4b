"""Embedding of tracks with musicnn's weights: ours against the original, musicnn 0.1.0.

Tracks of 30 s are embedded in sequence on all cores, from the MP3 to the mean embedding over
patches of 3 s. The original needs Python 3.7 and TensorFlow 1.15, and runs in a separate process
that is idle while ours runs. tests/musicnn/musicnn_expected.md explains its environment,
build/bench/original. Without it, only ours is timed. The weights are required (make pretrained).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.fma.audio import read_audio
from common.paths import PROJECT_ROOT
from common.quiet import import_tensorflow
from harness.command import run_benchmark
from harness.inputs import whole_clips
from harness.rows import Row, compared
from harness.timing import measure, on_each, require_equal
from spectrogram_feature.features.log_mel import LogMel

TRACKS = 8
ORIGINAL = PROJECT_ROOT / "build" / "bench" / "original" / "bin" / "python"

Embed = Callable[[Path], np.ndarray]


@contextlib.contextmanager
def original_side() -> Iterator[Embed]:
    """Start the original in another Python; yield a function from path to (200,)."""
    script = Path(__file__).parent / "harness" / "musicnn_original.py"
    command = [str(ORIGINAL), "-W", "ignore", str(script)]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none, text=True) as process:
        assert process.stdin and process.stdout  # noqa: S101  (they are pipes)
        requests, answers = process.stdin, process.stdout

        def embed(path: Path) -> np.ndarray:
            requests.write(f"{path.resolve()}\n")
            requests.flush()
            if not (line := answers.readline()):
                raise UserError(
                    f"{ORIGINAL} cannot run musicnn: see tests/musicnn/musicnn_expected.md"
                )
            return np.array(json.loads(line))

        yield embed
        requests.close()


def our_side() -> Embed:
    """Make a function that embeds a track."""
    import tensorflow as tf

    from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, load_musicnn

    transform, network = LogMel(), load_musicnn()
    predict = tf.function(  # traced once for any number of patches
        lambda patches: network(patches, training=False)["penultimate"],
        input_signature=[tf.TensorSpec((None, *network.input_shape[1:]))],
    )

    def embed(path: Path) -> np.ndarray:
        levels = transform.levels(read_audio(path, sr=transform.parameters.sample_rate))
        count = len(levels) // PATCH_FRAMES
        patches = levels[: count * PATCH_FRAMES].reshape(count, PATCH_FRAMES, -1)
        return predict(patches).numpy().mean(axis=0)

    return embed


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare on whole tracks."""
    import_tensorflow()
    from spectrogram_feature.musicnn.pretrained import weights_path

    if not weights_path().exists():
        print("musicnn's weights are missing: make pretrained fetches them")
        return
    paths, ours = whole_clips(TRACKS), our_side()
    name = "musicnn's embedding of a track"
    what = f"{len(paths)} tracks of 30 s, MP3 to the mean of 200 numbers over patches"
    timing = {"rounds": arguments.rounds, "units": len(paths)}
    if not ORIGINAL.exists():
        print(f"{ORIGINAL} is missing: musicnn_expected.md explains how to make it")
        rate = measure({"ours": on_each(ours, paths)}, **timing).rate_of("ours")
        yield Row(name=name, what=what, ours=rate, unit="tracks/s", rounds=arguments.rounds)
        return
    with original_side() as original:
        # The original uses another resampling filter and half precision for power.
        found, expected = (np.stack([one(path) for path in paths]) for one in (ours, original))
        equal = require_equal(found, expected, 0.3, "where they spread by 0.5", 0.95)
        sides = {"ours": on_each(ours, paths), "musicnn 0.1.0": on_each(original, paths)}
        times = measure(sides, **timing)
    yield compared(name, what, times, "ours", "musicnn 0.1.0", unit="tracks/s", equal=equal)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
