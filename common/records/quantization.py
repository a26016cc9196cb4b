"""Quantization of levels: a byte from 0 to 255 for values from 0 to 1."""

from __future__ import annotations

import numpy as np

FULL_SCALE = 255
"""The stored value of the highest level."""


def as_bytes(share: np.ndarray) -> np.ndarray:
    """Quantize values from 0 to 1 to uint8, rounding to the nearest."""
    return np.rint(FULL_SCALE * share).astype(np.uint8)


def as_float(stored: np.ndarray) -> np.ndarray:
    """Dequantize uint8 to float32 values from 0 to 1."""
    return np.asarray(stored, np.float32) / np.float32(FULL_SCALE)
