"""Predictions as text: a table, bars, or lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.text import format_duration, one_line
from spectrogram_feature.inference.classifier import Prediction

BAR_WIDTH = 30  # characters of the bar for a probability of 100 %


def as_json(path: Path, prediction: Prediction, model: str) -> str:
    """Write a prediction as a line of JSON.

    The object has ``file``, ``seconds``, ``model``; ``top``, the most probable genre; ``genres``,
    the probability of each; ``segments``, each with its ``start`` in seconds, its ``weight`` in the
    mean, and its ``probabilities`` in the order of ``genres``; and ``notes``, if there are any, for
    example about bytes that do not decode.
    """
    segments = zip(prediction.starts, prediction.weight, prediction.by_segment, strict=True)
    notes = {"notes": list(prediction.notes)} if prediction.notes else {}
    return json.dumps(
        {
            "file": str(path),
            "seconds": round(prediction.seconds, 3),
            "model": model,
            "top": next(iter(prediction.top(1))),
            "genres": dict(zip(prediction.genres, _rounded(prediction.probability), strict=True)),
            "segments": [
                {
                    "start": round(float(start), 3),
                    "weight": round(float(weight), 6),
                    "probabilities": _rounded(probability),
                }
                for start, weight, probability in segments
            ],
        }
        | notes
    )


def _rounded(probability: Iterable[float]) -> list[float]:
    return [round(float(value), 5) for value in probability]


def as_bars(path: Path, prediction: Prediction, top: int) -> str:
    """Draw a prediction as text bars: a line for the file, then one for each genre."""
    genres = prediction.top(top)
    width = max(map(len, genres))
    lines = [f"{one_line(path)} ({format_duration(prediction.seconds)})"]
    for genre, probability in genres.items():
        bar = "█" * round(BAR_WIDTH * probability)
        lines.append(f"  {genre:<{width}} {_percent(probability)}  {bar}".rstrip())
    lines += [f"  note: {note}" for note in prediction.notes]
    return "\n".join(lines)


class Table:
    """A table that is printed row by row, with columns as wide as the paths and genres need."""

    def __init__(self, paths: Sequence[Path], genres: Sequence[str], top: int) -> None:
        self.top = min(top, len(genres))
        self._file_width = max(len(one_line(path)) for path in paths)
        self._genre_width = max(map(len, genres))

    @property
    def header(self) -> str:
        """str: the names of the columns."""
        return f"{'File':<{self._file_width}}  {'Length':>12}  Most probable genres"

    def row(self, path: Path, prediction: Prediction) -> str:
        """Format the row of a file."""
        cells = [
            f"{one_line(path):<{self._file_width}}",
            f"{format_duration(prediction.seconds):>12}",
        ]
        for genre, probability in prediction.top(self.top).items():
            cells.append(f"{genre:<{self._genre_width}} {_percent(probability)}")
        return "  ".join([*cells, *(f"note: {note}" for note in prediction.notes)])


def _percent(probability: float) -> str:
    return f"{100 * probability:5.1f} %"
