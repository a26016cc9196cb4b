"""A trained Keras model with the NumPy transform of its features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from common.errors import UserError
from common.quiet import import_tensorflow
from common.training.model_files import ModelCard, load_model, read_card
from spectrogram_feature.features.kinds import transform_of
from spectrogram_feature.inference.segment_model import parameters_of

if TYPE_CHECKING:
    import keras


class KerasModel:
    """A network, uint8 (batch, frames, bins) → float32 (batch, genres), as a `SegmentModel`.

    ``path`` is the file of the network, if there is one; errors of `parameters_of` name it.
    """

    def __init__(self, network: keras.Model, card: ModelCard, path: Path | None = None) -> None:
        import tensorflow as tf

        self.network, self.card, self.path = network, card, path
        self.parameters = parameters_of(card, path or "the model")
        self._transform = transform_of(self.parameters)
        # Traced once, for batches of any size.
        self._probabilities = tf.function(
            lambda features: network(features, training=False),
            input_signature=[tf.TensorSpec((None, *self.parameters.shape), tf.uint8)],
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a trained model from a path of `default_model.find_model`.

        A `UserError` is raised if there is no such model, it is damaged, or it was trained on
        something else.
        """
        parameters_of(read_card(path), path)  # mistakes are reported before TensorFlow is imported
        import_tensorflow()
        from spectrogram_feature import models  # noqa: F401  (registers layers)

        network, card = load_model(path)
        model = cls(network, card, Path(path))
        shapes = (network.input_shape[1:], network.output_shape[1:])
        if shapes != (model.parameters.shape, (len(card.genres),)):
            raise UserError(f"{path} does not match its card: train it again")
        return model

    def predict_segments(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute features and genre probabilities; see `SegmentModel`."""
        features = self._transform.features(samples)
        return features, self._probabilities(features).numpy()
