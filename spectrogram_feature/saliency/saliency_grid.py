"""Figure of the attributions of segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common.plotting.plots import draw_spectrogram, frequency_label
from common.plotting.style import DARK, STYLE, genre_colors, new_figure

DIVERGING = "RdBu_r"
"""Red for positive attributions, blue for negative ones."""

CELL_SECONDS = 0.25
"""Time over which attributions are summed: networks respond to steps between frames, so the
attributions of neighbouring frames often differ in sign."""

BINS_PER_STEP = 3
"""Bins over which attributions of the whole segment are summed, a quarter of an octave."""

CLIPPED = 0.995
"""Quantile of the absolute attributions at which colours saturate."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A segment and its attributions.

    Attributes
    ----------
    features : np.ndarray [shape=(frames, bins)]
        Levels from 0 to 1.
    attributions : tuple of (str, np.ndarray [shape=(frames, bins)])
        Genres and their attributions in nats.
    """

    title: str
    features: np.ndarray
    attributions: tuple[tuple[str, np.ndarray], ...]


@plt.rc_context(STYLE)
def saliency_grid(
    examples: Sequence[Explained], *, hop_seconds: float, frequencies: np.ndarray | None, title: str
) -> Figure:
    """Show a row per segment: levels, attributions per genre, and their sums over time.

    Parameters
    ----------
    examples : sequence of Explained
        All with the same number of genres.
    hop_seconds : float > 0
        Time from one frame to the next.
    frequencies : np.ndarray [shape=(bins,)]
        Centre frequencies in Hz; None numbers the bins.
    """
    frames = max(1, round(CELL_SECONDS / hop_seconds))  # in a cell
    bins = np.arange(examples[0].features.shape[1])
    pitch = bins if frequencies is None else np.log(frequencies)
    centres = _added(pitch, BINS_PER_STEP, np.mean)
    centres = centres if frequencies is None else np.exp(centres)
    step, bin_name = ("3 bins", "bin") if frequencies is None else ("¼ octave", "note")
    genres = len(examples[0].attributions)
    columns = 2 + genres
    size = (2.6 * columns + 1.0, 2.5 * len(examples) + 1.1)
    figure, axes = new_figure(len(examples), columns, size=size, title=title, sharey=True)
    sums = [_added(cells, frames) for e in examples for _, cells in e.attributions]
    limit = max(float(np.quantile(np.abs(np.concatenate(sums)), CLIPPED)), 1e-9)
    for row, example in zip(axes, examples, strict=True):
        levels = draw_spectrogram(row[0], example.features, hop_seconds, frequencies, (0, 1))
        row[0].set_title(example.title, fontsize=9)
        for panel, (genre, cells) in zip(row[1:-1], example.attributions, strict=True):
            nats = draw_spectrogram(
                panel, _added(cells, frames), frames * hop_seconds, frequencies,
                (-limit, limit), cmap=DIVERGING,
            )  # fmt: skip
            panel.set_xlim(0, len(cells) * hop_seconds)
            panel.set_title(f"for {genre}: {cells.sum() + 0.0:+.1f} nats", fontsize=9)
            [color] = genre_colors([genre])
            by_pitch = _added(cells.sum(axis=0), BINS_PER_STEP)
            row[-1].plot(by_pitch, centres, "o-", color=color, markersize=3, label=genre)
        row[-1].axvline(0, color=DARK, linewidth=0.8)
        # The legend is above the panel, outside the curves.
        row[-1].legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.1)
        row[-1].grid(axis="y")
        for panel in row[:-1]:
            panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for panel in axes[-1, :-1]:
        panel.set_xlabel("Time (s)")
    axes[-1, -1].set_xlabel(f"Nats per {step}")
    figure.supylabel(frequency_label(frequencies), fontsize=plt.rcParams["axes.labelsize"])
    figure.colorbar(levels, ax=axes[:, 0], label="Level (0…1)", location="bottom", aspect=24)
    cell = f"{frames * hop_seconds:.2g} s and {bin_name}"
    figure.colorbar(
        nats, ax=axes[:, 1:-1], location="bottom",
        label=f"Nats per {cell}: red raises its probability, blue lowers it",
        aspect=24 * genres, extend="both", ticks=MaxNLocator(5),
    )  # fmt: skip
    return figure


def _added(values: np.ndarray, size: int, how: Callable[..., np.ndarray] = np.sum) -> np.ndarray:
    """Sum blocks of `size` along the first axis; the last block may be smaller."""
    return np.stack([how(values[i : i + size], axis=0) for i in range(0, len(values), size)])
