"""Conversion of a trained model to ONNX.

This module imports TensorFlow; `spectrogram_feature.export` imports it only when it exports.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

import onnx
import tensorflow as tf
import tf2onnx

from common.evaluation.model_card import read_predictions, summarise
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.waveform_model import WaveformModel

OPSET = 17  # which ONNX Runtime's builds for browsers contain in full

RULE = (
    "Cut a recording into consecutive segments of segment_samples; the last one ends with the "
    "recording and overlaps the one before it. A recording shorter than a segment is mirrored to "
    "its length. The genre probabilities of the recording are the mean over its segments, weighted "
    "by audible times the samples that no earlier segment contains."
)
"""How probabilities of segments become those of a recording, in the metadata of the file."""


def save(model: KerasModel, path: str | Path) -> None:
    """Write a model as one ONNX file.

    The graph maps ``waveform``, float32 (batch, segment_samples): mono, at the sample rate of the
    features, to the outputs of `WaveformModel.predict_segments`. The metadata has ``card``, the
    model's card as JSON; ``genres``, a list in JSON in the order of the probabilities;
    ``sample_rate``, ``segment_samples``, and `RULE` as ``rule``; ``summary``, the result of
    `summarise` in JSON, with the licence, the scores on the test split and the limits.
    """
    module = WaveformModel(model)
    predictions = read_predictions(model.path.parent) if model.path else None
    summary = summarise(model.card, predictions)
    length = module.segment_samples
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [tf.TensorSpec((None, length), tf.float32, name="waveform")]
    graph = tf.function(module.predict_segments, input_signature=signature)
    converted, _ = tf2onnx.convert.from_function(graph, signature, opset=OPSET)
    metadata = {
        "card": json.dumps(asdict(model.card), ensure_ascii=False),
        "genres": json.dumps(model.card.genres, ensure_ascii=False),
        "sample_rate": str(model.parameters.sample_rate),
        "segment_samples": str(length),
        "rule": RULE,
        "license": summary["license"],
        "summary": json.dumps(summary, ensure_ascii=False),
    }
    onnx.helper.set_model_props(converted, metadata)
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)
