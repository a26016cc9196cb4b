"""musicnn, a network trained to tag music, and its published weights.

J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
late-breaking session of ISMIR, 2019; the architecture is that of J. Pons et al., "End-to-end
learning for music audio tagging at scale", ISMIR, 2018. The training data are 50 tags of the
Million Song Dataset (``MSD_musicnn``: 200,000 songs) or of MagnaTagATune (``MTT_musicnn``: 19,000
clips). The weights have the ISC licence; ``make pretrained`` fetches them (`data.pretrained`).

The code is written from the papers and the shapes of the checkpoint's variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers

from common.errors import UserError
from common.paths import PROJECT_ROOT, display_path
from common.text import flattened

CHECKPOINTS = ("MSD_musicnn", "MTT_musicnn")  # the first is the default
FOLDER = PROJECT_ROOT / "data" / "pretrained"  # of the weights
PATCH_FRAMES = 187  # frames of an input patch: 3 s at 16 ms
BANDS = 96  # mel bands of the input
TAGS = 50
PENULTIMATE = 200  # size of the penultimate layer

_TIMBRAL = (38, 67)  # bands of a timbral filter: 0.4 and 0.7 of 96
_TEMPORAL = (128, 64, 32)  # frames of a temporal filter
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
    """Build the network with random weights.

    The front end has timbral filters, which span much of the spectrum and 112 ms, and temporal
    filters, which span half a second to two seconds of single bands; each is followed by the
    maximum over bands. Three convolutions over time follow, the second and third residual. The mean
    and maximum over time of all outputs go through two dense layers.

    The input is the output of `features.log_mel.LogMel.levels`, float32 (batch, frames, `BANDS`).
    Outputs are ``mean_pool`` and ``max_pool`` (batch, 753), ``penultimate`` (batch, `PENULTIMATE`)
    and ``tags`` (batch, `TAGS`), probabilities. The weights do not depend on the number of frames.
    """
    inputs = keras.Input((frames, BANDS), name="levels")
    x = layers.Reshape((frames, BANDS, 1))(inputs)
    x = layers.BatchNormalization(name="input_norm")(x)
    # Timbral filters are padded in time, not in frequency.
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
    x = layers.Concatenate()(parts)
    highest, mean = layers.GlobalMaxPooling1D()(x), layers.GlobalAveragePooling1D()(x)
    # The checkpoint interleaves maximum and mean of each channel.
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
    """Convolve and take the maximum over bands: (batch, frames, bands, 1) → (batch, frames, c)."""
    x = layers.Conv2D(filters, kernel, padding=padding, activation="relu", name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    _, frames, bands, _ = x.shape
    return layers.Reshape((frames, filters))(layers.MaxPooling2D((1, bands))(x))


def read_checkpoint(network: keras.Model, path: str | Path) -> None:
    """Load the weights of a checkpoint of musicnn 0.1.0 into the network of `musicnn`.

    ``path`` is that of the checkpoint's files without ``.index`` and ``.data-00000-of-00001``. A
    variable that is missing, left over or of another shape is a `UserError`.
    """
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path))
    shapes = {
        name: shape
        for name, shape in reader.get_variable_to_shape_map().items()
        if "/Adam" not in name and name not in ("beta1_power", "beta2_power")
    }
    for name, variable in _checkpoint_variables(network):
        shape = shapes.pop(name, None)
        if shape is None or _without_ones(shape) != _without_ones(variable.shape):
            found = "absent" if shape is None else f"of shape {tuple(shape)}"
            raise UserError(
                f"{path} is no checkpoint of musicnn 0.1.0: {name} is {found}, "
                f"not of shape {tuple(variable.shape)}"
            )
        variable.assign(np.reshape(reader.get_tensor(name), variable.shape))
    if shapes:
        unknown = ", ".join(sorted(shapes))
        raise UserError(f"{path} is no checkpoint of musicnn 0.1.0: musicnn has no {unknown}")


def _checkpoint_variables(network: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Yield (name in the checkpoint, variable) for all variables of the network."""
    for kind, names in _LAYERS.items():
        for number, name in enumerate(names):
            prefix = f"{kind}_{number}" if number else kind
            for variable in network.get_layer(name).weights:
                yield f"{prefix}/{variable.name}", variable


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop axes of length 1: the checkpoint's convolutions over time have two dimensions."""
    return tuple(length for length in shape if length > 1)


def weights_path(checkpoint: str = CHECKPOINTS[0]) -> Path:
    """Return the path of a checkpoint's weights."""
    return FOLDER / f"{checkpoint}.weights.h5"


def tags_path(checkpoint: str = CHECKPOINTS[0]) -> Path:
    """Return the path of a checkpoint's tag names."""
    return FOLDER / f"{checkpoint}.tags.json"


def load_musicnn(checkpoint: str = CHECKPOINTS[0], frames: int = PATCH_FRAMES) -> keras.Model:
    """Build the network of `musicnn` in float32 with published weights.

    Missing or damaged weights are a `UserError`.
    """
    from common.training.devices import full_precision

    path = _required(weights_path(checkpoint))
    with full_precision():
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
    """Read the tag names in the order of the network's output; a missing file is a `UserError`."""
    return tuple(json.loads(_required(tags_path(checkpoint)).read_text(encoding="utf-8")))


def _required(path: Path) -> Path:
    if not path.exists():
        raise UserError(
            f"{display_path(path)} is missing: make pretrained obtains musicnn's weights"
        )
    return path
