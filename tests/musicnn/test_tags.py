"""Tags: what musicnn calls a recording."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from fma_for_tests import music
from test_pretrained import EXPECTED, FRAMES, has_weights

from common.errors import AudioError, AudioTooShort

NAMES = tuple(f"tag {number}" for number in range(50))


@pytest.fixture(scope="module")
def tagger(tf):
    from spectrogram_feature.musicnn.pretrained import musicnn
    from spectrogram_feature.musicnn.tags import Tagger

    tf.keras.utils.set_random_seed(0)
    return Tagger(musicnn(), NAMES)


def write(path, seconds, seed=0, rate=16_000):
    subtype = "FLOAT" if path.suffix == ".wav" else None
    soundfile.write(path, music(seed, seconds, rate), rate, subtype=subtype)
    return path


def test_tags_are_the_mean_over_whole_patches(tagger):
    levels = np.random.default_rng(0).uniform(0, 5, (2 * FRAMES + 50, 96)).astype(np.float32)
    tags = tagger.of_levels(levels)
    first, second = (tagger.of_levels(levels[i * FRAMES :][:FRAMES]) for i in range(2))
    np.testing.assert_allclose(tags, (first + second) / 2, atol=1e-6)
    assert tuple(tags.index) == NAMES
    assert not np.allclose(first, second)


def test_a_file_is_heard_in_any_format_and_a_short_one_refused(tagger, tmp_path):
    tags = tagger.of_file(write(tmp_path / "a.wav", 7))
    assert tags.between(0, 1).all()
    assert not np.allclose(tags, tagger.of_file(tmp_path / "a.wav", duration=4))
    assert tagger.of_file(write(tmp_path / "b.flac", 7, rate=44_100)).between(0, 1).all()
    with pytest.raises(AudioTooShort, match="short"):
        tagger.of_file(write(tmp_path / "short.wav", 2))


def test_a_profile_passes_over_what_does_not_decode(tagger, tmp_path):
    whole = [write(tmp_path / f"{seed}.wav", 4, seed) for seed in range(3)]
    paths = [tmp_path / "missing.wav", write(tmp_path / "short.wav", 1), *whole]
    mean = (tagger.of_file(whole[0]) + tagger.of_file(whole[1])) / 2
    pd.testing.assert_series_equal(tagger.profile(paths, at_most=2), mean, atol=1e-6)
    assert tagger.profile(paths[:2], at_most=2).isna().all()
    with pytest.raises(AudioError):
        tagger.of_file(paths[0])


def test_the_strongest_tags_and_how_alike_two_recordings_are(tf):
    from spectrogram_feature.musicnn.tags import likeness, strongest

    rock = pd.Series({"guitar": 0.41, "rock": 0.6, "piano": 0.01, "female vocal": 0.0})
    assert strongest(rock, 2) == "rock 60 %, guitar 41 %"
    assert likeness(rock, rock) == pytest.approx(1)
    assert likeness(rock, 1 - rock) == pytest.approx(-1)
    assert likeness(rock, rock[::-1].set_axis(rock.index)) < 0.5


@has_weights
def test_the_published_weights_say_what_the_original_says(tf, tmp_path):
    from spectrogram_feature.musicnn.tags import Tagger

    expected = np.load(EXPECTED)["MSD_musicnn/0/tags"].mean(axis=0)
    tags = Tagger.load().of_file(write(tmp_path / "0.wav", 6))
    np.testing.assert_allclose(tags, expected, atol=1e-3)
    assert "guitar" in tags.index
