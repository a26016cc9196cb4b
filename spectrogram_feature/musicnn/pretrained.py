"""musicnn, a network that has learnt to tag music, with the weights that its authors published.

J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
late-breaking session of ISMIR, 2019; the architecture is that of J. Pons et al., "End-to-end
learning for music audio tagging at scale", ISMIR, 2018. It was trained on 50 tags of the Million
Song Dataset (``MSD_musicnn``: 200,000 songs) or of MagnaTagATune (``MTT_musicnn``: 19,000 clips).
The weights are under the ISC licence; ``make pretrained`` obtains them (`data.pretrained`).

The network is written here anew, from the papers and the shapes of the checkpoint's variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from common.errors import UserError
from common.paths import PROJECT_ROOT, display_path
from common.text import flattened

if TYPE_CHECKING:
    import tensorflow as tf

CHECKPOINTS = ("MSD_musicnn", "MTT_musicnn")
"""The trainings whose weights there are; the first is the default."""

FOLDER = PROJECT_ROOT / "data" / "pretrained"
"""Where ``make pretrained`` puts them."""

PATCH_FRAMES = 187
"""How much musicnn hears at a time: 3 s, in frames of 16 ms."""

BANDS = 96
"""Mel bands of its input."""

TAGS = 50
"""How many it knows."""

POOLED = 753
"""How many numbers describe a frame, and their mean or maximum a patch."""

PENULTIMATE = 200
"""How many numbers the tags are made of."""

_TIMBRAL = (38, 67)  # bands that a filter of timbre spans: 0.4 and 0.7 of 96
_TEMPORAL = (128, 64, 32)  # frames that a filter of time spans
_MIDDLE = tuple(f"middle_{number}" for number in range(1, 4))
_FRONT = (*(f"timbral_{bands}" for bands in _TIMBRAL), *(f"temporal_{n}" for n in _TEMPORAL))

# A checkpoint numbers the variables of each kind of layer from the input to the output.
_LAYERS = {
    "conv2d": (*_FRONT, *_MIDDLE),
    "dense": ("hidden", "tags"),
    "batch_normalization": (
        "input_norm",
        *(f"{name}_norm" for name in (*_FRONT, *_MIDDLE)),
        "pooled_norm",
        "penultimate",
    ),
}


def musicnn(frames: int = PATCH_FRAMES) -> keras.Model:
    """Build the network, its weights random.

    The front end hears timbre, by filters that span much of the spectrum and 112 ms, and time, by
    filters that span half a second to two seconds of single bands. Of each filter the strongest
    band is kept at every frame. Three convolutions over time follow, the second and third
    residual. What all of them say, `POOLED` numbers a frame, is summed up by its mean and maximum
    over time, and two dense layers make tags of that.

    Parameters
    ----------
    frames : int
        Of a patch. The weights do not depend on it.

    Returns
    -------
    keras.Model
        float32 (batch, frames, `BANDS`), levels as `features.log_mel.LogMel.levels`
        gives them → a dict of float32: ``mean_pool`` and ``max_pool`` (batch,
        `POOLED`), ``penultimate`` (batch, `PENULTIMATE`) and ``tags`` (batch, `TAGS`),
        probabilities.
    """
    inputs = keras.Input((frames, BANDS), name="levels")
    x = layers.Reshape((frames, BANDS, 1))(inputs)
    x = layers.BatchNormalization(name="input_norm")(x)
    # In time as in frequency the spectrogram goes on: filters of timbre leave it only in time.
    padded = layers.ZeroPadding2D(((3, 3), (0, 0)))(x)
    front = [
        *(_front(padded, 204, (7, bands), "valid", f"timbral_{bands}") for bands in _TIMBRAL),
        *(_front(x, 51, (span, 1), "same", f"temporal_{span}") for span in _TEMPORAL),
    ]
    parts = [layers.Concatenate()(front)]
    for name in _MIDDLE:
        x = layers.Conv1D(64, 7, padding="same", activation="relu", name=name)(parts[-1])
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        parts.append(x if len(parts) == 1 else layers.Add()([x, parts[-1]]))
    frames_described = layers.Concatenate()(parts)
    highest = layers.GlobalMaxPooling1D()(frames_described)
    mean = layers.GlobalAveragePooling1D()(frames_described)
    # The checkpoint has maximum and mean of each number side by side.
    pooled = [layers.Reshape((-1, 1))(highest), layers.Reshape((-1, 1))(mean)]
    x = layers.Flatten()(layers.Concatenate()(pooled))
    x = layers.Dropout(0.5)(layers.BatchNormalization(name="pooled_norm")(x))
    x = layers.Dense(PENULTIMATE, activation="relu", name="hidden")(x)
    penultimate = layers.BatchNormalization(name="penultimate")(x)
    x = layers.Dropout(0.5)(penultimate)
    tags = layers.Dense(TAGS, activation="sigmoid", name="tags")(x)
    outputs = {"mean_pool": mean, "max_pool": highest, "penultimate": penultimate, "tags": tags}
    return keras.Model(inputs, outputs, name="musicnn")


def _front(
    x: keras.KerasTensor, filters: int, kernel: tuple[int, int], padding: str, name: str
) -> keras.KerasTensor:
    """(batch, frames, bands, 1) → (batch, frames, filters): of each filter the strongest band."""
    x = layers.Conv2D(filters, kernel, padding=padding, activation="relu", name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    _, frames, bands, _ = x.shape
    return layers.Reshape((frames, filters))(layers.MaxPooling2D((1, bands))(x))


def read_checkpoint(network: keras.Model, path: str | Path) -> None:
    """Give a network the weights of a checkpoint of musicnn 0.1.0.

    Parameters
    ----------
    network : keras.Model
        As `musicnn` builds it.
    path : path-like
        The checkpoint's files without their endings ``.index`` and ``.data-00000-of-00001``.

    Raises
    ------
    UserError
        If a variable is missing, has another shape or is left over; it is named.
    """
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path))
    shapes = {
        name: shape
        for name, shape in reader.get_variable_to_shape_map().items()
        if not _is_of_optimiser(name)
    }
    for name, variable in _checkpoint_variables(network):
        shape = shapes.pop(name, None)
        if shape is None:
            raise UserError(f"{path} has no variable {name}: it is no checkpoint of musicnn 0.1.0")
        if _without_ones(shape) != _without_ones(variable.shape):
            raise UserError(
                f"{path} has {name} in the shape {tuple(shape)}, musicnn's is "
                f"{tuple(variable.shape)}: it is no checkpoint of musicnn 0.1.0"
            )
        variable.assign(np.reshape(reader.get_tensor(name), variable.shape))
    if shapes:
        raise UserError(
            f"{path} has variables that musicnn lacks ({', '.join(sorted(shapes))}): it is no "
            "checkpoint of musicnn 0.1.0"
        )


def _checkpoint_variables(network: keras.Model) -> Iterator[tuple[str, tf.Variable]]:
    """Yield the network's variables, each with its name in the checkpoint."""
    for kind, names in _LAYERS.items():
        for number, name in enumerate(names):
            prefix = f"{kind}_{number}" if number else kind
            for variable in network.get_layer(name).weights:
                yield f"{prefix}/{variable.name}", variable


def _is_of_optimiser(name: str) -> bool:
    return "/Adam" in name or name in ("beta1_power", "beta2_power")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop axes of length 1: convolutions over time stand in the checkpoint as those of images."""
    return tuple(length for length in shape if length > 1)


def weights_path(checkpoint: str = CHECKPOINTS[0]) -> Path:
    """Tell where the weights of a training lie once they are there."""
    return FOLDER / f"{checkpoint}.weights.h5"


def tags_path(checkpoint: str = CHECKPOINTS[0]) -> Path:
    """Tell where the names of its tags lie."""
    return FOLDER / f"{checkpoint}.tags.json"


def load_musicnn(checkpoint: str = CHECKPOINTS[0], frames: int = PATCH_FRAMES) -> keras.Model:
    """Build the network with the weights that ``make pretrained`` has written.

    Parameters
    ----------
    checkpoint : str
        One of `CHECKPOINTS`.
    frames : int
        Of a patch.

    Returns
    -------
    keras.Model
        As `musicnn` describes it.

    Raises
    ------
    UserError
        If the weights are not there, or are damaged.
    """
    path = weights_path(checkpoint)
    _require(path)
    network = musicnn(frames)
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"{display_path(path)} is damaged ({flattened(error, 80)}): delete it and run "
            "make pretrained"
        ) from None
    return network


def read_tags(checkpoint: str = CHECKPOINTS[0]) -> tuple[str, ...]:
    """Read the names of the tags, in the order in which musicnn gives their probabilities.

    Raises
    ------
    UserError
        If they are not there.
    """
    path = tags_path(checkpoint)
    _require(path)
    return tuple(json.loads(path.read_text(encoding="utf-8")))


def _require(path: Path) -> None:
    if not path.exists():
        raise UserError(
            f"{display_path(path)} is missing: make pretrained obtains musicnn's weights"
        )
