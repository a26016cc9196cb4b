"""The journal of a folder: the settings of a run, and a line for each finished job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.jobs.files import atomic_write

JOURNAL = "journal.jsonl"


def open_journal(journal: Path, settings: Mapping[str, Any]) -> dict[str, dict]:
    """Read the finished jobs, name → result, from a journal, or begin one.

    An incomplete last line and damaged lines are skipped, so their jobs run again.

    Raises
    ------
    UserError
        If the journal has other settings, or its first line is damaged.
    """
    settings = as_json(settings)
    if not journal.exists():
        journal.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(journal) as file:
            file.write(json.dumps({"settings": settings}).encode() + b"\n")
        return {}
    complete, _, torn = journal.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    if torn:  # the run was killed while it wrote this line
        with atomic_write(journal) as file:
            file.write(f"{complete}\n".encode() if complete else b"")
    lines = complete.splitlines()
    try:
        earlier = json.loads(lines[0])["settings"]
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{journal} is damaged: delete {journal.parent} and start again") from None
    results = {}
    for line in lines[1:]:
        with suppress(ValueError, LookupError, TypeError):
            entry = json.loads(line)
            results[entry["job"]] = dict(entry["result"])
    require_same(earlier, settings, journal.parent, "work made")
    return results


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings as writing and reading a file does: tuples to lists, keys to strings."""
    return json.loads(json.dumps(settings))


def require_same(earlier: Any, now: Mapping[str, Any], folder: Path, what: str) -> None:
    """Raise a `UserError` that names the first setting in which two runs of a folder differ.

    Parameters
    ----------
    earlier : object
        Settings in the folder.
    now : mapping
        Settings as `as_json` returns them.
    what : str
        Content of the folder, for the message: ``"work made"``, ``"a training"``.
    """
    if earlier != now:
        raise UserError(
            f"{folder} holds {what} with other settings ({difference(earlier, now)}): choose "
            "another folder, or delete this one"
        )


def difference(earlier: Any, now: Any, name: str = "") -> str:
    """Describe the first difference of nested settings: ``parameters.hop was 460, now 512``."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(earlier.keys() | now.keys()):
            if earlier.get(key) != now.get(key):
                inner = f"{name}.{key}" if name else key
                return difference(earlier.get(key), now.get(key), inner)
    texts = [json.dumps(value) for value in (earlier, now)]
    was, now = (text if len(text) <= 60 else f"{text[:57]}..." for text in texts)
    return f"{name} was {was}, now {now}"
