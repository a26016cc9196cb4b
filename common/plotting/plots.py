"""Figures of genres, waveforms, spectrograms, and of the genres of a recording over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from common.plotting.style import (
    DARK,
    STYLE,
    genre_colors,
    horizontal_axis,
    label_bars,
    new_figure,
)

C1_HZ = 440.0 * 2.0 ** (-45 / 12)  # frequency of C1, 45 semitones below A4

BEFORE_COLOR = "#cfcfcf"

WIDEST = 2_000  # largest number of frames that are drawn; the figure has fewer pixels in its width
NAMED = 7  # number of the most probable genres with a colour of their own; the others share one

OTHERS_COLOR = "#dddddd"

LONG_SECONDS = 600  # length from which the time axis is in minutes


@plt.rc_context(STYLE)
def genre_ratios(counts: pd.DataFrame, *, title: str = "Share of tracks per genre") -> Figure:
    """Show the share of each genre in each split, and equal shares as a dashed line.

    ``counts`` are numbers of tracks, a row per split and a column per genre.
    """
    splits, genres = counts.shape
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure, axes = new_figure(
        1, splits, size=_bars_size(counts), title=title, sharex=True, sharey=True
    )
    for panel, (split, share) in zip(axes[0], shares.iterrows(), strict=True):
        positions = horizontal_axis(panel, counts.columns)
        line = panel.axvline(1 / genres, color=DARK, linestyle="--", linewidth=1)
        panel.barh(positions, share, color=genre_colors(counts.columns))
        label_bars(panel, share, [f"{100 * value:.1f}" for value in share])
        panel.set(title=f"{split} ({counts.loc[split].sum():,} tracks)")
        panel.set(xlabel="Share of tracks (%)", xlim=(0, 1.2 * shares.max(axis=None)))
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    figure.legend([line], [f"equal shares: 1/{genres}"], loc="outside lower right")
    return figure


@plt.rc_context(STYLE)
def segment_counts(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    title: str = "Segments per genre before and after balancing",
) -> Figure:
    """Show the segments of each genre before (grey) and after (coloured) balancing.

    Both tables are numbers of segments, a row per split and a column per genre.
    """
    figure, axes = new_figure(1, len(after), size=_bars_size(after), title=title, sharey=True)
    for panel, split in zip(axes[0], after.index, strict=True):
        old, new = before.loc[split, after.columns], after.loc[split]
        positions = horizontal_axis(panel, after.columns)
        panel.barh(positions, old, height=0.86, color=BEFORE_COLOR)
        panel.barh(positions, new, height=0.5, color=genre_colors(after.columns))
        longest = np.maximum(old, new)
        changes = zip(old, new, strict=True)
        label_bars(panel, longest, [f"{n:,}" if m == n else f"{m:,} → {n:,}" for m, n in changes])
        room = 1.25 if old.equals(new) else 1.7
        panel.set(xlim=(0, room * max(longest.max(), 1)), xlabel="Number of segments")
        panel.set_title(f"{split} ({old.sum():,} → {new.sum():,})")
        panel.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    old, new = (Patch(color=color) for color in (BEFORE_COLOR, DARK))
    names = ["before", "after (in the genre's colour)"]
    figure.legend([old, new], names, loc="outside lower right", ncols=2)
    return figure


def _bars_size(table: pd.DataFrame) -> tuple[float, float]:
    """Compute width and height in inches for a panel per row and a bar per column."""
    panels, bars = table.shape
    return 3.1 * panels + 1.4, 0.27 * bars + 1.7


@plt.rc_context(STYLE)
def waveform(samples: np.ndarray, sample_rate: float, *, title: str = "Waveform") -> Figure:
    """Show mono samples over time; full scale is 1."""
    figure, axes = new_figure(size=(9, 2.4), title=title)
    panel = axes[0, 0]
    seconds = np.arange(len(samples)) / sample_rate
    panel.plot(seconds, samples, linewidth=0.4, color="#1b4f9c")
    panel.axhline(0, color=DARK, linewidth=0.5)
    limit = 1.05 * max(float(np.abs(samples).max(initial=0)), 1e-3)
    panel.set(xlabel="Time (s)", xlim=(0, len(samples) / sample_rate))
    panel.set(ylabel="Amplitude\n(1 = full scale)", ylim=(-limit, limit))
    panel.grid(axis="x")
    return figure


def spectrogram(features: np.ndarray, **options: Any) -> Figure:
    """Show one spectrogram (frames, bins); options are those of `spectrogram_grid`."""
    return spectrogram_grid([("", features)], columns=1, size=(9, 3.6), **options)


@plt.rc_context(STYLE)
def spectrogram_grid(
    examples: Sequence[tuple[str, np.ndarray]],
    *,
    hop_seconds: float,
    frequencies: np.ndarray | None,
    title: str = "Spectrogram",
    unit: str = "dB",
    columns: int = 4,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Show titled spectrograms (frames, bins) on the same axes and colours.

    ``hop_seconds`` is the time from one frame to the next, ``frequencies`` are the centre
    frequencies in Hz, in rising order, or None, which numbers the bins, and ``unit`` is that of the
    magnitudes. The size, in inches, by default follows the number of examples, in rows of at most
    ``columns``.
    """
    columns = min(columns, len(examples))
    rows = -(-len(examples) // columns)
    size = size or (2.5 * columns + 1.8, 2.2 * rows + 0.9)
    figure, axes = new_figure(rows, columns, size=size, title=title, sharex=True, sharey=True)
    low = min(float(features.min()) for _, features in examples)
    high = max(float(features.max()) for _, features in examples)
    limits = low, high if high > low else low + 1
    for panel, (name, features) in zip(axes.flat, examples, strict=False):
        mesh = draw_spectrogram(panel, features, hop_seconds, frequencies, limits)
        panel.set_title(name)
        panel.xaxis.set_major_locator(MaxNLocator(round(size[0] / columns), steps=[1, 2, 5, 10]))
    for panel in axes.flat[len(examples) :]:
        panel.set_axis_off()
    for panel in axes.flat[max(len(examples) - columns, 0) : len(examples)]:
        panel.set_xlabel("Time (s)")
        panel.tick_params(labelbottom=True)
    figure.supylabel(frequency_label(frequencies), fontsize=plt.rcParams["axes.labelsize"])
    figure.colorbar(mesh, ax=axes, label=f"Magnitude ({unit})", pad=0.01, aspect=12 + 8 * rows)
    return figure


@plt.rc_context(STYLE)
def spectrogram_difference(
    first: tuple[str, np.ndarray],
    second: tuple[str, np.ndarray],
    *,
    hop_seconds: float,
    frequencies: np.ndarray | None,
    floor: float,
    title: str,
    unit: str = "dB",
) -> Figure:
    """Show two titled spectrograms (frames, bins), and the second minus the first.

    The difference is shown where the first is above ``floor``. Its colours are symmetric about zero
    and end at the 99th percentile. For the other parameters see `spectrogram_grid`.
    """
    figure, axes = new_figure(1, 3, size=(11.4, 3.4), title=title, sharex=True, sharey=True)
    both = np.stack([first[1], second[1]])
    compared = first[1] > floor
    difference = np.where(compared, second[1] - first[1], 0)
    # A few large differences would hide the others.
    size = np.abs(difference[compared])
    end = max(float(np.quantile(size, 0.99)) if size.size else 0.0, 1e-6)
    limits, around_zero = (float(both.min()), float(both.max())), (-end, end)
    for panel, (name, features) in zip(axes[0], (first, second), strict=False):
        mesh = draw_spectrogram(panel, features, hop_seconds, frequencies, limits)
        panel.set_title(name)
    figure.colorbar(mesh, ax=axes[0, :2], label=f"Magnitude ({unit})", pad=0.01)
    last = axes[0, 2]
    mesh = draw_spectrogram(last, difference, hop_seconds, frequencies, around_zero, cmap="RdBu_r")
    last.set_title(f"{second[0]} minus {first[0]}")
    figure.colorbar(mesh, ax=last, label="Difference (dB)", pad=0.01, extend="both")
    for panel in axes[0]:
        panel.set_xlabel("Time (s)")
    axes[0, 0].set_ylabel(frequency_label(frequencies))
    return figure


def draw_spectrogram(
    panel: Axes,
    features: np.ndarray,
    hop_seconds: float,
    frequencies: np.ndarray | None,
    limits: tuple[float, float],
    *,
    cmap: str | None = None,
) -> QuadMesh:
    """Draw a spectrogram (frames, bins) with octaves marked, its colours between `limits`."""
    frames, bins = features.shape
    edges = np.arange(bins + 1) if frequencies is None else _bin_edges(frequencies)
    seconds, (low, high) = np.arange(frames + 1) * hop_seconds, limits
    mesh = panel.pcolormesh(
        seconds, edges, features.T, vmin=low, vmax=high, cmap=cmap, rasterized=True
    )
    panel.set_ylim(edges[0], edges[-1])
    if frequencies is None:
        return mesh
    panel.set_yscale("log")
    octaves = np.arange(1, 9)
    notes = C1_HZ * 2.0 ** (octaves - 1)
    seen = (notes >= edges[0]) & (notes <= edges[-1])
    labels = [f"C{octave} ({hz:,.0f})" for octave, hz in zip(octaves, notes, strict=True)]
    panel.set_yticks(notes[seen], np.array(labels)[seen])
    panel.yaxis.set_minor_locator(NullLocator())
    return mesh


def frequency_label(frequencies: np.ndarray | None) -> str:
    """Return the label of the axis of `draw_spectrogram`."""
    return "Bin" if frequencies is None else "Note (frequency in Hz)"


def _bin_edges(frequencies: np.ndarray) -> np.ndarray:
    """Put edges midway between the centre frequencies on a logarithmic axis."""
    logs = np.log(frequencies)
    middles = (logs[1:] + logs[:-1]) / 2
    ends = (logs[0] - (middles[0] - logs[0]), logs[-1] + (logs[-1] - middles[-1]))
    return np.exp([ends[0], *middles, ends[1]])


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
    threshold: float | None = None,
) -> Figure:
    """Show the genre probabilities over time above the spectrogram; the legend shows the means.

    ``edges`` (segments + 1,) are the starts of the segments and the end of the last one, in s, and
    ``probability`` is (segments, genres), zeros for silent segments. With a ``threshold``, a
    recording has several genres: probabilities are lines instead of a stack, since their sum is not
    1, and the threshold is dashed. ``levels`` (frames, bins) is the spectrogram in dB from
    the first edge to the last, ``reference`` the name of the level of 0 dB, and ``frequencies``
    (bins,) are in Hz.
    """
    # The second column holds the legend and the colour bar.
    figure, axes = new_figure(2, 2, size=(10, 5.6), title=title, width_ratios=[40, 1])
    (stack, beside), (below, bar) = axes
    unit, seconds = ("min", 60) if edges[-1] >= LONG_SECONDS else ("s", 1)
    edges = edges / seconds
    audible = np.diff(edges) * probability.any(axis=1)
    mean = audible @ probability / audible.sum()
    order = np.argsort(-mean, kind="stable")
    named, others = order[:NAMED], order[NAMED:]
    heights, colors = probability[:, named], genre_colors([genres[index] for index in named])
    labels = [f"{genres[index]} {100 * mean[index]:.0f} %" for index in named]
    if threshold is None:
        if len(others):
            heights = np.column_stack([heights, probability[:, others].sum(axis=1)])
            colors.append(OTHERS_COLOR)
            labels.append(f"{len(others)} others {100 * mean[others].sum():.0f} %")
        # A step takes its height at both ends.
        heights = np.concatenate([heights, heights[-1:]])
        stack.stackplot(edges, heights.T, step="post", colors=colors, labels=labels)
    else:
        line = {"color": DARK, "linestyle": "--", "linewidth": 1}
        stack.axhline(threshold, label=f"Threshold {100 * threshold:.0f} %", **line)
        heights = np.where(audible[:, None] > 0, heights, np.nan)  # silence is a gap
        rows = list(zip(heights.T, colors, labels, strict=True))
        for height, color, label in reversed(rows):  # the most probable genre on top
            stack.stairs(height, edges, baseline=None, color=color, label=label, linewidth=2)
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
