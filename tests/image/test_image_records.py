"""Records of images: the pixels of the files or their mean, the same labels, no loss unsaid."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fma_for_tests import TINY_TRACKS
from hypothesis import given
from hypothesis import strategies as st
from images_for_tests import GENRES, HEIGHT, WIDTH, write_images
from PIL import Image

from common import cli
from common.errors import UserError
from common.fma.metadata import SPLITS
from common.jobs.journal import JOURNAL
from common.paths import PROJECT_ROOT
from common.records.shards import PLAN
from common.records.tfrecords import FAILURES, MANIFEST, Manifest
from common.tables import write_table
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_image import TFRecord_generation
from spectrogram_image.images.folder import (
    DESCRIPTION,
    ImageSet,
    image_path,
    read_tables,
    table_path,
    write_tables,
)
from spectrogram_image.images.records import ImageRecords
from spectrogram_image.images.rendering import encode_png, palette
from spectrogram_image.TFRecord_generation import default_folder, generate, reduce_levels


class ThisProcess(Executor):
    """Does the work at once: what is no matter of processes need not wait for them."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def generate_here(images: Path, out: Path, **options) -> Manifest:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.jobs.run.worker_pool", lambda _: nullcontext(ThisProcess()))
        return generate(images, out, **options)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """To be read, not changed."""
    return write_images(tmp_path_factory.mktemp("set") / "mel")


@pytest.fixture
def copied_images(images, tmp_path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "set" / "mel"))


@pytest.fixture(scope="module")
def whole(tf, images, tmp_path_factory) -> ImageRecords:
    """At the size of the images."""
    out = tmp_path_factory.mktemp("whole")
    generate_here(images, out, tracks_per_shard=4)
    return ImageRecords.open(out)


@pytest.fixture(scope="module")
def halved(tf, images, tmp_path_factory) -> ImageRecords:
    out = tmp_path_factory.mktemp("halved")
    generate_here(images, out, size="quarter", tracks_per_shard=4)
    return ImageRecords.open(out)


@pytest.fixture
def copied_records(halved, tmp_path) -> Path:
    return Path(shutil.copytree(halved.folder, tmp_path / "records"))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != JOURNAL and not path.name.startswith(".")
    }


def file_levels(folder: Path, track: int) -> np.ndarray:
    with Image.open(image_path(folder, track)) as image:
        return np.asarray(image)


def by_track(records: ImageRecords) -> dict[int, tuple[str, np.ndarray, int]]:
    """Read all splits: track → split, image, label."""
    found = {}
    for split in SPLITS:
        for features, labels, tracks in records.arrays(split):
            for image, label, track in zip(features, labels, tracks, strict=True):
                assert track not in found
                found[int(track)] = (split, image, int(label))
    return found


# --- Pixels and labels ---------------------------------------------------------------------------


def test_records_give_back_the_pixels_of_the_files(images, whole):
    found = by_track(whole)
    assert found.keys() == TINY_TRACKS.keys()
    for track, (_, image, _) in found.items():
        with Image.open(image_path(images, track)) as file:
            np.testing.assert_array_equal(image, np.asarray(file.convert("RGB")))


def test_levels_are_the_numbers_of_the_colours(images, whole):
    levels = by_track(ImageRecords.open(whole.folder, colors=False))
    for track, (_, image, _) in levels.items():
        np.testing.assert_array_equal(image[..., 0], file_levels(images, track))


def test_halved_records_are_the_rounded_mean_of_the_levels(images, halved):
    for track, (_, image, _) in by_track(halved).items():
        levels = file_levels(images, track).astype(float)
        corners = [levels[i::2, j::2] for i in (0, 1) for j in (0, 1)]
        mean = np.floor(sum(corners) / 4 + 0.5).astype(int)
        np.testing.assert_array_equal(image, palette("magma")[mean])


def test_records_have_the_split_and_the_genre_of_their_track(whole, halved):
    for records in (whole, halved):
        for track, (split, _, label) in by_track(records).items():
            assert (split, records.manifest.genres[label]) == TINY_TRACKS[track]


def test_dataframe_generator_reads_the_tables_and_gives_what_the_records_give(tf, images, whole):
    recorded = by_track(whole)
    for split in SPLITS:
        table = pd.read_csv(table_path(images, split))
        batches = tf.keras.preprocessing.image.ImageDataGenerator().flow_from_dataframe(
            table,
            directory=images,
            x_col="Pathname",
            y_col="Genre",
            classes=list(whole.manifest.genres),
            class_mode="sparse",
            target_size=(HEIGHT, WIDTH),
            batch_size=100,
            shuffle=False,
        )
        generated, labels = batches[0]
        assert batches.filenames == table["Pathname"].tolist()
        assert len(labels) == len(table)
        for track, image, label in zip(table["track_id"], generated, labels, strict=True):
            assert (split, label) == (recorded[track][0], recorded[track][2])
            np.testing.assert_array_equal(image, recorded[track][1])


@pytest.mark.parametrize("reduction", [1, 2, 4])
@given(level=st.integers(0, 255), shape=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_even_image_keeps_its_level(reduction, level, shape):
    levels = np.full([reduction * side for side in shape], level, np.uint8)
    reduced = reduce_levels(levels, reduction)
    assert (reduced.shape, reduced.dtype) == (shape, np.uint8)
    assert (reduced == level).all()


def test_means_are_rounded_with_halves_upwards():
    levels = np.array([[0, 1, 0, 0], [0, 1, 0, 1]], np.uint8)
    assert reduce_levels(levels, 2).tolist() == [[1, 0]]


# --- Reading -------------------------------------------------------------------------------------


def test_batches_have_shapes_types_and_a_known_number(tf, halved):
    batches = halved.batches("training", batch_size=5)
    features, labels = batches.element_spec
    assert (features.shape.as_list(), features.dtype) == ([None, 308, 620, 3], tf.uint8)
    assert (labels.shape.as_list(), labels.dtype) == ([None], tf.int64)
    assert batches.cardinality() == 3
    assert [len(label) for _, label in batches.as_numpy_iterator()] == [5, 5, 2]


def test_levels_have_one_channel(tf, halved):
    levels = ImageRecords.open(halved.folder, colors=False)
    features, _ = levels.batches("test", batch_size=2, cache=False).element_spec
    assert (features.shape.as_list(), features.dtype) == ([None, 308, 620, 1], tf.uint8)
    assert levels.shape == (308, 620, 1)


def test_colours_are_those_of_the_levels(halved):
    levels = ImageRecords.open(halved.folder, colors=False)
    pairs = zip(halved.arrays("test"), levels.arrays("test"), strict=False)
    for (image, *_), (level, *_) in pairs:
        shared = min(len(image), len(level))
        np.testing.assert_array_equal(image[:shared], halved.palette[level[:shared, ..., 0]])


@pytest.mark.parametrize(("count", "drawn"), [(3, 3), (100, 12)])
def test_some_draws_as_many_as_there_are(halved, count, drawn):
    features, labels = halved.some("training", count)
    assert features.shape == (drawn, 308, 620, 3)
    assert labels.shape == (drawn,)


def test_larger_images_are_read_fewer_at_a_time(whole, halved):
    levels = ImageRecords.open(whole.folder, colors=False)
    assert whole.reading_batch < levels.reading_batch
    assert whole.reading_batch < halved.reading_batch
    assert whole.reading_batch * HEIGHT * WIDTH * 3 <= 64 << 20


def test_manifest_tells_what_the_images_are(images, whole, halved):
    assert (whole.representation, halved.representation) == ("mel", "mel")
    assert whole.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(whole.palette, palette("magma"))
    parameters = halved.manifest.parameters
    assert (parameters["reduction"], parameters["seconds"]) == (2, 25.0)
    assert halved.manifest.data_set["synthetic"] is True
    assert halved.manifest.segments["test"] == {"Folk": 1, "Jazz": 2, "Rock": 1}
    assert halved.manifest.tracks == halved.manifest.segments


def test_plan_with_the_artists_stands_beside_the_records(whole):
    plan = pd.read_csv(whole.folder / PLAN, index_col="track_id")
    assert plan.index.tolist() == sorted(TINY_TRACKS)
    assert plan.loc[1014, "artist"] == "artist 1014"
    assert plan.loc[1014, "image"] == "001/001014.png"


def test_genres_that_look_like_gaps_and_numbers_stay_text(tmp_path):
    genres = ["1980", "NA", "None", "True", "nan"]
    split = [SPLITS[i % 3] for i in range(5)]
    plan = pd.DataFrame({"split": split, "genre": genres, "artist": genres}, index=range(2, 7))
    write_table(tmp_path / PLAN, plan.rename_axis("track_id").reset_index())
    write_tables(tmp_path, plan)
    read = read_tables(tmp_path, tuple(genres))
    assert read["genre"].tolist() == read["artist"].tolist() == genres
    assert read["label"].tolist() == list(range(5))


def test_records_of_the_other_stage_are_refused(halved, tmp_path):
    replace(halved.manifest, kind="constant-q").write(tmp_path)
    message = "holds 'constant-q' records, 'spectrogram-image' ones are needed"
    with pytest.raises(UserError, match=message):
        ImageRecords.open(tmp_path)
    with pytest.raises(UserError, match=r"'spectrogram-image' records, 'constant-q' .* are needed"):
        FeatureRecords.open(halved.folder)


def test_folder_without_records_is_refused(images):
    with pytest.raises(UserError, match="holds no finished records"):
        ImageRecords.open(images)


# --- Damage --------------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    levels = np.zeros((HEIGHT, WIDTH), np.uint8)
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        # In the last row, which Pillow takes before it compares a checksum, and where noise would
        # not be compressed.
        content = encode_png(np.random.default_rng(0).integers(0, 8, levels.shape, np.uint8))
        path.write_bytes(content[:-23] + bytes([content[-23] ^ 1]) + content[-22:])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "of another colour map":
        path.write_bytes(encode_png(levels, "gray"))
    elif how == "of another size":
        path.write_bytes(encode_png(levels[:-1]))
    else:
        file = io.BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT)).save(file, how)
        path.write_bytes(file.getvalue())


DAMAGES = {
    2: ("missing", "no such file"),
    10: ("cut short", "is not a PNG file, or is damaged"),
    13: ("changed", "is not a PNG file, or is damaged"),
    1014: ("empty", "is not a PNG file, or is damaged"),
    30: ("of another colour map", "has other colours than the images of its folder"),
    31: ("of another size", "has 1240 × 615 pixels, not 1240 × 616"),
    40: ("PNG", "has other colours than the images of its folder"),
    41: ("BMP", "is not a PNG file, or is damaged"),
}


def test_damaged_image_costs_itself_only_and_is_listed(tf, copied_images, tmp_path):
    for track, (how, _) in DAMAGES.items():
        damage(image_path(copied_images, track), how)
    manifest = generate_here(copied_images, tmp_path / "out", size="quarter")
    failures = pd.read_csv(tmp_path / "out" / FAILURES, index_col="track_id")
    assert failures.index.tolist() == sorted(DAMAGES)
    for track, row in failures.iterrows():
        assert row["reason"].startswith(DAMAGES[track][1])
        assert (row["split"], row["genre"]) == TINY_TRACKS[track]
    found = by_track(ImageRecords.open(tmp_path / "out"))
    assert found.keys() == TINY_TRACKS.keys() - DAMAGES.keys()
    counts = {split: sum(manifest.segments[split].values()) for split in SPLITS}
    assert counts == {"training": 8, "validation": 2, "test": 2}


def test_split_whose_images_are_all_gone_is_empty(copied_images, tmp_path):
    empty = pd.read_csv(table_path(copied_images, "validation")).head(0)
    empty.to_csv(table_path(copied_images, "validation"), index=False)
    manifest = generate_here(copied_images, tmp_path / "out", size="quarter")
    assert manifest.segments["validation"] == {}
    with pytest.raises(UserError, match="no records of the validation split"):
        ImageRecords.open(tmp_path / "out").batches("validation", batch_size=2)


def test_without_any_training_image_there_are_no_records(copied_images, tmp_path):
    for path in copied_images.rglob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match=r"no training track of .*mel could be read: see "):
        generate_here(copied_images, tmp_path / "out")
    assert not (tmp_path / "out" / MANIFEST).exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("TEST_metadata.csv", None, "TEST_metadata.csv is missing"),
        (PLAN, None, f"{PLAN} is missing"),
        (PLAN, "track_id,artist\n", "tables .* are damaged"),
        ("TEST_metadata.csv", "", "tables .* are damaged"),
        ("TEST_metadata.csv", "a,b\n1,2\n", "tables .* are damaged"),
        ("TEST_metadata.csv", "Pathname,Genre,track_id\nx,Polka,40\n", "tables .* are damaged"),
        ("TEST_metadata.csv", "Pathname,Genre,track_id\nx,Rock,\n", "tables .* are damaged"),
        ("TEST_metadata.csv", "Pathname,Genre,track_id\n,Rock,40\n", "tables .* are damaged"),
        ("TEST_metadata.csv", "Pathname,Genre,track_id\nx,Rock,2\n", "tables .* are damaged"),
    ],
)
def test_tables_that_are_not_as_they_were_written_are_refused(
    copied_images, name, content, message
):
    path = copied_images / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_tables(copied_images, GENRES)


# --- Runs ----------------------------------------------------------------------------------------


def test_bytes_do_not_depend_on_the_number_of_workers(images, halved, tmp_path):
    generate(images, tmp_path, size="quarter", workers=2, tracks_per_shard=4)
    expected = contents(halved.folder)
    assert len(expected) == 9  # shards, manifest, card, plan and failures
    assert contents(tmp_path) == expected


def test_shards_that_were_deleted_or_cut_are_made_again(images, halved, copied_records):
    shards = sorted(copied_records.glob("*.tfrecord"))
    times = {path: path.stat().st_mtime_ns for path in shards}
    shards[0].unlink()
    shards[-1].write_bytes(b"cut")
    generate_here(images, copied_records, size="quarter", tracks_per_shard=4)
    assert contents(copied_records) == contents(halved.folder)
    untouched = [path for path in shards if path.stat().st_mtime_ns == times[path]]
    assert untouched == shards[1:-1]


def test_other_size_into_the_same_folder_is_refused(images, copied_records):
    before = contents(copied_records)
    message = "made with other settings .*parameters.height was 308, now 616"
    with pytest.raises(UserError, match=message):
        generate(images, copied_records, tracks_per_shard=4)
    assert contents(copied_records) == before


def test_other_images_into_the_same_folder_are_refused(copied_images, copied_records):
    table = pd.read_csv(table_path(copied_images, "training"))
    table.tail(-1).to_csv(table_path(copied_images, "training"), index=False)
    with pytest.raises(UserError, match=r"made with other settings .*tracks was"):
        generate(copied_images, copied_records, size="quarter", tracks_per_shard=4)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (
            "full",
            r"images of 1240 × 616 pixels cannot be reduced to 2480 × 1232: .*quarter, eighth",
        ),
        ("tiny", "unknown size 'tiny': choose one of full, half, quarter, eighth"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(images, tmp_path, size, message):
    with pytest.raises(UserError, match=message):
        generate(images, tmp_path / "out", size=size)
    assert not (tmp_path / "out").exists()


# --- As a command --------------------------------------------------------------------------------


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code and what it prints."""
    monkeypatch.setattr(sys, "argv", ["TFRecord_generation", *arguments])
    code = 0
    try:
        cli.run_command(TFRecord_generation.main)
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command_writes_the_records_and_says_what_they_hold(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    code, out, _ = run(monkeypatch, capsys, str(images), "--size", "quarter", "--workers", "1")
    assert code == 0
    folder = default_folder(images, "quarter")
    assert folder == tmp_path / "records" / f"{images.parent.name}-mel-quarter"
    assert "Data set: noise" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["training", "12", "images", "of", "12", "tracks", "in", "1", "shard(s)"] in lines
    assert "0 images skipped" in out
    assert json.loads((folder / MANIFEST).read_text())["mapping"] == "all"
    assert Manifest.read(folder, "spectrogram-image").versions["librosa"] == "0"


def test_help_teaches(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "--help")
    assert (code, err) == (0, "")
    for words in ("IMAGES/KIND", "--size", "--out", "--workers", "examples:", "0.76 MB at half"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere holds no finished images of one kind"),
        (["IMAGES", "--size", "full"], "cannot be reduced to 2480 × 1232"),
        (["IMAGES", "--workers", "0"], "workers = 0: at least 1"),
        (["SET"], "choose one of the folders in it: mel"),
    ],
)
def test_mistake_costs_one_line_and_code_1(
    images, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    places = {"IMAGES": str(images), "SET": str(images.parent)}
    code, _, err = run(monkeypatch, capsys, *(places.get(a, a) for a in arguments))
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_readers_need_no_tensorflow_until_they_read():
    code = (
        "import sys, spectrogram_image.TFRecord_generation, spectrogram_image.images.records, "
        "spectrogram_image.spectrogram_generation; "
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_description_that_is_damaged_is_refused(copied_images):
    path = copied_images / DESCRIPTION
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"palette": "no colours"}))
    with pytest.raises(UserError, match="does not describe images of this project"):
        ImageSet.read(copied_images)
