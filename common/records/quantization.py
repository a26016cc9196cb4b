"""The scale on which levels are stored: a byte from 0 to 255 for shares from 0 to 1."""

from __future__ import annotations

import numpy as np

FULL_SCALE = 255
"""The stored value of the highest level."""


def as_bytes(share: np.ndarray) -> np.ndarray:
    """Store shares from 0 to 1, rounded.

    Parameters
    ----------
    share : np.ndarray [floating-point]

    Returns
    -------
    np.ndarray [same shape, dtype=uint8]
    """
    return np.rint(FULL_SCALE * share).astype(np.uint8)


def as_float(stored: np.ndarray) -> np.ndarray:
    """Restore shares from 0 to 1.

    Parameters
    ----------
    stored : np.ndarray [dtype=uint8]

    Returns
    -------
    np.ndarray [same shape, dtype=float32]
    """
    return np.asarray(stored, np.float32) / np.float32(FULL_SCALE)
