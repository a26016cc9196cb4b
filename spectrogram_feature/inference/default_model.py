"""The model that commands use when none is named.

`choose_model` records the model that ``Training.ipynb`` selects on validation. Without a record,
the default is the newest model that was not trained as an ablation.
"""

from __future__ import annotations

import json
from pathlib import Path

from common.errors import UserError
from common.jobs.files import atomic_write
from common.paths import display_path, output_root
from common.training.model_files import MODEL_FILE, ModelCard, read_card
from spectrogram_feature.features.kinds import computed_kinds

CHOICE = "chosen.json"  # name of the record, in the folder of all models


def choose_model(folder: str | Path, reason: str) -> None:
    """Record the model of a training's folder as the default, in ``models/chosen.json``.

    The reason is shown to users, e.g. ``"highest track accuracy on validation, 71 %"``.
    """
    path = (Path(folder) / MODEL_FILE).resolve()
    models = (output_root() / "models").resolve()
    named = path.relative_to(models) if path.is_relative_to(models) else path
    models.mkdir(parents=True, exist_ok=True)
    with atomic_write(models / CHOICE) as file:
        file.write(json.dumps({"model": named.as_posix(), "reason": reason}, indent=1).encode())


def find_model(path: str | Path | None = None) -> Path:
    """Find a saved model: ``model.keras``, or the folder that contains it, or the default.

    The file of a named model need not exist. A `UserError` is raised if none is named, and there is
    no model of features.
    """
    if path is None:
        return default_model()[0]
    return Path(path) / MODEL_FILE if Path(path).is_dir() else Path(path)


def default_model() -> tuple[Path, str]:
    """Find the default model, and the reason why it is the default.

    A `UserError` is raised if there is no model of features, or the record is damaged.
    """
    models = output_root() / "models"
    chosen = _read_choice(models)
    if chosen and _usable_card(chosen[0]):
        return chosen[0], f"chosen in Training.ipynb: {chosen[1]}"
    cards = {path: _usable_card(path) for path in models.rglob(MODEL_FILE)}
    usable = {path: card for path, card in cards.items() if card}
    if not usable:
        raise UserError(
            f"there is no trained model in {display_path(models)}: name one with --model, or make "
            "one with python -m spectrogram_feature.training (--help explains it)"
        )
    plain = [path for path, card in usable.items() if not card.training.get("ablation")]
    newest = max(plain or usable, key=lambda path: path.stat().st_mtime)
    reason = "the newest model that is no ablation" if plain else "the newest model, an ablation"
    if chosen:
        reason += f"; the chosen one, {display_path(chosen[0])}, is not there"
    return newest, reason


def _read_choice(models: Path) -> tuple[Path, str] | None:
    path = models / CHOICE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return models / str(content["model"]), str(content["reason"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{display_path(path)} is damaged: delete it") from None


def _usable_card(path: Path) -> ModelCard | None:
    try:
        card = read_card(path)
    except UserError:
        return None
    return card if card.kind in computed_kinds() else None
