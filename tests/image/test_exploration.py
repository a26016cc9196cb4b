"""What is told of a data set is what it holds, and damage is seen."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from fma_for_tests import (
    COLUMNS,
    EMPTY,
    FILE_RATE,
    MISSING,
    NO_AUDIO,
    PADDED,
    SHORT,
    music,
    write_tracks_csv,
)
from PIL import Image

from common.fma import track_plan
from common.fma.metadata import load
from common.plotting.players import player
from spectrogram_image.convert import KINDS, convert
from spectrogram_image.exploration import file_checks, metadata, sound_views


@pytest.fixture(scope="module")
def tiny_tracks(tiny_fma):
    return load(tiny_fma.metadata_dir / "tracks.csv")


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    path = tmp_path_factory.mktemp("intact") / "music.mp3"
    soundfile.write(path, music(1, 30.0, FILE_RATE), FILE_RATE)
    return path


@pytest.fixture(scope="module")
def checked_copies(intact, tmp_path_factory):
    copies = file_checks.write_damaged(intact, tmp_path_factory.mktemp("damaged"))
    return {what: file_checks.check_file(copy) for what, copy in copies.items()}


@pytest.fixture(scope="module")
def eight():
    samples = music(2, 5.0)
    return {kind: convert(samples, 22_050, kind) for kind in KINDS}


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels() if label.get_text()]


def test_missing_are_empty_cells_empty_lists_and_minus_one_where_it_counts_something(tmp_path):
    cells = {
        ("album", "listens"): "-1",
        ("artist", "latitude"): "-1",
        ("artist", "id"): "7",
        ("track", "tags"): "['live']",
    }
    write_tracks_csv(tmp_path / "tracks.csv", [(2, cells), (3, {("album", "listens"): "9"})])
    missing = metadata.missing_shares(load(tmp_path / "tracks.csv"))
    assert list(missing.index) == COLUMNS
    assert missing["album", "listens"] == 0.5
    assert missing["artist", "latitude"] == 0.5
    assert missing["artist", "id"] == 0.5
    assert missing["track", "tags"] == 0.5
    assert missing["album", "tags"] == 1
    assert missing["track", "date_created"] == 1
    assert missing["set", "split"] == 1


def test_every_column_stands_once_under_what_it_holds(tiny_tracks):
    table = metadata.columns_by_type(tiny_tracks)
    names = [
        (part, name)
        for part in table.columns
        for cell in table[part]
        if cell != "–"
        for name in cell.split(", ")
    ]
    assert sorted(names) == sorted(COLUMNS)
    assert table.loc["category", "set"] == "split, subset"
    assert table.loc["category", "track"] == "genre_top"
    assert "tags" in table.loc["nothing", "track"]


def test_an_artist_is_known_by_id_or_else_by_name():
    tracks = pd.DataFrame(
        {("artist", "id"): [7.0, -1.0, np.nan], ("artist", "name"): ["A", "B", None]}
    )
    assert track_plan.artist_of(tracks).fillna("?").tolist() == ["7", "B", "?"]


def test_subsets_contain_one_another(tiny_tracks):
    table = metadata.subset_table(tiny_tracks)
    assert table["tracks"].tolist() == [7, 20, 21, 21]
    assert table["with a root genre"].tolist() == [7, 20, 20, 20]
    assert table["root genres"].tolist() == [1, 3, 3, 3]
    assert table.loc["medium", ["rarest genre", "most frequent genre"]].tolist() == [6, 7]


def test_files_are_checked_by_what_they_decode_to(tiny_fma):
    ids = [7, PADDED, SHORT, NO_AUDIO, EMPTY, MISSING]
    checked = file_checks.check_tracks(tiny_fma, iter(ids))
    assert checked.index.tolist() == ids
    assert checked["error"].tolist() == [
        "",
        "",
        "AudioTooShort",
        "AudioUndecodable",
        "AudioEmpty",
        "AudioMissing",
    ]
    seconds = checked["decoded_seconds"]
    assert seconds[7] == pytest.approx(30, abs=0.1)
    assert seconds[SHORT] == pytest.approx(15, abs=0.1)
    assert seconds[[NO_AUDIO, EMPTY, MISSING]].isna().all()
    assert checked.loc[SHORT, "reason"].startswith("ends at 15.")
    assert checked.loc[7, "sample_rate"] == FILE_RATE
    assert checked.loc[7, "channels"] == 1


def test_the_first_track_that_decodes_is_found(tiny_fma):
    excerpt = {"sr": 8000, "offset": 5.0, "duration": 2.0}
    found, samples = file_checks.first_readable(tiny_fma, [MISSING, NO_AUDIO, SHORT, 7], **excerpt)
    assert found == SHORT
    assert samples.shape == (16_000,)
    assert file_checks.first_readable(tiny_fma, [MISSING, EMPTY], **excerpt) is None


def test_each_damage_is_noticed_or_decodes_to_another_sound(
    intact, checked_copies, tmp_path_factory
):
    errors = {what: found["error"] for what, found in checked_copies.items()}
    assert errors.pop("intact") == ""
    assert errors["cut off at half its length"] == "AudioTooShort"
    assert errors["a text named .mp3"] == "AudioUndecodable"
    assert errors["no bytes"] == "AudioEmpty"
    assert errors["missing"] == "AudioMissing"
    written = [file_checks.write_damaged(intact, tmp_path_factory.mktemp("again")) for _ in "ab"]
    first, second = (
        {what: path.read_bytes() for what, path in copies.items() if path.exists()}
        for copies in written
    )
    assert first == second
    assert first["intact"] == intact.read_bytes()
    assert len(set(first.values())) == len(first) == len(errors)


def test_a_header_goes_on_promising_what_is_cut_off(checked_copies):
    cut = checked_copies["cut off at half its length"]
    assert cut["header_seconds"] == pytest.approx(30, abs=0.1)
    assert cut["decoded_seconds"] == pytest.approx(15, abs=0.5)


def test_a_short_file_that_decodes_to_nan_is_undecodable(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.full(8000, np.nan, np.float32), 8000, subtype="FLOAT")
    found = file_checks.check_file(path)
    assert found["error"] == "AudioUndecodable"
    assert np.isnan(found["peak"])


def test_different_kinds_have_an_axis_each_and_share_the_time(eight):
    examples = [(each.title, each) for each in eight.values()]
    figure = sound_views.representation_grid(examples, columns=3, title="eight")
    figure.canvas.draw()
    panels = [panel for panel in figure.axes if panel.get_title(loc="left")]
    assert [panel.get_title(loc="left") for panel in panels] == [title for title, _ in examples]
    assert len({panel.get_xlim() for panel in panels}) == 1
    assert len(figure.axes) == 9 + 8  # a place is empty; a bar of colours each
    assert all(len(labels(panel.yaxis)) >= 3 for panel in panels)
    assert [bool(labels(panel.xaxis)) for panel in panels] == [False] * 5 + [True] * 3


def test_one_kind_shares_its_axes_and_colours(eight):
    examples = [(name, eight["cqt"]) for name in "abcdef"]
    figure = sound_views.representation_grid(examples, columns=4, title="one kind")
    figure.canvas.draw()
    assert len(figure.axes) == 8 + 1
    assert labels(figure.axes[0].yaxis) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert [bool(panel.get_ylabel()) for panel in figure.axes[:6]] == [
        True,
        *[False] * 3,
        True,
        False,
    ]


def test_a_small_image_has_256_colours_and_the_figure_s_size(eight):
    figure = sound_views.representation_grid([("a", eight["mel"])], columns=1, title="small")
    drawn = sound_views.as_small_image(figure, dpi=50)
    picture = Image.open(io.BytesIO(drawn.data))
    assert picture.mode == "P"
    assert picture.size == tuple((50 * figure.get_size_inches()).astype(int))


def test_the_gallery_escapes_titles_and_names_its_data(eight):
    sound = player(np.zeros(8000, np.float32), 8000)
    card = ("Rock", "<script>by</script> & all", sound, eight["mel"])
    shown = sound_views.gallery([card] * 3, "synthetic demo set").data
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<audio") == shown.count("<img") == 3
    assert shown.count("<tr>") == 2
    assert "synthetic demo set" in shown
