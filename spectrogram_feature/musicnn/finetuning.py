"""Training musicnn itself further, from what its probe has learnt.

First its last layers, those behind the front end, then all, each at a lower learning rate than the
one before (gradual unfreezing; Howard and Ruder 2018, "Universal language model fine-tuning for
text classification", ACL), and for fewer epochs, each of which costs hundreds of times as much as
one of the probe. The statistics and weights of its normalisations stay as they were published: a
small set would only spoil them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keras

from common.training import runs
from common.training.callbacks import BEST_WEIGHTS
from common.training.options import TrainingOptions
from common.training.training import Run
from spectrogram_feature import cross_validation
from spectrogram_feature.features.kinds import MUSICNN
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords
from spectrogram_feature.musicnn.transfer import complete, probe
from spectrogram_feature.networks import train_model

LAST_LAYERS = f"{MUSICNN}-last-layers"

ALL_LAYERS = f"{MUSICNN}-all-layers"

STAGES = {LAST_LAYERS: 0.1, ALL_LAYERS: 0.03}
"""What is trained one after the other, and at which share of the probe's learning rate."""

EPOCHS = 0.1
"""How long each stage is, as a share of the probe's epochs."""

_FRONT = ("timbral", "temporal")  # how the names of the front end's layers begin


def stage_options(options: TrainingOptions, stage: str) -> TrainingOptions:
    """Give the options of a stage: the probe's, at a lower rate and for fewer epochs."""
    return replace(
        options,
        learning_rate=STAGES[stage] * options.learning_rate,
        epochs=max(1, round(EPOCHS * options.epochs)),
    )


def builder(records: FeatureRecords, stage: str, before: str | Path) -> Callable[[], keras.Model]:
    """Make what builds a stage's model, with the best weights of the stage before it.

    Parameters
    ----------
    records : FeatureRecords
        Of log-mel features.
    stage : str
        A key of `STAGES`.
    before : path-like
        The folder of the training before: for the first stage that of the probe.

    Returns
    -------
    callable
        Its model is uint8 (batch, frames, bins) → float32 (batch, genres).
    """

    def build() -> keras.Model:
        embedded = EmbeddedRecords.of(records)
        head = probe(embedded.shape, len(records.manifest.genres))
        model = complete(embedded.network, head)
        (head if stage == LAST_LAYERS else model).load_weights(Path(before) / BEST_WEIGHTS)
        thaw(model, stage)
        return model

    return build


def thaw(model: keras.Model, stage: str) -> None:
    """Let those layers of musicnn be trained that a stage trains.

    Parameters
    ----------
    model : keras.Model
        As `transfer.complete` makes it.
    stage : str
        A key of `STAGES`.
    """
    network = model.get_layer(MUSICNN)
    network.trainable = True
    for layer in network.layers:
        stays = stage == LAST_LAYERS and layer.name.startswith(_FRONT)
        layer.trainable = not (stays or isinstance(layer, keras.layers.BatchNormalization))


def finetune(
    records: FeatureRecords, *, folder: str | Path, options: TrainingOptions | None = None
) -> Run:
    """Train musicnn's probe, then its last layers, then all of it.

    Parameters
    ----------
    records : FeatureRecords
        Of log-mel features.
    folder : path-like
        The probe and the last layers have folders in it.
    options : TrainingOptions, optional
        Of the probe; `stage_options` makes the stages' of them.

    Returns
    -------
    Run
        Of the last stage.
    """
    options, folder = options or TrainingOptions(), Path(folder)
    before = folder / MUSICNN
    run = train_model(records, MUSICNN, folder=before, options=options)
    for stage in STAGES:
        own = folder if stage == ALL_LAYERS else folder / stage
        build = builder(records, stage, before)
        how = stage_options(options, stage)
        run = runs.train_model(records, stage, build, folder=own, options=how)
        before = own
    return run


def cross_validate_stages(
    records: FeatureRecords,
    folds: list[cross_validation.Fold],
    folder: Path,
    options: TrainingOptions,
    members: int,
) -> Iterator[cross_validation.Judged]:
    """Go on from each fold's probe: the stages' rows of the leaderboard, one after the other.

    Parameters
    ----------
    records : FeatureRecords
        Of log-mel features.
    folds : list of Fold
    folder : Path
        That of the cross-validation, where the probe's folder is and those of the stages go.
    options : TrainingOptions
        Of the probe.
    members : int
        As the probe had.

    Yields
    ------
    Result, Predictions
        As `cross_validation.cross_validate_model` gives them.
    """
    segments = cross_validation.Segments.read(records)
    for stage, before in zip(STAGES, (MUSICNN, *STAGES), strict=False):

        def build(own: Path, stage: str = stage, before: Path = folder / before) -> keras.Model:
            return builder(records, stage, before / own.name)()

        yield cross_validation.cross_validate_model(
            records,
            segments,
            folds,
            stage,
            folder=folder / stage,
            options=stage_options(options, stage),
            members=members,
            build=build,
        )
