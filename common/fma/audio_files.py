"""Audio files in folders: which files count as audio, and what a search skips."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from common.text import one_line

READABLE = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp2", ".mp3", ".mpga", ".oga", ".ogg"}
    | {".opus", ".rf64", ".w64", ".wav", ".wave"}
)
"""Suffixes of audio files that libsndfile decodes."""

UNREADABLE = frozenset(
    {".aac", ".ac3", ".ape", ".m4a", ".m4b", ".mka", ".mp4", ".mpc", ".tta", ".webm", ".wma"}
    | {".wv"}
)
"""Suffixes of audio files that another program must convert first."""

HIDDEN = "hidden"
NO_AUDIO = "not audio"
LOOP = "linking to a folder that is searched already"
CLOSED = "folders that cannot be read"


@dataclass(frozen=True)
class AudioFiles:
    """The audio files of a folder and of all folders in it.

    Attributes
    ----------
    paths : list of Path
        Sorted. Files that `READABLE` does not list are among them if `UNREADABLE` does, so that
        they are reported.
    skipped : dict
        Reason (`HIDDEN`, `NO_AUDIO`, `LOOP` or `CLOSED`) → list of Path.
    """

    paths: list[Path] = field(default_factory=list)
    skipped: dict[str, list[Path]] = field(default_factory=dict)

    def skip(self, reason: str, path: Path) -> None:
        """Note a file or folder that is not used."""
        self.skipped.setdefault(reason, []).append(path)

    def describe_skipped(self) -> str:
        """Count and name what was skipped, in one line; empty if nothing was."""
        return "; ".join(
            f"{len(paths):,} {reason} ({_named(reason, paths)})"
            for reason, paths in sorted(self.skipped.items())
        )


def _named(reason: str, paths: list[Path]) -> str:
    if reason == NO_AUDIO:
        counts = Counter(path.suffix.lower() or path.name for path in paths)
        names = [suffix for suffix, _ in counts.most_common()]
    else:
        names = sorted(path.name for path in paths)
    return one_line(", ".join(names[:5]) + (", …" if len(names) > 5 else ""))


def search_folder(folder: Path) -> AudioFiles:
    """Find the audio files of a folder and of all folders in it.

    Links are followed. Each folder is searched once, under its own path rather than a link's; a
    link to a parent of `folder` is not followed.
    """
    found = AudioFiles()
    top = folder.resolve()
    seen = {_identity(parent) for parent in top.parents}
    waiting = [folder]
    links: list[Path] = []
    while waiting or links:
        if not waiting:
            links.sort()
            waiting.append(links.pop(0))
        parent = waiting.pop()
        try:
            identity = _identity(parent)
            if identity in seen:
                found.skip(LOOP, parent)
                continue
            seen.add(identity)
            entries = list(os.scandir(parent))
        except OSError:
            found.skip(CLOSED, parent)
            continue
        for entry in entries:
            path = parent / entry.name
            if entry.name.startswith("."):
                found.skip(HIDDEN, path)
            elif os.path.isdir(path):  # noqa: PTH112 (a link to itself raises no error here)
                (links if entry.is_symlink() else waiting).append(path)
            elif path.suffix.lower() not in READABLE | UNREADABLE:
                found.skip(NO_AUDIO, path)
            else:
                found.paths.append(path)
    found.paths.sort()
    return found


def _identity(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_dev, state.st_ino
