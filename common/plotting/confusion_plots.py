"""Figures of confused genres, embeddings and calibration."""

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
    """Show tracks (tracks, 2) on a plane, coloured by genre, with the method of the map."""
    figure, axes = new_figure(size=(8.4, 6), title=title)
    panel = axes[0, 0]
    size = float(np.clip(2500 / len(label), 6, 60))
    # A random order keeps the last genre from covering the first.
    order = np.random.default_rng(0).permutation(len(label))
    colors = np.array(genre_colors(genres))[label[order]]
    panel.scatter(*points[order].T, s=size, c=colors, edgecolors="white", linewidths=0.4)
    for genre, color in zip(genres, genre_colors(genres), strict=True):
        panel.scatter([], [], s=40, c=color, label=genre)
    panel.set_aspect("equal", "datalim")
    panel.set(xticks=[], yticks=[], xlabel=f"{method}; axes have no unit")
    figure.legend(loc="outside right upper", title=f"Genre ({len(label):,} tracks)")
    return figure


@plt.rc_context(STYLE)
def cooccurrence_maps(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Show symmetric measures (genres, genres) of pairs of genres side by side, in percent."""
    n = len(next(iter(tables.values())))
    size = (0.33 * n * len(tables) + 2.6, 0.33 * n + 2.2)
    figure, axes = new_figure(1, len(tables), size=size, title=title, sharey=True)
    highest = max(table.to_numpy().max() for table in tables.values())
    for panel, (name, table) in zip(axes[0], tables.items(), strict=True):
        percent = 100 * table.to_numpy()
        image = panel.imshow(percent, cmap="Blues", vmin=0, vmax=100 * highest)
        for i, j in zip(*np.nonzero(percent >= 1), strict=True):
            color = "white" if percent[i, j] > 60 * highest else DARK
            text = f"{percent[i, j]:.0f}"
            panel.text(j, i, text, ha="center", va="center", fontsize=7, color=color)
        panel.set_xticks(range(n), table.columns, rotation=45, ha="right", rotation_mode="anchor")
        panel.set_yticks(range(n), table.index)
        panel.set(title=name, xlabel="Genre")
        panel.tick_params(length=0)
        panel.grid(visible=False)
    axes[0, 0].set_ylabel("Genre")
    figure.colorbar(image, ax=axes[0, -1], label="Jaccard index (%)", shrink=0.8, pad=0.02)
    return figure


@plt.rc_context(STYLE)
def confusion_tree(
    tree: np.ndarray, genres: Sequence[str], *, title: str = "Genres by confusion"
) -> Figure:
    """Show the merging of genres, of `confusion.genre_tree`, as a dendrogram."""
    figure, axes = new_figure(size=(7.4, 0.3 * len(genres) + 1.6), title=title)
    panel = axes[0, 0]
    # Leaves begin a little to the left of the most confused pair.
    left = tree[:, 2].min() - 0.08 * max(np.ptp(tree[:, 2]), 1e-3)
    drawn = dendrogram(tree, orientation="right", no_plot=True)
    for heights, positions in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        starts = np.where(np.array(heights) == 0, left, heights)
        panel.plot(starts, positions, color=DARK, linewidth=1.4)
    names = [genres[leaf] for leaf in drawn["leaves"]]
    panel.set_yticks(5 + 10 * np.arange(len(names)), names)
    panel.scatter(
        np.full(len(names), left), panel.get_yticks(), s=40, c=genre_colors(names), zorder=3
    )
    panel.set_ylim(0, 10 * len(names))
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_formatter(lambda distance, _: f"{100 * (1 - distance):.3g}")
    panel.set_xlabel("Confusion at which groups merge: mean probability of the other genre (%)")
    panel.grid(axis="x")
    return figure


@plt.rc_context(STYLE)
def genre_profile(shares: Mapping[str, pd.Series], *, title: str) -> Figure:
    """Show shares by genre, a panel per heading."""
    first = next(iter(shares.values()))
    size = (4.6 * len(shares) + 0.6, 0.27 * len(first) + 1.6)
    figure, axes = new_figure(1, len(shares), size=size, title=title, sharey=True)
    for panel, (heading, share) in zip(axes[0], shares.items(), strict=True):
        positions = horizontal_axis(panel, share.index)
        panel.barh(positions, share, color=genre_colors(share.index))
        label_bars(panel, share, [f"{100 * value:.0f}" for value in share])
        panel.set(title=heading, xlabel="Share (%)", xlim=(0, 1.15 * max(share.max(), 0.01)))
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    return figure


@plt.rc_context(STYLE)
def reliability_diagram(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Show the accuracy and mean confidence of bins, a panel for each table of `reliability`."""
    size = (4.4 * len(tables) + 0.4, 4.6)
    figure, axes = new_figure(1, len(tables), size=size, title=title, sharey=True)
    for panel, (heading, table) in zip(axes[0], tables.items(), strict=True):
        [diagonal] = panel.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        expected = panel.vlines(
            table["confidence"], table["expected_low"], table["expected_high"],
            color=EXPECTED_COLOR, linewidth=9,
        )  # fmt: skip
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
    names = ["bin, with its number of tracks", "95 % range if calibrated", "confidence = accuracy"]
    figure.legend([dots, expected, diagonal], names, loc="outside lower center", ncols=3)
    return figure


@plt.rc_context(STYLE)
def merging_curve_figure(curve: pd.DataFrame, *, title: str) -> Figure:
    """Show accuracy and Cohen's kappa over the number of groups; see `confusion.merging_curve`."""
    figure, axes = new_figure(1, 2, size=(10.5, 4.6), title=title)
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
    return figure


def _with_interval(panel: plt.Axes, scores: pd.Series, color: str, label: str) -> None:
    values, low, high = np.array([(s.value, s.low, s.high) for s in scores]).T
    panel.errorbar(
        scores.index, values, yerr=[np.maximum(values - low, 0), np.maximum(high - values, 0)],
        fmt="o-", color=color, capsize=2, markersize=4, elinewidth=0.9, label=label,
    )  # fmt: skip
