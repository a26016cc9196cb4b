"""The Constant-Q transform: ours against librosa's and nnAudio's, one thread each.

Compared before, down to 60 dB below each segment's maximum: ours is librosa's with all of its
filters (sparsity=0) to 0.2 dB; what is timed differs more, by what it leaves out.

One segment of 10 s and a batch of 16, from samples to magnitudes. librosa is timed at its default,
which leaves out the weakest hundredth of its filters (sparsity=0.01) and is faster for it; nnAudio
(on PyTorch) as CQT1992v2, since its CQT2010v2 refuses a hop of 460 samples. Without nnAudio its
rows are left out; ``make bench`` installs it.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
from collections.abc import Callable, Iterator

import librosa
import numpy as np
from command import run_benchmark
from inputs import PARAMETERS, segments
from rows import Row, compared
from threadpoolctl import threadpool_limits
from timing import measure, require_equal

from spectrogram_feature.constant_q import ConstantQ

BATCH = 16

LOWEST = -60.0  # dB


def librosa_magnitude(samples: np.ndarray, sparsity: float = 0.01) -> np.ndarray:
    """Compute magnitudes (..., frames, bins) with librosa, a batch at once."""
    response = librosa.cqt(
        samples,
        sr=PARAMETERS.sample_rate,
        hop_length=PARAMETERS.hop_length,
        fmin=PARAMETERS.fmin,
        n_bins=PARAMETERS.n_bins,
        sparsity=sparsity,
    )
    return np.abs(response).swapaxes(-1, -2)


def nnaudio_magnitude() -> Callable[[np.ndarray], np.ndarray]:
    """Make nnAudio's transform; it keeps its kernels as ours does."""
    import torch
    from nnAudio.features.cqt import CQT1992v2

    torch.set_num_threads(1)
    layer = CQT1992v2(
        sr=PARAMETERS.sample_rate,
        hop_length=PARAMETERS.hop_length,
        fmin=PARAMETERS.fmin,
        n_bins=PARAMETERS.n_bins,
        bins_per_octave=PARAMETERS.bins_per_octave,
        pad_mode="constant",
        verbose=False,
    )

    @torch.inference_mode()
    def magnitude(samples: np.ndarray) -> np.ndarray:
        response = layer(torch.from_numpy(np.atleast_2d(samples)), normalization_type="librosa")
        return (
            response.numpy().swapaxes(-1, -2).reshape(*samples.shape[:-1], *response.shape[:0:-1])
        )

    return magnitude


def decibels(magnitude: np.ndarray) -> np.ndarray:
    """Give levels below each segment's maximum, as far down as ours promises to be librosa's."""
    relative = magnitude / magnitude.max(axis=(-2, -1), keepdims=True)
    return 20 * np.log10(np.maximum(relative, 10 ** (LOWEST / 20)))


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare on one segment and on a batch."""
    threadpool_limits(1)
    ours, batch = ConstantQ(PARAMETERS).magnitude, segments(BATCH)
    levels = decibels(ours(batch))
    require_equal(levels, decibels(librosa_magnitude(batch, sparsity=0)), 0.2, "dB")
    equal = {"librosa": require_equal(levels, decibels(librosa_magnitude(batch)), 2, "dB", 0.95)}
    peers: dict[str, Callable[[np.ndarray], np.ndarray]] = {"librosa": librosa_magnitude}
    if importlib.util.find_spec("nnAudio") and importlib.util.find_spec("torch"):
        peers["nnAudio"] = nnaudio_magnitude()
        equal["nnAudio"] = require_equal(levels, decibels(peers["nnAudio"](batch)), 2, "dB", 0.95)
    else:
        print("nnAudio is not installed: make bench installs it")
    for what, samples, units in (
        ("one segment", batch[0], 1),
        (f"a batch of {BATCH}", batch, BATCH),
    ):
        sides = {
            name: functools.partial(side, samples) for name, side in {"ours": ours, **peers}.items()
        }
        times = measure(sides, rounds=arguments.rounds, units=units, seconds=0.2)
        for name in peers:
            yield compared(
                f"Constant-Q of {what}, against {name}",
                f"magnitudes of 10 s at 22,050 Hz, hop 460, 84 bins, {what}, one thread",
                times,
                "ours",
                name,
                unit="ms",
                equal=equal[name],
                target=(">=", 8.0 if name == "librosa" else 1.0),
            )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, rounds=9)
