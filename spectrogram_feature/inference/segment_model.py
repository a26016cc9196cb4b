"""The interface of models that predict segments of sound."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import UserError
from common.training.model_files import ModelCard
from spectrogram_feature.features.kinds import KINDS, computed_kinds
from spectrogram_feature.features.parameters import SegmentParameters


class SegmentModel(Protocol):
    """A trained model of segments; ``parameters`` are those of its features."""

    card: ModelCard
    parameters: SegmentParameters

    def predict_segments(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute features and genre probabilities of segments.

        Segments are float32 (batch, samples), mono, at the sample rate of the features. Features
        are uint8 (batch, frames, bins), probabilities float32 (batch, genres).
        """
        ...


def parameters_of(card: ModelCard, path: str | Path) -> SegmentParameters:
    """Return the parameters of a model's features.

    A `UserError` that names the model is raised if its features are not computed from audio, or its
    parameters are not those of this version.
    """
    if card.kind not in KINDS:
        raise UserError(
            f"{path} was trained on {card.kind!r} records, not on {' or '.join(KINDS)} ones: "
            "choose a model of spectrogram_feature.training"
        )
    if card.kind not in computed_kinds():
        raise UserError(
            f"{path} was trained on {card.kind} features ({card.parameters['origin']}), which "
            "cannot be computed from audio: evaluate it on its records, or train a model on "
            "records of spectrogram_feature.generate_records"
        )
    try:
        return KINDS[card.kind].parameters.from_dict(card.parameters)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
