"""The data set of all notebooks and commands: its folders and names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.metadata import SUBSETS, load, select_subset
from common.paths import PROJECT_ROOT
from common.text import name_text

DEMO_MARKER = "demo.json"
"""The file in ``fma_metadata/`` that marks a synthetic demo set."""


@dataclass(frozen=True)
class Dataset:
    """A data set in FMA's layout: ``root/fma_metadata/`` and ``root/fma_<subset>/``."""

    root: Path
    subset: str
    is_demo: bool

    @property
    def metadata_dir(self) -> Path:
        """Path: folder of ``tracks.csv``."""
        return self.root / "fma_metadata"

    @property
    def audio_dir(self) -> Path:
        """Path: folder of ``000/000002.mp3``."""
        return self.root / f"fma_{self.subset}"

    @property
    def _root_name(self) -> str:
        """str: name of the root; empty for the project's ``data/``."""
        root = self.root.resolve()
        return "" if root == PROJECT_ROOT / "data" else name_text(root.name)

    @property
    def title(self) -> str:
        """str: name in figures and tables."""
        if self.is_demo:
            return "the synthetic demo set"
        name = self._root_name
        return f"{name.replace('_', ' ')} ({self.subset})" if name else f"FMA {self.subset}"

    @property
    def name(self) -> str:
        """str: name of folders, such as ``fma-medium`` or ``demo-medium``."""
        return f"{'demo' if self.is_demo else self._root_name or 'fma'}-{self.subset}"

    @property
    def notice(self) -> str:
        """str: message of commands, with a warning for the demo set."""
        return notice(self.title, is_demo=self.is_demo)

    def tracks(self, columns: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Read the metadata of this subset's tracks; see `load` and `select_subset`."""
        if columns is not None:
            columns = [*dict.fromkeys([*columns, ("set", "subset")])]
        return select_subset(load(self.metadata_dir / "tracks.csv", columns), self.subset)


def notice(title: str, *, is_demo: bool) -> str:
    """Return the line that names a data set, with a warning for the demo set."""
    if is_demo:
        return (
            "*** SYNTHETIC DEMO SET *** composed by data/make_demo.py; scores on it do not "
            "transfer to real music. For the real FMA: python data/download.py medium"
        )
    return f"Data set: {title}"


def find_dataset(root: str | Path | None = None, subset: str | None = None) -> Dataset:
    """Find the data set of all notebooks and commands.

    Parameters
    ----------
    root : path-like, optional
        By default ``FMA_ROOT``, else ``data/``, else ``data/demo``.
    subset : str, optional
        One of `SUBSETS`, by default ``FMA_SUBSET``, else medium, else the largest available.

    Raises
    ------
    UserError
        If there is no such data set or subset.
    """
    chosen = root or os.environ.get("FMA_ROOT")
    default = PROJECT_ROOT / "data"
    root = Path(chosen) if chosen else default
    if not chosen and not _available_subsets(root):
        root = default / "demo"
    available = _available_subsets(root)
    subset = subset or os.environ.get("FMA_SUBSET")
    if subset is not None and subset not in SUBSETS:
        raise UserError(f"there is no subset {subset!r}: choose one of {', '.join(SUBSETS)}")
    if not available:
        advice = "python data/make_demo.py makes a synthetic one, python data/download.py the real"
        if chosen:
            advice = "point FMA_ROOT at the folder that holds them"
        raise UserError(f"no data set in {root}: it lacks fma_metadata/ or fma_<subset>/; {advice}")
    if subset is None:
        subset = "medium" if "medium" in available else available[-1]
    if subset not in available:
        raise UserError(
            f"{root} has no fma_{subset}/ (it has {', '.join(available)}): choose one of these, "
            f"or run python data/download.py {subset}"
        )
    is_demo = (root / "fma_metadata" / DEMO_MARKER).exists()
    return Dataset(root=root, subset=subset, is_demo=is_demo)


def _available_subsets(root: Path) -> list[str]:
    if not (root / "fma_metadata" / "tracks.csv").is_file():
        return []
    return [subset for subset in SUBSETS if (root / f"fma_{subset}").is_dir()]


def get_audio_path(audio_dir: str | Path, track_id: int) -> Path:
    """Return the path of a track, such as ``fma_medium/000/000002.mp3`` for track 2."""
    name = f"{track_id:06d}"
    return Path(audio_dir) / name[:3] / f"{name}.mp3"
