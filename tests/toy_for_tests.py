"""A toy kind of features, as a newcomer would write its module, and its line of the registry."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from common.records.quantization import quantize
from spectrogram_feature.features.kinds import KINDS, FeatureKind
from spectrogram_feature.features.parameters import SegmentParameters


@dataclass(frozen=True)
class LoudnessParameters(SegmentParameters):
    """Parameters of the mean absolute values in the two halves of each frame."""

    sample_rate: int = 8_000
    segment_seconds: float = 5.0
    hop_length: int = 1_000
    n_bins: int = 2

    @property
    def frames(self) -> int:
        return self.segment_samples // self.hop_length

    @property
    def frequencies(self) -> np.ndarray:
        return np.array([440.0, 880.0])


class Loudness:
    """The transform."""

    def __init__(self, parameters: LoudnessParameters) -> None:
        self.parameters = parameters

    def features(self, samples: np.ndarray) -> np.ndarray:
        halves = np.abs(samples).reshape(*samples.shape[:-1], *self.parameters.shape, -1)
        return quantize(np.minimum(1, 4 * halves.mean(axis=-1)))


KIND = FeatureKind("loudness", LoudnessParameters, Loudness, "toy_layer_for_tests.LoudnessLayer")

if "REGISTER_TOY" in os.environ:  # in the worker processes of the test, too
    KINDS[KIND.name] = KIND
