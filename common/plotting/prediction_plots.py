"""Figures of what a model says about a recording.

Every function takes data and returns a figure; none shows or prints anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from common.plotting.plots import draw_spectrogram
from common.plotting.style import STYLE, add_title, genre_colors, new_figure

WIDEST = 2_000
"""Frames that are drawn at most; the figure has fewer pixels in its width."""

NAMED = 7
"""Genres with a colour of their own: the most probable ones. The others share one."""

OTHERS_COLOR = "#dddddd"

LONG_SECONDS = 600
"""From this length on, the time axis counts minutes."""


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
    """Show how the probabilities of genres change with time, above the spectrogram.

    Parameters
    ----------
    edges : np.ndarray [shape=(segments + 1,)]
        Where segments begin and the last one ends, s.
    probability : np.ndarray [shape=(segments, genres)]
        Of each genre in each segment.
    genres : sequence of str
        In this order.
    levels : np.ndarray [shape=(frames, bins)]
        The spectrogram from the first edge to the last, time first, dB.
    reference : str
        What has 0 dB, for the colour bar.
    frequencies : np.ndarray [shape=(bins,)]
        The bins' centres, Hz.
    title : str
        Of the figure.

    Returns
    -------
    Figure
        The most probable genre at the bottom; the legend has the means over the whole.
    """
    # The legend and the colour bar stand in a narrow column of their own.
    figure, axes = new_figure(2, 2, size=(10, 5.6), width_ratios=[40, 1])
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
    # A step needs its height at both of its ends.
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
    add_title(figure, title)
    return figure


def _shortened(levels: np.ndarray) -> np.ndarray:
    """Average neighbouring frames until there are not more than can be seen."""
    starts = np.arange(0, len(levels), -(-len(levels) // WIDEST))
    sizes = np.diff(starts, append=len(levels))
    return np.add.reduceat(levels, starts) / sizes[:, None]
