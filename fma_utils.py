"""The FMA: where it lies, its metadata, its splits, its genres, reading its audio.

The layout is that of https://github.com/mdeff/fma (Defferrard, Benzi, Vandergheynst and Bresson,
"FMA: A Dataset for Music Analysis", ISMIR 2017): ``root/fma_metadata/tracks.csv`` and
``root/fma_<subset>/000/000002.mp3``.
"""

from __future__ import annotations

import ast
import csv
import functools
import hashlib
import io
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import soundfile

PROJECT_ROOT = Path(__file__).resolve().parent

SUBSETS = ("small", "medium", "large", "full")
"""From smallest to largest; each contains the one before. ``full`` is ``large`` untrimmed."""

SPLITS = ("training", "validation", "test")

ROOT_GENRES = (
    "Blues",
    "Classical",
    "Country",
    "Easy Listening",
    "Electronic",
    "Experimental",
    "Folk",
    "Hip-Hop",
    "Instrumental",
    "International",
    "Jazz",
    "Old-Time / Historic",
    "Pop",
    "Rock",
    "Soul-RnB",
    "Spoken",
)
"""The 16 roots of FMA's genre tree: one order everywhere, so that colours agree everywhere."""

_SHORTER_HISTORIC = {genre: genre for genre in ROOT_GENRES} | {"Old-Time / Historic": "Historic"}

GENRE_MAPPINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "all": {genre: genre for genre in ROOT_GENRES},
        "frequent": {
            root: genre
            for root, genre in _SHORTER_HISTORIC.items()
            if root not in ("Spoken", "Easy Listening")
        },
        "merged": _SHORTER_HISTORIC
        | dict.fromkeys(("Blues", "Easy Listening", "Jazz", "Soul-RnB"), "Blues-Jazz-Soul")
        | {"Country": "Folk"},
    }
)
"""Root genre → label, by the mapping's name: 16, 14 and 12 labels; an absent genre is dropped."""

LOUDEST = 10.0
"""Full scales: MP3s of music exceed 1, but not this; what does is a damaged file."""

SAMPLE_RATES = (1_000, 768_000)
"""Hz, lowest and highest. Headers say others where they are damaged: a file of some minutes at
1 Hz would be days of sound at 22,050 Hz."""

CACHED_FROM = 50_000_000
"""Bytes: of a metadata file of this size or more, the columns that are used are kept apart."""

Column = str | tuple[str, ...]
"""A column's name: a tuple where the header has several rows."""

DEMO_MARKER = "demo.json"
"""The file in ``fma_metadata/`` that tells a synthetic demo set from the real thing."""

_SUBSET_TYPE = pd.CategoricalDtype(SUBSETS[:3], ordered=True)
_CATEGORICAL = {("track", "genre_top"), ("track", "license"), ("album", "type"), ("set", "split")}
_LISTS = {(table, "tags") for table in ("track", "album", "artist")} | {
    ("track", "genres"),
    ("track", "genres_all"),
}
_DATES = {
    ("track", "date_created"),
    ("track", "date_recorded"),
    ("album", "date_created"),
    ("album", "date_released"),
    ("artist", "date_created"),
    ("artist", "active_year_begin"),
    ("artist", "active_year_end"),
}


class UserError(Exception):
    """Something that the user can mend, said in one line: what, where, what to do."""


class AudioError(UserError):
    """An audio file that cannot be used.

    Attributes
    ----------
    path : path-like
    reason : str
        What is wrong, without the path.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Give the message: file and reason."""
        return f"{self.path}: {self.reason}"


class AudioMissing(AudioError):
    """There is no such file."""


class AudioEmpty(AudioError):
    """The file has no bytes, or decodes to no samples."""


class AudioTooShort(AudioError):
    """The file decodes to fewer samples than were asked for."""


class AudioUndecodable(AudioError):
    """The file is not audio, or is damaged beyond decoding."""


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
        return f"fma_{self.subset} of {self.root.resolve().name}"

    @property
    def name(self) -> str:
        """str: a short name for folders, such as ``fma-medium`` or ``demo-medium``."""
        if self.is_demo:
            return f"demo-{self.subset}"
        if self.root.resolve() == PROJECT_ROOT / "data":
            return f"fma-{self.subset}"
        return f"{self.root.resolve().name}-{self.subset}"

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


def output_root() -> Path:
    """Tell where records and models go: the environment's ``FMA_OUTPUT``, or ``data/``."""
    return Path(os.environ.get("FMA_OUTPUT") or PROJECT_ROOT / "data")


def display_path(path: str | Path) -> str:
    """Write a path for a reader: relative to the project where it lies inside."""
    path = Path(path).resolve()
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


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


def load(path: str | Path, columns: Sequence[Column] | None = None) -> pd.DataFrame:
    """Read one of FMA's metadata files with its documented types.

    Parameters
    ----------
    path : path-like
        ``tracks.csv``, ``genres.csv``, ``features.csv``, ``echonest.csv`` or ``raw_*.csv``.
    columns : sequence, optional
        The columns to read, as tuples such as ``("set", "split")`` where the file has header
        rows of several levels, as strings where it has one; by default all. The real
        ``tracks.csv`` is 260 MB: ask for what is used. Of a file of `CACHED_FROM` bytes or more
        these columns are kept under `output_root`, and read from there the next time.

    Returns
    -------
    pandas.DataFrame
        Indexed by track, genre, album or artist. ``set.subset`` is an ordered categorical, so that
        ``subset <= "medium"`` works; list columns hold lists, dates are ``datetime64``.

    Raises
    ------
    UserError
        If the file is missing, not FMA's, or lacks a column.
    """
    path = Path(path)
    name = path.name
    levels = {"tracks.csv": 2, "features.csv": 3}.get(name, 3 if "echonest" in name else 1)
    index_name_row = levels > 1
    keys: Sequence[Column]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header = [next(csv.reader(file)) for _ in range(levels)]
        keys = [*zip(*header, strict=True)][1:] if levels > 1 else header[0][1:]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: fetch it with python data/download.py small") from None
    except (StopIteration, ValueError, csv.Error):
        keys = []
    if not keys:
        raise UserError(f"{path} is not FMA's {name}: fetch it again")
    wanted = keys if columns is None else [tuple(c) if levels > 1 else c for c in columns]
    position: dict[Column, int] = {key: i for i, key in enumerate(keys, start=1)}
    absent = [key for key in wanted if key not in position]
    if absent:
        raise UserError(f"{path} has no column {absent[0]!r}: is it FMA's {name}?")
    positions = [position[key] for key in wanted]
    used = sorted({0, *positions})
    skipped = levels + index_name_row
    read = functools.partial(pd.read_csv, header=None, index_col=0, low_memory=False)
    try:
        if columns is not None and path.stat().st_size >= CACHED_FROM:
            table = read(_kept_cells(path, skipped, used), names=used)
        else:
            table = read(path, skiprows=skipped, usecols=used)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} has no rows: fetch it again") from None
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} does not parse ({error}): fetch it again") from None
    table = table[positions]
    table.columns = pd.MultiIndex.from_tuples(wanted) if levels > 1 else pd.Index(wanted)
    table.index.name = "track_id" if levels > 1 else header[0][0]
    return _with_types(table, name)


def _kept_cells(path: Path, skiprows: int, usecols: list[int]) -> io.BytesIO:
    """Give some columns of a large CSV as a small one, from the last time if the file is the same.

    The cells are kept as text and typed by the caller, so a table does not depend on whether its
    cells were kept. They follow their checksum; without one that is right they do not count.
    """
    state = path.stat()
    # The ctime tells of any change, also where the size and the mtime stay as they were.
    same = (path.resolve(), state.st_size, state.st_mtime_ns, state.st_ctime_ns, skiprows, usecols)
    name = hashlib.sha256(repr(same).encode()).hexdigest()[:32]
    kept = output_root() / "cache" / f"{name}.csv"
    with suppress(OSError):
        checksum, _, cells = kept.read_bytes().partition(b"\n")
        if checksum.decode(errors="replace") == hashlib.sha256(cells).hexdigest():
            return io.BytesIO(cells)
    text = pd.read_csv(
        path, header=None, skiprows=skiprows, usecols=usecols, dtype=str, keep_default_na=False
    )
    cells = text.to_csv(header=False, index=False, quoting=csv.QUOTE_ALL).encode()
    _keep(kept, hashlib.sha256(cells).hexdigest().encode() + b"\n" + cells)
    return io.BytesIO(cells)


def _keep(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all: whoever cannot write there does without it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _with_types(table: pd.DataFrame, name: str) -> pd.DataFrame:
    lists: Collection[Column]
    dates: Collection[Column]
    categorical: Collection[Column]
    if name == "tracks.csv":
        lists, dates, categorical = _LISTS, _DATES, _CATEGORICAL
    elif name.startswith("raw_"):
        lists = {"tags", "track_genres"}
        dates = {column for column in table.columns if "_date_" in column}
        categorical = set()
    else:
        return table
    typed = {}
    for column in table.columns:
        values = table[column]
        if column == ("set", "subset"):
            if not values.dropna().isin(SUBSETS[:3]).all():
                raise UserError(f"{name} has a set.subset that is none of {SUBSETS[:3]}")
            values = values.astype(_SUBSET_TYPE)
        elif column in lists:
            values = _parse_lists(values)
        elif column in dates:
            values = pd.to_datetime(values, errors="coerce", format="mixed")
        elif column in categorical:
            values = values.astype("category")
        typed[column] = values
    parsed = pd.DataFrame(typed, index=table.index)
    parsed.columns = table.columns
    return parsed


def _parse_lists(values: pd.Series) -> pd.Series:
    """Parse cells such as ``[21, 45]`` and ``['live', 'folk']``; equal cells are parsed once."""
    codes, unique = pd.factorize(values)
    parsed = [_parse_list(cell) for cell in unique]
    lists = np.empty(len(values), dtype=object)
    lists[:] = [list(parsed[code]) if code >= 0 else [] for code in codes]
    return pd.Series(lists, index=values.index, dtype=object)


def _parse_list(cell: str) -> list:
    try:
        parsed = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        parsed = None
    if not isinstance(parsed, list):
        raise UserError(f"the metadata has {cell!r:.60} where a list belongs: fetch it again")
    return parsed


def select_subset(tracks: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Keep the tracks of a subset: ``medium`` means every track with ``subset <= "medium"``.

    Parameters
    ----------
    tracks : pandas.DataFrame
        As `load` reads it, with the column ``("set", "subset")``.
    subset : str
        One of `SUBSETS`; ``full`` has the tracks of ``large``.
    """
    largest = SUBSETS[min(SUBSETS.index(subset), 2)]
    return tracks[tracks["set", "subset"] <= largest]


def map_genres(roots: pd.Series, mapping: str) -> pd.Series:
    """Replace root genres by the labels of a named mapping.

    Parameters
    ----------
    roots : pandas.Series
        Root genres, as ``("track", "genre_top")`` has them.
    mapping : str
        A key of `GENRE_MAPPINGS`.

    Returns
    -------
    pandas.Series
        Labels; missing where the mapping drops the genre or the track has none.

    Raises
    ------
    UserError
        If there is no such mapping, or a genre that is not one of `ROOT_GENRES`.
    """
    if mapping not in GENRE_MAPPINGS:
        raise UserError(f"no genre mapping {mapping!r}: choose one of {', '.join(GENRE_MAPPINGS)}")
    roots = roots.astype(object)
    unknown = set(roots.dropna()) - set(ROOT_GENRES)
    if unknown:
        raise UserError(f"{min(unknown)!r} is no root genre of the FMA: check track.genre_top")
    return roots.map(GENRE_MAPPINGS[mapping])


def get_audio_path(audio_dir: str | Path, track_id: int) -> Path:
    """Tell where a track's MP3 lies: track 2 of ``fma_medium`` is ``fma_medium/000/000002.mp3``."""
    name = f"{track_id:06d}"
    return Path(audio_dir) / name[:3] / f"{name}.mp3"


def read_audio(
    path: str | Path,
    *,
    sr: int = 22_050,
    offset: float = 0.0,
    duration: float | None = None,
    at_least: float | None = None,
) -> np.ndarray:
    """Decode audio to mono at the asked sample rate.

    Headers and tags are not believed, only samples that were decoded: FMA's durations lie.

    Parameters
    ----------
    path : path-like
        A file of any format that libsndfile reads: MP3, FLAC, OGG, WAV and others.
    sr : int > 0
        The sample rate of the result in Hz.
    offset : float >= 0
        Where to begin, in seconds.
    duration : float > 0, optional
        How much to read, in seconds; by default all that follows.
    at_least : float > 0, optional
        How much of `duration` will do, in seconds; by default all of it.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
        The mean of the channels; ``round(duration * sr)`` samples, or fewer if `at_least` allows.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioTooShort, AudioUndecodable
        All are `AudioError`, and name the file.
    """
    # Imported here: whoever only reads metadata need not load the sound libraries.
    import soundfile
    import soxr

    path = Path(path)
    with decoding(path), soundfile.SoundFile(path) as file:
        native_sr = file.samplerate
        require_sample_rate(path, native_sr)
        wanted = -1 if duration is None else round(duration * native_sr)
        samples = _decode(file, round(offset * native_sr), wanted)
    if len(samples) == 0 and offset == 0:
        raise AudioEmpty(path, "decodes to no samples")
    needed = (duration or 0) if at_least is None else at_least
    if len(samples) == 0 or len(samples) < round(needed * native_sr):
        end = offset + len(samples) / native_sr
        raise AudioTooShort(path, f"ends at {end:.2f} s, {offset + needed:.2f} s are needed")
    mono = mix_down(path, samples)
    resampled = mono if native_sr == sr else soxr.resample(mono, native_sr, sr, quality="HQ")
    if duration is not None and len(samples) == wanted:
        # Half a sample of the file's rate, lost in rounding, may be several of the result's.
        length = round(duration * sr)
        resampled = np.pad(resampled, (0, max(0, length - len(resampled))))[:length]
    return np.ascontiguousarray(resampled)


def require_sample_rate(path: Path, sr: int) -> None:
    """Refuse a file whose header tells a sample rate that no sound has.

    Raises
    ------
    AudioUndecodable
        If it is outside `SAMPLE_RATES`.
    """
    lowest, highest = SAMPLE_RATES
    if not lowest <= sr <= highest:
        raise AudioUndecodable(path, f"is damaged: its sample rate is {sr:,} Hz")


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever keeps a file from being opened or decoded into an `AudioError` that names it.

    Parameters
    ----------
    path : Path
        What is opened or decoded inside.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioUndecodable
    """
    import soundfile

    # A pipe would keep whoever opens it waiting, and a device may have no end.
    if not path.is_file():
        raise AudioMissing(path, "no such file")
    if path.stat().st_size == 0:
        raise AudioEmpty(path, "the file is empty")
    try:
        # libmpg123 writes notes about damaged files into progress bars and notebooks.
        with silenced_stderr():
            yield
    except soundfile.LibsndfileError:
        raise AudioUndecodable(path, "is no audio, or damaged beyond decoding") from None
    except TypeError:  # soundfile wants to be told the format of a file named .raw
        raise AudioUndecodable(path, "does not decode (it has no header)") from None


def mix_down(path: Path, samples: np.ndarray) -> np.ndarray:
    """Average the channels of decoded samples.

    Parameters
    ----------
    path : Path
        Where they come from, for the message.
    samples : np.ndarray [shape=(n, channels), dtype=float32]

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]

    Raises
    ------
    AudioUndecodable
        If a sample is NaN, infinite or above `LOUDEST`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        # Column by column: NumPy's mean over so short an axis takes as long as decoding an MP3.
        mono = samples[:, 0] if samples.shape[1] == 1 else sum(samples.T) / samples.shape[1]
    peak = max(mono.max(), -mono.min())
    if not np.isfinite(peak):
        raise AudioUndecodable(path, "decodes to values that are not finite")
    if peak > LOUDEST:
        raise AudioUndecodable(path, f"is damaged: it decodes to {peak:.3g} times full scale")
    return mono


def _decode(file: soundfile.SoundFile, start: int, count: int) -> np.ndarray:
    """Read up to `count` samples (-1: all) from `start` on: float32 (samples, channels)."""
    start = min(start, file.frames)
    # The first frames after a seek in an MP3 lack what they borrow from those before them.
    lead = min(start, file.samplerate // 4)
    if start:
        file.seek(start - lead)
    samples = file.read(-1 if count < 0 else lead + count, dtype="float32", always_2d=True)
    return samples[lead:]


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Keep what libraries write to the standard error from C off the terminal and notebooks.

    Python's own errors are not affected: they are exceptions, and come afterwards.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
