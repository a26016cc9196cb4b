"""Decoding audio block by block: a file of any length in the memory of one block."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.errors import AudioEmpty, AudioUndecodable
from common.fma.audio import decoding, mix_down, require_sample_rate
from common.fma.audio_files import UNREADABLE

BLOCK_SAMPLES = 2**19
"""How many samples are decoded at a time, those of all channels: 2 MB, 6 s of a stereo CD."""


def stream_audio(path: str | Path, sr: int = 22_050) -> Iterator[np.ndarray]:
    """Decode audio to mono at the asked sample rate, a block at a time.

    The blocks together are the samples that `fma_utils.read_audio` gives, without their being in
    memory together; what that refuses is refused here with the same words, as soon as it is met.

    Parameters
    ----------
    path : path-like
        A file of any format that libsndfile reads: MP3, FLAC, OGG, WAV and others.
    sr : int > 0
        The sample rate of the result in Hz.

    Yields
    ------
    np.ndarray [shape=(samples,), dtype=float32]
        The mean of the channels; some blocks may be empty.

    Raises
    ------
    AudioMissing, AudioEmpty, AudioUndecodable
        All are `AudioError`, and name the file.
    """
    path = Path(path)
    try:
        yield from _decode(path, sr)
    except AudioUndecodable:
        if path.suffix.lower() not in UNREADABLE:
            raise
        names = f"{shlex.quote(path.name)} {shlex.quote(f'{path.stem}.flac')}"
        advice = f"convert it, for example: ffmpeg -i {names}"
        reason = f"{path.suffix} is a format that cannot be read here; {advice}"
        raise AudioUndecodable(path, reason) from None


def _decode(path: Path, sr: int) -> Iterator[np.ndarray]:
    import soundfile
    import soxr

    with decoding(path):
        file = soundfile.SoundFile(os.fsencode(path))  # a name need not be valid Unicode
    with file:
        native_sr, frames = file.samplerate, max(1, BLOCK_SAMPLES // file.channels)
        require_sample_rate(path, native_sr)
        resampler = soxr.ResampleStream(native_sr, sr, 1, dtype="float32", quality="HQ")
        is_empty = True
        while True:
            # What is written to the standard error between blocks must not be lost.
            with decoding(path):
                samples = file.read(frames, dtype="float32", always_2d=True)
            if len(samples) == 0:
                break
            is_empty = False
            mono = mix_down(path, samples)
            yield mono if native_sr == sr else resampler.resample_chunk(mono)
        if is_empty:
            raise AudioEmpty(path, "decodes to no samples")
        if native_sr != sr:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)
