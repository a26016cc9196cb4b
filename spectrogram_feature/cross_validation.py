"""Cross-validation by artist: every track judged once, by a model that never heard its artist.

A small data set's test split is too small to tell models apart; five folds use all of it. Each
fold is the test set once. Of the other folds, the next one is for validation (the best epoch, the
machine's C and gamma), the rest for training: nothing is chosen on the fold that is scored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from common.evaluation import evaluate
from common.leaderboard import Result
from common.predictions import Predictions
from common.training_options import TrainingOptions
from fma_utils import SPLITS, UserError
from spectrogram_feature import baselines
from spectrogram_feature.feature_records import FeatureRecords

if TYPE_CHECKING:
    import tensorflow as tf

PREDICTIONS_FILE = "cross_validation.npz"


@dataclass(frozen=True, eq=False)
class Segments:
    """All segments of a folder of records, in memory.

    Attributes
    ----------
    features : np.ndarray [shape=(segments, frames, bins), dtype=uint8]
    label, track_id : np.ndarray [shape=(segments,), dtype=int64]
    """

    features: np.ndarray
    label: np.ndarray
    track_id: np.ndarray

    @classmethod
    def read(cls, records: FeatureRecords) -> Segments:
        """Read all splits: 41 KB a segment, 3 GB for FMA medium."""
        batches = [batch for split in SPLITS for batch in records.arrays(split)]
        return cls(*(np.concatenate(column) for column in zip(*batches, strict=True)))

    def of(self, tracks: np.ndarray) -> Segments:
        """Keep the segments of some tracks."""
        chosen = np.isin(self.track_id, tracks)
        return Segments(self.features[chosen], self.label[chosen], self.track_id[chosen])

    def statistics(self) -> baselines.Segments:
        """Reduce each segment to the statistics that the support-vector machine learns from."""
        return baselines.collect([(self.features, self.label, self.track_id)])

    def counts(self, genres: int) -> list[int]:
        """Count the segments of each genre."""
        return np.bincount(self.label, minlength=genres).tolist()


@dataclass(frozen=True, eq=False)
class Fold:
    """The tracks of one fold of the cross-validation, three arrays of track ids."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def artist_folds(tracks: pd.DataFrame, folds: int, seed: int = 0) -> list[Fold]:
    """Divide tracks so that no artist is in two folds and each has about the genres of the whole.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Indexed by track id, with ``label`` and ``artist``, as ``tracks.csv`` of the records has.
    folds : int >= 3
    seed : int

    Returns
    -------
    list of Fold

    Raises
    ------
    UserError
        If there are not enough folds for training, validation and test, or too few artists.
    """
    if folds < 3:
        raise UserError(f"{folds} folds: at least 3 are needed, to train, validate and test")
    if tracks["artist"].nunique() < folds:
        raise UserError(f"{tracks['artist'].nunique()} artists cannot be dealt into {folds} folds")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = [
        tracks.index[test].to_numpy()
        for _, test in splitter.split(tracks, tracks["label"], tracks["artist"])
    ]
    return [
        Fold(
            training=np.concatenate(
                [parts[j] for j in range(folds) if j not in (i, (i + 1) % folds)]
            ),
            validation=parts[(i + 1) % folds],
            test=parts[i],
        )
        for i in range(folds)
    ]


def read_tracks(records: FeatureRecords) -> pd.DataFrame:
    """Read the plan beside the records, of the tracks that the records have segments of."""
    from spectrogram_feature.generate_records import PLAN

    path = records.folder / PLAN
    if not path.exists():
        raise UserError(f"{path} is missing: run spectrogram_feature.generate_records again")
    return pd.read_csv(path, index_col="track_id", dtype={"artist": str})


def cross_validate_model(
    records: FeatureRecords,
    segments: Segments,
    folds: list[Fold],
    name: str,
    *,
    folder: str | Path,
    options: TrainingOptions,
    **architecture: Any,
) -> tuple[Result, Predictions]:
    """Train a network once a fold and pool what each says of its test fold.

    Parameters
    ----------
    records : FeatureRecords
        Where the segments come from.
    segments : Segments
    folds : list of Fold
    name : str
        A key of `models.MODELS`.
    folder : path-like
        For each fold's training, which is resumed or loaded as `training.train_model` does.
    options : TrainingOptions
    **architecture
        As the model's function takes them.

    Returns
    -------
    Result, Predictions
        The pooled row of the leaderboard; its note has the range of the folds' accuracies.
    """
    from common import training
    from common.input_pipeline import array_batches
    from spectrogram_feature.training import build_model

    genres = records.manifest.genres
    parts, seconds, parameters = [], 0.0, 0
    for number, fold in enumerate(folds):
        training.set_seed(options.seed)
        train, validate, test = (
            segments.of(tracks) for tracks in (fold.training, fold.validation, fold.test)
        )

        def batches(part: Segments, **how: Any) -> tf.data.Dataset:
            return array_batches((part.features, part.label), batch_size=options.batch_size, **how)

        run = training.train(
            lambda: build_model(records, name, options.augment, **architecture),
            batches(train, training=True, seed=options.seed),
            batches(validate),
            train.counts(len(genres)),
            folder=Path(folder) / f"fold-{number}",
            options=options,
            settings={
                "model": name,
                "architecture": architecture,
                "records": {"parameters": records.manifest.parameters, "genres": genres},
                "training_tracks": sorted(fold.training.tolist()),
            },
        )
        labelled = array_batches((test.features, test.label, test.track_id), batch_size=256)
        parts.append(training.predict(run.model, labelled, genres))
        seconds, parameters = seconds + run.seconds, run.model.count_params()
    pooled = Predictions.concatenate(parts)
    pooled.save(Path(folder) / PREDICTIONS_FILE)
    result = Result(name, evaluate(pooled), parameters, seconds, note=_range_of(parts))
    return result, pooled


def cross_validate_baselines(
    records: FeatureRecords, segments: Segments, folds: list[Fold]
) -> Iterator[tuple[Result, Predictions]]:
    """Do the same with the majority class and the support-vector machine."""
    genres = records.manifest.genres
    for fit in (_fit_majority, _fit_svm):
        started = time.perf_counter()
        fitted = [fit(segments, fold, len(genres)) for fold in folds]
        seconds = time.perf_counter() - started
        parts = []
        for baseline, fold in zip(fitted, folds, strict=True):
            test = segments.of(fold.test)
            batch = (test.features, test.label, test.track_id)
            parts.append(baselines.predict(baseline, [batch], genres))
        pooled = Predictions.concatenate(parts)
        yield (
            Result(
                fitted[0].name,
                evaluate(pooled),
                None,
                seconds,
                note=_range_of(parts),
                is_baseline=True,
            ),
            pooled,
        )


def _fit_majority(segments: Segments, fold: Fold, genres: int) -> baselines.Baseline:
    train = segments.of(fold.training)
    _, first = np.unique(train.track_id, return_index=True)
    return baselines.fit_majority(train.label[first], genres)


def _fit_svm(segments: Segments, fold: Fold, genres: int) -> baselines.Baseline:
    train, validate = segments.of(fold.training), segments.of(fold.validation)
    return baselines.fit_svm(train.statistics(), validate.statistics(), genres)


def _range_of(parts: list[Predictions]) -> str:
    tracks = [part.by_track() for part in parts]
    accuracies = [float((part.predicted == part.label).mean()) for part in tracks]
    return f"folds {min(accuracies):.0%} to {max(accuracies):.0%}"
