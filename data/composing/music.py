"""Instruments, composition and performance of the synthetic music, with NumPy."""

from __future__ import annotations

import re
from collections import namedtuple
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from data.composing.genres import SCALES, STYLES, Part, Style

SR = 22_050  # sample rate of the synthesis in Hz
_FADE = np.linspace(1, 0, round(0.06 * SR), dtype=np.float32)  # end of a note
_TABLE = 8192  # samples of a wavetable, which is one period
_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_TURN = 5.0  # seconds of each recording in `alternate`
_TRAITS = ("tempo", "harmonies", "grooves", "swing", "reverb", "band", "drive", "hiss", "crackle")

Note = namedtuple("Note", "part start length pitch loudness")
"""Note of a `Part`: start and length in seconds, MIDI pitch (near 60 for drums), amplitude."""


def _ratio(decibels: float) -> float:
    return 10 ** (decibels / 20)


def _normalise(samples: np.ndarray) -> np.ndarray:  # to unit power
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

    def __call__(self, hz: float, seconds: float, rng: Generator) -> np.ndarray:
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
            table = _normalise(np.fft.irfft(spectrum))
            for offset in self.voices:
                cycles = hz * 2 ** (offset / 12) * (t + sway) + rng.random()
                sound += share * table[(cycles * _TABLE).astype(np.int64) & (_TABLE - 1)]
        if self.breath:
            bright = np.diff(rng.standard_normal(len(t) + 1, np.float32))
            sound = _normalise(sound) + 0.7 * self.breath * bright
        return _normalise(sound * np.minimum(t / self.attack, 1) * np.exp(-t / self.decay))


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

    def __call__(self, hz: float, seconds: float, rng: Generator) -> np.ndarray:
        """Synthesise a stroke with its complete decay, whatever `seconds` is."""
        tuning, t = hz / 261.63, np.arange(round(6 * max(self.ring, self.hiss) * SR)) / SR
        size = 1 << len(t).bit_length()  # powers of two are fast to transform
        spectrum, bins = np.fft.rfft(rng.standard_normal(size, np.float32)), tuning * size / SR
        spectrum[: round(self.low * bins)] = spectrum[round(self.high * bins) :] = 0
        burst = _normalise(np.fft.irfft(spectrum)[: len(t)]) * np.exp(-t / self.hiss)
        cycles = self.pitch * tuning * (t + 0.03 * self.bend * (1 - np.exp(-t / 0.03)))
        sound = 1.6 * np.sin(2 * np.pi * cycles) * np.exp(-t / self.ring) + self.wires * burst
        return _normalise(sound) * np.float32(_ratio(self.gain))


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


def make_artist(genre: str, rng: Generator) -> Style:
    """Draw an artist's style from a genre, with parts and traits of neighbouring genres."""
    style, others = STYLES[genre], STYLES[genre].neighbours.split(", ")
    for trait in _TRAITS:
        if rng.random() < style.openness:
            style = style._replace(**{trait: getattr(STYLES[rng.choice(others)], trait)})
    parts = list(style.parts)
    for i in range(len(parts)):
        if rng.random() < style.openness:
            choices = STYLES[rng.choice(others)].parts
            parts[i] = choices[rng.integers(len(choices))]
    tempo, groove = rng.uniform(*style.tempo), rng.choice(style.grooves)
    return style._replace(
        tempo=(0.95 * tempo, 1.05 * tempo),
        grooves=(*style.grooves, groove, groove),
        parts=tuple(p._replace(instruments=rng.choice(p.instruments.split())) for p in parts),
        brightness=rng.normal(0, 2),
        drums=rng.normal(0, 2.5),
    )


def parse_chord(name: str, key: int) -> list[int]:
    """Parse a chord such as ``bVII``, ``ii7`` or ``IM7`` to semitones above C, root first."""
    flat, degree, kind = re.findall(r"(b?)([IViv]+)(M7|7|5|)", name)[0]
    third = 4 if degree.isupper() else 3
    steps = {"": (0, third, 7), "5": (0, 7), "7": (0, third, 7, 10), "M7": (0, third, 7, 11)}
    return [key + _DEGREES[degree.upper()] - len(flat) + step for step in steps[kind]]


def read_rhythm(rhythm: str, beats: float) -> list[tuple[float, float, float]]:
    """Parse a rhythm to the hits of a bar: beat, interval to the next hit, loudness."""
    marks = (rhythm * 16)[: round(beats * 4)]
    hits = [i for i, mark in enumerate(marks) if mark != "."]
    loudness = [(1, 0.75, 0.85, 0.75)[i % 4] * (0.5 if marks[i] == "o" else 1) for i in hits]
    return list(zip(np.array(hits) / 4, np.diff([*hits, len(marks)]) / 4, loudness, strict=True))


def beat_to_seconds(beat: float, tempo: float, swing: tuple[float, float]) -> float:
    """Convert quarter notes to seconds; swing divides each pair of notes unequally."""
    division, pair = swing
    whole, phase = divmod(beat / pair, 1)
    return (whole + np.interp(phase, (0, 0.5, 1), (0, division, 1))) * pair * 60 / tempo


def compose(artist: Style, rng: Generator, seconds: float) -> list[Note]:
    """Compose an excerpt of a song, which begins and ends within bars."""
    scale, progression = rng.choice(artist.harmonies).split(": ")
    meter, *words = rng.choice(artist.grooves).split()
    beats, tempo, key = float(meter), rng.uniform(*artist.tempo), int(rng.integers(12))
    chords = [parse_chord(name, key) for name in progression.split()]
    ladder = np.array([pitch for pitch in range(128) if (pitch - key) % 12 in SCALES[scale]])
    begin, tuning = rng.uniform(0, beats), 60 + rng.normal(0, 1)
    drums = [Part("drum", *pair, tuning) for pair in zip(words[::2], words[1::2], strict=True)]
    bars = int((seconds * tempo / 60 + begin) / beats) + 1
    notes = []
    for part in (*artist.parts, *drums):
        rhythms = rng.choice(part.rhythms.split(), size=2)
        motifs = np.cumsum(rng.choice((-2, -1, -1, 0, 1, 1, 2), size=(2, 16)), axis=1).clip(-6, 7)
        plays = np.repeat(rng.random(bars // 4 + 1) < part.presence, 4)[:bars]  # in four bars
        for bar in np.flatnonzero(plays | (part == artist.parts[0])):
            hits = read_rhythm(rhythms[bar % 2 if part.figure == "melody" else 0], beats)
            chord, motif = chords[bar % len(chords)], motifs[int(bar % 4 == 2)]
            for i, (beat, length, loudness) in enumerate(hits):
                start = beat_to_seconds(bar * beats + beat - begin, tempo, artist.swing)
                start += rng.normal(0, artist.looseness)
                pitches = _pitches(part, i, len(hits), chord, ladder, motif[i % 16], rng)
                length *= part.sustain * 60 / tempo
                loudness *= rng.uniform(0.7, 1.1) / len(pitches) ** 0.5
                notes += [Note(part, start, length, pitch, loudness) for pitch in pitches]
    return notes


def sounds(notes: list[Note]) -> set[str]:
    """Return the instruments and drums of a composition, and ``drums`` or ``no drums``."""
    names = {note.part.instruments for note in notes}
    has_drums = any(isinstance(INSTRUMENTS[name], Drum) for name in names)
    return names | {"drums" if has_drums else "no drums"}


def _pitches(
    part: Part, i: int, hits: int, chord: list[int], ladder: np.ndarray, step: int, rng: Generator
) -> list[float]:
    """Return the pitches of hit `i` of `hits` in a bar."""
    if part.figure == "drum":
        return [part.register]
    if part.figure == "free":
        return [part.register + rng.normal(0, 11)]
    if part.figure == "speak":  # pitch falls during a sentence
        return [part.register + 5 * (1 - i / hits) + rng.normal(0, 1.2)]
    if part.figure == "melody":  # a motif on the scale, beginning on a note of the chord
        steps = ladder if i else ladder[np.isin(ladder % 12, np.mod(chord, 12))]
        return [steps[np.abs(steps - part.register).argmin() + (step if i else 0)]]
    root = part.register + (chord[0] - part.register + 6) % 12 - 6
    figure = part.figure.split()
    degrees = [divmod(int(degree), len(chord)) for degree in figure[i % len(figure)].split("+")]
    return [root + 12 * octave + chord[tone] - chord[0] for octave, tone in degrees]


def perform(
    notes: list[Note], artist: Style, rng: Generator, seconds: float, rate: int, channels: int
) -> np.ndarray:
    """Render notes to samples in ±0.9 [shape=(samples, channels), dtype=float32]."""
    mix = np.zeros((channels, round(seconds * SR)), dtype=np.float32)
    for part in dict.fromkeys(note.part for note in notes):
        line = _play([note for note in notes if note.part == part], mix.shape[1], rng)
        gain = part.gain + rng.normal(0, 1.5) + artist.drums * (part.figure == "drum")
        side = rng.uniform(-0.6, 0.6) * (part.register > 50)
        pan = np.sqrt(np.array([[1 - side], [1 + side]], np.float32))[:channels]
        mix += pan * line * _ratio(gain)
    return _record(mix, artist, rng, round(seconds * rate)).T


def alternate(first: np.ndarray, second: np.ndarray, *, rate: int) -> np.ndarray:
    """Crossfade between two recordings every 5 s [shape=(samples, channels)]."""
    turn = np.sin(np.pi / (_TURN * rate) * np.arange(len(first), dtype=np.float32))
    share = np.clip(0.5 + 16 * turn, 0, 1)[:, None]  # crossfades of 0.1 s
    return share * first + (1 - share) * second


def _play(notes: list[Note], size: int, rng: Generator) -> np.ndarray:
    """Mix the notes of a part; each pitch is synthesised once, and cut for shorter notes."""
    played, part = np.zeros(size, dtype=np.float32), notes[0].part
    sounds: dict[float, np.ndarray] = {}
    for note in sorted(notes, key=lambda note: -note.length):
        start, length = round(note.start * SR), len(_FADE) + round(note.length * SR)
        if note.pitch not in sounds:
            hz = 440 * 2 ** ((note.pitch - 69) / 12)
            sounds[note.pitch] = INSTRUMENTS[part.instruments](hz, length / SR, rng)
        sound = sounds[note.pitch][:length] * np.float32(note.loudness)
        sound[-len(_FADE) :] *= _FADE
        sound = sound[max(-start, 0) : max(size - start, 0)]
        played[max(start, 0) :][: len(sound)] += sound
    if part.drive:  # a saturating amplifier, and a loudspeaker as a low-pass filter
        played = np.tanh(played * (_ratio(part.drive) / 2))
        played = np.convolve(played, np.hanning(9)[1:-1].astype(np.float32) / 4, "same")
    return played


def _record(mix: np.ndarray, style: Style, rng: Generator, size: int) -> np.ndarray:
    """Add saturation, noise, clicks and reverberation, filter the band, and resample to `size`."""
    mix = _normalise(np.tanh(_normalise(mix) * (_ratio(style.drive) / 4)))
    mix += rng.standard_normal(mix.shape, np.float32) * _ratio(style.hiss)
    clicks = rng.integers(mix.shape[1], size=rng.poisson(style.crackle * mix.shape[1] / SR))
    mix[:, clicks] += 3 * rng.standard_normal(len(clicks), np.float32)
    gain, room = style.reverb
    t = np.arange(min(round(room * SR), mix.shape[1]), dtype=np.float32) / SR
    echoes = rng.standard_normal((len(mix), len(t)), np.float32) * np.exp(-6.9 * t / room)
    echoes = _normalise(echoes) * (1.6 * gain / len(t) ** 0.5)
    spectrum, (low, high) = np.fft.rfft(mix), style.band
    hz = np.linspace(1, SR / 2, spectrum.shape[1], dtype=np.float32)
    band = (hz / 900) ** (style.brightness / 20) / np.sqrt(1 + (low / hz) ** 6)
    band /= np.sqrt(1 + (hz / high) ** 24)
    spectrum *= band * (1 + np.fft.rfft(echoes, mix.shape[1]) / (1 + (hz / 4000) ** 2))
    recording = _normalise(np.fft.irfft(spectrum, size)) * _ratio(rng.normal(-17, 2))
    return recording * min(1, 0.9 / np.abs(recording).max())
