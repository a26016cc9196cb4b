"""The kinds of features, by the names that manifests and models give them.

A new kind is a module with its parameters and its transform, and one line in `KINDS`. This module
imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features import log_mel
from spectrogram_feature.features.log_mel import LogMel, LogMelParameters
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

if TYPE_CHECKING:
    import keras

CONSTANT_Q = "constant-q"

LOG_MEL = log_mel.KIND


class Transform(Protocol):
    """The computation of features."""

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Turn segments (..., samples) into features, uint8 (..., frames, bins)."""
        ...


@dataclass(frozen=True)
class FeatureKind:
    """A kind of features.

    Attributes
    ----------
    name : str
        As manifests and models have it.
    parameters : type
        A subclass of `SegmentParameters`; its defaults are those of the project.
    transform : callable
        From parameters to the `Transform`.
    layer : str, optional
        The same computation as a Keras layer, ``"module.Class"``, for exported models. It takes
        the parameters, and turns float32 (batch, samples) into levels from 0 to 1.
    """

    name: str
    parameters: type[Any]
    transform: Callable[[Any], Transform]
    layer: str = ""

    def make_layer(self, parameters: SegmentParameters) -> keras.Layer:
        """Make the Keras layer, which needs Keras to be imported."""
        module, _, name = self.layer.rpartition(".")
        return getattr(importlib.import_module(module), name)(parameters)


_FEATURES = "spectrogram_feature.features"

KINDS = {
    kind.name: kind
    for kind in (
        FeatureKind(
            CONSTANT_Q, FeatureParameters, ConstantQ, f"{_FEATURES}.constant_q_layer.ConstantQLayer"
        ),
        FeatureKind(LOG_MEL, LogMelParameters, LogMel, f"{_FEATURES}.log_mel_layer.LogMelLayer"),
    )
}


def kind_of(parameters: SegmentParameters) -> FeatureKind:
    """Find the kind of features that some parameters belong to."""
    return next(kind for kind in KINDS.values() if type(parameters) is kind.parameters)


@functools.cache
def transform_of(parameters: SegmentParameters) -> Any:
    """Give the `Transform` with these parameters, whose kernels are made once a process."""
    return kind_of(parameters).transform(parameters)
