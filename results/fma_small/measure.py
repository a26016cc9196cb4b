"""Measurements on FMA small from mel pictures, on the official splits.

Every choice is made on the training and the validation split. The test split is evaluated once for
each row. All trainings resume, so that a second call only repeats the evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common import cli
from common.analysis.label_issues import find_label_issues
from common.evaluation.baselines import bin_statistics, majority, svm
from common.evaluation.cross_validation import cross_validate, make_folds
from common.evaluation.judging import Fitted
from common.evaluation.metrics import confusion, per_genre
from common.evaluation.predictions import predict
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.quiet import import_tensorflow
from common.records.segments import MemoryRecords
from common.tables import write_table
from hierarchy import compare_rules
from learning_curve import learning_curve
from low_pass import low_pass
from richer_statistics import richer_statistics
from rows import (
    HERE,
    Row,
    accuracy_of,
    average,
    row_of,
    row_of_baseline,
    save_figure,
    write_rows,
)
from several_genres import several_genres
from splits import FOLDS, cross_validation, frequent_artist
from study import RECIPES, SEEDS, Study, artist_groups

NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")
ENSEMBLE = 2  # networks of an ensemble: the one chosen, and the next on validation
IMAGES = ("levels", "colours")
IMAGE_SEEDS = 1  # trainings of the network of stage 1

SVM = "SVM on row statistics"
RICHER_SVM = "SVM on richer statistics"


def measure(study: Study) -> None:
    """Train what is missing, and write all tables and figures."""
    records, seeds = study.records, range(SEEDS)
    recipes = {name: predict(study.recipe(name).model, records, "validation") for name in RECIPES}
    accuracies = [accuracy_of(predictions) for predictions in recipes.values()]
    table = {"augmentation": list(recipes), "validation_accuracy": accuracies}
    write_table(HERE / "recipes.csv", pd.DataFrame(table))
    richer = partial(svm, describe=richer_statistics, name=RICHER_SVM)
    baselines = [
        row_of_baseline("Majority class", majority(records), records),
        row_of_baseline(SVM, svm(records), records),
        row_of_baseline(RICHER_SVM, richer(records), records),
    ]
    networks = [row_of(n, [study.network(n, seed) for seed in seeds], records) for n in NETWORKS]
    images = [
        row_of(
            f"stage 1 cnn on {kind}",
            [study.image_network(kind, seed) for seed in range(IMAGE_SEEDS)],
            study.image_records(kind),
        )
        for kind in IMAGES
    ]
    rivals = {"gain_over_svm": baselines[1], "gain_over_richer_svm": baselines[2]}
    chosen = cross_validation(study, {SVM: bin_statistics, RICHER_SVM: richer_statistics})
    ordered = sorted(networks, key=lambda row: row.validation_accuracy, reverse=True)
    [best] = [row for row in networks if row.model == chosen]
    members = [best, *[row for row in ordered if row is not best][: ENSEMBLE - 1]]
    names = ", ".join(row.model for row in members)
    ensembles = [
        average(f"{best.model}, {SEEDS} seeds", [best]),
        average(names, members),
        average(f"{names}, richer SVM", [*members, baselines[2]]),
    ]
    write_rows("models", [*baselines, *images, *networks, *ensembles], rivals)

    describe_best(best)
    frequent_artist(study, [*baselines[1:], *networks, ensembles[-1]])
    low_pass(study, best, baselines[1])
    learning_curve(study, best, baselines[1])
    several_genres(study, best)
    compare_rules(study, best.model)
    label_issues(study)


def describe_best(best: Row) -> None:
    """Write precision and recall by genre and the confusion matrix, averaged over seeds."""
    from common.plotting.result_plots import confusion_matrix

    test, validation = (
        pd.concat(map(per_genre, runs)).groupby(level="genre", sort=False).mean()
        for runs in (best.test, best.validation)
    )
    table = test.assign(validation_recall=validation["recall"])
    write_table(HERE / "per_genre.csv", table.reset_index())
    counts = sum(confusion(predictions) for predictions in best.test)
    title = f"{best.model} on FMA small, official test split, {len(best.test)} seeds"
    save_figure(confusion_matrix(counts, title=title), "confusion.png")


def label_issues(study: Study, most: int = 20) -> None:
    """List the tracks whose label an SVM disagrees with most, out of fold."""
    segments = study.joined(*SPLITS)
    described = replace(segments, features=bin_statistics(segments.features))
    plan = study.records.plan()
    folds = make_folds(plan.assign(artist=artist_groups(plan)), FOLDS)
    fit: Callable[[MemoryRecords], Fitted] = partial(svm, describe=np.asarray, name=SVM)
    result, predictions = cross_validate(fit, study.records, described, folds)
    issues = find_label_issues(predictions).reset_index()
    write_table(HERE / "label_issues.csv", issues.head(most))
    summary = {
        "tracks": len(np.unique(segments.track_id)),
        "issues": int(issues["issue"].sum()),
        "accuracy": result.scores.main.value,
    }
    with atomic_write(HERE / "label_issues.json") as file:
        file.write(json.dumps(summary, indent=1).encode() + b"\n")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python results/fma_small/measure.py",
        "Train and evaluate all models of results/fma_small/README.md, and write its tables and\n"
        "figures. The README has the commands that make the records. About two hours on 2 cores.\n"
        "Run it again after an interruption.",
        "  python results/fma_small/measure.py data/rendered/records/fma-small-features \\\n"
        "      data/rendered/records/fma-small-all data/rendered/records/fma-small-mel \\\n"
        "      --out data/rendered/models/fma-small\n"
        "  python results/tables.py",
    )
    parser.add_argument("features", type=Path, help="records of import_features")
    parser.add_argument(
        "several_genres", type=Path, help="records of import_features with --labels all"
    )
    parser.add_argument("images", type=Path, help="records of images, painted with a colour map")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    arguments = parser.parse_args()
    import_tensorflow()
    from common.training.devices import prepare_device

    print(f"Training on: {prepare_device()}")
    folders = (arguments.features, arguments.several_genres, arguments.images)
    measure(Study(*folders, arguments.out))


if __name__ == "__main__":
    cli.run_command(main)
