"""Writing things as a reader would."""

from __future__ import annotations

import os


def format_duration(seconds: float) -> str:
    """Write a duration as a reader would say it: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_size(size: float) -> str:
    """Write a number of bytes as people read it: ``22.0 GiB``."""
    if size < 1024:
        return f"{size} bytes"
    for unit in ("KiB", "MiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} GiB"


def one_line(text: object) -> str:
    """Write a text so that it fits on one line of any terminal, whatever a file is called."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def name_text(name: str) -> str:
    """Give the name of a file or folder as valid text: bytes that are not UTF-8 are Latin-1."""
    raw = os.fsencode(name)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def flattened(text: object, length: int) -> str:
    """Write a text of many lines, such as another library's error, as the beginning of one."""
    return " ".join(str(text).split())[:length]
