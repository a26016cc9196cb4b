"""How fast `predict` is: against real time on a long file, and on one clip once it has loaded.

The network is `texture`, untrained: what it says does not change how long it takes. The long file
is clips of the data set one after the other, as MP3. The last row is the floor: which share of the
time goes into decoding and resampling it block by block.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from command import run_benchmark
from inputs import PARAMETERS, whole_clips
from rows import Row, compared
from threadpoolctl import threadpool_limits
from timing import DifferentResults, Times, measure

from common.fma.audio import read_audio
from common.fma.audio_stream import stream_audio
from common.fma.genres import ROOT_GENRES
from common.plotting.mp3 import encode_mp3
from common.quiet import import_tensorflow

if TYPE_CHECKING:
    from spectrogram_feature.inference.classifier import GenreClassifier

MINUTES = 20
CLIPS = 8
FILE_RATE = 44_100


def write_long_file(path: Path) -> float:
    """Write clips one after the other as MP3; return the seconds."""
    channels = []
    for clip in whole_clips(CLIPS):
        samples = read_audio(clip, sr=FILE_RATE)
        channels.append(np.stack([samples, samples], axis=1))
    part = np.concatenate(channels)
    repeats = round(MINUTES * 60 * FILE_RATE / len(part))
    # An MP3 is a row of frames: files one behind the other are a file.
    path.write_bytes(encode_mp3(part, FILE_RATE) * repeats)
    return repeats * len(part) / FILE_RATE


def make_classifier() -> GenreClassifier:
    """Make what `predict` loads, with a network that has learnt nothing."""
    import keras

    from common.training.model_files import ModelCard
    from spectrogram_feature.features.kinds import CONSTANT_Q
    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.models import texture

    keras.utils.set_random_seed(0)
    genres = ROOT_GENRES
    card = ModelCard(
        name="texture",
        kind=CONSTANT_Q,
        parameters=PARAMETERS.to_dict(),
        genres=tuple(genres),
        data_set={},
        training={},
    )
    return GenreClassifier(texture(PARAMETERS.shape, len(genres)), card)


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure a long file and a clip."""
    import_tensorflow()
    threadpool_limits(1, user_api="blas")  # as the command does
    classifier = make_classifier()
    clip = whole_clips(1)[0]
    with tempfile.TemporaryDirectory(prefix="prediction-") as folder:
        path = Path(folder, "long.mp3")
        seconds = write_long_file(path)
        heard = classifier.predict(path).seconds
        if abs(heard - seconds) > 1:
            raise DifferentResults(f"predict hears {heard:.1f} s of {seconds:.1f} s")
        times = measure(
            {
                "predict": lambda: classifier.predict(path),
                "decoding and resampling": lambda: [None for _ in stream_audio(path)],
            },
            rounds=arguments.rounds,
            units=seconds,
        )
    what = f"an MP3 of {seconds / 60:.0f} minutes, texture"
    real_time = Times(times.seconds | {"real time": [1.0] * arguments.rounds})
    yield compared(
        "predict on a long file",
        what,
        real_time,
        "predict",
        "real time",
        unit="s/s",
        is_headline=True,
    )
    yield compared(
        "predict on a long file, share of decoding and resampling",
        what,
        times,
        "predict",
        "decoding and resampling",
        unit="s/s",
        is_share=True,
    )
    latency = measure(
        {"predict": lambda: classifier.predict(clip)}, rounds=arguments.rounds, seconds=0.5
    )
    yield Row(
        name="predict on one clip, once loaded",
        what="an MP3 of 30 s, texture",
        ours=1000 * latency.seconds_of("predict"),
        unit="ms",
        rounds=arguments.rounds,
    )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
