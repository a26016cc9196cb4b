"""Decoding block by block: the samples and the refusals of decoding at once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.errors import AudioEmpty, AudioMissing, AudioUndecodable
from common.fma import audio_blocks
from common.fma.audio import read_audio
from common.fma.audio_stream import AudioStream


def write(path: Path, sr: int, channels: int = 1, seconds: float = 5.3, **options) -> Path:
    sound = np.stack([music(seed, seconds, sr) for seed in range(channels)], axis=1)
    soundfile.write(path, sound, sr, **options)
    return path


@pytest.mark.parametrize(
    ("name", "sr", "channels"),
    [
        ("a.mp3", 44_100, 2),
        ("a.wav", 48_000, 2),
        ("a.wav", 8_000, 1),
        ("a.wav", 22_050, 1),
        ("a.flac", 44_100, 6),
        ("a.ogg", 44_100, 2),
        ("a.aiff", 96_000, 1),
    ],
)
def test_blocks_are_the_samples_of_the_whole(tmp_path, monkeypatch, name, sr, channels):
    path = write(tmp_path / name, sr, channels)
    monkeypatch.setattr(audio_blocks, "BLOCK_SAMPLES", 30_011)  # no format's own blocks
    blocks = list(AudioStream(path))
    assert len(blocks) > 1
    assert all(block.dtype == np.float32 for block in blocks)
    np.testing.assert_allclose(np.concatenate(blocks), read_audio(path), atol=1e-6)


def test_other_rates_can_be_asked_for(tmp_path):
    path = write(tmp_path / "a.wav", 44_100)
    joined = np.concatenate(list(AudioStream(path, 16_000)))
    np.testing.assert_allclose(joined, read_audio(path, sr=16_000), atol=1e-6)


def decode(path: Path) -> None:
    for _ in AudioStream(path):
        pass


def test_what_cannot_be_read_is_refused_with_the_words_of_read_audio(tmp_path):
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "text.mp3").write_text("no music\n" * 100)
    (tmp_path / "headerless.raw").write_bytes(bytes(1000))
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 22_050)
    soundfile.write(tmp_path / "nan.wav", np.full(1000, np.nan), 22_050, subtype="FLOAT")
    soundfile.write(tmp_path / "loud.wav", np.full((1000, 2), 3e38), 22_050, subtype="FLOAT")
    for path in [tmp_path / "none.mp3", tmp_path, *sorted(tmp_path.iterdir())]:
        with pytest.raises((AudioMissing, AudioEmpty, AudioUndecodable)) as expected:
            read_audio(path)
        with pytest.raises(expected.type) as error:
            decode(path)
        assert str(error.value) == str(expected.value)


@pytest.mark.parametrize("sr", [1, 200, 2_000_000])
def test_sample_rates_of_damaged_headers_are_refused(tmp_path, sr):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), sr)
    with pytest.raises(AudioUndecodable, match=f"its sample rate is {sr:,} Hz"):
        decode(tmp_path / "a.wav")


def test_m4a_is_refused_with_the_way_to_convert_it(tmp_path):
    (tmp_path / "a song.M4A").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    with pytest.raises(AudioUndecodable, match=r"'a song.M4A' 'a song.flac'"):
        decode(tmp_path / "a song.M4A")


def test_a_name_that_misleads_does_not_matter(tmp_path):
    path = write(tmp_path / "a.wav", 22_050).rename(tmp_path / "a.m4a")
    decode(path)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_need_not_be_unicode(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    try:
        write(tmp_path / "a.wav", 22_050).rename(path)
    except OSError:
        pytest.skip("this file system wants Unicode")
    decode(path)
