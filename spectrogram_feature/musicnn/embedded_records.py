"""Records of log-mel features as musicnn describes them, and what learns from them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np
import tensorflow as tf

from common.evaluation import baselines
from common.evaluation.leaderboard import Result
from common.evaluation.metrics import evaluate
from common.jobs.files import atomic_write
from common.jobs.run import progress_bar
from common.records.input_pipeline import array_batches, read_batches
from common.records.segments import Segments
from common.training.model_files import MODEL_FILE, read_card, save_model
from spectrogram_feature.features.kinds import MUSICNN
from spectrogram_feature.features.records import FeatureRecords, LogMelRecords
from spectrogram_feature.musicnn.pretrained import CHECKPOINTS, load_musicnn
from spectrogram_feature.musicnn.transfer import (
    EMBEDDING,
    EMBEDDING_SIZE,
    complete,
    embedder,
    patch_frames,
)

if TYPE_CHECKING:
    from common.training.training import Run

_BATCH = 16  # segments that are embedded at a time


@dataclass(frozen=True)
class EmbeddedRecords(LogMelRecords):
    """Records of log-mel features as musicnn describes them, computed when they are first needed.

    They are kept beside the records, a file a shard: what was interrupted goes on, and what the
    records of a shard were is part of its file's name.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    checkpoint : str
        Whose weights; one of `pretrained.CHECKPOINTS`.
    """

    checkpoint: str = CHECKPOINTS[0]

    @classmethod
    def of(cls, records: FeatureRecords, **options: Any) -> Self:
        """Look at records in this way."""
        return cls(records.folder, records.manifest, **options)

    @cached_property
    def network(self) -> keras.Model:
        """keras.Model: the `embedder`, with the weights that were published.

        Raises
        ------
        UserError
            If they are not there.
        """
        trained = load_musicnn(self.checkpoint, patch_frames(self.parameters))
        return embedder(self.parameters, trained)

    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of int: the shape of what the probe is given of a segment."""
        return (EMBEDDING_SIZE,)

    def batches(
        self,
        split: str,
        *,
        keys: Sequence[str] = ("features", "label"),
        cache: bool | None = None,
        **options: Any,
    ) -> tf.data.Dataset:
        """Read a split in batches; ``"features"`` are embeddings, float32 (batch, n).

        Takes what `input_pipeline.read_batches` takes. All is in memory, whatever ``cache``
        asks for: it is 0.8 KB a segment.
        """
        shards = [self._embedded(split, shard) for shard in self._shards(split)]
        arrays = [np.concatenate([shard[key] for shard in shards]) for key in keys]
        return array_batches(tuple(arrays), **options)

    def _shards(self, split: str) -> Iterable[dict[str, Any]]:
        self.manifest.shard_paths(self.folder, split)  # sees that they are there
        shards = self.manifest.shards[split]
        todo = sum(not self._path(shard).exists() for shard in shards)
        description = f"embedding {split}"
        return progress_bar(iterable=shards, desc=description, unit="shard", disable=not todo)

    def _path(self, shard: dict[str, Any]) -> Path:
        name = f"{Path(shard['name']).stem}-{shard['crc32c']:08x}.npz"
        return self.folder / f"{self.checkpoint}-{EMBEDDING}" / name

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


def complete_run(run: Run, records: EmbeddedRecords) -> Run:
    """Save the whole classifier in place of its head, with the same card; see `complete`."""
    path = run.folder / MODEL_FILE
    whole = complete(records.network, run.model)
    save_model(whole, path, read_card(path))
    return replace(run, model=whole)


@dataclass(frozen=True, eq=False)
class MachineOnEmbeddings:
    """A support-vector machine on embeddings, as `common.evaluation.baselines.Baseline` has it."""

    machine: baselines.SupportVectorMachine
    name: str = f"SVM on {MUSICNN}"

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict genre probabilities from embeddings (segments, n)."""
        return self.machine.predict_statistics(features)


def fit_svm(training: Segments, validation: Segments, genres: int) -> MachineOnEmbeddings:
    """Fit a support-vector machine to embeddings; see `common.evaluation.baselines.fit_svm`.

    Parameters
    ----------
    training, validation : Segments
        Whose features are embeddings (segments, n).
    genres : int

    Returns
    -------
    MachineOnEmbeddings
    """
    return MachineOnEmbeddings(baselines.fit_svm(training, validation, genres))


def judge_svm(records: FeatureRecords) -> Result:
    """Fit the machine, and judge it on the test split."""
    genres = records.manifest.genres
    started = time.perf_counter()
    training, validation = (_in_memory(records, split) for split in ("training", "validation"))
    machine = fit_svm(training, validation, len(genres))
    seconds = time.perf_counter() - started
    predictions = baselines.predict(machine, records.arrays("test"), genres)
    return Result(machine.name, evaluate(predictions), None, seconds, is_baseline=True)


def _in_memory(records: FeatureRecords, split: str) -> Segments:
    columns = zip(*records.arrays(split), strict=True)
    return Segments(*(np.concatenate(column) for column in columns))
