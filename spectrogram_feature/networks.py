"""Networks for records of features: built, and trained.

TensorFlow is imported inside the functions, so that a command's ``--help`` costs no wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.training import runs
from common.training.options import TrainingOptions
from spectrogram_feature.features.kinds import MUSICNN
from spectrogram_feature.features.records import FeatureRecords

if TYPE_CHECKING:
    import keras

    from common.training.training import Run


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
    genres = len(records.manifest.genres)
    return function(records.shape, genres, augmentation=layer, **architecture)


def as_network_takes(records: FeatureRecords, name: str) -> FeatureRecords:
    """Give records as a network is trained on them: for musicnn's probe, embedded."""
    if name != MUSICNN:
        return records
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords

    return EmbeddedRecords.of(records)


def train_model(
    records: FeatureRecords,
    name: str,
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    **architecture: Any,
) -> Run:
    """Train one of `models.MODELS` and save it; see `runs.train_model`.

    Parameters
    ----------
    records : FeatureRecords
    name : str
        A key of `models.MODELS`.
    folder : path-like
    options : TrainingOptions, optional
    **architecture
        As the model's function takes them.

    Returns
    -------
    Run
    """
    options = options or TrainingOptions()
    given = as_network_takes(records, name)
    run = runs.train_model(
        given,
        name,
        lambda: build_model(given, name, options.augment, **architecture),
        folder=folder,
        options=options,
        architecture=architecture,
    )
    if given is records:
        return run
    from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords, complete_run

    return complete_run(run, given) if isinstance(given, EmbeddedRecords) else run
