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
from scipy.fft import dct
from sklearn.neighbors import KNeighborsClassifier

from common import cli
from common.analysis.label_issues import find_label_issues
from common.evaluation.baselines import bin_statistics, majority, svm
from common.evaluation.cross_validation import cross_validate, make_folds
from common.evaluation.judging import PREDICTIONS_FILE, Fitted
from common.evaluation.metrics import Score, Scores, compare, confusion, evaluate, per_genre
from common.evaluation.predictions import Predictions, predict
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.quiet import import_tensorflow
from common.records.quantization import dequantize
from common.records.segments import MemoryRecords, Segments
from common.tables import write_table
from common.training.options import TrainingOptions
from spectrogram_feature import import_features
from spectrogram_feature import training as features_training
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_image import training as images_training
from spectrogram_image.images.records import ImageRecords

if TYPE_CHECKING:
    import keras

    from common.training.train import Run

HERE = Path(__file__).parent

OPTIONS = TrainingOptions(epochs=20)
RECIPES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "default": ({}, {}),
    "without rotation": ({"rotate": False}, {}),
    "without equaliser": ({"equalizer": 0.0}, {}),
    "without masks": ({"masked": (0.0, 0.0)}, {}),
    "without CutMix": ({}, {"cutmix": 0.0}),
    "mixup 0.2 instead of CutMix": ({}, {"cutmix": 0.0, "mixup": 0.2}),
    "SpecAugment LB alone": ({}, {"cutmix": 0.0, "augment": "LB"}),
    "none": ({}, {"cutmix": 0.0, "augment": "none"}),
}
"""Augmentation → changes of `perturb` and of the options, compared on the validation split."""

RECIPE_NETWORK = "cnn"
NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture", "hybrid")
ENSEMBLE = 3  # networks of an ensemble, the best on validation
IMAGES = ("levels", "colours")
SEEDS, IMAGE_SEEDS = 3, 1
SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training tracks in the learning curve, before all of them."""

LOWER_BINS = 90
"""Bins below the low-pass edge of nearly all encoders."""

EDGE_LEVELS = (4, 8, 16, 32)
EDGE_NEIGHBOURS = (25, 50, 100, 200)

SVM = "SVM on row statistics"
RICHER_SVM = "SVM on richer statistics"
ROWS_PER_BAND, CEPSTRA = 4, 24


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
        """Train a network with an augmentation of `RECIPES`."""
        if name == "default":
            return self.network(RECIPE_NETWORK, 0)
        from common.nn.perturbation import perturb
        from common.training.train import train
        from spectrogram_feature.models import find

        of_perturb, of_options = RECIPES[name]
        options, records = replace(OPTIONS, **of_options), self.records

        def build() -> keras.Model:
            if not of_perturb:
                return features_training.build_model(records, RECIPE_NETWORK, options.augment)
            layer = perturb(*records.shape, **of_perturb)
            genres = len(records.manifest.genres)
            return find(RECIPE_NETWORK).build(records.shape, genres, augmentation=layer)

        folder = self.out / "recipes" / name
        return train(RECIPE_NETWORK, build, records, folder=folder, options=options)

    def network(self, name: str, seed: int) -> Run:
        """Train a network of stage 2."""
        return self._network(self.records, self.out / name / f"seed-{seed}", name, seed)

    def on_lower_bins(self, name: str, seed: int) -> Run:
        """Train a network of stage 2 on the lower bins."""
        folder = self.out / "lower bins" / name / f"seed-{seed}"
        return self._network(self.lower, folder, name, seed)

    def _network(self, records: FeatureRecords, folder: Path, name: str, seed: int) -> Run:
        options = replace(OPTIONS, seed=seed)
        return features_training.train_model(records, name, folder=folder, options=options)

    def image_network(self, kind: str, seed: int) -> Run:
        """Train the network of stage 1 on one of `IMAGES`."""
        folder = self.out / f"images, {kind}" / f"seed-{seed}"
        options = replace(OPTIONS, seed=seed)
        return images_training.train_model(self.image_records(kind), folder=folder, options=options)

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

        options = replace(OPTIONS, seed=seed)
        return train(
            name,
            partial(features_training.build_model, self.records, name, options.augment),
            self.share(share, seed),
            folder=self.out / f"{share:.3f} of the tracks" / name / f"seed-{seed}",
            options=options,
        )


def richer_statistics(features: np.ndarray) -> np.ndarray:
    """Describe segments (n, frames, bins) by more statistics than `bin_statistics`.

    Mean, deviation, mean absolute step and modulation spectra of bands and of cepstra, and the
    correlations between cepstra.
    """
    from spectrogram_feature.layers import ModulationSpectrum, TextureWindows

    x = dequantize(features)
    frames = x.shape[1]
    bands = x.reshape(*x.shape[:2], -1, ROWS_PER_BAND).mean(axis=3)
    cepstra = dct(x, norm="ortho", axis=2)[:, :, :CEPSTRA]
    layers = TextureWindows(frames), ModulationSpectrum(frames)
    described = [np.asarray(layer(part))[:, 0] for part in (bands, cepstra) for layer in layers]
    first, second = np.triu_indices(CEPSTRA, 1)
    centred = cepstra - cepstra.mean(axis=1, keepdims=True)
    scaled = centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-6)
    correlations = np.einsum("nti,ntj->nij", scaled, scaled)[:, first, second]
    return np.concatenate([*described, correlations], axis=1)


def test_predictions(run: Run, records: Any) -> Predictions:
    """Predict the test split once; read the predictions afterwards."""
    path = run.folder / PREDICTIONS_FILE
    if not path.exists():
        predict(run.model, records, "test").save(path)
    return Predictions.load(path)


def accuracy_of(predictions: Predictions) -> float:
    """Return the accuracy of predictions with one segment per track."""
    return float((predictions.predicted == predictions.label).mean())


def edge(features: np.ndarray, level: int) -> np.ndarray:
    """Find the low-pass edge of segments (n, frames, bins): the highest bin above a mean level."""
    audible = features.mean(axis=1) > level
    highest = audible.shape[1] - 1 - audible[:, ::-1].argmax(axis=1)
    return np.where(audible.any(axis=1), highest, 0)[:, None]


def edge_classifier(study: Study) -> Row:
    """Classify by the low-pass edge alone: k nearest neighbours, chosen on validation."""
    parts, genres = study.segments, study.records.manifest.genres

    def fit(level: int, neighbours: int) -> KNeighborsClassifier:
        machine = KNeighborsClassifier(neighbours)
        return machine.fit(edge(parts["training"].features, level), parts["training"].label)

    def accuracy(point: tuple[int, int]) -> float:
        validation = parts["validation"]
        return fit(*point).score(edge(validation.features, point[0]), validation.label)

    best = max(((e, k) for e in EDGE_LEVELS for k in EDGE_NEIGHBOURS), key=accuracy)
    machine = fit(*best)

    def predicted(part: Segments) -> list[Predictions]:
        probability = machine.predict_proba(edge(part.features, best[0]))
        return [Predictions(part.track_id, part.label, probability, genres)]

    return Row("low-pass edge alone", predicted(parts["validation"]), predicted(parts["test"]))


@dataclass(frozen=True)
class Row:
    """One row of a table: a model and its predictions, one for each seed."""

    model: str
    validation: Sequence[Predictions]
    test: Sequence[Predictions]
    parameters: int | None = None
    seconds: float | None = None

    @property
    def validation_accuracy(self) -> float:
        """float: mean over the seeds."""
        return float(np.mean([accuracy_of(one) for one in self.validation]))

    def cells(self, rivals: Mapping[str, Row]) -> dict[str, Any]:
        """Return the cells of the table; ``rivals`` are the rows of the baselines by column."""
        scores: Scores = evaluate(list(self.test))
        by_seed = [accuracy_of(one) for one in self.test]
        gains = {
            name: compare(list(self.test), rival.test)
            for name, rival in rivals.items()
            if rival is not self
        }
        return {
            "model": self.model,
            "validation_accuracy": self.validation_accuracy,
            **_flat("test_accuracy", scores.track_accuracy),
            "seeds": len(by_seed),
            "deviation_between_seeds": np.std(by_seed, ddof=1) if len(by_seed) > 1 else None,
            **_flat("test_macro_f1", scores.track_macro_f1),
            **{
                key: value
                for name, gain in gains.items()
                for key, value in _flat(name, gain).items()
            },
            "parameters": self.parameters,
            "minutes_a_seed": None if self.seconds is None else self.seconds / 60,
        }


def _flat(name: str, score: Score) -> dict[str, float]:
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def row_of(model: str, runs: Sequence[Run], records: Any) -> Row:
    """Evaluate several trainings of a network."""
    return Row(
        model,
        [predict(run.model, records, "validation") for run in runs],
        [test_predictions(run, records) for run in runs],
        runs[0].parameters,
        float(np.mean([run.seconds for run in runs])),
    )


def row_of_baseline(model: str, fitted: Fitted, records: Any) -> Row:
    """Evaluate a baseline."""
    validation, test = (predict(fitted.model, records, split) for split in SPLITS[1:])
    return Row(model, [validation], [test], seconds=fitted.seconds)


def average(model: str, rows: Sequence[Row]) -> Row:
    """Average the probabilities of all trainings of some rows; each row has the same weight."""

    def mean(split: str) -> list[Predictions]:
        return [Predictions.average([Predictions.average(getattr(row, split)) for row in rows])]

    return Row(f"average of {model}", mean("validation"), mean("test"))


def write_rows(name: str, rows: Sequence[Row], rivals: Mapping[str, Row]) -> None:
    """Write a table of rows as CSV."""
    write_table(HERE / f"{name}.csv", pd.DataFrame([row.cells(rivals) for row in rows]))


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
    best, *others = sorted(networks, key=lambda row: row.validation_accuracy, reverse=True)
    chosen = [best, *others[: ENSEMBLE - 1]]
    names = ", ".join(row.model for row in chosen)
    ensembles = [
        average(f"{best.model}, {SEEDS} seeds", [best]),
        average(names, chosen),
        average(f"{names}, richer SVM", [*chosen, baselines[2]]),
    ]
    write_rows("models", [*baselines, *images, *networks, *ensembles], rivals)

    describe_best(best)
    low_pass(study, best, baselines[1])
    learning_curve(study, best, baselines[1])
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
    lower = study.lower
    runs = [study.on_lower_bins(best.model, seed) for seed in range(SEEDS)]
    below = f"lower {LOWER_BINS} bins"
    rows = [
        edge_classifier(study),
        rival,
        row_of_baseline(f"{SVM}, {below}", svm(lower), lower),
        best,
        row_of(f"{best.model}, {below}", runs, lower),
    ]
    write_rows("low_pass", rows, {"gain_over_svm": rival})


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
        "  python results/fma_small/measure.py data/rendered/records/fma-small-features \\\n"
        "      data/rendered/records/fma-small-mel --out data/rendered/models/fma-small\n"
        "  python results/tables.py",
    )
    parser.add_argument("features", type=Path, help="records of import_features")
    parser.add_argument("images", type=Path, help="records of images, painted with a colour map")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    arguments = parser.parse_args()
    import_tensorflow()
    from common.training.devices import prepare_device

    print(f"Training on: {prepare_device()}")
    measure(Study(arguments.features, arguments.images, arguments.out))


if __name__ == "__main__":
    cli.run_command(main)
