"""Style of the figures, and one colour for each genre."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.fma.genres import GENRE_MAPPINGS, ROOT_GENRES

GREY = "#8a8a8a"
DARK = "#333333"

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": DARK,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "image.cmap": "magma",
}
"""Matplotlib settings; each figure function is wrapped in ``plt.rc_context(STYLE)``."""

_ROOT_COLORS = {
    "Blues": "#1b4f9c",
    "Classical": "#0f8b8d",
    "Country": "#9ccc65",
    "Easy Listening": "#f2a7c3",
    "Electronic": "#7b3fa0",
    "Experimental": "#b39ddb",
    "Folk": "#2e7d32",
    "Hip-Hop": "#ef7d00",
    "Instrumental": "#80d4d0",
    "International": "#d4b106",
    "Jazz": "#5b9bd5",
    "Old-Time / Historic": "#7a4a2b",
    "Pop": "#d6408b",
    "Rock": "#c62828",
    "Soul-RnB": "#ffb870",
    "Spoken": "#757575",
}
"""Close genres share a hue and differ in lightness, so that they also differ in grey prints."""


def _label_colors() -> dict[str, str]:
    """Add the labels of the mappings, each in the colour of its first root genre."""
    colors = {root: _ROOT_COLORS[root] for root in ROOT_GENRES}
    for mapping in GENRE_MAPPINGS.values():
        for root, label in mapping.items():
            colors.setdefault(label, _ROOT_COLORS[root])
    return colors


GENRE_COLORS: Mapping[str, str] = MappingProxyType(_label_colors())
"""Genre or mapped label → colour, the same in every figure; roots in `ROOT_GENRES` order."""


def genre_colors(genres: Sequence[str]) -> list[str]:
    """Look up the colours of genres; other names are grey."""
    return [GENRE_COLORS.get(genre, GREY) for genre in genres]


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float],
    title: str | None = None,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """Make a figure with a title and a grid of axes [shape=(rows, columns)].

    The size is in inches; further options are those of `matplotlib.pyplot.subplots`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    # A notebook shows an open figure a second time as the value of the cell, and pyplot keeps
    # every open figure in memory.
    plt.close(figure)
    if title:
        add_title(figure, title)
    return figure, axes


def add_title(figure: Figure, title: str) -> None:
    """Write the title of a figure, wrapped to its width."""
    characters_per_inch = 9
    lines = textwrap.fill(title, round(figure.get_figwidth() * characters_per_inch))
    figure.suptitle(lines, x=0.01, ha="left")


def horizontal_axis(axes: Axes, labels: Sequence[str]) -> np.ndarray:
    """Label one row per label, the first on top; return their vertical positions (labels,)."""
    positions = np.arange(len(labels))
    axes.set_yticks(positions, labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    return positions


def label_bars(panel: Axes, ends: Sequence[float], texts: Sequence[str]) -> None:
    """Write a text after the end of each bar, on a white background."""
    for position, (end, text) in enumerate(zip(ends, texts, strict=True)):
        panel.annotate(
            text, (end, position), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
