"""What the page tells about a model: its card in words, colours, and the scale of its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from common.evaluation.metrics import Score
from common.plotting.plots import C1_HZ
from common.plotting.style import STYLE, genre_colors
from common.training.model_files import ModelCard
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

MARGIN = 1.25  # highest frequency that resampling keeps exact, over that of the highest bin
DARK = 0.179  # relative luminance below which white text has more contrast than black text

_SYNTHETIC = (
    "The test recordings are synthetic. The accuracy on recorded music is unknown: expect that of "
    "guessing."
)


@dataclass(frozen=True)
class Contents:
    """A model as the page presents it.

    ``brief`` and ``facts`` tell how reliable a prediction is, ``score`` is the track accuracy on
    the test split, if it is known, and ``chance`` that of guessing. ``rows`` are the entries of the
    card.
    """

    name: str
    genres: int
    segment: str
    picture: str
    synthetic: bool
    score: Score | None
    chance: float
    brief: str
    facts: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


def describe(
    card: ModelCard, parameters: SegmentParameters, summary: Mapping[str, Any]
) -> Contents:
    """Describe a model in words; ``summary`` is that of `common.evaluation.model_card`."""
    synthetic = bool(card.data_set.get("synthetic"))
    scores, tracks = summary.get("scores"), summary.get("tracks")
    score = Score(**scores["track_accuracy"]) if scores else None
    chance = 1 / len(card.genres)
    guessing = f"guessing one of {len(card.genres)} genres for {_percent(chance)}"
    kind = "synthetic test tracks" if synthetic else "test tracks"
    if score:
        interval = f"{100 * score.low:.0f} to {_percent(score.high)}"
        brief = f"accuracy on {kind} {_percent(score.value)} ({interval})"
        accuracy = (
            f"The model is right for {_percent(score.value)} of {tracks:,} {kind} (95 % interval "
            f"{interval}), {guessing}."
        )
    else:
        brief = "the accuracy is not stored with the model"
        accuracy = (
            f"No accuracy is stored with the model; {guessing.replace(' for', ' is right for')}."
        )
    picture, features = _features(parameters)
    title = str(card.data_set.get("title", "unknown data"))
    rows = {
        "Network": f"{card.name}, on {features}",
        "Trained on": f"{title} (synthetic)" if synthetic and "synthetic" not in title else title,
        "Licence": str(summary.get("license_text", "")),
        "Accuracy": accuracy,
        "Genres": ", ".join(card.genres),
        "Limits": " ".join(summary.get("limits", ())),
    }
    return Contents(
        name=card.name,
        genres=len(card.genres),
        segment=f"{parameters.segment_seconds:g} seconds",
        picture=picture,
        synthetic=synthetic,
        score=score,
        chance=chance,
        brief=f"{brief}, guessing {_percent(chance)}",
        facts=(accuracy, *([_SYNTHETIC] if synthetic else [])),
        rows=tuple((term, text) for term, text in rows.items() if text),
    )


def _features(parameters: SegmentParameters) -> tuple[str, str]:
    """Name the picture of the features, and the features."""
    segment = f"{parameters.segment_seconds:g} s at {parameters.sample_rate:,} Hz"
    if isinstance(parameters, FeatureParameters):
        return "Constant-Q spectrogram", f"Constant-Q features, {parameters.n_bins} bins, {segment}"
    return "log-mel spectrogram", f"log-mel features, {parameters.n_bins} bands, {segment}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def settings(card: ModelCard, parameters: SegmentParameters) -> dict[str, Any]:
    """Return what the scripts of the page need, ready for JSON."""
    magma = colormaps[str(STYLE["image.cmap"])](np.arange(256), bytes=True)[:, :3]
    colors = genre_colors(card.genres)
    return {
        "rate": parameters.sample_rate,
        "pass": round(MARGIN * float(parameters.frequencies[-1])),
        "seconds": parameters.segment_seconds,
        "segmentSamples": parameters.segment_samples,
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
    inside = (notes > 0.99 * frequencies[0]) & (notes <= frequencies[-1])
    return [
        {"name": f"C{octave}", "place": round((place + 0.5) / len(frequencies), 4)}
        for octave, place, shown in zip(range(1, 10), bins, inside, strict=True)
        if shown
    ]
