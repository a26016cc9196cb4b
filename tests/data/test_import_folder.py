"""Recordings of one's own in FMA's layout: what is read, how it is divided, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from fma_for_tests import FILE_RATE, music
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.fma.audio import read_audio
from common.fma.dataset import find_dataset
from common.fma.metadata import SPLITS
from data.import_folder import import_folder
from data.importing.artist_splits import SHARES, deal_artists, require_every_split
from data.importing.sources import read_sources
from data.importing.tables import summary
from spectrogram_feature.features.segment_plan import plan_segments

GENRES = {"Techno": 4, "Chanson": 3}
"""Genre → artists, of one track each."""


def write_sound(path: Path, seed: int, seconds: float = 10.0, kind: str = "MP3") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, music(seed, seconds, FILE_RATE), FILE_RATE, format=kind)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Write a folder of genres, to be read and not changed."""
    folder = tmp_path_factory.mktemp("music")
    for genre, artists in GENRES.items():
        for number in range(artists):
            seed = 10 * number + len(genre)
            write_sound(folder / genre / f"{genre} {number}" / "a song.mp3", seed)
    return folder


@pytest.fixture
def folder(sounds, tmp_path):
    return shutil.copytree(sounds, tmp_path / "music")


def bring(folder, root, **options):
    return import_folder(folder, root, workers=1, **options).table


# --- What a source lists -------------------------------------------------------------------------


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_genre_and_artist_are_read_from_folders_and_names(tmp_path):
    touch(
        tmp_path, "A/Ada/One.mp3", "A/Ada/live/Two.flac", "B/Bo - Three.mp3", "B/ADA  - x - y.ogg"
    )
    touch(tmp_path, "B/Bo/cover.jpg", ".trash/Bo/z.mp3")
    found = {s.key: (s.genre, s.artist, s.title) for s in read_sources(tmp_path).sources}
    assert found == {
        "A/Ada/One.mp3": ("A", "Ada", "One"),
        "A/Ada/live/Two.flac": ("A", "Ada", "Two"),
        "B/ADA  - x - y.ogg": ("B", "Ada", "x - y"),
        "B/Bo - Three.mp3": ("B", "Bo", "Three"),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A/Ada/1.mp3", "B/2.mp3", "B/3.mp3"], r"B/2.mp3 and 1 more in .*: no artist is found"),
        (["A/Ada/1.mp3", "Bo - 2.mp3"], "Bo - 2.mp3 in .*: no artist is found"),
        (["A/Ada/1.mp3"], r"one genre only \(A\)"),
        (["A/Ada/1.txt"], "holds no audio files"),
    ],
)
def test_a_folder_without_genres_or_artists_is_refused(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=message):
        read_sources(tmp_path)


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_csv_is_read_relative_to_itself(tmp_path):
    table = write_csv(
        tmp_path / "t.csv",
        "artist,path,genre,title,split",
        "Ada,x/1.mp3,A,One,training",
        f"Bo,{tmp_path}/2.mp3,B,,test",
    )
    one, two = sorted(read_sources(table).sources, key=lambda source: source.artist)
    assert (one.path, one.title, one.split) == (tmp_path / "x/1.mp3", "One", "training")
    assert (two.path, two.title, two.split) == (tmp_path / "2.mp3", "2", "test")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,genre", "1.mp3,A"], "lacks the column 'artist'"),
        (["path,genre,artist", "1.mp3,A,Ada", "2.mp3,B, "], "row 3 has no artist"),
        (["path,genre,artist", "1.mp3,A,Ada", "1.mp3,B,Bo"], "row 3 names a file again"),
        (["path,genre,artist"], "has no rows"),
        (["path,genre,artist,split", "1.mp3,A,Ada,train"], "row 2 has the split 'train'"),
        (
            ["path,genre,artist,split", "1.mp3,A,Ada,training", "2.mp3,B,ada,test"],
            "Ada is in more than one split",
        ),
        (["path,genre,artist", '"1.mp3,A'], "is no CSV"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_sources(write_csv(tmp_path / "t.csv", *lines))


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder or CSV"):
        read_sources(tmp_path / "nowhere")


# --- Dealing artists into splits -----------------------------------------------------------------


def tracks_of(**genres: dict[str, int]) -> pd.DataFrame:
    rows = [
        (genre, artist)
        for genre, artists in genres.items()
        for artist, tracks in artists.items()
        for _ in range(tracks)
    ]
    return pd.DataFrame(rows, columns=["genre", "artist"])


@given(
    st.dictionaries(
        st.sampled_from("ABCD"),
        st.dictionaries(st.text("xyz", min_size=1, max_size=3), st.integers(1, 9), min_size=3),
        min_size=2,
    ),
    st.integers(0, 3),
)
def test_no_artist_is_in_two_splits_and_three_are_enough_for_all(genres, seed):
    own = {genre: {genre + name: n for name, n in of.items()} for genre, of in genres.items()}
    tracks = tracks_of(**own)
    split = deal_artists(tracks, seed=seed)
    assert set(split) == set(tracks["artist"])
    table = tracks.assign(split=tracks["artist"].map(split))
    assert (table.groupby("genre")["split"].nunique() == len(SPLITS)).all()
    assert deal_artists(tracks.iloc[::-1], seed=seed) == split


def test_shares_are_kept_where_artists_are_many():
    tracks = tracks_of(A={f"a{i}": 2 for i in range(50)}, B={f"b{i}": 1 for i in range(30)})
    split = tracks["artist"].map(deal_artists(tracks))
    for _, group in split.groupby(tracks["genre"]):
        shares = group.value_counts(normalize=True)
        assert all(abs(shares[name] - share) <= 0.03 for name, share in SHARES.items())


def test_few_artists_are_needed_for_training_first_then_for_the_test():
    split = deal_artists(tracks_of(A={"a": 1}, B={"b": 5, "c": 1}, C={"d": 3, "e": 2, "f": 1}))
    assert [split[name] for name in "abcd"] == ["training", "training", "test", "training"]
    assert {split["e"], split["f"]} == {"validation", "test"}


def test_artists_stay_where_they_were():
    tracks = tracks_of(A={f"a{i}": 1 for i in range(6)}, B={f"b{i}": 1 for i in range(6)})
    before = deal_artists(tracks)
    more = pd.concat([tracks, tracks_of(A={f"n{i}": 1 for i in range(4)})])
    after = deal_artists(more, before, seed=5)
    assert {artist: after[artist] for artist in before} == before


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"a": "training", "b": "test", "c": "validation"}, "no artist of B is in the training"),
        ({"a": "training", "b": "training", "c": "test"}, "no artist is in the split validation"),
    ],
)
def test_a_division_that_nothing_can_be_learnt_from_is_refused(split, message):
    with pytest.raises(UserError, match=message):
        require_every_split(tracks_of(A={"a": 1, "c": 1}, B={"b": 1}), split)


# --- The whole -----------------------------------------------------------------------------------


def test_what_is_imported_is_a_data_set_and_its_plan_is_sound(sounds, tmp_path):
    table = bring(sounds, tmp_path / "mine")
    dataset = find_dataset(tmp_path / "mine")
    tracks = dataset.tracks()
    assert tracks.index.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert tracks["track", "genre_top"].value_counts().to_dict() == GENRES
    plan = plan_segments(tracks)
    assert plan.drop_duplicates(["artist", "split"])["artist"].is_unique
    assert set(plan["split"]) == set(SPLITS)
    link = dataset.audio_dir / "000" / "000001.mp3"
    assert link.resolve() == (sounds / table.loc[1, "path"]).resolve()
    genres = pd.read_csv(dataset.metadata_dir / "genres.csv")
    assert dict(zip(genres["title"], genres["#tracks"], strict=True)) == GENRES
    text = summary(table, tmp_path / "mine")
    assert "7 tracks in" in text
    assert "not in every split" not in text


def test_a_second_run_does_nothing_and_added_files_change_no_id_and_no_split(
    folder, tmp_path, monkeypatch
):
    root = tmp_path / "mine"
    before = bring(folder, root)
    monkeypatch.setattr("common.jobs.run.worker_pool", None)  # nothing is left to do
    pd.testing.assert_frame_equal(bring(folder, root), before)
    monkeypatch.undo()
    write_sound(folder / "Chanson" / "A new one" / "first.wav", 9, kind="WAV")
    after = bring(folder, root)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert after.loc[8, "artist"] == "A new one"
    assert len(read_audio(root / "fma_medium" / "000" / "000008.mp3", duration=10)) == 220_500


def test_files_that_cannot_be_used_are_left_out_and_listed(folder, tmp_path):
    root = tmp_path / "mine"
    write_sound(folder / "Techno" / "Short" / "short.mp3", 1, seconds=4)
    (folder / "Techno" / "Short" / "other.m4a").write_bytes(b"not audio" * 99)
    table = bring(folder, root)
    left_out = pd.read_csv(root / "fma_metadata" / "left_out.csv").set_index("path")["problem"]
    assert set(left_out.index) == {"Techno/Short/short.mp3", "Techno/Short/other.m4a"}
    assert "are needed" in left_out["Techno/Short/short.mp3"]
    assert "ffmpeg" in left_out["Techno/Short/other.m4a"]
    assert len(find_dataset(root).tracks()) == 7
    assert "2 files cannot be used" in summary(table, root)
    # Mended, it comes in.
    write_sound(folder / "Techno" / "Short" / "short.mp3", 1)
    assert bring(folder, root)["problem"].ne("").sum() == 1


def test_copies_do_not_need_their_sources(folder, tmp_path):
    bring(folder, tmp_path / "mine", copy=True)
    shutil.rmtree(folder)
    assert len(read_audio(tmp_path / "mine" / "fma_medium" / "000" / "000001.mp3")) > 200_000


def test_the_splits_of_a_csv_are_taken(folder, tmp_path):
    lines = ["path,genre,artist,split"]
    for genre in GENRES:
        for number, split in enumerate(("test", "training", "validation")):
            lines.append(f"music/{genre}/{genre} {number}/a song.mp3,{genre},{number},{split}")
    table = bring(write_csv(tmp_path / "t.csv", *lines), tmp_path / "mine")
    assert table.groupby("artist")["split"].first().to_dict() == {
        "0": "test", "1": "training", "2": "validation",
    }  # fmt: skip


def test_other_folders_are_left_alone(folder, tmp_path):
    with pytest.raises(UserError, match="is inside"):
        bring(folder, folder / "mine")
    (tmp_path / "fma" / "fma_metadata").mkdir(parents=True)
    touch(tmp_path / "fma", "fma_metadata/tracks.csv")
    with pytest.raises(UserError, match="holds other data"):
        bring(folder, tmp_path / "fma")
    touch(tmp_path / "fma", "fma_metadata/demo.json")
    with pytest.raises(UserError, match="synthetic demo set"):
        bring(folder, tmp_path / "fma")


def test_another_source_for_the_same_data_set_is_refused_and_changes_nothing(folder, tmp_path):
    root = tmp_path / "mine"
    bring(folder, root)
    before = {path: path.read_bytes() for path in (root / "fma_metadata").iterdir()}
    with pytest.raises(UserError, match="other settings"):
        bring(folder.rename(tmp_path / "moved"), root)
    assert {path: path.read_bytes() for path in (root / "fma_metadata").iterdir()} == before


def test_where_nothing_can_be_used_the_reason_is_at_hand(tmp_path):
    touch(tmp_path, "music/A/Ada/1.mp3", "music/B/Bo/2.mp3")
    with pytest.raises(UserError, match=r"none of 2 files can be used: .*left_out.csv"):
        bring(tmp_path / "music", tmp_path / "mine")
    with pytest.raises(UserError, match="no data set"):
        find_dataset(tmp_path / "mine")
