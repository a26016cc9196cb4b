"""Fine-tuning of musicnn, beginning with its probe.

The first stage trains the layers after the front end, the second all layers, each at a lower
learning rate than the training before it (gradual unfreezing; Howard and Ruder 2018, "Universal
language model fine-tuning for text classification", ACL). An epoch takes hundreds of times as long
as one of the probe. Batch norms keep their published statistics and weights, which a small data set
would only degrade.
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
    """Build the first stage, which trains the layers after the front end.

    ``records`` are of log-mel features, and ``before`` is the folder of the probe's training, whose
    best weights are loaded.
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
    """Make musicnn's layers trainable, except batch norms and, unless ``front``, the front end.

    ``model`` is the output of `transfer.complete`.
    """
    network = model.get_layer(MUSICNN)
    network.trainable = True
    for layer in network.layers:
        frozen = not front and layer.name.startswith(_FRONT)
        layer.trainable = not (frozen or isinstance(layer, keras.layers.BatchNormalization))
    return model


def _untrained(records: FeatureRecords) -> tuple[keras.Model, keras.Model]:
    embedded = EmbeddedRecords.of(records)
    head = probe(embedded.shape, len(records.manifest.genres))
    return complete(embedded.network, head), head
