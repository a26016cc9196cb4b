"""Parallel jobs: order, resumption, and what is left when something ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jobs_for_tests
import pytest
from jobs_for_tests import calls, jobs

from common.cli import run_command
from common.errors import UserError
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, progress_bar, run_jobs
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT


def run(function: Callable, folder: Path, count: int, *, workers: int = 1, **settings) -> list:
    return run_jobs(
        function, jobs(folder, count), folder=folder, settings=settings, workers=workers
    )


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with three finished jobs."""
    folder = tmp_path_factory.mktemp("finished")
    run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert calls(folder) == [0, 1, 2]
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, whose journal may be spoilt."""
    for path in finished.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_results_come_in_the_order_of_the_jobs_however_they_finish(tmp_path):
    results = run(jobs_for_tests.last_first, tmp_path, 4, workers=3)
    assert [result["square"] for result in results] == [0, 1, 4, 9]
    assert calls(tmp_path) == [0, 1, 2, 3]


def test_no_jobs_give_no_results(tmp_path):
    assert run(jobs_for_tests.write_file, tmp_path, 0) == []


def test_second_run_calls_nothing_and_gives_the_same_results(folder):
    results = run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert [result["square"] for result in results] == [0, 1, 4]
    assert calls(folder) == []


def test_only_jobs_that_are_new_run(folder):
    results = run(jobs_for_tests.write_file, folder, 5, hop=460)
    assert [result["square"] for result in results] == [0, 1, 4, 9, 16]
    assert calls(folder) == [3, 4]


def test_other_settings_are_refused_by_name_and_nothing_runs(folder):
    with pytest.raises(UserError, match=r"hop was 460, now 512.*choose another folder"):
        run(jobs_for_tests.write_file, folder, 5, hop=512)
    assert calls(folder) == []


def test_settings_are_compared_as_json_holds_them(tmp_path):
    run(jobs_for_tests.write_file, tmp_path, 0, genres=("Folk", "Rock"))
    run(jobs_for_tests.write_file, tmp_path, 0, genres=["Folk", "Rock"])


def test_job_whose_journal_line_is_torn_runs_again(folder):
    journal = folder / JOURNAL
    torn = json.loads(journal.read_text().splitlines()[-1])["job"]
    journal.write_bytes(journal.read_bytes()[:-5])
    run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert [f"job-{n}" for n in calls(folder)] == [torn]
    run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert calls(folder) == []


@pytest.mark.parametrize("line", [b"\0" * 60, b'{"job": "job-1"}', b"[1, 2]", b"\xff\xfe", b""])
def test_damaged_line_of_the_journal_costs_its_job_only(folder, line):
    journal = folder / JOURNAL
    lines = journal.read_bytes().splitlines()
    damaged = int(json.loads(lines[2])["job"].removeprefix("job-"))
    journal.write_bytes(b"\n".join([*lines[:2], line, *lines[3:], b""]))
    results = run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert [result["square"] for result in results] == [0, 1, 4]
    assert calls(folder) == [damaged]


@pytest.mark.parametrize("content", [b"", b"no JSON\n", b"\xff\xfe\x00\n", b"[1, 2]\n"])
def test_damaged_journal_is_refused_in_one_line(tmp_path, content):
    (tmp_path / JOURNAL).write_bytes(content)
    with pytest.raises(UserError, match=r"journal.jsonl is damaged: delete") as error:
        run(jobs_for_tests.write_file, tmp_path, 1)
    assert "\n" not in str(error.value)


def test_files_that_are_missing_or_of_another_size_are_named_and_made_again(folder, capfd):
    (folder / "0.bin").unlink()
    (folder / "2.bin").write_bytes(b"longer than it was")
    run(jobs_for_tests.write_file, folder, 3, hop=460)
    assert calls(folder) == [0, 2]
    assert capfd.readouterr().err.splitlines()[:2] == [
        f"{folder / '0.bin'} is missing: made again",
        f"{folder / '2.bin'} is damaged (size): made again",
    ]
    assert [(folder / f"{n}.bin").stat().st_size for n in range(3)] == [1, 2, 3]


def test_of_many_missing_files_only_the_first_are_named(tmp_path, capfd):
    run(jobs_for_tests.write_file, tmp_path, 1015)
    for path in tmp_path.glob("*.bin"):
        path.unlink()
    capfd.readouterr()
    run(jobs_for_tests.write_file, tmp_path, 1015)
    lines = capfd.readouterr().err.splitlines()
    assert sum(line.endswith("is missing: made again") for line in lines) == 10
    assert "and 1,005 more files: made again" in lines


def test_exception_in_a_job_comes_out_and_finished_work_is_kept(tmp_path):
    with pytest.raises(ValueError, match="job 1 is broken"):
        run(jobs_for_tests.fail_at_one, tmp_path, 3)
    calls(tmp_path)
    (tmp_path / "mended").touch()
    results = run(jobs_for_tests.fail_at_one, tmp_path, 3)
    assert [result["square"] for result in results] == [0, 1, 4]
    assert 0 not in calls(tmp_path)


def test_jobs_that_run_when_one_fails_are_finished_and_kept_and_no_others_begin(tmp_path):
    with pytest.raises(ValueError, match="job 1 is broken"):  # the first of two failures
        run(jobs_for_tests.fail_beside_another, tmp_path, 40, workers=3)
    begun = calls(tmp_path)
    assert len(begun) < 20
    (tmp_path / "mended").touch()
    results = run(jobs_for_tests.fail_beside_another, tmp_path, 40, workers=3)
    assert [result["square"] for result in results] == [n * n for n in range(40)]
    assert calls(tmp_path) == [0, 1, *(n for n in range(40) if n not in begun)]


def test_death_of_a_worker_after_a_failure_does_not_hide_the_failure(tmp_path):
    started = time.monotonic()
    with pytest.raises(ValueError, match="job 0 is broken"):
        run(jobs_for_tests.die_beside_a_failure, tmp_path, 40, workers=2)
    assert time.monotonic() - started < 30


def test_user_error_in_a_job_comes_out_as_it_is(tmp_path):
    with pytest.raises(UserError, match=r"^the disk of job 0 is full: free some space$"):
        run(jobs_for_tests.mistake, tmp_path, 1)


def test_death_of_a_worker_is_told_ends_the_others_and_loses_nothing(tmp_path):
    started = time.monotonic()
    with pytest.raises(UserError, match=r"a worker process died.*fewer --workers"):
        run(jobs_for_tests.die_at_one, tmp_path, 4, workers=2)
    assert time.monotonic() - started < 30  # the jobs that were left would have slept for 60 s
    calls(tmp_path)
    (tmp_path / "mended").touch()
    results = run(jobs_for_tests.die_at_one, tmp_path, 4, workers=1)
    assert [result["square"] for result in results] == [0, 1, 4, 9]
    assert calls(tmp_path) == [1, 2, 3]


def test_workers_use_one_thread_each(tmp_path):
    (result,) = run(jobs_for_tests.threads, tmp_path, 1)
    assert result["threads"]
    assert set(result["threads"]) == {1}


@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_is_refused(tmp_path, workers):
    with pytest.raises(UserError, match=f"workers = {workers}: at least 1"):
        run(jobs_for_tests.write_file, tmp_path, 1, workers=workers)


def test_default_is_the_cores_that_the_process_may_use():
    assert 1 <= default_workers() <= os.cpu_count()


def test_progress_counts_what_earlier_runs_did(folder, capfd):
    work = [*jobs(folder, 3), Job("large", (str(folder), 3), size=7)]
    settings = {"hop": 460}
    run_jobs(
        jobs_for_tests.write_file, work, folder=folder, settings=settings, workers=1, unit="track"
    )
    bar = "".join(capfd.readouterr())
    assert "3/10" in bar  # where it began
    assert "10/10" in bar


def test_progress_is_on_the_standard_error_where_jupyter_is_imported(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    progress_bar(total=3).close()
    output, errors = capfd.readouterr()
    assert "0/3" in errors
    assert output == ""


def test_message_of_a_command_that_fails_stands_below_its_progress_bar(capfd):
    def main() -> None:
        bar = progress_bar(total=3)
        bar.update()
        raise UserError("no more")

    with pytest.raises(SystemExit):
        run_command(main)
    assert capfd.readouterr().err.splitlines()[-1] == "error: no more"


class SlowRun:
    """Two of four slow jobs under way in another process with two workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = (
            # What runs in the background, as tests may, passes on that it ignores Ctrl-C.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from common.cli import run_command; from jobs_for_tests import run_slowly; "
            f"run_command(lambda: run_slowly({str(folder)!r}))"
        )
        paths = os.pathsep.join([str(PROJECT_ROOT), str(Path(__file__).parents[1])])
        self.process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # its own process group, as a shell gives a command
        )
        wait_for(lambda: len(self.workers()) == 2)

    def workers(self) -> list[int]:
        return [int(path.name.removeprefix("pid-")) for path in self.folder.glob("pid-*")]

    def finish(self) -> None:
        (self.folder / "hurry").touch()
        jobs_for_tests.run_slowly(str(self.folder))
        assert [(self.folder / f"{n}.bin").read_bytes() for n in range(4)] == [b"halfhalf"] * 4


@pytest.fixture
def slow_run(tmp_path):
    run = SlowRun(tmp_path)
    yield run
    with contextlib.suppress(ProcessLookupError):  # there is nothing left, as there should be
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.communicate()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A process whose parent does not ask for its end remains as a zombie.
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_workers_of_a_killed_parent_end_and_the_next_run_completes(slow_run):
    slow_run.process.kill()
    slow_run.process.wait()
    wait_for(lambda: not any(map(is_alive, slow_run.workers())), seconds=10)
    slow_run.finish()


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "parent"])
def test_ctrl_c_ends_quickly_leaves_no_half_file_and_the_next_run_completes(slow_run, whole_group):
    started = time.monotonic()
    (os.killpg if whole_group else os.kill)(slow_run.process.pid, signal.SIGINT)
    _, errors = slow_run.process.communicate(timeout=20)
    assert time.monotonic() - started < 10
    assert slow_run.process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("interrupted: what is finished is kept")
    assert not list(slow_run.folder.glob(".*.tmp"))
    assert not list(slow_run.folder.glob("*.bin"))
    assert not any(map(is_alive, slow_run.workers()))
    slow_run.finish()
