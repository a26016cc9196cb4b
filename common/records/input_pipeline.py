"""From TFRecord shards to batches: parallel reading, caching, shuffling, vectorised parsing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import tensorflow as tf

from common.records.tfrecords import Manifest

CACHE_SHARE = 0.4
"""By default, a split is kept in memory if it takes at most this share of what is free."""

SHUFFLE_BYTES = 256 << 20
"""What the shuffling may hold: 6,500 segments of stage 2, 350 images of 1240 × 616 pixels. Shards
are mixed when they are written and drawn in random order, so that even few records are a mixture.
"""


def read_batches(
    folder: str | Path,
    manifest: Manifest,
    split: str,
    decode: Callable[[tf.Tensor], tf.Tensor],
    *,
    batch_size: int,
    training: bool = False,
    keys: Sequence[str] = ("features", "label"),
    seed: int = 0,
    cache: bool | None = None,
) -> tf.data.Dataset:
    """Read one split of a folder of records.

    Shards are read in parallel. Serialised records are cached before they are shuffled, so that
    every epoch has new batches, and parsed a whole batch at a time, which costs little more than
    copying the bytes.

    Parameters
    ----------
    folder : path-like
    manifest : Manifest
        As read from the folder.
    split : str
        One of `fma_utils.SPLITS`.
    decode : callable
        Takes the raw bytes of a batch's features, a string tensor (batch,), and gives the
        features (batch, ...).
    batch_size : int
    training : bool
        Shuffle, and drop the last, smaller batch if there is a full one. Otherwise the order is
        that of the shards, the same every time.
    keys : sequence of str
        What each batch is a tuple of: ``"features"``, ``"label"``, ``"track_id"``, ``"segment"``.
    seed : int
        For the shuffling.
    cache : bool, optional
        Whether to keep the records in memory; by default where they take at most `CACHE_SHARE` of
        what is free.

    Returns
    -------
    tf.data.Dataset

    Raises
    ------
    UserError
        If the split has no records, or a shard is missing or cut short.
    """
    paths = [str(path) for path in manifest.shard_paths(folder, split)]
    size = sum(shard["bytes"] for shard in manifest.shards[split])
    count = sum(shard["records"] for shard in manifest.shards[split])

    dataset = tf.data.Dataset.from_tensor_slices(paths)
    if cache is None:
        cache = size < CACHE_SHARE * psutil.virtual_memory().available
    if training and not cache:
        dataset = dataset.shuffle(len(paths), seed=seed)
    dataset = dataset.interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(len(paths), 16),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if cache:
        dataset = dataset.cache()
    if training:
        dataset = dataset.shuffle(max(1, min(count, SHUFFLE_BYTES * count // size)), seed=seed)
    dataset = dataset.batch(batch_size, drop_remainder=training and count >= batch_size)

    features = {
        key: tf.io.FixedLenFeature([], tf.string if key == "features" else tf.int64) for key in keys
    }

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_example(serialized, features)
        return tuple(decode(parsed[key]) if key == "features" else parsed[key] for key in keys)

    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(
            count // batch_size if training and count >= batch_size else -(-count // batch_size)
        )
    )
    return dataset.prefetch(tf.data.AUTOTUNE)


def array_batches(
    arrays: tuple[np.ndarray, ...], *, batch_size: int, training: bool = False, seed: int = 0
) -> tf.data.Dataset:
    """Batch arrays that are in memory, as `read_batches` does records.

    Parameters
    ----------
    arrays : tuple of np.ndarray [shape=(segments, ...)]
        What each batch is a tuple of.
    batch_size : int
    training : bool
        Shuffle, and drop the last, smaller batch if there is a full one.
    seed : int
        For the shuffling.

    Returns
    -------
    tf.data.Dataset
    """
    count = len(arrays[0])
    # Indices are shuffled, not segments: the buffer then holds all of them at no cost.
    order = tf.data.Dataset.range(count)
    if training:
        order = order.shuffle(count, seed=seed)
    order = order.batch(batch_size, drop_remainder=training and count >= batch_size)
    tensors = [tf.constant(array) for array in arrays]
    return order.map(
        lambda chosen: tuple(tf.gather(tensor, chosen) for tensor in tensors),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)
