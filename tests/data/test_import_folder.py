"""Recordings of one's own in FMA's layout: what is read, how it is divided, what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from fma_for_tests import FILE_RATE, music
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.fma.artist_splits import SHARES, deal_artists, require_every_split
from common.fma.audio import read_audio
from common.fma.dataset import find_dataset, get_audio_path
from common.fma.metadata import SPLITS
from data.import_folder import import_folder
from data.importing.sources import read_sources
from data.importing.tables import summary
from spectrogram_feature.features.segment_plan import plan_segments

GENRES = {"Techno": 4, "Chanson": 3}
"""Genre → artists, of one track each."""


def write_sound(path: Path, seed: int, seconds: float = 10.0, kind: str = "MP3") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (2**15 * music(seed, seconds, FILE_RATE)).clip(-(2**15), 2**15 - 1).astype("int16")
    soundfile.write(os.fsencode(path), samples, FILE_RATE, format=kind)


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
        (["path,genre,artist", "1.mp3,A,Ada, the band"], "row 2 has more cells than the header"),
        (["path,genre,artist,genre", "1.mp3,A,Ada,B"], "has the column 'genre' twice"),
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


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["01 - Song", "1-01 - Song", "A1 - Song", "CD 2 - Song", "311 - Down"]
)
def test_a_track_number_is_no_artist(tmp_path, name):
    touch(tmp_path, f"A/{name}.mp3", "A/02 - Other.mp3", "B/Bo - x.mp3")
    message = "and 1 more in .* track numbers are no artists: .*--artist-from numbered-name"
    with pytest.raises(UserError, match=message):
        read_sources(tmp_path)


@pytest.mark.parametrize(
    "name", ["01 Ada - x", "1. Ada - x", "[3] Ada - x", "1-01 Ada - x", "Track 4 Ada - x"]
)
def test_an_artist_does_not_begin_with_a_track_number(tmp_path, name):
    touch(tmp_path, f"A/{name}.mp3", "B/Bo - x.mp3")
    with pytest.raises(UserError, match="looks like a track number"):
        read_sources(tmp_path)


@pytest.mark.parametrize("name", ["50 Cent - x", "2Pac - x", "10cc - x", "blink-182 - x", "U2 - x"])
def test_artists_with_numbers_in_their_names_are_artists(tmp_path, name):
    touch(tmp_path, f"A/{name}.mp3", "B/Bo - x.mp3")
    assert {s.artist for s in read_sources(tmp_path).sources} == {name.split(" - ")[0], "Bo"}


@pytest.mark.parametrize(
    ("artist_from", "names", "artists"),
    [
        ("folder", ["A/311/Down.mp3", "B/Bo/Cy - x.mp3"], {"311", "Bo"}),
        ("name", ["A/311 - Down.mp3", "B/album/Bo - x.mp3"], {"311", "Bo"}),
        ("numbered-name", ["A/01 - Ada - x.mp3", "A/02. Bo - y.mp3", "B/[1-03] C - z.mp3"],
         {"Ada", "Bo", "C"}),
    ],
)  # fmt: skip
def test_where_the_artist_is_can_be_told(tmp_path, artist_from, names, artists):
    touch(tmp_path, *names)
    assert {s.artist for s in read_sources(tmp_path, artist_from).sources} == artists


def test_artists_are_read_from_tags(tmp_path):
    for number, (genre, artist) in enumerate([("A", "Ada"), ("A", "Sigur Ro\u0301s"), ("B", "Bo")]):
        path = tmp_path / genre / f"0{number} - x.mp3"
        path.parent.mkdir(exist_ok=True)
        with soundfile.SoundFile(path, "w", FILE_RATE, 1, format="MP3") as file:
            file.artist, file.title = artist, "One"
            file.write(music(number, 1, FILE_RATE))
    found = read_sources(tmp_path, "tags").sources
    assert {s.artist for s in found} == {"Ada", "Sigur R\u00f3s", "Bo"}
    assert {s.title for s in found} == {"One"}
    write_sound(tmp_path / "B" / "nobody.mp3", 5, 1)
    with pytest.raises(UserError, match=r"nobody.mp3 in .*: no artist is found"):
        read_sources(tmp_path, "tags")


def test_unicode_forms_of_a_name_are_one_and_files_are_opened_as_they_are_called(tmp_path):
    touch(tmp_path, "M\u00fasica/Ro\u0301s/1.mp3", "Mu\u0301sica/R\u00f3s/2.mp3", "B/Bo/3.mp3")
    found = read_sources(tmp_path).sources
    assert {(s.genre, s.artist) for s in found} == {("M\u00fasica", "R\u00f3s"), ("B", "Bo")}
    assert all(s.path.exists() for s in found)


def test_names_that_are_not_utf8_are_read_as_latin_1(tmp_path):
    touch(tmp_path, os.fsdecode(b"M\xfasica/R\xf3s/caf\xe9.mp3"), "B/Bo/x.mp3")
    source = read_sources(tmp_path).sources[-1]
    assert (source.genre, source.artist, source.title) == ("M\u00fasica", "R\u00f3s", "caf\u00e9")
    assert source.key.encode().isascii()
    assert source.path.exists()


# --- One recording, one track --------------------------------------------------------------------


def test_links_to_a_file_are_one_recording(tmp_path):
    touch(tmp_path, "B/Bo/x.mp3", "B/Cy/y.mp3")
    (tmp_path / "A" / "Ada").mkdir(parents=True)
    (tmp_path / "A" / "Ada" / "a symbolic link.mp3").symlink_to(tmp_path / "B/Bo/x.mp3")
    (tmp_path / "B" / "Cy" / "z.mp3").hardlink_to(tmp_path / "B/Cy/y.mp3")
    touch(tmp_path, "A/Ada/own.mp3")
    listing = read_sources(tmp_path)
    assert [s.key for s in listing.sources] == ["A/Ada/own.mp3", "B/Bo/x.mp3", "B/Cy/y.mp3"]
    [note] = listing.notes
    assert "2 (" in note
    assert "A/Ada/a symbolic link.mp3 is B/Bo/x.mp3 (B, not A)" in note


@pytest.mark.parametrize("again", ["./1.mp3", "x/../1.mp3", "soft.mp3", "hard.mp3"])
def test_a_csv_that_names_a_file_twice_is_refused_whatever_the_spelling(tmp_path, again):
    touch(tmp_path, "1.mp3", "x/2.mp3")
    (tmp_path / "soft.mp3").symlink_to("1.mp3")
    (tmp_path / "hard.mp3").hardlink_to(tmp_path / "1.mp3")
    table = write_csv(tmp_path / "t.csv", "path,genre,artist", "1.mp3,A,Ada", f"{again},B,Bo")
    with pytest.raises(UserError, match=r"row 3 names a file again \(1.mp3\)"):
        read_sources(table)


def test_trailing_commas_shift_no_column(tmp_path):
    rows = ["path,genre,artist", "1.mp3,A,Ada,", "", "2.mp3,B,Bo,,", "3.mp3,NA,1980"]
    plain = read_sources(write_csv(tmp_path / "t.csv", *rows)).sources
    headed = read_sources(write_csv(tmp_path / "t.csv", "path,genre,artist,,", *rows[1:])).sources
    assert plain == headed
    assert [(s.key, s.genre, s.artist) for s in plain] == [
        ("1.mp3", "A", "Ada"),
        ("2.mp3", "B", "Bo"),
        ("3.mp3", "NA", "1980"),
    ]


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


def test_the_same_audio_is_used_once(folder, tmp_path):
    shutil.copy(folder / "Techno/Techno 0/a song.mp3", folder / "Chanson/Chanson 2/copy.mp3")
    for name, kind in [("one.wav", "WAV"), ("two.flac", "FLAC")]:
        write_sound(folder / "Techno" / name[:3] / name, 77, kind=kind)
    problems = bring(folder, tmp_path / "mine").set_index("path")["problem"]
    assert problems[problems != ""].to_dict() == {
        "Techno/Techno 0/a song.mp3": "the same audio as Chanson/Chanson 2/copy.mp3",
        "Techno/two/two.flac": "the same audio as Techno/one/one.wav",
    }
    assert len(find_dataset(tmp_path / "mine").tracks()) == 8


def test_genres_that_look_like_numbers_and_gaps_come_through_to_the_plan(tmp_path):
    names = ["1980", "True", "NA", "None", "nan"]
    for number, name in enumerate(names * 3):
        write_sound(tmp_path / "music" / name / f"by {number}" / "x.wav", number, kind="WAV")
    bring(tmp_path / "music", tmp_path / "mine")
    plan = plan_segments(find_dataset(tmp_path / "mine").tracks())
    assert plan["genre"].value_counts().to_dict() == dict.fromkeys(names, 3)


def test_what_a_root_or_a_file_is_called_need_not_be_utf8(folder, tmp_path, capsys):
    folder = folder.rename(tmp_path / os.fsdecode(b"m\xfasica"))
    write_sound(folder / "Techno" / "Techno 0" / os.fsdecode(b"caf\xe9.mp3"), 50)
    root = tmp_path / os.fsdecode(b"m\xefne")
    table = bring(folder, root)
    assert (table["problem"] == "").all()
    assert (bring(folder, root)["path"] == table["path"]).all()
    print(summary(table, root))
    capsys.readouterr().out.encode()
    dataset = find_dataset(root)
    assert dataset.name == "m\u00efne-medium"
    assert len(read_audio(get_audio_path(dataset.audio_dir, 1), duration=9)) == 198_450


def test_spellings_and_genres_without_audio_are_warned_of(folder, tmp_path):
    for number in range(3):
        write_sound(folder / "techno" / f"t{number}" / "x.mp3", 60 + number)
    touch(folder, "Noise/Nobody/x.mp3")
    text = summary(bring(folder, tmp_path / "mine"), tmp_path / "mine")
    assert "the genres 'Techno' and 'techno' differ only in case or spaces" in text
    assert "none of the files of Noise can be used" in text


def test_pipes_and_links_that_lead_nowhere_are_left_out(folder, tmp_path):
    os.mkfifo(folder / "Techno" / "Techno 0" / "pipe.wav")
    (folder / "Techno" / "Techno 0" / "loop.mp3").symlink_to("loop.mp3")
    problems = bring(folder, tmp_path / "mine").set_index("path")["problem"]
    assert problems[problems != ""].to_dict() == {
        f"Techno/Techno 0/{name}": "no such file" for name in ("loop.mp3", "pipe.wav")
    }


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
