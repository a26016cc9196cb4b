"""What the page tells about a model: its card in words, colours, and the scale of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from common.evaluation.leaderboard import LEADERBOARD_FILE
from common.evaluation.metrics import Score
from common.plotting.style import STYLE, genre_colors
from common.tables import read_table
from common.training.model_files import ModelCard
from common.plotting.plots import C1_HZ
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

DARK = 0.18  # relative luminance below which white text is easier to read than black text

SYNTHETIC = (
    "It was trained and tested on computer-generated music. Its accuracy on recorded music is "
    "unknown: expect that of guessing."
)


@dataclass(frozen=True)
class Contents:
    """A model as the page presents it.

    ``score`` is the track accuracy on the test split, if it is known, and ``chance`` that of
    guessing. ``facts`` tell how reliable a prediction is, and ``rows`` are the entries of the card.
    """

    name: str
    genres: int
    segment: str
    picture: str
    synthetic: bool
    score: Score | None
    chance: float
    facts: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


def describe(card: ModelCard, parameters: SegmentParameters, score: Score | None) -> Contents:
    """Describe a model in words."""
    synthetic = bool(card.data_set.get("synthetic"))
    chance = 1 / len(card.genres)
    title = str(card.data_set.get("title", "unknown data"))
    picture, features = _features(parameters)
    tested = f"Track accuracy on the test split {score} %" if score else "No test score is stored"
    tested = tested.replace(" %] %", "] %").replace("] %", "]")
    rows = (
        ("Network", f"{card.name}, on {features}"),
        ("Trained on", f"{title}" + (" (synthetic)" if synthetic and "synth" not in title else "")),
        ("Genres", ", ".join(card.genres)),
        ("Accuracy", f"{tested}; guessing {100 * chance:.1f} %."),
        ("Limits", _limits(card, synthetic=synthetic)),
        ("Made with", ", ".join(f"{name} {number}" for name, number in card.versions.items())),
    )
    return Contents(
        name=card.name,
        genres=len(card.genres),
        segment=f"{parameters.segment_seconds:g} seconds",
        picture=picture,
        synthetic=synthetic,
        score=score,
        chance=chance,
        facts=(_accuracy(card, score, chance), *([SYNTHETIC] if synthetic else [])),
        rows=rows,
    )


def _features(parameters: SegmentParameters) -> tuple[str, str]:
    segment = f"{parameters.segment_seconds:g} s at {parameters.sample_rate:,} Hz"
    if isinstance(parameters, FeatureParameters):
        return "Constant-Q spectrogram", f"Constant-Q features, {parameters.n_bins} bins, {segment}"
    return "log-mel spectrogram", f"log-mel features, {parameters.n_bins} bands, {segment}"


def _accuracy(card: ModelCard, score: Score | None, chance: float) -> str:
    guess = f"Guessing one of {len(card.genres)} genres is right for {_percent(chance)}."
    if score:
        return (
            f"The model is right for {_percent(score.value)} of its test recordings (95 % interval "
            f"{100 * score.low:.0f} to {_percent(score.high)}). {guess}"
        )
    validation = card.training.get("validation_accuracy")
    if validation is None:
        return f"No accuracy is stored with this model. {guess}"
    return f"The model is right for {_percent(validation)} of its validation recordings. {guess}"


def _limits(card: ModelCard, *, synthetic: bool) -> str:
    limits = (
        f"Every recording gets one of {len(card.genres)} genres, speech and noise included. "
        "Strong compression and low recording levels change the probabilities, which are not "
        "calibrated."
    )
    return f"{SYNTHETIC} {limits}" if synthetic else limits


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def find_score(model: Path) -> Score | None:
    """Find the track accuracy of a model in the leaderboard beside its folder."""
    path = model.parent.parent / LEADERBOARD_FILE
    if not path.is_file():
        return None
    table = read_table(path)
    rows = table[(table["model"] == model.parent.name) & ~table["is_baseline"]]
    if rows.empty:
        return None
    columns = [f"track_accuracy{end}" for end in ("", "_low", "_high")]
    return Score(*(float(value) for value in rows.iloc[0][columns]))


def settings(card: ModelCard, parameters: SegmentParameters) -> dict[str, Any]:
    """Return what the scripts of the page need to know, ready for JSON."""
    magma = colormaps[str(STYLE["image.cmap"])](np.arange(256), bytes=True)[:, :3]
    colors = genre_colors(card.genres)
    return {
        "model": "model.onnx",
        "rate": parameters.sample_rate,
        "seconds": parameters.segment_seconds,
        "segmentSamples": parameters.segment_samples,
        "synthetic": bool(card.data_set.get("synthetic")),
        "genres": [
            {"name": name, "color": color, "dark": _luminance(color) < DARK}
            for name, color in zip(card.genres, colors, strict=True)
        ],
        "magma": magma.tobytes().hex(),
        "pitches": _pitches(parameters.frequencies),
    }


def _luminance(color: str) -> float:
    """Compute the relative luminance of a colour (WCAG 2.2)."""
    levels = np.array(to_rgb(color))
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _pitches(frequencies: np.ndarray) -> list[dict[str, Any]]:
    """Return the octaves of C and their heights in a picture of these bins, 0 at the bottom."""
    notes = C1_HZ * 2.0 ** np.arange(9)
    bins = np.interp(np.log(notes), np.log(frequencies), np.arange(len(frequencies)))
    inside = (notes >= frequencies[0]) & (notes <= frequencies[-1])
    return [
        {"name": f"C{octave}", "place": round((place + 0.5) / len(frequencies), 4)}
        for octave, place, shown in zip(range(1, 10), bins, inside, strict=True)
        if shown
    ]
