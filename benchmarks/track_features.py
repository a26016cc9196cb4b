"""From the MP3 of a track to the features of its three segments, on one thread.

Ours decodes once. The plain way is ``librosa.load(offset, duration)`` and ``librosa.cqt`` for each
segment; the second peer loads the track once with librosa and cuts it. Then the floor: which share
of our time goes into decoding and resampling, which any way has to do, and into decoding alone.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile
from command import run_benchmark
from constant_q import librosa_magnitude
from inputs import PARAMETERS, whole_clips
from rows import Row, compared
from threadpoolctl import threadpool_limits
from timing import measure, on_each, require_equal

from common.fma.audio import read_audio
from common.records.quantization import as_float
from spectrogram_feature.features.kinds import transform_of
from spectrogram_feature.generate_records import cut_segments

TRACKS = 8
SEGMENTS = 3
SECONDS = PARAMETERS.segment_seconds


def decode(path: Path) -> np.ndarray:
    """Decode a track to mono at the rate of the features, as extraction does."""
    return read_audio(path, sr=PARAMETERS.sample_rate, duration=SEGMENTS * SECONDS, at_least=0)


def our_features(path: Path) -> np.ndarray:
    """Compute what extraction stores of a track: uint8 (3, 480, 84)."""
    return transform_of(PARAMETERS).features(cut_segments(decode(path), SEGMENTS, PARAMETERS))


def plain_levels(samples: np.ndarray) -> np.ndarray:
    """Compute features 0…1 (..., 480, 84) as librosa's documentation shows it."""
    samples = librosa.util.fix_length(samples, size=PARAMETERS.segment_samples)
    magnitude = librosa_magnitude(samples)
    loudest = magnitude.max(axis=(-2, -1), keepdims=True)
    decibels = librosa.amplitude_to_db(magnitude / loudest, ref=1.0, top_db=None)
    return np.maximum(decibels / PARAMETERS.dynamic_range + 1, 0)


def load_segment(path: Path, segment: int) -> np.ndarray:
    """Decode one segment, or what there is of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, _ = librosa.load(
            path, sr=PARAMETERS.sample_rate, offset=segment * SECONDS, duration=SECONDS
        )
    return samples


def plain_features(path: Path) -> np.ndarray:
    """Load and transform each segment by itself."""
    return np.stack([plain_levels(load_segment(path, segment)) for segment in range(SEGMENTS)])


def loaded_once(path: Path) -> np.ndarray:
    """Load the track with librosa once, and cut it."""
    samples, _ = librosa.load(path, sr=PARAMETERS.sample_rate)
    return plain_levels(cut_segments(samples, SEGMENTS, PARAMETERS))


def decode_alone(path: Path) -> np.ndarray:
    """Decode a track and do nothing with it."""
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return samples


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare on whole tracks."""
    threadpool_limits(1)
    paths = whole_clips(TRACKS)
    peers = {
        "librosa.load + librosa.cqt a segment": plain_features,
        "librosa.load once + librosa.cqt": loaded_once,
    }
    decibels = PARAMETERS.dynamic_range * as_float(our_features(paths[0]))
    equal = {
        name: require_equal(decibels, PARAMETERS.dynamic_range * peer(paths[0]), 1, "dB", 0.9)
        for name, peer in peers.items()
    }
    floor = {"decoding and resampling": decode, "decoding alone": decode_alone}
    times = measure(
        {
            name: on_each(side, paths)
            for name, side in ({"ours": our_features} | peers | floor).items()
        },
        rounds=arguments.rounds,
        units=len(paths),
    )
    what = f"{len(paths)} tracks of 30 s, three segments each, one thread"
    for name in peers:
        yield compared(
            f"MP3 to features, against {'one load' if 'once' in name else 'a load a segment'}",
            what,
            times,
            "ours",
            name,
            unit="ms",
            equal=equal[name],
            target=None if "once" in name else (">=", 3.0),
        )
    for name, target in (("decoding and resampling", (">=", 0.6)), ("decoding alone", None)):
        yield compared(
            f"MP3 to features, share of {name}",
            what,
            times,
            "ours",
            name,
            unit="ms",
            is_share=True,
            target=target,
        )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
