"""Predictions as text: a table, bars, or lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.text import format_duration, one_line
from spectrogram_feature.inference.classifier import Prediction

BAR_WIDTH = 30  # characters of the bar for a probability of 100 %
PREDICTED, OTHER = "█░"  # bars of genres that reach the threshold, and of others


def as_json(
    path: Path,
    prediction: Prediction,
    model: str,
    labels: str = "top",
    threshold: float | None = None,
) -> str:
    """Write a prediction as a line of JSON.

    The object has ``file``, ``seconds``, ``model``; ``top``, the most probable genre; ``genres``,
    the probability of each; ``segments``, each with its ``start`` in seconds, its ``weight`` in the
    mean, and its ``probabilities`` in the order of ``genres``; and ``notes``, if there are any, for
    example about bytes that do not decode. With a ``threshold``, it also has ``labels``, the kind
    of labels, ``parents``, genre → parent genre, ``threshold``, and ``predicted``, the genres that
    reach it.
    """
    segments = zip(prediction.starts, prediction.weight, prediction.by_segment, strict=True)
    more: dict[str, Any] = {"notes": list(prediction.notes)} if prediction.notes else {}
    if threshold is not None:
        more |= {
            "labels": labels,
            "parents": dict(prediction.parents),
            "threshold": round(threshold, 5),
            "predicted": list(prediction.predicted(threshold)),
        }
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
        | more
    )


def _rounded(probability: Iterable[float]) -> list[float]:
    return [round(float(value), 5) for value in probability]


def as_bars(path: Path, prediction: Prediction, top: int, threshold: float | None = None) -> str:
    """Draw a prediction as text bars: a line for the file, then one for each genre.

    With a ``threshold``, each root genre is followed by the sub-genres that reach it, indented.
    """
    rows: list[tuple[str, float]] = []
    for root, probability in prediction.top_roots(top).items():
        rows.append((root, probability))
        if threshold is not None:
            below = prediction.sub_genres(root, threshold)
            rows += [("  " * depth + genre, share) for depth, genre, share in below]
    width = max(len(name) for name, _ in rows)
    lines = [f"{one_line(path)} ({format_duration(prediction.seconds)})"]
    for name, probability in rows:
        mark = OTHER if threshold is not None and probability < threshold else PREDICTED
        bar = mark * round(BAR_WIDTH * probability)
        lines.append(f"  {name:<{width}} {_percent(probability)}  {bar}".rstrip())
    lines += [f"  note: {note}" for note in prediction.notes]
    return "\n".join(lines)


class Table:
    """A table that is printed row by row, with columns as wide as the paths and genres need.

    With a ``threshold``, the root genres are a list, each with its most probable sub-genre that
    reaches it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        genres: Sequence[str],
        top: int,
        threshold: float | None = None,
    ) -> None:
        self.top, self.threshold = min(top, len(genres)), threshold
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
        roots = prediction.top_roots(self.top).items()
        if self.threshold is None:
            cells += [f"{root:<{self._genre_width}} {_percent(share)}" for root, share in roots]
        else:
            named = [
                f"{root} {100 * share:.1f} %{self._best(prediction, root)}" for root, share in roots
            ]
            cells.append(", ".join(named))
        return "  ".join([*cells, *(f"note: {note}" for note in prediction.notes)])

    def _best(self, prediction: Prediction, root: str) -> str:
        """Name the most probable sub-genre of a root that reaches the threshold, or nothing."""
        below = list(prediction.sub_genres(root, self.threshold or 0))
        return f" ({max(below, key=lambda row: row[2])[1]})" if below else ""


def _percent(probability: float) -> str:
    return f"{100 * probability:5.1f} %"
