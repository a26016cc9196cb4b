"""The figure of a recording's genres over time."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from common.fma.genres import ROOT_GENRES
from common.plotting.plots import C1_HZ, NAMED, WIDEST, genres_over_time

FREQUENCIES = C1_HZ * 2 ** (np.arange(84) / 12)


def draw(
    segments: int,
    last_seconds: float,
    genres: int,
    title: str = "Genres of a.mp3",
    threshold: float | None = None,
):
    rng = np.random.default_rng(0)
    edges = np.concatenate([10.0 * np.arange(segments), [10 * segments - 10 + last_seconds]])
    probability = rng.dirichlet(np.full(genres, 0.3), segments)
    if threshold is not None:
        probability = rng.uniform(0, 1, (segments, genres))
        probability[segments // 2] = 0  # silence
    levels = rng.uniform(-80, 0, (max(1, round(48 * edges[-1])), 84)).astype(np.float32)
    return genres_over_time(
        edges,
        probability,
        ROOT_GENRES[:genres],
        levels,
        reference="loudest",
        frequencies=FREQUENCIES,
        title=title,
        threshold=threshold,
    )


@pytest.mark.parametrize(
    ("segments", "last_seconds", "genres", "threshold"),
    [
        (1, 1.0, 2, None),
        (3, 10.0, 4, None),
        (4, 0.001, 16, None),
        (400, 5, 16, None),
        (4, 0.001, 16, 0.4),
    ],
)
def test_nothing_is_cut_off(segments, last_seconds, genres, threshold):
    long = "A very long name of a file that does not seem to end (live, 1998-07-03).mp3"
    figure = draw(segments, last_seconds, genres, long, threshold)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01
    assert not plt.get_fignums()


def test_legend_names_the_most_probable_and_sums_the_others():
    legend = draw(5, 3.0, 16).axes[1].get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == NAMED + 1
    assert labels[0].startswith(f"{16 - NAMED} others ")
    shares = [int(label.split()[-2]) for label in labels]
    assert shares[1:] == sorted(shares[1:])
    assert sum(shares) == pytest.approx(100, abs=5)  # each is rounded


def test_both_panels_show_the_same_time_in_a_fitting_unit():
    for segments, unit, end in ((3, "s", 25), (100, "min", 995 / 60)):
        stack, _, below, bar = draw(segments, 5.0, 4).axes
        assert below.get_xlabel() == f"Time ({unit})"
        assert stack.get_xlim() == pytest.approx((0, end))
        assert below.get_xlim() == pytest.approx((0, end))
        assert bar.get_ylabel() == "Level (dB, loudest = 0)"


def test_long_spectrograms_are_averaged_to_what_can_be_seen():
    [mesh] = draw(400, 10.0, 4).axes[2].collections
    frames = mesh.get_array().shape[1]
    assert WIDEST / 2 < frames <= WIDEST
    assert mesh.get_array().mean() == pytest.approx(-40, abs=0.5)


def test_several_genres_are_lines_with_gaps_and_a_threshold():
    figure = draw(4, 10.0, 5, threshold=0.4)
    [stack] = [axes for axes in figure.axes if axes.get_ylabel() == "Probability (%)"]
    assert not stack.collections  # no stack
    legend = next(axes.get_legend() for axes in figure.axes if axes.get_legend())
    *genres, threshold = [text.get_text() for text in legend.get_texts()]
    assert threshold == "Threshold 40 %"
    assert len(genres) == len(stack.patches) == 5
    shares = [int(text.split()[-2]) for text in genres]
    assert shares == sorted(shares, reverse=True)
    for line, share in zip(stack.patches[::-1], shares, strict=True):
        values = line.get_data().values
        assert np.isnan(values).tolist() == [False, False, True, False]
        assert 100 * np.nanmean(values) == pytest.approx(share, abs=0.51)  # of audible segments
