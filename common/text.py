"""Formatting of durations, sizes and names, and output in any encoding."""

from __future__ import annotations

import codecs
import io
import os
from typing import TextIO

_ASCII = {
    "█": "#", "–": "-", "—": "-", "−": "-", "·": "-", "±": "+-", "×": "x", "→": "->",
    "≤": "<=", "≥": ">=", "…": "...", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
}  # fmt: skip
"""Replacements for characters in messages of the project."""


def format_duration(seconds: float) -> str:
    """Format a duration: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_size(size: float) -> str:
    """Format a number of bytes: ``22.0 GiB``."""
    if size < 1024:
        return f"{size} bytes"
    for unit in ("KiB", "MiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} GiB"


def one_line(text: object) -> str:
    """Escape unprintable characters, such as line breaks in file names."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def name_text(name: str) -> str:
    """Decode the name of a file as UTF-8, or as Latin-1 if it is not valid UTF-8."""
    raw = os.fsencode(name)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def flattened(text: object, length: int) -> str:
    """Join the lines of a text, such as an error message, and cut it to a length."""
    return " ".join(str(text).split())[:length]


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    escaped = (c.encode("ascii", "backslashreplace").decode() for c in characters)
    return "".join(map(_ASCII.get, characters, escaped)), error.end


codecs.register_error("to-ascii", _to_ascii)


def accept_any_text(stream: TextIO | None) -> None:
    """Replace characters that the encoding of a stream lacks by similar ones, or escape them."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="to-ascii")
