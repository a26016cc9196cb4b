"""Paths of the project, and how they are displayed."""

from __future__ import annotations

import os
from pathlib import Path

from common.text import one_line

PROJECT_ROOT = Path(__file__).resolve().parents[1]


def output_root() -> Path:
    """Return the folder of images, records and models: ``FMA_OUTPUT``, or ``data/``."""
    return Path(os.environ.get("FMA_OUTPUT") or PROJECT_ROOT / "data")


def display_path(path: str | Path) -> str:
    """Write a path on one line, relative to the project if it is inside."""
    path = Path(path).resolve()
    return one_line(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
