"""Figures of what a model listens to. They take data and return a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common.plotting.plots import draw_spectrogram
from common.plotting.style import DARK, STYLE, add_title, genre_colors, new_figure

DIVERGING = "RdBu_r"
"""Red speaks for the genre, blue against it, white is indifferent; prints tell both from white."""

FRAMES_PER_CELL = 12
"""Attributions are added up over a quarter of a second: neighbouring frames often differ in sign
only because a network looks at the steps between them."""

BINS_PER_STEP = 3
"""And, where they are added over the whole time, over a quarter of an octave."""

CLIPPED = 0.995
"""Attributions have a few large values: colours are full at this quantile of their size."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A segment and what speaks for two genres in it.

    Attributes
    ----------
    features : np.ndarray [shape=(frames, bins)]
        Levels from 0 to 1.
    attributions : tuple of (str, np.ndarray [shape=(frames, bins)])
        For each genre its name and the nats of each cell.
    """

    title: str
    features: np.ndarray
    attributions: tuple[tuple[str, np.ndarray], ...]


@plt.rc_context(STYLE)
def saliency_grid(
    examples: Sequence[Explained], *, hop_seconds: float, frequencies: np.ndarray, title: str
) -> Figure:
    """Show segments, what speaks for each genre when, and at which pitch.

    Parameters
    ----------
    examples : sequence of Explained
        Each for the same number of genres.
    hop_seconds : float > 0
        From one frame to the next.
    frequencies : np.ndarray [shape=(bins,)]
        The bins' centres in Hz.

    Returns
    -------
    Figure
        A row for each segment: its levels, the attributions for each genre in a scale common to
        all, and their sums over time.
    """
    genres = len(examples[0].attributions)
    columns = 2 + genres
    size = (2.6 * columns + 1.0, 2.5 * len(examples) + 1.1)
    figure, axes = new_figure(len(examples), columns, size=size, sharey=True)
    sizes = [
        np.abs(_added(c, FRAMES_PER_CELL)).ravel() for e in examples for _, c in e.attributions
    ]
    limit = max(float(np.quantile(np.concatenate(sizes), CLIPPED)), 1e-9)
    for row, example in zip(axes, examples, strict=True):
        levels = draw_spectrogram(row[0], example.features, hop_seconds, frequencies, (0, 1))
        row[0].set_title(example.title, fontsize=9)
        for panel, (genre, cells) in zip(row[1:-1], example.attributions, strict=True):
            nats = draw_spectrogram(
                panel,
                _added(cells, FRAMES_PER_CELL),
                FRAMES_PER_CELL * hop_seconds,
                frequencies,
                (-limit, limit),
                cmap=DIVERGING,
            )
            panel.set_xlim(0, len(cells) * hop_seconds)
            panel.set_title(f"for {genre}: {cells.sum():+.1f} nats", fontsize=9)
            [color] = genre_colors([genre])
            by_pitch = _added(cells.sum(axis=0), BINS_PER_STEP)
            centres = np.exp(_added(np.log(frequencies), BINS_PER_STEP, np.mean))
            row[-1].plot(by_pitch, centres, "o-", color=color, markersize=3, label=genre)
        row[-1].axvline(0, color=DARK, linewidth=0.8)
        # Above the panel, where it hides no curve.
        row[-1].legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.1)
        row[-1].grid(axis="y")
        for panel in row[:-1]:
            panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for panel in axes[-1, :-1]:
        panel.set_xlabel("Time (s)")
    axes[-1, -1].set_xlabel("Nats per ¼ octave")
    figure.supylabel("Note (frequency in Hz)", fontsize=plt.rcParams["axes.labelsize"])
    figure.colorbar(levels, ax=axes[:, 0], label="Level (0…1)", location="bottom", aspect=24)
    figure.colorbar(
        nats, ax=axes[:, 1:-1], label="Nats per ¼ s and note: red for the genre, blue against it",
        location="bottom", aspect=24 * genres, extend="both", ticks=MaxNLocator(5),
    )  # fmt: skip
    add_title(figure, title)
    return figure


def _added(values: np.ndarray, size: int, how: Callable[..., np.ndarray] = np.sum) -> np.ndarray:
    """Add up each so many along the first axis; the last sum may have fewer."""
    return np.stack([how(values[i : i + size], axis=0) for i in range(0, len(values), size)])
