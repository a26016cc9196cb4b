"""Figures of the synthetic music: how a player makes notes of a rhythm and a chord."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from data.demo.style import Part

_BOOGIE = (0, 4, 7, 9, 10, 9, 7, 4)


@dataclass(frozen=True)
class Note:
    """One note or stroke.

    Attributes
    ----------
    beat, length : float
        When it begins and how long it is held, in quarter notes.
    pitch : float
        MIDI pitch; of a drum, the tuning factor.
    loudness : float
        Amplitude, 1 being loud.
    """

    beat: float
    length: float
    pitch: float
    loudness: float


@dataclass(frozen=True)
class Bar:
    """What a player needs to know of a bar.

    Attributes
    ----------
    hits : list of (float, float, float)
        His rhythm, as `read_rhythm` has it.
    chord : tuple of int
        Pitch classes, the root first.
    next_root : int
        The next bar's root, a pitch class.
    ladder : list of int
        The scale's MIDI pitches over all octaves.
    motif : np.ndarray [shape=(16,), dtype=int]
        The melody, in steps on the ladder.
    phrase_ends : bool
    number : int
    """

    hits: list[tuple[float, float, float]]
    chord: tuple[int, ...]
    next_root: int
    ladder: list[int]
    motif: np.ndarray
    phrase_ends: bool
    number: int


def read_rhythm(rhythm: str, beats: float) -> list[tuple[float, float, float]]:
    """Turn a rhythm such as ``x.o.`` into the hits of a bar.

    Parameters
    ----------
    rhythm : str
        As `demo_style` describes it.
    beats : float
        Quarter notes in the bar.

    Returns
    -------
    list of (float, float, float)
        Beat, length up to the next hit, both in quarter notes, and loudness.
    """
    steps = round(beats * 4)
    marks = (rhythm * (steps // len(rhythm) + 1))[:steps]
    struck = [i for i, mark in enumerate(marks) if mark != "."]
    lengths = np.diff([*struck, steps])
    loudness = {"x": 1.0, "o": 0.5}
    accents = (1.0, 0.75, 0.85, 0.75)  # on the beat, and after it
    return [
        (i / 4, float(length) / 4, loudness[marks[i]] * accents[i % 4])
        for i, length in zip(struck, lengths, strict=True)
    ]


def _near(pitch_class: int, register: int) -> int:
    """Find the pitch of this class that is nearest to the register."""
    return register + (pitch_class - register + 6) % 12 - 6


def _voicing(bar: Bar, register: int) -> list[int]:
    return sorted(_near(tone, register) for tone in bar.chord)


def _root(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    for beat, length, loudness in bar.hits:
        yield Note(beat, length * part.sustain, _near(bar.chord[0], part.register), loudness)


def _alternate(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Root and fifth by turns."""
    root = _near(bar.chord[0], part.register)
    for i, (beat, length, loudness) in enumerate(bar.hits):
        yield Note(beat, length * part.sustain, root - 5 * (i % 2), loudness)


def _walk(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Walk from this chord's root to a half-tone beside the next one's."""
    here = _near(bar.chord[0], part.register)
    goal = _near(bar.next_root, part.register) + int(rng.choice((-1, 1)))
    path = np.linspace(here, goal, len(bar.hits))
    for i, (beat, length, loudness) in enumerate(bar.hits):
        inner = 0 < i < len(bar.hits) - 1
        pitch = min(bar.ladder, key=lambda p: abs(p - path[i] - 1)) if inner else round(path[i])
        yield Note(beat, length * part.sustain, pitch, loudness)


def _boogie(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    root = _near(bar.chord[0], part.register)
    for i, (beat, length, loudness) in enumerate(bar.hits):
        step = _BOOGIE[i % len(_BOOGIE)]
        yield Note(beat, length * part.sustain, root + step, loudness)


def _chord(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    for beat, length, loudness in bar.hits:
        for pitch in _voicing(bar, part.register):
            yield Note(beat, length * part.sustain, pitch, loudness)


def _strum(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Down and up by turns, string after string."""
    strings = _voicing(bar, part.register) + _voicing(bar, part.register + 10)
    for i, (beat, length, loudness) in enumerate(bar.hits):
        for late, pitch in enumerate(strings if i % 2 == 0 else strings[::-1]):
            yield Note(beat + 0.02 * late, length * part.sustain, pitch, loudness)


def _arpeggio(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    up = _voicing(bar, part.register)
    up = [*up, up[0] + 12]
    around = up + up[-2:0:-1]
    for i, (beat, length, loudness) in enumerate(bar.hits):
        yield Note(beat, length * part.sustain, around[i % len(around)], loudness)


def _pick(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Let the thumb play root and fifth on the beat, the fingers the treble between."""
    root = _near(bar.chord[0], part.register - 12)
    treble = _voicing(bar, part.register + 5)
    for i, (beat, length, loudness) in enumerate(bar.hits):
        thumb = beat % 1 == 0
        pitch = root + 7 * int(beat % 2) if thumb else treble[(3 * i + bar.number) % len(treble)]
        yield Note(beat, max(length, 1.0), pitch, loudness * (1.0 if thumb else 0.8))


def _melody(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Sing the motif: on the chord where the bar begins, on the scale after that."""
    near = min(range(len(bar.ladder)), key=lambda i: abs(bar.ladder[i] - part.register))
    hits = bar.hits[: max(len(bar.hits) // 2, 1)] if bar.phrase_ends else bar.hits
    for i, (beat, length, loudness) in enumerate(hits):
        pitch = bar.ladder[near + int(np.clip(bar.motif[i % 16], -6, 7))]
        if i == 0 or i == len(hits) - 1:
            pitch = min((_near(tone, pitch) for tone in bar.chord), key=lambda p: abs(p - pitch))
        yield Note(beat, min(length, 2.5) * part.sustain, pitch, loudness)


def _free(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Anything, anywhere between the notes of the piano."""
    for beat, length, loudness in bar.hits:
        if rng.random() < 0.7:
            length *= part.sustain * rng.uniform(0.3, 1)
            yield Note(
                beat + rng.uniform(0, 0.5), length, part.register + rng.normal(0, 11), loudness
            )


def _speak(bar: Bar, part: Part, rng: np.random.Generator) -> Iterator[Note]:
    """Syllables whose pitch falls through the sentence; now and then a silence to think."""
    if bar.number % 3 == 2 and rng.random() < 0.3:
        return
    span = 6 * rng.random()
    for i, (beat, length, loudness) in enumerate(bar.hits):
        pitch = part.register + span * (1 - i / len(bar.hits)) + rng.normal(0, 1.2)
        length = min(length, 0.5) * rng.uniform(0.7, 1.1)
        yield Note(beat + rng.normal(0, 0.02), length, pitch, loudness * rng.uniform(0.5, 1))


Figure = Callable[[Bar, Part, np.random.Generator], Iterator[Note]]

FIGURES: dict[str, Figure] = {
    "root": _root,
    "alternate": _alternate,
    "walk": _walk,
    "boogie": _boogie,
    "chord": _chord,
    "strum": _strum,
    "arpeggio": _arpeggio,
    "pick": _pick,
    "melody": _melody,
    "free": _free,
    "speak": _speak,
}
"""How a bar's hits and chord become notes."""
