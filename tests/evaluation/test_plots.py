import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from common.evaluation.leaderboard import Result, leaderboard
from common.evaluation.metrics import Predictions, confusion, evaluate, per_genre
from common.fma.genres import GENRE_MAPPINGS, ROOT_GENRES
from common.plotting.plots import (
    C1_HZ,
    genre_ratios,
    segment_counts,
    spectrogram,
    spectrogram_difference,
    spectrogram_grid,
    waveform,
)
from common.plotting.result_plots import (
    confusion_matrix,
    leaderboard_figure,
    learning_curves,
    per_genre_f1,
)
from common.plotting.style import GENRE_COLORS, GREY, genre_colors

matplotlib.use("Agg")

SIZES = (2, 4, 16)
CQT = {"hop_seconds": 460 / 22050, "frequencies": C1_HZ * 2 ** (np.arange(84) / 12)}


def some_genres(n):
    """The longest names first: they are the hardest to fit."""
    chosen = sorted(ROOT_GENRES, key=len, reverse=True)[:n]
    return [genre for genre in ROOT_GENRES if genre in chosen]


def some_counts(n):
    counts = np.random.default_rng(0).integers(1, 7000, size=(3, n))
    return pd.DataFrame(counts, index=["training", "validation", "test"], columns=some_genres(n))


def some_predictions(n):
    rng = np.random.default_rng(0)
    label = rng.integers(n, size=200)
    probability = rng.dirichlet(np.ones(n), size=200) / 2 + np.eye(n)[label] / 4
    return Predictions(np.arange(200), label, probability, some_genres(n))


def some_board():
    scores = evaluate(some_predictions(4), resamples=50)
    names = ("Majority class", "SVM on bin statistics", "CNN", "ResNet")
    return leaderboard(
        [Result(name, scores, None, None, is_baseline=i < 2) for i, name in enumerate(names)]
    )


def some_history(epochs=6):
    rising = np.linspace(0.2, 0.8, epochs)
    return {
        "loss": 2 - rising,
        "val_loss": 2.2 - rising,
        "accuracy": rising,
        "val_accuracy": np.minimum(rising, 0.5),
    }


def all_figures():
    yield "waveform", lambda: waveform(np.sin(np.arange(2205) / 5), 22050)
    features = np.random.default_rng(0).uniform(-80, 0, size=(40, 84))
    yield "spectrogram", lambda: spectrogram(features, **CQT)
    for n in (1, 3, 6):
        examples = [(f"example {i}", features) for i in range(n)]
        yield f"spectrogram_grid-{n}", lambda e=examples: spectrogram_grid(e, title="Some", **CQT)
    yield "learning_curves", lambda: learning_curves({"CNN": some_history(), "GRU": some_history()})
    yield "leaderboard_figure", lambda: leaderboard_figure(some_board())
    for n in SIZES:
        counts, predictions = some_counts(n), some_predictions(n)
        yield f"genre_ratios-{n}", lambda c=counts: genre_ratios(c)
        yield f"segment_counts-{n}", lambda c=counts: segment_counts(3 * c, c)
        yield f"confusion-{n}", lambda p=predictions: confusion_matrix(confusion(p))
        yield f"per_genre_f1-{n}", lambda p=predictions: per_genre_f1(per_genre(p))


@pytest.mark.parametrize(("name", "draw"), [pytest.param(*f, id=f[0]) for f in all_figures()])
def test_every_figure_has_a_title_and_labels_and_clips_nothing(name, draw, capsys):
    figure = draw()
    figure.draw_without_rendering()
    assert figure.get_suptitle()
    assert any(axes.get_xlabel() for axes in figure.axes)
    drawn, sheet = figure.get_tightbbox(), figure.bbox_inches.padded(0.01)
    assert drawn.x0 >= sheet.x0
    assert drawn.y0 >= sheet.y0
    assert drawn.x1 <= sheet.x1
    assert drawn.y1 <= sheet.y1
    assert plt.get_fignums() == []
    assert capsys.readouterr().out == ""


def test_drawing_leaves_the_settings_of_others_alone():
    before = dict(matplotlib.rcParams)
    genre_ratios(some_counts(4))
    assert dict(matplotlib.rcParams) == before


def test_a_long_title_is_broken_into_lines():
    title = "Confusion of genres: convolutional recurrent network, test split, synthetic demo set"
    figure = confusion_matrix(confusion(some_predictions(4)), title=title)
    assert figure.get_suptitle().replace("\n", " ") == title
    figure.draw_without_rendering()
    assert figure._suptitle.get_window_extent().x1 <= figure.bbox.x1


def test_every_label_of_every_mapping_has_a_colour():
    assert tuple(GENRE_COLORS)[:16] == ROOT_GENRES
    for mapping in GENRE_MAPPINGS.values():
        assert set(mapping.values()) <= set(GENRE_COLORS)
    assert GENRE_COLORS["Historic"] == GENRE_COLORS["Old-Time / Historic"]
    assert genre_colors(["Rock", "no genre"]) == [GENRE_COLORS["Rock"], GREY]


@pytest.mark.parametrize("mapping", GENRE_MAPPINGS)
def test_colours_within_a_mapping_are_told_apart(mapping):
    labels = sorted(set(GENRE_MAPPINGS[mapping].values()))
    lab = np.array([oklab(color) for color in genre_colors(labels)])
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[np.triu_indices(len(labels), 1)].min() > 0.08


def oklab(color):
    """Convert to Oklab, where distance is how different colours look (Ottosson, 2020)."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ linear
    )
    return (
        np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        )
        @ lms
    )


@pytest.mark.parametrize("n", SIZES)
def test_genre_ratios_show_shares_in_the_genres_colours(n):
    counts = some_counts(n)
    figure = genre_ratios(counts)
    assert len(figure.axes) == 3
    for panel, (split, row) in zip(figure.axes, counts.iterrows(), strict=True):
        bars = panel.patches
        assert [bar.get_width() for bar in bars] == pytest.approx(list(row / row.sum()))
        assert [to_hex(bar.get_facecolor()) for bar in bars] == genre_colors(counts.columns)
        assert panel.lines[0].get_xdata()[0] == pytest.approx(1 / n)
        assert panel.get_title(loc="left").startswith(split)
        assert panel.get_xlabel() == "Share of tracks (%)"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(counts.columns)
    assert figure.axes[0].yaxis_inverted()


def test_genre_ratios_survive_an_empty_split():
    counts = some_counts(4)
    counts.loc["test"] = 0
    figure = genre_ratios(counts)
    assert [bar.get_width() for bar in figure.axes[2].patches] == [0] * 4


def test_segment_counts_show_both_numbers_where_they_differ():
    after = some_counts(4)
    before = after.copy()
    before.loc["training", after.columns[0]] *= 3
    figure = segment_counts(before, after)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(figure.axes[0].patches) == 8
    assert sum("→" in text for text in texts) == 1
    assert not any("→" in text.get_text() for text in figure.axes[1].texts)


def test_waveform_runs_over_its_seconds():
    panel = waveform(np.zeros(22050), 22050.0).axes[0]
    assert panel.get_xlim() == (0, 1)
    assert panel.get_xlabel() == "Time (s)"
    assert "full scale" in panel.get_ylabel()


def test_spectrogram_puts_time_across_and_notes_upward():
    features = np.zeros((480, 84))
    features[100:120, 33] = 1  # A3, 220 Hz
    figure = spectrogram(features, unit="0…1", **CQT)
    panel, bar = figure.axes
    mesh = panel.collections[0]
    assert mesh.get_array().shape == (84, 480)
    assert panel.get_xlim() == pytest.approx((0, 480 * 460 / 22050))
    edges = mesh.get_coordinates()[:, 0, 1]
    assert edges[33] < 220 < edges[34]
    assert panel.get_yscale() == "log"
    labels = [text.get_text() for text in panel.get_yticklabels()]
    assert labels == [f"C{i + 1} ({C1_HZ * 2**i:,.0f})" for i in range(7)]
    assert figure.get_supylabel() == "Note (frequency in Hz)"
    assert bar.get_ylabel() == "Magnitude (0…1)"


def test_spectrogram_of_silence_draws():
    spectrogram(np.full((20, 84), -80.0), **CQT).draw_without_rendering()


def test_spectrogram_grid_shares_the_colours():
    dim, bright = np.full((20, 84), -60.0), np.full((20, 84), -10.0)
    figure = spectrogram_grid([("dim", dim), ("bright", bright)], **CQT)
    meshes = [axes.collections[0] for axes in figure.axes[:2]]
    assert [mesh.get_clim() for mesh in meshes] == [(-60, -10)] * 2


def test_a_difference_is_shown_about_zero_where_the_first_is_above_the_floor():
    first = np.full((20, 84), -10.0)
    first[:10] = -70
    second = first + 0.5
    titled = ("one", first), ("two", second)
    figure = spectrogram_difference(*titled, floor=-60, title="Two transforms", **CQT)
    left, right, last = (axes.collections[0] for axes in figure.axes[:3])
    assert left.get_clim() == right.get_clim() == (-70, -9.5)
    assert last.get_clim() == pytest.approx((-0.5, 0.5))
    assert (last.get_array()[:, :10] == 0).all()
    assert (last.get_array()[:, 10:] == 0.5).all()
    spectrogram_difference(*titled, floor=0, title="None compared", **CQT)


def test_learning_curves_mark_the_best_epoch():
    history = some_history(epochs=7)
    figure = learning_curves({"CNN": history})
    loss, accuracy = figure.axes
    best = int(np.argmin(history["val_loss"]))
    for panel, name in ((loss, "val_loss"), (accuracy, "val_accuracy")):
        training, validation, dot = panel.lines
        assert training.get_linestyle() == "--"
        assert list(validation.get_ydata()) == list(history[name])
        assert dot.get_xdata()[0] == best + 1
        assert dot.get_ydata()[0] == history[name][best]
        assert panel.get_xlabel() == "Epoch"
    assert "nats" in loss.get_ylabel()
    assert "%" in accuracy.get_ylabel()


def test_confusion_matrix_writes_counts_and_colours_shares():
    table = confusion(some_predictions(4))
    figure = confusion_matrix(table)
    panel, bar = figure.axes
    written = {text.get_position(): text.get_text() for text in panel.texts}
    for (row, column), count in np.ndenumerate(table.to_numpy()):
        assert written.get((column, row), "0") == str(count)
    shown = panel.images[0].get_array()
    expected = table.to_numpy() / table.to_numpy().sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shown, expected)
    assert "%" in bar.get_ylabel()
    assert panel.get_xlabel() == "Predicted genre"


def test_per_genre_f1_marks_the_mean_and_the_undefined():
    table = pd.DataFrame(
        {"f1": [0.5, 0.9, np.nan], "tracks": [10, 20, 0]}, index=["Folk", "Rock", "Spoken"]
    )
    figure = per_genre_f1(table)
    panel = figure.axes[0]
    assert panel.lines[0].get_xdata()[0] == pytest.approx(0.7)
    assert [text.get_text() for text in panel.texts] == ["50.0", "90.0", "undefined"]
    assert [to_hex(bar.get_facecolor()) for bar in panel.patches] == genre_colors(table.index)


def test_leaderboard_figure_tells_baselines_from_models():
    board = some_board()
    figure = leaderboard_figure(board)
    for panel, name in zip(figure.axes, ("track_accuracy", "track_macro_f1"), strict=True):
        baselines, models = panel.containers
        assert list(baselines.lines[0].get_ydata()) == [0, 1]
        assert list(models.lines[0].get_ydata()) == [2, 3]
        assert baselines.lines[0].get_marker() != models.lines[0].get_marker()
        segment = models.lines[2][0].get_segments()[0]
        assert list(segment[:, 0]) == pytest.approx(
            [board[f"{name}_low"][2], board[f"{name}_high"][2]]
        )


def test_leaderboard_figure_without_baselines():
    board = some_board()
    leaderboard_figure(board[~board["is_baseline"]]).draw_without_rendering()
