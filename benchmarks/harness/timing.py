"""Time several implementations (sides) in turns in one process."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class DifferentResults(Exception):
    """Two sides compute different results, so a comparison of times is invalid."""


@dataclass(frozen=True)
class Times:
    """Seconds per unit of work of each side, one number per round."""

    seconds: dict[str, list[float]]

    def seconds_of(self, side: str) -> float:
        """Return the median of a side, in seconds per unit of work."""
        return statistics.median(self.seconds[side])

    def rate_of(self, side: str) -> float:
        """Return the median of a side, in units of work per second."""
        return statistics.median(1 / seconds for seconds in self.seconds[side])

    def ratios(self, side: str, peer: str) -> list[float]:
        """Return the speed of a side relative to a peer in each round."""
        return [b / a for a, b in zip(self.seconds[side], self.seconds[peer], strict=True)]


def measure(
    sides: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    units: float = 1,
    seconds: float = 0.0,
    warm_up: bool = True,
) -> Times:
    """Run all sides in turns, so that disturbances affect all of them.

    The order of the sides is reversed in every other round.

    Parameters
    ----------
    units : float
        Units of work per call.
    seconds : float
        Minimum duration of a turn, in which faster sides are called repeatedly.
    warm_up : bool
        Run each side once before timing, to compile and to fill caches.
    """
    if warm_up:
        for side in sides.values():
            side()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds):
        for name in list(sides)[:: -1 if round_ % 2 else 1]:
            taken[name].append(_turn(sides[name], seconds) / units)
    return Times(taken)


def _turn(side: Callable[[], object], seconds: float) -> float:
    """Call a side for at least `seconds`; return the seconds per call."""
    calls, started = 0, time.perf_counter()
    while True:
        side()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return elapsed / calls


def on_each(function: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], object]:
    """Make a side that calls a function with each item."""
    return lambda: collections.deque(map(function, items), maxlen=0)


def require_equal(
    ours: np.ndarray, peer: np.ndarray, tolerance: float, unit: str, share: float = 1.0
) -> str:
    """Raise `DifferentResults` unless a `share` of the values differs by at most `tolerance`.

    The share is below 1 for values that are quantized or far below the maximum. NaN is not equal to
    anything. Returns a description in the `unit` of the values.
    """
    if ours.shape != peer.shape:
        raise DifferentResults(f"ours gives {ours.shape}, the peer {peer.shape}")
    difference = np.abs(np.asarray(ours, np.float64) - peer)
    equal = np.mean(difference <= tolerance)
    if equal < share:
        raise DifferentResults(
            f"{equal:.2%} of the values are within {tolerance:g} {unit}, {share:.2%} should be; "
            f"the largest difference is {difference.max():.3g}"
        )
    how_many = "all" if share == 1 else f"{100 * share:g} % of the"
    return f"{how_many} values within {tolerance:g} {unit}" if tolerance else "all values equal"
