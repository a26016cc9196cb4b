"""Fine-tuning of musicnn, beginning with its probe.

First the layers behind the front end are trained, then all layers, each stage at a lower learning
rate than the one before (gradual unfreezing; Howard and Ruder 2018, "Universal language model
fine-tuning for text classification", ACL). An epoch takes hundreds of times as long as one of the
probe. The batch normalisations keep their published statistics and weights: a small data set would
only degrade them.
"""

from __future__ import annotations

from pathlib import Path

import keras

from common.training.checkpoints import BEST_WEIGHTS
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.musicnn.embedded_records import EmbeddedRecords
from spectrogram_feature.musicnn.transfer import MUSICNN, complete, probe

_FRONT = ("timbral", "temporal")  # prefixes of the front end's layers


def last_layers(records: FeatureRecords, before: Path) -> keras.Model:
    """Build the first stage: the layers behind the front end are trained.

    Parameters
    ----------
    records : FeatureRecords
        Records of log-mel features.
    before : Path
        The folder of the probe's training, whose best weights are loaded.

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
    """
    model, head = _untrained(records)
    head.load_weights(before / BEST_WEIGHTS)
    return thaw(model, front=False)


def all_layers(records: FeatureRecords, before: Path) -> keras.Model:
    """Build the second stage, from the folder of the first; see `last_layers`."""
    model, _ = _untrained(records)
    model.load_weights(before / BEST_WEIGHTS)
    return thaw(model, front=True)


def thaw(model: keras.Model, *, front: bool) -> keras.Model:
    """Make musicnn's layers trainable, except batch normalisations.

    Parameters
    ----------
    model : keras.Model
        As `transfer.complete` makes it.
    front : bool
        Whether the front end is trainable, too.
    """
    network = model.get_layer(MUSICNN)
    network.trainable = True
    for layer in network.layers:
        stays = not front and layer.name.startswith(_FRONT)
        layer.trainable = not (stays or isinstance(layer, keras.layers.BatchNormalization))
    return model


def _untrained(records: FeatureRecords) -> tuple[keras.Model, keras.Model]:
    embedded = EmbeddedRecords.of(records)
    head = probe(embedded.shape, len(records.manifest.genres))
    return complete(embedded.network, head), head
