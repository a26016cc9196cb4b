"""Quantization of levels from 0 to 1 to bytes from 0 to 255."""

from __future__ import annotations

import numpy as np

FULL_SCALE = 255  # byte of the level 1


def quantize(share: np.ndarray) -> np.ndarray:
    """Quantize values from 0 to 1 to uint8, rounded to the nearest."""
    return np.rint(FULL_SCALE * share).astype(np.uint8)


def dequantize(stored: np.ndarray) -> np.ndarray:
    """Dequantize uint8 to float32 values from 0 to 1."""
    return np.asarray(stored, np.float32) / np.float32(FULL_SCALE)
