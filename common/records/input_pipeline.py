"""From TFRecord shards to batches: parallel reading, caching, shuffling, vectorised parsing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import tensorflow as tf

from common.records.tfrecords import Manifest

_FEATURE = {dtype: tf.io.FixedLenFeature([], dtype) for dtype in (tf.string, tf.int64)}

CACHE_SHARE = 0.4  # largest share of the free memory that a cached split takes by default

SHUFFLE_BYTES = 256 << 20
"""Size of the shuffle buffer: 6,500 segments of stage 2, or 350 images of 1240 × 616 pixels. Shards
are shuffled when they are written and are read in random order, so a small buffer suffices.
"""


def fits_in_memory(manifest: Manifest, split: str) -> bool:
    """Return True if a split takes at most `CACHE_SHARE` of the free memory."""
    size = sum(shard["bytes"] for shard in manifest.shards.get(split, ()))
    return size < CACHE_SHARE * psutil.virtual_memory().available


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
    label_map: Sequence[int] = (),
) -> tf.data.Dataset:
    """Read one split of a folder of records as a dataset of tuples.

    Shards are read in parallel. Serialised records are cached before they are shuffled, so that
    every epoch has new batches, and parsed a batch at a time. A `UserError` is raised if the split
    has no records, or a shard is missing or cut short.

    Parameters
    ----------
    decode : callable
        Converts a string tensor (batch,) of raw features into features (batch, ...).
    training : bool
        Shuffle, and drop the last, smaller batch if there is a full one. Otherwise the order is
        that of the shards.
    keys : sequence of str
        Parts of a tuple: ``"features"``, ``"label"``, ``"track_id"``, ``"segment"``.
    cache : bool, optional
        Keep the records in memory; by default as `fits_in_memory` decides.
    label_map : sequence of int
        Replaces each label, if given; records whose new label is negative are left out.
    """
    paths = [str(path) for path in manifest.shard_paths(folder, split)]
    size = sum(shard["bytes"] for shard in manifest.shards[split])
    count = sum(shard["records"] for shard in manifest.shards[split])
    new_label = tf.constant(label_map, tf.int64)
    leaves_out = min(label_map, default=0) < 0

    def is_kept(serialized: tf.Tensor) -> tf.Tensor:
        label = tf.io.parse_single_example(serialized, {"label": _FEATURE[tf.int64]})["label"]
        return new_label[label] >= 0

    dataset = tf.data.Dataset.from_tensor_slices(paths)
    if cache is None:
        cache = fits_in_memory(manifest, split)
    if training and not cache:
        dataset = dataset.shuffle(len(paths), seed=seed)
    dataset = dataset.interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(len(paths), 16),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if leaves_out:
        dataset, count = dataset.filter(is_kept), manifest.size("segments", split)
    if cache:
        dataset = dataset.cache()
    if training:
        dataset = dataset.shuffle(max(1, min(count, SHUFFLE_BYTES * count // size)), seed=seed)
    batch_size = min(batch_size, count) if training else batch_size
    dataset = dataset.batch(batch_size, drop_remainder=training)
    types = {key: tf.string if key == "features" else tf.int64 for key in keys}

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_example(serialized, {key: _FEATURE[types[key]] for key in keys})
        if label_map and "label" in keys:
            parsed["label"] = tf.gather(new_label, parsed["label"])
        return tuple(decode(parsed[key]) if key == "features" else parsed[key] for key in keys)

    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = count // batch_size if training else -(-count // batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return dataset.prefetch(tf.data.AUTOTUNE)


def array_batches(
    arrays: tuple[np.ndarray, ...],
    *,
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    cache: bool | None = None,
) -> tf.data.Dataset:
    """Batch arrays (segments, ...) as `read_batches` batches records; ``cache`` has no effect."""
    count = len(arrays[0])
    # Indices are shuffled instead of segments, so the buffer can hold all of them.
    order = tf.data.Dataset.range(count)
    if training:
        batch_size = min(batch_size, count)
        order = order.shuffle(count, seed=seed)
    order = order.batch(batch_size, drop_remainder=training)
    tensors = [tf.constant(array) for array in arrays]
    return order.map(
        lambda chosen: tuple(tf.gather(tensor, chosen) for tensor in tensors),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)
