"""Decoding audio block by block: a file of any length in the memory of one block."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.errors import AudioSilent, AudioTooShort, AudioUndecodable
from common.fma.audio_blocks import AudioBlocks
from common.fma.silence import SILENT, is_silent

READABLE = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp2", ".mp3", ".oga", ".ogg", ".opus"}
    | {".rf64", ".w64", ".wav"}
)
"""Endings of the audio files that a folder is searched for."""

UNREADABLE = frozenset({".aac", ".ac3", ".ape", ".m4a", ".m4b", ".mp4", ".mpc", ".webm", ".wma"})
"""Endings of audio files that libsndfile does not read, and another program has to convert."""


SILENCE_SECONDS = 10.0
"""Length of the segments that `check_audio` looks for sound in."""


def walk_audio(folder: Path) -> Iterator[Path]:
    """Find the audio files of a folder and all folders in it; what is hidden is passed over.

    Audio that needs another program is among them, so that it does not go unnoticed.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in READABLE | UNREADABLE:
                yield path


class AudioStream(AudioBlocks):
    """An audio file as blocks of mono samples at one sample rate.

    The blocks together are the samples that `read_audio` gives, without their being in memory
    together; what that refuses is refused here with the same words, as soon as it is met.

    Parameters
    ----------
    path : path-like
        A file of any format that libsndfile reads: MP3, FLAC, OGG, WAV and others.
    sr : int > 0
        The sample rate of the blocks in Hz.
    duration : float > 0
        How much is decoded, in seconds.

    Yields
    ------
    np.ndarray [shape=(samples,), dtype=float32]
        Some blocks may be empty.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioUndecodable
        All are `AudioError`, and name the file.
    """

    def __init__(self, path: str | Path, sr: int = 22_050, duration: float = np.inf) -> None:
        super().__init__(path)
        self.sr, self.duration = sr, duration

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode the file and resample its blocks."""
        try:
            yield from self._resampled()
        except AudioUndecodable:
            if self.path.suffix.lower() not in UNREADABLE:
                raise
            names = f"{shlex.quote(self.path.name)} {shlex.quote(f'{self.path.stem}.flac')}"
            advice = f"convert it, for example: ffmpeg -i {names}"
            reason = f"{self.path.suffix} is a format that cannot be read here; {advice}"
            raise AudioUndecodable(self.path, reason) from None

    def _resampled(self) -> Iterator[np.ndarray]:
        import soxr

        resampler, rate = None, 0
        nothing = np.empty(0, np.float32)
        for native_sr, block in self.read(self.duration):
            if native_sr != rate:
                if resampler:
                    yield resampler.resample_chunk(nothing, last=True)
                resampler, rate = None, native_sr
                if native_sr != self.sr:
                    resampler = soxr.ResampleStream(native_sr, self.sr, 1, "float32", "HQ")
            yield resampler.resample_chunk(block) if resampler else block
        if resampler:
            yield resampler.resample_chunk(nothing, last=True)


def stream_audio(path: str | Path, sr: int = 22_050) -> AudioStream:
    """Decode audio to mono at the asked sample rate, a block at a time; see `AudioStream`."""
    return AudioStream(path, sr)


def check_audio(path: str | Path, seconds: float, *, at_least: float = 0.0) -> list[str]:
    """Decide whether the beginning of an audio file is usable.

    Parameters
    ----------
    path : path-like
    seconds : float > 0
        How much is decoded.
    at_least : float >= 0
        How much the file must have, in seconds.

    Returns
    -------
    list of str
        What is worth knowing about a usable file; see `AudioBlocks.notes`.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioUndecodable, AudioTooShort, AudioSilent
        All are `AudioError`, and name the file.
    """
    stream = AudioStream(path, duration=seconds)
    length = round(SILENCE_SECONDS * stream.sr)
    heard, audible = 0, False
    rest = np.empty(0, np.float32)
    for block in stream:
        heard += len(block)
        rest = np.concatenate([rest, block])
        while len(rest) >= length and not audible:
            audible = not is_silent(rest[:length], stream.sr, stream.step)
            rest = rest[length:]
        if audible:
            rest = rest[:0]
    if heard + 1 < at_least * stream.sr:
        short = f"ends at {heard / stream.sr:.2f} s, {at_least:g} s are needed"
        raise AudioTooShort(path, "; ".join([short, *stream.notes]))
    if not audible and is_silent(rest, stream.sr, stream.step):
        raise AudioSilent(path, SILENT)
    return stream.notes
