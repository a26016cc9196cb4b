"""Figures of a data set: missing values, artists and durations."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from common.fma.genres import ROOT_GENRES
from common.plotting.style import (
    GREY,
    STYLE,
    add_title,
    genre_colors,
    horizontal_axis,
    label_bars,
    new_figure,
)
from spectrogram_image.exploration.file_checks import DECODED_AT_MOST, SHORTEST_CLIP

BLUE, RED = "#1b4f9c", "#c62828"


@plt.rc_context(STYLE)
def missing_figure(shares: pd.Series, *, title: str = "Missing values") -> Figure:
    """Draw the result of `metadata.missing_shares`: a panel for each of album, artist and track.

    The panel of the track includes split and subset.
    """
    tables = {
        table: shares[[column for column in shares.index if column[0] in (table, *more)]]
        for table, more in {"album": (), "artist": (), "track": ("set",)}.items()
    }
    rows = max(len(values) for values in tables.values())
    figure, axes = new_figure(1, len(tables), size=(11, 0.22 * rows + 1.3), sharex=True)
    for panel, (table, values) in zip(axes[0], tables.items(), strict=True):
        names = [name if part == table else f"{part}.{name}" for part, name in values.index]
        positions = horizontal_axis(panel, names)
        panel.set_ylim(rows - 0.4, -0.6)
        panel.barh(positions, values, color=BLUE)
        label_bars(panel, values, [_percent(value) for value in values])
        panel.set(title=f"{table} ({len(values)} columns)", xlabel="Missing (%)", xlim=(0, 1.25))
        panel.set_xticks(np.linspace(0, 1, 5), ["0", "25", "50", "75", "100"])
    add_title(figure, title)
    return figure


def _percent(share: float) -> str:
    """Format a share in percent; only an exact 0 or 1 becomes 0 or 100."""
    if share in (0, 1):
        return f"{100 * share:.0f}"
    return f"{np.clip(100 * share, 0.1, 99.9):.1f}"


@plt.rc_context(STYLE)
def artists_figure(
    artists: pd.Series, genres: pd.Series, *, title: str = "Tracks per artist"
) -> Figure:
    """Draw the tracks of each artist by rank, and the number of artists per genre.

    Parameters
    ----------
    artists, genres : pandas.Series
        The artist and the root genre of each track; missing values are left out.
    """
    present = [genre for genre in ROOT_GENRES if genre in set(genres)]
    tracks = artists.value_counts().to_numpy()
    per_genre = artists.groupby(genres.astype(object)).nunique().reindex(present)
    figure, (panels,) = new_figure(1, 2, size=(11, max(0.24 * len(present) + 1.2, 3.4)))
    left, right = panels
    left.plot(np.arange(1, len(tracks) + 1), tracks, ".", markersize=4, color=BLUE)
    left.set(xscale="log", yscale="log", xlabel="Artist's rank", ylabel="Number of tracks")
    left.set_title(f"{len(tracks):,} artists, ranked by their tracks")
    left.set_ylim(0.8, 1.3 * max(tracks.max(initial=1), 10))
    _label_log_axis(left.xaxis)
    _label_log_axis(left.yaxis)
    left.grid()
    positions = horizontal_axis(right, present)
    right.barh(positions, per_genre, color=genre_colors(present))
    label_bars(right, per_genre, [f"{count:,}" for count in per_genre])
    right.set(xlabel="Number of artists", title="Artists per genre")
    right.set_xlim(0, 1.15 * max(per_genre.max(), 1))
    right.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    add_title(figure, title)
    return figure


@plt.rc_context(STYLE)
def durations_figure(claimed: pd.Series, decoded: pd.Series, *, title: str = "Durations") -> Figure:
    """Draw a histogram of the durations in the metadata, and the decoded durations against them.

    Parameters
    ----------
    claimed : pandas.Series
        Seconds in the metadata, for all tracks.
    decoded : pandas.Series
        Seconds of the decoded files, NaN for a file that does not decode. Its index is a part of
        the index of `claimed`. Durations below `SHORTEST_CLIP` are red.
    """
    known = claimed[claimed > 0]
    figure, (panels,) = new_figure(1, 2, size=(11, 4.1))
    left, right = panels
    shortest, longest = (known.min(), known.max()) if len(known) else (60, 600)
    left.hist(known, bins=np.geomspace(0.95 * shortest, 1.05 * longest, 41), color=BLUE)
    left.set(title=f"By the metadata ({len(known):,} tracks)", ylabel="Number of tracks")
    seconds = decoded.fillna(0)
    whole = seconds >= SHORTEST_CLIP
    for chosen, color, name in ((whole, BLUE, "whole"), (~whole, RED, "short or undecodable")):
        expected = claimed.reindex(seconds.index[chosen])
        label = f"{name} ({chosen.sum():,})"
        right.plot(
            expected, seconds[chosen], "o", color=color, markersize=4, alpha=0.6, label=label
        )
    ends = [min(shortest, 10), longest]
    right.plot(ends, ends, "--", color=GREY, linewidth=1.2, label="equal durations")
    right.set(title=f"Decoded ({len(seconds):,} tracks)", ylabel="Decoded length (s)")
    right.set_ylim(-1.5, DECODED_AT_MOST + 1)
    for panel in panels:
        panel.set(xscale="log", xlabel="Length by the metadata (s)")
        _label_log_axis(panel.xaxis)
        panel.grid()
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=3)
    add_title(figure, title)
    return figure


def _label_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2, 5, 10 and so on, or a long one at 1, 10, 100."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1,) if high / low > 150 else (1, 2, 5), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_locator(NullLocator())
