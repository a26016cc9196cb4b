"""Segments of sound that comes in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a recording that a model is given.

    Attributes
    ----------
    start : int
        The sample at which it begins.
    fresh : int
        How many samples of the recording it is the first to hold.
    samples : np.ndarray [shape=(length,), dtype=float32]
    """

    start: int
    fresh: int
    samples: np.ndarray


def cut_stream(blocks: Iterable[np.ndarray], length: int) -> Iterator[Segment]:
    """Cut sound that comes in blocks into segments that hold all of it.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(samples,), dtype=float32]
    length : int > 0
        Of a segment, in samples.

    Yields
    ------
    Segment
        One after the other; where they do not come out even, the last one ends with the sound and
        overlaps the one before. Sound that is shorter than a segment fills one by going backwards
        and forwards. (Silence would be heard as a part of the music, and what is repeated at once
        as a rhythm: 3 s of real music, mirrored, are recognised as well as 10 s, while a network on
        modulation spectra is right half as often where silence follows them.)
    """
    start, segment, rest = 0, None, np.empty(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= length:
            segment, rest = rest[:length], rest[length:]
            yield Segment(start, length, segment)
            start += length
    if len(rest) and segment is not None:
        samples = np.concatenate([segment[len(rest) :], rest])
        yield Segment(start + len(rest) - length, len(rest), samples)
    elif len(rest):
        yield Segment(0, len(rest), np.pad(rest, (0, length - len(rest)), mode="symmetric"))
