"""Measurements on FMA small from mel pictures, on the official splits.

Every choice is made on the validation split. The test split is evaluated once for each row. All
trainings resume, so that a second call only repeats the evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from common import cli
from common.analysis.label_issues import find_label_issues
from common.evaluation.baselines import bin_statistics, majority, svm
from common.evaluation.cross_validation import cross_validate, make_folds
from common.evaluation.judging import PREDICTIONS_FILE, Fitted
from common.evaluation.metrics import (
    Difference,
    Runs,
    Score,
    Scores,
    compare,
    confusion,
    evaluate,
    per_genre,
)
from common.evaluation.predictions import Predictions, predict
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.quiet import import_tensorflow
from common.records.segments import MemoryRecords, Segments
from common.tables import write_table
from common.training.options import TrainingOptions
from spectrogram_feature import import_features
from spectrogram_feature import training as features_training
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_image import training as images_training
from spectrogram_image.images.records import ImageRecords

if TYPE_CHECKING:
    from common.training.train import Run

HERE = Path(__file__).parent

OPTIONS = TrainingOptions(epochs=15)
IMAGE_OPTIONS = TrainingOptions(epochs=8)  # an epoch of stage 1 takes four times as long
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "mixup 0.3": {"mixup": 0.3},
    "SpecAugment LB": {"augment": "LB"},
    "mixup 0.3, SpecAugment LB": {"mixup": 0.3, "augment": "LB"},
}
"""Augmentations that are compared on the validation split, with `cnn` and one seed."""

NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")
IMAGES = ("levels", "colours")
SEEDS = 3
SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training tracks in the learning curve, before all of them."""

LOWER_BINS = 90
"""Bins below the low-pass edge of nearly all encoders."""

EDGE_LEVELS = (4, 8, 16, 32)
EDGE_NEIGHBOURS = (25, 50, 100, 200)

SVM = "SVM on row statistics"


@dataclass(frozen=True)
class Study:
    """The records of features and of images, and the folder of the trainings."""

    features: Path
    images: Path
    out: Path

    @cached_property
    def records(self) -> FeatureRecords:
        """FeatureRecords: all rows of the pictures as bins."""
        return FeatureRecords.open(self.features)

    @cached_property
    def segments(self) -> dict[str, Segments]:
        """dict: split → its segments in memory."""
        return {split: Segments.join(self.records.arrays(split)) for split in SPLITS}

    @cached_property
    def lower(self) -> FeatureRecords:
        """FeatureRecords: the lower `LOWER_BINS` bins, imported from an array."""
        folder = self.out / f"lower-{LOWER_BINS}"
        array = folder.with_suffix(".npz")
        if not array.exists():
            joined = [*self.segments.values()]
            ids = np.concatenate([part.track_id for part in joined])
            levels = np.concatenate([part.features[:, :, :LOWER_BINS] for part in joined])
            array.parent.mkdir(parents=True, exist_ok=True)
            np.savez(array, ids=ids, features=levels)
        import_features.generate(array, folder, metadata=self.features / "tracks.csv")
        return FeatureRecords.open(folder)

    def recipe(self, name: str) -> Run:
        """Train `cnn` with an augmentation of `RECIPES`."""
        return self._network(self.records, "cnn", name, 0)

    @cached_property
    def best_recipe(self) -> str:
        """str: the augmentation with the highest validation accuracy."""
        return max(RECIPES, key=lambda name: validation_accuracy(self.recipe(name)))

    def network(self, name: str, seed: int) -> Run:
        """Train a network of stage 2."""
        return self._network(self.records, name, self.best_recipe, seed)

    def on_lower_bins(self, name: str, seed: int) -> Run:
        """Train a network of stage 2 on the lower bins."""
        return self._network(self.lower, name, self.best_recipe, seed, "lower bins/")

    def _network(
        self, records: FeatureRecords, name: str, recipe: str, seed: int, inside: str = ""
    ) -> Run:
        return features_training.train_model(
            records,
            name,
            folder=self.out / f"{inside}{name}, {recipe}" / f"seed-{seed}",
            options=replace(OPTIONS, seed=seed, **RECIPES[recipe]),
        )

    def image_network(self, kind: str, seed: int) -> Run:
        """Train the network of stage 1 on one of `IMAGES`."""
        return images_training.train_model(
            self.image_records(kind),
            folder=self.out / f"images, {kind}" / f"seed-{seed}",
            options=replace(IMAGE_OPTIONS, seed=seed, **RECIPES[self.best_recipe]),
        )

    def image_records(self, kind: str) -> ImageRecords:
        """Open the images as levels or as colours."""
        return ImageRecords.open(self.images, colors=kind == "colours")

    def share(self, share: float, seed: int) -> MemoryRecords:
        """Draw a share of the training tracks of each genre."""
        part = self.segments["training"]
        rng = np.random.default_rng(seed)
        drawn = [
            rng.permutation(part.track_id[part.label == label])
            for label in range(len(self.records.manifest.genres))
        ]
        tracks = np.concatenate([ids[: round(share * len(ids))] for ids in drawn])
        return MemoryRecords.divide(
            self.records,
            {**self.segments, "training": part.of(tracks)},
            name=f"share-{share}-seed-{seed}",
            training_tracks=tuple(sorted(tracks.tolist())),
        )

    def on_share(self, name: str, share: float, seed: int) -> Run:
        """Train a network of stage 2 on a share of the training tracks."""
        from common.training.train import train

        options = replace(OPTIONS, seed=seed, **RECIPES[self.best_recipe])
        return train(
            name,
            partial(features_training.build_model, self.records, name, options.augment),
            self.share(share, seed),
            folder=self.out / f"{share:.3f} of the tracks" / name / f"seed-{seed}",
            options=options,
        )


def validation_accuracy(run: Run) -> float:
    """Return the validation accuracy of the epoch with the lowest validation loss."""
    return float(run.history["val_accuracy"][run.best_epoch])


def test_predictions(run: Run, records: Any) -> Predictions:
    """Predict the test split once; read the predictions afterwards."""
    path = run.folder / PREDICTIONS_FILE
    if not path.exists():
        predict(run.model, records, "test").save(path)
    return Predictions.load(path)


def edge(features: np.ndarray, level: int) -> np.ndarray:
    """Find the low-pass edge of segments (n, frames, bins): the highest bin above a mean level."""
    audible = features.mean(axis=1) > level
    highest = audible.shape[1] - 1 - audible[:, ::-1].argmax(axis=1)
    return np.where(audible.any(axis=1), highest, 0)[:, None]


def edge_classifier(study: Study) -> tuple[float, Predictions]:
    """Classify by the low-pass edge alone: k nearest neighbours, chosen on validation."""
    parts, genres = study.segments, study.records.manifest.genres

    def fit(level: int, neighbours: int) -> KNeighborsClassifier:
        machine = KNeighborsClassifier(neighbours)
        return machine.fit(edge(parts["training"].features, level), parts["training"].label)

    def accuracy(point: tuple[int, int]) -> float:
        validation = parts["validation"]
        return fit(*point).score(edge(validation.features, point[0]), validation.label)

    best = max(((e, k) for e in EDGE_LEVELS for k in EDGE_NEIGHBOURS), key=accuracy)
    test = parts["test"]
    probability = fit(*best).predict_proba(edge(test.features, best[0]))
    return accuracy(best), Predictions(test.track_id, test.label, probability, genres)


@dataclass(frozen=True)
class Row:
    """One row of a table: a model, its validation accuracies and its predictions by seed."""

    model: str
    validation: Sequence[float]
    test: Sequence[Predictions]
    parameters: int | None = None
    seconds: float | None = None

    def cells(self, rival: Runs | None) -> dict[str, Any]:
        """Return the cells of the table; `rival` are predictions of the SVM."""
        scores: Scores = evaluate(list(self.test))
        by_seed = [float((p.predicted == p.label).mean()) for p in self.test]
        several = len(by_seed) > 1
        gain: Difference | None = None if rival is None else compare(list(self.test), rival)
        return {
            "model": self.model,
            "validation_accuracy": float(np.mean(self.validation)),
            **_flat("test_accuracy", scores.track_accuracy),
            "seeds": len(by_seed),
            "deviation_between_seeds": float(np.std(by_seed, ddof=1)) if several else None,
            **_flat("test_macro_f1", scores.track_macro_f1),
            **(_flat("gain_over_svm", gain) if gain else {}),
            "parameters": self.parameters,
            "minutes_a_seed": None if self.seconds is None else self.seconds / 60,
        }


def _flat(name: str, score: Score) -> dict[str, float]:
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def row_of(model: str, runs: Sequence[Run], records: Any) -> Row:
    """Evaluate several trainings of a network."""
    return Row(
        model,
        [validation_accuracy(run) for run in runs],
        [test_predictions(run, records) for run in runs],
        runs[0].parameters,
        float(np.mean([run.seconds for run in runs])),
    )


def row_of_baseline(model: str, fitted: Fitted, records: Any) -> Row:
    """Evaluate a baseline."""
    validation, test = (predict(fitted.model, records, split) for split in SPLITS[1:])
    accuracy = float((validation.predicted == validation.label).mean())
    return Row(model, [accuracy], [test], seconds=fitted.seconds)


def write_rows(name: str, rows: Sequence[Row], rival: Row | None = None) -> pd.DataFrame:
    """Write a table of rows as CSV; return it."""
    table = pd.DataFrame(
        [row.cells(rival.test if rival and row is not rival else None) for row in rows]
    )
    write_table(HERE / f"{name}.csv", table)
    return table


def measure(study: Study) -> None:
    """Train what is missing, and write all tables and figures."""
    recipes = {name: validation_accuracy(study.recipe(name)) for name in RECIPES}
    write_table(
        HERE / "recipes.csv",
        pd.DataFrame({"augmentation": recipes.keys(), "validation_accuracy": recipes.values()}),
    )
    seeds = range(SEEDS)
    records = study.records
    baselines = [
        row_of_baseline("Majority class", majority(records), records),
        row_of_baseline(SVM, svm(records), records),
    ]
    rival = baselines[-1]
    networks = [row_of(n, [study.network(n, seed) for seed in seeds], records) for n in NETWORKS]
    images = [
        row_of(
            f"stage 1 cnn on {kind}",
            [study.image_network(kind, seed) for seed in seeds],
            study.image_records(kind),
        )
        for kind in IMAGES
    ]
    write_rows("models", [*baselines, *images, *networks], rival)

    best = max(networks, key=lambda row: np.mean(row.validation))
    describe_best(best)
    low_pass(study, best, rival)
    learning_curve(study, best, rival)
    label_issues(study)


def describe_best(best: Row) -> None:
    """Write precision and recall by genre and the confusion matrix, averaged over seeds."""
    from common.plotting.result_plots import confusion_matrix

    tables = [per_genre(predictions) for predictions in best.test]
    mean = pd.concat(tables).groupby(level="genre", sort=False).mean()
    write_table(HERE / "per_genre.csv", mean.reset_index())
    counts = sum(confusion(predictions) for predictions in best.test)
    title = f"{best.model} on FMA small, official test split, {len(best.test)} seeds"
    _save(confusion_matrix(counts, title=title), "confusion.png")


def low_pass(study: Study, best: Row, rival: Row) -> None:
    """Measure what the low-pass edge predicts, and the scores without the bins above it."""
    accuracy, predictions = edge_classifier(study)
    lower = study.lower
    runs = [study.on_lower_bins(best.model, seed) for seed in range(SEEDS)]
    below = f"lower {LOWER_BINS} bins"
    rows = [
        Row("low-pass edge alone", [accuracy], [predictions]),
        rival,
        row_of_baseline(f"{SVM}, {below}", svm(lower), lower),
        best,
        row_of(f"{best.model}, {below}", runs, lower),
    ]
    write_rows("low_pass", rows, rival)


def learning_curve(study: Study, best: Row, rival: Row) -> None:
    """Measure the test accuracy by the share of the training tracks."""
    rows: list[tuple[float, str, Sequence[Predictions]]] = []
    for share in SHARES:
        of_svm, of_network = [], []
        for seed in range(SEEDS):
            data = study.share(share, seed)
            of_svm.append(predict(svm(data).model, data, "test"))
            of_network.append(test_predictions(study.on_share(best.model, share, seed), data))
        rows += [(share, SVM, of_svm), (share, best.model, of_network)]
    rows += [(1.0, SVM, rival.test), (1.0, best.model, best.test)]
    count = len(study.segments["training"].label)
    table = pd.DataFrame(
        [
            {
                "training_tracks": round(share * count),
                "model": model,
                **_flat("test_accuracy", evaluate(list(runs)).track_accuracy),
            }
            for share, model, runs in rows
        ]
    )
    write_table(HERE / "learning_curve.csv", table)
    _save(learning_curve_figure(table), "learning_curve.png")


def learning_curve_figure(table: pd.DataFrame) -> plt.Figure:
    """Show test accuracy by the number of training tracks."""
    from common.plotting.style import STYLE, new_figure

    with plt.rc_context(STYLE):
        figure, axes = new_figure(
            1, 1, size=(6.5, 4), title="FMA small: test accuracy by training tracks"
        )
        panel = axes[0, 0]
        for model, part in table.groupby("model", sort=False):
            value = 100 * part["test_accuracy"]
            below = value - 100 * part["test_accuracy_low"]
            above = 100 * part["test_accuracy_high"] - value
            panel.errorbar(
                part["training_tracks"], value, [below, above], marker="o", capsize=3, label=model
            )
        counts = sorted(set(table["training_tracks"]))
        panel.set_xscale("log", base=2)
        panel.set_xticks(counts, [f"{count:,}" for count in counts])
        panel.minorticks_off()
        panel.set(xlabel="Training tracks", ylabel="Track accuracy (%), 95 % interval")
        panel.legend()
    return figure


def label_issues(study: Study, most: int = 20) -> None:
    """List the tracks whose label an SVM disagrees with most, out of fold, by artist."""
    segments = Segments(
        *(
            np.concatenate([getattr(part, name) for part in study.segments.values()])
            for name in ("features", "label", "track_id")
        )
    )
    described = replace(segments, features=bin_statistics(segments.features))
    folds = make_folds(study.records.plan(), 5)
    fit: Callable[[MemoryRecords], Fitted] = partial(svm, describe=np.asarray, name=SVM)
    result, predictions = cross_validate(fit, study.records, described, folds)
    issues = find_label_issues(predictions).reset_index()
    write_table(HERE / "label_issues.csv", issues.head(most))
    summary = {
        "tracks": len(np.unique(segments.track_id)),
        "issues": int(issues["issue"].sum()),
        "accuracy": result.scores.track_accuracy.value,
    }
    with atomic_write(HERE / "label_issues.json") as file:
        file.write(json.dumps(summary, indent=1).encode() + b"\n")


def _save(figure: plt.Figure, name: str) -> None:
    figure.savefig(HERE / name, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python results/fma_small/measure.py",
        "Train and evaluate all models of results/fma_small/README.md, and write its tables and\n"
        "figures. The README has the commands that make the records. About two hours on 2 cores.\n"
        "Run it again after an interruption.",
        "  python results/fma_small/measure.py data/records/fma-small-features \\\n"
        "      data/records/fma-small-mel --out data/models/fma-small\n"
        "  python results/tables.py",
    )
    parser.add_argument("features", type=Path, help="records of import_features")
    parser.add_argument("images", type=Path, help="records of images, painted with a colour map")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    arguments = parser.parse_args()
    import_tensorflow()
    measure(Study(arguments.features, arguments.images, arguments.out))


if __name__ == "__main__":
    cli.run_command(main)
