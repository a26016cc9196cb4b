"""The registry of feature kinds, by their names in manifests and saved models.

A new kind is a module with its parameters and its transform, and one line in `KINDS`. This module
imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features.imported import ImportedParameters
from spectrogram_feature.features.log_mel import LogMel, LogMelParameters
from spectrogram_feature.features.parameters import (
    FeatureParameters,
    SegmentParameters,
    StoredParameters,
)

if TYPE_CHECKING:
    import keras

CONSTANT_Q = "constant-q"
LOG_MEL = "log-mel"
IMPORTED = "imported"


@dataclass(frozen=True)
class FeatureKind:
    """A kind of features, with its name in manifests and saved models.

    The transform of some parameters has a method ``features``, which maps segments (..., samples)
    to uint8 (..., frames, bins). The layer, for exported models, is the same computation in Keras:
    it maps float32 (batch, samples) to levels from 0 to 1. Imported features have neither.
    """

    name: str
    parameters: type[Any]  # a subclass of `StoredParameters`
    transform: Callable[[Any], Any] | None = None  # from parameters
    layer: str = ""  # "module.Class", called with parameters

    def make_layer(self, parameters: SegmentParameters) -> keras.Layer:
        """Make the Keras layer; this imports Keras."""
        module, _, name = self.layer.rpartition(".")
        return getattr(importlib.import_module(module), name)(parameters)


_LAYERS = "spectrogram_feature.features.keras_layers"

KINDS = {
    kind.name: kind
    for kind in (
        FeatureKind(CONSTANT_Q, FeatureParameters, ConstantQ, f"{_LAYERS}.ConstantQLayer"),
        FeatureKind(LOG_MEL, LogMelParameters, LogMel, f"{_LAYERS}.LogMelLayer"),
        FeatureKind(IMPORTED, ImportedParameters),
    )
}


def computed_kinds() -> list[str]:
    """List the names of the kinds that can be computed from audio."""
    return [name for name, kind in KINDS.items() if kind.transform]


def kind_of(parameters: StoredParameters) -> FeatureKind:
    """Find the kind of features that some parameters belong to."""
    return next(kind for kind in KINDS.values() if type(parameters) is kind.parameters)


@functools.cache
def transform_of(parameters: StoredParameters) -> Any:
    """Return the transform with these parameters; its kernels are made once a process.

    Features without a transform, which were imported, are a `UserError`.
    """
    kind = kind_of(parameters)
    if kind.transform is None:
        raise UserError(f"{kind.name} features cannot be computed from audio")
    return kind.transform(parameters)
