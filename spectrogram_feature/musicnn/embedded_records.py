"""musicnn's embeddings of records of log-mel features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import keras
import numpy as np

from common.jobs.files import atomic_write
from common.jobs.run import progress_bar
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.musicnn.pretrained import CHECKPOINTS, PENULTIMATE, load_musicnn
from spectrogram_feature.musicnn.transfer import EMBEDDING, embedder, patch_frames

if TYPE_CHECKING:
    import tensorflow as tf

_BATCH = 16  # segments


@dataclass(frozen=True)
class EmbeddedRecords(FeatureRecords):
    """Embeddings of records of log-mel features, computed when they are first read.

    They are cached beside the records, in a file for each shard, whose name contains the checksum
    of the shard.
    """

    @classmethod
    def of(cls, records: FeatureRecords) -> Self:
        """Embed records with the default weights."""
        return cls(records.folder, records.manifest, label_map=records.label_map)

    @cached_property
    def network(self) -> keras.Model:
        """keras.Model: the `embedder` in float32 with the published weights; see `load_musicnn`."""
        from common.training.devices import full_precision

        parameters = cast(LogMelParameters, self.parameters)
        with full_precision():
            return embedder(parameters, load_musicnn(frames=patch_frames(parameters)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of int: the shape of an embedding."""
        return (PENULTIMATE,)

    def batches(
        self, split: str, *, keys: Sequence[str] = ("features", "label"), **options: Any
    ) -> tf.data.Dataset:
        """Read a split in batches; ``"features"`` are embeddings, float32 (batch, n).

        The options are those of `input_pipeline.array_batches`. All embeddings are in memory:
        0.8 KB a segment.
        """
        from common.records.input_pipeline import array_batches

        self.manifest.shard_paths(self.folder, split)  # raises if one is missing
        shards = self.manifest.shards[split]
        done = all(self._path(shard).exists() for shard in shards)
        bar = progress_bar(iterable=shards, desc=f"embedding {split}", unit="shard", disable=done)
        read = [self._embedded(split, shard) for shard in bar]
        columns = {key: np.concatenate([shard[key] for shard in read]) for key in read[0]}
        if self.label_map:
            columns["label"] = np.array(self.label_map)[columns["label"]]
        kept = columns["label"] >= 0
        return array_batches(tuple(columns[key][kept] for key in keys), **options)

    def _path(self, shard: dict[str, Any]) -> Path:
        name = f"{Path(shard['name']).stem}-{shard['crc32c']:08x}.npz"
        return self.folder / f"{CHECKPOINTS[0]}-{EMBEDDING}" / name

    def _embedded(self, split: str, shard: dict[str, Any]) -> dict[str, np.ndarray]:
        """Read the embeddings of a shard, or compute and write them."""
        path = self._path(shard)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            embedded = self._embed(split, shard)
            with atomic_write(path) as file:
                np.savez(file, **embedded)
        with np.load(path) as file:
            return dict(file)

    def _embed(self, split: str, shard: dict[str, Any]) -> dict[str, Any]:
        from common.records.input_pipeline import read_batches

        keys = ("features", "label", "track_id", "segment")
        alone = replace(self.manifest, shards={split: [shard]})
        batches = read_batches(
            self.folder, alone, split, self.decode, batch_size=_BATCH, keys=keys, cache=False
        )
        parts = [
            (self.network.predict_on_batch(features), *(column.numpy() for column in rest))
            for features, *rest in batches
        ]
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        return dict(zip(keys, columns, strict=True))
