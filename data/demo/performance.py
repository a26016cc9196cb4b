"""Perform the synthetic music: the notes of a song become a stereo recording."""

from __future__ import annotations

import numpy as np
from scipy import signal

from data.demo.instruments import INSTRUMENTS
from data.demo.music import Line, Song
from data.demo.synthesis import SR, band_noise

_LEVEL = 0.14  # the recordings' root mean square, about -17 dB below full scale
_CEILING = 0.8  # an MP3 decodes to peaks above those that were encoded


def perform(song: Song, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play a song and record it.

    Parameters
    ----------
    song : Song
    rng : np.random.Generator
    seconds : float > 0
        The recording's length.

    Returns
    -------
    np.ndarray [shape=(samples, 2), dtype=float32]
        At `demo_synthesis.SR`, left and right, between -0.9 and 0.9.
    """
    size = round(seconds * SR)
    sound = song.sound
    mix = np.zeros((2, size), dtype=np.float32)
    kicks = np.zeros(size, dtype=bool)
    drums = np.zeros_like(mix)
    for number, line in enumerate(song.lines):
        starts = _find_starts(song, line, rng)
        played = _play(line, song, starts, size, rng)
        place = 0.0 if _is_central(line) else (-1) ** number * rng.uniform(0.2, 0.8) * sound.width
        angle = np.pi / 4 * (1 + place)
        stereo = np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32) * played
        if line.is_drum:
            drums += stereo
        else:
            mix += stereo
        if line.instrument.endswith("kick"):
            kicks[starts[(starts >= 0) & (starts < size)]] = True
    if sound.pump and kicks.any():
        mix *= _pumping(kicks, sound.pump)
    mix += drums
    return _record(mix, song, rng).T


def beat_to_seconds(song: Song, beats: np.ndarray) -> np.ndarray:
    """Tell when beats fall, with the song's swing and rubato.

    Parameters
    ----------
    song : Song
    beats : np.ndarray [shape=(n,)]
        In quarter notes from the start of the clip.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float64]
    """
    style, swing = song.artist.style, song.artist.swing
    pair = style.swing_beat
    whole, phase = np.divmod(np.asarray(beats, dtype=float) / pair, 1)
    late = np.where(phase < 0.5, 2 * swing * phase, 1 - 2 * (1 - swing) * (1 - phase))
    swung = (whole + late) * pair
    breath = 2 * song.beats  # the tempo breathes over two bars
    swung += style.rubato * breath / (2 * np.pi) * np.sin(2 * np.pi * swung / breath)
    return swung * 60 / song.tempo


def _is_central(line: Line) -> bool:
    low = ("bass", "kick", "snare", "drone", "voice", "speech", "cello")
    return line.instrument.endswith(low)


def _find_starts(song: Song, line: Line, rng: np.random.Generator) -> np.ndarray:
    """Give the notes' first samples: those of one beat are together, as one player plays them."""
    beats = np.array([note.beat for note in line.notes])
    moments, which = np.unique(beats, return_inverse=True)
    late = rng.normal(0, song.artist.style.looseness, size=len(moments))
    return np.round((beat_to_seconds(song, moments) + late) * SR).astype(int)[which]


def _play(
    line: Line, song: Song, starts: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Lay a line's notes out in time; equal notes are synthesised once."""
    instrument = INSTRUMENTS[line.instrument]
    played = np.zeros(size, dtype=np.float32)
    known: dict[tuple[float, float], np.ndarray] = {}
    for note, start in zip(line.notes, starts, strict=True):
        seconds = round(max(note.length * 60 / song.tempo, 0.03), 3)
        pitch = round(note.pitch, 2)
        if (pitch, seconds) not in known:
            hz = pitch if line.is_drum else 440 * 2 ** ((pitch - 69 + song.artist.tuning) / 12)
            known[pitch, seconds] = instrument(hz, seconds, rng)
        first, last = max(start, 0), min(start + len(known[pitch, seconds]), size)
        if first < last:
            played[first:last] += (
                note.loudness * known[pitch, seconds][first - start : last - start]
            )
    level = _active_level(played)
    if line.drive and level:
        played = np.tanh(played * np.float32(_ratio(line.drive) / level / 4))
        # A loudspeaker's cone is slow: it takes the fizz off.
        played = signal.sosfilt(_filter(4500, "lowpass"), played)
        level = _active_level(played)
    return played * np.float32(_ratio(line.gain) / (level or 1))


def _active_level(samples: np.ndarray) -> float:
    """Root mean square where there is any sound at all."""
    sounding = np.count_nonzero(samples)
    return float(np.sqrt(np.dot(samples, samples) / sounding)) if sounding else 0.0


def _ratio(decibels: float) -> float:
    return 10 ** (decibels / 20)


def _filter(hz: float | tuple[float, float], kind: str, order: int = 2) -> np.ndarray:
    return signal.butter(order, hz, kind, fs=SR, output="sos").astype(np.float32)


def _pumping(kicks: np.ndarray, depth: float) -> np.ndarray:
    """Push everything down at each kick, and let it come back."""
    now = np.arange(len(kicks))
    last = np.maximum.accumulate(np.where(kicks, now, -10 * SR))
    return 1 - np.float32(depth) * np.exp((last - now).astype(np.float32) / np.float32(0.1 * SR))


def _record(mix: np.ndarray, song: Song, rng: np.random.Generator) -> np.ndarray:
    """Add the room, the mixing desk and the medium.

    `mix` is [shape=(2, samples), dtype=float32], and so is the result.
    """
    sound, artist = song.sound, song.artist
    size = mix.shape[1]
    room = sound.room * rng.uniform(0.8, 1.2)
    t = np.arange(round(room * SR), dtype=np.float32) / SR
    echoes = rng.standard_normal((2, len(t)), dtype=np.float32) * np.exp(-6.9 * t / room)
    echoes *= np.float32(0.8) / np.sqrt(np.sum(echoes**2, axis=1, keepdims=True))
    echoes = signal.sosfilt(_filter((250, 6000), "bandpass", 1), echoes)
    wet = signal.oaconvolve(mix.mean(axis=0, keepdims=True), echoes, axes=1)[:, :size]
    mix = mix + np.float32(2 * sound.reverb * rng.uniform(0.7, 1.3)) * wet

    bass = signal.sosfilt(_filter(900, "lowpass", 1), mix)
    tilt = artist.brightness + rng.normal(0, 1)
    mix = np.float32(_ratio(-tilt / 2)) * bass + np.float32(_ratio(tilt / 2)) * (mix - bass)
    mix /= np.float32(np.sqrt(np.mean(mix**2)) + 1e-9)
    if sound.drive:
        mix = np.tanh(mix * np.float32(_ratio(sound.drive) / 4))
        mix /= np.float32(np.sqrt(np.mean(mix**2)) + 1e-9)
    if sound.wow:
        turns = np.arange(size) / SR * rng.uniform(1.1, 1.4)  # a record's turns: 78 a minute
        read = np.arange(size) + sound.wow * SR * np.sin(2 * np.pi * turns) / 8
        mix = np.stack([np.interp(read, np.arange(size), side) for side in mix]).astype(np.float32)
    if sound.hiss:
        hiss = band_noise(size / SR, rng, 1000, 12_000)
        mix = mix + np.float32(_ratio(-sound.hiss + rng.normal(0, 3))) * hiss
    if sound.crackle:
        clicks = rng.random(size, dtype=np.float32) < sound.crackle / SR
        strength = rng.exponential(2.0, size=np.count_nonzero(clicks))
        mix[:, clicks] += (strength * rng.choice((-1, 1), size=len(strength))).astype(np.float32)

    mix *= np.float32(_LEVEL * _ratio(artist.loudness + rng.normal(0, 1)))
    mix = np.float32(_CEILING) * np.tanh(mix / np.float32(_CEILING))
    mix = signal.sosfilt(_filter(sound.band[0], "highpass", 3), mix)
    # Last, so that nothing is above it.
    mix = signal.sosfilt(_filter(sound.band[1], "lowpass", 8), mix)
    return mix * np.float32(min(1, 0.9 / (np.abs(mix).max() + 1e-9)))
