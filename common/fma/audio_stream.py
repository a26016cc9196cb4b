"""Decoding audio block by block, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from common.errors import AudioSilent, AudioTooShort
from common.fma.audio_blocks import AudioBlocks
from common.fma.silence import SILENT, is_silent

SILENCE_SECONDS = 10.0  # length of the segments that `check_audio` looks for sound in


class AudioStream(AudioBlocks):
    """An audio file as blocks of mono samples at one sample rate, up to a duration in seconds.

    Iteration yields float32 (samples,); some blocks may be empty. The concatenated blocks equal the
    samples of `read_audio`, and errors are the same.
    """

    def __init__(self, path: str | Path, sr: int = 22_050, duration: float = np.inf) -> None:
        super().__init__(path)
        self.sr, self.duration = sr, duration

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode the file and resample its blocks."""
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


def check_audio(
    path: str | Path,
    seconds: float,
    *,
    at_least: float = 0.0,
    each: Callable[[np.ndarray], object] | None = None,
) -> list[str]:
    """Check that the first seconds of an audio file are usable; return `AudioBlocks.notes`.

    ``at_least`` is the minimum duration in seconds. ``each`` is called with each block of samples
    at 22,050 Hz, for example to compute a checksum. `AudioMissing`, `AudioEmpty`,
    `AudioUndecodable`, `AudioTooShort` and `AudioSilent` name the file.
    """
    stream = AudioStream(path, duration=seconds)
    length = round(SILENCE_SECONDS * stream.sr)
    decoded, audible = 0, False
    rest = np.empty(0, np.float32)
    for block in stream:
        if each:
            each(block)
        decoded += len(block)
        rest = np.concatenate([rest, block])
        while len(rest) >= length and not audible:
            audible = not is_silent(rest[:length], stream.sr, stream.step)
            rest = rest[length:]
        if audible:
            rest = rest[:0]
    if decoded + 1 < at_least * stream.sr:
        short = f"ends at {decoded / stream.sr:.2f} s, {at_least:g} s are needed"
        raise AudioTooShort(path, "; ".join([short, *stream.notes]))
    if not audible and is_silent(rest, stream.sr, stream.step):
        raise AudioSilent(path, SILENT)
    return stream.notes
