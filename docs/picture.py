"""Draw the README's picture: a track of the demo set from its waveform to genre probabilities."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from common import cli
from common.errors import UserError
from common.fma.audio import read_audio
from common.fma.dataset import find_dataset, get_audio_path
from common.paths import PROJECT_ROOT, display_path
from common.plotting.style import DARK, GREY, STYLE, genre_colors
from spectrogram_feature.generate_records import cut_segments
from spectrogram_feature.inference.classifier import GenreClassifier, Prediction
from spectrogram_feature.inference.default_model import find_model

SHOWN_GENRES = 5
SEGMENT_COLORS = ("#2f6f9f", "#5b9bd5", "#9dc3e6")


def draw(samples: np.ndarray, sr: int, prediction: Prediction, network: str, genre: str) -> Figure:
    """Draw a waveform (n,), its features and segments, the network, and the probabilities."""
    figure = plt.figure(figsize=(11, 4.1))
    figure.patch.set_alpha(0)
    style = {"boxstyle": "round,pad=0,rounding_size=0.02", "edgecolor": "#d0d0d0", "zorder": -10}
    _add_box(figure, (0.008, 0.02, 0.984, 0.96), facecolor="white", **style)
    _draw_waveform(figure, samples, sr)
    _draw_features(figure, prediction)
    _draw_segments(figure, prediction)
    _draw_network(figure, network)
    _draw_bars(figure, prediction)
    for left, y in ((0.355, 0.45), (0.535, 0.475), (0.645, 0.475)):
        ends = (left, y), (left + 0.032, y)
        arrow = FancyArrowPatch(
            *ends, color=GREY, arrowstyle="-|>", mutation_scale=16, linewidth=1.6
        )
        arrow.set_transform(figure.transFigure)
        figure.add_artist(arrow)
    for x, text in (
        (0.04, "a track, decoded once"),
        (0.40, "10 s segments"),
        (0.57, "a network"),
        (0.70, "genres: mean over segments"),
    ):
        figure.text(x, 0.89, text, fontsize=11, fontweight="bold", color=DARK)
    note = f"A synthetic track of the demo set, composed as {genre}; no real music."
    figure.text(0.40, 0.05, note, fontsize=8, color=GREY)
    return figure


def _add_box(figure: Figure, place: tuple[float, float, float, float], **style: Any) -> None:
    """Draw a rounded box at (left, bottom, width, height)."""
    left, bottom, width, height = place
    box = FancyBboxPatch((left, bottom), width, height, transform=figure.transFigure, **style)
    box.set_mutation_aspect(2.7)
    figure.add_artist(box)


def _draw_waveform(figure: Figure, samples: np.ndarray, sr: int) -> None:
    axes = figure.add_axes((0.06, 0.60, 0.29, 0.20))
    columns = 900
    parts = samples[: len(samples) // columns * columns].reshape(columns, -1)
    seconds = np.linspace(0, len(samples) / sr, columns)
    length = len(samples) / sr / len(SEGMENT_COLORS)
    for number, color in enumerate(SEGMENT_COLORS):
        part = (seconds >= number * length) & (seconds <= (number + 1) * length)
        low, high = parts.min(axis=1)[part], parts.max(axis=1)[part]
        axes.fill_between(seconds[part], low, high, color=color, linewidth=0.4)
    axes.set_axis_off()
    axes.set_xlim(0, seconds[-1])


def _draw_features(figure: Figure, prediction: Prediction) -> None:
    axes = figure.add_axes((0.06, 0.15, 0.29, 0.36))
    features = prediction.kept_features
    extent = (0, prediction.seconds, 0, features.shape[1] / 12)
    axes.imshow(features.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
    for edge in prediction.edges[1:-1]:
        axes.axvline(edge, color="white", linewidth=1.5)
    axes.set_xticks(np.arange(0, prediction.seconds + 1, 10))
    axes.set_yticks(range(0, 7, 2), [f"C{octave + 1}" for octave in range(0, 7, 2)])
    axes.tick_params(length=2, labelsize=8)
    axes.set_xlabel("seconds", fontsize=8, labelpad=1)
    axes.text(0.0, 1.04, "Constant-Q transform", transform=axes.transAxes, fontsize=9, color=DARK)


def _draw_segments(figure: Figure, prediction: Prediction) -> None:
    frames = len(prediction.kept_features) // len(SEGMENT_COLORS)
    for number, color in enumerate(SEGMENT_COLORS):
        axes = figure.add_axes((0.40, 0.60 - 0.225 * number, 0.125, 0.185))
        part = prediction.kept_features[number * frames : (number + 1) * frames]
        axes.imshow(part.T, origin="lower", aspect="auto", cmap="magma")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=color, linewidth=2.5)
    figure.text(0.40, 0.105, "480 × 84 values, a byte each", fontsize=8, color=DARK)


def _draw_network(figure: Figure, network: str) -> None:
    style = {"boxstyle": "round,pad=0,rounding_size=0.004", "edgecolor": "none"}
    for number, height in enumerate((0.50, 0.40, 0.30, 0.20, 0.12)):
        place = (0.577 + 0.0135 * number, 0.475 - height / 2, 0.0095, height)
        _add_box(figure, place, facecolor=plt.colormaps["Blues"](0.35 + 0.13 * number), **style)
    figure.text(0.607, 0.165, network, ha="center", fontsize=9, family="monospace", color=DARK)


def _draw_bars(figure: Figure, prediction: Prediction) -> None:
    axes = figure.add_axes((0.79, 0.15, 0.17, 0.65))
    top = prediction.top(SHOWN_GENRES)
    places = np.arange(len(top))
    columns = [prediction.genres.index(genre) for genre in top]
    for number, color in enumerate(SEGMENT_COLORS):
        values = prediction.by_segment[number][columns]
        axes.plot(values, places, "o", color=color, markersize=5, zorder=3, markeredgecolor="white")
    axes.barh(places, list(top.values()), color=genre_colors(list(top)), height=0.6, alpha=0.85)
    axes.set_yticks(places, list(top), fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"], fontsize=8)
    axes.set_xlabel("probability; dots: the segments", fontsize=8, labelpad=1)
    axes.grid(axis="x")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python docs/picture.py",
        "Draw the README's picture from the demo set and a network that make run trained on it.",
        "  make run && python docs/picture.py\n"
        "  python docs/picture.py --genre Blues --model data/models/demo-medium-all/cnn",
    )
    parser.add_argument("--model", help="by default that of spectrogram_feature.predict")
    parser.add_argument("--genre", default="Folk", help="genre of the track")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "docs" / "picture.png")
    arguments = parser.parse_args()
    dataset = find_dataset()
    if not dataset.is_demo:
        raise UserError("the picture shows the demo set: unset FMA_ROOT, or point it there")
    tracks = dataset.tracks([("set", "split"), ("track", "genre_top")])
    is_chosen = tracks["track", "genre_top"].eq(arguments.genre) & tracks["set", "split"].eq("test")
    if not is_chosen.any():
        raise UserError(f"no test track is {arguments.genre}: choose another --genre")
    path = find_model(arguments.model)
    classifier = GenreClassifier.load(path)
    parameters = classifier.parameters
    track = get_audio_path(dataset.audio_dir, tracks.index[is_chosen][0])
    samples = read_audio(track, sr=parameters.sample_rate, duration=30.0, at_least=29.9)
    waveform = cut_segments(samples, len(SEGMENT_COLORS), parameters).reshape(-1)
    prediction = classifier.predict(track, keep_features=True)
    drawn = io.BytesIO()
    with plt.rc_context(STYLE | {"figure.constrained_layout.use": False, "font.size": 10}):
        figure = draw(
            waveform, parameters.sample_rate, prediction, path.parent.name, arguments.genre
        )
        figure.savefig(drawn, dpi=130, format="png")
    few_colors = Image.open(drawn).quantize(255, method=Image.Quantize.FASTOCTREE)
    few_colors.save(arguments.out, optimize=True)
    print(f"{display_path(arguments.out)}: {arguments.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    cli.run_command(main)
