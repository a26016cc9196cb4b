"""A cluster of Dask's processes gives what this machine gives, and what goes wrong is told."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from jobs_for_tests import (
    calls,
    die_once_at_one,
    fail_beside_another,
    jobs,
    threads,
    write_slowly,
)

from common.errors import UserError
from common.jobs import clusters
from common.jobs.clusters import cluster_pool
from common.jobs.run import run_jobs
from spectrogram_feature.generate_records import generate

TESTS = Path(__file__).parents[1]


@contextmanager
def dask(command, *arguments):
    """Start one of Dask's commands in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{command}", *arguments, "--no-dashboard"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:  # a worker looks for its scheduler for half a minute
                process.kill()


@contextmanager
def scheduler(folder):
    file = folder / "scheduler.json"
    with dask(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file
    ) as started:
        while not file.exists():
            time.sleep(0.05)
        started.address = json.loads(file.read_text())["address"]
        yield started


@contextmanager
def workers(address, folder, *options):
    with dask("worker", address, "--local-directory", folder, *options):
        yield


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers of one thread each."""
    folder = tmp_path_factory.mktemp("dask")
    with (
        scheduler(folder) as started,
        workers(started.address, folder, "--nworkers", "2", "--nthreads", "1"),
    ):
        yield started.address


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".tfrecord", ".json")}


def test_records_are_those_of_this_machine_to_the_byte(cluster, tiny_fma, tmp_path):
    generate(tiny_fma, tmp_path / "here", workers=1, tracks_per_shard=4)
    generate(tiny_fma, tmp_path / "there", workers=cluster, tracks_per_shard=4)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert len(contents(tmp_path / "here")) > 3


def test_workers_use_one_thread_each(cluster, tmp_path):
    for result in run_jobs(
        threads, jobs(tmp_path, 2), folder=tmp_path, settings={}, workers=cluster
    ):
        assert result["threads"]
        assert set(result["threads"]) == {1}


def test_the_death_of_a_worker_costs_nothing_but_time(cluster, tmp_path):
    results = run_jobs(
        die_once_at_one, jobs(tmp_path, 6), folder=tmp_path, settings={}, workers=cluster
    )
    assert [result["square"] for result in results] == [0, 1, 4, 9, 16, 25]
    assert calls(tmp_path).count(1) == 2


def test_jobs_that_run_when_one_fails_are_finished_and_kept_and_no_others_begin(cluster, tmp_path):
    (tmp_path / "working").touch()  # two workers do not run three jobs at once
    options = {"folder": tmp_path, "settings": {}, "workers": cluster}
    work = jobs(tmp_path, 43)[1:]
    work[0], work[1] = work[1], work[0]  # job 2 and job 1, which fails
    with pytest.raises(ValueError, match="job 1 is broken"):
        run_jobs(fail_beside_another, work, **options)
    begun = calls(tmp_path)
    assert len(begun) < 20
    (tmp_path / "mended").touch()
    results = run_jobs(fail_beside_another, work, **options)
    assert [result["square"] for result in results] == [4, 1, *(n * n for n in range(3, 43))]
    assert calls(tmp_path) == [1, *(n for n in range(3, 43) if n not in begun)]


def test_workers_that_do_not_see_a_folder_are_refused_before_any_work(cluster, tmp_path):
    with pytest.raises(UserError, match=r"has no folder .*audio: the cluster needs a shared"):
        run_jobs(
            threads,
            jobs(tmp_path, 2),
            folder=tmp_path,
            settings={},
            workers=cluster,
            source=tmp_path / "audio",
        )


def test_workers_with_several_threads_are_refused(tmp_path):
    with (
        scheduler(tmp_path) as started,
        workers(started.address, tmp_path, "--nworkers", "1", "--nthreads", "3"),
        pytest.raises(UserError, match="has 3 threads: start workers with --nthreads 1"),
        cluster_pool(started.address, [tmp_path]),
    ):
        pass


def test_a_lost_scheduler_is_told_and_the_next_run_resumes(tmp_path):
    def kill_once_a_job_runs(process):
        while not list(tmp_path.glob("pid-*")):
            time.sleep(0.05)
        process.kill()

    with (
        scheduler(tmp_path) as started,
        workers(started.address, tmp_path, "--nworkers", "1", "--nthreads", "1", "--no-nanny"),
    ):
        threading.Thread(target=kill_once_a_job_runs, args=(started,)).start()
        with pytest.raises(UserError, match=r"scheduler at .* is lost: what is finished is kept"):
            run_jobs(
                write_slowly,
                jobs(tmp_path, 2),
                folder=tmp_path,
                settings={},
                workers=started.address,
            )
    (tmp_path / "hurry").touch()
    run_jobs(write_slowly, jobs(tmp_path, 2), folder=tmp_path, settings={}, workers=1)
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.bin"))] == [b"halfhalf"] * 2


def test_no_scheduler_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1.0)
    with (
        pytest.raises(UserError, match="no Dask scheduler answers at"),
        cluster_pool("tcp://127.0.0.1:9", [tmp_path]),
    ):
        pass
