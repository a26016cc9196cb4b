"""Measure extraction from one track to the size of FMA medium.

For each size, a data set in FMA's layout is built in a temporary folder, with hard links to the
MP3s of another data set and a tracks.csv of the FMA's size. The command
``spectrogram_feature.generate_records`` runs on it twice with default settings. The report is
``benchmarks/scale.md`` and ``scale.png``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from spectrogram_feature.generate_records import KIND

ROWS, MEDIUM_ROWS, LAST_ID = 106_574, 25_000, 155_320

# Tracks in FMA medium, in the order of ROOT_GENRES.
GENRE_COUNTS = (
    *(74, 619, 178, 21, 6314, 2251, 1519, 2201),
    *(1350, 1018, 384, 510, 1186, 7103, 154, 118),
)

TEXT_LENGTHS = (0, 300, 900, 2370)
"""Lengths of the texts of artists and albums, for a tracks.csv of 260 MB."""

SENTENCE = '<p>The band from Chicago, “live”, été señor Москва 東京, "quoted", &amp; more</p>\n'

WINDOW = 10
"""Shards per window (about 320 tracks); throughput is the median over windows."""

STEADY_FROM, FLAT = 1000, 0.1
"""Allowed variation of throughput and memory from this number of tracks on."""

TIME_METADATA = """
import sys, time
from common.fma.dataset import find_dataset
from common.fma.track_plan import PLAN_COLUMNS
dataset = find_dataset(sys.argv[1], "medium")
started = time.perf_counter()
dataset.tracks(PLAN_COLUMNS)
print(time.perf_counter() - started)
"""


def draw_tracks() -> pd.DataFrame:
    """Draw ``split`` and ``genre`` in FMA medium's proportions, beginning with each genre once."""
    rng = np.random.default_rng(0)
    share = np.array(GENRE_COUNTS) / sum(GENRE_COUNTS)
    drawn = {
        "split": rng.choice(SPLITS, MEDIUM_ROWS, p=(0.8, 0.1, 0.1)),
        "genre": rng.choice(ROOT_GENRES, MEDIUM_ROWS, p=share),
    }
    ids = rng.choice(np.arange(2, LAST_ID + 1), MEDIUM_ROWS, replace=False)
    tracks = pd.DataFrame(drawn, index=ids).sample(frac=1, random_state=0)
    first = tracks[tracks["split"] == "training"].drop_duplicates("genre")
    return pd.concat([first, tracks.drop(first.index)])


def build_tree(root: Path, known: pd.DataFrame, count: int, source: Dataset) -> None:
    """Build a data set with `count` audio files.

    A plan requires a track in each split; missing ones are listed without audio.
    """
    chosen = known.head(count)
    possible = known[known["genre"].isin(chosen["genre"])]
    absent = set(SPLITS) - set(chosen["split"])
    silent = possible[possible["split"].isin(absent)].drop_duplicates("split")
    write_metadata(root, known, chosen.index.union(silent.index), source)
    files = sorted(path for path in source.audio_dir.rglob("*.mp3") if path.stat().st_size)
    originals = [shutil.copy(path, root / path.name) for path in files]  # hard links need one disk
    for number, track_id in enumerate(chosen.index):
        path = get_audio_path(root / "fma_medium", track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % len(originals)], path)


def write_metadata(root: Path, known: pd.DataFrame, medium: pd.Index, source: Dataset) -> None:
    """Write a tracks.csv of the FMA's size, where tracks outside `medium` are in large."""
    rng = np.random.default_rng(0)
    others = np.setdiff1d(np.arange(2, LAST_ID + 1), known.index)
    drawn = rng.choice(others, ROWS - len(known), replace=False)
    ids = pd.Index(np.sort([*known.index, *drawn]), name="track_id")
    group = np.arange(ROWS) // 6  # six tracks share an artist and an album
    texts = np.array([(SENTENCE * 40)[:length] for length in TEXT_LENGTHS], dtype=object)
    columns = pd.read_csv(
        source.metadata_dir / "tracks.csv", header=[0, 1], index_col=0, nrows=0
    ).columns
    tracks = pd.DataFrame(index=ids, columns=columns, dtype=object)
    for table in ("album", "artist"):
        tracks[table, "id"] = group
        tracks[table, "date_created"] = "2009-01-01 12:00:00"
        tracks[table, "tags"] = "['noise', \"rock'n'roll\"]"
    tracks["album", "information"] = texts[group % len(texts)]
    tracks["artist", "bio"] = texts[group // 2 % len(texts)]
    tracks["artist", "name"] = [f"Artist “{number}”" for number in group]
    tracks["track", "title"] = [f'Title, "{track_id}"' for track_id in ids]
    for name in ("genres", "genres_all"):
        tracks["track", name] = "[12, 45]"
    for name in ("bit_rate", "comments", "duration", "favorites", "interest", "listens"):
        tracks["track", name] = rng.integers(0, 10_000, ROWS)
    tracks["set", "split"] = known["split"].reindex(ids).fillna("training")
    tracks["set", "subset"] = np.where(ids.isin(medium), "medium", "large")
    tracks["track", "genre_top"] = known["genre"].reindex(ids)
    path = root / "fma_metadata" / "tracks.csv"
    path.parent.mkdir(parents=True)
    tracks.to_csv(path, lineterminator="\n")


@dataclass(frozen=True)
class Run:
    """Measurements at one size; times in seconds, sizes in bytes."""

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
    def quartiles(self) -> np.ndarray:
        """The three quartiles of segments per second; NaN where there are too few shards."""
        if not len(self.windows):
            return np.full(3, np.nan)
        return np.percentile(self.windows[:, 1], (25, 50, 75))


def watch(command: Sequence[str], output: Path) -> tuple[float, int, int]:
    """Run a command; return its seconds and the peak memory of it and of its largest child."""
    peaks: dict[int, int] = {}
    environment = os.environ | {"FMA_OUTPUT": str(output)}
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        parent = psutil.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)
        while parent.poll() is None:
            for process in (parent, *parent.children(recursive=True)):
                peaks[process.pid] = max(peaks.get(process.pid, 0), _peak_memory(process))
            with suppress(psutil.TimeoutExpired):
                parent.wait(0.5)
        seconds = time.perf_counter() - started
        if parent.returncode:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines() or ["it printed nothing"]
            raise UserError(f"{shlex.join(command)} failed: {lines[-1]}")
    own = peaks.pop(parent.pid, 0)
    return seconds, own, max(peaks.values(), default=0)


def _peak_memory(process: psutil.Process) -> int:
    """Read the peak resident size, or the current one on systems without a peak."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, LookupError):
        with suppress(psutil.Error):
            return process.memory_info().rss
    return 0


def measure(known: pd.DataFrame, count: int, source: Dataset, workers: int) -> Run:
    """Measure the extraction of `count` tracks and its repetition."""
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
        environment = os.environ | {"FMA_OUTPUT": str(Path(folder, "another"))}
        timing = [sys.executable, "-c", TIME_METADATA, str(root)]
        first, second = (
            float(subprocess.check_output(timing, env=environment, cwd=PROJECT_ROOT))
            for _ in range(2)
        )
    order = np.argsort(finished)
    ends, done = finished[order][::WINDOW], np.cumsum(records[order])[::WINDOW]
    return Run(
        tracks=count,
        segments=int(records.sum()),
        seconds=seconds,
        first_shard=float(finished.min()),
        windows=np.column_stack([ends[1:] / 60, np.diff(done) / np.diff(ends)]),
        parent=parent,
        worker=worker,
        shards=len(shards),
        written=sum(shard["bytes"] for shard in shards),
        again=again,
        metadata=(first, second),
    )


QUANTITIES: dict[str, Callable[[Run], str]] = {
    "segments": lambda run: f"{run.segments:,}",
    "whole run, s": lambda run: f"{run.seconds:.1f}",
    "until the first shard is written, s": lambda run: f"{run.first_shard:.1f}",
    "tracks/s from then on": lambda run: _number(run.quartiles[1] * run.tracks / run.segments),
    "segments/s from then on, median": lambda run: _number(run.quartiles[1]),
    "segments/s, quartiles": lambda run: ", ".join(map(_number, run.quartiles[::2])),
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


def verdict(runs: Sequence[Run]) -> str:
    """Format the variation of throughput and memory from `STEADY_FROM` tracks on."""
    steady = [run for run in runs if run.tracks >= STEADY_FROM and len(run.windows)]
    if len(steady) < 2:
        return f"Fewer than two sizes of {STEADY_FROM:,} tracks or more: nothing to compare."
    values: dict[str, list[float]] = {
        "segments/s": [run.quartiles[1] for run in steady],
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
    figure, [(sizes, over_time, memory)] = style.new_figure(1, 3, size=(13, 4))
    color, parent, worker = (style.GENRE_COLORS[genre] for genre in ("Electronic", "Rock", "Jazz"))
    tracks = [run.tracks for run in runs]
    low, rates, high = np.array([run.quartiles for run in runs]).T
    spread = [rates - low, high - rates]
    sizes.errorbar(tracks, rates, spread, marker="o", capsize=4, color=color)
    sizes.set(title="Throughput, median and quartiles", ylabel="segments/s")
    over_time.plot(*runs[-1].windows.T, ".", color=color)
    over_time.set(title=f"Throughput during the run of {tracks[-1]:,}", ylabel="segments/s")
    over_time.set_xlabel("minutes since the start")
    memory.plot(tracks, [run.parent / 1e6 for run in runs], "o-", color=parent, label="parent")
    memory.plot(tracks, [run.worker / 1e6 for run in runs], "o-", color=worker, label="worker")
    memory.set(title="Peak memory", ylabel="MB")
    memory.legend(loc="lower right")
    for panel in (sizes, memory):
        panel.set_xscale("log")
        panel.set_xticks(tracks, [f"{count:,}" for count in tracks], minor=False)
        panel.minorticks_off()
        panel.set(xlim=(tracks[0] / 2, tracks[-1] * 2), xlabel="tracks")
    for panel in (sizes, over_time, memory):
        top = panel.dataLim.ymax
        panel.set_ylim(0, 1.15 * top if np.isfinite(top) else 1)
        panel.grid()
    style.add_title(figure, title)
    return figure


def format_report(runs: Sequence[Run], source: Dataset, workers: int) -> str:
    """Format scale.md."""
    sizes = " ".join(str(run.tracks) for run in runs)
    memory = psutil.virtual_memory().total / 2**30
    rows = [["tracks", *(f"{run.tracks:,}" for run in runs)], ["---", *["---:"] * len(runs)]]
    rows += [[name, *map(write, runs)] for name, write in QUANTITIES.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# Extraction at the size of FMA medium

`python benchmarks/scale.py --tracks {sizes} --workers {workers}` on {default_workers()} cores with
{memory:.0f} GiB of memory.

- The command is `spectrogram_feature.generate_records` with its default settings.
- Audio: hard links to the MP3s of {source.title}. They are few, so they come from memory, not from
  the disk.
- `tracks.csv` is as large as the real one in every run, {ROWS:,} rows and 260 MB; ids, splits and
  genres are drawn in the FMA's proportions.
- A plan needs a track in each split: in a run of one track, two more are listed and have no audio.
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
        "  python benchmarks/scale.py --tracks 1 50 200 --out build",
    )
    parser.add_argument("--tracks", type=int, nargs="+", default=[1, 1000, 5000, 25_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the report")
    arguments = parser.parse_args()
    source = find_dataset()
    print(source.notice)
    known = draw_tracks()
    sizes = sorted(set(arguments.tracks))
    if not 1 <= sizes[0] <= sizes[-1] <= len(known):
        raise UserError(f"--tracks must be 1 to {len(known):,}")
    runs = []
    for count in sizes:
        runs.append(measure(known, count, source, arguments.workers))
        print(f"{count:,} tracks: {runs[-1].seconds:.1f} s")
    report = format_report(runs, source, arguments.workers)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "scale.md").write_text(report, encoding="utf-8")
    with plt.rc_context(style.STYLE):
        title = f"Extraction by {arguments.workers} workers, audio of the {source.title}"
        draw(runs, title).savefig(arguments.out / "scale.png")
    print(report)


if __name__ == "__main__":
    cli.run_command(main)
