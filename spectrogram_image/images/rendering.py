"""Rendering of representations: images as indices, colours and PNG files, and figures.

An image has no axes and no margins: time runs from left to right, low frequencies are at the
bottom. The pixels are those of `librosa.display.specshow`: Matplotlib paints a pixel in the colour
of the cell that contains its centre, so a pixel is an element of the matrix. In images with fewer
pixels than cells, cells that contain no centre are not drawn.
"""

from __future__ import annotations

import io

import librosa
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.scale import LogTransform, SymmetricalLogTransform
from matplotlib.ticker import NullLocator
from matplotlib.transforms import IdentityTransform, Transform
from PIL import Image

from common.errors import UserError
from spectrogram_image.convert import TEMPO_LIMITS, Representation

SIZES: dict[str, tuple[int, int]] = {
    "full": (2480, 1232),
    "half": (1240, 616),
    "quarter": (620, 308),
    "eighth": (310, 154),
}
"""Width and height in pixels."""

COLORS = 256

# Mean of all kinds on 25 s of eight real tracks, full size: 16 ms and 463 kB at level 1, 17 ms and
# 457 kB at 3, 28 ms and 447 kB at 6, 58 ms and 445 kB at 9; RGB at 3: 80 ms and 1,008 kB.
_COMPRESS_LEVEL = 3

# The scale of each y_axis of specshow.
_SCALES: dict[str, Transform] = {
    "linear": IdentityTransform(),
    "log": SymmetricalLogTransform(2, float(librosa.note_to_hz("C2")), 0.5),
    "mel": SymmetricalLogTransform(2, 1000.0, 1.0),
    "cqt_note": LogTransform(2),
    "chroma": IdentityTransform(),
    "tempo": LogTransform(2),
}

_LABELS = dict.fromkeys(("linear", "log", "mel"), "Frequency (Hz)") | {"tempo": "Tempo (BPM)"}
_TICKS = {
    "log": (0, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
    "mel": (0, 500, 1000, 2000, 5000, 10_000, 20_000),
    "cqt_note": tuple(librosa.note_to_hz([f"C{octave}" for octave in range(1, 8)])),
    "tempo": (30, 60, 120, 240, 480),
}


def render_indices(
    representation: Representation, size: tuple[int, int] = SIZES["full"]
) -> np.ndarray:
    """Render a representation as indices into a palette, uint8 (height, width).

    They are 0 at the lower limit of the values, 255 at the upper; low frequencies are in the last
    row. `size` is width and height in pixels.
    """
    width, height = size
    low, high = representation.limits
    rows = _nearest(representation.bins, height, representation.axis)[::-1]
    columns = _nearest(representation.seconds, width, "linear")
    # Quantize each visible row once, then repeat it over its pixels.
    visible, where = np.unique(rows, return_inverse=True)
    levels = (representation.values[visible] - low) * (COLORS / (high - low))
    indices = np.minimum(levels, COLORS - 1).astype(np.uint8)
    return indices.take(columns, axis=1).take(where, axis=0)


def _nearest(centres: np.ndarray, pixels: int, axis: str) -> np.ndarray:
    """Return the index of the cell that contains each pixel's centre, from low to high.

    As in pcolormesh, the edges of cells are the means of neighbouring `centres` (cells,), which
    rise, in linear units. `axis` is a key of `_SCALES`.
    """
    if len(centres) == 1:
        return np.zeros(pixels, int)
    edges = (centres[1:] + centres[:-1]) / 2
    ends = (2 * centres[0] - edges[0], 2 * centres[-1] - edges[-1])
    scale = _SCALES[axis].transform
    low, high = scale(np.array(TEMPO_LIMITS if axis == "tempo" else ends))
    positions = low + (high - low) * (np.arange(pixels) + 0.5) / pixels
    return np.searchsorted(scale(edges), positions)


def palette(cmap: str = "magma") -> np.ndarray:
    """Return the colours of a Matplotlib colour map, uint8 (256, 3): red, green and blue.

    An unknown name is a `UserError`.
    """
    if cmap not in matplotlib.colormaps:
        raise UserError(
            f"unknown colour map {cmap!r}: choose one of Matplotlib's, such as magma or gray"
        )
    colors = matplotlib.colormaps[cmap](np.linspace(0, 1, COLORS))[:, :3]
    return np.rint(255 * colors).astype(np.uint8)


def render(
    representation: Representation,
    size: tuple[int, int] = SIZES["full"],
    *,
    cmap: str = "magma",
) -> np.ndarray:
    """Render a representation in colour, uint8 (height, width, 3)."""
    return palette(cmap).take(render_indices(representation, size), axis=0)


def encode_png(indices: np.ndarray, cmap: str = "magma") -> bytes:
    """Encode indices (height, width) as a PNG file with a palette.

    Decoded to RGB, the file equals the result of `render`.
    """
    image = Image.fromarray(indices)
    image.putpalette(palette(cmap).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=_COMPRESS_LEVEL)
    return file.getvalue()


def show(representation: Representation, ax: Axes | None = None, *, colorbar: bool = True) -> Axes:
    """Draw a representation with axes, by default in a new figure."""
    # Imported here, since the jobs that make images do not draw figures.
    import librosa.display
    import matplotlib.pyplot as plt

    from common.plotting.style import STYLE, new_figure

    axis, (low, high) = representation.axis, representation.limits
    with plt.rc_context(STYLE):
        ax = ax or new_figure(size=(9, 3.6))[1][0, 0]
        mesh = librosa.display.specshow(
            representation.values,
            x_coords=representation.seconds,
            y_coords=representation.bins,
            x_axis="s",
            y_axis=axis,
            tempo_min=TEMPO_LIMITS[0],
            tempo_max=TEMPO_LIMITS[1],
            cmap="magma",
            vmin=low,
            vmax=high,
            ax=ax,
        )
        if axis in _TICKS:
            bottom, top = ax.get_ylim()
            ax.set_yticks([tick for tick in _TICKS[axis] if bottom <= tick <= top], minor=False)
            ax.yaxis.set_minor_locator(NullLocator())
        if axis in _LABELS:
            ax.set_ylabel(_LABELS[axis])
            ax.yaxis.set_major_formatter(
                lambda y, _position: f"{y / 1000:g}k" if y >= 1000 else f"{y:g}"
            )
        if axis == "cqt_note":  # specshow labels no octave of a small axis
            ax.yaxis.set_major_formatter(lambda hz, _position: librosa.hz_to_note(hz))
        ax.set(xlabel="Time (s)", title=f"{representation.title} ({representation.unit})")
        if colorbar:
            ax.figure.colorbar(mesh, ax=ax, label=representation.unit, pad=0.01)
    return ax
