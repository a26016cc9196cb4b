"""Run the tests that inject faults, and tabulate the cost of each fault in faults.md.

The tests (also those marked slow) kill and disturb extractions and trainings at random moments.
They need Linux; tests that mount file systems are skipped where mounting is not allowed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from common import cli
from common.errors import UserError
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT

REPORT = Path(__file__).with_suffix(".md")
TESTS = PROJECT_ROOT / "tests" / "jobs"

HEADER = """\
# Faults

Made by `python benchmarks/faults.py` on {cores} cores, {memory:.0f} GiB of memory, by tests in
`tests/jobs/` on 20 tracks of synthetic audio.

After each fault the same command runs again, undisturbed. *Lost* counts finished work that was lost
or repeated: shards (by their time), tracks other than the broken ones, or epochs (by their line of
the learning curve). *As undisturbed* counts the faults with a correct final result. The files of an
extraction must equal those of an undisturbed run to the byte. A training must have every epoch
once, and the model of the best one. (A resumed training draws other batches, so later epochs differ
from those of an undisturbed one.) A number in brackets counts a message; paths are shortened.

| fault | injected how | times | what the user sees | lost | as undisturbed |
|---|---|---:|---|---:|---:|
"""


class Faults:
    """A plugin of pytest that collects the properties that tests of faults record."""

    def __init__(self) -> None:
        # (fault, injected how) → properties, and whether the test passed
        self.noted: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the properties of a test."""
        if report.when == "call":
            fault: Any
            for name, fault in report.user_properties:
                if name == "fault":
                    key = fault["fault"], fault["how"]
                    self.noted[key].append({**fault, "passed": report.passed})

    def table(self) -> str:
        """Format a row for each kind of fault."""
        rows = []
        for (fault, how), noted in self.noted.items():
            lines = Counter(_shortened(each["sees"]) for each in noted).most_common()
            seen = [f"{line} ({n})" if len(lines) > 1 else line for line, n in lines]
            lost, finished = (sum(each[what] for each in noted) for what in ("lost", "finished"))
            cells = [fault, how, len(noted), "<br>".join(seen)]
            cells.append(f"{lost} of {finished:,} {noted[0]['unit']}")
            cells.append(f"{sum(each['passed'] for each in noted)} of {len(noted)}")
            rows.append(f"| {' | '.join(map(str, cells))} |\n")
        return "".join(rows)


def _shortened(lines: list[str]) -> str:
    """Join the output lines of a command, without the paths of this machine."""
    if not lines:
        return "nothing"
    if any("resource_tracker" in line for line in lines):
        return "Python's resource_tracker: 'leaked semaphore objects to clean up'"
    if any(line.startswith("Traceback") for line in lines):
        lines = [f"a traceback that ends with {lines[-1]}"]
    shown = re.sub(r"/\S*/", "…/", "; ".join(lines))
    return f"`{re.sub(r'(training|validation|test)-[0-9]{5}-of-[0-9]{5}', 'SHARD', shown)}`"


def main() -> None:
    """Run the tests, print the table and write it."""
    name = "python benchmarks/faults.py"
    cli.make_parser(name, __doc__, f"  {name}").parse_args()
    faults = Faults()
    options = ["-n", "0", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    files = [str(TESTS / name) for name in ("test_random_faults.py", "test_faults.py")]
    code = pytest.main([*options, *files], plugins=[faults])
    if not faults.noted:
        raise UserError(f"the tests in {TESTS} did not run")
    memory = psutil.virtual_memory().total / 2**30
    report = HEADER.format(cores=default_workers(), memory=memory) + faults.table()
    REPORT.write_text(report, encoding="utf-8")
    print(report)
    sys.exit(code)


if __name__ == "__main__":
    cli.run_command(main)
