"""Features that were computed elsewhere become records that stage 2 takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults_for_tests import command, run
from PIL import Image

from common.errors import UserError
from common.evaluation.baselines import svm
from common.evaluation.cross_validation import cross_validate, make_folds
from common.evaluation.judging import judge_on_test
from common.records.segments import Segments
from common.training.options import TrainingOptions
from spectrogram_feature import import_features
from spectrogram_feature.features.records import FeatureRecords

TRACKS, FRAMES, BINS = 36, 24, 12
SHARED = Path(__file__).parents[3] / "shared" / "fma_small_mel"


def generate(*arguments, **options):
    return import_features.generate(*arguments, workers=1, **options)


def write_table(path, *, split=True, artist=True):
    """36 tracks from 100 on: two genres in turn, four tracks an artist."""
    ids = np.arange(100, 100 + TRACKS)
    table = pd.DataFrame({"track_id": ids, "genre": np.where(ids % 2, "Odd", "Even")})
    if split:
        table["split"] = np.select([ids < 124, ids < 130], ["training", "validation"], "test")
    if artist:
        table["artist"] = "artist " + pd.Series(ids // 4).astype(str)
    table.to_csv(path, index=False)
    return ids


def make_arrays(ids, dtype=np.uint8):
    """Noise whose upper bins are louder in odd tracks."""
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 120, (len(ids), FRAMES, BINS))
    arrays[ids % 2 == 1, :, BINS // 2 :] += 100
    return arrays.astype(dtype)


@pytest.fixture
def source(tmp_path):
    """A folder of one .npy file a track, in FMA's layout, with a table."""
    folder = tmp_path / "source"
    (folder / "000").mkdir(parents=True)
    ids = write_table(folder / "tracks.csv")
    for track, array in zip(ids, make_arrays(ids), strict=True):
        np.save(folder / f"000/{track:06d}.npy", array)
    return folder


def read_all(folder) -> dict[int, np.ndarray]:
    segments = Segments.read(FeatureRecords.open(folder))
    return {track: segments.of(np.array([track])).features for track in segments.track_id.tolist()}


def test_arrays_become_records_unchanged(tf, source, tmp_path):
    manifest, notes = generate(source, tmp_path / "out", title="mine", unit="sone", seconds=6)
    assert notes == []
    assert manifest.kind == "imported"
    assert manifest.parameters["unit"] == "sone"
    assert manifest.data_set["title"] == "mine"
    records = FeatureRecords.open(tmp_path / "out")
    assert records.shape == (FRAMES, BINS)
    assert records.parameters.hop_seconds == 0.25
    stored, ids = read_all(tmp_path / "out"), np.arange(100, 100 + TRACKS)
    for track, array in zip(ids, make_arrays(ids), strict=True):
        np.testing.assert_array_equal(stored[track], array[None])


def test_all_layouts_give_the_same_records(tf, source, tmp_path):
    ids = write_table(tmp_path / "tracks.csv")
    arrays = make_arrays(ids)
    np.savez(tmp_path / "one.npz", ids=ids, features=arrays)
    np.savez(tmp_path / "named.npz", **{str(i): a for i, a in zip(ids, arrays, strict=True)})
    pictures, bins_first = tmp_path / "pictures", tmp_path / "bins_first"
    pictures.mkdir()
    bins_first.mkdir()
    for track, array in zip(ids, arrays, strict=True):
        Image.fromarray(array.T[::-1].copy()).save(pictures / f"{track}.png")
        np.save(bins_first / f"{track}.npy", array.T)
    table = {"metadata": tmp_path / "tracks.csv"}
    expected = source / "out"
    generate(source, expected, tracks_per_shard=7)
    for name in ("one.npz", "named.npz", "pictures", "bins_first"):
        out, options = tmp_path / f"from {name}", {"bins_first": name == "bins_first"}
        generate(tmp_path / name, out, **table, **options, tracks_per_shard=7)
        for shard in expected.glob("*.tfrecord"):
            assert shard.read_bytes() == (out / shard.name).read_bytes(), name


def test_repeated_ids_are_segments_of_a_track(tf, tmp_path):
    ids = write_table(tmp_path / "tracks.csv")
    arrays = make_arrays(np.tile(ids, 2))
    np.savez(tmp_path / "one.npz", ids=np.tile(ids, 2), features=arrays)
    generate(tmp_path / "one.npz", tmp_path / "out")
    np.testing.assert_array_equal(read_all(tmp_path / "out")[103], arrays[[3, 3 + TRACKS]])


def test_floats_are_scaled_from_a_stated_range(tf, source, tmp_path):
    for path in source.glob("000/*.npy"):
        np.save(path, np.load(path) / np.float32(255) * 80 - 80)
    with pytest.raises(UserError, match=r"float32, with values from -80 to -?\d.* --range -80 0"):
        generate(source, tmp_path / "out")
    with pytest.raises(UserError, match="state a range that contains them"):
        generate(source, tmp_path / "out", limits=(0, 1))
    generate(source, tmp_path / "out", limits=(-80, 0), unit="dB")
    ids = np.arange(100, 100 + TRACKS)
    for track, array in zip(ids, make_arrays(ids), strict=True):
        np.testing.assert_array_equal(read_all(tmp_path / "out")[track], array[None])


def test_a_bad_array_costs_itself_only(tf, source, tmp_path):
    at = source / "000"
    np.save(at / "000100.npy", np.full((FRAMES, BINS), 7, np.uint8))
    np.save(at / "000101.npy", np.zeros((FRAMES + 1, BINS), np.uint8))
    (at / "000102.npy").write_bytes(b"\x93NUMPY and no more")
    values = np.random.default_rng(0).random((FRAMES, BINS))
    np.save(at / "000103.npy", np.where(values < 0.01, np.nan, values))
    np.save(at / "000104.npy", values + 255)
    np.save(at / "000105.npy", np.array([{"a": "pickle"}], dtype=object), allow_pickle=True)
    np.save(at / "000106.npy", values[0])
    (at / "000107.npy").unlink()
    np.save(at / "notes.npy", values)
    np.save(at / "999.npy", values)
    manifest, notes = generate(source, tmp_path / "out")
    assert notes == [
        f"1 arrays of tracks without genre or split in {source / 'tracks.csv'} are left out",
        "1 files are not named after a track id: 000/notes.npy …",
    ]
    assert sum(manifest.tracks["training"].values()) == 24 - 8
    failures = pd.read_csv(tmp_path / "out" / "failures.csv").set_index("track_id")["reason"]
    assert failures[100] == "is flat: all values of a segment are equal"
    assert failures[101] == "has the shape (25, 12), not (24, 12)"
    assert failures[102].startswith("cannot be read")
    assert failures[103] == "has NaN or infinity"
    assert failures[104] == "has values from 255 to 256, outside the range from 0 to 255"
    assert "pickle" in failures[105]
    assert failures[106] == "has the shape (12,), not (frames, bins)"
    assert len(failures) == 7


def test_a_mended_array_is_read_again(tf, source, tmp_path):
    path = source / "000/000100.npy"
    good = path.read_bytes()
    path.write_bytes(b"")
    generate(source, tmp_path / "out")
    path.write_bytes(good)
    manifest, _ = generate(source, tmp_path / "out")
    assert sum(manifest.tracks["training"].values()) == 24


def test_other_features_or_settings_are_refused_in_the_same_folder(tf, tmp_path):
    ids = write_table(tmp_path / "tracks.csv")
    np.savez(tmp_path / "one.npz", ids=ids, features=make_arrays(ids))
    generate(tmp_path / "one.npz", tmp_path / "out")
    np.savez(tmp_path / "one.npz", ids=ids, features=255 - make_arrays(ids))
    with pytest.raises(UserError, match="crc32c"):
        generate(tmp_path / "one.npz", tmp_path / "out")
    generate(tmp_path / "one.npz", tmp_path / "elsewhere")  # not what was read before
    np.testing.assert_array_equal(read_all(tmp_path / "elsewhere")[100], 255 - make_arrays(ids)[:1])


def colours(folder, ids):
    Image.new("RGB", (FRAMES, BINS), "red").save(folder / f"{ids[0]}.png")


def twice(folder, ids):
    np.save(folder / f"{ids[0]}.npy", np.eye(4))
    np.save(folder / f"0{ids[0]}.npy", np.eye(4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder, ids: None, "no .npy file or picture named after a track id"),
        (lambda folder, ids: np.save(folder / "7.npy", np.eye(4)), "none of the 1 tracks is in"),
        (lambda folder, ids: np.save(folder / f"{ids[0]}.npy", np.eye(4)), "no validation track"),
        (colours, "in colours .*import_images"),
        (twice, "two arrays of track 100"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_used_is_one_line(tmp_path, make, message):
    folder = tmp_path / "source"
    folder.mkdir()
    ids = write_table(folder / "tracks.csv")
    make(folder, ids)
    subset = {}
    if make is colours:  # tracks of the other splits, so that the picture is what is wrong
        for track in ids[1:]:
            colours(folder, [track])
    with pytest.raises(UserError, match=message):
        generate(folder, tmp_path / "out", **subset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ids": [1, 2], "features": np.zeros((3, 4, 4))}, "'ids' must be 3 whole numbers"),
        ({"ids": ["a"], "features": np.zeros((1, 4, 4))}, "'ids' must be 1 whole numbers"),
        ({"ids": [1], "features": np.array([{}])}, "is no .npz file, or is damaged .*pickle"),
        ({"x": [1]}, "neither the arrays 'ids' and 'features' .* it has x"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path, content, message):
    write_table(tmp_path / "tracks.csv")
    np.savez(tmp_path / "one.npz", **{name: np.asarray(array) for name, array in content.items()})
    with pytest.raises(UserError, match=message):
        generate(tmp_path / "one.npz", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track_id,genre,artist\n100,a,b\n101,c,d\n", "no artist is in the split"),
        ("track_id,title\n100,a\n", "has no column 'genre'"),
        ("track_id,genre\n100,a\n100,a\n", "has the track 100 twice"),
        ("track_id,genre\nx,a\n", "is no table of tracks"),
        ("track_id,genre,split\n100,a,train\n", "has the split 'train'"),
        ("", "tracks.csv"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(source, tmp_path, text, message):
    (source / "tracks.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        generate(source, tmp_path / "out")


def test_splits_are_made_by_artist_or_with_a_warning_by_track(tf, source, tmp_path):
    write_table(source / "tracks.csv", split=False)
    _, notes = generate(source, tmp_path / "by artist")
    assert notes == ["splits were made by artist"]
    plan = FeatureRecords.open(tmp_path / "by artist").plan()
    assert plan.groupby("artist")["split"].nunique().max() == 1
    write_table(source / "tracks.csv", split=False, artist=False)
    _, notes = generate(source, tmp_path / "by track")
    assert notes[0].startswith("warning: the table has neither splits nor artists")


def test_stage_2_works_on_imported_features(tf, source, tmp_path):
    from spectrogram_feature import training
    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.saliency.integrated_gradients import Saliency

    generate(source, tmp_path / "out", origin="noise")
    records = training.open_records(tmp_path / "out", ["texture"])
    options = TrainingOptions(epochs=3, batch_size=8, augment="LB")
    run = training.train_model(records, "texture", folder=tmp_path / "model", options=options)
    assert len(judge_on_test(run, records)[1].by_track().label) == 6
    segments = Segments.read(records)
    result, _ = cross_validate(svm, records, segments, make_folds(records.plan(), 3))
    assert result.scores.track_accuracy.value == 1
    assert Saliency(run.model, segments.features[:4]).network.input_shape == (None, FRAMES, BINS)
    message = r"imported features \(noise\), which cannot be computed from audio"
    with pytest.raises(UserError, match=message):
        GenreClassifier.load(tmp_path / "model" / "model.keras")


def test_the_command_teaches_and_imports(source, tmp_path):
    ended = run(
        [*command("spectrogram_feature.import_features", source, "--out", tmp_path / "out")]
    )
    assert ended.returncode == 0, ended.stderr
    assert "24 frames × 12 bins; levels 0 to 255 are 0 to 255 level" in ended.stdout
    assert "training        24 segments" in ended.stdout
    ended = run([*command("spectrogram_feature.import_features", tmp_path / "nothing")])
    assert ended.returncode == 1
    assert (
        ended.stderr.strip()
        == f"error: {tmp_path / 'nothing'} is missing: name a folder, or an .npz file"
    )


@pytest.mark.skipif(not SHARED.exists(), reason="needs the pictures of FMA small")
def test_pictures_of_the_fma_have_high_frequencies_last(tmp_path):
    from spectrogram_feature.features.arrays import Place, read_array

    path = next(iter(sorted(SHARED.glob("mel/000/*.png"))))
    [levels] = read_array(path.parent, Place(path.name))
    picture = np.asarray(Image.open(path))
    np.testing.assert_array_equal(levels[:, -1], picture[0])
    assert levels.mean(axis=0)[:40].mean() > levels.mean(axis=0)[-40:].mean()
