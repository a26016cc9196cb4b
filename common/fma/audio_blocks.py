"""Decoding audio files block by block: the one reader of all commands."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from common.errors import AudioEmpty, AudioMissing, AudioUndecodable
from common.fma.audio_files import UNREADABLE
from common.fma.audio_parts import FilePart, count_lost, find_parts
from common.fma.silence import FINEST_STEP

if TYPE_CHECKING:
    import soundfile

BLOCK_SAMPLES = 2**18
"""Samples that are decoded at a time, those of all channels: 3 s of a stereo CD."""

LOUDEST = 10.0
"""Largest plausible amplitude, in full scales: MP3s of music exceed 1, damaged files this."""

SAMPLE_RATES = (1_000, 768_000)
"""Lowest and highest plausible sample rate, Hz. Damaged headers state others: minutes at 1 Hz would
be days of sound at 22,050 Hz."""

OPPOSED = 1e-2
"""Power of the channels' mean over the mean of their powers, below which they are opposed: -20 dB.
Blocks of ordinary stereo music reach -6 dB, left = -right coded as Vorbis -25 dB."""

_STEPS = {
    "PCM_S8": 2.0**-7,
    "PCM_U8": 2.0**-7,
    "ULAW": 2.0**-12,
    "ALAW": 2.0**-12,
    "PCM_24": FINEST_STEP,
    "PCM_32": FINEST_STEP,
    "FLOAT": FINEST_STEP,
    "DOUBLE": FINEST_STEP,
    "ALAC_20": 2.0**-19,
    "ALAC_24": FINEST_STEP,
    "ALAC_32": FINEST_STEP,
}
"""Quantisation step of a format; the step of other formats is that of 16 bits."""

_UNKNOWN = 2.0**62
LOSS = "do not decode"  # end of a note about lost bytes

UNDECODABLE = "is no audio, or damaged beyond decoding"

_UNWRITTEN = np.uint32(0x7FA5A5A5)  # a NaN that no decoder writes


class AudioBlocks:
    """An audio file as blocks of mono samples at the file's own sample rate.

    ``path`` is a file of any format that libsndfile reads. The length in a header is ignored. If
    the decoder stops before the end of the file, decoding continues with the next part that
    contains audio: joined MP3s, the links of a chained OGG, frames after the end that a header
    states, frames after damage, another sample rate or number of channels. Samples decoded before
    an error are used.

    A block is the mean of the channels. If its power is below `OPPOSED` times that of the channels,
    the channels cancel, for example if left = -right. Then the channels opposed to the loudest one
    are negated before the mean. Each block is decided independently; blocks begin at multiples of
    `BLOCK_SAMPLES` in every reader.

    ``step`` is the quantisation step of the format, once decoding has begun (see
    `silence.is_silent`), ``seconds`` the duration decoded so far, and ``notes`` a list of
    peculiarities so far: opposed channels, and the number of bytes that do not decode, except tags
    and zeros.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.step = FINEST_STEP
        self.notes: list[str] = []
        self.seconds = 0.0

    def read(self, seconds: float = np.inf) -> Iterator[tuple[int, np.ndarray]]:
        """Decode at most a duration, yielding (sample rate, float32 block (samples,)).

        The sample rate may change; a block has at least one sample. `AudioMissing`, `AudioEmpty`
        and `AudioUndecodable` name the file.
        """
        with decoding(self.path):
            file = self.path.open("rb", buffering=0)
        with file:
            with decoding(self.path):
                sound: soundfile.SoundFile | None = _sequential()(file.fileno(), closefd=False)
            begun, failed = 0, False
            while sound is not None:
                with sound:
                    kind = sound.format
                    if not SAMPLE_RATES[0] <= sound.samplerate <= SAMPLE_RATES[1]:
                        reason = f"is damaged: its sample rate is {sound.samplerate:,} Hz"
                        raise AudioUndecodable(self.path, reason)
                    failed |= yield from self._read_part(sound, seconds)
                    stopped = file.tell()
                if self.seconds >= seconds - 0.5 / sound.samplerate:
                    return
                sound, begun = self._next_part(file, kind, begun, stopped)
        if self.seconds == 0 and failed:
            raise _undecodable(self.path)
        if self.seconds == 0:
            raise AudioEmpty(self.path, "; ".join(["decodes to no samples", *self.notes]))

    def _read_part(
        self, sound: soundfile.SoundFile, seconds: float
    ) -> Generator[tuple[int, np.ndarray], None, bool]:
        """Yield the blocks of a part; return whether it ended with an error."""
        import soundfile

        sr, channels = sound.samplerate, sound.channels
        self.step = _STEPS.get(sound.subtype, 2.0**-15)
        left = min(sound.frames, round(min((seconds - self.seconds) * sr, _UNKNOWN)))
        buffer = np.empty((min(left, max(1, BLOCK_SAMPLES // channels)), channels), np.float32)
        bits = buffer.view(np.uint32)
        while left > 0:
            out = buffer[:left]
            bits[: len(out)] = _UNWRITTEN
            failed = False
            # What others write to the standard error between blocks must not be lost.
            with silenced_stderr():
                try:
                    count = len(sound.read(out=out))
                except soundfile.LibsndfileError:
                    count, failed = len(out), True
            # The decoder's count includes samples that it has not written.
            if count and (bits[count - 1] == _UNWRITTEN).any():
                count = int((bits[:count] == _UNWRITTEN).any(axis=1).argmax())
            if count:
                mono = self._mix(buffer[:count])
                self.seconds += count / sr
                yield sr, mono
            if failed or count < len(out):
                return failed
            left -= count
        return False

    def _next_part(
        self, file: BinaryIO, kind: str, begun: int, stopped: int
    ) -> tuple[soundfile.SoundFile | None, int]:
        """Open the next part that has sound, and note what is lost before it."""
        import soundfile

        size = file.seek(0, os.SEEK_END)
        # The decoders of the other two read ahead.
        if stopped < size or kind in ("OGG", "FLAC"):
            for offset in find_parts(file, kind, begun, stopped):
                lost = count_lost(file, kind, begun, stopped, offset)
                file.seek(offset)
                try:
                    with silenced_stderr():
                        sound = _sequential()(FilePart(file, offset))
                except soundfile.LibsndfileError:
                    continue
                self._note_loss(lost)
                return sound, offset
            self._note_loss(count_lost(file, kind, begun, stopped, size))
        return None, size

    def _note_loss(self, lost: int) -> None:
        if lost:
            self.notes.append(f"{lost:,} bytes after {self.seconds:.2f} s {LOSS}")

    def _mix(self, samples: np.ndarray) -> np.ndarray:
        """Mix the channels of a block (samples, channels) to mono (samples,), a new array."""
        channels = samples.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
            # Column by column: NumPy's mean over so short an axis takes as long as decoding an MP3.
            mono = functools.reduce(np.add, samples.T) if channels > 1 else samples[:, 0].copy()
            mono /= channels
            if channels > 1 and (signs := _opposed_signs(samples, mono)) is not None:
                mono = samples @ (signs / channels)
                note = "the channels cancel each other: the opposed ones are negated"
                if note not in self.notes:
                    self.notes.append(note)
        peak = max(mono.max(), -mono.min())
        if not np.isfinite(peak):
            raise AudioUndecodable(self.path, "decodes to values that are not finite")
        if peak > LOUDEST:
            reason = f"is damaged: it decodes to {peak:,.0f} times full scale"
            raise AudioUndecodable(self.path, reason)
        return mono


def _opposed_signs(samples: np.ndarray, mono: np.ndarray) -> np.ndarray | None:
    """Return the sign of each channel that keeps them from cancelling; None if they do not."""
    some, mix = samples[::16], mono[::16]  # enough for their powers
    count, channels = some.shape
    mean = mix.mean()
    if mix @ mix - count * mean**2 >= OPPOSED * np.vdot(some, some) / channels:
        return None  # the channels' offsets can but lower the limit
    centred = samples - samples.mean(axis=0)
    power = np.einsum("sc,sc->c", centred, centred)
    mix = mono - mono.mean()
    if not mix @ mix < OPPOSED * power.mean():
        return None
    signs = np.where(centred[:, power.argmax()] @ centred < 0, np.float32(-1), np.float32(1))
    return signs * signs[0]


@functools.cache
def _sequential() -> type[soundfile.SoundFile]:
    """Return a `soundfile.SoundFile` that never seeks: seeking fails at the end of some files."""
    import soundfile

    class Sequential(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Sequential


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Convert errors of opening a file to an `AudioError` that names it."""
    import soundfile

    # Opening a pipe would block, and a device may have no end.
    if not path.is_file():
        raise AudioMissing(path, "no such file")
    if path.stat().st_size == 0:
        raise AudioEmpty(path, "the file is empty")
    try:
        # libmpg123 writes notes about damaged files into progress bars and notebooks.
        with silenced_stderr():
            yield
    except soundfile.LibsndfileError:
        raise _undecodable(path) from None


def _undecodable(path: Path) -> AudioUndecodable:
    """Return the error of a file that does not decode, with the command that converts it."""
    if path.suffix.lower() not in UNREADABLE:
        return AudioUndecodable(path, UNDECODABLE)
    names = f"{shlex.quote(path.name)} {shlex.quote(f'{path.stem}.flac')}"
    advice = f"convert it, for example: ffmpeg -i {names}"
    return AudioUndecodable(path, f"{path.suffix} is a format that cannot be read here; {advice}")


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what C libraries write to the standard error."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
