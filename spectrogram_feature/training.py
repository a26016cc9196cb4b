"""Training and judging a genre classifier on records of Constant-Q features.

What is particular to these features stands here; the rest is in `common`. TensorFlow is imported
inside the functions that need it, so that ``--help`` and mistakes in the arguments cost no wait.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.evaluation import evaluate
from common.leaderboard import Result, leaderboard, text_leaderboard
from common.predictions import Predictions
from common.quiet import import_tensorflow
from common.result_plots import leaderboard_figure
from common.training_options import TrainingOptions
from fma_utils import UserError, output_root
from spectrogram_feature import baselines
from spectrogram_feature.feature_records import FeatureRecords

if TYPE_CHECKING:
    import keras

    from common.training import Run

MODEL_FILE = "model.keras"
PREDICTIONS_FILE = "test_predictions.npz"
LEADERBOARD_FILE = "leaderboard.csv"


def build_model(
    records: FeatureRecords, name: str, augment: str = "none", **architecture: Any
) -> keras.Model:
    """Build one of `models.MODELS` for the shape and the genres of some records.

    Parameters
    ----------
    records : FeatureRecords
    name : str
        A key of `models.MODELS`.
    augment : str
        A policy of SpecAugment, or ``"none"``.
    **architecture
        As the model's function takes them.

    Raises
    ------
    UserError
        If there is no such model.
    """
    from spectrogram_feature import models
    from spectrogram_feature.spec_augment import spec_augment

    function = models.find(name)
    layer = None if augment == "none" else spec_augment(augment, records.parameters)
    shape, genres = records.parameters.shape, len(records.manifest.genres)
    return function(shape, genres, augmentation=layer, **architecture)


def train_model(
    records: FeatureRecords,
    name: str,
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    **architecture: Any,
) -> Run:
    """Train a model on the training split, choose its best epoch on the validation split, save it.

    Parameters
    ----------
    records : FeatureRecords
    name : str
        A key of `models.MODELS`.
    folder : path-like
        For the model, the learning curves and TensorBoard's logs. A training that was stopped goes
        on; one that is finished is loaded.
    options : TrainingOptions, optional
    **architecture
        As the model's function takes them.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If the folder holds a training with other settings, or training diverged.
    """
    from common import training
    from common.model_files import ModelCard, save_model

    folder, options, manifest = Path(folder), options or TrainingOptions(), records.manifest
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
    run = training.train(
        lambda: build_model(records, name, options.augment, **architecture),
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


def predict_split(model: keras.Model, records: FeatureRecords, split: str) -> Predictions:
    """Predict the segments of a split."""
    from common import training

    return training.predict(model, records.labelled(split), records.manifest.genres)


def judge_run(run: Run, records: FeatureRecords) -> tuple[Result, Predictions]:
    """Judge a trained model on the test split, which nothing before has looked at.

    Returns
    -------
    Result, Predictions
        Its row of the leaderboard, and what it said about each test segment; the latter is also
        written to the run's folder.
    """
    predictions = predict_split(run.model, records, "test")
    predictions.save(run.folder / PREDICTIONS_FILE)
    result = Result(
        model=run.model.name,
        scores=evaluate(predictions),
        parameters=run.model.count_params(),
        seconds=run.seconds,
    )
    return result, predictions


def judge_baselines(records: FeatureRecords) -> list[Result]:
    """Fit the majority class and the support-vector machine, and judge them on the test split."""
    genres = records.manifest.genres
    tracks = records.manifest.tracks["training"]
    track_labels = np.repeat(np.arange(len(genres)), [tracks.get(genre, 0) for genre in genres])

    def fit_svm() -> baselines.Baseline:
        training, validation = (
            baselines.collect(records.arrays(split)) for split in ("training", "validation")
        )
        return baselines.fit_svm(training, validation, len(genres))

    results = []
    for fit in (lambda: baselines.fit_majority(track_labels, len(genres)), fit_svm):
        started = time.perf_counter()
        baseline = fit()
        seconds = time.perf_counter() - started
        predictions = baselines.predict(baseline, records.arrays("test"), genres)
        results.append(
            Result(baseline.name, evaluate(predictions), None, seconds, is_baseline=True)
        )
    return results


def default_folder(records: FeatureRecords, name: str) -> Path:
    """Tell where a model goes unless another folder is asked for."""
    return output_root() / "models" / records.folder.resolve().name / name


def leaderboard_path(records: FeatureRecords) -> Path:
    """Tell where the table goes that compares all models trained on some records."""
    return default_folder(records, LEADERBOARD_FILE)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.training",
        "Train a genre classifier on records of Constant-Q features and judge it on the test\n"
        "split, beside the majority class and a support-vector machine.\n\n"
        "The best epoch is chosen on the validation split; the test split is looked at once, at\n"
        "the end. Scores come with 95 % bootstrap intervals over tracks.\n\n"
        "Writes model.keras (with the feature parameters and genres inside), history.csv,\n"
        "test_predictions.npz, leaderboard.csv and .png, and TensorBoard's logs. Stopped, the\n"
        "same command goes on after the last finished epoch; finished, it only judges.",
        "  python -m spectrogram_feature.training --records data/records/fma-medium-all\n"
        "  python -m spectrogram_feature.training --records data/records/fma-medium-all \\\n"
        "      --model cnn --epochs 80 --augment LD --out models/long\n"
        "  python -m spectrogram_feature.training --records data/records/mine-all-segments \\\n"
        "      --folds 5 --model cnn resnet crnn",
    )
    parser.add_argument(
        "--records", required=True, help="folder filled by spectrogram_feature.generate_records"
    )
    parser.add_argument(
        "--model",
        default=["cnn"],
        nargs="+",
        metavar="MODEL",
        help="a network of spectrogram_feature/models.py, by default cnn; with --folds, any number",
    )
    parser.add_argument("--out", help="folder for the model; by default one under data/models")
    parser.add_argument(
        "--resume", action="store_true", help="fail if there is no training in --out to go on with"
    )
    parser.add_argument(
        "--folds",
        type=int,
        help="cross-validate by artist over all splits instead of using the test split",
    )
    parser.add_argument(
        "--members",
        type=int,
        default=1,
        help="with --folds: how many models are trained for a fold, each with another of the other "
        "folds for validation, and averaged (default: 1)",
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines for comparison"
    )
    TrainingOptions.add_to(parser)
    arguments = parser.parse_args()
    options = TrainingOptions.from_arguments(arguments)
    records = FeatureRecords.open(arguments.records)

    import_tensorflow()
    from common import training
    from spectrogram_feature import models

    for name in arguments.model:
        models.find(name)
    print(f"{records.manifest.data_set['title']}; {training.prepare_device()}")
    if arguments.folds:
        folder = Path(arguments.out or default_folder(records, "cross-validation"))
        results = _cross_validate(records, arguments, options, folder)
    else:
        if len(arguments.model) > 1:
            raise UserError("several models at once need --folds: train them one by one")
        [name] = arguments.model
        folder = Path(arguments.out or default_folder(records, name))
        if arguments.resume and not (folder / training.SETTINGS).exists():
            raise UserError(f"{folder} holds no training to go on with: leave --resume out")
        result, _ = judge_run(train_model(records, name, folder=folder, options=options), records)
        results = [result] if arguments.no_baselines else [*judge_baselines(records), result]
    table = leaderboard(results)
    table.to_csv(folder / LEADERBOARD_FILE, index=False, float_format="%.4f")
    how = f"{arguments.folds}-fold cross-validation" if arguments.folds else "test split"
    title = f"{records.manifest.data_set['title']}: {how}, 95 % intervals"
    figure = leaderboard_figure(table, title=title)
    figure.savefig((folder / LEADERBOARD_FILE).with_suffix(".png"), dpi=150)
    print(text_leaderboard(table))
    print(f"Models, learning curves, predictions and logs: {folder}")


def _cross_validate(
    records: FeatureRecords,
    arguments: argparse.Namespace,
    options: TrainingOptions,
    folder: Path,
) -> list[Result]:
    from spectrogram_feature import cross_validation

    tracks = cross_validation.read_tracks(records)
    folds = cross_validation.artist_folds(tracks, arguments.folds)
    segments = cross_validation.Segments.read(records)
    results = []
    if not arguments.no_baselines:
        judged = cross_validation.cross_validate_baselines(
            records, segments, folds, arguments.members
        )
        results = [result for result, _ in judged]
    judged = [
        cross_validation.cross_validate_model(
            records,
            segments,
            folds,
            name,
            folder=folder / name,
            options=options,
            members=arguments.members,
        )
        for name in arguments.model
    ]
    results += [result for result, _ in judged]
    return results if len(judged) == 1 else [*results, cross_validation.average_models(judged)]


if __name__ == "__main__":
    cli.run_command(main)
