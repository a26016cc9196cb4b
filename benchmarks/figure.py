"""The figure of the benchmarks: how many times as fast as its peer each row is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from rows import RESULTS, Row

from common.plotting.style import DARK, GREY, STYLE

FIGURE = RESULTS.with_name("speed.png")

_OURS, _TARGET = "#2f6f9f", "#c62828"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the rows that compare speeds: ratio, the ratios of all rounds, target."""
    shown = [row for row in rows if row.ratio is not None and not row.is_share and row.is_headline]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9, 1.2 + 0.3 * len(shown)))
        for place, row in enumerate(shown):
            axes.barh(place, row.ratio, color=_OURS, height=0.6)
            if row.spread:
                axes.plot(row.spread, (place, place), color=DARK, linewidth=1)
            if row.target:
                axes.plot(
                    row.target[1], place, "|", color=_TARGET, markersize=13, markeredgewidth=2
                )
        axes.axvline(1, color=GREY, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks(range(len(shown)), [row.name for row in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        axes.set_xlabel("times as fast as the peer (line: from round to round, red: target)")
        axes.set_title("Speed, both sides in turns in one process")
        figure.savefig(path)
        plt.close(figure)
