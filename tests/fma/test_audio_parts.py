"""Files of several parts, damaged files and lying headers: everything that decodes is decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.errors import AudioTooShort, AudioUndecodable
from common.fma.audio import read_audio, read_recording
from common.fma.audio_parts import find_parts, mpeg_frame_size
from common.fma.audio_stream import AudioStream, check_audio
from common.plotting.players import encode_mp3

SR = 44_100
JINGLE, SONG = 3.0, 8.0
LYRICS = b"LYRICSBEGININD0000200" + b"x" * 6000 + b"006021LYRICS200"
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (6032).to_bytes(4, "little") + bytes(16)
ID3V2 = b"ID3\x04\0\0\0\0\x2f\x50" + b"x" * (0x2F * 128 + 0x50)


def encoded(seconds: float, kind: str, *, sr: int = SR, channels: int = 1, seed: int = 0) -> bytes:
    sound = np.stack([music(seed, seconds, sr)] * channels, axis=1)
    if kind == "mp3 without Info":
        return encode_mp3(sound.squeeze(), sr)
    options = {"mp3": ("MP3", None), "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS")}
    options |= {"flac": ("FLAC", "PCM_16"), "wav": ("WAV", "PCM_16")}
    file = io.BytesIO()
    soundfile.write(file, sound, sr, format=options[kind][0], subtype=options[kind][1])
    return file.getvalue()


def write(path: Path, *contents: bytes) -> Path:
    path.write_bytes(b"".join(contents))
    return path


def info(content: bytes, frames: int) -> bytes:
    """Let the Info header of an MP3 state another number of frames."""
    at = max(content.find(b"Xing"), content.find(b"Info")) + 8
    return content[:at] + frames.to_bytes(4, "big") + content[at + 4 :]


def from_pipe(flac: bytes) -> bytes:
    """Let a FLAC state no number of samples, as an encoder does that writes into a pipe."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def seconds_of(path: Path) -> float:
    """Decode a file at once and as a stream, which must agree."""
    recording = read_recording(path, 22_050)
    stream = AudioStream(path)
    joined = np.concatenate(list(stream))
    np.testing.assert_allclose(joined, recording.samples, atol=1e-6)
    assert tuple(stream.notes) == recording.notes
    assert check_audio(path, np.inf) == list(recording.notes)
    return len(joined) / 22_050


PARTS = {
    "jingle with its Info, then a song": [("mp3", {}), ("mp3", {})],
    "jingle with its Info, then a song without": [("mp3", {}), ("mp3 without Info", {})],
    "both without Info": [("mp3 without Info", {}), ("mp3 without Info", {})],
    "song with Info behind one without": [("mp3 without Info", {}), ("mp3", {})],
    "another sample rate, with Info": [("mp3", {}), ("mp3", {"sr": 48_000})],
    "another sample rate": [("mp3 without Info", {}), ("mp3 without Info", {"sr": 48_000})],
    "mono, then stereo": [("mp3 without Info", {}), ("mp3 without Info", {"channels": 2})],
    "stereo, then mono": [("mp3", {"channels": 2}), ("mp3", {})],
    "MPEG-1, then MPEG-2": [("mp3 without Info", {}), ("mp3", {"sr": 16_000})],
    "chained Vorbis": [("ogg", {}), ("ogg", {})],
    "chained Vorbis, another rate, stereo": [("ogg", {}), ("ogg", {"sr": 48_000, "channels": 2})],
    "chained Opus": [("opus", {"sr": 48_000}), ("opus", {"sr": 48_000})],
    "joined FLACs": [("flac", {}), ("flac", {"sr": 32_000})],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
@pytest.mark.parametrize("between", [b"", ID3V2], ids=["", "tag between"])
def test_every_part_is_decoded(tmp_path, parts, between):
    if between and not parts[0][0].startswith("mp3"):
        pytest.skip("such a tag occurs in MP3s")
    (first, options), (second, others) = parts
    contents = encoded(JINGLE, first, **options), encoded(SONG, second, seed=5, **others)
    path = write(tmp_path / "a", contents[0], between, contents[1])
    assert seconds_of(path) == pytest.approx(JINGLE + SONG, abs=0.2)
    assert read_recording(path, 22_050).notes == ()
    # The second part is heard, not the first one's buffer again.
    heard = read_audio(path)[5 * 22_050 : 9 * 22_050]
    assert spectrum_likeness(heard, music(5, SONG, 22_050)) > 0.95


def spectrum_likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlate the power of two sounds in narrow bands."""

    def bands(sound: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(sound[:80_000])) ** 2
        return power[: len(power) // 50 * 50].reshape(-1, 50).sum(axis=1)

    return float(np.corrcoef(bands(first), bands(second))[0, 1])


def test_three_parts_are_decoded(tmp_path):
    parts = [encoded(2, kind, seed=seed) for seed, kind in enumerate(["mp3", "mp3", "mp3"])]
    assert seconds_of(write(tmp_path / "a.mp3", *parts)) == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("frames", [1, 50, 300, 5000, 2**31])
def test_frame_count_of_an_info_header_is_not_believed(tmp_path, frames):
    path = write(tmp_path / "a.mp3", info(encoded(SONG, "mp3"), frames))
    assert seconds_of(path) == pytest.approx(SONG, abs=0.1)


def test_part_that_is_asked_for_ends_in_the_second_part(tmp_path):
    path = write(tmp_path / "a.mp3", encoded(3, "mp3"), encoded(8, "mp3", sr=48_000))
    assert len(read_audio(path, duration=10)) == 220_500
    assert len(read_audio(path, duration=5, offset=2)) == 110_250
    assert len(read_audio(path, duration=2, offset=5)) == 44_100
    with pytest.raises(AudioTooShort, match=r"ends at 1[01]\.\d\d s, 12\.00 s are needed"):
        read_audio(path, duration=12)


TRAILERS = {
    "zeros": bytes(5000),
    "many zeros": bytes(2_500_000),
    "Lyrics3": LYRICS,
    "Lyrics3 and ID3v1": LYRICS + b"TAG" + bytes(125),
    "ID3v1": b"TAG" + b"x" * 125,
    "APE": APE + b"x" * 1968,
    "APE and ID3v1": APE + b"x" * 1968 + b"TAG" + b"x" * 125,
    "ID3v2": ID3V2,
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS.keys())
@pytest.mark.parametrize("kind", ["mp3", "mp3 without Info"])
def test_tags_and_zeros_at_the_end_are_no_damage(tmp_path, kind, trailer):
    content = encoded(SONG, kind)
    path = write(tmp_path / "a.mp3", content, trailer)
    assert seconds_of(path) == pytest.approx(SONG, abs=0.1)
    assert read_recording(path, 22_050).notes == ()
    alone = read_audio(write(tmp_path / "b.mp3", content))
    np.testing.assert_array_equal(read_audio(path)[:170_000], alone[:170_000])


def test_flac_from_a_pipe_is_decoded(tmp_path):
    path = write(tmp_path / "a.flac", from_pipe(encoded(SONG, "flac")))
    assert seconds_of(path) == SONG
    assert read_recording(path, 22_050).notes == ()
    assert len(read_audio(path, duration=3)) == 66_150


@pytest.mark.parametrize("kind", ["flac", "wav"])
def test_tags_behind_lossless_files_are_no_damage(tmp_path, kind):
    chunk = b"LIST" + (7000).to_bytes(4, "little") + b"y" * 7000 if kind == "wav" else b""
    path = write(tmp_path / "a", encoded(SONG, kind), chunk, b"TAG" + bytes(125))
    assert seconds_of(path) == SONG
    assert read_recording(path, 22_050).notes == ()


def damaged(content: bytes, with_what: bytes) -> bytes:
    half = len(content) // 2
    return content[:half] + with_what + content[half + len(with_what) :]


@pytest.mark.parametrize("kind", ["mp3", "mp3 without Info"])
@pytest.mark.parametrize("what", [bytes(9000), b"no music\n" * 1000], ids=["zeros", "text"])
def test_mp3_is_decoded_on_behind_damage(tmp_path, kind, what):
    path = write(tmp_path / "a.mp3", damaged(encoded(SONG, kind), what))
    lost = SONG * len(what) / len(encoded(SONG, kind))
    assert seconds_of(path) == pytest.approx(SONG - lost, abs=0.3)
    notes = read_recording(path, 22_050).notes
    assert len(notes) == (what[0] != 0)
    assert all(note.endswith(" s do not decode") for note in notes)


def test_what_was_decoded_before_damage_is_used_and_the_loss_stated(tmp_path):
    content = encoded(SONG, "flac")
    path = write(tmp_path / "a.flac", damaged(content, b"no music\n" * 1000))
    seconds = seconds_of(path)
    assert 3 < seconds < 5
    [note] = read_recording(path, 22_050).notes
    lost = int(note.split()[0].replace(",", ""))
    assert lost == pytest.approx(len(content) / 2, rel=0.1)
    assert note == f"{lost:,} bytes after {seconds:.2f} s do not decode"
    with pytest.raises(AudioTooShort, match=f"{SONG:.2f} s are needed; {note}"):
        read_audio(path, duration=SONG)


@pytest.mark.parametrize("kind", ["mp3", "mp3 without Info", "flac", "ogg", "wav"])
def test_file_that_was_cut_off_gives_what_is_there(tmp_path, kind):
    content = encoded(SONG, kind)
    path = write(tmp_path / "a", content[: len(content) // 2])
    assert 2 < seconds_of(path) < 6


def test_sound_behind_the_end_that_a_wav_states_is_counted(tmp_path):
    content = encoded(SONG, "wav")
    short = content[:40] + (100_000).to_bytes(4, "little") + content[44:]
    path = write(tmp_path / "a.wav", short)
    assert seconds_of(path) == pytest.approx(100_000 / 2 / SR, abs=1e-3)
    assert read_recording(path, 22_050).notes == ("605,600 bytes after 1.13 s do not decode",)


def test_noise_is_no_part(tmp_path):
    noise = np.random.default_rng(0).bytes(300_000)
    path = write(tmp_path / "a.mp3", encoded(JINGLE, "mp3"), noise)
    assert seconds_of(path) == pytest.approx(JINGLE, abs=0.1)
    assert read_recording(path, 22_050).notes == ("300,000 bytes after 3.00 s do not decode",)
    assert list(find_parts(io.BytesIO(noise), "MP3", 0, 0)) == []


def test_damage_from_the_first_block_on_is_undecodable(tmp_path):
    content = encoded(JINGLE, "flac")
    path = write(tmp_path / "a.flac", content[:100], b"no music\n" * 5000)
    with pytest.raises(AudioUndecodable, match="damaged beyond decoding"):
        read_audio(path)


def test_frames_that_straddle_windows_are_found():
    song = encoded(1, "mp3 without Info")
    for before in (2**20 - 200, 2**20 - 2**14, 2**20 - 2**14 + 50, 2**20 + 1):
        file = io.BytesIO(b"\xff" * before + song)
        assert next(find_parts(file, "MP3", 0, 0)) == before


@pytest.mark.parametrize("kind", ["mp3 without Info"])
@pytest.mark.parametrize("sr", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_mpeg_frames_have_the_size_that_headers_state(kind, sr):
    content = encoded(1, kind, sr=sr)
    at = frames = 0
    while at < len(content):
        size, _ = mpeg_frame_size(content[at : at + 4])
        assert size
        at += size
        frames += 1
    assert at == len(content)
    assert frames > 10
