"""Speed of `predict` on a long file against real time, and on one clip with a loaded model.

The network is `texture` with random weights, which do not affect the time. The long file is an MP3
of clips of the data set. The share of decoding and resampling is reported.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from common.fma.audio import read_audio
from common.fma.audio_stream import AudioStream
from common.fma.genres import ROOT_GENRES
from common.plotting.players import encode_mp3
from common.quiet import import_tensorflow
from harness.command import run_benchmark
from harness.inputs import PARAMETERS, whole_clips
from harness.rows import Row, compared
from harness.timing import DifferentResults, Times, measure

if TYPE_CHECKING:
    from spectrogram_feature.inference.classifier import GenreClassifier

MINUTES = 20
CLIPS = 8
FILE_RATE = 44_100


def write_long_file(path: Path) -> float:
    """Write clips one after the other as an MP3; return its length in seconds."""
    clips = [read_audio(clip, sr=FILE_RATE) for clip in whole_clips(CLIPS)]
    part = np.repeat(np.concatenate(clips)[:, None], 2, axis=1)
    repeats = round(MINUTES * 60 * FILE_RATE / len(part))
    path.write_bytes(encode_mp3(part, FILE_RATE) * repeats)  # MP3 files can be concatenated
    return repeats * len(part) / FILE_RATE


def make_classifier() -> GenreClassifier:
    """Make a classifier with random weights."""
    import keras

    from common.training.model_files import ModelCard
    from spectrogram_feature.features.kinds import CONSTANT_Q
    from spectrogram_feature.inference.classifier import GenreClassifier
    from spectrogram_feature.inference.keras_model import KerasModel
    from spectrogram_feature.models import texture

    keras.utils.set_random_seed(0)
    genres = tuple(ROOT_GENRES)
    card = ModelCard("texture", CONSTANT_Q, PARAMETERS.to_dict(), genres, data_set={}, training={})
    return GenreClassifier(KerasModel(texture(PARAMETERS.shape, len(genres)), card))


def measure_rows(rounds: int) -> Iterator[Row]:
    """Measure a long file and a clip."""
    import_tensorflow()
    threadpool_limits(1, user_api="blas")  # as the command does
    classifier, clip = make_classifier(), whole_clips(1)[0]
    with tempfile.TemporaryDirectory(prefix="prediction-") as folder:
        path = Path(folder, "long.mp3")
        seconds = write_long_file(path)
        predicted = classifier.predict(path).seconds
        if abs(predicted - seconds) > 1:
            raise DifferentResults(f"predict reads {predicted:.1f} s of {seconds:.1f} s")
        sides = {
            "predict": lambda: classifier.predict(path),
            "decoding and resampling": lambda: [None for _ in AudioStream(path)],
        }
        times = measure(sides, rounds=rounds, units=seconds)
    times = Times(times.seconds | {"real time": [1.0] * rounds})
    what, name = f"an MP3 of {seconds / 60:.0f} minutes, texture", "predict on a long file"
    row = functools.partial(compared, what=what, times=times, side="predict", unit="s/s")
    yield row(name, peer="real time")
    peer = "decoding and resampling"
    yield row(f"{name}, share of {peer}", peer=peer, is_share=True)
    latency = measure({"predict": lambda: classifier.predict(clip)}, rounds=rounds, seconds=0.5)
    yield Row(
        name="predict on one clip, once loaded",
        what="an MP3 of 30 s, texture",
        ours=1000 * latency.seconds_of("predict"),
        unit="ms",
        rounds=rounds,
    )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
