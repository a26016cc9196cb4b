"""Figures of results: learning curves, confusion matrices, F1 per genre and leaderboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)

from common.plotting.style import (
    DARK,
    GREY,
    STYLE,
    genre_colors,
    horizontal_axis,
    label_bars,
    new_figure,
)

MODEL_COLORS = ("#1b4f9c", "#c62828", "#2e7d32", "#ef7d00", "#7b3fa0", "#0f8b8d", "#7a4a2b", GREY)
"""Colours of models, in order and repeated after the last."""


@plt.rc_context(STYLE)
def learning_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]], *, title: str = "Learning curves"
) -> Figure:
    """Show loss and accuracy over epochs; a dot marks the epoch of the lowest validation loss.

    A history has ``loss``, ``val_loss``, ``accuracy`` and ``val_accuracy``, a value per epoch, as
    in Keras' ``History.history``.
    """
    figure, axes = new_figure(1, 2, size=(9.5, 3.8), title=title)
    panels = {
        "loss": (axes[0, 0], "Cross-entropy loss (nats), logarithmic", "Loss"),
        "accuracy": (axes[0, 1], "Accuracy of segments (%)", "Accuracy"),
    }
    handles = []
    for index, (model, history) in enumerate(histories.items()):
        color = MODEL_COLORS[index % len(MODEL_COLORS)]
        handles.append(Line2D([], [], color=color, label=model))
        epochs = np.arange(1, len(history["val_accuracy"]) + 1)
        best = int(np.argmin(history["val_loss"]))
        for name, (panel, _, _) in panels.items():
            validation = history[f"val_{name}"]
            panel.plot(epochs, history[name], color=color, linestyle="--", linewidth=1.1)
            panel.plot(epochs, validation, color=color, linewidth=1.8)
            panel.plot(epochs[best], validation[best], "o", color=color, markeredgecolor="white")
    for panel, label, heading in panels.values():
        panel.set(title=heading, xlabel="Epoch", ylabel=label)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid()
    # The loss of a first epoch may be ten times that of the last ones.
    axes[0, 0].set_yscale("log")
    axes[0, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0, 0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes[0, 0].yaxis.set_minor_locator(NullLocator())
    axes[0, 1].set_ylim(0, 1)
    axes[0, 1].yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    handles += [
        Line2D([], [], color=DARK, linestyle="--", linewidth=1.1, label="training"),
        Line2D([], [], color=DARK, linewidth=1.8, label="validation"),
        Line2D([], [], color=DARK, marker="o", linestyle="", label="best epoch"),
    ]
    figure.legend(handles=handles, loc="outside right upper")
    return figure


@plt.rc_context(STYLE)
def confusion_matrix(confusion: pd.DataFrame, *, title: str = "Confusion of genres") -> Figure:
    """Show the numbers of tracks of `metrics.confusion`; colours are shares of the true genre."""
    counts = confusion.to_numpy()
    n = len(counts)
    rows = counts.sum(axis=1, keepdims=True)
    values = counts / np.maximum(rows, 1)
    side = max(0.38 * n, 2.4)
    figure, axes = new_figure(size=(side + 3.6, side + 2.3), title=title)
    panel = axes[0, 0]
    image = panel.imshow(values, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "white" if values[row, column] > 0.55 else DARK
        panel.text(
            column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color,
            fontsize=10 if n < 8 else 9,
        )  # fmt: skip
    panel.set_xticks(range(n), confusion.columns, rotation=45, ha="right", rotation_mode="anchor")
    totals = zip(confusion.index, rows[:, 0], strict=True)
    panel.set_yticks(range(n), [f"{genre} ({total:,})" for genre, total in totals])
    panel.set(xlabel="Predicted genre", ylabel="True genre (number of tracks)")
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    panel.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    panel.grid(which="minor", color="#eeeeee")
    panel.tick_params(which="minor", length=0)
    label, percent = "Share of the true genre (%)", PercentFormatter(1, symbol="")
    figure.colorbar(image, ax=panel, label=label, format=percent, shrink=0.8, pad=0.02)
    return figure


@plt.rc_context(STYLE)
def per_genre_f1(table: pd.DataFrame, *, title: str = "F1 per genre") -> Figure:
    """Show the F1 of each genre, as of `metrics.per_genre`, and macro-F1 as a dashed line."""
    figure, axes = new_figure(size=(6.8, 0.29 * len(table) + 1.9), title=title)
    panel = axes[0, 0]
    names = [f"{genre} ({n:,})" for genre, n in zip(table.index, table["tracks"], strict=True)]
    positions = horizontal_axis(panel, names)
    f1 = table["f1"].fillna(0)
    panel.barh(positions, f1, color=genre_colors(table.index))
    macro = table.loc[table["tracks"] > 0, "f1"].mean()
    line = panel.axvline(macro, color=DARK, linestyle="--", linewidth=1)
    texts = ["undefined" if np.isnan(value) else f"{100 * value:.1f}" for value in table["f1"]]
    label_bars(panel, f1, texts)
    panel.set(xlabel="F1 (%)", ylabel="Genre (tracks)", xlim=(0, 1.08))
    panel.set_xticks(np.linspace(0, 1, 6))
    panel.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    figure.legend([line], [f"macro-F1: {100 * macro:.1f} %"], loc="outside lower right")
    return figure


@plt.rc_context(STYLE)
def leaderboard_figure(
    table: pd.DataFrame,
    *,
    panels: Mapping[str, str] = MappingProxyType(
        {"track_accuracy": "Track accuracy", "track_macro_f1": "Track macro-F1"}
    ),
    title: str = "Models compared",
) -> Figure:
    """Show scores of each model of a leaderboard, with intervals.

    ``panels`` maps the column of each panel to its heading.
    """
    size = (9.5, 0.36 * len(table) + 1.7)
    figure, axes = new_figure(1, 2, size=size, title=title, sharey=True)
    baseline = table["is_baseline"].to_numpy(dtype=bool)
    for panel, (name, heading) in zip(axes[0], panels.items(), strict=True):
        horizontal_axis(panel, table["model"])
        for chosen, color, marker in ((baseline, GREY, "D"), (~baseline, MODEL_COLORS[0], "o")):
            value = table.loc[chosen, name]
            low, high = table.loc[chosen, f"{name}_low"], table.loc[chosen, f"{name}_high"]
            panel.errorbar(
                value, np.flatnonzero(chosen), xerr=[value - low, high - value],
                fmt=marker, color=color, capsize=3, markersize=6,
            )  # fmt: skip
        if baseline.any():
            best = table.loc[baseline, name].max()
            panel.axvline(best, color=GREY, linestyle="--", linewidth=1, zorder=0)
        panel.set(title=heading, xlabel=f"{heading} (%) with interval", xlim=(0, 1.02))
        panel.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    handles = [
        Line2D([], [], color=MODEL_COLORS[0], marker="o", linestyle="", label="model"),
        Line2D([], [], color=GREY, marker="D", linestyle="", label="baseline"),
        Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="best baseline"),
    ]
    if baseline.any():
        figure.legend(handles=handles, loc="outside lower right", ncols=3)
    return figure
