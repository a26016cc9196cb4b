"""Cross-validation by artist: every track judged once, by a model that never heard its artist.

A small data set's test split is too small to tell models apart; five folds use all of it. Each
fold is the test set once. Of the other folds, the next one is for validation (the best epoch, the
machine's C and gamma), the rest for training: nothing is chosen on the fold that is scored.

With several members, further models of the same kind are trained, each with another of these folds
for validation, and their probabilities are averaged: together they have learnt from all tracks but
those of the fold that is scored (Krogh and Vedelsby 1995, "Neural network ensembles, cross
validation, and active learning", NIPS 7).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from common.errors import UserError
from common.evaluation import baselines
from common.evaluation.leaderboard import Result
from common.evaluation.metrics import compare, evaluate
from common.evaluation.predictions import Predictions, predict
from common.records.segments import Segments
from common.records.shards import PLAN
from common.training.options import TrainingOptions
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.networks import build_model

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PREDICTIONS_FILE = "cross_validation.npz"

Judged = tuple[Result, Predictions]
"""A row of the leaderboard, and what it was computed from."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of the cross-validation.

    Attributes
    ----------
    test : np.ndarray [shape=(tracks,), dtype=int64]
        Track ids.
    others : tuple of np.ndarray
        The tracks of the other folds, beginning with the next.
    """

    test: np.ndarray
    others: tuple[np.ndarray, ...]

    def divide(self, member: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the tracks that a member is trained on, and those that it is chosen on."""
        rest = [part for i, part in enumerate(self.others) if i != member]
        return np.concatenate(rest), self.others[member]


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
    return [Fold(test=part, others=(*parts[i + 1 :], *parts[:i])) for i, part in enumerate(parts)]


def read_tracks(records: FeatureRecords) -> pd.DataFrame:
    """Read the plan beside the records, of the tracks that the records have segments of."""
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
    members: int = 1,
    build: Callable[[Path], keras.Model] | None = None,
    **architecture: Any,
) -> Judged:
    """Train networks for each fold and pool what they say of it.

    Parameters
    ----------
    records : FeatureRecords
        Where the segments come from.
    segments : Segments
    folds : list of Fold
    name : str
        A key of `models.MODELS`.
    folder : path-like
        For each training, which is resumed or loaded as `training.train_model` does.
    options : TrainingOptions
    members : int
        How many networks are trained for a fold and averaged.
    build : callable, optional
        Makes a training's model, given its folder; by default `networks.build_model`.
    **architecture
        As the model's function takes them.

    Returns
    -------
    Result, Predictions
        The pooled row of the leaderboard; its note has the range of the folds' accuracies.

    Raises
    ------
    UserError
        If there are not enough folds for so many members.
    """
    from common.records.input_pipeline import array_batches
    from common.training import training

    genres = records.manifest.genres
    runs: list[tuple[int, float]] = []
    build = build or (lambda _: build_model(records, name, options.augment, **architecture))

    def batches(part: Segments, **how: Any) -> tf.data.Dataset:
        return array_batches((part.features, part.label), batch_size=options.batch_size, **how)

    def judge(number: int, member: int) -> Predictions:
        training.set_seed(options.seed)
        chosen, held_back = folds[number].divide(member)
        train, validate, test = map(segments.of, (chosen, held_back, folds[number].test))
        own = Path(folder) / f"fold-{number}-member-{member}"
        run = training.train(
            lambda: build(own),
            batches(train, training=True, seed=options.seed),
            batches(validate),
            train.counts(len(genres)),
            folder=own,
            options=options,
            settings={
                "model": name,
                "architecture": architecture,
                "records": {"parameters": records.manifest.parameters, "genres": genres},
                "training_tracks": sorted(chosen.tolist()),
            },
        )
        runs.append((run.model.count_params(), run.seconds))
        labelled = array_batches((test.features, test.label, test.track_id), batch_size=256)
        return predict(run.model, labelled, genres)

    pooled, note = _pool(judge, folds, members)
    pooled.save(Path(folder) / PREDICTIONS_FILE)
    sizes, seconds = zip(*runs, strict=True)
    return Result(name, evaluate(pooled), members * sizes[0], sum(seconds), note=note), pooled


def cross_validate_baselines(
    records: FeatureRecords, segments: Segments, folds: list[Fold], members: int = 1
) -> Iterator[Judged]:
    """Do the same with the majority class and the support-vector machine."""
    for fit in (_fit_majority, _fit_svm):
        yield judge_baseline(fit, records.manifest.genres, segments, folds, members)


def judge_baseline(
    fit: Callable[[Segments, Segments, int], baselines.Baseline],
    genres: tuple[str, ...],
    segments: Segments,
    folds: list[Fold],
    members: int,
) -> Judged:
    """Let what `fit` makes of training, validation and the number of genres judge every fold."""
    fitted: list[tuple[str, float]] = []

    def judge(number: int, member: int) -> Predictions:
        started = time.perf_counter()
        training, validation = map(segments.of, folds[number].divide(member))
        baseline = fit(training, validation, len(genres))
        fitted.append((baseline.name, time.perf_counter() - started))
        test = segments.of(folds[number].test)
        return baselines.predict(baseline, [(test.features, test.label, test.track_id)], genres)

    pooled, note = _pool(judge, folds, members)
    (name, *_), seconds = zip(*fitted, strict=True)
    return Result(name, evaluate(pooled), None, sum(seconds), note, is_baseline=True), pooled


def average_models(judged: list[Judged]) -> Judged:
    """Judge the average of several models' probabilities.

    Parameters
    ----------
    judged : list of (Result, Predictions)
        What `cross_validate_model` gave for each, of the same folds.

    Returns
    -------
    Result, Predictions
    """
    results = [result for result, _ in judged]
    average = Predictions.average([predictions for _, predictions in judged])
    size = _sum_if_known([result.parameters for result in results])
    seconds = _sum_if_known([result.seconds for result in results])
    return Result(f"average of these {len(judged)}", evaluate(average), size, seconds), average


def _sum_if_known(values: Sequence[float | None]) -> Any:
    """Add up, unless one is missing."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def note_gain(judged: Judged, baseline: Judged) -> Judged:
    """Add to a row's note how much more accurate it is than a baseline, track by track."""
    (result, predictions), (rival, of_rival) = judged, baseline
    gain = f"{compare(predictions, of_rival)} over {rival.model}"
    return replace(result, note="; ".join(filter(None, [result.note, gain]))), predictions


def _pool(
    judge: Callable[[int, int], Predictions], folds: list[Fold], members: int
) -> tuple[Predictions, str]:
    """Let every member judge every fold; give all their averages, and say how the folds differ."""
    if not 1 <= members <= len(folds[0].others):
        raise UserError(
            f"{members} members: with {len(folds)} folds there can be 1 to {len(folds) - 1}"
        )
    parts = [
        Predictions.average([judge(number, member) for member in range(members)])
        for number in range(len(folds))
    ]
    tracks = [part.by_track() for part in parts]
    accuracies = [float((part.predicted == part.label).mean()) for part in tracks]
    note = f"folds {min(accuracies):.0%} to {max(accuracies):.0%}"
    return Predictions.concatenate(parts), note if members == 1 else f"{members} members, {note}"


def _fit_majority(training: Segments, _: Segments, genres: int) -> baselines.Baseline:
    first = np.unique(training.track_id, return_index=True)[1]
    return baselines.fit_majority(training.label[first], genres)


def _fit_svm(training: Segments, validation: Segments, genres: int) -> baselines.Baseline:
    learnt_from, chosen_on = (
        replace(part, features=baselines.bin_statistics(part.features))
        for part in (training, validation)
    )
    return baselines.fit_svm(learnt_from, chosen_on, genres)
