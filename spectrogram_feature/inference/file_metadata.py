"""Metadata of exported ONNX and LiteRT files."""

from __future__ import annotations

import json
from dataclasses import asdict

from common.evaluation.model_card import read_predictions, summarise
from spectrogram_feature.inference.keras_model import KerasModel

RULE = (
    "Cut a recording into consecutive segments of segment_samples; the last one ends with the "
    "recording and overlaps the one before it. A recording shorter than a segment is mirrored to "
    "its length. The genre probabilities of the recording are the mean over its segments, weighted "
    "by audible times the samples that no earlier segment contains."
)
"""How probabilities of segments become those of a recording."""


def describe(model: KerasModel) -> dict[str, str]:
    """Describe a model and its graph, `WaveformModel.predict_segments`.

    The keys are ``card``, the model's card as JSON; ``genres``, a list in JSON in the order of the
    probabilities; ``sample_rate``, Hz; ``segment_samples``; ``rule``, `RULE`; and ``summary``, the
    result of `summarise` as JSON, with the licence, the limits and, if the folder of the model
    holds them, the scores on the test split. If a track has several genres, there are also
    ``parents``, genre → parent genre as JSON, and ``threshold``: genres with at least this
    probability are predicted.
    """
    predictions = read_predictions(model.path.parent) if model.path else None
    summary = summarise(model.card, predictions)
    described = {
        "card": json.dumps(asdict(model.card), ensure_ascii=False),
        "genres": json.dumps(model.card.genres, ensure_ascii=False),
        "sample_rate": str(model.parameters.sample_rate),
        "segment_samples": str(model.parameters.segment_samples),
        "rule": RULE,
        "summary": json.dumps(summary, ensure_ascii=False),
    }
    if model.card.has_several_genres:
        described["parents"] = json.dumps(model.card.parents, ensure_ascii=False)
        described["threshold"] = str(model.card.training["threshold"])
    return described
