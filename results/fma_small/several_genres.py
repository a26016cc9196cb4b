"""Several genres a track: root genres, and all genres of the tree with enough training tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from common.evaluation import metrics, multilabel
from common.evaluation.baselines import majority, svm
from common.evaluation.judging import Fitted
from common.evaluation.predictions import Predictions, predict
from common.tables import write_table
from rows import HERE, Row, accuracy_of, flat, test_predictions
from spectrogram_feature.features.records import FeatureRecords
from study import SEEDS, Study

SHOWN = (
    "macro_average_precision",
    "micro_average_precision",
    "macro_roc_auc",
    "r_precision",
    "lrap",
)


def several_genres(study: Study, best: Row) -> None:
    """Evaluate the baselines and the network of `best` on root genres and on all genres."""
    rows: list[dict[str, Any]] = []
    networks: dict[str, list[Predictions]] = {}
    for labels in ("roots", "all"):
        records = study.several.with_labels(labels)
        runs = [study.on_labels(labels, best.model, seed) for seed in range(SEEDS)]
        models = {
            "genre frequencies": _of_baseline(majority(records), records),
            "SVM on row statistics": _of_baseline(svm(records), records),
            best.model: [test_predictions(run, records) for run in runs],
        }
        networks[labels] = models[best.model]
        rows += [
            _row(labels, model, own, models["SVM on row statistics"], records)
            for model, own in models.items()
        ]
    write_table(HERE / "several_genres.csv", pd.DataFrame(rows))
    records = study.several
    parents, counts = records.manifest.parents, records.manifest.tracks["training"]
    table = multilabel.per_genre(Predictions.average(networks["all"]), parents, counts)
    write_table(HERE / "several_genres_per_genre.csv", table.reset_index())
    multi_task(study, best, networks)


def multi_task(study: Study, best: Row, networks: Mapping[str, list[Predictions]]) -> None:
    """Compare the root genres of networks trained on one root genre, on roots and on all genres.

    ``networks`` has the predictions of the test split by labels. The prediction is the root genre
    of highest probability.
    """
    rows: list[dict[str, Any]] = [
        {
            "task": "one root genre, softmax",
            "validation_accuracy": best.validation_accuracy,
            **flat("test_accuracy", metrics.evaluate(list(best.test)).track_accuracy),
        }
    ]
    for labels, of_test in networks.items():
        records = study.several.with_labels(labels)
        runs = [study.on_labels(labels, best.model, seed) for seed in range(SEEDS)]
        validation = [
            _roots(predict(run.model, records, "validation"), best.validation[0]) for run in runs
        ]
        own = [_roots(predictions, best.test[0]) for predictions in of_test]
        rows.append(
            {
                "task": f"{'root' if labels == 'roots' else labels} genres, sigmoids",
                "validation_accuracy": np.mean([accuracy_of(one) for one in validation]),
                **flat("gain_on_validation", metrics.compare(validation, list(best.validation))),
                **flat("test_accuracy", metrics.evaluate(own).track_accuracy),
                **flat("gain", metrics.compare(own, list(best.test))),
            }
        )
    write_table(HERE / "multi_task.csv", pd.DataFrame(rows))


def _of_baseline(fitted: Fitted, records: FeatureRecords) -> list[Predictions]:
    return [predict(fitted.model, records, "test")]


def _row(
    labels: str,
    model: str,
    own: list[Predictions],
    rival: list[Predictions],
    records: FeatureRecords,
) -> dict[str, Any]:
    scores, parents = multilabel.evaluate(own), records.manifest.parents
    row: dict[str, Any] = {"labels": labels, "genres": len(own[0].genres), "model": model}
    for name in SHOWN:
        row |= flat(name, getattr(scores, name))
    row |= flat("gain", multilabel.compare(own, rival)) if own is not rival else {}
    if parents:
        errors = multilabel.sub_genre_errors(Predictions.average(own), parents)
        row |= {"sub_genre_errors": errors.errors} | flat("root_of_errors", errors.root_accuracy)
    return row


def _roots(predictions: Predictions, single: Predictions) -> Predictions:
    """Reduce predictions to the root genres and the labels of `single`, for the same tracks."""
    ordered, single = predictions.in_order(), single.in_order()
    columns = [ordered.genres.index(genre) for genre in single.genres]
    return replace(single, probability=ordered.probability[:, columns])
