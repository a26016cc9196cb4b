"""Usable audio: near silence is refused, quiet music is not, and opposed channels do not cancel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.errors import AudioError, AudioSilent, AudioTooShort, AudioUndecodable
from common.fma.audio import read_audio, read_recording
from common.fma.audio_stream import AudioStream, check_audio
from common.fma.silence import is_silent

SR = 44_100
COUNT = 12 * SR
STEP = 2.0**-15

RNG = np.random.default_rng(0)
TPDF = np.round(RNG.random(COUNT) + RNG.random(COUNT) - 1)
INAUDIBLE = {
    "zeros": np.zeros(COUNT),
    "constant of one step": np.full(COUNT, STEP),
    "constant of minus two steps": np.full(COUNT, -2 * STEP),
    "dither of one step": STEP * RNG.integers(-1, 2, COUNT),
    "plus and minus one step": STEP * RNG.choice([-1, 1], COUNT),
    "triangular dither": STEP * TPDF,
    "DC": np.full(COUNT, 0.3),
    "negative DC with dither": -0.05 + STEP * TPDF,
    "ramp": np.linspace(-0.3, 0.3, COUNT),
    "decaying offset": 0.3 * np.exp(-np.arange(COUNT) / (8 * SR)),
    "swing of 50 s": 0.3 * np.sin(2 * np.pi * 0.02 * np.arange(COUNT) / SR),
    "zeros with two clicks": np.where(np.isin(np.arange(COUNT), [100, SR]), 0.5, 0),
}
FORMATS = [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16")]


def write(path: Path, sound: np.ndarray, subtype: str | None = None, sr: int = SR) -> Path:
    soundfile.write(path, sound, sr, subtype=subtype)
    return path


def quiet(decibels: float) -> np.ndarray:
    sound = music(3, 12, SR)
    return sound / np.abs(sound).max() * 10 ** (decibels / 20)


def silent(path: Path, sr: int = 22_050) -> bool:
    """Judge a file, and see that all agree."""
    recording = read_recording(path, sr)
    judged = is_silent(recording.samples[: 10 * sr], sr, recording.step)
    if judged:
        with pytest.raises(AudioSilent, match="is silent"):
            check_audio(path, 30)
    else:
        check_audio(path, 30)
    return judged


@pytest.mark.parametrize(("ending", "subtype"), FORMATS)
@pytest.mark.parametrize("sound", INAUDIBLE.values(), ids=INAUDIBLE.keys())
def test_near_silence_is_silent(tmp_path, sound, ending, subtype):
    path = write(tmp_path / f"a.{ending}", sound, subtype)
    assert silent(path)
    assert silent(path, 16_000)


@pytest.mark.parametrize(
    "kind", ["constant of one step", "dither of one step", "triangular dither"]
)
@pytest.mark.parametrize("ending", ["mp3", "ogg"])
def test_near_silence_is_silent_when_coded(tmp_path, kind, ending):
    assert silent(write(tmp_path / f"a.{ending}", INAUDIBLE[kind]))


@pytest.mark.parametrize("sr", [8_000, 22_050, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["zeros", "dither of one step", "DC"])
def test_near_silence_is_silent_at_every_sample_rate(tmp_path, kind, sr):
    assert silent(write(tmp_path / "a.wav", INAUDIBLE[kind], sr=sr))


def test_dither_of_eight_bits_is_silent(tmp_path):
    path = write(tmp_path / "a.wav", RNG.integers(-1, 2, COUNT) / 128, "PCM_U8")
    assert silent(path)


@pytest.mark.parametrize("decibels", [-90, -80, -60, 0])
@pytest.mark.parametrize("offset", [0, 0.02])
def test_quiet_music_of_24_bits_is_audible(tmp_path, decibels, offset):
    path = write(tmp_path / "a.wav", 0.9 * quiet(decibels) + offset, "PCM_24")
    assert not silent(path)
    assert not silent(path, 16_000)


@pytest.mark.parametrize(("ending", "subtype"), [("wav", "PCM_16"), ("mp3", None), ("ogg", None)])
def test_quiet_music_of_16_bits_is_audible(tmp_path, ending, subtype):
    assert not silent(write(tmp_path / f"a.{ending}", quiet(-60), subtype))


def test_loud_noise_and_chip_music_are_audible(tmp_path):
    noise = 0.01 * RNG.standard_normal(COUNT)
    assert not silent(write(tmp_path / "noise.wav", noise))
    square = 0.5 * np.sign(np.sin(2 * np.pi * 440 * np.arange(COUNT) / SR))
    assert not silent(write(tmp_path / "square.wav", square))


def test_a_second_of_sound_is_enough():
    samples = np.zeros(220_500, np.float32)
    samples[50_000:72_050] = music(0, 1)
    assert not is_silent(samples, 22_050)
    assert is_silent(samples[:50_000], 22_050)


def test_sound_after_silence_makes_a_file_usable(tmp_path):
    sound = np.concatenate([np.zeros(22 * SR), music(0, 8, SR)])
    check_audio(write(tmp_path / "a.wav", sound), 30)
    with pytest.raises(AudioSilent):
        check_audio(tmp_path / "a.wav", 20)


# --- Channels ------------------------------------------------------------------------------------

OPPOSED = {
    "left = -right": lambda left, right: np.stack([left, -left], 1),
    "right channel swapped": lambda left, right: np.stack([left, right / 25 - left], 1),
    "with an offset": lambda left, right: np.stack([left + 0.2, 0.2 - left], 1),
    "six channels": lambda left, right: np.stack([left, -left, right, -right, *2 * [0 * left]], 1),
}


@pytest.mark.parametrize("make", OPPOSED.values(), ids=OPPOSED.keys())
def test_opposed_channels_do_not_cancel(tmp_path, make):
    left, right = music(0, 12, SR), music(1, 12, SR)
    path = write(tmp_path / "a.wav", make(left, right))
    recording = read_recording(path, SR)
    mean = recording.samples.mean()
    inside = recording.samples - mean
    assert inside.std() > 0.4 * left.std()
    assert abs(np.corrcoef(inside, left)[0, 1]) > 0.6
    assert recording.notes == ("the channels cancel each other: the opposed ones are negated",)
    stream = AudioStream(path, SR)
    np.testing.assert_array_equal(np.concatenate(list(stream)), recording.samples)
    assert tuple(stream.notes) == recording.notes
    assert check_audio(path, 30) == stream.notes


@pytest.mark.parametrize("ending", ["mp3", "ogg", "flac"])
def test_opposed_channels_do_not_cancel_when_coded(tmp_path, ending):
    left = music(0, 12, SR)
    path = write(tmp_path / f"a.{ending}", np.stack([left, -left], 1))
    recording = read_recording(path, SR)
    assert np.corrcoef(recording.samples[: len(left)], left)[0, 1] > 0.98
    assert len(recording.notes) == 1


def test_ordinary_channels_are_averaged_and_nothing_is_noted(tmp_path):
    left, right = music(0, 12, SR), music(1, 12, SR)
    for number, channels in enumerate([(left, right), (left, 0 * left), (left, -0.5 * left)]):
        path = write(tmp_path / f"{number}.wav", np.stack(channels, 1))
        recording = read_recording(path, SR)
        expected = soundfile.read(path, dtype="float32")[0]
        np.testing.assert_array_equal(recording.samples, (expected[:, 0] + expected[:, 1]) / 2)
        assert recording.notes == ()


def test_blocks_are_judged_alike_at_once_and_in_a_stream(tmp_path):
    left, right = music(0, 20, SR), music(1, 20, SR)
    right[6 * SR : 13 * SR] = -left[6 * SR : 13 * SR]
    path = write(tmp_path / "a.wav", np.stack([left, right], 1))
    recording = read_recording(path, 22_050)
    joined = np.concatenate(list(AudioStream(path)))
    np.testing.assert_allclose(joined, recording.samples, atol=1e-6)
    short = read_audio(path, duration=10)
    np.testing.assert_allclose(short[:-100], recording.samples[: len(short) - 100], atol=1e-6)


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, 20_000, -20_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_impossible_values_are_refused_everywhere_with_the_same_words(tmp_path, value, channels):
    sound = np.stack([music(0, 12, SR)] * channels, 1)
    sound[SR] = value
    path = write(tmp_path / "a.wav", sound, "FLOAT")
    reasons = set()
    for read in (
        lambda: read_audio(path),
        lambda: read_audio(path, duration=60),
        lambda: [*AudioStream(path)],
        lambda: check_audio(path, 60),
        lambda: check_audio(path, 30, at_least=20),
    ):
        with pytest.raises(AudioUndecodable) as error:
            read()
        reasons.add(error.value.reason)
    assert len(reasons) == 1


def test_short_files_are_too_short(tmp_path):
    path = write(tmp_path / "a.wav", music(0, 3, SR))
    with pytest.raises(AudioTooShort, match=r"ends at 3.00 s, 9.9 s are needed"):
        check_audio(path, 30, at_least=9.9)
    assert check_audio(path, 30) == []
    assert issubclass(AudioSilent, AudioError)
