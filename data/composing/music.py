"""Compose and perform the synthetic music with NumPy's random generators."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from data.composing.genres import SCALES, STYLES, Part, Style
from data.composing.sound import INSTRUMENTS, SR, normalise, ratio

_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_TRAITS = ("tempo", "harmonies", "grooves", "swing", "reverb", "band", "drive", "hiss", "crackle")
_FADE = np.linspace(1, 0, round(0.06 * SR), dtype=np.float32)


class Note(NamedTuple):
    """One note of a part."""

    part: Part
    start: float  # seconds
    length: float  # seconds
    pitch: float  # MIDI, near 60 for drums
    loudness: float  # amplitude


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
                pitches = _pitches(part, i, len(hits), chord, ladder, motif, rng)
                length *= part.sustain * 60 / tempo
                loudness *= rng.uniform(0.7, 1.1) / len(pitches) ** 0.5
                notes += [Note(part, start, length, pitch, loudness) for pitch in pitches]
    return notes


def _pitches(
    part: Part, i: int, hits: int, chord: list[int], ladder: np.ndarray, motif: np.ndarray,
    rng: Generator,
) -> list[float]:  # fmt: skip
    """Return the pitches of hit `i` of `hits` in a bar."""
    if part.figure == "drum":
        return [part.register]
    if part.figure == "free":
        return [part.register + rng.normal(0, 11)]
    if part.figure == "speak":  # pitch falls during a sentence
        return [part.register + 5 * (1 - i / hits) + rng.normal(0, 1.2)]
    if part.figure == "melody":  # a motif on the scale, beginning on a note of the chord
        steps = ladder if i else ladder[np.isin(ladder % 12, np.mod(chord, 12))]
        return [steps[np.abs(steps - part.register).argmin() + (motif[i] if i else 0)]]
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
        mix += pan * line * ratio(gain)
    return _record(mix, artist, rng, round(seconds * rate)).T


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
        played = np.tanh(played * (ratio(part.drive) / 2))
        played = np.convolve(played, np.hanning(9)[1:-1].astype(np.float32) / 4, "same")
    return played


def _record(mix: np.ndarray, style: Style, rng: Generator, size: int) -> np.ndarray:
    """Add saturation, noise, clicks and reverberation, filter the band, and resample to `size`."""
    mix = normalise(np.tanh(normalise(mix) * (ratio(style.drive) / 4)))
    mix += rng.standard_normal(mix.shape, np.float32) * ratio(style.hiss)
    clicks = rng.integers(mix.shape[1], size=rng.poisson(style.crackle * mix.shape[1] / SR))
    mix[:, clicks] += 3 * rng.standard_normal(len(clicks), np.float32)
    gain, room = style.reverb
    t = np.arange(min(round(room * SR), mix.shape[1]), dtype=np.float32) / SR
    echoes = rng.standard_normal((len(mix), len(t)), np.float32) * np.exp(-6.9 * t / room)
    echoes = normalise(echoes) * (1.6 * gain / len(t) ** 0.5)
    spectrum, (low, high) = np.fft.rfft(mix), style.band
    hz = np.linspace(1, SR / 2, spectrum.shape[1], dtype=np.float32)
    band = (hz / 900) ** (style.brightness / 20) / np.sqrt(1 + (low / hz) ** 6)
    band /= np.sqrt(1 + (hz / high) ** 24)
    spectrum *= band * (1 + np.fft.rfft(echoes, mix.shape[1]) / (1 + (hz / 4000) ** 2))
    recording = normalise(np.fft.irfft(spectrum, size)) * ratio(rng.normal(-17, 2))
    return recording * min(1, 0.9 / np.abs(recording).max())
