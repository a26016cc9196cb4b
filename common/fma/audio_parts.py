"""Parts of audio files: where the next one begins after a decoder has stopped.

A decoder stops at the end that a header states, at a change of sample rate or channels, and at
damage. What follows may be another part with sound (a second MP3, the next link of a chained OGG),
tags and zeros, or bytes that do not decode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END, SEEK_SET
from itertools import takewhile
from typing import BinaryIO

CONSECUTIVE_FRAMES = 4
"""MPEG headers, one after the other, that are taken for sound; a tag may contain one by chance."""

TOLERANCE = 4096
"""Bytes behind the last part that are not counted as lost: a frame that was cut off."""

_WINDOW = 2**20
_KBIT = {  # (version 1?, layer) -> kbit/s for the header's index 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_SYNC = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]")
_FLAC_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")


class FilePart:
    """A file from some byte on, as `soundfile.SoundFile` takes it."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move to a byte of the part."""
        if whence == SEEK_SET:
            return self._file.seek(self._start + offset) - self._start
        return self._file.seek(offset, SEEK_CUR if whence == SEEK_CUR else SEEK_END) - self._start

    def tell(self) -> int:
        """Return the byte of the part that is read next."""
        return self._file.tell() - self._start

    def read(self, size: int = -1) -> bytes:
        """Read bytes."""
        return self._file.read(size)


def find_parts(file: BinaryIO, kind: str, begun: int, stopped: int) -> Iterator[int]:
    """Yield the offsets where parts with sound may begin in the rest of a file.

    ``kind`` is libsndfile's name of the format; only MP3, OGG and FLAC are searched. ``begun`` and
    ``stopped`` are the offsets where the decoder began and stopped reading.
    """
    if kind == "MP3":
        yield from _mpeg_frames(file, max(begun + 1, stopped - 4))
    elif kind == "OGG":
        was_head = True  # the streams of one link begin together
        for offset, _, is_head in _ogg_pages(file, begun):
            if is_head and not was_head:
                yield offset
            was_head = is_head
    elif kind == "FLAC":  # libFLAC reads 8 KiB at a time
        for offset, window in _windows(file, max(begun + 1, stopped - 2**14), 16):
            at = min((i for i in map(window.find, _FLAC_STARTS) if i >= 0), default=-1)
            if at >= 0:
                yield offset + at


def count_lost(file: BinaryIO, kind: str, begun: int, stopped: int, end: int) -> int:
    """Count the bytes between a decoder's stop and the next part, except tags and zeros.

    ``end`` is where the next part begins, or the file ends; the others are those of `find_parts`.
    The count is 0 if it is at most `TOLERANCE`, and in formats of unknown chunks.
    """
    if kind == "OGG":
        pages = takewhile(lambda page: page[0] < end, _ogg_pages(file, begun))
        stopped = max((last for _, last, _ in pages), default=begun)
    elif kind not in ("MP3", "FLAC", "WAV", "WAVEX"):
        return 0
    # libmpg123 searches 1 KiB for the next frame before it gives up, libFLAC reads ahead.
    back = {"MP3": 1028, "FLAC": 2**14}.get(kind, 0)
    starts = [stopped]
    if back:
        file.seek(low := max(begun, stopped - back))
        behind = file.read(stopped - low)
        tags = (b"LYRICSBEGIN", b"APETAGEX", b"ID3", b"TAG")
        starts += [low + at for at in map(behind.rfind, tags) if at >= 0]
    lost = min(max(0, end - _skip_tags(file, start, end, kind)) for start in starts)
    return lost if lost > TOLERANCE else 0


def _windows(file: BinaryIO, start: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Read the rest of a file in windows that overlap."""
    while True:
        file.seek(start)
        window = file.read(_WINDOW)
        yield start, window
        if len(window) < _WINDOW:
            return
        start += len(window) - overlap


def mpeg_frame_size(header: bytes) -> tuple[int, int]:
    """Return the size in bytes and the kind of the MPEG audio frame with this header.

    The size is 0 if it is no such header. The kind (version, layer and sample rate) is equal for
    all frames of a stream.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0, 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kbit, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or kbit in (0, 15) or rate == 3:
        return 0, 0
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _KBIT[version == 3, layer][kbit - 1]
    padding = header[2] >> 1 & 1
    if layer == 1:
        size = (12 * bits // hertz + padding) * 4
    else:
        size = (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
    return size, header[1] >> 1 & 0xF | rate << 4


def _mpeg_frames(file: BinaryIO, start: int) -> Iterator[int]:
    """Find where several MPEG frames follow one another."""
    after = start
    for offset, window in _windows(file, start, 2**14):
        for match in _MPEG_SYNC.finditer(window, after - offset):
            if _is_mpeg(window, match.start()):
                yield offset + match.start()
        after = offset + len(window) - 4 * 2881  # what was too near the end to be followed


def _is_mpeg(window: bytes, at: int) -> bool:
    kinds = set()
    for _ in range(CONSECUTIVE_FRAMES):
        size, kind = mpeg_frame_size(window[at : at + 4])
        kinds.add(kind)
        if size == 0 or len(kinds) > 1:
            return False
        at += size
    return True


def _ogg_pages(file: BinaryIO, start: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the first byte, the byte after the last, and whether a stream begins, for each page."""
    while True:
        file.seek(start)
        header = file.read(27)
        if len(header) < 27:
            return
        if header[:4] == b"OggS":
            lengths = file.read(header[26])
            end = start + 27 + len(lengths) + sum(lengths)
            yield start, end, bool(header[5] & 2)
            start = end
            continue
        for offset, window in _windows(file, start + 1, 3):
            if (at := window.find(b"OggS")) >= 0:
                start = offset + at
                break
        else:
            return


def _skip_tags(file: BinaryIO, start: int, end: int, kind: str) -> int:
    """Return where tags, zeros and, in WAV files, chunks end."""
    while start < end:
        file.seek(start)
        window = file.read(min(_WINDOW, end - start))
        if not window:
            return start
        zeros = len(window) - len(window.lstrip(b"\0"))
        start += zeros
        if zeros == len(window):
            continue
        length = _tag_length(window[zeros:], kind, end - start)
        if length == 0:
            return start
        start += length
    return end


def _tag_length(data: bytes, kind: str, available: int) -> int:
    if data.startswith(b"TAG"):
        return 227 if data.startswith(b"TAG+") else 128
    if data.startswith(b"ID3") and len(data) >= 10:
        size = int.from_bytes(data[6:10], "big")  # seven bits in each byte
        return 10 + sum((size >> 8 * i & 0x7F) << 7 * i for i in range(4))
    if data.startswith(b"APETAGEX") and len(data) >= 32:
        return 32 + int.from_bytes(data[12:16], "little")
    if data.startswith(b"LYRICSBEGIN"):
        ends = [at + 9 for at in map(data.find, (b"LYRICS200", b"LYRICSEND")) if at >= 0]
        return min(ends, default=0)
    if kind in ("WAV", "WAVEX") and len(data) >= 8 and data[:4].isascii():
        size = 8 + int.from_bytes(data[4:8], "little")
        return size + size % 2 if data[:4].decode().isprintable() and size <= available else 0
    return 0
