"""How fast a representation becomes an image file: ours against Matplotlib's figure, in one run.

    python benchmarks/rendering.py [--sizes full half quarter] [--rounds 3] [--audio FILE]

Both sides begin with the computed matrix and end with a PNG on the disk, in turns, each on one
thread. The figure is `librosa.display.specshow` on axes that fill it, and ``savefig``. Similarity
is the structural similarity (SSIM) of the two files' luminance. Without ``--audio``, the sound is
the demo set's synthetic rock.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa.display
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import fma_utils
from common import cli
from common.quiet import import_tensorflow
from data.demo_synthesis import SR
from data.make_demo import synthesise
from spectrogram_image.convert import KINDS, Representation
from spectrogram_image.image_rendering import SIZES, encode_png, render_indices
from spectrogram_image.sound import Sound

SAMPLE_RATE = 48_000
SECONDS = 25.0
DPI = 100


def write_ours(representation: Representation, size: tuple[int, int], path: Path) -> None:
    """Render and encode."""
    path.write_bytes(encode_png(render_indices(representation, size)))


def write_figure(representation: Representation, size: tuple[int, int], path: Path) -> None:
    """Draw with specshow in a figure without axes and margins, and save it."""
    low, high = representation.limits
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    librosa.display.specshow(
        representation.values,
        x_coords=representation.seconds,
        y_coords=representation.bins,
        x_axis="time",
        y_axis=representation.axis,
        cmap="magma",
        vmin=low,
        vmax=high,
        ax=axes,
    )
    axes.set_axis_off()
    figure.savefig(path)


def timed(write: Callable[..., None], *arguments: object) -> float:
    """Return the milliseconds that a call takes."""
    started = time.perf_counter()
    write(*arguments)
    return 1000 * (time.perf_counter() - started)


def similarity(first: Path, second: Path) -> float:
    """Return the structural similarity of two images' luminance."""
    import tensorflow as tf

    grey = [np.asarray(Image.open(path).convert("RGB").convert("L")) for path in (first, second)]
    return float(tf.image.ssim(*(tf.constant(image[..., None]) for image in grey), max_val=255))


def main() -> None:
    """Run the comparison and print a table for each size."""
    parser = cli.make_parser(
        "python benchmarks/rendering.py",
        "Compare the speed of rendering with Matplotlib's figure.",
        "  python benchmarks/rendering.py --sizes full half quarter --audio song.mp3",
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["full"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--audio", help=f"a file of {SECONDS:g} s or more")
    arguments = parser.parse_args()
    import_tensorflow()
    if arguments.audio:
        samples = fma_utils.read_audio(arguments.audio, sr=SAMPLE_RATE, duration=SECONDS)
    else:
        stereo = synthesise("Rock", artist=0, track_id=0, seed=0, seconds=SECONDS)
        samples = librosa.resample(stereo.mean(axis=1), orig_sr=SR, target_sr=SAMPLE_RATE)
    sound = Sound(samples, SAMPLE_RATE)
    representations = [function(sound) for function in KINDS.values()]
    with tempfile.TemporaryDirectory(prefix="rendering-") as folder:
        ours, figure = Path(folder, "ours.png"), Path(folder, "figure.png")
        for size in arguments.sizes:
            print(f"{SIZES[size][0]} × {SIZES[size][1]}, medians of {arguments.rounds} rounds")
            print("kind          ours ms  figure ms  ratio  ours kB  figure kB    SSIM")
            for representation in representations:
                times = [
                    (
                        timed(write_ours, representation, SIZES[size], ours),
                        timed(write_figure, representation, SIZES[size], figure),
                    )
                    for _ in range(arguments.rounds)
                ]
                fast, slow = (statistics.median(side) for side in zip(*times, strict=True))
                ratio = statistics.median(slow / fast for fast, slow in times)
                print(
                    f"{representation.kind:<12} {fast:8.1f} {slow:10.0f} {ratio:6.0f}"
                    f" {ours.stat().st_size / 1000:8.0f} {figure.stat().st_size / 1000:10.0f}"
                    f" {similarity(ours, figure):7.4f}"
                )


if __name__ == "__main__":
    cli.run_command(main)
