"""The words in which a genre of the synthetic music is written down: scale, part, sound, style.

Rhythms are strings of sixteenths, ``x`` loud, ``o`` soft, ``.`` silent; they repeat until the bar
is full, and a shorter bar cuts them off. Chords are Roman numerals over the key: upper case major,
lower case minor, with ``7`` (minor seventh), ``M7`` (major seventh) or ``5`` (no third).
"""

from __future__ import annotations

from dataclasses import dataclass

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
    "double harmonic": (0, 1, 4, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "in": (0, 1, 5, 7, 8),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "chromatic": tuple(range(12)),
}
"""Semitones above the key note."""


@dataclass(frozen=True)
class Part:
    """What one player does.

    Attributes
    ----------
    figure : str
        How chords become notes: a key of `demo_figures.FIGURES`.
    instruments : tuple of str
        An artist chooses one.
    rhythms : tuple of str
        A track chooses one.
    register : int
        The MIDI pitch about which the part lies.
    gain : float
        In dB.
    presence : float
        In what share of a track's sections the part plays.
    drive : float
        Distortion: gain in dB before the valve, 0 for none.
    sustain : float
        How much of the time to the next note a note is held.
    """

    figure: str
    instruments: tuple[str, ...]
    rhythms: tuple[str, ...]
    register: int
    gain: float = 0.0
    presence: float = 0.85
    drive: float = 0.0
    sustain: float = 0.95


@dataclass(frozen=True)
class Sound:
    """What room and machine add to the playing.

    Attributes
    ----------
    reverb, room : float
        Share of reverberation in the mix; its time to -60 dB, in seconds.
    band : (float, float)
        What the recording lets through, in Hz.
    drive : float
        Saturation of the whole mix in dB, 0 for none.
    pump : float
        How far the kick pushes all else down, 0 to 1.
    hiss, crackle : float
        Level of tape noise in dB below the music, and clicks a second; 0 for none.
    wow : float
        Unsteadiness of the machine's speed, as a share of it.
    width : float
        How far the players stand apart, 0 (mono) to 1.
    """

    reverb: float = 0.15
    room: float = 1.2
    band: tuple[float, float] = (35.0, 17_000.0)
    drive: float = 0.0
    pump: float = 0.0
    hiss: float = 0.0
    crackle: float = 0.0
    wow: float = 0.0
    width: float = 0.7


@dataclass(frozen=True)
class Style:
    """What makes a genre.

    Attributes
    ----------
    tempo : (float, float)
        Quarter notes a minute: slowest and fastest artist.
    harmonies : tuple of (str, str)
        A scale's name, and the chords over it, one a bar.
    grooves : tuple of (float, dict)
        Quarter notes in a bar, and the drums' rhythms.
    parts : tuple of Part
    sound : Sound
    swing : (float, float)
        Where the second half of an eighth (`swing_beat` 1) or sixteenth (0.5) pair falls: 0.5 is
        straight, 0.67 a triplet.
    swing_beat : float
    looseness : float
        Standard deviation of the players' timing in seconds.
    rubato : float
        How much the tempo breathes, as a share of it.
    neighbours : tuple of str
        Genres that its artists listen to.
    openness : float
        How likely an artist is to take a trait from a neighbour.
    """

    tempo: tuple[float, float]
    harmonies: tuple[tuple[str, str], ...]
    grooves: tuple[tuple[float, dict[str, str]], ...]
    parts: tuple[Part, ...]
    sound: Sound = Sound()
    swing: tuple[float, float] = (0.5, 0.5)
    swing_beat: float = 1.0
    looseness: float = 0.006
    rubato: float = 0.0
    neighbours: tuple[str, ...] = ()
    openness: float = 0.1
