"""LiteRT (TensorFlow Lite) as a format of `spectrogram_feature.export`: a file for phones.

This module imports TensorFlow; `spectrogram_feature.export` imports it only when it exports.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from common.records.quantization import quantize
from common.training.model_files import ModelCard
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.file_metadata import describe
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.segment_model import parameters_of
from spectrogram_feature.inference.waveform_model import WaveformModel

METADATA_FILE = "model.json"
"""The metadata, in a ZIP archive after the graph, as TensorFlow Lite attaches associated files."""


def save(model: KerasModel, path: Path) -> None:
    """Write a model as one file with the metadata of `describe`.

    The graph needs LiteRT's built-in operators only. Its signature ``serving_default`` maps
    ``waveform``, float32 (1, segment_samples): mono, at the sample rate of the features, to the
    outputs of `WaveformModel.predict_segments`.
    """
    module = WaveformModel(model)
    signature = [tf.TensorSpec((1, module.segment_samples), tf.float32, name="waveform")]
    graph = tf.function(module.predict_segments, input_signature=signature).get_concrete_function()
    # LiteRT would not initialise variables: the probabilities would be NaN.
    frozen = convert_variables_to_constants_v2(graph, lower_control_flow=False)
    names = sorted(graph.structured_outputs)

    @tf.function(input_signature=signature)
    def named(waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(waveform), strict=True))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [named.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps(describe(model), indent=1, ensure_ascii=False))


def is_export(path: Path) -> bool:
    """Return True if a path is a file of `save`."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.namelist() == [METADATA_FILE]


class LiteModel:
    """A file of `save` in TensorFlow's interpreter of LiteRT, as a `SegmentModel`."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read(METADATA_FILE))
        self.card = ModelCard.from_json(metadata["card"])
        self.parameters = parameters_of(self.card, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # LiteRT has a package of its own, ai-edge-litert
            self._interpreter = tf.lite.Interpreter(model_content=path.read_bytes())
        self._run: Any = self._interpreter.get_signature_runner()

    def predict_segments(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute features and genre probabilities; see `SegmentModel`."""
        results = [self._run(waveform=segment[None]) for segment in samples]
        features, probabilities = (
            np.concatenate([result[name] for result in results])
            for name in ("features", "probabilities")
        )
        return quantize(features), probabilities


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Load a file of `save` as a function: waveform (samples,) → probabilities (genres,)."""
    classifier = GenreClassifier(LiteModel(path))
    return lambda waveform: classifier.predict_blocks([waveform], path).probability
