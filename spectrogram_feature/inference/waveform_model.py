"""A genre classifier that takes waveforms: front end, segments and mean inside one graph.

It stands apart from `spectrogram_feature.export` so that the command can be explained, and mistakes
in its arguments be told, without TensorFlow being imported.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import tensorflow as tf

from common.errors import UserError
from common.records.quantization import FULL_SCALE
from spectrogram_feature.features.kinds import KINDS
from spectrogram_feature.inference.classifier import GenreClassifier


class WaveformModel(tf.Module):
    """What `GenreClassifier.hear` does, as functions that TensorFlow can save.

    Parameters
    ----------
    classifier : GenreClassifier

    Raises
    ------
    UserError
        If there is no layer that makes the features that it takes.
    """

    def __init__(self, classifier: GenreClassifier) -> None:
        super().__init__()
        kind = KINDS[classifier.card.kind]
        if not kind.layer:
            raise UserError(
                f"a model of {kind.name!r} features cannot be exported: KINDS in "
                "spectrogram_feature/features/kinds.py names no layer that makes them"
            )
        self.segment_samples = classifier.parameters.segment_samples
        self.network = classifier.model
        self.front_end = kind.make_layer(classifier.parameters)
        self.front_end.build((None, self.segment_samples))
        self._genres = classifier.genres
        self._card = json.dumps(asdict(classifier.card))

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32, name="waveform")])
    def predict(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give the probabilities of genres.

        Parameters
        ----------
        waveform : tf.Tensor [shape=(batch, samples), dtype=float32]
            Mono, at the sample rate of the model's features; at least one segment.

        Returns
        -------
        dict of str to tf.Tensor
            ``probabilities`` [shape=(batch, genres), dtype=float32].
        """
        length = self.segment_samples
        samples = tf.shape(waveform)[1]
        enough = tf.debugging.assert_greater_equal(
            samples, length, f"the waveform must have at least {length} samples"
        )
        with tf.control_dependencies([enough]):
            segments = (samples + length - 1) // length
        # One segment at a time, of all waveforms: long ones need little more than themselves.
        total = tf.zeros((tf.shape(waveform)[0], len(self._genres)))
        for index in tf.range(segments):
            end = tf.minimum((index + 1) * length, samples)
            fresh = tf.cast(end - index * length, tf.float32)
            segment = tf.reshape(waveform[:, end - length : end], (-1, length))
            total += fresh * self._probabilities(segment)
        return {"probabilities": total / tf.cast(samples, tf.float32)}

    def _probabilities(self, segment: tf.Tensor) -> tf.Tensor:
        levels = tf.round(FULL_SCALE * self.front_end(segment))
        return self.network(tf.cast(levels, tf.uint8), training=False)

    @tf.function(input_signature=[])
    def describe(self) -> dict[str, tf.Tensor]:
        """Tell what the probabilities mean, and what the model is.

        Returns
        -------
        dict of str to tf.Tensor
            ``genres`` [shape=(genres,), dtype=string] in the order of the probabilities, and
            ``card`` [shape=(), dtype=string], JSON as `model_files.ModelCard` has it.
        """
        return {"genres": tf.constant(self._genres), "card": tf.constant(self._card)}


def save(classifier: GenreClassifier, folder: str) -> None:
    """Write a classifier as a SavedModel that TensorFlow alone can load."""
    module = WaveformModel(classifier)
    tf.saved_model.save(
        module, folder, {"serving_default": module.predict, "describe": module.describe}
    )
