"""Rendering of representations to image files: ours against Matplotlib.

Both sides read the computed matrix and write a PNG on one thread. The peer is
`librosa.display.specshow` on axes that fill the figure, at our compression level. The structural
similarity (SSIM) of the luminance of both images is checked first.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import librosa.display
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from common.fma.audio import read_audio
from common.quiet import import_tensorflow
from harness.command import run_benchmark
from harness.inputs import whole_clips
from harness.rows import Row, compared
from harness.timing import DifferentResults, measure
from spectrogram_image.convert import KINDS, Representation
from spectrogram_image.images.rendering import SIZES, encode_png, render_indices
from spectrogram_image.sound import Sound

SIZE = "full"
SAMPLE_RATE = 48_000
SECONDS = 25.0
DPI = 100
COMPRESS_LEVEL = 3
LEAST_SIMILAR = 0.95


def write_ours(representation: Representation, path: Path) -> None:
    """Render and encode."""
    path.write_bytes(encode_png(render_indices(representation, SIZES[SIZE])))


def write_figure(representation: Representation, path: Path) -> None:
    """Draw with specshow in a figure without axes and margins, and save it."""
    low, high = representation.limits
    width, height = SIZES[SIZE]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
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
    figure.savefig(path, pil_kwargs={"compress_level": COMPRESS_LEVEL})


WRITERS = {"ours": write_ours, "specshow": write_figure}


def compare(representation: Representation, folder: Path, rounds: int) -> Row:
    """Compare one kind."""
    import tensorflow as tf

    kind, (width, height) = representation.kind, SIZES[SIZE]
    sides, grey = {}, []
    for name, write in WRITERS.items():
        path = folder / f"{name}.png"
        sides[name] = functools.partial(write, representation, path)
        sides[name]()
        luminance = np.asarray(Image.open(path).convert("RGB").convert("L"))
        grey.append(tf.constant(luminance[..., None]))
    if (similarity := float(tf.image.ssim(*grey, max_val=255))) < LEAST_SIMILAR:
        raise DifferentResults(f"{kind}: SSIM {similarity:.3f} is below {LEAST_SIMILAR}")
    return compared(
        f"Image of {kind}, {SIZE} size",
        f"{width} × {height} pixels of {SECONDS:g} s, from the matrix to the PNG on the disk",
        measure(sides, rounds=rounds, seconds=0.3, warm_up=False),
        "ours",
        "specshow",
        unit="ms",
        equal=f"SSIM at least {LEAST_SIMILAR}",
        target=(">=", 15.0 if kind == "log" else 5.0),
    )


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare all kinds."""
    import_tensorflow()
    sound = Sound(read_audio(whole_clips(1)[0], sr=SAMPLE_RATE, duration=SECONDS), SAMPLE_RATE)
    with tempfile.TemporaryDirectory(prefix="rendering-") as folder:
        for function in KINDS.values():
            yield compare(function(sound), Path(folder), rounds)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
