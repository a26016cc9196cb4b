"""Reading audio to mono at a given sample rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import AudioTooShort
from common.fma.audio_blocks import AudioBlocks


@dataclass(frozen=True, eq=False)
class Recording:
    """Mono samples of an audio file (n,), with its ``step`` and ``notes``; see `AudioBlocks`."""

    samples: np.ndarray
    step: float
    notes: tuple[str, ...]


def read_audio(
    path: str | Path,
    *,
    sr: int = 22_050,
    offset: float = 0.0,
    duration: float | None = None,
    at_least: float | None = None,
) -> np.ndarray:
    """Decode audio to mono at a sample rate in Hz: float32 (samples,).

    ``offset``, ``duration`` (by default to the end) and ``at_least`` (the minimum duration, by
    default ``duration``) are in seconds of decoded samples, not of headers or tags; see
    `AudioBlocks`. The result has ``round(duration * sr)`` samples, or fewer if `at_least` allows.
    `AudioMissing`, `AudioEmpty`, `AudioTooShort` and `AudioUndecodable` name the file.
    """
    return read_recording(path, sr, offset=offset, duration=duration, at_least=at_least).samples


def read_recording(
    path: str | Path,
    sr: int,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    at_least: float | None = None,
) -> Recording:
    """Decode audio like `read_audio`, with its quantisation step and notes."""
    # Imported here, since reading metadata does not need it.
    import soxr

    if offset < 0:
        raise AudioTooShort(path, f"has no sound at {offset:.2f} s")
    blocks = AudioBlocks(path)
    end = np.inf if duration is None else offset + duration + (1e-3 if offset else 0)
    parts: list[tuple[int, list[np.ndarray]]] = []
    for native_sr, block in blocks.read(end):
        if not parts or parts[-1][0] != native_sr:
            parts.append((native_sr, []))
        parts[-1][1].append(block)
    skipped, seconds, resampled = offset, 0.0, []
    half_a_sample = 0.5 / parts[-1][0]
    for native_sr, pieces in parts:
        samples = np.concatenate(pieces)
        start = round(skipped * native_sr)
        skipped = max(0.0, skipped - len(samples) / native_sr)
        samples = samples[start:]
        if duration is not None:
            samples = samples[: round((duration - seconds) * native_sr)]
        seconds += len(samples) / native_sr
        if len(samples):
            same = native_sr == sr
            resampled.append(samples if same else soxr.resample(samples, native_sr, sr, "HQ"))
    needed = (duration or 0) if at_least is None else at_least
    if not resampled or seconds < needed - half_a_sample:
        short = f"ends at {offset + seconds:.2f} s, {offset + needed:.2f} s are needed"
        raise AudioTooShort(path, "; ".join([short, *blocks.notes]))
    result = resampled[0] if len(resampled) == 1 else np.concatenate(resampled)
    if duration is not None and seconds > duration - 1.5 * half_a_sample:
        # Half a sample of the file's rate, lost in rounding, may be several of the result's.
        length = round(duration * sr)
        if len(result) < length:
            result = np.pad(result, (0, length - len(result)))
        result = result[:length]
    return Recording(np.ascontiguousarray(result), blocks.step, tuple(blocks.notes))
