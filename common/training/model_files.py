"""Saved models: a ``.keras`` file with a card of its features, genres and training."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from common.errors import UserError
from common.fma.labels import lineage
from common.records.tfrecords import Manifest
from common.text import flattened, one_line

if TYPE_CHECKING:
    import keras

MODEL_FILE = "model.keras"  # file name in the folder of a training

_CARD = "genre_classifier.json"
"""Name of the card inside the ``.keras`` archive, which Keras ignores."""

_TRUSTED = frozenset({"keras", "common", "spectrogram_feature", "spectrogram_image"})
"""Packages whose layers a model may contain."""

_RUN_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Keras' layers that execute code in a file, or named by it."""


@dataclass(frozen=True)
class ModelCard:
    """Description of a saved model, inside its file.

    ``name`` is the architecture, e.g. ``"cnn"``; ``genres`` are in the order of the outputs;
    ``training`` has the options and results of the training, and for several genres a track the
    ``threshold`` of highest F1 on the validation split. For the features, labels and data see
    `common.records.tfrecords.Manifest`.
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
    labels: str = "top"
    parents: dict[str, str] = field(default_factory=dict)

    @property
    def has_several_genres(self) -> bool:
        """bool: True if the model predicts several genres of a track."""
        return self.labels != "top"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a card; other JSON raises a `ValueError`, `KeyError` or `TypeError`."""
        content = json.loads(text)
        card = cls(**(content | {"genres": tuple(content["genres"])}))
        for genre in card.parents:
            lineage(genre, card.parents)  # refuses a genre that is its own ancestor
        return card

    def check_fits(self, manifest: Manifest, folder: str | Path) -> None:
        """Raise a `UserError` if the features or labels of records differ from the model's."""
        for what in ("kind", "parameters", "labels", "genres"):
            mine, theirs = getattr(self, what), getattr(manifest, what)
            if mine != theirs:
                if what == "parameters":
                    keys = sorted(k for k in mine | theirs if mine.get(k) != theirs.get(k))
                    what = ", ".join(keys)
                    mine = ", ".join(str(mine.get(k)) for k in keys)
                    theirs = ", ".join(str(theirs.get(k)) for k in keys)
                raise UserError(
                    f"the model was trained with {what} = {mine}, the records in {folder} have "
                    f"{theirs}: use records of the same features and genres"
                )


def save_model(model: keras.Model, path: str | Path, card: ModelCard) -> None:
    """Save a model with its card as one ``.keras`` file, atomically."""
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
    """Read the card of a saved model; raise a `UserError` if it is no model of this project."""
    try:
        return ModelCard.from_json(_read_member(path, _CARD))
    except FileNotFoundError:
        raise UserError(f"{path}: no such model; train one first") from None
    except (IsADirectoryError, KeyError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile):
        raise UserError(f"{path} is not a model of this project: train one first") from None


def _read_member(path: str | Path, name: str) -> bytes:
    """Read a file inside a model; refuse archives that unpack to more than their size."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        declared, size = sum(member.file_size for member in members), Path(path).stat().st_size
        # Keras does not compress members. Overlapping members are an attack.
        if declared > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise UserError(
                f"{path} has {size:,} bytes and declares to unpack to {declared:,}, which models "
                "of this project do not: it is not loaded"
            )
        return archive.read(name)


def load_model(path: str | Path) -> tuple[keras.Model, ModelCard]:
    """Load a saved model without executing code in the file, or named by it.

    A model may consist of layers of Keras and of this project. Import the ``models`` of its stage
    first, which registers the layers. A `UserError` is raised if there is no such file, or it is
    not a model of this project, damaged, or contains other layers.
    """
    card = read_card(path)
    if Path(path).suffix != ".keras":  # Keras would read parts that are not checked here
        raise UserError(f"{path} must be called .keras to be loaded as a model: rename it")
    import keras

    import common.nn.perturbation  # noqa: F401  (registers the layers of augmentations)

    try:
        foreign = next(_foreign_parts(json.loads(_read_member(path, "config.json"))), None)
        if foreign is not None:
            raise UserError(
                f"{path} contains {one_line(foreign)[:80]}, which could run any code: it is not "
                "loaded; train a model, or get one from someone you trust"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras' if a layer has no weights
            return keras.saving.load_model(path, safe_mode=True, compile=False), card
    except UserError:
        raise
    except Exception as error:  # Keras raises many types for invalid files
        raise UserError(f"{path} does not load ({flattened(error, 120)}): train it again") from None


def _foreign_parts(config: Any) -> Iterator[str]:
    """Yield the objects in a configuration that are not of Keras or of this project."""
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        is_trusted = str(module).partition(".")[0] in _TRUSTED and name not in _RUN_CODE
        if name not in (None, "__keras_tensor__") and not is_trusted:
            yield f"{module}.{name}" if module else str(name)
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _foreign_parts(value)
