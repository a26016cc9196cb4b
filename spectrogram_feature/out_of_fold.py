"""Out-of-fold predictions: of every track, by models that were trained without it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from common.evaluation.baselines import svm
from common.evaluation.cross_validation import Fold, cross_validate
from common.evaluation.predictions import Predictions
from common.records.segments import Segments
from common.training.options import TrainingOptions
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.training import cross_validate_model

SVM = "svm"
"""Name of the support-vector machine, beside those of `models.MODELS`."""

SVM_TRACKS = 2000
"""Up to so many tracks the SVM is faster than a network; its time grows with their square."""


def apt_model(tracks: int) -> str:
    """Choose the model for a number of tracks: the SVM, or the network for few labels."""
    return SVM if tracks <= SVM_TRACKS else "texture"


def apt_folds(label: pd.Series, most: int = 5) -> int:
    """Choose the number of folds, 3 at least, so that each genre is in all of them.

    Parameters
    ----------
    label : pandas.Series of int
        By track.
    most : int >= 3
    """
    return max(3, min(most, int(label.value_counts().min())))


def relabel(segments: Segments, label: pd.Series) -> Segments:
    """Give segments the labels of their tracks, a Series by track."""
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
    """Predict every track by models that were trained without it and its artist.

    For each fold, every other fold is the validation set of one model, and the models are
    averaged. With 10 % wrong labels on 240 tracks of 16 genres, 46 to 88 % of the tracks with the
    lowest label quality (as many as had wrong labels) had one; with one model a fold, 29 to 75 %.

    Parameters
    ----------
    records : FeatureRecords
        The folder that the segments come from.
    segments : Segments
        With the labels to learn.
    folds : list of Fold
    model : str
        `SVM`, or a key of `models.MODELS`.
    folder : path-like
        For the networks. Networks that were trained with the same labels are loaded.
    options : TrainingOptions
        Options of the networks.

    Returns
    -------
    Predictions
        Of all segments, with the labels that were given.
    """
    data, members = (records, segments, folds), len(folds) - 1
    if model == SVM:
        _, predictions = cross_validate(svm, *data, members=members)
        return predictions
    labels = hashlib.sha256(segments.label.tobytes()).hexdigest()[:12]
    own = Path(folder) / f"{model}, labels {labels}"
    _, predictions = cross_validate_model(
        *data, model, folder=own, options=options, members=members
    )
    return predictions
