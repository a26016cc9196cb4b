"""Saved models: a ``.keras`` file that knows what it was trained on and what it may be fed."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.records import Manifest
from common.text import flattened
from fma_utils import UserError

if TYPE_CHECKING:
    import keras

MODEL_FILE = "model.keras"
"""Its name in the folder of its training."""

_CARD = "genre_classifier.json"
"""The card's name inside the ``.keras`` archive, beside Keras' own files, which ignore it."""


@dataclass(frozen=True)
class ModelCard:
    """What a saved model carries beside its weights.

    Attributes
    ----------
    name : str
        The architecture, e.g. ``"cnn"``.
    kind : str
        The kind of features it takes; see `common.records.Manifest`.
    parameters : dict
        The parameters of these features.
    genres : tuple of str
        The meaning of its outputs.
    data_set : dict
        What it was trained on; see `common.records.Manifest`.
    training : dict
        The options and the course of its training.
    versions : dict
        Of the project and of Keras.
    """

    name: str
    kind: str
    parameters: dict[str, Any]
    genres: tuple[str, ...]
    data_set: dict[str, Any]
    training: dict[str, Any]
    versions: dict[str, str] = field(
        default_factory=lambda: {name: version(name) for name in ("fma-genre-research", "keras")}
    )

    def check_fits(self, manifest: Manifest, folder: str | Path) -> None:
        """See that records hold what the model was trained for.

        Raises
        ------
        UserError
            If kind, feature parameters or genres differ; the message names both.
        """
        for what in ("kind", "parameters", "genres"):
            mine, theirs = getattr(self, what), getattr(manifest, what)
            if mine != theirs:
                if what == "parameters":
                    keys = sorted(k for k in mine | theirs if mine.get(k) != theirs.get(k))
                    what = ", ".join(keys)
                    mine = ", ".join(str(mine.get(k)) for k in keys)
                    theirs = ", ".join(str(theirs.get(k)) for k in keys)
                raise UserError(
                    f"the model was trained with {what} = {mine}, the records in {folder} have "
                    f"{theirs}: use records and model that were made for each other"
                )


def save_model(model: keras.Model, path: str | Path, card: ModelCard) -> None:
    """Save a model with its card as one ``.keras`` file, complete or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.tmp.keras")
    try:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_CARD, json.dumps(asdict(card), indent=1))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_card(path: str | Path) -> ModelCard:
    """Read what a saved model says of itself, without loading it.

    Raises
    ------
    UserError
        If there is no such file, or it is not a model of this project.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = json.loads(archive.read(_CARD))
        return ModelCard(**(card | {"genres": tuple(card["genres"])}))
    except FileNotFoundError:
        raise UserError(f"{path}: no such model; train one first") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IsADirectoryError):
        raise UserError(f"{path} is not a model of this project: train one first") from None


def load_model(path: str | Path) -> tuple[keras.Model, ModelCard]:
    """Load a saved model in Keras' safe mode: code that a file brings along is not run.

    A stage's own layers must be registered before: import its ``models``.

    Parameters
    ----------
    path : path-like
        A ``.keras`` file as `save_model` writes it.

    Returns
    -------
    keras.Model, ModelCard

    Raises
    ------
    UserError
        If there is no such file, it is not a model of this project, or it is damaged.
    """
    card = read_card(path)
    import keras

    import common.augmentation  # noqa: F401  (registers the layer that a model may contain)

    try:
        return keras.saving.load_model(path, safe_mode=True), card
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} does not load ({flattened(error, 120)}): train it again") from None
