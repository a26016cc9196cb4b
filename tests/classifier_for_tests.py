"""A small model that has learnt nothing, but says something else of every sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.training.model_files import ModelCard, save_model
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.generate_records import KIND

if TYPE_CHECKING:
    import keras

    from spectrogram_feature.inference.keras_model import KerasModel

PARAMETERS = FeatureParameters(segment_seconds=1.5)
GENRES = ("Folk", "Jazz", "Rock")


def small_model(parameters: FeatureParameters = PARAMETERS) -> keras.Model:
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input(parameters.shape, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv1D(16, 9, strides=4, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    weights = keras.initializers.RandomNormal(stddev=2, seed=0)
    outputs = keras.layers.Dense(3, "softmax", kernel_initializer=weights, name="genres")(x)
    return keras.Model(inputs, outputs)


def card(kind: str = KIND, parameters: FeatureParameters = PARAMETERS) -> ModelCard:
    return ModelCard(
        name="small",
        kind=kind,
        parameters=parameters.to_dict(),
        genres=GENRES,
        data_set={"title": "noise", "subset": "medium", "synthetic": True},
        training={},
    )


def model_of_every_network() -> KerasModel:
    """Join all networks of Constant-Q features, so that one export converts them all."""
    import keras

    from spectrogram_feature import models
    from spectrogram_feature.inference.keras_model import KerasModel

    keras.utils.set_random_seed(0)
    names = models.names_for(KIND)
    inputs = keras.Input(PARAMETERS.shape, dtype="uint8")
    networks = [
        models.find(name).build(PARAMETERS.shape, len(GENRES), width=4)(inputs) for name in names
    ]
    genres = tuple(f"{name}: {genre}" for name in names for genre in GENRES)
    joined = keras.Model(inputs, keras.layers.Concatenate()(networks))
    return KerasModel(joined, replace(card(), genres=genres))


def save_small_model(folder: Path) -> Path:
    path = folder / "model.keras"
    folder.mkdir(parents=True, exist_ok=True)
    save_model(small_model(), path, card())
    return path
