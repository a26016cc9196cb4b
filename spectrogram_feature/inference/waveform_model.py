"""Graphs that take waveforms, with the front end inside.

This module imports TensorFlow; `spectrogram_feature.export` imports it only when it exports.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import tensorflow as tf

from common.errors import UserError
from common.fma.silence import (
    AUDIBLE_FRAMES,
    FINEST_STEP,
    FLAT,
    NOISE_RMS,
    OF_OFFSET,
    STEPS,
    band_matrix,
    frame_length,
    trends,
)
from common.records.quantization import FULL_SCALE
from spectrogram_feature.features.keras_layers import power_spectrum
from spectrogram_feature.features.kinds import KINDS
from spectrogram_feature.inference.keras_model import KerasModel


class WaveformModel(tf.Module):
    """`GenreClassifier.predict_blocks` as functions that TensorFlow can save.

    A `UserError` is raised if no Keras layer computes the features of the model.
    """

    def __init__(self, model: KerasModel) -> None:
        super().__init__()
        kind = KINDS[model.card.kind]
        if not kind.layer:
            raise UserError(
                f"a model of {kind.name!r} features cannot be exported: KINDS in "
                "spectrogram_feature/features/kinds.py names no layer that computes them"
            )
        self.segment_samples = model.parameters.segment_samples
        self.network = model.network
        self.front_end = kind.make_layer(model.parameters)
        self.front_end.build((None, self.segment_samples))
        self._sample_rate = model.parameters.sample_rate
        self._genres = model.card.genres
        self._card = json.dumps(asdict(model.card))

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32, name="waveform")])
    def predict(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict ``probabilities`` (batch, genres) from waveforms (batch, samples), float32.

        They are mono, at the sample rate of the model's features, of at least one segment. The
        result is NaN for a waveform that is silent or has NaN or infinity.
        """
        length = self.segment_samples
        samples = tf.shape(waveform)[1]
        enough = tf.debugging.assert_greater_equal(
            samples, length, f"the waveform must have at least {length} samples"
        )
        with tf.control_dependencies([enough]):
            segments = (samples + length - 1) // length
        # One segment at a time, of all waveforms: memory hardly grows with the length.
        total = tf.zeros((tf.shape(waveform)[0], len(self._genres)))
        weights = tf.zeros((tf.shape(waveform)[0], 1))
        for index in tf.range(segments):
            end = tf.minimum((index + 1) * length, samples)
            fresh = tf.cast(end - index * length, tf.float32)
            segment = tf.reshape(waveform[:, end - length : end], (-1, length))
            result = self.predict_segments(segment)
            weight = fresh * result["audible"][:, None]
            weight += 0 * tf.reduce_sum(segment, axis=1, keepdims=True)  # NaN where one is inside
            total += weight * result["probabilities"]
            weights += weight
        return {"probabilities": total / weights}

    def predict_segments(self, segment: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict segments of a batch (batch, samples), float32.

        The result has ``probabilities`` (batch, genres); ``features``, the levels (batch, frames,
        bins) from 0 to 1; and ``audible`` (batch,), 0 for silent segments, else 1.
        """
        features = self.front_end(segment)
        levels = tf.cast(tf.round(FULL_SCALE * features), tf.uint8)
        return {
            "probabilities": self.network(levels, training=False),
            "features": features,
            "audible": tf.cast(self._is_audible(segment), tf.float32),
        }

    def _is_audible(self, segment: tf.Tensor) -> tf.Tensor:
        """Compute ``not is_silent(samples, sr)`` for each segment of a batch (batch, samples)."""
        length = frame_length(self._sample_rate)
        count = self.segment_samples // length
        frames = tf.reshape(segment[:, : count * length], (-1, count, length))
        mean = tf.reduce_mean(frames, axis=-1, keepdims=True)
        frames -= mean
        frames -= tf.reduce_mean(frames, axis=-1, keepdims=True)  # the rounding error of the mean
        curves = tf.constant(trends(length))
        frames -= tf.matmul(tf.matmul(frames, curves), curves, transpose_b=True)
        rms = tf.sqrt(tf.reduce_mean(tf.square(frames), axis=-1))
        audible = rms > STEPS * FINEST_STEP + OF_OFFSET * tf.abs(mean[..., 0])
        power = power_spectrum(frames * np.hanning(length).astype(np.float32))
        power = tf.matmul(power, band_matrix(self._sample_rate))
        flat = tf.reduce_max(power, axis=-1) <= FLAT * tf.reduce_mean(power, axis=-1)
        audible &= ~(flat & (rms <= NOISE_RMS))
        found = tf.reduce_sum(tf.cast(audible, tf.int32), axis=-1)
        return found >= min(AUDIBLE_FRAMES, max(1, count))

    @tf.function(input_signature=[])
    def describe(self) -> dict[str, tf.Tensor]:
        """Return ``genres`` in the order of the probabilities, and ``card``, the card as JSON."""
        return {"genres": tf.constant(self._genres), "card": tf.constant(self._card)}
