"""Targets and weights of training batches, and mixup."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def with_targets(
    dataset: tf.data.Dataset, weights: np.ndarray, *, mixup: float = 0.0
) -> tf.data.Dataset:
    """Convert batches of features and labels to features, targets (batch, genres) and weights.

    ``weights`` are those of each genre in the loss, float32 (genres,); see `genre_weights`. If
    ``mixup`` is not zero, each segment is mixed with another of its batch, in proportions from
    Beta(mixup, mixup) (Zhang et al. 2018, "mixup: beyond empirical risk minimization", ICLR).
    """
    genres = len(weights)

    def prepare(features: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        target = tf.one_hot(label, genres)
        if mixup:
            features, target = _mix(features, target, mixup)
        return features, target, tf.linalg.matvec(target, weights)

    return dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _mix(features: tf.Tensor, target: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    gamma = tf.random.gamma((tf.shape(features)[0], 2), alpha) + 1e-9
    share = gamma[:, :1] / tf.reduce_sum(gamma, axis=1, keepdims=True)  # Beta(α, α)
    other = tf.random.shuffle(tf.range(tf.shape(features)[0]))
    over_axes = tf.reshape(share, [-1] + [1] * (len(features.shape) - 1))
    values = tf.cast(features, tf.float32)
    mixed = over_axes * values + (1 - over_axes) * tf.gather(values, other)
    return (
        tf.cast(tf.round(mixed) if features.dtype.is_integer else mixed, features.dtype),
        share * target + (1 - share) * tf.gather(target, other),
    )


def genre_weights(segments: Sequence[int], balance: str) -> np.ndarray:
    """Compute the weight of each genre in the loss, float32 (genres,), with mean 1 over segments.

    ``segments`` are the numbers of training segments of each genre. The weights are equal if
    ``balance`` is ``"none"``, and inverse to these numbers if it is ``"weights"``.
    """
    counts = np.asarray(segments, dtype=np.float32)
    if balance == "none":
        return np.ones_like(counts)
    present = counts > 0
    weights = counts.sum() / (present.sum() * np.maximum(counts, 1))
    return np.where(present, weights, 0).astype(np.float32)
