"""Where a data set lies: the one that every notebook and command works on."""

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
"""The file in ``fma_metadata/`` that tells a synthetic demo set from the real thing."""


@dataclass(frozen=True)
class Dataset:
    """Where one data set in FMA's layout lies.

    Attributes
    ----------
    root : Path
        The folder that holds ``fma_metadata/`` and ``fma_<subset>/``.
    subset : str
        One of `SUBSETS`.
    is_demo : bool
        Whether this is the synthetic demo set.
    """

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
    def title(self) -> str:
        """str: what a figure or table calls this data set; says so when it is synthetic."""
        if self.is_demo:
            return "synthetic demo set"
        if self.root.resolve() == PROJECT_ROOT / "data":
            return f"FMA {self.subset}"
        return f"fma_{self.subset} of {name_text(self.root.resolve().name)}"

    @property
    def name(self) -> str:
        """str: a short name for folders, such as ``fma-medium`` or ``demo-medium``."""
        if self.is_demo:
            return f"demo-{self.subset}"
        if self.root.resolve() == PROJECT_ROOT / "data":
            return f"fma-{self.subset}"
        return f"{name_text(self.root.resolve().name)}-{self.subset}"

    @property
    def notice(self) -> str:
        """str: which data is used, in words that nobody can miss when it is the demo."""
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
        tracks = load(self.metadata_dir / "tracks.csv", columns=columns)
        return select_subset(tracks, self.subset)


def find_dataset(root: str | Path | None = None, subset: str | None = None) -> Dataset:
    """Find the data set that every notebook and command works on.

    Parameters
    ----------
    root : path-like, optional
        The folder with ``fma_metadata/`` and ``fma_<subset>/``; by default the environment's
        ``FMA_ROOT``, or the project's ``data/``, or, where that holds no FMA, the demo set in it.
    subset : str, optional
        One of `SUBSETS`; by default the environment's ``FMA_SUBSET``, or medium if it is there,
        or the largest that is.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If there is no data set there, or not that subset.
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
    """Tell where a track's MP3 lies: track 2 of ``fma_medium`` is ``fma_medium/000/000002.mp3``."""
    name = f"{track_id:06d}"
    return Path(audio_dir) / name[:3] / f"{name}.mp3"
