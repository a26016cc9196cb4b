"""The data set that every notebook and command works on: its folders and its name."""

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
        """Path: the folder of ``tracks.csv``."""
        return self.root / "fma_metadata"

    @property
    def audio_dir(self) -> Path:
        """Path: the folder of ``000/000002.mp3``."""
        return self.root / f"fma_{self.subset}"

    @property
    def _own_name(self) -> str:
        """str: the root's name; empty for the project's own folder, which holds the FMA."""
        root = self.root.resolve()
        return "" if root == PROJECT_ROOT / "data" else name_text(root.name)

    @property
    def title(self) -> str:
        """str: the data set's name in figures and tables, which tells if it is synthetic."""
        if self.is_demo:
            return "synthetic demo set"
        own = self._own_name
        return f"fma_{self.subset} of {own}" if own else f"FMA {self.subset}"

    @property
    def name(self) -> str:
        """str: a short name for folders, such as ``fma-medium`` or ``demo-medium``."""
        return f"{'demo' if self.is_demo else self._own_name or 'fma'}-{self.subset}"

    @property
    def notice(self) -> str:
        """str: the line that commands print about the data set, with a warning for the demo."""
        if self.is_demo:
            return (
                "*** SYNTHETIC DEMO SET *** composed by data/make_demo.py; its numbers say nothing "
                "about music. For the real FMA: python data/download.py medium"
            )
        return f"Data set: {self.title}"

    def tracks(self, columns: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Read the metadata of this subset's tracks; see `load` and `select_subset`."""
        if columns is not None:
            columns = [*dict.fromkeys([*columns, ("set", "subset")])]
        return select_subset(load(self.metadata_dir / "tracks.csv", columns), self.subset)


def find_dataset(root: str | Path | None = None, subset: str | None = None) -> Dataset:
    """Find the data set that every notebook and command works on.

    Parameters
    ----------
    root : path-like, optional
        By default the environment's ``FMA_ROOT``, or the project's ``data/``, or the demo set in
        ``data/demo`` if ``data/`` holds no FMA.
    subset : str, optional
        One of `SUBSETS`; by default the environment's ``FMA_SUBSET``, or medium if it is there,
        or the largest that is.

    Raises
    ------
    UserError
        If there is no data set, or not that subset.
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
            f"or fetch it with python data/download.py {subset}"
        )
    is_demo = (root / "fma_metadata" / DEMO_MARKER).exists()
    return Dataset(root=root, subset=subset, is_demo=is_demo)


def _available_subsets(root: Path) -> list[str]:
    if not (root / "fma_metadata" / "tracks.csv").is_file():
        return []
    return [subset for subset in SUBSETS if (root / f"fma_{subset}").is_dir()]


def get_audio_path(audio_dir: str | Path, track_id: int) -> Path:
    """Give the path of a track's MP3, such as ``fma_medium/000/000002.mp3`` for track 2."""
    name = f"{track_id:06d}"
    return Path(audio_dir) / name[:3] / f"{name}.mp3"
