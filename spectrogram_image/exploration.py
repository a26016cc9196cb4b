"""Looking at a data set: its tables, its files, and one sound beside another.

`Feature Visualization.ipynb` shows it. Nothing here is needed to make images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import fma_utils
from fma_utils import ROOT_GENRES, SUBSETS, AudioError, AudioTooShort, Dataset

if TYPE_CHECKING:
    pass

METADATA_FILES: Mapping[str, str] = {
    "tracks.csv": "a row a track: track, album, artist, split and subset",
    "genres.csv": "a row a genre: title, parent, root",
    "features.csv": "518 statistics a track, computed with librosa",
    "echonest.csv": "249 features of 13,129 tracks, from Echonest",
    "raw_tracks.csv": "tracks as the web interface gave them",
    "raw_albums.csv": "albums as the web interface gave them",
    "raw_artists.csv": "artists as the web interface gave them",
    "raw_genres.csv": "genres as the web interface gave them",
}
"""What FMA's archive of metadata holds."""

_MINUS_ONE = {"id", "comments", "favorites", "listens", "tracks"}
"""Columns of numbers in which FMA writes -1 where it knows nothing."""

CLIP_SECONDS = 30.0
SHORTEST_CLIP = CLIP_SECONDS - 0.1
"""Seconds: most of FMA's clips last 29.98."""

DECODED_AT_MOST = 40.0
"""Seconds: enough to see how long a clip is, and no more of an untrimmed track."""


def metadata_files(folder: str | Path) -> pd.DataFrame:
    """List FMA's metadata files, and which of them are there.

    Parameters
    ----------
    folder : path-like
        ``fma_metadata/``.

    Returns
    -------
    pandas.DataFrame
        A row per file of `METADATA_FILES`: ``holds``, ``kilobytes`` (NaN where it is missing).
    """
    paths = [Path(folder) / name for name in METADATA_FILES]
    sizes = [path.stat().st_size / 1e3 if path.is_file() else np.nan for path in paths]
    index = pd.Index(METADATA_FILES, name="file")
    return pd.DataFrame({"holds": [*METADATA_FILES.values()], "kilobytes": sizes}, index=index)


def missing_shares(tracks: pd.DataFrame) -> pd.Series:
    """Tell how large a part of each column is missing.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As `fma_utils.load` reads ``tracks.csv``.

    Returns
    -------
    pandas.Series
        Column → share, 0 to 1. Empty lists and texts are missing too, and so is -1 where FMA
        writes it for a number that is not known.
    """
    return pd.Series({column: _is_missing(tracks[column]).mean() for column in tracks.columns})


def _is_missing(values: pd.Series) -> pd.Series:
    missing = values.isna()
    if pd.api.types.is_numeric_dtype(values):
        return missing | (values == -1) if values.name[1] in _MINUS_ONE else missing
    if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind == "M":
        return missing
    return missing | (values.str.len() == 0)


def columns_by_type(tracks: pd.DataFrame) -> pd.DataFrame:
    """List the columns of ``tracks.csv`` by what they describe and what they hold.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As `fma_utils.load` reads them.

    Returns
    -------
    pandas.DataFrame
        Names of columns, separated by commas: a row per type, a column per table.
    """
    missing = missing_shares(tracks)
    types = {
        column: "nothing" if missing[column] == 1 else _type_name(tracks[column])
        for column in tracks.columns
    }
    rows = [(table, name, types[table, name]) for table, name in tracks.columns]
    table = pd.DataFrame(rows, columns=["table", "name", "holds"]).pivot_table(
        index="holds", columns="table", values="name", aggfunc=", ".join, fill_value="–"
    )
    order = ["number", "category", "date", "text", "list", "nothing"]
    table = table.reindex([name for name in order if name in table.index])
    return table.rename_axis(index="holds", columns=None)


def _type_name(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    if values.dtype.kind == "M":
        return "date"
    return "list" if isinstance(values.dropna().iloc[0], list) else "text"


def artist_of(tracks: pd.DataFrame) -> pd.Series:
    """Name each track's artist by the id, or else by the name; missing where neither is known."""
    ids = tracks["artist", "id"].astype("Int64")
    known = ids.where(ids != -1).astype("string")
    return known.fillna(tracks["artist", "name"].astype("string"))


def genres_present(tracks: pd.DataFrame) -> list[str]:
    """List the root genres that tracks have, in the order of `fma_utils.ROOT_GENRES`."""
    found = set(tracks["track", "genre_top"].dropna())
    return [genre for genre in ROOT_GENRES if genre in found]


def subset_table(tracks: pd.DataFrame) -> pd.DataFrame:
    """Count what the subsets hold.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Of all subsets, with ``set.subset``, ``track.genre_top``, ``artist.id``, ``artist.name``.

    Returns
    -------
    pandas.DataFrame
        A row per subset, smallest first: ``tracks``, ``with a root genre``, ``root genres``,
        ``rarest genre`` and ``most frequent genre`` (numbers of tracks), ``artists``.
    """
    rows = []
    for subset in SUBSETS:
        chosen = fma_utils.select_subset(tracks, subset)
        counts = chosen["track", "genre_top"].value_counts()
        counts = counts[counts > 0]
        rows.append(
            {
                "tracks": len(chosen),
                "with a root genre": counts.sum(),
                "root genres": len(counts),
                "rarest genre": counts.min() if len(counts) else 0,
                "most frequent genre": counts.max() if len(counts) else 0,
                "artists": artist_of(chosen).nunique(),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(SUBSETS, name="subset"))


def subset_genres(tracks: pd.DataFrame, genre_tree: pd.DataFrame) -> pd.DataFrame:
    """Count the tracks of each root genre in each subset.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Of all subsets, with ``set.subset`` and ``track.genre_top``.
    genre_tree : pandas.DataFrame
        As `fma_utils.load` reads ``genres.csv``.

    Returns
    -------
    pandas.DataFrame
        A row per genre of `fma_utils.ROOT_GENRES`: ``sub-genres`` below it in the tree, and its
        tracks in ``small``, ``medium`` and ``large``.
    """
    genre = tracks["track", "genre_top"].astype(object)
    counts = pd.crosstab(genre, tracks["set", "subset"].astype(object))
    counts = counts.reindex(index=ROOT_GENRES, columns=SUBSETS[:3], fill_value=0).cumsum(axis=1)
    root_of = genre_tree["top_level"].map(genre_tree["title"])
    is_root = genre_tree["parent"] == 0
    below = root_of[~is_root].value_counts().reindex(ROOT_GENRES, fill_value=0)
    counts.insert(0, "sub-genres", below)
    return counts.rename_axis(index="root genre", columns=None)


def check_file(path: str | Path, *, at_least: float = SHORTEST_CLIP) -> dict[str, object]:
    """Compare what an audio file says of itself with what it decodes to.

    Parameters
    ----------
    path : path-like
    at_least : float > 0
        Seconds that it should have.

    Returns
    -------
    dict
        ``bytes``; of the header ``header_seconds``, ``sample_rate`` and ``channels``; of the sound,
        of which `DECODED_AT_MOST` seconds are read, ``decoded_seconds`` and ``peak`` (1 being full
        scale); ``error`` and ``reason``, the class and the words of the `AudioError`, empty where
        there is none. Unknown numbers are NaN.
    """
    path = Path(path)
    header_seconds, sample_rate, channels = _header(path)
    options = {
        "sr": 22_050 if np.isnan(sample_rate) else int(sample_rate),
        "duration": DECODED_AT_MOST,
    }
    samples, error, reason = None, "", ""
    for needed in (at_least, 0):
        try:
            samples = fma_utils.read_audio(path, at_least=needed, **options)
        except AudioError as problem:
            error, reason = type(problem).__name__, problem.reason
            if isinstance(problem, AudioTooShort):
                continue  # then what there is
        break
    return {
        "bytes": path.stat().st_size if path.is_file() else np.nan,
        "header_seconds": header_seconds,
        "sample_rate": sample_rate,
        "channels": channels,
        "decoded_seconds": np.nan if samples is None else len(samples) / options["sr"],
        "peak": np.nan if samples is None else float(np.abs(samples).max()),
        "error": error,
        "reason": reason,
    }


def _header(path: Path) -> tuple[float, float, float]:
    """Read seconds, rate and channels without decoding; NaN where there is no header."""
    import soundfile

    try:
        with fma_utils.silenced_stderr():
            info = soundfile.info(path)
    except (soundfile.LibsndfileError, TypeError):
        return np.nan, np.nan, np.nan
    return info.duration, float(info.samplerate), float(info.channels)


def check_tracks(dataset: Dataset, track_ids: Iterable[int]) -> pd.DataFrame:
    """Check tracks' files one by one; see `check_file`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``track_id``, a column per key of `check_file`.
    """
    ids, rows = [], []
    for track_id in track_ids:
        ids.append(track_id)
        rows.append(check_file(fma_utils.get_audio_path(dataset.audio_dir, track_id)))
    return pd.DataFrame(rows, index=pd.Index(ids, name="track_id"))


def first_readable(
    dataset: Dataset, track_ids: Iterable[int], *, sr: int, offset: float, duration: float
) -> tuple[int, np.ndarray] | None:
    """Decode an excerpt of the first track that has it.

    Parameters
    ----------
    dataset : Dataset
    track_ids : iterable of int
        Tried in this order.
    sr, offset, duration
        As `fma_utils.read_audio` takes them.

    Returns
    -------
    (int, np.ndarray [shape=(samples,)]) or None
        The track and its samples; None if no track has them.
    """
    for track_id in track_ids:
        path = fma_utils.get_audio_path(dataset.audio_dir, track_id)
        try:
            return int(track_id), fma_utils.read_audio(
                path, sr=sr, offset=offset, duration=duration
            )
        except AudioError:
            continue
    return None


def damage(data: bytes) -> dict[str, bytes | None]:
    """Damage an audio file in the ways in which files are found damaged.

    Parameters
    ----------
    data : bytes
        An intact MP3.

    Returns
    -------
    dict of str to bytes or None
        What was done → the file's bytes, the intact file first; None is a file that is missing.
        The same for the same `data`.
    """
    half, tenth = len(data) // 2, len(data) // 10
    scattered = np.frombuffer(data, np.uint8).copy()
    scattered[half::1000] ^= 0xFF
    return {
        "intact": data,
        "cut off at half its length": data[:half],
        "a tenth lost in the middle": data[:half] + data[half + tenth :],
        "a tenth zeroed in the middle": data[:half] + bytes(tenth) + data[half + tenth :],
        "every 1,000th byte wrong": scattered.tobytes(),
        "a text named .mp3": b"This is no music.\n" * 1000,
        "no bytes": b"",
        "missing": None,
    }


def write_damaged(path: str | Path, folder: str | Path) -> dict[str, Path]:
    """Write damaged copies of an audio file; see `damage`.

    Returns
    -------
    dict of str to Path
        What was done → the copy in `folder`.
    """
    copies = {}
    for number, (what, content) in enumerate(damage(Path(path).read_bytes()).items()):
        copies[what] = Path(folder) / f"{number}.mp3"
        if content is not None:
            copies[what].write_bytes(content)
    return copies
