"""Drums for the synthetic music.

As all ways to make sound they are functions ``(hz, seconds, rng) -> samples``, with a tuning factor
in place of the frequency, 1 being a drum's usual pitch.
"""

from __future__ import annotations

import numpy as np

from data.demo.synthesis import band_noise, bell, times


def drum(
    tuning: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    hz: float = 0.0,
    bend: float = 0.0,
    decay: float = 0.15,
    noise: float = 0.0,
    band: tuple[float, float] = (1000.0, 8000.0),
    noise_decay: float = 0.1,
    attack: float = 0.001,
    strokes: int = 1,
) -> np.ndarray:
    """Strike a drum: a skin whose pitch falls, and noise for wires, metal or hands.

    Parameters
    ----------
    tuning : float > 0
        Factor on all frequencies.
    seconds : float > 0
        Ignored: a drum rings as long as it rings.
    rng : np.random.Generator
    hz, bend, decay : float
        The skin's final pitch (0: no skin), how much higher it begins, its time constant.
    noise, band, noise_decay : float, (float, float), float
        Gain, frequencies and time constant of the noise.
    attack : float
        Seconds to rise.
    strokes : int
        A clap is several strokes in a row.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    length = attack + 6 * max(decay if hz else 0.0, noise_decay if noise else 0.0)
    t = times(length)
    sound = np.zeros_like(t)
    if hz:
        sweep = np.float32(bend * 0.03) * (1 - np.exp(-t / np.float32(0.03)))
        cycles = np.float32(hz * tuning) * (t + sweep)
        sound += 1.6 * np.sin(np.float32(2 * np.pi) * cycles) * np.exp(-t / np.float32(decay))
    if noise:
        low, high = band[0] * tuning, min(band[1] * tuning, 20_000.0)
        wires = np.zeros_like(t)
        for start in 0.011 * np.arange(strokes):
            late = t - np.float32(start)
            wires[late >= 0] += np.exp(-late[late >= 0] / np.float32(noise_decay))
        sound += np.float32(noise) * wires * band_noise(length, rng, low, high)[: len(t)]
    return sound * np.minimum(t / np.float32(attack), 1)


def ride(tuning: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Strike a ride cymbal with a stick; parameters and result as `drum` has them."""
    metal, gains = (1, 1.34, 1.79, 2.41, 3.07), (0.5, 0.5, 0.4, 0.4, 0.3)
    sound = 0.25 * bell(3100 * tuning, 0.5, rng, ratios=metal, gains=gains, decay=0.5)
    stick = drum(tuning, seconds, rng, noise=0.2, band=(5000, 12_000), noise_decay=0.1)
    sound[: len(stick)] += stick[: len(sound)]
    return sound
