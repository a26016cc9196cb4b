"""The low-pass edge of MP3 encoders: its prediction of the genre, and scores without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from common.evaluation.baselines import svm
from common.evaluation.predictions import Predictions
from common.records.segments import Segments
from common.tables import write_table
from rows import HERE, Row, row_of, row_of_baseline, write_rows
from study import LOWER_BINS, SEEDS, Study

EDGE_LEVELS = (4, 8, 16, 32)
EDGE_LEVEL, LOW_EDGE = 8, 108
"""Mean level above which a bin is audible, and the bin that divides low edges from others."""

EDGE_NEIGHBOURS = (25, 50, 100, 200)


def low_pass(study: Study, best: Row, rival: Row) -> None:
    """Measure what the low-pass edge predicts, and the scores without the bins above it."""
    lower = study.lower
    runs = [study.on_lower_bins(best.model, seed) for seed in range(SEEDS)]
    below = f"lower {LOWER_BINS} bins"
    rows = [
        edge_classifier(study),
        rival,
        row_of_baseline(f"{rival.model}, {below}", svm(lower), lower),
        best,
        row_of(f"{best.model}, {below}", runs, lower),
    ]
    write_rows("low_pass", rows, {"gain_over_svm": rival})
    write_table(HERE / "edges.csv", edges(study))


def edges(study: Study) -> pd.DataFrame:
    """Tabulate the share of tracks with an edge below `LOW_EDGE`, by genre and split."""
    genres = study.records.manifest.genres
    shares = {}
    for split, part in study.segments.items():
        is_low = edge(part.features, EDGE_LEVEL)[:, 0] < LOW_EDGE
        by_genre = {name: is_low[part.label == label].mean() for label, name in enumerate(genres)}
        shares[f"low_edge_{split}"] = by_genre | {"all genres": is_low.mean()}
    return pd.DataFrame(shares).rename_axis("genre").reset_index()


def edge(features: np.ndarray, level: int) -> np.ndarray:
    """Find the low-pass edge of segments (n, frames, bins): the highest bin above a mean level."""
    audible = features.mean(axis=1) > level
    highest = audible.shape[1] - 1 - audible[:, ::-1].argmax(axis=1)
    return np.where(audible.any(axis=1), highest, 0)[:, None]


def edge_classifier(study: Study) -> Row:
    """Classify by the low-pass edge alone: k nearest neighbours, chosen on validation."""
    parts, genres = study.segments, study.records.manifest.genres

    def fit(level: int, neighbours: int) -> KNeighborsClassifier:
        machine = KNeighborsClassifier(neighbours)
        return machine.fit(edge(parts["training"].features, level), parts["training"].label)

    def accuracy(point: tuple[int, int]) -> float:
        validation = parts["validation"]
        return fit(*point).score(edge(validation.features, point[0]), validation.label)

    best = max(((e, k) for e in EDGE_LEVELS for k in EDGE_NEIGHBOURS), key=accuracy)
    machine = fit(*best)

    def predicted(part: Segments) -> list[Predictions]:
        probability = machine.predict_proba(edge(part.features, best[0]))
        return [Predictions(part.track_id, part.label, probability, genres)]

    return Row("low-pass edge alone", predicted(parts["validation"]), predicted(parts["test"]))
