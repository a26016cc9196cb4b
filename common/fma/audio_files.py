"""Search of folders for audio files, or for files with other suffixes."""

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
"""Suffixes of formats that libsndfile decodes."""

UNREADABLE = frozenset(
    {".aac", ".ac3", ".ape", ".m4a", ".m4b", ".mka", ".mp4", ".mpc", ".tta", ".webm", ".wma"}
    | {".wv"}
)
"""Suffixes of formats that need conversion first."""

HIDDEN = "hidden"
NO_AUDIO = "not audio"
NO_PICTURE = "not pictures"
LOOP = "linking to a folder that is searched already"
CLOSED = "folders that cannot be read"


@dataclass(frozen=True)
class FoundFiles:
    """Result of `search_folder`."""

    paths: list[Path] = field(default_factory=list)
    """Sorted files; with audio, also the `UNREADABLE` ones, for error messages."""

    skipped: dict[str, list[Path]] = field(default_factory=dict)
    """Paths by reason: `HIDDEN`, `NO_AUDIO`, `NO_PICTURE`, `LOOP` or `CLOSED`."""

    def skip(self, reason: str, path: Path) -> None:
        """Add a skipped file or folder."""
        self.skipped.setdefault(reason, []).append(path)

    def describe_skipped(self) -> str:
        """Format counts and names of the skipped paths in one line; empty if there are none."""
        parts = []
        for reason, paths in sorted(self.skipped.items()):
            if reason in (NO_AUDIO, NO_PICTURE):
                counts = Counter(path.suffix.lower() or path.name for path in paths)
                names = [suffix for suffix, _ in counts.most_common()]
            else:
                names = sorted(path.name for path in paths)
            shown = one_line(", ".join(names[:5]) + (", …" if len(names) > 5 else ""))
            parts.append(f"{len(paths):,} {reason} ({shown})")
        return "; ".join(parts)


def search_folder(
    folder: Path,
    suffixes: frozenset[str] = READABLE | UNREADABLE,
    others: str = NO_AUDIO,
) -> FoundFiles:
    """Find the files of a folder and its subfolders that have one of some suffixes.

    Links are followed, except links to parents of `folder`. Each folder is searched once, under its
    own path in preference to a link's. `others` is the reason of files with other suffixes.
    """
    found = FoundFiles()
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
            elif path.suffix.lower() not in suffixes:
                found.skip(others, path)
            else:
                found.paths.append(path)
    found.paths.sort()
    return found


def _identity(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_dev, state.st_ino
