"""Measure extraction from one track to the size of FMA medium.

For each size, a data set in FMA's layout is built in a temporary folder, with hard links to the
MP3s of another data set and a tracks.csv of the FMA's size. The command
``spectrogram_feature.generate_records`` runs on it twice with default settings. The report is
``benchmarks/scale.md`` and ``scale.png``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil
from matplotlib.figure import Figure

from common import cli
from common.errors import UserError
from common.fma.dataset import Dataset, find_dataset, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT
from common.plotting import style
from common.records.tfrecords import Manifest
from harness import label_plans
from spectrogram_feature.generate_records import KIND

ROWS, MEDIUM_ROWS, LAST_ID = label_plans.ROWS, 25_000, 155_320

# Tracks in FMA medium, in the order of ROOT_GENRES.
GENRE_COUNTS = (
    *(74, 619, 178, 21, 6314, 2251, 1519, 2201),
    *(1350, 1018, 384, 510, 1186, 7103, 154, 118),
)

SENTENCE = '<p>The band from Chicago, “live”, été señor Москва 東京, "quoted", &amp; more</p>\n'
SENTENCES = 24
"""Number of sentences in a track's texts, for a tracks.csv of 266 MB."""

WINDOW = 10
"""Shards per window (about 320 tracks); throughput is the median over windows."""

STEADY_FROM, FLAT = 1000, 0.1
"""Allowed variation of throughput and memory from this number of tracks on."""

RATE = "segments/s from then on, median"
PARENT, WORKER = "peak memory of the parent, MB", "peak memory of the largest worker, MB"

FORMATS = {
    "tracks": ",.0f",
    "segments": ",.0f",
    "whole run, s": ".1f",
    "until the first shard is written, s": ".1f",
    RATE: ".1f",
    "segments/s, lower quartile": ".1f",
    "segments/s, upper quartile": ".1f",
    "windows": ".0f",
    PARENT: ".0f",
    WORKER: ".0f",
    "shards": ",.0f",
    "all shards, MB": ",.0f",
    "run again, nothing to do, s": ".1f",
}
"""Rows of the table, and the format of their numbers."""


def draw_tracks() -> pd.DataFrame:
    """Draw ``split`` and ``genre`` in FMA medium's proportions, beginning with each genre once."""
    rng = np.random.default_rng(0)
    share = np.array(GENRE_COUNTS) / sum(GENRE_COUNTS)
    drawn = {
        "split": rng.choice(SPLITS, MEDIUM_ROWS, p=(0.8, 0.1, 0.1)),
        "genre": rng.choice(ROOT_GENRES, MEDIUM_ROWS, p=share),
    }
    ids = rng.choice(np.arange(2, LAST_ID + 1), MEDIUM_ROWS, replace=False)
    tracks = pd.DataFrame(drawn, index=ids)
    first = tracks[tracks["split"] == "training"].drop_duplicates("genre")
    return pd.concat([first, tracks.drop(first.index)])


def build_tree(root: Path, known: pd.DataFrame, count: int, source: Dataset) -> None:
    """Build a data set with `count` audio files.

    A plan requires two genres and a track in each split; missing ones are listed without audio.
    """
    chosen = known.head(count)
    required = [*known.index[: len(ROOT_GENRES)], *known.drop_duplicates("split").index]
    write_metadata(root, known, chosen.index.union(required), source)
    files = sorted(path for path in source.audio_dir.rglob("*.mp3") if path.stat().st_size)
    originals = [shutil.copy(path, root / path.name) for path in files]  # hard links need one disk
    for number, track_id in enumerate(chosen.index):
        path = get_audio_path(root / "fma_medium", track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % len(originals)], path)


def write_metadata(root: Path, known: pd.DataFrame, medium: pd.Index, source: Dataset) -> None:
    """Write a tracks.csv of the FMA's size, where tracks outside `medium` are in large."""
    others = np.setdiff1d(np.arange(2, LAST_ID + 1), known.index)[: ROWS - len(known)]
    ids = pd.Index(np.sort([*known.index, *others]), name="track_id")
    artist = np.arange(ROWS) // 6
    header = pd.read_csv(source.metadata_dir / "tracks.csv", header=[0, 1], index_col=0, nrows=0)
    tracks = pd.DataFrame(index=ids, columns=header.columns, dtype=object)
    tracks["album", "information"] = tracks["artist", "bio"] = SENTENCE * (SENTENCES // 2)
    tracks["artist", "id"] = artist
    tracks["artist", "name"] = [f"Artist “{number}”" for number in artist]
    tracks["track", "genres"] = tracks["track", "genres_all"] = "[12, 45]"
    if "genres_all" in known:
        tracks["track", "genres_all"] = known["genres_all"].reindex(ids)
    tracks["track", "genre_top"] = known["genre"].reindex(ids)
    tracks["set", "split"] = known["split"].reindex(ids).fillna("training")
    tracks["set", "subset"] = np.where(ids.isin(medium), "medium", "large")
    path = root / "fma_metadata" / "tracks.csv"
    path.parent.mkdir(parents=True)
    tracks.to_csv(path, lineterminator="\n")


def watch(command: Sequence[str], output: Path) -> tuple[float, int, int]:
    """Run a command; return its seconds and the peak memory of it and of its largest child."""
    peaks: dict[int, int] = {}
    environment = os.environ | {"FMA_OUTPUT": str(output)}
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        parent = psutil.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)
        while parent.poll() is None:
            with suppress(psutil.Error, OSError, LookupError):  # a process has ended
                for process in (parent, *parent.children(recursive=True)):
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    peaks[process.pid] = int(status.partition("VmHWM:")[2].split()[0]) * 1024
            with suppress(psutil.TimeoutExpired):
                parent.wait(0.5)
        seconds = time.perf_counter() - started
        if parent.returncode:
            log.seek(0)
            raise UserError(f"extraction failed:\n{log.read().decode(errors='replace')}")
    own = peaks.pop(parent.pid, 0)
    return seconds, own, max(peaks.values(), default=0)


def measure(
    known: pd.DataFrame, count: int, source: Dataset, workers: int
) -> tuple[dict[str, float], np.ndarray]:
    """Measure the extraction of `count` tracks and its repetition.

    Returns the numbers of the table, and minutes since the start and segments per second of each
    window (windows, 2).
    """
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root, out = Path(folder, "fma"), Path(folder, "records")
        build_tree(root, known, count, source)
        options = ["--root", root, "--subset", "medium", "--out", out, "--workers", workers]
        module = [sys.executable, "-m", "spectrogram_feature.generate_records"]
        command = [*module, *map(str, options)]
        started = time.time()
        seconds, parent, worker = watch(command, Path(folder, "output"))
        manifest = Manifest.read(out, KIND)
        shards = [shard for split in SPLITS for shard in manifest.shards[split]]
        # A shard's time of modification is the time of its last record.
        finished = np.array([(out / shard["name"]).stat().st_mtime for shard in shards]) - started
        records = np.array([shard["records"] for shard in shards])
        again, _, _ = watch(command, Path(folder, "output"))
    order = np.argsort(finished)
    ends, done = finished[order][::WINDOW], np.cumsum(records[order])[::WINDOW]
    rates = np.diff(done) / np.diff(ends)
    low, median, high = np.percentile(rates, (25, 50, 75)) if len(rates) else 3 * [np.nan]
    values = (
        *(count, records.sum(), seconds, finished.min(), median, low, high, len(rates)),
        *(parent / 1e6, worker / 1e6, len(shards)),
        *(sum(shard["bytes"] for shard in shards) / 1e6, again),
    )
    run = dict(zip(FORMATS, map(float, values), strict=True))
    return run, np.column_stack([ends[1:] / 60, rates])


def verdict(runs: pd.DataFrame) -> str:
    """Format the variation of throughput and memory from `STEADY_FROM` tracks on."""
    steady = runs[(runs["tracks"] >= STEADY_FROM) & runs[RATE].notna()]
    if len(steady) < 2:
        return f"Fewer than two sizes of {STEADY_FROM:,} tracks or more: nothing to compare."
    names = {RATE: "segments/s", PARENT: "the parent's memory", WORKER: "a worker's memory"}
    varied = steady[list(names)].max() / steady[list(names)].min() - 1
    listed = ", ".join(f"{name} by {varied[row]:.1%}" for row, name in names.items())
    flat = "flat" if varied.max() <= FLAT else "not flat"
    first, last = steady["tracks"].iloc[[0, -1]]
    return (
        f"From {first:,.0f} to {last:,.0f} tracks, the largest exceeds the smallest as follows: "
        f"{listed}. That is {flat} within {FLAT:.0%}."
    ).replace("%", " %")


@plt.rc_context(style.STYLE)
def draw(runs: pd.DataFrame, windows: np.ndarray, title: str) -> Figure:
    """Draw throughput and memory over the number of tracks, and the largest run over time."""
    figure, [(sizes, over_time, memory)] = style.new_figure(1, 3, size=(13, 4), title=title)
    tracks, median = runs["tracks"], runs[RATE]
    low, high = runs["segments/s, lower quartile"], runs["segments/s, upper quartile"]
    sizes.errorbar(tracks, median, [median - low, high - median], marker="o", capsize=4)
    sizes.set(title="Throughput, median and quartiles", ylabel="segments/s", xlabel="tracks")
    over_time.plot(*windows.T, ".")
    over_time.set(title="Throughput during the largest run", ylabel="segments/s")
    over_time.set_xlabel("minutes since the start")
    memory.plot(tracks, runs[PARENT], "o-", label="parent")
    memory.plot(tracks, runs[WORKER], "o-", label="worker")
    memory.set(title="Peak memory", ylabel="MB", xlabel="tracks")
    memory.legend(loc="lower right")
    for panel in (sizes, memory):
        panel.set_xscale("log")
        panel.set_xticks(tracks, [f"{count:,.0f}" for count in tracks], minor=False)
    for panel in (sizes, over_time, memory):
        panel.set_ylim(0)
        panel.grid()
    return figure


def format_report(runs: pd.DataFrame, source: Dataset, workers: int) -> str:
    """Format scale.md."""
    sizes = " ".join(f"{count:.0f}" for count in runs["tracks"])
    memory = psutil.virtual_memory().total / 2**30
    rows = [
        [name, *("–" if np.isnan(value) else format(value, spec) for value in runs[name])]
        for name, spec in FORMATS.items()
    ]
    rows.insert(1, ["---", *["---:"] * len(runs)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# Extraction at the size of FMA medium

`python benchmarks/scale.py --tracks {sizes} --workers {workers}` on {default_workers()} cores with
{memory:.0f} GiB of memory.

- The command is `spectrogram_feature.generate_records` with its default settings.
- Audio: hard links to the MP3s of {source.title}. They are few, so they come from memory, not from
  the disk.
- `tracks.csv` is as large as the real one in every run, {ROWS:,} rows and 266 MB; ids, splits and
  genres are drawn in the FMA's proportions.
- A plan needs all splits and two genres: in a run of one track, others are listed without audio.
- Throughput counts from the first shard on, in windows of {WINDOW} shards.
- "Run again" reads the shards from memory, where they were just written.

{table}

{verdict(runs)}

![Throughput and memory over the number of tracks](scale.png)
"""


def main() -> None:
    """Measure each size, and write scale.md and scale.png."""
    parser = cli.make_parser(
        "python benchmarks/scale.py",
        "Measure extraction from one track to the size of FMA medium.\n\n"
        "The largest run takes ten minutes on two cores and 2 GB in the temporary folder (TMPDIR).",
        "  FMA_ROOT=/music/fma python benchmarks/scale.py\n"
        "  python benchmarks/scale.py --tracks 1 50 200 --out build\n"
        "  python benchmarks/scale.py --labels data/fma_metadata/genres.csv",
    )
    parser.add_argument("--tracks", type=int, nargs="+", default=[1, 1000, 5000, 25_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the report")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="GENRES_CSV",
        help="instead, measure the plan of FMA large with each kind of labels, and write labels.md",
    )
    arguments = parser.parse_args()
    source = find_dataset()
    if arguments.labels:
        plans = label_plans.report(
            arguments.labels,
            LAST_ID,
            lambda root, known: write_metadata(root, known, known.index, source),
        )
        (arguments.out / "labels.md").write_text(plans, encoding="utf-8")
        print(plans)
        return
    print(source.notice)
    known = draw_tracks()
    sizes = sorted(set(arguments.tracks))
    if not 1 <= sizes[0] <= sizes[-1] <= len(known):
        raise UserError(f"--tracks must be 1 to {len(known):,}")
    measured = []
    for count in sizes:
        run, windows = measure(known, count, source, arguments.workers)
        measured.append(run)
        print(f"{count:,} tracks: {run['whole run, s']:.1f} s")
    runs = pd.DataFrame(measured)
    report = format_report(runs, source, arguments.workers)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "scale.md").write_text(report, encoding="utf-8")
    title = f"Extraction by {arguments.workers} workers, audio of the {source.title}"
    draw(runs, windows, title).savefig(arguments.out / "scale.png")
    print(report)


if __name__ == "__main__":
    cli.run_command(main)
