"""What models say of tracks that they did not learn, whatever labels they learnt of others."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from common.evaluation.predictions import Predictions
from common.training.options import TrainingOptions
from spectrogram_feature.cross_validation import (
    Fold,
    Segments,
    cross_validate_baselines,
    cross_validate_model,
)
from spectrogram_feature.features.records import FeatureRecords

SVM = "svm"
"""The support-vector machine's name, beside those of `models.MODELS`."""

SVM_TRACKS = 2000
"""Up to so many tracks, the machine is the quicker choice; its time grows with their square."""


def apt_model(tracks: int) -> str:
    """Choose the model for a number of tracks: the machine, or the network for few labels."""
    return SVM if tracks <= SVM_TRACKS else "texture"


def apt_folds(label: pd.Series, most: int = 5) -> int:
    """Choose the number of folds: each genre should be in all of them, and 3 are needed.

    Parameters
    ----------
    label : pandas.Series of int
        By track.
    most : int >= 3
    """
    return max(3, min(most, int(label.value_counts().min())))


def relabel(segments: Segments, label: pd.Series) -> Segments:
    """Give segments the labels of their tracks.

    Parameters
    ----------
    segments : Segments
    label : pandas.Series of int
        By track.
    """
    return replace(segments, label=label.loc[segments.track_id].to_numpy())


def predict_out_of_fold(
    records: FeatureRecords,
    segments: Segments,
    folds: list[Fold],
    model: str,
    *,
    folder: str | Path,
    options: TrainingOptions,
) -> Predictions:
    """Predict every track by models that know neither it nor its artist.

    For each fold, every other one is once the validation set of a model, and the models' answers
    are averaged: with 10 % wrong labels on 240 tracks of 16 genres, of the tracks doubted most, as
    many as had wrong labels, 46 to 88 % had one, against 29 to 75 % with one model for a fold.

    Parameters
    ----------
    records : FeatureRecords
        Where the segments come from.
    segments : Segments
        With the labels that are to be learnt.
    folds : list of Fold
    model : str
        `SVM`, or a key of `models.MODELS`.
    folder : path-like
        For the networks; those that have learnt the same labels are loaded, not trained again.
    options : TrainingOptions
        Of the networks.

    Returns
    -------
    Predictions
        Of all segments; their labels are those that were given.
    """
    members = len(folds) - 1
    if model == SVM:
        *_, (_, predictions) = cross_validate_baselines(records, segments, folds, members)
        return predictions
    labels = hashlib.sha256(segments.label.tobytes()).hexdigest()[:12]
    _, predictions = cross_validate_model(
        records,
        segments,
        folds,
        model,
        folder=Path(folder) / f"{model}, labels {labels}",
        options=options,
        members=members,
    )
    return predictions
