"""Decoders of MP3: what is used, libsndfile with mpg123 inside, against well-kept packages.

From the file of a track of 30 s to mono at 22,050 Hz, on one thread; the mean of the channels and
soxr's resampling are the same for all. miniaudio can also mix and resample by itself, worse. What
is not installed is left out; ``make bench`` installs it.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
import soxr
from command import run_benchmark
from inputs import PARAMETERS, whole_clips
from rows import Row, compared
from threadpoolctl import threadpool_limits
from timing import measure, on_each, require_equal

RATE = PARAMETERS.sample_rate

# mpg123 leaves out the encoder's delay where the file tells it, the others may not; 2.5 frames.
MOST_LAG = 2880 * RATE // 44_100


def to_mono(channels: np.ndarray, rate: int) -> np.ndarray:
    """Mix and resample (channels, samples)."""
    return soxr.resample(sum(channels) / len(channels), rate, RATE, quality="HQ")


def with_soundfile(path: Path) -> np.ndarray:
    """Decode with libsndfile."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return to_mono(samples.T, rate)


def with_av(path: Path) -> np.ndarray:
    """Decode with FFmpeg's libraries."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        return to_mono(np.concatenate(frames, axis=1), stream.rate)


def with_miniaudio(path: Path) -> np.ndarray:
    """Decode with dr_mp3."""
    import miniaudio

    decoded = miniaudio.mp3_read_file_f32(str(path))
    samples = np.frombuffer(decoded.samples, np.float32).reshape(-1, decoded.nchannels)
    return to_mono(samples.T, decoded.sample_rate)


def with_miniaudio_alone(path: Path) -> np.ndarray:
    """Decode with dr_mp3, and mix and resample linearly with miniaudio."""
    import miniaudio

    decoded = miniaudio.decode_file(str(path), miniaudio.SampleFormat.FLOAT32, 1, RATE)
    return np.frombuffer(decoded.samples, np.float32)


PEERS: dict[str, tuple[str, Callable[[Path], np.ndarray]]] = {
    "PyAV": ("av", with_av),
    "miniaudio": ("miniaudio", with_miniaudio),
    "miniaudio, its own resampling": ("miniaudio", with_miniaudio_alone),
}


def aligned(ours: np.ndarray, peer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut two decodings of one track to what both hold, sample beside sample."""
    length = min(len(ours), len(peer))
    lags = scipy.signal.correlation_lags(length, length)
    match = scipy.signal.correlate(ours[:length], peer[:length], method="fft")
    near = np.abs(lags) <= MOST_LAG
    lag = int(lags[near][match[near].argmax()])
    ours, peer = ours[max(lag, 0) :], peer[max(-lag, 0) :]
    length = min(len(ours), len(peer))
    return ours[:length], peer[:length]


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare on whole tracks."""
    threadpool_limits(1)
    paths = whole_clips(8)
    sides: dict[str, Callable[[Path], np.ndarray]] = {"libsndfile": with_soundfile}
    equal: dict[str, str] = {}
    for name, (package, decode) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: make bench installs it")
            continue
        sides[name] = decode
        # Half a sample of delay, or a linear resampler, shows in high frequencies.
        tolerance = 0.2 if decode is with_miniaudio_alone else 0.01
        ours, peer = aligned(with_soundfile(paths[0]), decode(paths[0]))
        equal[name] = require_equal(ours, peer, tolerance, "of full scale", 0.95)
    times = measure(
        {name: on_each(decode, paths) for name, decode in sides.items()},
        rounds=arguments.rounds,
        units=len(paths),
    )
    for name in equal:
        yield compared(
            f"Decoding of an MP3, against {name}",
            f"{len(paths)} tracks of 30 s to mono at 22,050 Hz, one thread",
            times,
            "libsndfile",
            name,
            unit="ms",
            equal=equal[name],
            is_headline=False,
        )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
