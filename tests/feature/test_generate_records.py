"""Which segments a data set gives, and the records that are written of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fma_for_tests import (
    EMPTY,
    MISSING,
    NO_AUDIO,
    PADDED,
    SHORT,
    TINY_FAILURES,
    TINY_SEGMENTS,
    TINY_TRACKS,
    music,
    write_tracks_csv,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from common.errors import UserError
from common.fma.audio import read_audio
from common.fma.dataset import Dataset, get_audio_path
from common.fma.metadata import SPLITS, load, select_subset
from common.fma.track_plan import PLAN_COLUMNS, genres_of
from common.jobs.journal import JOURNAL
from common.paths import PROJECT_ROOT
from common.records.shards import summarise
from common.records.tfrecords import FAILURES, MANIFEST, Manifest
from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.features.segment_plan import plan_segments
from spectrogram_feature.generate_records import (
    KIND,
    cut_segments,
    generate,
    main,
    plan_shards,
)

REAL_TRACKS = PROJECT_ROOT.parent / "shared" / "fma_metadata" / "tracks.csv"

PARAMETERS = FeatureParameters()
RATE = PARAMETERS.sample_rate
SECOND = FeatureParameters(segment_seconds=1.0)


def as_tracks(rows: list[tuple[int, str, str | None]]) -> pd.DataFrame:
    """Make metadata of (track id, split, root genre)."""
    ids, splits, genres = zip(*rows, strict=True)
    rows = [(split, genre, None, None) for split, genre in zip(splits, genres, strict=True)]
    return pd.DataFrame(rows, index=ids, columns=pd.MultiIndex.from_tuples(PLAN_COLUMNS))


TINY = as_tracks([(track, *row) for track, row in TINY_TRACKS.items()])


# --- The plan ------------------------------------------------------------------------------------


def test_frequent_genres_give_one_segment_in_training_and_rare_ones_three():
    plan = plan_segments(TINY)
    training = plan[plan["split"] == "training"]
    segments = training.groupby("genre")["segments"].unique().map(list).to_dict()
    # Rock has 5 of 12 tracks; Folk has 4, exactly 1/3, and is not above it.
    assert segments == {"Rock": [1], "Folk": [3], "Jazz": [3]}


def test_validation_and_test_give_all_segments():
    plan = plan_segments(TINY)
    assert (plan.loc[plan["split"] != "training", "segments"] == 3).all()


def test_labels_follow_the_alphabet():
    plan = plan_segments(TINY)
    assert genres_of(plan) == ("Folk", "Jazz", "Rock")
    assert plan.loc[2, "label"] == 2
    assert plan.loc[41, "label"] == 0


def test_plan_does_not_depend_on_the_order_of_the_metadata():
    pd.testing.assert_frame_equal(plan_segments(TINY), plan_segments(TINY[::-1]))


def test_tracks_without_genre_or_split_are_left_out():
    extra = as_tracks([(9001, "training", None), (9002, "unknown", "Rock")])
    plan = plan_segments(pd.concat([TINY, extra]))
    assert plan.index.tolist() == sorted(TINY_TRACKS)


def test_genres_that_the_mapping_drops_are_left_out():
    extra = as_tracks([(9001, split, "Spoken") for split in SPLITS])
    assert "Spoken" in genres_of(plan_segments(pd.concat([TINY, extra]), "all"))
    assert "Spoken" not in genres_of(plan_segments(pd.concat([TINY, extra]), "frequent"))


def test_share_that_makes_a_genre_frequent_is_that_of_the_joined_genre():
    extra = as_tracks([(9001 + n, "training", "Blues") for n in range(3)])
    tracks = pd.concat([TINY, extra])
    rare = plan_segments(tracks, "all")
    joined = plan_segments(tracks, "merged")
    assert rare.loc[9001, "segments"] == 3  # 3 of 15 tracks among 4 genres
    assert joined.loc[9001, "segments"] == 1  # with Jazz 6 of 15 among 3
    assert joined.loc[9001, "genre"] == joined.loc[12, "genre"] == "Blues-Jazz-Soul"


def test_split_without_a_track_is_named():
    with pytest.raises(UserError, match="no validation track with a genre"):
        plan_segments(TINY[TINY["set", "split"] != "validation"])


def test_genre_that_training_lacks_is_named():
    extra = as_tracks([(9001, "test", "Pop")])
    with pytest.raises(UserError, match="no training track is Pop, but test tracks are"):
        plan_segments(pd.concat([TINY, extra]))


@pytest.mark.skipif(
    not REAL_TRACKS.exists(), reason="the FMA's own metadata is not in ../shared/fma_metadata"
)
def test_artists_are_known_by_id_or_name_or_else_count_as_one_each():
    tracks = as_tracks(
        [
            (1, "training", "Rock"),
            (2, "validation", "Rock"),
            (3, "test", "Rock"),
            (4, "training", "Folk"),
        ]
    )
    tracks["artist", "id"] = [7, None, None, 8]
    tracks["artist", "name"] = ["A", "B", None, None]
    assert list(plan_segments(tracks)["artist"]) == ["7", "B", "track 3", "8"]


def test_without_balancing_every_track_gives_three_segments():
    plan = plan_segments(TINY, balance=False)
    assert (plan["segments"] == 3).all()


@pytest.mark.skipif(not REAL_TRACKS.exists(), reason="the FMA's metadata is not in ../shared")
@pytest.mark.parametrize(
    ("mapping", "labels", "frequent"),
    [
        ("all", 16, {"Rock", "Electronic", "Experimental", "Hip-Hop"}),
        ("frequent", 14, {"Rock", "Electronic", "Experimental", "Hip-Hop"}),
        ("merged", 12, {"Rock", "Electronic", "Experimental", "Hip-Hop"}),
    ],
)
def test_real_medium_gives_frequent_genres_once(mapping, labels, frequent):
    tracks = select_subset(load(REAL_TRACKS, [*PLAN_COLUMNS, ("set", "subset")]), "medium")
    plan = plan_segments(tracks, mapping)
    training = plan[plan["split"] == "training"]
    assert len(genres_of(plan)) == labels
    assert set(training.loc[training["segments"] == 1, "genre"]) == frequent
    assert set(training.loc[training["segments"] == 3, "genre"]) == set(genres_of(plan)) - frequent
    # Each track stays in FMA's split.
    assert (plan["split"] == tracks.loc[plan.index, ("set", "split")].astype(str)).all()


@settings(max_examples=25)
@given(
    tracks=st.dictionaries(
        st.integers(1, 10**6),
        st.tuples(st.sampled_from(SPLITS), st.sampled_from(["Rock", "Folk"])),
        max_size=60,
    ),
    per_shard=st.integers(1, 9),
)
def test_shards_hold_each_track_once_in_its_split(tracks, per_shard):
    added = [as_tracks([(10_000 + track, *row)]) for track, row in tracks.items()]
    plan = plan_segments(pd.concat([TINY, *added]))
    shards = plan_shards(plan, Path("audio"), Path("out"), PARAMETERS, per_shard)
    rows = {
        track: (shard.split, label, segments)
        for shard in shards
        for track, label, segments in shard.tracks
    }
    planned = plan[["split", "label", "segments"]].itertuples(name=None)
    assert rows == {track: (split, label, count) for track, split, label, count in planned}
    sizes = [len(shard.tracks) for shard in shards]
    assert sum(sizes) == len(plan)
    assert 1 <= min(sizes) <= max(sizes) <= per_shard


def test_shards_are_named_and_numbered():
    shards = plan_shards(plan_segments(TINY), Path("audio"), Path("out"), PARAMETERS, 5)
    assert [shard.path for shard in shards if shard.split == "training"] == [
        Path("out") / f"training-0000{n}-of-00003.tfrecord" for n in range(3)
    ]


# --- Segments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "count", "segments"),
    [
        (3.0, 3, 3),
        (3.0, 1, 1),
        (2.95, 3, 3),  # completed by silence
        (2.90, 3, 3),  # the most that may be missing
        (2.899, 3, 2),
        (2.5, 3, 2),
        (0.9, 1, 1),
        (0.5, 3, 0),
        (0.0, 3, 0),
        (9.0, 3, 3),
    ],
)
def test_track_gives_the_segments_it_is_long_enough_for(seconds, count, segments):
    samples = np.ones(round(seconds * RATE), np.float32)
    assert cut_segments(samples, count, SECOND).shape == (segments, RATE)


def test_segments_follow_one_another_and_the_last_ends_in_silence():
    samples = 1 + np.arange(round(2.95 * RATE), dtype=np.float32)
    cut = cut_segments(samples, 3, SECOND).ravel()
    np.testing.assert_array_equal(cut[: samples.size], samples)
    assert not cut[samples.size :].any()


def test_full_segments_are_not_padded():
    samples = music(0, 2.95)
    cut = cut_segments(samples, 2, SECOND)
    np.testing.assert_array_equal(cut.ravel(), samples[: 2 * RATE])


# --- The records ---------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, str]:
    """Hash what readers see of a folder; the journal tells the order in which work was done."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != JOURNAL and not path.name.startswith(".")
    }


def read_records(tf, folder: Path, split: str) -> list[dict]:
    manifest = Manifest.read(folder, KIND)
    paths = [str(path) for path in manifest.shard_paths(folder, split)]
    records = []
    for message in tf.data.TFRecordDataset(paths).as_numpy_iterator():
        features = tf.train.Example.FromString(message).features.feature
        records.append(
            {
                "features": np.frombuffer(features["features"].bytes_list.value[0], np.uint8),
                **{
                    key: features[key].int64_list.value[0]
                    for key in ("label", "track_id", "segment")
                },
            }
        )
    return records


def planned_segments() -> dict[str, set[tuple[int, int]]]:
    """Give split → (track, segment) that can be had, from what the tiny data set is made of."""
    segments: dict[str, set[tuple[int, int]]] = {split: set() for split in SPLITS}
    for track, (split, genre) in TINY_TRACKS.items():
        count = 1 if (split, genre) == ("training", "Rock") else 3
        lost = {round(offset / 10) for offset in TINY_FAILURES.get(track, [])}
        segments[split] |= {(track, n) for n in range(count) if n not in lost}
    return segments


def test_every_segment_that_can_be_had_is_there_once(tf, tiny_records):
    for split, expected in planned_segments().items():
        found = [(r["track_id"], r["segment"]) for r in read_records(tf, tiny_records, split)]
        assert len(found) == len(set(found)) == TINY_SEGMENTS[split]
        assert set(found) == expected


def test_records_have_the_label_of_their_track(tf, tiny_records):
    genres = Manifest.read(tiny_records, KIND).genres
    for split in SPLITS:
        for record in read_records(tf, tiny_records, split):
            assert (split, genres[record["label"]]) == TINY_TRACKS[record["track_id"]]


@pytest.mark.parametrize("track", [3, 1014, 41, SHORT, PADDED])
def test_records_hold_the_features_of_the_audio(tf, tiny_fma, tiny_records, track):
    split, _ = TINY_TRACKS[track]
    stored = {
        record["segment"]: record["features"].reshape(PARAMETERS.shape)
        for record in read_records(tf, tiny_records, split)
        if record["track_id"] == track
    }
    samples = read_audio(get_audio_path(tiny_fma.audio_dir, track))
    samples = np.pad(samples, (0, 30 * RATE - min(samples.size, 30 * RATE)))
    with threadpool_limits(1):  # as in the workers: sums on several threads round otherwise
        for segment, features in stored.items():
            part = samples[10 * RATE * segment : 10 * RATE * (segment + 1)]
            np.testing.assert_array_equal(features, ConstantQ().features(part))


def test_segment_takes_at_most_41_kilobytes(tiny_records):
    manifest = Manifest.read(tiny_records, KIND)
    for shard in (shard for split in SPLITS for shard in manifest.shards[split]):
        assert shard["bytes"] <= 41_000 * shard["records"]


def test_manifest_counts_what_is_there(tf, tiny_records):
    manifest = Manifest.read(tiny_records, KIND)
    for split in SPLITS:
        records = read_records(tf, tiny_records, split)
        genres = Counter(manifest.genres[record["label"]] for record in records)
        tracks = {(record["track_id"], manifest.genres[record["label"]]) for record in records}
        assert manifest.segments[split] == genres
        assert manifest.tracks[split] == Counter(genre for _, genre in tracks)
        assert sum(shard["records"] for shard in manifest.shards[split]) == len(records)


def test_manifest_tells_what_the_features_are(tiny_records):
    manifest = Manifest.read(tiny_records, KIND)
    assert FeatureParameters.from_dict(manifest.parameters) == PARAMETERS
    assert manifest.genres == ("Folk", "Jazz", "Rock")
    assert manifest.data_set["subset"] == "medium"
    assert manifest.data_set["synthetic"] is False
    assert "numpy" in manifest.versions


def test_failures_tell_each_segment_that_is_missing_and_why(tiny_records):
    failures = pd.read_csv(tiny_records / FAILURES)
    found = failures.groupby("track_id")["offset"].apply(list).to_dict()
    assert found == TINY_FAILURES
    assert failures["track_id"].is_monotonic_increasing
    reasons = failures.groupby("track_id")["reason"].unique().map(list)
    assert reasons[MISSING] == ["no such file"]
    assert reasons[EMPTY] == ["the file is empty"]
    assert reasons[SHORT] == ["ends at 15.00 s"]
    assert reasons[NO_AUDIO] == ["is no audio, or damaged beyond decoding"]
    rows = failures.drop_duplicates("track_id").set_index("track_id")[["split", "genre"]]
    assert all(tuple(row) == TINY_TRACKS[track] for track, row in rows.iterrows())


def test_planned_segments_are_written_or_failed(tiny_records):
    planned = plan_segments(TINY).groupby("split")["segments"].sum()
    failed = pd.read_csv(tiny_records / FAILURES)["split"].value_counts()
    manifest = Manifest.read(tiny_records, KIND)
    for split in SPLITS:
        assert planned[split] == sum(manifest.segments[split].values()) + failed[split]


def test_summary_counts_segments_tracks_and_losses(tiny_records):
    text = summarise(Manifest.read(tiny_records, KIND), tiny_records, "segments")
    lines = [line.split() for line in text.splitlines()]
    assert ["training", "22", "segments", "of", "10", "tracks", "in", "3", "shard(s)"] in lines
    assert f"9 segments skipped: {tiny_records / FAILURES}" in text


def test_bytes_do_not_depend_on_the_number_of_workers(tiny_fma, tiny_records, tmp_path):
    generate(tiny_fma, tmp_path, workers=2, tracks_per_shard=4)
    expected = contents(tiny_records)
    assert len(expected) == 9  # shards, manifest, card, plan and failures
    assert contents(tmp_path) == expected


@pytest.fixture
def copied_records(tiny_records, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_records, tmp_path / "records"))


def test_shards_that_were_deleted_or_cut_are_made_again(tiny_fma, tiny_records, copied_records):
    shards = sorted(copied_records.glob("*.tfrecord"))
    times = {path: path.stat().st_mtime_ns for path in shards}
    shards[0].unlink()
    shards[-1].write_bytes(b"cut")
    generate(tiny_fma, copied_records, workers=1, tracks_per_shard=4)
    assert contents(copied_records) == contents(tiny_records)
    untouched = [path for path in shards if path.stat().st_mtime_ns == times[path]]
    assert untouched == shards[1:-1]


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"parameters": FeatureParameters(hop_length=512)}, "parameters.hop_length was 460, now"),
        ({"mapping": "merged"}, 'genres was .*"Jazz".* now .*"Blues-Jazz-Soul"'),
        ({"tracks_per_shard": 5}, "tracks_per_shard was 4, now 5"),
    ],
)
def test_other_settings_into_the_same_folder_are_refused(
    tiny_fma, copied_records, options, difference
):
    before = contents(copied_records)
    with pytest.raises(UserError, match=f"made with other settings .*{difference}"):
        generate(tiny_fma, copied_records, **{"tracks_per_shard": 4} | options)
    assert contents(copied_records) == before


def test_data_set_without_any_audio_is_refused_and_the_reasons_are_kept(tmp_path):
    columns = [("set", "split"), ("track", "genre_top"), ("set", "subset")]
    path = tmp_path / "fma" / "fma_metadata" / "tracks.csv"
    write_tracks_csv(
        path,
        (
            (track, dict(zip(columns, (*row, "small"), strict=True)))
            for track, row in TINY_TRACKS.items()
        ),
    )
    dataset = Dataset(tmp_path / "fma", "small", is_demo=False)
    with pytest.raises(UserError, match=r"no training track .*see .*failures.csv"):
        generate(dataset, tmp_path / "out", workers=1)
    assert set(pd.read_csv(tmp_path / "out" / FAILURES)["reason"]) == {"no such file"}
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_file_in_place_of_the_output_folder_is_left_alone(tiny_fma, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError):
        generate(tiny_fma, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


# --- As a command --------------------------------------------------------------------------------


def test_killed_halfway_the_next_run_gives_the_bytes_of_an_undisturbed_one(tiny_fma, tmp_path):
    halted, whole = tmp_path / "halted", tmp_path / "whole"
    code = (
        "from fma_utils import find_dataset; "
        "from spectrogram_feature.generate_records import generate; "
        f"generate(find_dataset({str(tiny_fma.root)!r}), {str(halted)!r}, "
        "workers=1, tracks_per_shard=1)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(list(halted.glob("*.tfrecord"))) < 4:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = (halted / JOURNAL).read_text().count("\n") - 1
    assert 0 < finished < len(TINY_TRACKS)
    assert not (halted / MANIFEST).exists()

    for out in (halted, whole):
        generate(tiny_fma, out, workers=1, tracks_per_shard=1)
    assert contents(halted) == contents(whole)


def test_command_writes_the_records_and_says_what_they_hold(tiny_fma, tmp_path):
    command = [sys.executable, "-m", "spectrogram_feature.generate_records", "--workers", "2"]
    command += ["--root", str(tiny_fma.root), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Data set: {tiny_fma.root.name.replace('_', ' ')} (medium)" in done.stdout
    assert "22 segments of" in done.stdout
    assert "Traceback" not in done.stderr
    manifest = Manifest.read(tmp_path, KIND)
    assert {split: sum(manifest.segments[split].values()) for split in SPLITS} == TINY_SEGMENTS


def test_help_shows_options_defaults_and_examples(call):
    done = call(main, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for words in ("--root", "--subset", "--out", "--genres", "--workers", "default: all"):
        assert words in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", "nowhere"], "no data set in nowhere"),
        (["--subset", "huge"], "there is no subset 'huge'"),
        (["--root", "TINY", "--subset", "large"], "has no fma_large/"),
        (["--root", "TINY", "--out", "README"], "README: a file exists where a folder is needed"),
        (["--root", "TINY", "--out", "new", "--workers", "0"], "workers = 0: at least 1"),
    ],
)
def test_mistake_costs_one_line_and_code_1(call, tiny_fma, tmp_path, arguments, message):
    (tmp_path / "README").touch()
    places = {"TINY": str(tiny_fma.root)}
    places |= {name: str(tmp_path / name) for name in ("nowhere", "README", "new")}
    done = call(main, *(places.get(argument, argument) for argument in arguments))
    assert done.returncode == 1
    assert done.stdout.count("\n") <= 1  # which data set is used
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message.replace("nowhere", str(tmp_path / "nowhere")) in done.stderr
