"""The kinds of features that records hold, by the names that manifests and models give them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spectrogram_feature.constant_q import ConstantQ
from spectrogram_feature.features import log_mel
from spectrogram_feature.features.log_mel import LogMel, LogMelParameters
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

CONSTANT_Q = "constant-q"
"""What all networks but `MUSICNN` take."""

LOG_MEL = log_mel.KIND

MUSICNN = "musicnn"
"""The network whose weights were published; see `spectrogram_feature.musicnn.transfer`."""


@dataclass(frozen=True)
class FeatureKind:
    """A kind of features.

    Attributes
    ----------
    name : str
        As manifests and models have it.
    parameters : type
        Its dataclass of parameters.
    transform : callable
        Makes the transform with some parameters; its ``features`` turns segments (..., n) into
        uint8 (..., frames, bins).
    """

    name: str
    parameters: type[FeatureParameters] | type[LogMelParameters]
    transform: Callable[[Any], ConstantQ | LogMel]


KINDS = {
    kind.name: kind
    for kind in (
        FeatureKind(CONSTANT_Q, FeatureParameters, ConstantQ),
        FeatureKind(LOG_MEL, LogMelParameters, LogMel),
    )
}


def kind_of(parameters: SegmentParameters) -> FeatureKind:
    """Tell which kind of features some parameters are of."""
    return next(kind for kind in KINDS.values() if type(parameters) is kind.parameters)


@functools.cache
def transform_of(parameters: SegmentParameters) -> ConstantQ | LogMel:
    """Give the transform with these parameters, whose kernels are made once a process."""
    return kind_of(parameters).transform(parameters)


def kind_for(model: str) -> str:
    """Tell which kind of features a network takes."""
    return {MUSICNN: LOG_MEL}.get(model, CONSTANT_Q)
