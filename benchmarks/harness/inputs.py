"""Input of the benchmarks: an excerpt of the data set, its audio, and records in build/bench."""

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
"""Approximate size of the excerpt."""


@dataclass(frozen=True)
class Excerpt(Dataset):
    """About `limit` tracks of a data set, from all genres and splits."""

    limit: int

    def tracks(self, columns: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Read the metadata of the tracks."""
        tracks = super().tracks(columns)
        if len(tracks) <= self.limit:
            return tracks
        groups = tracks.groupby([("set", "split"), ("track", "genre_top")], observed=True)
        return groups.head(max(1, self.limit // groups.ngroups))


def excerpt(limit: int = TRACKS) -> Excerpt:
    """Return an excerpt of the current data set."""
    return Excerpt(**asdict(find_dataset()), limit=limit)


def kept_folder(name: str) -> Path:
    """Return a folder for files derived from the current data set."""
    return PROJECT_ROOT / "build" / "bench" / excerpt().name / name


def whole_clips(count: int, seconds: float = 30.0) -> list[Path]:
    """Return tracks of at least `seconds`; raise `UserError` if there are too few."""
    dataset = excerpt(4 * count)
    paths: list[Path] = []
    for track_id in dataset.tracks(PLAN_COLUMNS).index:
        path = get_audio_path(dataset.audio_dir, track_id)
        try:
            read_audio(path, duration=seconds, at_least=seconds - 0.1)
        except AudioError:
            continue
        paths.append(path)
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
    """Open the records of all segments of the excerpt, or generate them."""
    from spectrogram_feature.generate_records import generate

    out = kept_folder("records")
    generate(excerpt(), out, balance=False)
    return FeatureRecords.open(out)
