"""Training and judging a genre classifier on records of features.

What is particular to these features stands here; the rest is in `common`. TensorFlow is imported
inside the functions that need it, so that ``--help`` and mistakes in the arguments cost no wait.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import UserError
from common.evaluation.leaderboard import Result, text_leaderboard
from common.paths import output_root
from common.quiet import import_tensorflow
from common.training import runs
from common.training.options import TrainingOptions
from spectrogram_feature.features.kinds import MUSICNN, kind_for
from spectrogram_feature.features.records import RECORDS, FeatureRecords
from spectrogram_feature.networks import as_network_takes, build_model, train_model

__all__ = [
    "as_network_takes",
    "build_model",
    "default_folder",
    "leaderboard_path",
    "open_records",
    "train_model",
]


def open_records(folder: str | Path, models: Sequence[str]) -> FeatureRecords:
    """Open records of the kind that some networks take.

    Raises
    ------
    UserError
        If they take different ones, or the folder has none of the kind.
    """
    kinds = {kind_for(model) for model in models}
    if len(kinds) > 1:
        raise UserError(f"{MUSICNN} takes other features than the others: train it by itself")
    return RECORDS[kinds.pop()].open(folder)


def default_folder(records: FeatureRecords, name: str) -> Path:
    """Tell where a model goes unless another folder is asked for."""
    return output_root() / "models" / records.folder.resolve().name / name


def leaderboard_path(records: FeatureRecords) -> Path:
    """Tell where the table goes that compares all models trained on some records."""
    return default_folder(records, runs.LEADERBOARD_FILE)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.training",
        "Train a genre classifier on records of features and judge it on the test split,\n"
        "beside the majority class and a support-vector machine.\n\n"
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
        help="a network of spectrogram_feature/models.py, by default cnn, or musicnn, a probe "
        "on published weights (make pretrained); with --folds, any number",
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
        "--finetune",
        action="store_true",
        help="with --model musicnn: after the probe train its last layers, then all of it (slow)",
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines for comparison"
    )
    TrainingOptions.add_to(parser)
    arguments = parser.parse_args()
    options = TrainingOptions.from_arguments(arguments)
    records = open_records(arguments.records, arguments.model)
    if arguments.finetune and arguments.model != [MUSICNN]:
        raise UserError(f"--finetune is for --model {MUSICNN}: the others have nothing to begin at")

    import_tensorflow()
    from common.training import training
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
        run_name = f"{name}, fine-tuned" if arguments.finetune else name
        folder = Path(arguments.out or default_folder(records, run_name))
        if arguments.resume and not (folder / training.SETTINGS).exists():
            raise UserError(f"{folder} holds no training to go on with: leave --resume out")
        if arguments.finetune:
            from spectrogram_feature.musicnn.finetuning import finetune

            run = finetune(records, folder=folder, options=options)
        else:
            run = train_model(records, name, folder=folder, options=options)
        results = [] if arguments.no_baselines else _judge_baselines(records, name)
        results.append(runs.judge_run(run, records, run_name)[0])
    how = f"{arguments.folds}-fold cross-validation" if arguments.folds else "test split"
    title = f"{records.manifest.data_set['title']}: {how}, 95 % intervals"
    table = runs.write_leaderboard(results, folder, title)
    print(text_leaderboard(table))
    print(f"Models, learning curves, predictions and logs: {folder}")


def _judge_baselines(records: FeatureRecords, name: str) -> list[Result]:
    results = runs.judge_baselines(records)
    given = as_network_takes(records, name)
    if given is not records:
        from spectrogram_feature.musicnn.embedded_records import judge_svm

        results.append(judge_svm(given))
    return results


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
    baselines = []
    if not arguments.no_baselines:
        baselines = list(
            cross_validation.cross_validate_baselines(records, segments, folds, arguments.members)
        )
    given = as_network_takes(records, arguments.model[0])
    if given is not records:
        from spectrogram_feature.musicnn.embedded_records import fit_svm

        segments = cross_validation.Segments.read(given)
        if not arguments.no_baselines:
            genres = records.manifest.genres
            baselines.append(
                cross_validation.judge_baseline(fit_svm, genres, segments, folds, arguments.members)
            )
    judged = [
        cross_validation.cross_validate_model(
            given,
            segments,
            folds,
            name,
            folder=folder / name,
            options=options,
            members=arguments.members,
        )
        for name in arguments.model
    ]
    if arguments.finetune:
        from spectrogram_feature.musicnn.finetuning import cross_validate_stages

        judged += cross_validate_stages(records, folds, folder, options, arguments.members)
    elif len(judged) > 1:
        judged.append(cross_validation.average_models(judged))
    if baselines:
        judged = [cross_validation.note_gain(one, baselines[-1]) for one in judged]
    return [result for result, _ in [*baselines, *judged]]


if __name__ == "__main__":
    cli.run_command(main)
