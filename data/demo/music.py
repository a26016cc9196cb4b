"""Compose the synthetic music: an artist of a genre, and the songs that he writes.

`demo_genres` says what a genre does; here its rhythms and chords become notes. Everything is drawn
from NumPy generators, so the same seeds give the same music.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from data.demo.figures import FIGURES, Bar, Note, read_rhythm
from data.demo.genres import STYLES
from data.demo.style import SCALES, Sound, Style

_Option = TypeVar("_Option")

_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_CHORD = re.compile(r"(b?)([IViv]+)(M7|7|5|)")
_DRUM_GAINS = {
    "kick": 3, "deep kick": 6, "soft kick": -9, "snare": 1, "dry snare": -2, "clap": -1,
    "brush": -9, "rim": -6, "hat": -9, "open hat": -9, "ride": -11, "shaker": -13, "tom": 0,
    "conga": -2, "slap": -4, "dum": 2, "tek": -5,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What one player plays.

    Attributes
    ----------
    instrument : str
        A key of `demo_instruments.INSTRUMENTS`.
    notes : list of Note
    gain, drive : float
        Level, and distortion (0: none), in dB.
    is_drum : bool
    """

    instrument: str
    notes: list[Note]
    gain: float
    drive: float = 0.0
    is_drum: bool = False


@dataclass(frozen=True)
class Artist:
    """Someone who makes music in a style of his own.

    Attributes
    ----------
    style : Style
        His genre's, with some traits taken from its neighbours.
    tempo : float
        What he likes, in quarter notes a minute.
    swing : float
    keys : tuple of int
        His favourites, in semitones above C.
    instruments : tuple of str
        One for each of the style's parts.
    groove : int
        His favourite among the style's.
    brightness, loudness, drum_level : float
        His mix, in dB.
    tuning, kit : float
        Semitones off concert pitch; the tuning factor of his drums.
    """

    style: Style
    tempo: float
    swing: float
    keys: tuple[int, ...]
    instruments: tuple[str, ...]
    groove: int
    brightness: float
    loudness: float
    drum_level: float
    tuning: float
    kit: float


@dataclass(frozen=True)
class Song:
    """A composition, ready to be performed.

    Attributes
    ----------
    artist : Artist
    tempo : float
        Quarter notes a minute.
    beats : float
        Quarter notes in a bar.
    lines : list of Line
    sound : Sound
    """

    artist: Artist
    tempo: float
    beats: float
    lines: list[Line]
    sound: Sound


def make_artist(genre: str, rng: np.random.Generator) -> Artist:
    """Invent an artist of a genre.

    Parameters
    ----------
    genre : str
        One of `fma_utils.ROOT_GENRES`.
    rng : np.random.Generator

    Returns
    -------
    Artist
    """
    own = style = STYLES[genre]
    traits = (("tempo",), ("harmonies",), ("grooves", "swing", "swing_beat"), ("sound",))
    for names in traits:
        if rng.random() < own.openness:
            other = STYLES[_choose(own.neighbours, rng)]
            style = replace(style, **{name: getattr(other, name) for name in names})
    parts = list(own.parts)
    for i, part in enumerate(parts):
        if rng.random() < own.openness:
            others = STYLES[_choose(own.neighbours, rng)].parts
            parts[i] = _choose([p for p in others if p.figure == part.figure] or others, rng)
    style = replace(style, parts=tuple(parts))
    return Artist(
        style=style,
        tempo=rng.uniform(*style.tempo),
        swing=rng.uniform(*style.swing),
        keys=tuple(rng.choice(12, size=4, replace=False).tolist()),
        instruments=tuple(_choose(part.instruments, rng) for part in parts),
        groove=int(rng.integers(len(style.grooves))),
        brightness=rng.normal(0, 2),
        loudness=rng.normal(0, 2),
        drum_level=rng.normal(0, 2.5),
        tuning=rng.normal(0, 0.15),
        kit=rng.uniform(0.82, 1.22),
    )


def compose(artist: Artist, rng: np.random.Generator, seconds: float) -> Song:
    """Write a song, and cut a clip from its middle: it neither begins nor ends on a bar.

    Parameters
    ----------
    artist : Artist
    rng : np.random.Generator
    seconds : float > 0
        The clip's length.

    Returns
    -------
    Song
        Its first notes may begin before beat 0.
    """
    style = artist.style
    scale, progression = _choose(style.harmonies, rng)
    favourite = style.grooves[artist.groove]
    beats, drums = favourite if rng.random() < 0.6 else _choose(style.grooves, rng)
    tempo = artist.tempo * rng.uniform(0.95, 1.05)
    key = _choose(artist.keys, rng)
    start = rng.uniform(0, beats)
    bars = int(np.ceil((seconds * tempo / 60 + start) / beats))
    chords = [parse_chord(name, key) for name in progression.split()]
    sections = _make_form(bars, len(style.parts), [part.presence for part in style.parts], rng)

    lines = []
    for number, part in enumerate(style.parts):
        instrument = artist.instruments[number]
        if rng.random() < 0.25:
            instrument = _choose(part.instruments, rng)
        rhythms = [_choose(part.rhythms, rng) for _ in range(2)]
        motifs = np.cumsum(rng.choice((-2, -1, -1, 0, 1, 1, 2), size=(2, 16)), axis=1)
        notes = []
        for bar in range(bars):
            section = sections[bar]
            if not section.plays[number]:
                continue
            turn = section.turn + bar
            where = Bar(
                hits=read_rhythm(rhythms[bar % 2 if part.figure == "melody" else 0], beats),
                chord=chords[turn % len(chords)],
                next_root=chords[(turn + 1) % len(chords)][0],
                ladder=[p for p in range(128) if (p - key) % 12 in SCALES[scale]],
                motif=motifs[(0, 0, 1, 0)[bar % 4]],
                phrase_ends=bar % 4 == 3,
                number=bar,
            )
            for note in FIGURES[part.figure](where, part, rng):
                loudness = note.loudness * section.loudness * rng.uniform(0.85, 1.1)
                beat = bar * beats + note.beat - start
                notes.append(replace(note, beat=beat, loudness=loudness))
        gain = part.gain + rng.normal(0, 1.5)
        lines.append(Line(instrument, notes, gain, part.drive))
    lines += _play_drums(drums, beats, start, sections, artist, rng)
    return Song(artist, tempo, beats, [line for line in lines if line.notes], style.sound)


def parse_chord(name: str, key: int) -> tuple[int, ...]:
    """Read a Roman numeral such as ``bVII``, ``ii7`` or ``IM7``.

    Parameters
    ----------
    name : str
    key : int
        The key note, in semitones above C.

    Returns
    -------
    tuple of int
        Pitch classes, 0 being C, the root first.
    """
    numeral = _CHORD.fullmatch(name)
    if numeral is None:
        raise ValueError(f"{name!r} is no Roman numeral of a chord")
    flat, degree, kind = numeral.groups()
    root = key + _DEGREES[degree.upper()] - len(flat)
    third = 4 if degree.isupper() else 3
    steps = {"": (0, third, 7), "5": (0, 7), "7": (0, third, 7, 10), "M7": (0, third, 7, 11)}[kind]
    return tuple((root + step) % 12 for step in steps)


@dataclass(frozen=True)
class _Section:
    plays: list[bool]  # of each part
    has_drums: bool
    loudness: float
    turn: int  # how far the chords are turned round
    ends: bool  # the section's last bar


def _make_form(
    bars: int, parts: int, presence: list[float], rng: np.random.Generator
) -> list[_Section]:
    """Give each bar its section: who plays, how loud; something always does."""
    form: list[_Section] = []
    while len(form) < bars:
        length = int(rng.choice((2, 4, 4, 4, 8)))
        plays = [bool(rng.random() < share) for share in presence]
        if not any(plays):
            plays[int(rng.integers(parts))] = True
        section = _Section(
            plays, rng.random() < 0.85, rng.uniform(0.65, 1), rng.choice((0, 0, 2)), False
        )
        form += [section] * (length - 1) + [replace(section, ends=True)]
    return form[:bars]


def _play_drums(
    drums: dict[str, str],
    beats: float,
    start: float,
    sections: list[_Section],
    artist: Artist,
    rng: np.random.Generator,
) -> list[Line]:
    lines = []
    filling = rng.choice(list(drums)) if drums else ""
    for name, rhythm in drums.items():
        notes = []
        for bar, section in enumerate(sections):
            if not section.has_drums:
                continue
            hits = read_rhythm(rhythm, beats)
            if section.ends and name == filling:
                hits += [(beats - 1 + i / 4, 0.25, 0.6 + i / 8) for i in range(4)]
            for beat, length, loudness in hits:
                loudness *= section.loudness**0.5 * rng.uniform(0.85, 1.1)
                notes.append(Note(bar * beats + beat - start, length, artist.kit, loudness))
        gain = _DRUM_GAINS[name] + artist.drum_level + rng.normal(0, 1)
        lines.append(Line(name, notes, gain, is_drum=True))
    return lines


def _choose(options: Sequence[_Option], rng: np.random.Generator) -> _Option:
    return options[int(rng.integers(len(options)))]
