"""Embedding tracks with musicnn's weights: ours against the original, musicnn 0.1.0.

From the MP3 of a track of 30 s to the mean of what musicnn says of its patches of 3 s, one track
after the other, on all cores. The original needs Python 3.7 and TensorFlow 1.15, and runs in a
process of its own that waits while ours runs: make its environment as tests/musicnn_expected.md
tells, in build/bench/original, or name its Python with --original. Without it, its comparison is
left out, and without the weights (make pretrained) everything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import numpy as np
from command import run_benchmark
from inputs import whole_clips
from rows import Row, compared
from timing import measure, on_each, require_equal

from common.errors import UserError
from common.fma.audio import read_audio
from common.paths import PROJECT_ROOT
from common.quiet import import_tensorflow
from spectrogram_feature.features.log_mel import LogMel

TRACKS = 8
ORIGINAL = PROJECT_ROOT / "build" / "bench" / "original" / "bin" / "python"


class Original(AbstractContextManager):
    """The original in a process of its own.

    Parameters
    ----------
    python : Path
        Of an environment that has musicnn 0.1.0.
    """

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("musicnn_original.py")
        self._process = subprocess.Popen(
            [python, "-W", "ignore", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin and self._process.stdout  # noqa: S101  (they are pipes)
        self._python, self._to, self._from = python, self._process.stdin, self._process.stdout

    def embed(self, path: Path) -> np.ndarray:
        """Embed a track: (200,)."""
        self._to.write(f"{path.resolve()}\n")
        self._to.flush()
        line = self._from.readline()
        if not line:
            raise UserError(f"{self._python} cannot run musicnn: see tests/musicnn_expected.md")
        return np.array(json.loads(line))

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._to.close()
        self._process.wait()


def our_side() -> Callable[[Path], np.ndarray]:
    """Make what embeds a track."""
    import tensorflow as tf

    from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, load_musicnn

    transform, network = LogMel(), load_musicnn()
    # Traced once, for as many patches as there are.
    listen = tf.function(
        lambda patches: network(patches, training=False)["penultimate"],
        input_signature=[tf.TensorSpec((None, *network.input_shape[1:]))],
    )

    def embed(path: Path) -> np.ndarray:
        samples = read_audio(path, sr=transform.parameters.sample_rate)
        levels = transform.levels(samples)
        count = len(levels) // PATCH_FRAMES
        patches = levels[: count * PATCH_FRAMES].reshape(count, PATCH_FRAMES, -1)
        return listen(patches).numpy().mean(axis=0)

    return embed


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare on whole tracks."""
    import_tensorflow()
    from spectrogram_feature.musicnn.pretrained import weights_path

    if not weights_path().exists():
        print("musicnn's weights are not there: make pretrained obtains them")
        return
    paths, ours = whole_clips(TRACKS), our_side()
    name = "musicnn's embedding of a track"
    what = f"{len(paths)} tracks of 30 s, MP3 to the mean of 200 numbers over patches"
    if not arguments.original.exists():
        print(f"{arguments.original} is not there: musicnn_expected.md tells how to make it")
        times = measure({"ours": on_each(ours, paths)}, rounds=arguments.rounds, units=len(paths))
        rate = times.rate_of("ours")
        yield Row(name=name, what=what, ours=rate, unit="tracks/s", rounds=arguments.rounds)
        return
    with Original(arguments.original) as original:
        # The original resamples with another filter and rounds power to half precision.
        said, expected = (np.stack([one(path) for path in paths]) for one in (ours, original.embed))
        equal = require_equal(said, expected, 0.3, "where they spread by 0.5", 0.95)
        times = measure(
            {"ours": on_each(ours, paths), "musicnn 0.1.0": on_each(original.embed, paths)},
            rounds=arguments.rounds,
            units=len(paths),
        )
    yield compared(name, what, times, "ours", "musicnn 0.1.0", unit="tracks/s", equal=equal)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this benchmark."""
    parser.add_argument(
        "--original", type=Path, default=ORIGINAL, help="Python that has musicnn 0.1.0"
    )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, add_options=add_options)
