"""What benchmarks/scale.py writes: a table, a figure, and whether it is flat."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from matplotlib.figure import Figure

from common.fma.dataset import Dataset
from common.jobs.run import default_workers
from common.plotting import style
from scale_tree import ROWS

WINDOW = 10
"""Shards, about 320 tracks: throughput is the median over windows of so many."""

STEADY_FROM = 1000
"""Tracks: from here on throughput and memory are to be flat."""

FLAT = 0.1
"""By how much the largest may exceed the smallest."""


@dataclass(frozen=True)
class Run:
    """What was measured at one size; sizes in bytes, times in seconds."""

    tracks: int
    segments: int
    seconds: float
    first_shard: float
    windows: np.ndarray
    """[shape=(windows, 2)]: minutes since the start, segments per second."""
    parent: int
    worker: int
    shards: int
    written: int
    again: float
    metadata: tuple[float, float]

    @property
    def rate(self) -> float:
        """Segments per second; not a number where there are too few shards."""
        return statistics.median(self.windows[:, 1]) if len(self.windows) else math.nan

    @property
    def quartiles(self) -> tuple[float, ...]:
        """The first and the third, of the windows' segments per second."""
        if not len(self.windows):
            return (math.nan, math.nan)
        return tuple(np.percentile(self.windows[:, 1], (25, 75)))


QUANTITIES: dict[str, Callable[[Run], str]] = {
    "segments": lambda run: f"{run.segments:,}",
    "whole run, s": lambda run: f"{run.seconds:.1f}",
    "until the first shard is written, s": lambda run: f"{run.first_shard:.1f}",
    "tracks/s from then on": lambda run: _number(run.rate * run.tracks / run.segments),
    "segments/s from then on, median": lambda run: _number(run.rate),
    "segments/s, quartiles": lambda run: "{}, {}".format(*map(_number, run.quartiles)),
    "windows": lambda run: f"{len(run.windows)}",
    "peak memory of the parent, MB": lambda run: f"{run.parent / 1e6:.0f}",
    "peak memory of the largest worker, MB": lambda run: f"{run.worker / 1e6:.0f}",
    "shards": lambda run: f"{run.shards:,}",
    "mean size of a shard, MB": lambda run: f"{run.written / run.shards / 1e6:.2f}",
    "all shards, MB": lambda run: f"{run.written / 1e6:,.0f}",
    "run again, nothing to do, s": lambda run: f"{run.again:.1f}",
    "loading the metadata, s": lambda run: f"{run.metadata[0]:.2f}",
    "loading it again, s": lambda run: f"{run.metadata[1]:.2f}",
}


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1f}"


def format_table(runs: Sequence[Run]) -> str:
    """Write the runs as a table in Markdown, a column each."""
    rows = [["tracks", *(f"{run.tracks:,}" for run in runs)], ["---", *["---:"] * len(runs)]]
    rows += [[name, *map(write, runs)] for name, write in QUANTITIES.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def verdict(runs: Sequence[Run]) -> str:
    """Say how much throughput and memory vary from `STEADY_FROM` tracks on."""
    steady = [run for run in runs if run.tracks >= STEADY_FROM and len(run.windows)]
    if len(steady) < 2:
        return f"Fewer than two sizes of {STEADY_FROM:,} tracks or more: nothing to compare."
    values: dict[str, list[float]] = {
        "segments/s": [run.rate for run in steady],
        "the parent's memory": [run.parent for run in steady],
        "a worker's memory": [run.worker for run in steady],
    }
    varied = {name: max(of) / min(of) - 1 for name, of in values.items()}
    listed = ", ".join(f"{name} by {100 * share:.1f} %" for name, share in varied.items())
    flat = "flat" if max(varied.values()) <= FLAT else "not flat"
    return (
        f"From {steady[0].tracks:,} to {steady[-1].tracks:,} tracks, the largest exceeds the "
        f"smallest as follows: {listed}. That is {flat} within {100 * FLAT:.0f} %."
    )


def draw(runs: Sequence[Run], title: str) -> Figure:
    """Draw throughput and memory over the number of tracks, and the largest run over time."""
    figure, axes = style.new_figure(1, 3, size=(13, 4))
    sizes, time_axis, memory = axes[0]
    timed = [run for run in runs if len(run.windows)]
    if timed:
        tracks, rates = [run.tracks for run in timed], np.array([run.rate for run in timed])
        spread = np.abs(np.array([run.quartiles for run in timed]).T - rates)
        color = style.GENRE_COLORS["Electronic"]
        sizes.errorbar(tracks, rates, spread, marker="o", capsize=4, color=color)
        time_axis.plot(*timed[-1].windows.T, ".", color=color)
        time_axis.set_title(f"Throughput during the run of {timed[-1].tracks:,}")
    sizes.set(title="Throughput, median and quartiles", ylabel="segments/s")
    time_axis.set(xlabel="minutes since the start", ylabel="segments/s")
    tracks = [run.tracks for run in runs]
    for name, genre in (("parent", "Rock"), ("worker", "Jazz")):
        peaks = [getattr(run, name) / 1e6 for run in runs]
        color = style.GENRE_COLORS[genre]
        memory.plot(tracks, peaks, "o-", color=color, label=name)
    memory.set(title="Peak memory", ylabel="MB")
    memory.legend(loc="lower right")
    for panel in (sizes, memory):
        panel.set_xscale("log")
        panel.set_xticks(tracks, [f"{count:,}" for count in tracks], minor=False)
        panel.minorticks_off()
        panel.set_xlim(tracks[0] / 2, tracks[-1] * 2)
        panel.set_xlabel("tracks")
    for panel in axes[0]:
        panel.set_ylim(0, 1.15 * panel.dataLim.ymax if panel.has_data() else 1)
        panel.grid()
    style.add_title(figure, title)
    return figure


def format_report(runs: Sequence[Run], source: Dataset, workers: int, *, real_ids: bool) -> str:
    """Write what scale.md says."""
    sizes = " ".join(str(run.tracks) for run in runs)
    memory = psutil.virtual_memory().total / 2**30
    ids = "the FMA's own" if real_ids else "made up"
    return f"""# Extraction at the size of FMA medium

`python benchmarks/scale.py --tracks {sizes} --workers {workers}` on {default_workers()} cores with
{memory:.0f} GiB of memory.

- The command is `spectrogram_feature.generate_records` with its default settings.
- Audio: hard links to the MP3s of {source.title}. They are few, so they come from memory, not from
  the disk.
- `tracks.csv` is as large as the real one in every run, {ROWS:,} rows and 260 MB; ids, splits and
  genres are {ids}.
- A plan needs a track in each split: in a run of one track, two more are listed and have no audio.
- Throughput counts from the first shard on, in windows of {WINDOW} shards.
- "Run again" reads the shards from memory, where they were just written.

{format_table(runs)}

{verdict(runs)}

![Throughput and memory over the number of tracks](scale.png)
"""
