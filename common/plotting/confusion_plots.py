"""Figures of what is confused with what, and how sure a classifier is of it.

Every function takes data and returns a figure; none shows or prints anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.cluster.hierarchy import dendrogram

from common.plotting.result_plots import MODEL_COLORS
from common.plotting.style import (
    DARK,
    GREY,
    STYLE,
    add_title,
    genre_colors,
    horizontal_axis,
    label_bars,
    new_figure,
)

EXPECTED_COLOR = "#dfdfdf"


@plt.rc_context(STYLE)
def genre_map(
    points: np.ndarray, label: np.ndarray, genres: Sequence[str], *, method: str, title: str
) -> Figure:
    """Show tracks on a plane, coloured by genre.

    Parameters
    ----------
    points : np.ndarray [shape=(tracks, 2)]
    label : np.ndarray [shape=(tracks,), dtype=int]
        Indices of genres.
    genres : sequence of str
    method : str
        What made the plane of what; it stands where the axes' units would.
    title : str
        Of the figure.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(size=(8.4, 6))
    panel = axes[0, 0]
    size = float(np.clip(2500 / len(label), 6, 60))
    # In a random order, or the last genre would cover the first.
    order = np.random.default_rng(0).permutation(len(label))
    colors = np.array(genre_colors(genres))[label[order]]
    panel.scatter(*points[order].T, s=size, c=colors, edgecolors="white", linewidths=0.4)
    for genre, color in zip(genres, genre_colors(genres), strict=True):
        panel.scatter([], [], s=40, c=color, label=genre)
    panel.set_aspect("equal", "datalim")
    panel.set(xticks=[], yticks=[], xlabel=f"{method}; axes have no unit")
    figure.legend(loc="outside right upper", title=f"Genre ({len(label):,} tracks)")
    add_title(figure, title)
    return figure


@plt.rc_context(STYLE)
def confusion_tree(
    tree: np.ndarray, genres: Sequence[str], *, title: str = "Genres by confusion"
) -> Figure:
    """Show in which order confusion merges genres.

    Parameters
    ----------
    tree : np.ndarray [shape=(genres - 1, 4)]
        As `common.analysis.confusion.genre_tree` makes it.
    genres : sequence of str
    title : str
        Of the figure.

    Returns
    -------
    Figure
        A dendrogram over the confusion at which groups merge: the further left a joint, the more
        the groups are confused.
    """
    figure, axes = new_figure(size=(7.4, 0.3 * len(genres) + 1.6))
    panel = axes[0, 0]
    drawn = dendrogram(tree, orientation="right", no_plot=True)
    for heights, positions in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        # Genres themselves stand where the most confused pair would, a little to the left.
        panel.plot(_starts(heights, tree), positions, color=DARK, linewidth=1.4)
    names = [genres[leaf] for leaf in drawn["leaves"]]
    panel.set_yticks(5 + 10 * np.arange(len(names)), names)
    ends = np.full(len(names), _left(tree))
    panel.scatter(ends, panel.get_yticks(), s=40, c=genre_colors(names), zorder=3)
    panel.set_ylim(0, 10 * len(names))
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_formatter(lambda distance, _: f"{100 * (1 - distance):.3g}")
    panel.set_xlabel("Confusion at which groups merge: mean probability given to the other (%)")
    panel.grid(axis="x")
    add_title(figure, title)
    return figure


def _left(tree: np.ndarray) -> float:
    heights = tree[:, 2]
    return float(heights.min() - 0.08 * max(np.ptp(heights), 1e-3))


def _starts(heights: Sequence[float], tree: np.ndarray) -> list[float]:
    return [_left(tree) if height == 0 else height for height in heights]


@plt.rc_context(STYLE)
def genre_profile(shares: Mapping[str, pd.Series], *, title: str) -> Figure:
    """Show what goes into a genre and what comes out of it.

    Parameters
    ----------
    shares : mapping of str to pandas.Series
        Shares by genre, in label order, by the heading of their panel.
    title : str
        Of the figure.

    Returns
    -------
    Figure
    """
    first = next(iter(shares.values()))
    size = (4.6 * len(shares) + 0.6, 0.27 * len(first) + 1.6)
    figure, axes = new_figure(1, len(shares), size=size, sharey=True)
    for panel, (heading, share) in zip(axes[0], shares.items(), strict=True):
        positions = horizontal_axis(panel, share.index)
        panel.barh(positions, share, color=genre_colors(share.index))
        label_bars(panel, share, [f"{100 * value:.0f}" for value in share])
        panel.set(title=heading, xlabel="Share (%)", xlim=(0, 1.15 * max(share.max(), 0.01)))
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    add_title(figure, title)
    return figure


@plt.rc_context(STYLE)
def reliability_diagram(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Show confidence against accuracy.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        As `common.evaluation.calibration.reliability` makes them, by the heading of their panel.
    title : str
        Of the figure.

    Returns
    -------
    Figure
        Each dot is a bin with its number of tracks; grey is where 95 of 100 calibrated
        classifiers would lie.
    """
    figure, axes = new_figure(1, len(tables), size=(4.4 * len(tables) + 0.4, 4.6), sharey=True)
    for panel, (heading, table) in zip(axes[0], tables.items(), strict=True):
        [diagonal] = panel.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        expected = panel.vlines(
            table["confidence"],
            table["expected_low"],
            table["expected_high"],
            color=EXPECTED_COLOR,
            linewidth=9,
        )
        [dots] = panel.plot(table["confidence"], table["accuracy"], "o-", color=MODEL_COLORS[0])
        for row in table.itertuples():
            panel.annotate(
                f"{row.tracks:,}", (row.confidence, row.accuracy), xytext=(6, -11),
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
        panel.set(title=heading, xlim=(0, 1.03), ylim=(-0.03, 1.03), xlabel="Mean confidence (%)")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=""))
        panel.grid()
    axes[0, 0].set_ylabel("Accuracy of tracks (%)")
    figure.legend(
        [dots, expected, diagonal],
        ["bin, with its number of tracks", "95 % range if calibrated", "confidence = accuracy"],
        loc="outside lower center",
        ncols=3,
    )
    add_title(figure, title)
    return figure


@plt.rc_context(STYLE)
def merging_curve_figure(curve: pd.DataFrame, *, title: str) -> Figure:
    """Show what merging genres does to accuracy, and to what of it is above chance.

    Parameters
    ----------
    curve : pandas.DataFrame
        As `common.analysis.confusion.merging_curve` makes it.
    title : str
        Of the figure.

    Returns
    -------
    Figure
        Two panels over the number of groups, from all genres on the left.
    """
    figure, axes = new_figure(1, 2, size=(10.5, 4.6))
    left, right = axes[0]
    groups = curve.index.to_numpy()
    left.fill_between(
        groups, curve["random_low"], curve["random_high"], color=EXPECTED_COLOR, linewidth=0
    )
    left.plot(groups, curve["random"], color=GREY, label="random genres merged (mean, 95 % range)")
    _with_interval(left, curve["accuracy"], MODEL_COLORS[0], "most confused merged (95 % interval)")
    left.plot(groups, curve["majority"], "--", color=DARK, label="chance: always the largest group")
    left.plot(groups, curve["guessing"], ":", color=DARK, label="chance: guessing by frequency")
    left.set(title="Accuracy", ylabel="Accuracy of tracks (%)", ylim=(0, 1.03))
    _with_interval(
        right, curve["kappa"].iloc[:-1], MODEL_COLORS[1], "Cohen's kappa (95 % interval)"
    )
    right.axhline(0, color=DARK, linestyle=":")
    right.set(title="Above chance", ylabel="Cohen's kappa (%)", ylim=(-0.05, 1.03))
    for panel in (left, right):
        panel.set_xlim(groups.max() + 0.4, groups.min() - 0.4)
        panel.set_xlabel("Number of groups of genres")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
        panel.grid()
    figure.legend(loc="outside lower center", ncols=3)
    add_title(figure, title)
    return figure


def _with_interval(panel: plt.Axes, scores: pd.Series, color: str, label: str) -> None:
    values, low, high = np.array([(s.value, s.low, s.high) for s in scores]).T
    panel.errorbar(
        scores.index, values, yerr=[np.maximum(values - low, 0), np.maximum(high - values, 0)],
        fmt="o-", color=color, capsize=2, markersize=4, elinewidth=0.9, label=label,
    )  # fmt: skip
