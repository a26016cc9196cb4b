"""What the benchmarks are run on: a part of the data set, its sound, its records.

What takes long to make is kept under ``build/bench`` and made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import AudioError, UserError
from common.fma.audio import read_audio
from common.fma.dataset import Dataset, find_dataset, get_audio_path
from common.fma.track_plan import PLAN_COLUMNS
from common.paths import PROJECT_ROOT
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.features.records import FeatureRecords

PARAMETERS = FeatureParameters()

TRACKS = 240
"""About how many are used of a data set that has more."""


@dataclass(frozen=True)
class Excerpt(Dataset):
    """A few tracks of each genre and split of a data set.

    Attributes
    ----------
    limit : int
        About how many tracks there are at most.
    """

    limit: int

    def tracks(self, columns: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Read the metadata of the tracks."""
        tracks = super().tracks(columns)
        if len(tracks) <= self.limit:
            return tracks
        groups = tracks.groupby([("set", "split"), ("track", "genre_top")], observed=True)
        return groups.head(max(1, self.limit // groups.ngroups))


def excerpt(limit: int = TRACKS) -> Excerpt:
    """Take a part of the data set that the environment names."""
    return Excerpt(**asdict(find_dataset()), limit=limit)


def kept_folder(name: str) -> Path:
    """Tell where what was made of the data set is kept."""
    return PROJECT_ROOT / "build" / "bench" / excerpt().name / name


def whole_clips(count: int, seconds: float = 30.0) -> list[Path]:
    """Find tracks that are as long as they should be.

    Raises
    ------
    UserError
        If the data set has too few.
    """
    dataset = excerpt(4 * count)
    paths = []
    for track_id in dataset.tracks(PLAN_COLUMNS).index:
        path = get_audio_path(dataset.audio_dir, track_id)
        try:
            read_audio(path, duration=seconds, at_least=seconds - 0.1)
            paths.append(path)
        except AudioError:
            continue
        if len(paths) == count:
            return paths
    raise UserError(
        f"{dataset.audio_dir} has {len(paths)} tracks of {seconds:g} s, {count} are needed: "
        "point FMA_ROOT at a larger data set"
    )


def segments(count: int) -> np.ndarray:
    """Decode the beginnings of tracks: float32 (count, segment_samples)."""
    seconds = PARAMETERS.segment_seconds
    return np.stack([read_audio(path, duration=seconds) for path in whole_clips(count)])


def feature_records() -> FeatureRecords:
    """Open records of all segments of the excerpt; make them if there are none."""
    from spectrogram_feature.generate_records import generate

    out = kept_folder("records")
    generate(excerpt(), out, balance=False)
    return FeatureRecords.open(out)
