"""Images of a data set: which there are, what they show, and that a run can be taken up again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fma_for_tests import EMPTY, MISSING, NO_AUDIO, PADDED, TINY_TRACKS, write_tracks_csv
from PIL import Image

from common import cli
from common.errors import UserError
from common.fma.audio import read_audio, read_recording
from common.fma.dataset import Dataset, get_audio_path
from common.fma.metadata import SPLITS
from common.jobs.journal import JOURNAL
from common.paths import PROJECT_ROOT
from common.records.shards import PLAN
from common.records.tfrecords import FAILURES
from spectrogram_image import spectrogram_generation
from spectrogram_image.convert import KINDS, convert
from spectrogram_image.images import jobs
from spectrogram_image.images.folder import (
    DESCRIPTION,
    ImageParameters,
    ImageSet,
    image_path,
    is_whole,
    table_path,
)
from spectrogram_image.images.jobs import Task, draw_images
from spectrogram_image.images.rendering import SIZES, palette, render, render_indices
from spectrogram_image.spectrogram_generation import default_folder, generate, summary

ENDS_EARLY = (2, 3, 5)
"""Tracks of 10 s."""

OPTIONS = {"size": "quarter", "seconds": 12.0, "sample_rate": 16_000, "tracks_per_job": 4}
"""Cheap: no track of the tiny data set needs resampling."""

TWO_KINDS = ("log", "mel")

FAILED = {*ENDS_EARLY, MISSING, EMPTY, NO_AUDIO}

PARAMETERS = ImageParameters(*SIZES["quarter"], seconds=12.0, sample_rate=16_000, cmap="magma")


@pytest.fixture(scope="session")
def tiny_images(tiny_fma, tmp_path_factory) -> Path:
    """Images of two kinds; to be read, not changed."""
    out = tmp_path_factory.mktemp("images")
    generate(tiny_fma, out, kinds=TWO_KINDS, workers=1, **OPTIONS)
    return out


@pytest.fixture
def copied_images(tiny_images, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_images, tmp_path / "images"))


def contents(folder: Path) -> dict[str, str]:
    """Hash what readers see of a folder; the journal tells the order in which work was done."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != JOURNAL
    }


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.png"))}


def task(out: Path, dataset: Dataset, *tracks: int, kinds=TWO_KINDS, seconds=12.0) -> Task:
    parameters = ImageParameters(*SIZES["quarter"], seconds, 16_000, "magma")
    return Task(out, dataset.audio_dir, parameters, tuple(kinds), tracks)


# --- What there is -------------------------------------------------------------------------------


def test_every_track_that_can_be_had_has_an_image_of_each_kind(tiny_images):
    for kind in TWO_KINDS:
        found = sorted((tiny_images / kind).rglob("*.png"))
        expected = [image_path(tiny_images / kind, track) for track in TINY_TRACKS]
        assert found == sorted(path for path in expected if int(path.stem) not in FAILED)
    assert image_path(tiny_images / "mel", 1014).relative_to(tiny_images) == Path(
        "mel/001/001014.png"
    )


@pytest.mark.parametrize("kind", TWO_KINDS)
def test_image_shows_the_beginning_of_the_track(tiny_fma, tiny_images, kind):
    samples = read_audio(get_audio_path(tiny_fma.audio_dir, 41), sr=16_000, duration=12.0)
    expected = render(convert(samples, 16_000, kind), SIZES["quarter"])
    with Image.open(image_path(tiny_images / kind, 41)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)


def test_track_that_ends_a_moment_early_is_completed_by_silence(tiny_fma, tmp_path):
    done = draw_images(task(tmp_path, tiny_fma, PADDED, kinds=["mel"], seconds=30.0))
    assert done["failures"] == []
    samples = read_audio(get_audio_path(tiny_fma.audio_dir, PADDED), sr=16_000)
    assert 29.9 * 16_000 <= samples.size < 30 * 16_000
    samples = np.pad(samples, (0, 30 * 16_000 - samples.size))
    with Image.open(image_path(tmp_path / "mel", PADDED)) as image:
        expected = render_indices(convert(samples, 16_000, "mel"), SIZES["quarter"])
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_tables_list_the_images_of_each_split(tiny_images):
    for kind in TWO_KINDS:
        listed = {}
        for split in SPLITS:
            table = pd.read_csv(table_path(tiny_images / kind, split))
            assert list(table.columns) == ["Pathname", "Genre", "track_id"]
            for row in table.itertuples():
                assert is_whole(tiny_images / kind / row.Pathname)
                assert row.Pathname == f"{row.track_id:06d}"[:3] + f"/{row.track_id:06d}.png"
                listed[row.track_id] = (split, row.Genre)
        assert listed == {t: row for t, row in TINY_TRACKS.items() if t not in FAILED}


def test_tables_have_the_names_that_were_promised(tiny_images):
    names = sorted(path.name for path in (tiny_images / "mel").glob("*.csv"))
    promised = ["TRAIN_metadata.csv", "VALIDATION_metadata.csv", "TEST_metadata.csv"]
    assert names == sorted([*promised, FAILURES, PLAN])


def test_failures_tell_each_track_that_is_missing_and_why(tiny_images):
    for kind in TWO_KINDS:
        failures = pd.read_csv(tiny_images / kind / FAILURES, index_col="track_id")
        assert failures.index.tolist() == sorted(FAILED)
        assert failures.loc[MISSING, "reason"] == "no such file"
        assert failures.loc[EMPTY, "reason"] == "the file is empty"
        assert failures.loc[NO_AUDIO, "reason"] == "is no audio, or damaged beyond decoding"
        for track in ENDS_EARLY:
            reason = failures.loc[track, "reason"]
            assert reason.startswith("ends at 10.")
            assert reason.endswith("11.90 s are needed")
        for track, row in failures.iterrows():
            assert (row["split"], row["genre"]) == TINY_TRACKS[track]


def test_description_tells_what_the_images_are(tiny_images):
    images = ImageSet.read(tiny_images / "log")
    assert images.kind == "log"
    assert images.parameters == PARAMETERS
    assert images.genres == ("Folk", "Jazz", "Rock")
    assert images.images == {"training": 7, "validation": 3, "test": 4}
    assert bytes.fromhex(images.palette) == palette("magma").tobytes()
    assert images.data_set["synthetic"] is False
    assert "librosa" in images.versions


def test_summary_counts_images_and_losses(tiny_fma, tiny_images):
    sets = {kind: ImageSet.read(tiny_images / kind) for kind in TWO_KINDS}
    lines = summary(sets, tiny_images).splitlines()
    assert lines[0] == f"Images in {tiny_images}"
    assert lines[2].split()[:2] == ["mel", "7"]
    assert f"6 skipped: {tiny_images / 'mel' / FAILURES}" in lines[2]


def test_default_folder_names_data_set_size_and_other_genres(tiny_fma):
    assert default_folder(tiny_fma).name == f"{tiny_fma.name}-full"
    assert default_folder(tiny_fma, "half", "merged").name == f"{tiny_fma.name}-half-merged"


# --- Jobs ----------------------------------------------------------------------------------------


def test_track_is_decoded_once_for_all_its_images(tiny_fma, tmp_path, monkeypatch):
    decoded = []

    def counting(path, sr, **options):
        decoded.append(int(path.stem))
        return read_recording(path, sr, **options)

    monkeypatch.setattr(jobs, "read_recording", counting)
    kinds = ("log", "mel", "log-mel", "cqt")
    done = draw_images(task(tmp_path, tiny_fma, 30, MISSING, 31, kinds=kinds))
    assert decoded == [30, MISSING, 31]
    assert sorted(done["files"]) == sorted(f"{k}/000/0000{t}.png" for k in kinds for t in (30, 31))
    assert [tuple(failed[:2]) for failed in done["failures"]] == [(MISSING, k) for k in kinds]


def test_only_images_that_are_missing_or_cut_are_made(tiny_fma, tmp_path):
    work = task(tmp_path, tiny_fma, 30, 31, 32)
    done = draw_images(work)
    before = contents(tmp_path), times(tmp_path)
    gone, cut = image_path(tmp_path / "mel", 30), image_path(tmp_path / "log", 31)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-5])
    assert draw_images(work) == done
    assert contents(tmp_path) == before[0]
    changed = {path for path, time_ in times(tmp_path).items() if before[1][path] != time_}
    assert changed == {gone, cut}


def test_a_new_kind_needs_only_its_line_in_the_registry(tiny_fma, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "new", KINDS["mel"])
    job = task(tmp_path, tiny_fma, 40, kinds=("new",))
    assert job.size > 0
    assert draw_images(job)["failures"] == []


def test_image_stays_where_its_audio_has_gone(tiny_fma, tmp_path):
    audio = Path(shutil.copytree(tiny_fma.root, tmp_path / "fma"))
    dataset = Dataset(audio, "medium", is_demo=False)
    out = tmp_path / "images"
    draw_images(task(out, dataset, 30, kinds=["mel"]))
    get_audio_path(dataset.audio_dir, 30).unlink()
    done = draw_images(task(out, dataset, 30))
    assert list(done["files"]) == ["mel/000/000030.png"]
    assert done["failures"] == [(30, "log", "no such file")]


def test_file_without_an_end_is_not_whole(tiny_images, tmp_path):
    whole = image_path(tiny_images / "mel", 30).read_bytes()
    assert is_whole(image_path(tiny_images / "mel", 30))
    for content in (b"", whole[:8], whole[:-1], whole[:-12]):
        (tmp_path / "cut.png").write_bytes(content)
        assert not is_whole(tmp_path / "cut.png")
    assert not is_whole(tmp_path / "missing.png")


# --- Runs ----------------------------------------------------------------------------------------


def test_finished_images_stay_and_a_kind_can_be_added(tiny_fma, tiny_images, copied_images):
    before = times(copied_images)
    half_written = copied_images / "mel" / "000" / ".000002.png.99.tmp"
    half_written.write_bytes(b"half")
    sets = generate(tiny_fma, copied_images, kinds=["log-mel", "mel"], workers=1, **OPTIONS)
    assert list(sets) == ["mel", "log-mel"]
    assert before.items() <= times(copied_images).items()
    assert not half_written.exists()
    for kind in TWO_KINDS:
        assert contents(copied_images / kind) == contents(tiny_images / kind)
    tables = [pd.read_csv(table_path(copied_images / kind, "test")) for kind in ("log-mel", "mel")]
    pd.testing.assert_frame_equal(*tables)
    assert ImageSet.read(copied_images / "log-mel").kind == "log-mel"


def test_second_run_starts_no_worker(tiny_fma, copied_images, monkeypatch):
    monkeypatch.setattr("common.jobs.run.worker_pool", None)
    before = contents(copied_images)
    generate(tiny_fma, copied_images, kinds=TWO_KINDS[::-1], workers=1, **OPTIONS)
    assert contents(copied_images) == before


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seconds": 25}, "parameters.seconds was 12.0, now 25.0"),
        ({"size": "half"}, "parameters.height was 308, now 616"),
        ({"sample_rate": 48_000}, "parameters.sample_rate was 16000, now 48000"),
        ({"cmap": "gray"}, 'parameters.cmap was "magma", now "gray"'),
        ({"mapping": "merged"}, 'genres was .*"Jazz".* now .*"Blues-Jazz-Soul"'),
    ],
)
def test_other_settings_into_the_same_folder_are_refused(
    tiny_fma, copied_images, options, difference
):
    before = contents(copied_images)
    with pytest.raises(UserError, match=f"made with other settings .*{difference}"):
        generate(tiny_fma, copied_images, kinds=["log-mel"], **OPTIONS | options)
    assert contents(copied_images) == before


def test_images_that_no_journal_tells_the_settings_of_are_not_taken(tiny_fma, copied_images):
    (copied_images / JOURNAL).unlink()
    before = contents(copied_images)
    with pytest.raises(UserError, match=r"log exists, but .* the record of its settings, does not"):
        generate(tiny_fma, copied_images, kinds=["cqt"], **OPTIONS)
    assert contents(copied_images) == before
    assert not (copied_images / JOURNAL).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["mel", "mfcc"]}, "unknown representation 'mfcc': choose from linear, log"),
        ({"kinds": []}, "no kind of images given"),
        ({"size": "tiny"}, "unknown size 'tiny': choose one of full, half, quarter, eighth"),
        ({"seconds": 0.5}, "seconds = 0.5 must be 1 or more"),
        ({"seconds": float("nan")}, "seconds = nan must be 1 or more"),
        ({"sample_rate": 8000}, "sample rate = 8000 must be 11025 or more"),
        ({"cmap": "magna"}, "unknown colour map 'magna'"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(tiny_fma, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        generate(tiny_fma, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_data_set_without_any_audio_is_refused_and_the_reasons_are_kept(tmp_path):
    columns = [("set", "split"), ("track", "genre_top"), ("set", "subset")]
    rows = (
        (track, dict(zip(columns, (*row, "small"), strict=True)))
        for track, row in TINY_TRACKS.items()
    )
    write_tracks_csv(tmp_path / "fma" / "fma_metadata" / "tracks.csv", rows)
    dataset = Dataset(tmp_path / "fma", "small", is_demo=False)
    with pytest.raises(UserError, match=r"no training track .*failures.csv"):
        generate(dataset, tmp_path / "out", kinds=["mel"], workers=1)
    assert set(pd.read_csv(tmp_path / "out" / "mel" / FAILURES)["reason"]) == {"no such file"}
    assert not (tmp_path / "out" / "mel" / DESCRIPTION).exists()


def test_killed_halfway_the_next_run_makes_only_what_is_missing_with_any_number_of_workers(
    tiny_fma, tiny_images, tmp_path
):
    code = (
        "from fma_utils import find_dataset; "
        "from spectrogram_image.spectrogram_generation import generate; "
        f"generate(find_dataset({str(tiny_fma.root)!r}), {str(tmp_path)!r}, "
        f"kinds={TWO_KINDS!r}, workers=1, **{OPTIONS!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.rglob("[0-9]*.png"))) < 9:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = times(tmp_path)
    assert len(before) < 28
    assert not list(tmp_path.rglob(DESCRIPTION))

    generate(tiny_fma, tmp_path, kinds=TWO_KINDS, workers=2, **OPTIONS)
    assert contents(tmp_path) == contents(tiny_images)
    assert before.items() <= times(tmp_path).items()


# --- What stands beside the images ---------------------------------------------------------------


def test_folder_of_all_kinds_names_those_in_it(tiny_images):
    message = r"no finished images of one kind .*choose one of the folders in it: log, mel"
    with pytest.raises(UserError, match=message):
        ImageSet.read(tiny_images)


def test_folder_without_images_says_how_to_make_them(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=r"python -m spectrogram_image\.spectrogram_generation"):
            ImageSet.read(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '{"parameters": 1}'])
def test_what_does_not_describe_images_is_refused(tmp_path, content):
    (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(UserError, match="does not describe images of this project"):
        ImageSet.read(tmp_path)


def test_description_comes_back_as_it_was_written(tiny_images, tmp_path):
    images = ImageSet.read(tiny_images / "mel")
    images.write(tmp_path)
    assert ImageSet.read(tmp_path) == images
    assert json.loads((tmp_path / DESCRIPTION).read_text())["kind"] == "mel"


# --- As a command --------------------------------------------------------------------------------


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code and what it prints."""
    monkeypatch.setattr(sys, "argv", ["spectrogram_generation", *arguments])
    code = 0
    try:
        cli.run_command(spectrogram_generation.main)
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command_makes_the_images_that_are_asked_for(tiny_fma, copied_images, monkeypatch, capsys):
    code, out, _ = run(
        monkeypatch, capsys, "--root", str(tiny_fma.root), "--kinds", "mel", "log",
        "--size", "quarter", "--seconds", "12", "--sample-rate", "16000", "--workers", "1",
        "--out", str(copied_images),
    )  # fmt: skip
    assert code == 0
    assert f"Data set: {tiny_fma.root.name.replace('_', ' ')} (medium)" in out
    assert f"Images in {copied_images}" in out
    assert "7 training, 3 validation, 4 test; 6 skipped" in out


def test_all_means_every_kind(tiny_fma, tmp_path, monkeypatch, capsys):
    asked = {}

    def remember(*_, **options):
        asked.update(options)
        return {}

    monkeypatch.setattr(spectrogram_generation, "generate", remember)
    root, out = str(tiny_fma.root), str(tmp_path)
    assert run(monkeypatch, capsys, "--root", root, "--out", out, "--kinds", "all")[0] == 0
    assert asked["kinds"] == tuple(KINDS)
    assert asked["size"] == "full"
    assert (asked["seconds"], asked["sample_rate"]) == (25.0, 48_000)


def test_module_is_a_command_whose_help_teaches():
    done = subprocess.run(
        [sys.executable, "-m", "spectrogram_image.spectrogram_generation", "--help"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    for words in ("--kinds", "--size", "--seconds", "--genres", "--workers", "default: 48000"):
        assert words in done.stdout
    for words in ("examples:", "TRAIN_metadata.csv", "2.1 MB of disk", "(default: log mel log-mel"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", "nowhere"], "no data set in nowhere"),
        (["--root", "TINY", "--seconds", "0"], "seconds = 0.0 must be 1 or more"),
        (["--root", "TINY", "--out", "README"], "README: a file exists where a folder is needed"),
        (["--root", "TINY", "--out", "new", "--workers", "0"], "workers = 0: at least 1"),
    ],
)
def test_mistake_costs_one_line_and_code_1(
    tiny_fma, tmp_path, monkeypatch, capsys, arguments, message
):
    (tmp_path / "README").touch()
    places = {"TINY": str(tiny_fma.root)}
    places |= {name: str(tmp_path / name) for name in ("README", "new")}
    code, out, err = run(monkeypatch, capsys, *(places.get(a, a) for a in arguments))
    assert code == 1
    assert out.count("\n") <= 1  # which data set is used
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_kind_that_there_is_not_ends_with_code_2(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "--kinds", "mfcc")[0] == 2


def test_a_kind_without_a_measured_size_reserves_that_of_the_largest(tmp_path):
    def size(*kinds):
        return Task(tmp_path, tmp_path, PARAMETERS, kinds, (2, 5)).size

    assert size("a kind of one's own") == max(size(kind) for kind in KINDS)
