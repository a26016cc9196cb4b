import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from several_genres_for_tests import GENRES, write_genres_csv, write_several_genres

from common.errors import UserError
from common.fma.labels import GenreTree, LabelSets, ancestors, genre_sets, lineage, root_of
from common.fma.metadata import SPLITS, load
from common.fma.track_plan import columns_of, plan_labels, plan_tracks
from spectrogram_feature.features.segment_plan import count_segments

PARENTS = {"Punk": "Rock", "Hardcore": "Punk", "Freak-Folk": "Folk"}


@pytest.fixture
def metadata(tmp_path):
    write_several_genres(tmp_path)
    return tmp_path / "fma_metadata"


def plan_of(metadata, labels, **options):
    tracks = load(metadata / "tracks.csv", columns_of(labels))
    return plan_labels(tracks, "all", labels, metadata / "genres.csv", **options)


def test_all_genres_with_their_ancestors(metadata):
    plan, described = plan_of(metadata, "all", min_tracks=1)
    assert described["genres"] == ("Folk", "Freak-Folk", "Rock", "Punk", "Hardcore")
    assert described["parents"] == PARENTS
    assert plan.loc[3, "genre"] == "Rock | Punk | Hardcore"
    assert plan.loc[6, "genre"] == "Folk | Rock"
    assert plan.loc[7, "genre"] == "Folk | Freak-Folk | Rock | Punk"
    assert 99 not in plan.index
    sets = [described["label_sets"][label] for label in plan["label"]]
    assert [" | ".join(own) for own in sets] == list(plan["genre"])


def test_root_genres_and_tracks_without_genre_top(metadata):
    plan, described = plan_of(metadata, "roots")
    assert described["genres"] == ("Folk", "Rock")
    assert described["parents"] == {}
    assert set(plan["genre"]) == {"Folk", "Rock", "Folk | Rock"}
    tops, _ = plan_of(metadata, "top")
    assert len(plan) == 35
    assert len(tops) == 25
    assert set(tops.index) == set(plan.index[plan["genre"] != "Folk | Rock"])


def test_rare_genres_and_those_that_a_split_lacks_are_left_out(metadata):
    plan, described = plan_of(metadata, "all", min_tracks=4)
    assert described["genres"] == ("Folk", "Freak-Folk", "Rock", "Punk")  # Hardcore has three
    assert plan.loc[3, "genre"] == "Rock | Punk"
    tracks = load(metadata / "tracks.csv", columns_of("all"))
    assert described["left_out"] == {"genres": 1, "tracks": 1}
    without = tracks[~((tracks["set", "split"] == "test") & (np.arange(len(tracks)) % 7 == 2))]
    _, described = plan_labels(without, "all", "all", metadata / "genres.csv", 1)
    assert "Hardcore" not in described["genres"]
    _, described = plan_of(metadata, "all", min_tracks=100)
    assert described["genres"] == ("Folk", "Rock")  # roots stay


@pytest.mark.parametrize(
    ("genres", "message"),
    [
        ({**GENRES, 4: (9, "Hardcore")}, "genre 4 (Hardcore) has the parent 9, which the table"),
        ({**GENRES, 1: (4, "Rock")}, "its own ancestor: correct the column parent"),
        ({**GENRES, 5: (2, "Punk")}, "the title 'Punk' twice"),
        ({**GENRES, 5: (2, "Punk | x")}, "the genre 5 has the title 'Punk | x': a title must not"),
        ({**GENRES, 5: (2, "")}, "the genre 5 has the title '': a title must not be empty"),
        ({1: (0, "Rock"), 2: (0, "Folk")}, "track 2 has the genre 3, which"),
    ],
)
def test_a_bad_tree_is_one_line(metadata, genres, message):
    write_genres_csv(metadata / "genres.csv", genres)
    with pytest.raises(UserError) as error:
        plan_of(metadata, "all", min_tracks=1)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unusable_labels_are_one_line(metadata):
    tracks = load(metadata / "tracks.csv", columns_of("all"))
    part = tracks[tracks["set", "split"] != "validation"]
    with pytest.raises(UserError, match="no validation track with a genre"):
        plan_labels(part, "all", "roots", metadata / "genres.csv")
    folk = tracks["track", "genres_all"].map(lambda own: bool({2, 5} & set(own)))
    part = tracks[~(folk & (tracks["set", "split"] == "training"))]
    with pytest.raises(UserError, match="no training track is Folk, but other tracks are"):
        plan_labels(part, "all", "all", metadata / "genres.csv")
    with pytest.raises(UserError, match=r"tracks have the same genres \(Rock\): a classifier"):
        plan_labels(tracks[~folk], "all", "roots", metadata / "genres.csv")
    with pytest.raises(UserError, match="--min-tracks 0 must be 1 or more"):
        plan_of(metadata, "all", min_tracks=0)
    with pytest.raises(UserError, match="--genres merged is for one genre a track"):
        plan_labels(tracks, "merged", "all", metadata / "genres.csv")


def test_the_rarest_genre_of_a_track_decides_its_segments(metadata):
    plan, _ = plan_of(metadata, "all", min_tracks=1)
    training = count_segments(plan)[plan["split"] == "training"]
    # Shares: Folk and Rock 4/7 and 5/7, Punk 3/7, Freak-Folk 2/7, Hardcore 1/7; the limit is 1/5.
    three = training[training["segments"] == 3]
    assert set(three["genre"]) == {"Rock | Punk | Hardcore"}
    assert set(count_segments(plan)[plan["split"] != "training"]["segments"]) == {3}


def test_one_genre_is_planned_as_before(metadata):
    tracks = load(metadata / "tracks.csv", columns_of("top"))
    plan, described = plan_of(metadata, "top")
    pd.testing.assert_frame_equal(plan, plan_tracks(tracks))
    assert described == {"genres": ("Folk", "Rock")}


parents_of_trees = st.lists(st.integers(-1, 20), min_size=1, max_size=15).map(
    # The parent of a genre has a smaller number, so there is no cycle.
    lambda numbers: {str(i): str(n % i) for i, n in enumerate(numbers) if i and n >= 0}
)


@given(parents_of_trees)
def test_ancestors_are_those_of_the_lineage(parents):
    genres = sorted({*parents, *parents.values(), "0"})
    table = ancestors(genres, parents)
    assert table.diagonal().all()
    for row, genre in enumerate(genres):
        assert {genres[i] for i in np.flatnonzero(table[row])} == set(lineage(genre, parents))
        assert root_of(genre, parents) not in parents
    # Ancestors of ancestors are ancestors.
    np.testing.assert_array_equal((table.astype(int) @ table) > 0, table)


def test_a_cycle_of_parents_is_an_error():
    with pytest.raises(ValueError, match="own ancestor"):
        ancestors(["a", "b"], {"a": "b", "b": "a"})


@given(st.lists(st.sets(st.sampled_from(sorted(GENRES)), min_size=1), min_size=1, max_size=12))
def test_a_genre_is_never_without_its_ancestors(tmp_path_factory, lists):
    path = tmp_path_factory.mktemp("tree") / "genres.csv"
    write_genres_csv(path)
    tree = GenreTree.read(path)
    series = pd.Series([sorted(own) for own in lists], index=range(1, len(lists) + 1))
    for own in genre_sets(series, tree, "all"):
        assert {PARENTS[genre] for genre in own if genre in PARENTS} <= own
    for own, of_roots in zip(
        genre_sets(series, tree, "all"), genre_sets(series, tree, "roots"), strict=True
    ):
        assert of_roots == {genre for genre in own if genre not in PARENTS}


def test_labels_do_not_depend_on_the_order_of_tracks(metadata):
    tree = GenreTree.read(metadata / "genres.csv")
    plan, _ = plan_of(metadata, "all", min_tracks=1)
    forwards = LabelSets.of(plan["genre"], tree, "all")
    assert LabelSets.of(plan["genre"][::-1], tree, "all") == forwards
    assert set(plan["split"]) == set(SPLITS)
