"""Pictures of the report's front page: accuracies with intervals, and thumbnails of notebooks."""

from __future__ import annotations

import base64
import io
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from nbformat import NotebookNode
from PIL import Image

from common.plotting.result_plots import MODEL_COLORS
from common.plotting.style import GREY, STYLE, horizontal_axis, label_bars, new_figure

THUMBNAIL = (352, 240)
"""Largest width and height of a thumbnail in pixels; the page shows it at half the size."""

THUMBNAIL_TAG = "thumbnail"
"""Tag of the cell whose figure is the thumbnail; by default, it is the largest figure."""

NAME_WIDTH = 26  # characters of a line of a model's name


@plt.rc_context(STYLE)
def accuracy_figure(table: pd.DataFrame, *, title: str) -> Figure:
    """Show the accuracy of each model with its interval, the highest on top.

    The table has the columns ``model``, ``accuracy``, ``accuracy_low``, ``accuracy_high`` and
    ``is_baseline``. A dashed line marks the best baseline.
    """
    table = table.sort_values("accuracy", ascending=False, kind="stable")
    figure, axes = new_figure(size=(5.4, 0.34 * len(table) + 1.2), title=title)
    panel = axes[0, 0]
    horizontal_axis(panel, [textwrap.fill(model, NAME_WIDTH) for model in table["model"]])
    baseline = table["is_baseline"].to_numpy(dtype=bool)
    for chosen, color, marker in ((baseline, GREY, "D"), (~baseline, MODEL_COLORS[0], "o")):
        rows = table[chosen]
        ends = rows["accuracy"] - rows["accuracy_low"], rows["accuracy_high"] - rows["accuracy"]
        panel.errorbar(
            rows["accuracy"], np.flatnonzero(chosen), xerr=ends,
            fmt=marker, color=color, capsize=3, markersize=6,
        )  # fmt: skip
    label_bars(panel, table["accuracy_high"], [f"{100 * value:.1f}" for value in table["accuracy"]])
    panel.axvline(table["accuracy"][baseline].max(), color=GREY, ls="--", lw=1, zorder=0)
    panel.set(xlabel="Accuracy (%), 95 % interval", xlim=(0, table["accuracy_high"].max() + 0.12))
    panel.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    return figure


def thumbnail(notebook: NotebookNode) -> Image.Image | None:
    """Shrink the tagged figure of a notebook, or its largest one; without a figure, it is None."""
    figures = [
        (THUMBNAIL_TAG in cell.metadata.get("tags", []), Image.open(io.BytesIO(data)))
        for cell in notebook.cells
        for data in _figures(cell)
    ]
    if not figures:
        return None
    _, figure = max(figures, key=lambda pair: (pair[0], pair[1].width * pair[1].height))
    small = figure.convert("RGB")
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    return small.quantize(128)


def _figures(cell: NotebookNode) -> list[bytes]:
    outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [base64.b64decode(data["image/png"]) for data in outputs if "image/png" in data]
