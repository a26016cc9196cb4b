"""Failures are tried again when their source has changed, and only then."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from fma_for_tests import EMPTY, MISSING, NO_AUDIO, SHORT
from images_for_tests import write_images
from jobs_for_tests import calls, jobs, note_source, read_source

from common.fma.dataset import Dataset, get_audio_path
from common.jobs.files import fingerprint
from common.jobs.journal import JOURNAL
from common.jobs.run import run_jobs
from common.records.tfrecords import FAILURES
from spectrogram_feature import generate_records
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_image import TFRecord_generation, spectrogram_generation
from spectrogram_image.images.folder import image_path, write_tables

SECOND = FeatureParameters(segment_seconds=1.0)
IMAGES = {"kinds": ["mel"], "size": "quarter", "seconds": 1, "sample_rate": 16_000}


def contents(folder: Path) -> dict[str, str]:
    """Hash what readers see of a folder; the journal has the order in which work was done."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != JOURNAL and not path.name.startswith(".")
    }


# --- Any job -------------------------------------------------------------------------------------


def run(folder: Path, function=read_source) -> list[dict]:
    source = folder / "source"
    return run_jobs(function, jobs(folder, 3), folder=folder, settings={}, workers=1, source=source)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A finished run of three jobs; the source of job 1 is missing, that of job 2 is unusable."""
    note_source(tmp_path, 0, "good")
    note_source(tmp_path, 2, "bad")
    assert [result["failures"] for result in run(tmp_path)] == [[], ["missing"], ["bad"]]
    assert calls(tmp_path) == [0, 1, 2]
    return tmp_path


def test_failures_whose_sources_are_unchanged_are_not_tried_again(folder, capfd):
    capfd.readouterr()
    assert [result["failures"] for result in run(folder)] == [[], ["missing"], ["bad"]]
    assert calls(folder) == []
    assert capfd.readouterr().err == ""


def test_source_that_has_appeared_or_changed_is_named_and_tried_again(folder, capfd):
    note_source(folder, 1, "good")
    note_source(folder, 2, "good")
    capfd.readouterr()
    assert [result["failures"] for result in run(folder)] == [[], [], []]
    assert calls(folder) == [1, 2]
    assert capfd.readouterr().err.splitlines()[:2] == [
        f"{folder / 'source' / f'{n}.txt'} has changed: tried again" for n in (1, 2)
    ]
    run(folder)
    assert calls(folder) == []


def test_source_restored_with_its_size_and_time_is_tried_again(folder):
    path = folder / "source" / "2.txt"
    status = path.stat()
    path.write_text("gud")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    run(folder)
    assert calls(folder) == [2]


def test_source_that_is_gone_since_is_tried_again(folder):
    (folder / "source" / "2.txt").unlink()
    assert run(folder)[2]["failures"] == ["missing"]
    assert calls(folder) == [2]


def test_source_that_was_used_is_not_compared(folder):
    note_source(folder, 0, "bad")
    run(folder)
    assert calls(folder) == []


def test_failures_of_a_journal_that_tells_no_sources_are_tried_again(folder):
    journal = folder / JOURNAL
    journal.write_text(journal.read_text().replace('"unusable"', '"of_an_earlier_version"'))
    run(folder)
    assert calls(folder) == [1, 2]


def test_a_file_is_identified_without_being_read(tmp_path):
    path = tmp_path / "a"
    assert fingerprint(path) is None
    path.write_bytes(b"one")
    first = fingerprint(path)
    assert fingerprint(path) == first
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) != first


# --- Records and images --------------------------------------------------------------------------


@pytest.fixture
def broken(tiny_fma, tmp_path) -> Dataset:
    """A copy of the tiny data set, of which four tracks fail."""
    root = Path(shutil.copytree(tiny_fma.root, tmp_path / "fma"))
    return Dataset(root, tiny_fma.subset, is_demo=False)


def repair(dataset: Dataset, *tracks: int) -> None:
    good = get_audio_path(dataset.audio_dir, 30)
    for track in tracks:
        path = get_audio_path(dataset.audio_dir, track)
        path.unlink(missing_ok=True)
        shutil.copy(good, path)


def write_records(dataset: Dataset, out: Path) -> None:
    generate_records.generate(dataset, out, parameters=SECOND, workers=1, tracks_per_shard=4)


def failed(folder: Path) -> set[int]:
    return set(pd.read_csv(folder / FAILURES)["track_id"])


def times(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.*") if p.suffix != ".csv"}


@pytest.mark.parametrize(
    "repaired",
    [(MISSING,), (NO_AUDIO, EMPTY), (MISSING, NO_AUDIO, EMPTY)],
    ids=["missing file fetched", "broken files replaced", "all"],
)
def test_records_of_a_repaired_data_set_are_those_of_a_fresh_run(broken, tmp_path, repaired):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    write_records(broken, out)
    assert failed(out) == {MISSING, EMPTY, NO_AUDIO}
    before = times(out)
    repair(broken, *repaired)
    write_records(broken, out)
    write_records(broken, fresh)
    assert failed(out) == {MISSING, EMPTY, NO_AUDIO} - set(repaired)
    assert contents(out) == contents(fresh)
    kept = [name for name, time in times(out).items() if before.get(name) == time]
    assert len(kept) >= 5 - len(repaired)  # of five shards


def test_a_short_track_is_read_again_when_it_was_fetched_to_its_end(broken, tmp_path):
    ten = FeatureParameters()
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    generate_records.generate(broken, out, parameters=ten, workers=1)
    assert SHORT in failed(out)
    repair(broken, SHORT)
    for folder in (out, fresh):
        generate_records.generate(broken, folder, parameters=ten, workers=1)
    assert failed(out) == {MISSING, EMPTY, NO_AUDIO}
    assert contents(out) == contents(fresh)


def test_nothing_is_decoded_again_while_the_data_set_is_unchanged(broken, tmp_path, monkeypatch):
    write_records(broken, tmp_path / "out")
    spectrogram_generation.generate(broken, tmp_path / "images", workers=1, **IMAGES)
    before = contents(tmp_path)
    monkeypatch.setattr("common.jobs.run.worker_pool", None)
    write_records(broken, tmp_path / "out")
    spectrogram_generation.generate(broken, tmp_path / "images", workers=1, **IMAGES)
    assert contents(tmp_path) == before


def test_images_and_their_records_of_a_repaired_data_set_are_those_of_a_fresh_run(broken, tmp_path):
    """A missing file appears, a broken one is replaced, and an empty one stays as it is."""

    def make(name: str) -> None:
        images = tmp_path / name
        spectrogram_generation.generate(broken, images, workers=1, tracks_per_job=4, **IMAGES)
        TFRecord_generation.generate(
            images / "mel", tmp_path / f"{name}-records", workers=1, tracks_per_shard=4
        )

    make("out")
    assert failed(tmp_path / "out" / "mel") == {MISSING, EMPTY, NO_AUDIO}
    before = times(tmp_path / "out")
    repair(broken, MISSING, NO_AUDIO)
    make("out")
    make("fresh")
    for suffix in ("", "-records"):
        assert contents(tmp_path / f"out{suffix}") == contents(tmp_path / f"fresh{suffix}")
    assert failed(tmp_path / "out" / "mel") == failed(tmp_path / "out-records") == {EMPTY}
    images = {name: time for name, time in before.items() if name.endswith(".png")}
    assert images.items() <= times(tmp_path / "out").items()  # those that were there stay


def test_image_that_is_restored_gets_its_record(tmp_path):
    images = write_images(tmp_path / "images" / "mel")
    lost, damaged = (image_path(images, track) for track in (2, 10))
    intact = {path: path.read_bytes() for path in (lost, damaged)}
    lost.unlink()
    damaged.write_bytes(intact[damaged][:1000])
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    options = {"size": "quarter", "workers": 1, "tracks_per_shard": 4}
    TFRecord_generation.generate(images, out, **options)
    assert failed(out) == {2, 10}
    for path, content in intact.items():
        path.write_bytes(content)
    for folder in (out, fresh):
        TFRecord_generation.generate(images, folder, **options)
    assert failed(out) == set()
    assert contents(out) == contents(fresh)


def test_planned_track_without_an_image_is_a_failure_of_the_records(tmp_path):
    images = write_images(tmp_path / "images" / "mel")
    plan = pd.read_csv(images / "tracks.csv", index_col="track_id")
    write_tables(images, plan.drop([2]))
    image_path(images, 2).unlink()
    TFRecord_generation.generate(images, tmp_path / "out", size="quarter", workers=1)
    [row] = pd.read_csv(tmp_path / "out" / FAILURES).to_dict("records")
    assert (row["track_id"], row["reason"]) == (2, "no such file")
