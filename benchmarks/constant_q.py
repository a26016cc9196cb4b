"""The Constant-Q transform: ours against librosa's and nnAudio's, one thread each.

One segment of 10 s and a batch of 16 are transformed from samples to magnitudes. Levels are
compared first, down to 60 dB below each segment's maximum; ours agrees with librosa's at sparsity=0
to 0.2 dB. librosa is timed at its default sparsity of 0.01, which is faster. nnAudio (PyTorch) is
timed as CQT1992v2, since CQT2010v2 rejects a hop of 460 samples; ``make bench`` installs it.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from harness.command import run_benchmark
from harness.inputs import PARAMETERS, segments
from harness.rows import Row, compared
from harness.timing import measure, require_equal
from spectrogram_feature.constant_q import ConstantQ

BATCH = 16
LOWEST = -60.0  # dB

SETTINGS = {
    "sr": PARAMETERS.sample_rate,
    "hop_length": PARAMETERS.hop_length,
    "fmin": PARAMETERS.fmin,
    "n_bins": PARAMETERS.n_bins,
}


def librosa_magnitude(samples: np.ndarray, sparsity: float = 0.01) -> np.ndarray:
    """Compute magnitudes (..., frames, bins) with librosa."""
    import librosa

    return np.abs(librosa.cqt(samples, **SETTINGS, sparsity=sparsity)).swapaxes(-1, -2)


def nnaudio_magnitude() -> Callable[[np.ndarray], np.ndarray]:
    """Make nnAudio's transform, whose kernels are computed once."""
    import torch
    from nnAudio.features.cqt import CQT1992v2

    torch.set_num_threads(1)
    layer = CQT1992v2(**SETTINGS, pad_mode="constant", verbose=False)

    @torch.inference_mode()
    def magnitude(samples: np.ndarray) -> np.ndarray:
        response = layer(torch.from_numpy(np.atleast_2d(samples)), normalization_type="librosa")
        levels = response.numpy().swapaxes(-1, -2)
        return levels.reshape(*samples.shape[:-1], *levels.shape[1:])

    return magnitude


def decibels(magnitude: np.ndarray) -> np.ndarray:
    """Return levels relative to each segment's maximum, at least `LOWEST`."""
    relative = magnitude / magnitude.max(axis=(-2, -1), keepdims=True)
    return 20 * np.log10(np.maximum(relative, 10 ** (LOWEST / 20)))


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare on one segment and on a batch."""
    threadpool_limits(1)
    ours, batch = ConstantQ(PARAMETERS).magnitude, segments(BATCH)
    levels = decibels(ours(batch))
    require_equal(levels, decibels(librosa_magnitude(batch, sparsity=0)), 0.2, "dB")
    peers: dict[str, Callable[[np.ndarray], np.ndarray]] = {"librosa": librosa_magnitude}
    if importlib.util.find_spec("nnAudio") and importlib.util.find_spec("torch"):
        peers["nnAudio"] = nnaudio_magnitude()
    else:
        print("nnAudio is not installed: make bench installs it")
    equal = {
        name: require_equal(levels, decibels(peer(batch)), 2, "dB", 0.95)
        for name, peer in peers.items()
    }
    targets = {"librosa": 8.0, "nnAudio": 1.0}
    inputs = {"one segment": (batch[0], 1), f"a batch of {BATCH}": (batch, BATCH)}
    for what, (samples, units) in inputs.items():
        sides = {name: functools.partial(side, samples) for name, side in peers.items()}
        sides["ours"] = functools.partial(ours, samples)
        times = measure(sides, rounds=rounds, units=units, seconds=0.2)
        work = f"magnitudes of 10 s at 22,050 Hz, hop 460, 84 bins, {what}, one thread"
        for name in peers:
            title, target = f"Constant-Q of {what}, against {name}", (">=", targets[name])
            details = {"equal": equal[name], "target": target}
            yield compared(title, work, times, "ours", name, unit="ms", **details)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, rounds=9)
