"""What breaks from outside costs one line and time; what was finished stays, bytes come out equal.

The commands run as a user runs them. Faults of the jobs themselves are in `test_jobs`, those of a
cluster in `test_clusters`, those at random moments, which take minutes, in `test_random_faults`.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults_for_tests import (
    Note,
    assert_one_line,
    command,
    contents,
    ended,
    extraction,
    flip_a_bit,
    mounted,
    note_fault,
    run,
    running,
    said,
    times,
    wait_for,
)
from fma_for_tests import write_tracks_csv
from images_for_tests import write_images
from jobs_for_tests import calls, jobs, note_call

from common.cli import run_command
from common.fma.dataset import get_audio_path
from common.jobs.journal import JOURNAL
from common.jobs.run import run_jobs
from common.records.tfrecords import FAILURES, Manifest
from spectrogram_feature import training
from spectrogram_feature.generate_records import KIND, generate
from spectrogram_image import TFRecord_generation


@pytest.fixture(scope="module")
def whole(tiny_fma, tmp_path_factory) -> Path:
    """Records as the command makes them undisturbed: a shard a split; to be read, not changed."""
    out = tmp_path_factory.mktemp("whole")
    generate(tiny_fma, out, workers=1)
    return out


# --- Disks ---------------------------------------------------------------------------------------


def test_disk_that_fills_up_within_a_shard_is_one_line_and_the_next_run_completes(
    tiny_fma, whole, tmp_path, record_property
):
    """The training shard alone exceeds what a file may have; the others do not."""
    out = tmp_path / "out"
    limit = (whole / "training-00000-of-00001.tfrecord").stat().st_size // 2 + 50_000
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    done = run(
        extraction(tiny_fma.root, out),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)),
    )
    assert_one_line(done, r"training-00000-of-00001\.tfrecord: the file is larger than it may be")
    assert not list(out.glob(".*.tmp"))
    before = times(out)
    assert run(extraction(tiny_fma.root, out)).returncode == 0
    assert before.items() <= times(out).items()
    assert contents(out) == contents(whole)
    how = "RLIMIT_FSIZE below the size of a shard"
    note_fault(record_property, "file too large", how, done.stderr, len(before))


def test_full_disk_is_one_line_and_what_is_finished_is_kept(
    tiny_fma, whole, tmp_path, record_property
):
    """Somebody else fills the disk while the first shards are being written."""
    with mounted('mount -t tmpfs -o size=3m none "$1"', tmp_path / "disk") as disk:
        out, filling = disk / "out", disk / "of_somebody_else"
        arguments = extraction(tiny_fma.root, out)
        with running(arguments) as process:
            wait_for(lambda: list(out.glob(".*.tfrecord.*.tmp")), process)
            os.killpg(process.pid, signal.SIGSTOP)
            filling.write_bytes(bytes(1_900_000))
            os.killpg(process.pid, signal.SIGCONT)
            done = ended(process)
            assert_one_line(done, rf"{out}/.*\.tfrecord: the disk is full; free some space")
        assert not list(out.glob(".*.tmp"))
        before = times(out)
        assert 1 <= len(before) < 3
        filling.unlink()
        assert run(arguments).returncode == 0
        assert before.items() <= times(out).items()
        assert contents(out) == contents(whole)
    how = "a tmpfs that another program fills while shards are written"
    note_fault(record_property, "disk full", how, done.stderr, len(before))


def test_read_only_file_system_is_one_line(tiny_fma, tmp_path, record_property):
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
    with mounted(script, tmp_path / "disk") as disk:
        done = run(extraction(tiny_fma.root, disk / "out"))
        assert_one_line(done, rf"{disk}/out: .*read-only; choose another folder")
    note_fault(record_property, "folder read-only", "a read-only mount", done.stderr, 0)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs Linux")
@pytest.mark.parametrize("what", ["records", "demo"])
def test_folder_where_even_root_may_not_write_is_one_line(tiny_fma, what):
    out = Path("/sys/kernel/folder")
    demo = command("data.make_demo", "--out", out)
    done = run(extraction(tiny_fma.root, out) if what == "records" else demo)
    assert_one_line(done, rf"{out}: .*choose another folder")


# --- What is damaged later -----------------------------------------------------------------------


def assert_damage_is_named_and_mended(
    arguments: list[str], out: Path, cut: Path, note: Note
) -> None:
    """Damage two shards of finished records; the next run names them and makes them as they were.

    Parameters
    ----------
    cut
        The shard that loses its end; that of the validation split keeps its size.
    """
    before, before_times = contents(out), times(out)
    changed = out / "validation-00000-of-00001.tfrecord"
    flip_a_bit(changed)
    os.truncate(cut, cut.stat().st_size - 1)
    untouched = set(before_times) - {changed.name, cut.name}
    done = run(arguments)
    assert done.returncode == 0
    assert sorted(said(done.stderr)) == sorted(
        [f"{changed} is damaged (checksum): made again", f"{cut} is damaged (size): made again"]
    )
    assert contents(out) == before
    assert untouched
    assert {name: times(out)[name] for name in untouched} == {
        name: before_times[name] for name in untouched
    }
    how = "after the run, one bit of a shard changed, another one cut"
    note_fault(note, "shards damaged", how, sorted(said(done.stderr)), len(untouched))


def test_damaged_shards_of_features_are_named_and_made_again(
    tiny_fma, whole, tmp_path, record_property
):
    out = Path(shutil.copytree(whole, tmp_path / "records"))
    arguments = extraction(tiny_fma.root, out)
    cut = out / "test-00000-of-00001.tfrecord"
    assert_damage_is_named_and_mended(arguments, out, cut, record_property)
    assert said(run(arguments).stderr) == []


def test_damaged_shards_of_images_are_named_and_made_again(tmp_path, record_property):
    images, out = write_images(tmp_path / "set" / "mel"), tmp_path / "records"
    arguments = command("spectrogram_image.TFRecord_generation", images, "--size", "quarter")
    arguments += ["--out", str(out), "--workers", "2"]
    TFRecord_generation.generate(images, out, size="quarter", workers=1)
    cut = out / "training-00000-of-00001.tfrecord"
    assert_damage_is_named_and_mended(arguments, out, cut, record_property)


# --- Data that is not what the metadata say ------------------------------------------------------


def test_missing_and_broken_files_are_listed_and_cost_nobody_else(
    tiny_fma, tmp_path, record_property
):
    """Of 140 tracks, 100 have no file; of the 40 that have one, two are broken."""
    good = get_audio_path(tiny_fma.audio_dir, 30)  # 30 s
    cut, noise = 7, 14  # of Folk, in training: three segments each are planned
    rows = {
        track: (
            {0: "validation", 1: "test"}.get(track % 10, "training"),
            "Folk" if track % 7 == 0 or track in (10, 11) else "Rock",
        )
        for track in range(1, 141)
    }
    columns = [("set", "split"), ("track", "genre_top"), ("set", "subset")]
    write_tracks_csv(
        tmp_path / "fma_metadata" / "tracks.csv",
        ((n, dict(zip(columns, (*row, "medium"), strict=True))) for n, row in rows.items()),
    )
    for track in range(1, 41):
        path = get_audio_path(tmp_path / "fma_medium", track)
        path.parent.mkdir(parents=True, exist_ok=True)
        if track == cut:
            path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
        elif track == noise:
            path.write_bytes(np.random.default_rng(0).bytes(good.stat().st_size))
        else:
            os.link(good, path)

    done = run(extraction(tmp_path, tmp_path / "out"))
    assert done.returncode == 0
    assert said(done.stderr) == []
    failures = pd.read_csv(tmp_path / "out" / FAILURES)
    assert f"{len(failures)} segments skipped: " in done.stdout
    missing = failures[failures["reason"] == "no such file"]
    assert set(missing["track_id"]) == set(range(41, 141))
    others = failures.drop(missing.index)
    found = others.groupby("track_id")["offset"].apply(list).to_dict()
    assert found == {cut: [10.0, 20.0], noise: [0.0, 10.0, 20.0]}
    manifest = Manifest.read(tmp_path / "out", KIND)
    assert sum(sum(tracks.values()) for tracks in manifest.tracks.values()) == 39
    how = "of 140 tracks, 100 have no file, one is cut and one is noise"
    lines = [done.stdout.splitlines()[-1].strip()]
    note_fault(record_property, "audio missing and broken", how, lines, 39, unit="other tracks")


# --- Processes that end --------------------------------------------------------------------------


def test_of_two_runs_at_once_the_second_is_refused_and_the_first_ends_well(
    tiny_fma, whole, tmp_path, record_property
):
    arguments = extraction(tiny_fma.root, tmp_path)
    with running(arguments) as first:
        wait_for((tmp_path / JOURNAL).exists, first)
        os.kill(first.pid, signal.SIGSTOP)  # so that it cannot be over too soon
        before = times(tmp_path)
        second = run(arguments)
        assert_one_line(second, f"another run is writing into {tmp_path}: wait")
        os.kill(first.pid, signal.SIGCONT)
        assert first.wait(60) == 0
    assert contents(tmp_path) == contents(whole)
    assert before.items() <= times(tmp_path).items()
    how = "the same command while the first one writes"
    note_fault(record_property, "two runs into one folder", how, second.stderr, len(before))


def test_worker_killed_for_want_of_memory_is_one_line_and_the_next_run_completes(
    tiny_fma, whole, tmp_path, record_property
):
    arguments = extraction(tiny_fma.root, tmp_path)
    with running(arguments) as process:
        wait_for(lambda: list(tmp_path.glob(".training*.tmp")), process)
        [half_written] = tmp_path.glob(".training*.tmp")
        os.kill(int(half_written.suffixes[-2][1:]), signal.SIGKILL)
        words = r"a worker process died, often for want of memory: what is finished is kept"
        done = ended(process)
        assert_one_line(done, words)
    before = times(tmp_path)
    assert run(arguments).returncode == 0
    assert before.items() <= times(tmp_path).items()
    assert not list(tmp_path.glob(".*.tmp"))
    assert contents(tmp_path) == contents(whole)
    how = "SIGKILL while it writes a shard"
    note_fault(record_property, "worker killed", how, done.stderr, len(before))


def ask_for_too_much(argument: tuple[str, int]) -> dict:
    """Job 1 asks for more memory than its process may have."""
    _, n = note_call(argument)
    if n == 1:
        limit = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limit[1]))
        try:
            np.ones(1 << 28)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limit)
    return {}


def test_too_little_memory_is_one_line_and_what_is_finished_is_kept(
    tmp_path, capsys, record_property
):
    with pytest.raises(SystemExit) as end:
        run_command(
            lambda: run_jobs(
                ask_for_too_much, jobs(tmp_path, 2), folder=tmp_path, settings={}, workers=1
            )
        )
    assert end.value.code == 1
    [line] = said(capsys.readouterr().err)
    assert line.startswith("error: there is not enough memory: what is finished is kept; free some")
    assert calls(tmp_path) == [0, 1]
    with pytest.raises(MemoryError):
        run_jobs(ask_for_too_much, jobs(tmp_path, 2), folder=tmp_path, settings={}, workers=1)
    assert calls(tmp_path) == [1]
    how = "a job that asks for 2 GB where 1 GB is allowed"
    note_fault(record_property, "worker without memory", how, [line], 1, unit="jobs")


@pytest.mark.parametrize("seed", [0, 1])
def test_extraction_killed_at_any_moment_goes_on_at_once(tiny_fma, tiny_records, tmp_path, seed):
    """The command is killed, its workers not: they may still be at it when the next run begins."""
    code = (
        "from fma_utils import find_dataset; "
        "from spectrogram_feature.generate_records import generate; "
        f"generate(find_dataset({str(tiny_fma.root)!r}), {str(tmp_path)!r}, "
        "workers=2, tracks_per_shard=4)"
    )
    with running([sys.executable, "-c", code]) as process:
        wait_for(lambda: list(tmp_path.glob(".*.tmp")), process)
        time.sleep(np.random.default_rng(seed).uniform(0, 0.5))
        process.kill()
        process.wait()
        journal = (tmp_path / JOURNAL).read_text().splitlines()[1:]
        before = times(tmp_path)
        generate(tiny_fma, tmp_path, workers=2, tracks_per_shard=4)
    finished = {name for name in before if any(f'"{name}"' in line for line in journal)}
    assert len(finished) == len(journal)
    assert {name: times(tmp_path)[name] for name in finished} == {n: before[n] for n in finished}
    assert contents(tmp_path) == contents(tiny_records)


def test_training_killed_while_it_writes_its_state_keeps_its_finished_epochs(
    call, tiny_records, tmp_path
):
    model = tmp_path / "model"
    arguments = ["--records", tiny_records, "--out", model, "--model", "texture"]
    arguments += ["--epochs", 6, "--batch-size", 8, "--no-baselines"]
    with running(command(training.__name__, *arguments)) as process:
        wait_for(lambda: list(model.glob(".partial.state.[2-6].*")), process)
        process.kill()
        process.wait()
    before = (model / "history.csv").read_text().splitlines()
    assert 1 <= len(before[1:]) < 6
    done = call(training.main, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert said(done.stderr) == []
    lines = (model / "history.csv").read_text().splitlines()
    assert lines[: len(before)] == before
    assert [line.split(",")[0] for line in lines] == ["epoch", *"123456"]
    assert not list(model.glob(".partial*"))
