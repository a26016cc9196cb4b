"""Sound for the synthetic music: tones, plucked strings, bells, speech and noise.

Each way to make sound is a function ``(hz, seconds, rng) -> samples`` at `SR`. `demo_instruments`
makes instruments of them and of the drums in `demo_drums`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import signal

SR = 44_100
"""The sample rate of all synthesis, in Hz."""

VOWELS = (
    (750.0, 1150.0, 2600.0),
    (500.0, 1750.0, 2500.0),
    (300.0, 2200.0, 2900.0),
    (450.0, 850.0, 2500.0),
    (330.0, 760.0, 2300.0),
)
"""The first three resonances of the vocal tract for a, e, i, o and u, in Hz."""

_TABLE = 16_384  # one period; read without interpolation it is clean to about -84 dB


def times(seconds: float) -> np.ndarray:
    """Give the time of each sample of some seconds, in s."""
    return np.arange(max(round(seconds * SR), 1), dtype=np.float32) / np.float32(SR)


def _envelope(seconds: float, attack: float, decay: float, release: float) -> np.ndarray:
    """Rise linearly, decay exponentially, and fade out after the note's end."""
    total = seconds + release
    t = times(total)
    gate = np.minimum(t / np.float32(attack), (np.float32(total) - t) / np.float32(release))
    return np.minimum(gate, 1) * np.exp(-t / np.float32(decay))


def _wavetable(amplitudes: np.ndarray) -> np.ndarray:
    """Sum the harmonics of one period, in the scattered phases that keep its peaks low."""
    k = np.arange(1, len(amplitudes) + 1)
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=complex)
    spectrum[k] = amplitudes * np.exp(2.4j * k**2)
    period = np.fft.irfft(spectrum)
    return (period / np.sqrt(np.mean(period**2) + 1e-20)).astype(np.float32)


def _harmonics(hz: float, tilt: float, even: float, formants: Sequence[float]) -> np.ndarray:
    """Give the harmonics below 16 kHz amplitudes: a slope, weaker even ones, resonances."""
    k = np.arange(1, max(int(16_000 / hz), 1) + 1)
    amplitudes = k**-tilt * np.where(k % 2 == 0, even, 1.0)
    if formants:
        distance = (k[:, None] * hz - np.asarray(formants)) / (60 + 0.06 * np.asarray(formants))
        amplitudes = amplitudes * (0.03 + (1 / (1 + distance**2)).sum(axis=1))
    return amplitudes


def band_noise(seconds: float, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Make noise between two frequencies.

    Parameters
    ----------
    seconds : float > 0
    rng : np.random.Generator
    low, high : float
        In Hz, ``0 < low < high < SR / 2``.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
        Of unit power.
    """
    white = rng.standard_normal(max(round(seconds * SR), 1), dtype=np.float32)
    sections = signal.butter(2, (low, high), "bandpass", fs=SR, output="sos")
    noise = signal.sosfilt(sections.astype(np.float32), white)
    return noise * np.float32(np.sqrt(SR / 2 / (high - low)))


def tone(
    hz: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    tilt: float = 1.2,
    even: float = 1.0,
    formants: Sequence[float] = (),
    attack: float = 0.01,
    decay: float = np.inf,
    release: float = 0.06,
    mellowing: float = np.inf,
    vibrato: float = 0.0,
    breath: float = 0.0,
    voices: int = 1,
    detune: float = 0.08,
) -> np.ndarray:
    """Play a note of harmonics: bowed, blown, sung, struck or electronic.

    The note fades from a bright wavetable to a dark one, as struck strings and closing filters do.

    Parameters
    ----------
    hz, seconds : float > 0
        The pitch, and how long the note is held.
    rng : np.random.Generator
    tilt : float
        Harmonic ``k`` has amplitude ``k ** -tilt``.
    even : float
        Gain of the even harmonics; a clarinet has few.
    formants : sequence of float
        Resonances in Hz.
    attack, decay, release : float
        Seconds to rise, time constant of the decay, seconds to fade after the end.
    mellowing : float
        Time constant in seconds in which brightness is lost.
    vibrato, detune : float
        In semitones: how far the pitch sways, how far the `voices` spread.
    breath : float
        Power of the blown or bowed noise.
    voices : int
        How many play it together.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    envelope = _envelope(seconds, attack, decay, release)
    t = np.arange(len(envelope)) / SR
    bright = _harmonics(hz, tilt, even, formants)
    tables = [_wavetable(bright)]
    if np.isfinite(mellowing):
        tables.append(_wavetable(bright * np.exp(-np.arange(len(bright)) / 1.5)))
    cycles = hz * t
    if vibrato:
        rate = rng.uniform(4.6, 6.2)
        depth = hz * (2 ** (vibrato / 12) - 1) * np.minimum(t / 0.4, 1)  # it sets in late
        cycles = cycles - depth / (2 * np.pi * rate) * np.cos(2 * np.pi * rate * t)
    sounds = [np.zeros_like(envelope) for _ in tables]
    for offset in np.linspace(-detune, detune, voices) if voices > 1 else (0.0,):
        position = (cycles * 2 ** (offset / 12) + rng.random()) * _TABLE
        index = position.astype(np.int64) & (_TABLE - 1)
        for sound, table in zip(sounds, tables, strict=True):
            sound += table[index]
    sound = sounds[0]
    if len(sounds) > 1:
        brightness = np.exp(-t / mellowing).astype(np.float32)
        sound = sounds[1] + (sounds[0] - sounds[1]) * brightness
    sound *= np.float32(voices**-0.5)
    if breath:
        sound += np.float32(breath) * band_noise(len(t) / SR, rng, 1500, 9000)
    return sound * envelope


def pluck(
    hz: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    softness: float = 0.06,
    decay: float = 1.2,
    damping: float = 0.12,
) -> np.ndarray:
    """Pluck a string: Karplus and Strong's algorithm (1983), solved in closed form.

    Each trip along the string takes the same factor from a harmonic, so that trip ``m`` is the
    inverse transform of the pluck's spectrum times ``loss ** m``: all trips are one matrix.

    Parameters
    ----------
    hz, seconds : float > 0
    rng : np.random.Generator
    softness : float
        How much less each harmonic is excited than the one below.
    decay : float
        Time constant of the fundamental, in seconds.
    damping : float
        How much faster the higher harmonics decay, per second and harmonic number squared.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    release = 0.04
    period = max(round(SR / hz), 8)
    k = np.arange(period // 2 + 1)
    pick = np.abs(np.sin(np.pi * k * rng.uniform(0.12, 0.3))) * np.exp(-softness * k)
    string = pick * np.exp(2j * np.pi * rng.random(len(k)))
    string[0] = 0
    loss = np.exp(-(1 / decay + damping * k**2) / hz)
    trips = np.arange(int((seconds + release) * hz) + 2)
    sound = np.fft.irfft(string * loss ** trips[:, None], period).ravel()
    envelope = _envelope(seconds, 0.001, np.inf, release)
    # A whole number of samples a period is out of tune: read it at the right speed.
    stretched = np.interp(
        np.arange(len(envelope)) * (period * hz / SR), np.arange(len(sound)), sound
    )
    loudness = np.sqrt(np.mean(sound[:period] ** 2) + 1e-20)
    return (stretched / loudness).astype(np.float32) * envelope


def bell(
    hz: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    ratios: Sequence[float] = (1, 4, 9.2),
    gains: Sequence[float] = (1, 0.25, 0.1),
    decay: float = 1.0,
    attack: float = 0.002,
    release: float = 0.3,
) -> np.ndarray:
    """Strike metal or wood: partials that need not be harmonic, the higher the shorter.

    Parameters
    ----------
    hz, seconds : float > 0
    rng : np.random.Generator
    ratios, gains : sequences of float
        The partials' frequencies relative to `hz`, and their amplitudes.
    decay, attack, release : float
        In seconds; `decay` is the lowest partial's time constant.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    envelope = _envelope(seconds, attack, np.inf, release)
    t = times(len(envelope) / SR)
    sound = np.zeros_like(t)
    for ratio, gain in zip(ratios, gains, strict=True):
        if hz * ratio < 18_000:
            phase = np.float32(2 * np.pi * hz * ratio) * t + np.float32(rng.uniform(0, 6.28))
            sound += np.float32(gain) * np.sin(phase) * np.exp(-t * np.float32(ratio**0.5 / decay))
    return 1.4 * sound * envelope


def sing(
    hz: float, seconds: float, rng: np.random.Generator, *, breath: float = 0.05
) -> np.ndarray:
    """Sing a note on some vowel; parameters and result as `tone` has them."""
    vowel = VOWELS[rng.integers(len(VOWELS))]
    attack, release = 0.05, 0.1
    return tone(
        hz, seconds, rng, tilt=0.9, formants=vowel, attack=attack, release=release,
        vibrato=0.35, breath=breath,
    )  # fmt: skip


def speak(hz: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Speak a syllable: a consonant's hiss, then one vowel that glides into another.

    Parameters
    ----------
    hz, seconds : float > 0
        The pitch of the voice, which falls a little, and the syllable's length.
    rng : np.random.Generator

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    first, second = (VOWELS[i] for i in rng.integers(len(VOWELS), size=2))
    envelope = _envelope(seconds, 0.03, np.inf, 0.05)
    t = np.arange(len(envelope)) / SR
    cycles = hz * (t - rng.uniform(-0.1, 0.25) * t**2 / seconds / 2)
    index = (cycles * _TABLE).astype(np.int64) & (_TABLE - 1)
    glide = np.minimum(t / seconds, 1).astype(np.float32)
    start, end = (_wavetable(_harmonics(hz, 1.0, 1.0, vowel)) for vowel in (first, second))
    sound = (start[index] * (1 - glide) + end[index] * glide) * envelope
    centre = rng.uniform(1500, 6500)
    hiss = band_noise(rng.uniform(0.03, 0.09), rng, centre * 0.7, centre * 1.4)
    hiss *= np.float32(rng.uniform(0.1, 0.5)) * np.hanning(len(hiss)).astype(np.float32)
    sound[: len(hiss)] += hiss[: len(sound)]
    return sound
