"""Figure of the predicted genres of a recording over time."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from common.plotting.plots import draw_spectrogram
from common.plotting.style import STYLE, genre_colors, new_figure

WIDEST = 2_000
"""Largest number of frames that are drawn; the figure has fewer pixels in its width."""

NAMED = 7
"""Number of the most probable genres with a colour of their own; the others share one."""

OTHERS_COLOR = "#dddddd"

LONG_SECONDS = 600
"""Length from which the time axis is in minutes."""


@plt.rc_context(STYLE)
def genres_over_time(
    edges: np.ndarray,
    probability: np.ndarray,
    genres: Sequence[str],
    levels: np.ndarray,
    *,
    reference: str,
    frequencies: np.ndarray,
    title: str,
) -> Figure:
    """Show the genre probabilities over time above the spectrogram; the legend shows the means.

    ``edges`` (segments + 1,) are the starts of the segments and the end of the last one, in s, and
    ``probability`` is (segments, genres). ``levels`` (frames, bins) is the spectrogram in dB from
    the first edge to the last, ``reference`` the name of the level of 0 dB, and ``frequencies``
    (bins,) are in Hz.
    """
    # The second column holds the legend and the colour bar.
    figure, axes = new_figure(2, 2, size=(10, 5.6), title=title, width_ratios=[40, 1])
    (stack, beside), (below, bar) = axes
    unit, seconds = ("min", 60) if edges[-1] >= LONG_SECONDS else ("s", 1)
    edges = edges / seconds
    mean = np.diff(edges) @ probability / edges[-1]
    order = np.argsort(-mean, kind="stable")
    named, others = order[:NAMED], order[NAMED:]
    heights, colors = probability[:, named], genre_colors([genres[index] for index in named])
    labels = [f"{genres[index]} {100 * mean[index]:.0f} %" for index in named]
    if len(others):
        heights = np.column_stack([heights, probability[:, others].sum(axis=1)])
        colors.append(OTHERS_COLOR)
        labels.append(f"{len(others)} others {100 * mean[others].sum():.0f} %")
    # A step takes its height at both ends.
    heights = np.concatenate([heights, heights[-1:]])
    stack.stackplot(edges, heights.T, step="post", colors=colors, labels=labels)
    stack.set(ylabel="Probability (%)", ylim=(0, 1), xlim=(0, edges[-1]))
    stack.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    stack.tick_params(labelbottom=False)
    beside.set_axis_off()
    handles, labels = stack.get_legend_handles_labels()
    beside.legend(handles[::-1], labels[::-1], loc="upper left", borderaxespad=0)
    drawn = _shortened(levels)
    limits = (float(levels.min()), float(levels.max()))
    mesh = draw_spectrogram(below, drawn, edges[-1] / len(drawn), frequencies, limits)
    below.set(xlabel=f"Time ({unit})", ylabel="Note (frequency in Hz)", xlim=(0, edges[-1]))
    figure.colorbar(mesh, cax=bar, label=f"Level (dB, {reference} = 0)")
    return figure


def _shortened(levels: np.ndarray) -> np.ndarray:
    """Average neighbouring frames, to at most `WIDEST` frames."""
    starts = np.arange(0, len(levels), -(-len(levels) // WIDEST))
    sizes = np.diff(starts, append=len(levels))
    return np.add.reduceat(levels, starts) / sizes[:, None]
