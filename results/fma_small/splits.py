"""How well the official splits represent FMA small, and models judged on more tracks.

The validation split chooses between networks that differ by less than its sampling error. Here,
networks are cross-validated on the training and the validation split together, in folds that
separate probable artists; see `study.artist_groups`. The test split takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common.evaluation.baselines import Describe, svm
from common.evaluation.cross_validation import PREDICTIONS_FILE, Fold, cross_validate, make_folds
from common.evaluation.judging import Judged
from common.evaluation.metrics import compare, evaluate
from common.evaluation.predictions import Predictions
from common.tables import write_table
from rows import HERE, Row, accuracy_of, flat
from spectrogram_feature import training
from study import OPTIONS, Study, artist_groups

FOLDS = 5
CONTENDERS = ("cnn", "crnn")
"""Networks that are cross-validated."""


def cross_validation(study: Study, svms: Mapping[str, Describe]) -> str:
    """Cross-validate networks and SVMs; return the network with the highest accuracy.

    ``svms`` maps the names of two SVMs to their descriptions of segments. Gains over them are on
    the same tracks, with intervals over the groups of `artist_groups`. One row has folds that do
    not separate artists.
    """
    plan = study.records.plan()
    plan = plan[plan["split"] != "test"].sort_index()
    groups = artist_groups(plan)
    segments = study.joined("training", "validation")
    folds = make_folds(plan.assign(artist=groups), FOLDS)

    def of_network(name: str) -> Callable[[Path], Judged]:
        return lambda folder: training.cross_validate_model(
            study.records, segments, folds, name, folder=folder, options=OPTIONS
        )

    def of_svm(describe: Describe, folds: list[Fold]) -> Callable[[Path], Judged]:
        described = replace(segments, features=describe(segments.features))
        fit = partial(svm, describe=np.asarray)
        return lambda folder: cross_validate(fit, study.records, described, folds, folder=folder)

    def once(name: str, judge: Callable[[Path], Judged]) -> Predictions:
        folder = study.out / "cross-validation" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PREDICTIONS_FILE).exists():
            judge(folder)
        return Predictions.load(folder / PREDICTIONS_FILE)

    first, *_ = svms
    predictions = {name: once(name, of_svm(describe, folds)) for name, describe in svms.items()}
    by_track = make_folds(plan, FOLDS, rule="track")
    name = f"{first}, folds by track"
    predictions[name] = once(name, of_svm(svms[first], by_track))
    predictions |= {name: once(name, of_network(name)) for name in CONTENDERS}
    rivals = zip(("gain_over_svm", "gain_over_richer_svm"), svms, strict=True)
    gains = {column: predictions[rival] for column, rival in rivals}
    rows = [
        {
            "model": name,
            **flat("accuracy", evaluate(one, clusters=groups).track_accuracy),
            **{
                key: value
                for column, rival in gains.items()
                if rival is not one
                for key, value in flat(column, compare(one, rival, clusters=groups)).items()
            },
        }
        for name, one in predictions.items()
    ]
    write_table(HERE / "cross_validation.csv", pd.DataFrame(rows))
    return max(CONTENDERS, key=lambda name: accuracy_of(predictions[name]))


def frequent_artist(study: Study, rows: Sequence[Row]) -> None:
    """Evaluate models on the test split without its most frequent artist, and on the artist.

    The intervals over groups resample the groups of `artist_groups` instead of tracks, and so do
    those of the gains over the first row.
    """
    plan = study.records.plan()
    test = plan[plan["split"] == "test"]
    artist = test["artist"].mode()[0]
    of_artist = test.index[test["artist"] == artist]
    groups = artist_groups(plan)

    def part(predictions: Predictions, inside: bool) -> Predictions:
        chosen = np.isin(predictions.track_id, of_artist) == inside
        return Predictions(
            predictions.track_id[chosen],
            predictions.label[chosen],
            predictions.probability[chosen],
            predictions.genres,
        )

    table = [
        {
            "model": row.model,
            "artist": artist,
            "tracks_of_artist": len(of_artist),
            **flat("test_accuracy", evaluate(row.test).track_accuracy),
            **flat("over_groups", evaluate(row.test, clusters=groups).track_accuracy),
            **(
                {}
                if row is rows[0]
                else flat("gain_over_svm", compare(row.test, rows[0].test, clusters=groups))
            ),
            "of_artist": np.mean([accuracy_of(part(one, True)) for one in row.test]),
            **flat(
                "without_artist",
                evaluate([part(one, False) for one in row.test]).track_accuracy,
            ),
        }
        for row in rows
    ]
    write_table(HERE / "frequent_artist.csv", pd.DataFrame(table))
