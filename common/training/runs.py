"""From records to a judged model, whatever the records hold.

TensorFlow is imported inside the functions that need it, so that ``--help`` and mistakes in a
command's arguments cost no wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.evaluation import baselines
from common.evaluation.leaderboard import Result, leaderboard
from common.evaluation.metrics import evaluate
from common.evaluation.predictions import Predictions, predict
from common.plotting.result_plots import leaderboard_figure
from common.records.coverage import require_coverage
from common.records.folder import RecordFolder
from common.records.segments import Batch
from common.training.model_files import MODEL_FILE, ModelCard, save_model
from common.training.options import TrainingOptions

if TYPE_CHECKING:
    import keras

    from common.training.training import Run

PREDICTIONS_FILE = "test_predictions.npz"
LEADERBOARD_FILE = "leaderboard.csv"


def train_model(
    records: RecordFolder,
    name: str,
    build: Callable[[], keras.Model],
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    architecture: Mapping[str, Any] | None = None,
) -> Run:
    """Train a model on the training split, choose its best epoch on the validation split, save it.

    Parameters
    ----------
    records : RecordFolder
    name : str
        What the model is called.
    build : callable
        Makes the model, uncompiled.
    folder : path-like
        For the model, the learning curves and TensorBoard's logs. A training that was stopped goes
        on; one that is finished is loaded.
    options : TrainingOptions, optional
    architecture : mapping, optional
        What `build` was told, for the model's card; JSON must hold it.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If a genre or a split has no usable audio, the folder holds a training with other settings,
        or training diverged.
    """
    require_coverage(records.manifest, records.folder)
    from common.training import training

    folder, options, manifest = Path(folder), options or TrainingOptions(), records.manifest
    architecture = dict(architecture or {})
    training.set_seed(options.seed)
    segments = manifest.segments["training"]
    counts = [segments.get(genre, 0) for genre in manifest.genres]
    batches = {
        split: records.batches(
            split, batch_size=options.batch_size, training=split == "training", seed=options.seed
        )
        for split in ("training", "validation")
    }
    settings = {
        "model": name,
        "architecture": architecture,
        "records": {
            "kind": manifest.kind,
            "parameters": manifest.parameters,
            "genres": manifest.genres,
            "shards": manifest.shards,
        },
    }
    with records.naming_damage():
        run = training.train(
            build,
            batches["training"],
            batches["validation"],
            counts,
            folder=folder,
            options=options,
            settings=settings,
        )
    card = ModelCard(
        name=name,
        kind=manifest.kind,
        parameters=manifest.parameters,
        genres=manifest.genres,
        data_set=manifest.data_set,
        training={
            "options": asdict(options),
            "architecture": architecture,
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "validation_accuracy": float(run.history["val_accuracy"][run.best_epoch]),
        },
    )
    save_model(run.model, folder / MODEL_FILE, card)
    return run


def predict_split(model: keras.Model, records: RecordFolder, split: str) -> Predictions:
    """Predict the segments of a split."""
    with records.naming_damage():
        return predict(model, records.labelled(split), records.manifest.genres)


def judge_run(
    run: Run, records: RecordFolder, name: str | None = None
) -> tuple[Result, Predictions]:
    """Judge a trained model on the test split, which nothing before has looked at.

    Parameters
    ----------
    run : Run
    records : RecordFolder
    name : str, optional
        For the leaderboard; by default the model's.

    Returns
    -------
    Result, Predictions
        Its row of the leaderboard, and what it said about each test segment; the latter is also
        written to the run's folder.
    """
    predictions = predict_split(run.model, records, "test")
    predictions.save(run.folder / PREDICTIONS_FILE)
    result = Result(
        model=name or run.model.name,
        scores=evaluate(predictions),
        parameters=run.model.count_params(),
        seconds=run.seconds,
    )
    return result, predictions


def judge_baselines(
    records: RecordFolder, as_features: Callable[[np.ndarray], np.ndarray] | None = None
) -> list[Result]:
    """Fit the majority class and the support-vector machine, and judge them on the test split.

    Parameters
    ----------
    records : RecordFolder
    as_features : callable, optional
        Turns what a batch holds into features (segments, frames, bins), where it is something
        else.

    Returns
    -------
    list of Result
    """
    genres = records.manifest.genres
    tracks = records.manifest.tracks["training"]
    track_labels = np.repeat(np.arange(len(genres)), [tracks.get(genre, 0) for genre in genres])

    def read(split: str) -> Iterator[Batch]:
        with records.naming_damage():
            for features, label, track_id in records.arrays(split):
                yield as_features(features) if as_features else features, label, track_id

    def fit_svm() -> baselines.Baseline:
        training, validation = (
            baselines.collect(read(split)) for split in ("training", "validation")
        )
        return baselines.fit_svm(training, validation, len(genres))

    results = []
    for fit in (lambda: baselines.fit_majority(track_labels, len(genres)), fit_svm):
        started = time.perf_counter()
        baseline = fit()
        seconds = time.perf_counter() - started
        predictions = baselines.predict(baseline, read("test"), genres)
        results.append(
            Result(baseline.name, evaluate(predictions), None, seconds, is_baseline=True)
        )
    return results


def write_leaderboard(results: list[Result], folder: str | Path, title: str) -> pd.DataFrame:
    """Write a leaderboard as a table and as a figure.

    Parameters
    ----------
    results : list of Result
    folder : path-like
        For ``leaderboard.csv`` and ``leaderboard.png``.
    title : str
        Of the figure: which data, judged how.

    Returns
    -------
    pandas.DataFrame
        As `leaderboard` makes it.
    """
    table = leaderboard(results)
    path = Path(folder) / LEADERBOARD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.4f")
    leaderboard_figure(table, title=title).savefig(path.with_suffix(".png"), dpi=150)
    return table
