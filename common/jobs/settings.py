"""What a folder's work was made with: work with other settings does not go on there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings as they come back from a file: tuples as lists, keys as strings."""
    return json.loads(json.dumps(settings))


def require_same(earlier: Any, now: Mapping[str, Any], folder: Path, what: str) -> None:
    """Refuse to go on in a folder with other settings than it was begun with.

    Parameters
    ----------
    earlier : object
        The settings that were found there.
    now : mapping
        As `as_json` gives them.
    folder : Path
    what : str
        What it holds, for the message: ``"work made"``, ``"a training"``.

    Raises
    ------
    UserError
        If they differ; the message names the first that does.
    """
    if earlier != now:
        raise UserError(
            f"{folder} holds {what} with other settings ({difference(earlier, now)}): choose "
            "another folder, or delete this one"
        )


def difference(earlier: Any, now: Any, name: str = "") -> str:
    """Name the first setting that differs, and both of its values.

    Parameters
    ----------
    earlier, now : object
        Settings as JSON gives them back, dictionaries in dictionaries.
    name : str
        Of the settings that `earlier` and `now` are part of.

    Returns
    -------
    str
        For example ``parameters.hop_length was 460, now 512``.
    """
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(earlier.keys() | now.keys()):
            if earlier.get(key) != now.get(key):
                inner = f"{name}.{key}" if name else key
                return difference(earlier.get(key), now.get(key), inner)
    return f"{name} was {_shortened(earlier)}, now {_shortened(now)}"


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
