"""Training and evaluating genre classifiers on records of features.

`train_model` builds a network of `models.MODELS` and calls `common.training.train.train`.
TensorFlow is imported inside the functions that need it, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.errors import UserError
from common.evaluation.baselines import BASELINES, svm
from common.evaluation.cross_validation import SPLIT_RULES, Fold, cross_validate, make_folds
from common.evaluation.judging import (
    Fitted,
    Judged,
    average_models,
    judge_on_test,
    judge_seeds,
    note_gain,
)
from common.evaluation.leaderboard import Result, text_leaderboard, write_leaderboard
from common.fma.labels import LABELS, SEPARATOR, ancestors
from common.nn.policies import PERTURB
from common.paths import output_root
from common.quiet import import_tensorflow
from common.records.folder import RecordFolder
from common.records.segments import MemoryRecords, Segments
from common.records.tfrecords import Manifest
from common.training.options import TrainingOptions
from spectrogram_feature.features.records import FeatureRecords

if TYPE_CHECKING:
    import keras

    from common.training.train import Run

Fit = Callable[[RecordFolder], Fitted]  # fits a baseline to the splits of records


def train_model(
    records: FeatureRecords,
    name: str,
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    ablation: str = "",
    **architecture: Any,
) -> Run:
    """Train a network of `models.MODELS` on the splits of records of its features.

    ``architecture`` are further arguments of the network's function; for the others see
    `common.training.train.train`.
    """
    from common.training.train import train
    from spectrogram_feature import models

    network, options = models.find(name), options or TrainingOptions()
    prepared = network.prepare(records)
    return train(
        name,
        lambda: build_model(prepared, name, options.augment, **architecture),
        prepared,
        folder=folder,
        options=options,
        architecture=architecture,
        finish=lambda model: network.finish(model, prepared),
        ablation=ablation,
        weights=network.weights,
    )


def build_model(
    records: FeatureRecords, name: str, augment: str = "none", **architecture: Any
) -> keras.Model:
    """Build a network of `models.MODELS` for the shape and the genres of its training records.

    ``augment`` is one of `common.training.options.AUGMENTATIONS`, and ``architecture`` are further
    arguments of the network's function. For records with several genres a track, the
    classification head is `common.nn.blocks.HierarchicalSigmoid`. An unknown network or
    augmentation is a `UserError`.
    """
    from common.nn.blocks import with_several_genres
    from common.nn.perturbation import perturb
    from spectrogram_feature import models
    from spectrogram_feature.spec_augment import spec_augment

    build, layer = models.find(name).build, None
    if augment == PERTURB:
        has_time = len(records.shape) == 2  # embeddings have none
        layer = perturb(*records.shape) if has_time else None
    elif augment != "none":
        layer = spec_augment(augment, records.parameters)
    genres = records.manifest.genres
    model = build(records.shape, len(genres), augmentation=layer, **architecture)
    if not records.manifest.has_several_genres:
        return model
    return with_several_genres(model, ancestors(genres, records.manifest.parents).tolist())


def cross_validate_model(
    records: FeatureRecords,
    segments: Segments,
    folds: list[Fold],
    name: str,
    *,
    folder: str | Path,
    options: TrainingOptions,
    members: int = 1,
    **architecture: Any,
) -> Judged:
    """Cross-validate a network; each training resumes, or is loaded, from its own folder.

    ``records`` are those of the training, and ``segments`` all of their segments. For the other
    parameters see `common.evaluation.cross_validation.cross_validate` and `train_model`.
    """
    from common.training.train import train

    def fit(fold: MemoryRecords) -> Run:
        return train(
            name,
            lambda: build_model(records, name, options.augment, **architecture),
            fold,
            folder=Path(folder) / fold.name,
            options=options,
            architecture=architecture,
            save=False,
        )

    return cross_validate(fit, records, segments, folds, members=members, folder=folder)


def baselines_for(
    records: FeatureRecords, names: Sequence[str]
) -> list[tuple[Fit, FeatureRecords]]:
    """List the baselines for some networks, each with the records for its fit.

    `common.evaluation.baselines.BASELINES` come first, then, for each network that is trained on
    prepared records, e.g. embeddings, an SVM on the same.
    """
    from spectrogram_feature import models

    found: list[tuple[Fit, FeatureRecords]] = [(fit, records) for fit in BASELINES]
    for name in names:
        prepared = models.find(name).prepare(records)
        if prepared is not records:
            found.append((partial(svm, describe=np.asarray, name=f"SVM on {name}"), prepared))
    return found


def open_records(folder: str | Path, names: Sequence[str]) -> FeatureRecords:
    """Open records of the networks' features.

    Networks of different features, or a folder without their features, are a `UserError`.
    """
    from spectrogram_feature import models

    kinds = {name: models.find(name).features for name in names}
    first, *others = names
    for other in others:
        if kinds[other] != kinds[first]:
            raise UserError(
                f"{other} takes other features than the others ({kinds[other][0]}, not "
                f"{kinds[first][0]}): train it separately"
            )
    return FeatureRecords.open(folder, *kinds[first])


def default_folder(records: FeatureRecords, name: str) -> Path:
    """Return the default folder of a model, or the path of another file, for some records."""
    labels = f"-labels-{records.manifest.labels}" if records.label_map else ""
    return output_root() / "models" / f"{records.folder.resolve().name}{labels}" / name


def main() -> None:
    """Run the command; ``--help`` explains it."""
    arguments = _parse_arguments()
    options = TrainingOptions.from_arguments(arguments)
    Manifest.read(arguments.records)  # mistakes are reported before TensorFlow is imported
    import_tensorflow()
    from common.training import hosts
    from common.training.devices import prepare_device

    names = arguments.model
    records = open_records(arguments.records, names)
    if arguments.labels:
        records = records.with_labels(arguments.labels)
    if len(names) > 1 and not arguments.folds:
        raise UserError("several models at once need --folds: train them one by one")
    if arguments.seeds > 1 and arguments.folds:
        raise UserError("--seeds is for the splits: with --folds, use --members")
    print(f"{records.manifest.data_set['title']}; {prepare_device()}")
    protocol = _on_folds if arguments.folds else _on_splits
    run_name = "cross-validation" if arguments.folds else names[0]
    folder = hosts.own_folder(Path(arguments.out or default_folder(records, run_name)))
    with hosts.together():
        results = protocol(records, arguments, options, folder)
    how = f"{arguments.folds}-fold cross-validation" if arguments.folds else "test split"
    title = f"{records.manifest.data_set['title']}: {how}, 95 % intervals"
    print(text_leaderboard(write_leaderboard(results, folder, title)))
    print(f"Models, learning curves, predictions and logs: {folder}")


def _on_splits(
    records: FeatureRecords, arguments: argparse.Namespace, options: TrainingOptions, folder: Path
) -> list[Result]:
    """Train on the training split, and evaluate on the test split."""
    from common.training import hosts
    from common.training.checkpoints import SETTINGS

    [name] = arguments.model
    if arguments.resume and hosts.number() == 0 and not any(folder.rglob(SETTINGS)):
        raise UserError(f"{folder} contains no training to resume: omit --resume")
    runs = [
        train_model(records, name, folder=own, options=seeded)
        for seeded, own in options.with_seeds(arguments.seeds, folder)
    ]
    pairs = [] if arguments.no_baselines else baselines_for(records, arguments.model)
    judged = [judge_on_test(fit(source), source) for fit, source in pairs]
    return [*(result for result, _ in judged), judge_seeds(runs, records)[0]]


def _on_folds(
    records: FeatureRecords, arguments: argparse.Namespace, options: TrainingOptions, folder: Path
) -> list[Result]:
    """Cross-validate on all tracks."""
    from spectrogram_feature import models

    plan = records.plan()
    if records.manifest.has_several_genres:  # many combinations of genres are rarer than folds
        plan = plan.assign(label=plan["genre"].str.split(SEPARATOR, regex=False).str[0])
    folds = make_folds(plan, arguments.folds, rule=arguments.split_rule)
    segments, members = Segments.read(records), arguments.members

    def segments_of(source: FeatureRecords) -> Segments:
        return segments if source is records else Segments.read(source)

    pairs = [] if arguments.no_baselines else baselines_for(records, arguments.model)
    baselines = [
        cross_validate(fit, source, segments_of(source), folds, members=members)
        for fit, source in pairs
    ]
    judged = []
    for name in arguments.model:
        data = models.find(name).prepare(records)
        how: dict[str, Any] = {"folder": folder / name, "options": options, "members": members}
        judged.append(cross_validate_model(data, segments_of(data), folds, name, **how))
    if len(judged) > 1:
        judged.append(average_models(judged))
    if baselines:
        judged = [note_gain(one, baselines[-1]) for one in judged]
    return [result for result, _ in (*baselines, *judged)]


def _parse_arguments() -> argparse.Namespace:
    parser = cli.make_parser(
        "python -m spectrogram_feature.training",
        "Train a genre classifier on records of features and compare it on the test split\n"
        "with the majority class and a support-vector machine.\n\n"
        "The best epoch is selected on the validation split; the test split is used once, at the\n"
        "end. Scores come with 95 % bootstrap intervals over tracks.\n\n"
        "On records with several genres a track, networks have sigmoid outputs, a genre is at\n"
        "most as probable as its parent, and macro average precision ranks the models.\n\n"
        "Writes model.keras (with the feature parameters and genres inside), history.csv,\n"
        "test_predictions.npz, leaderboard.csv and .png, and TensorBoard's logs. The same command\n"
        "resumes a stopped training after the last finished epoch, and evaluates a finished one.",
        "  python -m spectrogram_feature.training --records data/records/fma-medium-all\n"
        "  python -m spectrogram_feature.training --records data/records/fma-medium-all \\\n"
        "      --model cnn --epochs 80 --augment LD --out models/long\n"
        "  python -m spectrogram_feature.training --records data/records/fma-large-all-labels-all\n"
        "  python -m spectrogram_feature.training --records data/records/mine \\\n"
        "      --folds 5 --model cnn resnet crnn",
    )
    parser.add_argument(
        "--records", required=True, help="folder filled by spectrogram_feature.generate_records"
    )
    parser.add_argument(
        "--model",
        default=["crnn"],
        nargs="+",
        metavar="MODEL",
        help="a network of spectrogram_feature/models.py, by default crnn; musicnn is a linear "
        "probe on published weights (make pretrained); with --folds, any number",
    )
    parser.add_argument(
        "--labels",
        choices=LABELS,
        help="coarser labels than those of the records: roots instead of all genres of a track, or "
        "top, the root of tracks that have one; by default those of the records",
    )
    parser.add_argument("--out", help="folder for the model; by default one under data/models")
    parser.add_argument(
        "--resume", action="store_true", help="fail if --out contains no training to resume"
    )
    parser.add_argument(
        "--folds", type=int, help="cross-validate over all splits instead of using the test split"
    )
    parser.add_argument(
        "--split-rule",
        default="artist",
        choices=list(SPLIT_RULES),
        help="with --folds: tracks that stay in one fold",
    )
    parser.add_argument(
        "--members",
        type=int,
        default=1,
        help="with --folds: number of models to train and average for a fold, each with another "
        "of the other folds for validation",
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines for comparison"
    )
    TrainingOptions.add_to(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run_command(main)
