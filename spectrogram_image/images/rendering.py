"""Images and figures of a sound's representations.

An image has no axes and no margins: time runs from left to right, low frequencies are at the
bottom. Its pixels are those that Matplotlib would draw of `librosa.display.specshow`, without the
figure: Matplotlib paints a pixel in the colour of the cell in which its centre lies, and so a
pixel is looked up in the matrix by its row and column. That holds for smaller images too: where
several bins or frames share a pixel, the one in its centre is seen.
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
}
"""Width and height in pixels."""

COLORS = 256

# Measured on 25 s of eight real tracks in all kinds, full size, the mean: 16 ms and 463 kB at level
# 1, 17 ms and 457 kB at 3, 28 ms and 447 kB at 6, 58 ms and 445 kB at 9; RGB at 3: 80 ms, 1,008 kB.
_COMPRESS_LEVEL = 3

# The scales that specshow sets, by its y_axis.
_SCALES: dict[str, Transform] = {
    "linear": IdentityTransform(),
    "log": SymmetricalLogTransform(2, float(librosa.note_to_hz("C2")), 0.5),
    "mel": SymmetricalLogTransform(2, 1000.0, 1.0),
    "cqt_note": LogTransform(2),
    "chroma": IdentityTransform(),
    "tempo": LogTransform(2),
}

_LABELS = {
    "linear": "Frequency (Hz)",
    "log": "Frequency (Hz)",
    "mel": "Frequency (Hz)",
    "tempo": "Tempo (BPM)",
}
_TICKS = {
    "log": (0, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
    "mel": (0, 500, 1000, 2000, 5000, 10_000, 20_000),
    "cqt_note": tuple(librosa.note_to_hz([f"C{octave}" for octave in range(1, 8)])),
    "tempo": (30, 60, 120, 240, 480),
}


def render_indices(
    representation: Representation, size: tuple[int, int] = SIZES["full"]
) -> np.ndarray:
    """Draw a representation in the numbers of the colours.

    Parameters
    ----------
    representation : Representation
        What to draw.
    size : (int, int)
        Width and height in pixels.

    Returns
    -------
    np.ndarray [shape=(height, width), uint8]
        0 at the lower limit of the values, 255 at the upper; low frequencies in the last row.
    """
    width, height = size
    low, high = representation.limits
    rows = _nearest(representation.bins, height, representation.axis)[::-1]
    columns = _nearest(representation.seconds, width, "linear")
    # Only the rows that are seen become whole numbers, before they are spread over the pixels.
    seen, where = np.unique(rows, return_inverse=True)
    levels = (representation.values[seen] - low) * (COLORS / (high - low))
    indices = np.minimum(levels, COLORS - 1).astype(np.uint8)
    return indices.take(columns, axis=1).take(where, axis=0)


def _nearest(centres: np.ndarray, pixels: int, axis: str) -> np.ndarray:
    """Find the cell in which each pixel's centre lies, from the low end of an axis to the high.

    Parameters
    ----------
    centres : np.ndarray [shape=(cells,)]
        Rising. As in pcolormesh, cells meet half-way between them, before any scale is applied.
    pixels : int
        Number of them along the axis.
    axis : str
        A key of `_SCALES`.

    Returns
    -------
    np.ndarray [shape=(pixels,), int]
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
    """Give the colours of a Matplotlib colour map, as its figures have them.

    Parameters
    ----------
    cmap : str
        Its name.

    Returns
    -------
    np.ndarray [shape=(256, 3), uint8]
        Red, green and blue.

    Raises
    ------
    UserError
        If Matplotlib has no such colour map.
    """
    if cmap not in matplotlib.colormaps:
        raise UserError(
            f"there is no colour map {cmap!r}: choose one of Matplotlib's, such as magma or gray"
        )
    colors = matplotlib.colormaps[cmap](np.linspace(0, 1, COLORS))[:, :3]
    return np.rint(255 * colors).astype(np.uint8)


def render(
    representation: Representation,
    size: tuple[int, int] = SIZES["full"],
    *,
    cmap: str = "magma",
) -> np.ndarray:
    """Draw a representation in colour; see `render_indices` and `palette`.

    Returns
    -------
    np.ndarray [shape=(height, width, 3), uint8]
    """
    return palette(cmap).take(render_indices(representation, size), axis=0)


def encode_png(indices: np.ndarray, cmap: str = "magma") -> bytes:
    """Write an image as a PNG with a palette: lossless, one byte a pixel before compression.

    Parameters
    ----------
    indices : np.ndarray [shape=(height, width), uint8]
        What `render_indices` gives.
    cmap : str
        As `palette` takes it.

    Returns
    -------
    bytes
        A PNG file; decoded to RGB, it is what `render` gives.
    """
    image = Image.fromarray(indices)
    image.putpalette(palette(cmap).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=_COMPRESS_LEVEL)
    return file.getvalue()


def show(representation: Representation, ax: Axes | None = None, *, colorbar: bool = True) -> Axes:
    """Draw a representation for people, with axes.

    Parameters
    ----------
    representation : Representation
        What to draw.
    ax : Axes, optional
        Where to draw it; by default in a figure of its own, ``show(...).figure``.
    colorbar : bool
        Whether to draw one.

    Returns
    -------
    Axes
    """
    # Imported here: who only makes images needs none of what draws figures.
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
            ax.yaxis.set_major_formatter(_thousands)
        if axis == "cqt_note":  # specshow's own formatter names no octave of a small axis
            ax.yaxis.set_major_formatter(lambda hz, _position: librosa.hz_to_note(hz))
        ax.set(xlabel="Time (s)", title=f"{representation.title} ({representation.unit})")
        if colorbar:
            ax.figure.colorbar(mesh, ax=ax, label=representation.unit, pad=0.01)
    return ax


def _thousands(value: float, _position: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
