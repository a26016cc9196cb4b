"""One run at a time in a folder, and none after the run that held it is gone."""

import subprocess
import sys

import pytest
from jobs_for_tests import calls, jobs, write_file

from common.errors import UserError
from common.jobs.files import only_run_in
from common.jobs.run import run_jobs

HOLD = """
import sys
from common.jobs.files import only_run_in
with only_run_in(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    arguments = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_run_is_refused_in_one_line(holder, tmp_path):
    with (
        pytest.raises(UserError, match=r"another run is writing into .*: wait"),
        only_run_in(tmp_path),
    ):
        pass


def test_jobs_do_not_run_in_a_folder_that_is_held(holder, tmp_path):
    half_written = tmp_path / ".a.tmp"
    half_written.touch()
    with pytest.raises(UserError, match="another run"):
        run_jobs(write_file, jobs(tmp_path, 2), folder=tmp_path, settings={})
    assert half_written.exists()
    assert calls(tmp_path) == []


def test_a_killed_run_lets_go(holder, tmp_path):
    holder.kill()
    holder.wait()
    with only_run_in(tmp_path / "new" / "folder"), only_run_in(tmp_path):
        pass


def test_a_run_that_fails_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), only_run_in(tmp_path):
        raise ZeroDivisionError
    with only_run_in(tmp_path):
        pass
