"""ONNX as a format of `spectrogram_feature.export`: a file for ONNX Runtime.

This module imports TensorFlow; `spectrogram_feature.export` imports it only when it exports.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from common.errors import UserError
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.file_metadata import describe
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.onnx_model import OnnxModel
from spectrogram_feature.inference.waveform_model import WaveformModel

OPSET = 17  # ONNX Runtime's builds for browsers contain all of its operators


def save(model: KerasModel, path: Path) -> None:
    """Write a model as one file with the metadata of `describe`.

    The graph maps ``waveform``, float32 (batch, segment_samples): mono, at the sample rate of the
    features, to the outputs of `WaveformModel.predict_segments`.
    """
    module = WaveformModel(model)
    signature = [tf.TensorSpec((None, module.segment_samples), tf.float32, name="waveform")]
    graph = tf.function(module.predict_segments, input_signature=signature)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    converted, _ = tf2onnx.convert.from_function(graph, signature, opset=OPSET)
    for tensor in (*converted.graph.input, *converted.graph.output):
        batch, *others = tensor.type.tensor_type.shape.dim
        batch.dim_param = "batch"
        if tensor.name == "features":  # the converter may not know the frames
            for size, known in zip(others, model.parameters.shape, strict=True):
                size.dim_value = known
    onnx.helper.set_model_props(converted, describe(model))
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)


def is_export(path: Path) -> bool:
    """Return True if a path is a file of `save`."""
    try:
        OnnxModel.load(path)
    except UserError:
        return False
    return True


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Load a file of `save` as a function: waveform (samples,) → probabilities (genres,)."""
    classifier = GenreClassifier(OnnxModel.load(path))
    return lambda waveform: classifier.predict_blocks([waveform], path).probability
