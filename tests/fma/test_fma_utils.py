"""Finding the FMA, reading its metadata and decoding its audio."""

from __future__ import annotations

import functools
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from fma_for_tests import COLUMNS, music, write_tracks_csv
from hypothesis import given
from hypothesis import strategies as st

from common.errors import (
    AudioEmpty,
    AudioError,
    AudioMissing,
    AudioTooShort,
    AudioUndecodable,
    UserError,
)
from common.fma.audio import read_audio
from common.fma.dataset import DEMO_MARKER, Dataset, find_dataset, get_audio_path
from common.fma.genres import GENRE_MAPPINGS, ROOT_GENRES, map_genres, similar_names
from common.fma.metadata import SPLITS, SUBSETS, load, select_subset
from common.fma.track_plan import PLAN_COLUMNS, genres_of, plan_tracks
from common.paths import PROJECT_ROOT, output_root

REAL_METADATA = PROJECT_ROOT.parent / "shared" / "fma_metadata"
needs_real_metadata = pytest.mark.skipif(
    not (REAL_METADATA / "tracks.csv").exists(),
    reason="the FMA's own metadata is not in ../shared/fma_metadata",
)

REAL_GENRES = {
    "Rock": 7103,
    "Electronic": 6314,
    "Experimental": 2251,
    "Hip-Hop": 2201,
    "Folk": 1519,
    "Instrumental": 1350,
    "Pop": 1186,
    "International": 1018,
    "Classical": 619,
    "Old-Time / Historic": 510,
    "Jazz": 384,
    "Country": 178,
    "Soul-RnB": 154,
    "Spoken": 118,
    "Blues": 74,
    "Easy Listening": 21,
}


# --- The real metadata ---------------------------------------------------------------------------


@functools.cache
def real_tracks() -> pd.DataFrame:
    return load(
        REAL_METADATA / "tracks.csv",
        columns=[
            ("set", "split"),
            ("set", "subset"),
            ("track", "genre_top"),
            ("track", "genres_all"),
            ("artist", "name"),
        ],
    )


@needs_real_metadata
def test_real_medium_has_its_25000_tracks_and_small_its_8000():
    tracks = real_tracks()
    assert len(select_subset(tracks, "medium")) == 25_000
    assert len(select_subset(tracks, "small")) == 8_000
    assert (tracks["set", "subset"] <= "medium").sum() == 25_000


@needs_real_metadata
def test_real_medium_has_its_splits():
    splits = select_subset(real_tracks(), "medium")["set", "split"].value_counts()
    assert splits.to_dict() == {"training": 19_922, "validation": 2_505, "test": 2_573}


@needs_real_metadata
def test_real_medium_has_its_genres():
    genres = select_subset(real_tracks(), "medium")["track", "genre_top"]
    assert genres.value_counts().to_dict() == REAL_GENRES
    assert set(genres) == set(ROOT_GENRES)


@needs_real_metadata
def test_real_genre_lists_are_lists_of_known_genres():
    genres = load(REAL_METADATA / "genres.csv")
    lists = real_tracks()["track", "genres_all"]
    assert lists.map(type).eq(list).all()
    assert set(lists.explode().dropna()) <= set(genres.index)


@needs_real_metadata
def test_real_genre_tree_has_our_roots():
    genres = load(REAL_METADATA / "genres.csv")
    assert (len(genres), genres.index.name) == (163, "genre_id")
    assert sorted(genres.loc[genres["parent"] == 0, "title"]) == sorted(ROOT_GENRES)


@needs_real_metadata
def test_real_raw_genres_match_the_genre_tree():
    raw = load(REAL_METADATA / "raw_genres.csv", columns=["genre_title"])
    genres = load(REAL_METADATA / "genres.csv")
    assert raw.loc[genres.index, "genre_title"].tolist() == genres["title"].tolist()


@needs_real_metadata
def test_real_splits_share_no_artist():
    splits = real_tracks()[["artist", "set"]].dropna()
    assert len(splits) > 1000  # the name is given for some of the tracks only
    assert splits.groupby(("artist", "name"))[[("set", "split")]].nunique().max().item() == 1


@needs_real_metadata
def test_tests_write_the_columns_of_the_real_file():
    with (REAL_METADATA / "tracks.csv").open() as file:
        tables, names = (next(file).strip().split(",")[1:] for _ in range(2))
    assert list(zip(tables, names, strict=True)) == COLUMNS


# --- tracks.csv ----------------------------------------------------------------------------------

ONE_TRACK = {
    ("album", "date_released"): "2009-01-05 00:00:00",
    ("album", "tags"): "['live', \"d'or, etc\"]",
    ("album", "type"): "Album",
    ("artist", "active_year_begin"): "2006-01-01 00:00:00",
    ("artist", "name"): "AWOL, with “quotes”\nand a line break",
    ("set", "split"): "training",
    ("set", "subset"): "small",
    ("track", "date_created"): "2008-11-26 01:48:12",
    ("track", "duration"): "168",
    ("track", "genre_top"): "Hip-Hop",
    ("track", "genres"): "[21, 45]",
}


@pytest.fixture
def tracks_csv(tmp_path) -> Path:
    path = tmp_path / "fma_metadata" / "tracks.csv"
    other = {("set", "split"): "test", ("set", "subset"): "large"}
    write_tracks_csv(path, [(2, ONE_TRACK), (155066, other)])
    return path


def test_all_columns_are_read_in_the_order_of_the_file(tracks_csv):
    tracks = load(tracks_csv)
    assert list(tracks.columns) == COLUMNS
    assert tracks.index.tolist() == [2, 155066]
    assert tracks.index.name == "track_id"


def test_lists_are_parsed_and_an_empty_cell_is_an_empty_list(tracks_csv):
    tracks = load(tracks_csv)
    assert tracks["track", "genres"].tolist() == [[21, 45], []]
    assert tracks["album", "tags"].tolist() == [["live", "d'or, etc"], []]


def test_tracks_do_not_share_their_lists(tmp_path):
    write_tracks_csv(tmp_path / "tracks.csv", [(2, ONE_TRACK), (3, ONE_TRACK)])
    genres = load(tmp_path / "tracks.csv")["track", "genres"]
    genres[2].append(99)
    assert genres[3] == [21, 45]


@pytest.mark.parametrize(
    ("column", "date"),
    [
        (("track", "date_created"), "2008-11-26 01:48:12"),
        (("album", "date_released"), "2009-01-05"),
        (("artist", "active_year_begin"), "2006-01-01"),
    ],
)
def test_dates_are_dates(tracks_csv, column, date):
    dates = load(tracks_csv)[column]
    assert pd.api.types.is_datetime64_dtype(dates)
    assert dates[2] == pd.Timestamp(date)
    assert pd.isna(dates[155066])


def test_subset_is_ordered(tracks_csv):
    subset = load(tracks_csv)["set", "subset"]
    assert subset.cat.ordered
    assert (subset <= "medium").tolist() == [True, False]
    assert (subset > "small").tolist() == [False, True]


@pytest.mark.parametrize(
    "column", [("track", "genre_top"), ("album", "type"), ("set", "split"), ("track", "license")]
)
def test_repeated_words_are_categories(tracks_csv, column):
    assert load(tracks_csv)[column].dtype == "category"


def test_cells_with_commas_quotes_and_line_breaks_stay_whole(tracks_csv):
    assert load(tracks_csv)["artist", "name"][2] == ONE_TRACK["artist", "name"]


def test_only_columns_asked_for_come_in_the_order_asked(tracks_csv):
    asked = [("track", "duration"), ("album", "type"), ("set", "split")]
    tracks = load(tracks_csv, columns=asked)
    assert list(tracks.columns) == asked
    assert tracks.loc[2].tolist() == [168, "Album", "training"]


def test_columns_not_asked_for_are_not_parsed(tmp_path):
    broken = ONE_TRACK | {("track", "genres"): "no list"}
    write_tracks_csv(tmp_path / "tracks.csv", [(2, broken)])
    load(tmp_path / "tracks.csv", columns=[("set", "split")])
    with pytest.raises(UserError, match="'no list' where a list belongs"):
        load(tmp_path / "tracks.csv", columns=[("track", "genres")])


def test_full_sized_metadata_gives_the_subsets(tmp_path, monkeypatch):
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    sizes = {"small": 8_000, "medium": 17_000, "large": 81_574}
    path = tmp_path / "tracks.csv"
    write_tracks_csv(path, [])
    cells = dict.fromkeys(COLUMNS, "0" * 20) | {("track", "tags"): "['a', 'b']"}
    with path.open("a") as file:
        number = 0
        for subset, size in sizes.items():
            row = cells | {("set", "subset"): subset, ("set", "split"): "training"}
            text = "".join(f',"{row[column]}"' for column in COLUMNS) + "\n"
            file.write("".join(f"{track}{text}" for track in range(number, number + size)))
            number += size
    assert path.stat().st_size > 100e6

    wanted = [("track", "tags"), ("set", "subset")]
    tracks = load(path, columns=wanted)
    assert (len(tracks), list(tracks.columns)) == (106_574, wanted)
    counts = [len(select_subset(tracks, subset)) for subset in SUBSETS]
    assert counts == [8_000, 25_000, 106_574, 106_574]
    assert tracks["track", "tags"].map(len).eq(2).all()


def test_dataset_reads_the_tracks_of_its_subset(tracks_csv):
    medium = Dataset(tracks_csv.parent.parent, "medium", is_demo=False)
    large = Dataset(tracks_csv.parent.parent, "large", is_demo=False)
    assert medium.tracks().index.tolist() == [2]
    assert large.tracks([("set", "split")]).index.tolist() == [2, 155066]


NAMES_THAT_LOOK_LIKE_OTHER_THINGS = ["1980", "True", "NA", "None", "nan", "null", "1e5", "-"]


def plan_rows(genres: list[str], **cells: str) -> list[tuple[int, dict]]:
    """Make a track of each genre in each split, with ids from 1."""
    pairs = [(split, genre) for split in SPLITS for genre in genres]
    return [
        (
            number,
            {
                ("set", "split"): split,
                ("set", "subset"): "medium",
                ("track", "genre_top"): genre,
                ("artist", "name"): f"of {split}",
            }
            | {tuple(name.split("__")): cell for name, cell in cells.items()},
        )
        for number, (split, genre) in enumerate(pairs, start=1)
    ]


def test_genres_and_names_are_text_whatever_they_look_like(tmp_path):
    names = NAMES_THAT_LOOK_LIKE_OTHER_THINGS
    rows = plan_rows(names)
    rows = [(i, cells | {("artist", "name"): cells["track", "genre_top"]}) for i, cells in rows]
    write_tracks_csv(tmp_path / "tracks.csv", rows)
    tracks = load(tmp_path / "tracks.csv", PLAN_COLUMNS)
    plan = plan_tracks(tracks)
    assert sorted(genres_of(plan)) == sorted(names)
    assert len(plan) == len(rows)
    assert plan["artist"].tolist() == names * 3


def test_one_genre_only_is_refused_in_the_plan(tmp_path):
    write_tracks_csv(tmp_path / "tracks.csv", plan_rows(["Rock", "Rock "]))
    with pytest.raises(UserError, match=r"one genre only \(Rock\)"):
        plan_tracks(load(tmp_path / "tracks.csv", PLAN_COLUMNS))


def test_one_artist_in_two_unicode_forms_is_one(tmp_path):
    rows = plan_rows(["Rock", "Folk"], artist__name="Sigur Ro\u0301s")
    rows[0][1]["artist", "name"] = "Sigur R\u00f3s"
    write_tracks_csv(tmp_path / "tracks.csv", rows)
    plan = plan_tracks(load(tmp_path / "tracks.csv", PLAN_COLUMNS))
    assert set(plan["artist"]) == {"Sigur R\u00f3s"}


@pytest.mark.parametrize(
    ("ids", "artists"),
    [
        (["7", "7.0", "-1"], ["7", "7", "of test"]),
        (["ada", " ada", ""], ["ada", "ada", "of test"]),
        (["A1", "12.0", "NA"], ["A1", "12", "of test"]),
    ],
)
def test_artist_ids_may_be_numbers_or_text(tmp_path, ids, artists):
    rows = plan_rows(["Rock", "Folk"])
    for (_, cells), artist in zip(rows[::2], ids, strict=True):
        cells["artist", "id"] = artist
    write_tracks_csv(tmp_path / "tracks.csv", rows)
    plan = plan_tracks(load(tmp_path / "tracks.csv", PLAN_COLUMNS))
    assert plan["artist"].tolist()[::2] == artists


@pytest.mark.parametrize("index", ["unnamed", "named", "column", "first column"])
def test_a_table_that_pandas_saved_keeps_its_first_track(tracks_csv, index):
    tracks = load(tracks_csv)
    if index == "unnamed":
        tracks.rename_axis(None).to_csv(tracks_csv)
    elif index == "named":
        tracks.to_csv(tracks_csv)
    else:
        tracks.reset_index().to_csv(tracks_csv, index=index == "column")
    again = load(tracks_csv)
    assert again.index.tolist() == [2, 155066]
    assert again["track", "genre_top"][2] == "Hip-Hop"
    assert list(again.columns) == COLUMNS


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([2, 3, 2], "1 rows too many, the first with the track_id 2"),
        ([2, "3.0", 3], "1 rows too many, the first with the track_id 3"),
        ([2, "track 3", 4], "has the track_id 'track 3', which is no whole number"),
        ([2, "3.5", 4], "has the track_id '3.5', which is no whole number"),
        ([2, "", 4], "has the track_id '', which is no whole number"),
        ([2, "-3", 4], "has the track_id '-3', which is no whole number"),
    ],
)
def test_track_ids_that_cannot_be_used_are_named_in_one_line(tmp_path, ids, message):
    write_tracks_csv(tmp_path / "tracks.csv", [(i, ONE_TRACK) for i in ids])
    with pytest.raises(UserError, match=message):
        load(tmp_path / "tracks.csv", columns=[("set", "split")])


def test_track_ids_may_be_written_as_floats(tmp_path):
    write_tracks_csv(tmp_path / "tracks.csv", [("2.0", ONE_TRACK), ("155066.0", ONE_TRACK)])
    assert load(tmp_path / "tracks.csv").index.tolist() == [2, 155066]


# --- The other tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["features.csv", "echonest.csv", "raw_echonest.csv"])
def test_tables_with_three_header_rows(tmp_path, name):
    (tmp_path / name).write_text(
        "feature,chroma_cens,chroma_cens,mfcc\n"
        "statistics,kurtosis,kurtosis,mean\n"
        "number,01,02,01\n"
        "track_id,,,\n"
        "2,7.18,5.23,-1.5\n"
        "155066,0.25,1e-3,3\n"
    )
    features = load(tmp_path / name)
    assert features.shape == (2, 3)
    assert features.loc[155066].tolist() == [0.25, 1e-3, 3]
    assert features["mfcc"]["mean"]["01"].tolist() == [-1.5, 3]
    assert list(load(tmp_path / name, columns=[("mfcc", "mean", "01")]).columns) == [
        ("mfcc", "mean", "01")
    ]


def test_raw_tracks_have_lists_and_dates(tmp_path):
    (tmp_path / "raw_tracks.csv").write_text(
        "track_id,track_date_created,tags,track_genres,track_listens\n"
        "2,11/26/2008 01:48:12 AM,[],\"[{'genre_id': '21', 'genre_title': 'Hip-Hop'}]\",1293\n"
    )
    track = load(tmp_path / "raw_tracks.csv").loc[2]
    assert track["track_date_created"] == pd.Timestamp("2008-11-26 01:48:12")
    assert track["tags"] == []
    assert track["track_genres"][0]["genre_title"] == "Hip-Hop"
    assert track["track_listens"] == 1293


HEADER = ",set,set,track\n,split,subset,genres\ntrack_id,,,\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(HEADER.encode(), id="no rows"),
        pytest.param(np.random.default_rng(0).bytes(5000), id="bytes"),
        pytest.param(bytes(5000), id="zeros"),
        pytest.param(b"a\nb,c,d\ne,f\n1,2,3,4\n", id="ragged"),
        pytest.param(b"<html>\n<head></head>\n<body>\nNot found\n</body></html>", id="web page"),
        pytest.param(HEADER.encode() + b'2,training,small,"[21]\n3,test', id="cut in a cell"),
        pytest.param(HEADER.encode() + b"2,training,small,nonsense\n", id="no list"),
        pytest.param(HEADER.encode() + b"2,training,small,[__import__('os')]\n", id="code"),
        pytest.param(HEADER.encode() + b"\n" * 9000 + b"\xff\xfe", id="bytes below"),
    ],
)
def test_damaged_tracks_csv_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "tracks.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match="fetch it again") as error:
        load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("columns", "absent"), [([("set", "splat")], "splat"), ([("set", "split"), ("a", "b")], "'b'")]
)
def test_absent_column_is_named(tracks_csv, columns, absent):
    with pytest.raises(UserError, match=f"tracks.csv has no column .*{absent}"):
        load(tracks_csv, columns=columns)


def test_absent_column_of_a_table_with_one_header_row_is_named(tmp_path):
    (tmp_path / "genres.csv").write_text("genre_id,title\n1,Rock\n")
    with pytest.raises(UserError, match="no column 'parent'"):
        load(tmp_path / "genres.csv", columns=["parent"])


def test_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"genres.csv is missing: .*download.py"):
        load(tmp_path / "genres.csv")


# --- Genres --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mapping", "count"), [("all", 16), ("frequent", 14), ("merged", 12)])
def test_mapping_has_its_number_of_labels(mapping, count):
    assert len(set(GENRE_MAPPINGS[mapping].values())) == count


@pytest.mark.parametrize(
    ("mapping", "root", "label"),
    [
        ("all", "Old-Time / Historic", "Old-Time / Historic"),
        ("all", "Spoken", "Spoken"),
        ("frequent", "Old-Time / Historic", "Historic"),
        ("frequent", "Spoken", None),
        ("frequent", "Easy Listening", None),
        ("frequent", "Blues", "Blues"),
        ("merged", "Old-Time / Historic", "Historic"),
        ("merged", "Country", "Folk"),
        ("merged", "Folk", "Folk"),
        ("merged", "Spoken", "Spoken"),
        *(
            ("merged", root, "Blues-Jazz-Soul")
            for root in ("Blues", "Jazz", "Soul-RnB", "Easy Listening")
        ),
    ],
)
def test_mapping_gives_the_label(mapping, root, label):
    mapped = map_genres(pd.Series([root, None], dtype="category"), mapping)
    assert [None if pd.isna(genre) else genre for genre in mapped] == [label, None]


def test_unknown_mapping_is_refused():
    with pytest.raises(UserError, match=r"no genre mapping 'most'.*all, frequent, merged"):
        map_genres(pd.Series(["Rock"]), "most")


def test_a_genre_that_is_not_the_fmas_stays_as_it_is_unless_a_mapping_would_have_to_know_it():
    genres = pd.Series(["Rock", "Schlager", None])
    assert map_genres(genres, "all").dropna().tolist() == ["Rock", "Schlager"]
    with pytest.raises(UserError, match=r"'Schlager' is no root genre of the FMA.*use 'all'"):
        map_genres(genres, "merged")


def test_names_are_compared_in_one_form_and_without_spaces_at_their_ends():
    genres = pd.Series(["Chanson ", "Mu\u0301sica", " M\u00fasica", " ", None])
    assert map_genres(genres, "all").dropna().tolist() == ["Chanson", "M\u00fasica", "M\u00fasica"]


def test_spellings_that_differ_in_case_or_spaces_are_found():
    names = ["Rock", "rock", "Hip Hop", "hip  hop", "Jazz", "Rock"]
    assert similar_names(names) == [("Hip Hop", "hip  hop"), ("Rock", "rock")]


# --- Finding the data set ------------------------------------------------------------------------


def make_fma(root: Path, *subsets: str) -> Path:
    write_tracks_csv(root / "fma_metadata" / "tracks.csv", [])
    for subset in subsets:
        (root / f"fma_{subset}").mkdir()
    return root


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project, whose data/ is where a data set is looked for by default."""
    monkeypatch.setattr("common.fma.dataset.PROJECT_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("track_id", "place"),
    [(2, "000/000002.mp3"), (1999, "001/001999.mp3"), (155066, "155/155066.mp3")],
)
def test_audio_lies_in_the_folder_of_its_thousand(track_id, place):
    assert get_audio_path("fma_medium", track_id) == Path("fma_medium") / place


def test_data_set_is_where_the_argument_says_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FMA_ROOT", str(make_fma(tmp_path / "a", "small")))
    assert find_dataset(make_fma(tmp_path / "b", "small")).root == tmp_path / "b"
    assert find_dataset().root == tmp_path / "a"


def test_subset_is_what_the_argument_says_before_the_environment(tmp_path, monkeypatch):
    root = make_fma(tmp_path, "small", "medium", "large")
    monkeypatch.setenv("FMA_SUBSET", "small")
    assert find_dataset(root, "large").subset == "large"
    assert find_dataset(root).subset == "small"


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (("small", "medium", "large", "full"), "medium"),
        (("small", "large"), "large"),
        (("small", "full", "large"), "full"),
        (("small",), "small"),
    ],
)
def test_medium_is_preferred_then_the_largest(tmp_path, there, chosen):
    assert find_dataset(make_fma(tmp_path, *there)).subset == chosen


def test_paths_of_a_data_set(tmp_path):
    dataset = find_dataset(make_fma(tmp_path, "large"))
    assert dataset.metadata_dir == tmp_path / "fma_metadata"
    assert dataset.audio_dir == tmp_path / "fma_large"


def test_missing_subset_is_refused_and_those_there_are_listed(tmp_path):
    with pytest.raises(UserError, match=r"no fma_large/ \(it has small, medium\).*download"):
        find_dataset(make_fma(tmp_path, "small", "medium"), "large")


def test_wrong_subset_is_refused_and_the_right_ones_are_listed(tmp_path):
    with pytest.raises(UserError, match="no subset 'huge': choose one of small, medium, large"):
        find_dataset(make_fma(tmp_path, "small"), "huge")


@pytest.mark.parametrize("content", ["nothing", "only audio", "only metadata", "no folder"])
def test_folder_that_is_no_fma_is_refused(tmp_path, content):
    if content == "only audio":
        (tmp_path / "fma_small").mkdir()
    elif content == "only metadata":
        make_fma(tmp_path)
    root = tmp_path / "absent" if content == "no folder" else tmp_path
    with pytest.raises(UserError, match=r"no data set in .* lacks .*; point FMA_ROOT at"):
        find_dataset(root)


def test_root_without_data_is_never_replaced_by_the_demo_set(project):
    make_fma(project / "data" / "demo", "medium")
    (project / "elsewhere").mkdir()
    with pytest.raises(UserError, match="no data set in"):
        find_dataset(project / "elsewhere")


def test_real_data_in_the_project_comes_before_the_demo_set(project):
    make_fma(project / "data" / "demo", "medium")
    assert find_dataset().root == project / "data" / "demo"
    make_fma(project / "data", "small")
    assert find_dataset().root == project / "data"


def test_without_any_data_both_ways_to_get_some_are_told(project):
    with pytest.raises(UserError, match=r"make_demo.py .*synthetic.*download.py"):
        find_dataset()


def test_demo_set_says_so_wherever_it_is_named(tmp_path):
    root = make_fma(tmp_path, "medium")
    (root / "fma_metadata" / DEMO_MARKER).write_text(json.dumps({}))
    demo = find_dataset(root)
    assert demo.is_demo
    assert "SYNTHETIC DEMO SET" in demo.notice
    assert "synthetic" in demo.title
    assert demo.name == "demo-medium"


def test_real_data_set_is_not_called_synthetic(project):
    dataset = find_dataset(make_fma(project / "data", "medium"))
    assert (dataset.title, dataset.name) == ("FMA medium", "fma-medium")
    assert "synthetic" not in dataset.notice.lower()


def test_output_goes_where_the_environment_says(tmp_path, monkeypatch):
    assert output_root() == PROJECT_ROOT / "data"
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    assert output_root() == tmp_path


# --- Audio ---------------------------------------------------------------------------------------


def write(path: Path, samples: np.ndarray, sr: int = 22_050) -> Path:
    soundfile.write(path, samples, sr)
    return path


def tone(frequency: float, seconds: float, sr: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def strongest(samples: np.ndarray, sr: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return spectrum.argmax() * sr / samples.size


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_decodes_to_the_music_that_went_in(tmp_path, name, channels):
    sound = tone(440, 2, 44_100)
    path = write(tmp_path / name, np.stack([sound] * channels, axis=1), 44_100)
    samples = read_audio(path, sr=44_100)
    assert samples.shape == sound.shape
    assert samples.dtype == np.float32
    inside = slice(4_410, -4_410)  # lossy formats smear the abrupt beginning and end
    assert np.abs(samples - sound)[inside].max() < 0.02


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 1, 22_050), tone(1000, 1, 22_050)
    samples = read_audio(write(tmp_path / "a.wav", np.stack([left, right], axis=1)))
    assert np.abs(samples - (left + right) / 2).max() < 1e-4


@pytest.mark.parametrize("native", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("sr", [16_000, 22_050])
def test_resampling_keeps_frequency_and_level(tmp_path, native, sr):
    path = write(tmp_path / "a.wav", tone(1000, 2, native), native)
    samples = read_audio(path, sr=sr)
    assert samples.size == 2 * sr
    assert strongest(samples, sr) == pytest.approx(1000, abs=1)
    inside = samples[sr // 10 : -sr // 10]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_resampling_folds_nothing_into_the_result(tmp_path):
    path = write(tmp_path / "a.wav", tone(15_000, 2, 44_100), 44_100)
    inside = read_audio(path, sr=22_050)[2205:-2205]
    assert np.abs(inside).max() < 1e-3


@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
@pytest.mark.parametrize("offset", [0.1, 0.5, 1.2345, 2.75, 3.0])
def test_offset_and_duration_give_that_part_of_the_whole(tmp_path, name, offset):
    path = write(tmp_path / name, music(0, 4))
    part = read_audio(path, offset=offset, duration=1.0)
    start = round(offset * 22_050)
    np.testing.assert_allclose(part, read_audio(path)[start : start + 22_050], atol=1e-5)


def test_offset_alone_gives_the_rest(tmp_path):
    path = write(tmp_path / "a.wav", music(0, 3))
    np.testing.assert_array_equal(read_audio(path, offset=1), read_audio(path)[22_050:])


@pytest.fixture(scope="module")
def three_seconds(tmp_path_factory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("three_seconds")
    rates = (8_000, 11_025, 22_050, 44_100, 48_000)
    return {sr: write(folder / f"{sr}.wav", music(sr, 3, sr), sr) for sr in rates}


@given(
    native=st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000]),
    sr=st.sampled_from([8_000, 16_000, 22_050, 44_100, 96_000]),
    duration=st.floats(0.01, 2.5),
    offset=st.floats(0, 0.4),
)
def test_length_is_exactly_what_was_asked_for(three_seconds, native, sr, duration, offset):
    samples = read_audio(three_seconds[native], sr=sr, duration=duration, offset=offset)
    assert samples.size == round(duration * sr)


@pytest.mark.parametrize("native", [22_050, 44_100])
def test_at_least_lets_a_shorter_file_pass_as_it_is(three_seconds, native):
    samples = read_audio(three_seconds[native], duration=10, at_least=2.9)
    assert samples.size == 3 * 22_050
    np.testing.assert_array_equal(samples, read_audio(three_seconds[native]))


def test_at_least_is_a_limit(three_seconds):
    with pytest.raises(AudioTooShort, match=r"ends at 3.00 s, 3.10 s are needed"):
        read_audio(three_seconds[22_050], duration=10, at_least=3.1)


def test_offset_before_the_beginning_is_refused(three_seconds):
    with pytest.raises(AudioError):
        read_audio(three_seconds[22_050], offset=-1, duration=1)


@pytest.mark.parametrize("options", [{"duration": 3.5}, {"offset": 1, "duration": 2.5}])
def test_file_shorter_than_asked_for_is_too_short(three_seconds, options):
    with pytest.raises(AudioTooShort, match=r"ends at 3.00 s, 3.50 s are needed"):
        read_audio(three_seconds[22_050], **options)


def test_offset_beyond_the_end_is_too_short(three_seconds):
    with pytest.raises(AudioTooShort):
        read_audio(three_seconds[22_050], offset=5)


@pytest.mark.parametrize("directory", [False, True])
def test_path_without_a_file_is_missing(tmp_path, directory):
    path = tmp_path if directory else tmp_path / "a.mp3"
    with pytest.raises(AudioMissing, match="no such file") as error:
        read_audio(path)
    assert error.value.path == path


def test_file_of_no_bytes_is_empty(tmp_path):
    (tmp_path / "a.mp3").touch()
    with pytest.raises(AudioEmpty, match="the file is empty"):
        read_audio(tmp_path / "a.mp3")


def test_file_of_no_samples_is_empty(tmp_path):
    with pytest.raises(AudioEmpty, match="decodes to no samples"):
        read_audio(write(tmp_path / "a.wav", np.zeros(0)), duration=1, at_least=0)


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.raw", "a"])
def test_file_that_is_no_audio_is_undecodable(tmp_path, name):
    (tmp_path / name).write_text("no music\n" * 100)
    with pytest.raises(AudioUndecodable, match=f"{name}: (is no audio|does not decode)"):
        read_audio(tmp_path / name)


def test_samples_far_above_full_scale_are_undecodable(tmp_path):
    samples = np.zeros(1000, np.float32)
    samples[500] = -40
    soundfile.write(tmp_path / "a.wav", samples, 22_050, subtype="FLOAT")
    with pytest.raises(AudioUndecodable, match="is damaged: it decodes to 40 times full"):
        read_audio(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", samples / 20, 22_050, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav").min() == -2


def test_samples_that_are_not_finite_are_undecodable(tmp_path):
    samples = np.zeros(1000, np.float32)
    samples[500] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 22_050, subtype="FLOAT")
    with pytest.raises(AudioUndecodable, match="not finite"):
        read_audio(tmp_path / "a.wav")


def test_cut_mp3_gives_what_is_there(tmp_path):
    whole = write(tmp_path / "a.mp3", music(0, 4))
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(content[: len(content) // 2])
    samples = read_audio(cut)
    assert 1.5 < samples.size / 22_050 < 2.5
    with pytest.raises(AudioTooShort):
        read_audio(cut, duration=4)


@pytest.mark.parametrize("kind", [AudioMissing, AudioEmpty, AudioTooShort, AudioUndecodable])
def test_audio_errors_cross_process_borders(kind):
    error = pickle.loads(pickle.dumps(kind(Path("000/000002.mp3"), "does not decode")))
    assert type(error) is kind
    assert isinstance(error, AudioError)
    assert isinstance(error, UserError)
    assert (error.path, error.reason) == (Path("000/000002.mp3"), "does not decode")
    assert str(error) == f"{Path('000/000002.mp3')}: does not decode"
