"""Targets and weights of training batches, mixup and CutMix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

TIME_AXIS = {3: 1, 4: 2}
"""Axis of time of (batch, frames, bins) and of images (batch, height, width, channels), by rank."""


def with_targets(
    dataset: tf.data.Dataset,
    weights: np.ndarray,
    *,
    genres_of: np.ndarray | None = None,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    seed: int = 0,
) -> tf.data.Dataset:
    """Convert batches of features and labels to features, targets (batch, genres) and weights.

    ``weights`` are those of each genre in the loss, float32 (genres,); see `genre_weights`. Where
    tracks have several genres, ``genres_of``, bool (labels, genres), has those of each label, and
    the weight of a segment is the mean over its genres. If
    ``mixup`` is not zero, each segment is mixed with another of its batch, in proportions from
    Beta(mixup, mixup) (Zhang et al. 2018, "mixup: beyond empirical risk minimization", ICLR). With
    probability ``cutmix``, a uniform share of the frames is replaced by those of another segment
    (Yun et al. 2019, "CutMix", ICCV, arXiv:1905.04899, here over the whole frequency axis).
    Targets are mixed in the same proportions. Vectors (batch, n) have no frames to replace.
    """
    targets = tf.eye(len(weights)) if genres_of is None else tf.cast(genres_of, tf.float32)
    axis = TIME_AXIS.get(len(dataset.element_spec[0].shape))

    def prepare(
        batch: tuple[tf.Tensor, tf.Tensor], seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        features, label = batch
        target = tf.gather(targets, label)
        if cutmix and axis:
            features, target = _cut(features, target, cutmix, axis, seeds)
        if mixup:
            features, target = _mix(features, target, mixup, seeds)
        weight = tf.linalg.matvec(target, weights)
        if genres_of is not None:
            weight /= tf.reduce_sum(target, axis=1)
        return features, target, weight

    # Batches are prepared in parallel, so each has random numbers of its own.
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    dataset = tf.data.Dataset.zip(dataset, seeds)
    return dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _cut(
    features: tf.Tensor, target: tf.Tensor, probability: float, axis: int, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    size, frames = tf.shape(features)[0], features.shape[axis]
    is_cut, width, place = tf.unstack(tf.random.stateless_uniform([3, size], seeds))
    replaced = tf.where(is_cut < probability, tf.floor(width * (frames + 1)), 0)
    start = tf.floor(place * (frames - replaced + 1))
    frame = tf.range(frames, dtype=tf.float32)
    inside = (frame >= start[:, None]) & (frame < (start + replaced)[:, None])
    over_axes = [-1 if i == 0 else frames if i == axis else 1 for i in range(len(features.shape))]
    other, share = _partners(size, seeds), replaced[:, None] / frames
    return (
        tf.where(tf.reshape(inside, over_axes), tf.gather(features, other), features),
        (1 - share) * target + share * tf.gather(target, other),
    )


def _mix(
    features: tf.Tensor, target: tf.Tensor, alpha: float, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.shape(features)[0]
    gamma = tf.random.stateless_gamma([size, 2], seeds, alpha) + 1e-9
    share = gamma[:, :1] / tf.reduce_sum(gamma, axis=1, keepdims=True)  # Beta(α, α)
    other = _partners(size, seeds)
    over_axes = tf.reshape(share, [-1] + [1] * (len(features.shape) - 1))
    values = tf.cast(features, tf.float32)
    mixed = over_axes * values + (1 - over_axes) * tf.gather(values, other)
    return (
        tf.cast(tf.round(mixed) if features.dtype.is_integer else mixed, features.dtype),
        share * target + (1 - share) * tf.gather(target, other),
    )


def _partners(size: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Draw the segment of the batch that each segment is mixed with."""
    return tf.random.experimental.stateless_shuffle(tf.range(size), seeds)


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
