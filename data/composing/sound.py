"""Instruments of the synthetic music: callables of Hz, seconds and a random generator."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

SR = 22_050
"""Sample rate of the synthesis in Hz."""

_TABLE = 8192  # samples of a wavetable, which is one period


def ratio(decibels: float) -> float:
    """Convert decibels to a ratio of amplitudes."""
    return 10 ** (decibels / 20)


def normalise(samples: np.ndarray) -> np.ndarray:
    """Scale samples to unit power."""
    return (samples / (np.sqrt(np.mean(np.square(samples))) + 1e-9)).astype(np.float32)


class Tone(NamedTuple):
    """Wavetable synthesis with a crossfade between two tables of harmonics."""

    tilt: float = 1.0  # harmonic k has amplitude k ** -tilt
    decay: float = 1.0  # time constant in seconds
    fade: float = 0.2  # time constant of the fade to the second table
    attack: float = 0.003  # seconds
    even: float = 1.0  # gain of the even harmonics
    formants: tuple[tuple[float, ...], ...] = ((),)  # resonances in Hz, one tuple drawn per table
    vibrato: float = 0.0  # semitones
    breath: float = 0.0  # amplitude of the noise
    voices: tuple[float, ...] = (0.0,)  # offsets in semitones

    def __call__(self, hz: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """Synthesise a note of unit power."""
        t = np.arange(round(seconds * SR)) / SR
        rate = 2 * np.pi * rng.uniform(4.6, 6.2)
        sway = self.vibrato / 12 * np.log(2) * np.sin(rate * t) / rate
        k = np.arange(1, max(int(10_000 / hz), 1) + 1)
        spectrum, sound = np.zeros(_TABLE // 2 + 1, dtype=complex), np.zeros(len(t), np.float32)
        fade = np.exp(-t / self.fade).astype(np.float32)
        for share in (fade, 1 - fade)[: 1 + (self.fade < np.inf)]:
            peaks = np.asarray(self.formants[rng.integers(len(self.formants))], dtype=float)
            resonances = 1 / (1 + ((k[:, None] * hz - peaks) / (60 + 0.06 * peaks)) ** 2)
            gains = k**-self.tilt * np.where(k % 2, 1, self.even) * (0.03 + resonances.sum(axis=1))
            if share[0] == 0 and len(self.formants) == 1:  # the second table is darker
                gains *= np.exp(-k / 1.5)
            spectrum[k] = gains * np.exp(2.4j * k**2)  # scattered phases lower the peaks
            table = normalise(np.fft.irfft(spectrum))
            for offset in self.voices:
                cycles = hz * 2 ** (offset / 12) * (t + sway) + rng.random()
                sound += share * table[(cycles * _TABLE).astype(np.int64) & (_TABLE - 1)]
        if self.breath:
            bright = np.diff(rng.standard_normal(len(t) + 1, np.float32))
            sound = normalise(sound) + 0.7 * self.breath * bright
        return normalise(sound * np.minimum(t / self.attack, 1) * np.exp(-t / self.decay))


class Drum(NamedTuple):
    """A tone of falling pitch and a burst of noise, at nominal pitch for middle C."""

    gain: float  # dB
    pitch: float = 0.0  # Hz
    bend: float = 0.0  # relative rise of the initial pitch
    ring: float = 0.02  # time constant in seconds
    wires: float = 0.0  # amplitude of the noise
    low: float = 1000.0  # lowest frequency of the noise in Hz
    high: float = 8000.0
    hiss: float = 0.02  # time constant of the noise

    def __call__(self, hz: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """Synthesise a stroke with its complete decay, whatever `seconds` is."""
        tuning, t = hz / 261.63, np.arange(round(6 * max(self.ring, self.hiss) * SR)) / SR
        size = 1 << len(t).bit_length()  # powers of two are fast to transform
        spectrum, bins = np.fft.rfft(rng.standard_normal(size, np.float32)), tuning * size / SR
        spectrum[: round(self.low * bins)] = spectrum[round(self.high * bins) :] = 0
        burst = normalise(np.fft.irfft(spectrum)[: len(t)]) * np.exp(-t / self.hiss)
        cycles = self.pitch * tuning * (t + 0.03 * self.bend * (1 - np.exp(-t / 0.03)))
        sound = 1.6 * np.sin(2 * np.pi * cycles) * np.exp(-t / self.ring) + self.wires * burst
        return normalise(sound) * np.float32(ratio(self.gain))


_Held = partial(Tone, decay=np.inf, fade=np.inf, attack=0.05, vibrato=0.2)
_Bell = partial(Tone, 6.0, fade=np.inf)
_SEVERAL = (-0.09, -0.03, 0.04, 0.08)
_VOWELS = ((750, 1150, 2600), (500, 1750, 2500), (300, 2200, 2900), (450, 850, 2500))

INSTRUMENTS: dict[str, Tone | Drum] = {
    "speech": Tone(1.0, 0.12, 0.1, 0.02, formants=_VOWELS, vibrato=1.0, breath=0.1),
    "gong": _Bell(3.0, voices=(0, 7.1, 11.9, 15.4, 18)), "marimba": _Bell(0.25, voices=(0, 24, 38)),
    "saw": Tone(1.0, np.inf, 0.8, voices=(-0.08, 0.08)), "bells": _Bell(2.0, voices=(0, 17.6, 29)),
    "pad": Tone(1.5, np.inf, 2.0, 0.6, voices=_SEVERAL), "rhodes": Tone(1.6, 1.1, 0.15, even=0.5),
    "slide": Tone(1.3, 2.0, 2.0, 0.12, vibrato=0.25), "vibes": _Bell(1.4, voices=(0, 24, 40)),
    "acid": Tone(0.7, 0.4, 0.06, even=0.5), "sawbass": Tone(0.9, 0.8, 0.12), "harp": Tone(1.4, 1.4),
    "upright": Tone(1.3, 0.5, 0.1), "synth": Tone(0.8, 0.25, 0.07), "nylon": Tone(1.2, 0.7, 0.12),
    "banjo": Tone(0.3, 0.25, 0.1), "guitar": Tone(0.7, 2.0, 0.6), "steel": Tone(0.7, 1.0, 0.3),
    "sitar": Tone(0.2, 1.3, 0.9), "bass": Tone(1.0, 1.1, 0.25), "piano": Tone(1.1, 0.9),
    "sub": Tone(3.0, 1.6),
    "duduk": _Held(1.0, even=0.3, formants=((500, 1200),), attack=0.1, vibrato=0.5),
    "strings": _Held(1.0, formants=((450, 1100),), attack=0.18, voices=_SEVERAL),
    "choir": _Held(1.0, formants=_VOWELS[:1], attack=0.25, voices=_SEVERAL),
    "drone": _Held(1.2, attack=1.5, voices=(*_SEVERAL, 0.3), breath=0.1),
    "static": _Held(0.2, attack=0.01, breath=1.0, voices=(-1.1, 0, 1.1)),
    "voice": _Held(1.0, formants=_VOWELS, vibrato=0.35, breath=0.05), "square": _Held(1.0, even=0),
    "sax": _Held(0.7, formants=((550, 1300, 2700),), breath=0.08), "flute": _Held(2.2, breath=0.12),
    "supersaw": _Held(0.9, attack=0.02, voices=(*_SEVERAL, 0.18)), "organ": _Held(0.7, attack=0.01),
    "fiddle": _Held(0.8, formants=((500, 1100, 2800),)), "reeds": _Held(0.8, voices=(-0.1, 0.1)),
    "harmonica": _Held(0.6, formants=((900, 2000),)), "clarinet": _Held(1.1, even=0.15),
    "trumpet": _Held(0.6, formants=((1200, 2200),)),
    "shaker": Drum(-13, wires=1, low=5000, high=10_000, hiss=0.04), "thump": Drum(-9, 62, 1, 0.1),
    "cymbal": Drum(-9, wires=1, low=6000, high=11_000, hiss=0.16), "deep": Drum(6, 46, 4, 0.3),
    "clap": Drum(-1, wires=1, low=900, high=3500, hiss=0.07), "slap": Drum(-4, 340, 0.2, 0.04, 0.5),
    "ride": Drum(-11, 3100, 0, 0.4, 1, 5000, 11_000, 0.2), "rim": Drum(-6, 820, 0, 0.02, 0.2),
    "snare": Drum(1, 185, 0.6, 0.06, 0.7, hiss=0.09), "conga": Drum(-2, 230, 0.15, 0.12),
    "hat": Drum(-9, wires=1, low=6500, high=11_000), "brush": Drum(-9, wires=1, low=2000, hiss=0.1),
    "kick": Drum(3, 52, 3, 0.12, 0.1), "tom": Drum(2, 90, 0.4, 0.2, 0.1),
}  # fmt: skip
