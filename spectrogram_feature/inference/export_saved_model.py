"""SavedModel as a format of `spectrogram_feature.export`: a folder for TensorFlow.

This module imports TensorFlow; `spectrogram_feature.export` imports it only when it exports.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.waveform_model import WaveformModel

CARD_FILE = "model.json"  # the model's card, beside TensorFlow's files


def save(model: KerasModel, folder: Path) -> None:
    """Write a model as a folder that TensorFlow alone can load.

    The signature ``serving_default`` takes ``waveform``, float32 (batch, samples): mono, at the
    sample rate of the features, one segment or more. It returns ``probabilities``, float32 (batch,
    genres). The signature ``describe`` takes nothing and returns ``genres``, strings in this order,
    and ``card``, the model's card as JSON, which `CARD_FILE` contains too.
    """
    module = WaveformModel(model)
    signatures = {"serving_default": module.predict, "describe": module.describe}
    tf.saved_model.save(module, str(folder), signatures)
    card = json.dumps(asdict(model.card), indent=1, ensure_ascii=False)
    (folder / CARD_FILE).write_text(f"{card}\n", encoding="utf-8")


def is_export(folder: Path) -> bool:
    """Return True if a path is a folder of `save`, or an empty one."""
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or all(
        (folder / name).is_file() for name in (CARD_FILE, "saved_model.pb")
    )


def load(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Load a folder of `save` as a function: waveform (samples,) → probabilities (genres,)."""
    loaded = tf.saved_model.load(str(folder))

    def predict(waveform: np.ndarray) -> np.ndarray:
        result = loaded.signatures["serving_default"](waveform=tf.constant(waveform[None]))
        return result["probabilities"].numpy()[0]

    return predict
