"""Whether the figures of confusion and saliency say what they show and clip nothing."""

import numpy as np
import pandas as pd
import pytest

from common.analysis.confusion import genre_tree, mean_probability, merging_curve, symmetric
from common.evaluation.calibration import reliability
from common.evaluation.predictions import Predictions
from common.fma.genres import ROOT_GENRES
from common.plotting.confusion_plots import (
    confusion_tree,
    cooccurrence_maps,
    genre_map,
    genre_profile,
    merging_curve_figure,
    reliability_diagram,
)
from common.plotting.plots import C1_HZ
from common.plotting.style import GENRE_COLORS
from spectrogram_feature.saliency.saliency_grid import Explained, saliency_grid

LONG = "synthetic demo set, the network with the longest name"


def some(n, tracks=80):
    genres = sorted(sorted(ROOT_GENRES, key=len, reverse=True)[:n])
    rng = np.random.default_rng(0)
    label = np.arange(tracks) % n
    probability = rng.dirichlet(np.ones(n), size=tracks) / 2 + np.eye(n)[label] / 2
    return Predictions(np.arange(tracks), label, probability, genres)


def some_tree(predictions):
    return genre_tree(symmetric(mean_probability(predictions)))


def explained(rows):
    rng = np.random.default_rng(0)
    names = ("Old-Time / Historic", "Easy Listening")
    return [
        Explained(
            f"track {i}: {names[0]},\ntaken for {names[1]}",
            rng.random((40, 84)),
            tuple((name, rng.standard_normal((40, 84))) for name in names),
        )
        for i in range(rows)
    ]


def figures():
    for n in (2, 4, 16):
        p = some(n)
        points = np.random.default_rng(0).standard_normal((80, 2))
        yield (
            f"map-{n}",
            lambda p=p, x=points: genre_map(x, p.label, p.genres, method="t-SNE", title=LONG),
        )
        yield f"tree-{n}", lambda p=p: confusion_tree(some_tree(p), p.genres, title=LONG)
        shares = pd.Series(np.arange(n) / n, index=p.genres)
        yield (
            f"profile-{n}",
            lambda s=shares: genre_profile({"What Pop is taken for": s, "And": 0 * s}, title=LONG),
        )
        yield (
            f"curve-{n}",
            lambda p=p: merging_curve_figure(merging_curve(p, some_tree(p)), title=LONG),
        )
    table = reliability(some(4))
    symmetric = pd.DataFrame(np.full((3, 3), 0.2), list("abc"), list("abc"))
    yield "together", lambda: cooccurrence_maps({"True": symmetric, "Said": symmetric}, title=LONG)
    yield "reliability", lambda: reliability_diagram({"Before": table, "After": table}, title=LONG)
    axes = {"hop_seconds": 0.02, "frequencies": C1_HZ * 2 ** (np.arange(84) / 12)}
    for rows in (1, 3):
        yield f"saliency-{rows}", lambda r=rows: saliency_grid(explained(r), title=LONG, **axes)


@pytest.mark.parametrize(("name", "draw"), [pytest.param(*f, id=f[0]) for f in figures()])
def test_every_figure_has_a_title_and_labels_and_clips_nothing(name, draw):
    figure = draw()
    figure.draw_without_rendering()
    assert figure.get_suptitle()
    assert any(axes.get_xlabel() for axes in figure.axes)
    drawn, sheet = figure.get_tightbbox(), figure.bbox_inches.padded(0.01)
    assert drawn.x0 >= sheet.x0
    assert drawn.y0 >= sheet.y0
    assert drawn.x1 <= sheet.x1
    assert drawn.y1 <= sheet.y1


def test_a_map_has_each_track_once_in_its_genres_colour():
    p = some(4)
    points = np.arange(160.0).reshape(80, 2)
    panel = genre_map(points, p.label, p.genres, method="t-SNE", title="Map").axes[0]
    drawn = panel.collections[0]
    order = np.argsort(drawn.get_offsets()[:, 0])
    np.testing.assert_array_equal(drawn.get_offsets()[order], points)
    from matplotlib.colors import to_rgba

    expected = [to_rgba(GENRE_COLORS[p.genres[i]]) for i in p.label]
    np.testing.assert_allclose(drawn.get_facecolors()[order], expected)


def test_the_tree_has_every_genre_once():
    p = some(16)
    panel = confusion_tree(some_tree(p), p.genres, title="Tree").axes[0]
    assert sorted(t.get_text() for t in panel.get_yticklabels()) == sorted(p.genres)


def test_attributions_share_one_scale_that_is_centred_on_zero():
    axes = {"hop_seconds": 0.02, "frequencies": C1_HZ * 2 ** (np.arange(84) / 12)}
    figure = saliency_grid(explained(2), title="Saliency", **axes)
    meshes = [m for a in figure.axes for m in a.collections if m.get_cmap().name == "RdBu_r"]
    # Of 40 frames, added up by 12, four are left.
    drawn = [m for m in meshes if m.get_array().size == 4 * 84]
    assert len(drawn) == 4
    [(low, high)] = {m.get_clim() for m in drawn}
    assert low == -high
