"""Timing sides against each other: in turns, in one process, after their results are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class DifferentResults(Exception):
    """Sides that do not compute the same, so that their times do not compare."""


@dataclass(frozen=True)
class Times:
    """What was measured of each side in each round.

    Attributes
    ----------
    seconds : dict of str to list of float
        Side → seconds for a unit of work, a number a round; rounds at one place belong together.
    """

    seconds: dict[str, list[float]]

    def seconds_of(self, side: str) -> float:
        """Return the median of a side, in seconds for a unit of work."""
        return statistics.median(self.seconds[side])

    def rate_of(self, side: str) -> float:
        """Return the median of a side, in units of work a second."""
        return statistics.median(1 / seconds for seconds in self.seconds[side])

    def ratios(self, side: str, peer: str) -> list[float]:
        """Return how many times as fast as a peer a side is in each round."""
        return [b / a for a, b in zip(self.seconds[side], self.seconds[peer], strict=True)]


def measure(
    sides: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    units: float = 1,
    seconds: float = 0.0,
    warm_up: bool = True,
) -> Times:
    """Run all sides in turns, so that what disturbs one disturbs the others too.

    Every other round goes backwards: what a side leaves behind, such as a warm processor, then
    meets both of its neighbours.

    Parameters
    ----------
    sides : mapping of str to callable
    rounds : int > 0
    units : number > 0
        Units of work in a call.
    seconds : float
        How long a turn lasts at least: a side that is done sooner is called again.
    warm_up : bool
        Whether each side runs once before, for what is loaded, compiled or cached.

    Returns
    -------
    Times
    """
    if warm_up:
        for side in sides.values():
            side()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds):
        for name in list(sides)[:: -1 if round_ % 2 else 1]:
            taken[name].append(_turn(sides[name], seconds) / units)
    return Times(taken)


def on_each(function: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], None]:
    """Make a side that calls a function with each of some items."""

    def side() -> None:
        for item in items:
            function(item)

    return side


def _turn(side: Callable[[], object], seconds: float) -> float:
    """Return the seconds that a call takes."""
    calls, started = 0, time.perf_counter()
    while True:
        side()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return elapsed / calls


def require_equal(
    ours: np.ndarray, peer: np.ndarray, tolerance: float, unit: str, share: float = 1.0
) -> str:
    """See that two sides compute the same before they are timed.

    Parameters
    ----------
    ours, peer : np.ndarray
        Of the same shape.
    tolerance : float
        How far apart two values may be.
    unit : str
        Of the values.
    share : float
        How many of the values must be that close; what is stored in few bits, or lies far below
        the maximum, may differ more here and there.

    Returns
    -------
    str
        What was found, for the table.

    Raises
    ------
    DifferentResults
        If the shapes differ, a value is NaN, or too few values are close.
    """
    if ours.shape != peer.shape:
        raise DifferentResults(f"ours gives {ours.shape}, the peer {peer.shape}")
    difference = np.abs(np.asarray(ours, np.float64) - peer)
    close = np.mean(difference <= tolerance)  # a NaN is close to nothing
    if close < share:
        raise DifferentResults(
            f"{close:.2%} of the values are within {tolerance:g} {unit}, {share:.2%} should be; "
            f"the largest difference is {difference.max():.3g}"
        )
    how_many = "all" if share == 1 else f"{100 * share:g} % of the"
    return f"{how_many} values within {tolerance:g} {unit}" if tolerance else "all values equal"
