"""Whether extraction at FMA's size is as fast and as small as at a thousand tracks.

    python benchmarks/scale.py [--tracks 1 1000 5000 25000] [--workers 2] [--metadata FOLDER]

For each size a tree in FMA's layout is built in a temporary folder (see scale_tree.py), the command
``spectrogram_feature.generate_records`` is run on it with its default settings and watched from
outside, and run again when there is nothing left to do.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil

from common import cli
from common.errors import UserError
from common.fma.dataset import Dataset, find_dataset
from common.fma.metadata import SPLITS
from common.paths import PROJECT_ROOT
from common.plotting import style
from common.records.tfrecords import Manifest
from scale_report import WINDOW, Run, draw, format_report
from scale_tree import build_tree, known_tracks
from spectrogram_feature.generate_records import KIND

REAL_METADATA = PROJECT_ROOT.parent / "shared" / "fma_metadata"

_TIME_METADATA = """
import sys, time, fma_utils
from common.fma.track_plan import PLAN_COLUMNS
dataset = find_dataset(sys.argv[1], "medium")
started = time.perf_counter()
dataset.tracks(PLAN_COLUMNS)
print(time.perf_counter() - started)
"""


def watch(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, int, int]:
    """Run a command; return its seconds and the peak memory of it and of its largest child."""
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        parent = psutil.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)
        while _is_running(parent):
            for process in (parent, *parent.children(recursive=True)):
                peaks[process.pid] = max(peaks.get(process.pid, 0), _peak_memory(process))
        seconds = time.perf_counter() - started
        if parent.returncode:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines() or ["it says nothing"]
            raise UserError(f"{shlex.join(command)} failed: {lines[-1]}")
    own = peaks.pop(parent.pid, 0)
    return seconds, own, max(peaks.values(), default=0)


def _is_running(process: psutil.Popen) -> bool:
    try:
        process.wait(0.5)
    except psutil.TimeoutExpired:
        return True
    return False


def _peak_memory(process: psutil.Process) -> int:
    """Read the largest resident size so far; where the system does not keep it, the present."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, LookupError):
        with suppress(psutil.Error):
            return process.memory_info().rss
    return 0


def measure(known: pd.DataFrame, count: int, source: Dataset, workers: int) -> Run:
    """Run the extraction of so many tracks, and run it again."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root, out = Path(folder, "fma"), Path(folder, "records")
        build_tree(root, known, count, source)
        module = ["-m", "spectrogram_feature.generate_records"]
        options = ["--root", root, "--subset", "medium", "--out", out, "--workers", workers]
        command = [sys.executable, *module, *map(str, options)]
        environment = os.environ | {"FMA_OUTPUT": str(Path(folder, "output"))}
        started = time.time()
        seconds, parent, worker = watch(command, environment)
        manifest = Manifest.read(out, KIND)
        shards = [shard for split in SPLITS for shard in manifest.shards[split]]
        # A shard keeps the time at which its last record was written.
        finished = np.array([(out / shard["name"]).stat().st_mtime for shard in shards]) - started
        records = np.array([shard["records"] for shard in shards])
        again, _, _ = watch(command, environment)
        environment["FMA_OUTPUT"] = str(Path(folder, "another"))
        timing = [sys.executable, "-c", _TIME_METADATA, str(root)]
        first, second = (
            float(subprocess.check_output(timing, env=environment, cwd=PROJECT_ROOT))
            for _ in range(2)
        )
    return Run(
        tracks=count,
        segments=int(records.sum()),
        seconds=seconds,
        first_shard=float(finished.min()),
        windows=_windows(finished, records),
        parent=parent,
        worker=worker,
        shards=len(shards),
        written=sum(shard["bytes"] for shard in shards),
        again=again,
        metadata=(first, second),
    )


def _windows(finished: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Give (windows, 2): when a window of shards ended in minutes, its segments per second."""
    order = np.argsort(finished)
    ends = finished[order][::WINDOW]
    done = np.cumsum(records[order])[::WINDOW]
    return np.column_stack([ends[1:] / 60, np.diff(done) / np.diff(ends)])


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
    parser.add_argument(
        "--metadata",
        type=Path,
        default=REAL_METADATA if REAL_METADATA.exists() else None,
        help="folder with the FMA's own tracks.csv, whose ids, splits and genres are taken; "
        "without it they are made up",
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the report")
    arguments = parser.parse_args()
    source = find_dataset()
    print(source.notice)
    known = known_tracks(arguments.metadata)
    sizes = sorted(set(arguments.tracks))
    if not 1 <= sizes[0] <= sizes[-1] <= len(known):
        raise UserError(f"--tracks must be 1 to {len(known):,}")
    runs = []
    for count in sizes:
        runs.append(measure(known, count, source, arguments.workers))
        print(f"{count:,} tracks: {runs[-1].seconds:.1f} s")
    report = format_report(runs, source, arguments.workers, real_ids=arguments.metadata is not None)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "scale.md").write_text(report, encoding="utf-8")
    with plt.rc_context(style.STYLE):
        title = f"Extraction by {arguments.workers} workers, audio of the {source.title}"
        draw(runs, title).savefig(arguments.out / "scale.png")
    print(report)


if __name__ == "__main__":
    cli.run_command(main)
