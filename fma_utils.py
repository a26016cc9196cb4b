"""The FMA in one import: data set, metadata, splits, genres and audio.

The layout is that of https://github.com/mdeff/fma (Defferrard, Benzi, Vandergheynst and Bresson,
"FMA: A Dataset for Music Analysis", ISMIR 2017): ``root/fma_metadata/tracks.csv`` and
``root/fma_<subset>/000/000002.mp3``.

Notebooks import these names from here; `common.fma` defines them. The import loads neither the
sound libraries nor TensorFlow.
"""

from common.errors import (
    AudioEmpty,
    AudioError,
    AudioMissing,
    AudioSilent,
    AudioTooShort,
    AudioUndecodable,
    FileError,
    UserError,
)
from common.fma.audio import read_audio
from common.fma.dataset import DEMO_MARKER, Dataset, find_dataset, get_audio_path
from common.fma.genres import GENRE_MAPPINGS, ROOT_GENRES, map_genres
from common.fma.metadata import SPLITS, SUBSETS, load, select_subset
from common.paths import PROJECT_ROOT, display_path, output_root

__all__ = [
    "DEMO_MARKER",
    "GENRE_MAPPINGS",
    "PROJECT_ROOT",
    "ROOT_GENRES",
    "SPLITS",
    "SUBSETS",
    "AudioEmpty",
    "AudioError",
    "AudioMissing",
    "AudioSilent",
    "AudioTooShort",
    "AudioUndecodable",
    "Dataset",
    "FileError",
    "UserError",
    "display_path",
    "find_dataset",
    "get_audio_path",
    "load",
    "map_genres",
    "output_root",
    "read_audio",
    "select_subset",
]
