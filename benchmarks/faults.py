"""What breaks, and what is lost by it: faults injected into extractions and trainings.

    python benchmarks/faults.py [--kills 20] [--seed 0]

Makes the smallest demo set, turns it into records and trains on these, undisturbed; then again and
again while something goes wrong. After each fault the same command runs once more. What was
finished before must not have been made again, and the end must be that of the undisturbed run: for
records, all files to the byte; for a training, every epoch once and the model of the best one.

Prints a table and writes it to ``benchmarks/faults.md``. Needs Linux; where file systems may not be
mounted, the rows that need it are left out.
"""

from __future__ import annotations

import os
import random
import shlex
import sys
import tempfile
import time
from pathlib import Path

import psutil

from common import cli
from common.jobs.run import default_workers
from common.text import format_duration
from data.demo.metadata import MIN_TRACKS
from data.make_demo import make_demo
from fault_extractions import Extractions
from fault_trainings import EPOCHS, Trainings

REPORT = Path(__file__).with_suffix(".md")

EXPLAINED = f"""\
Each fault is followed by the same command, undisturbed. *Lost* is what was finished when the fault
came and was gone or made again afterwards: shards by their time, records by their bytes, epochs by
their line of the learning curve. *As undisturbed* is how often the end was right. For an
extraction: all files equal those of an undisturbed run to the byte, or, where the data were
changed, the records of all other tracks do. For a training of {EPOCHS} epochs: every epoch is there
once, and the saved model is that of the best one. (After a resumption batches come in another
order, so that later epochs are not those of an undisturbed training.) A number in brackets is how
often a line was seen; paths are shortened."""


def main() -> None:
    """Inject all faults, print the table and write it."""
    parser = cli.make_parser(
        "python benchmarks/faults.py",
        "Inject faults into extractions and trainings; count what is lost.",
        "  python benchmarks/faults.py --kills 2",
    )
    parser.add_argument("--kills", type=int, default=20, help="of the extraction and of training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places")
    arguments = parser.parse_args()
    rng, started = random.Random(arguments.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        scratch = Path(folder)
        os.environ["TMPDIR"] = folder  # who is killed cannot delete its own temporary files
        make_demo(scratch / "fma", tracks=MIN_TRACKS)
        extractions = Extractions(scratch / "fma", scratch, rng)
        shards = len(list(extractions.whole.glob("*.tfrecord")))
        lines = [
            "| fault | injected how | times | what the user sees | lost | as undisturbed |",
            "|---|---|---:|---|---:|---:|",
        ]
        print("\n".join(lines), flush=True)
        for trials in extractions.rows(arguments.kills):
            lines.append(str(trials))
            print(trials, flush=True)
        for trials in Trainings(extractions, rng).rows(arguments.kills):
            lines.append(str(trials))
            print(trials, flush=True)
    command = shlex.join(["python", "benchmarks/faults.py", *sys.argv[1:]])
    machine = (
        f"{default_workers()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory"
    )
    REPORT.write_text(
        f"# Faults\n\nMade by `{command}` on {machine}, of {MIN_TRACKS + 3} synthetic tracks in "
        f"{shards} shards.\n\n{EXPLAINED}\n\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )
    print(f"written after {format_duration(time.monotonic() - started)}: {REPORT}")


if __name__ == "__main__":
    cli.run_command(main)
