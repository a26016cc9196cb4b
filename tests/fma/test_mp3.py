"""What is written as MP3 is heard again."""

import io

import numpy as np
import pytest
import soundfile

from common.plotting.players import KBIT_PER_CHANNEL, encode_mp3

DELAY = 1105  # samples, of LAME and of the decoder


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_decodes_to_what_was_encoded(rate, channels):
    time = np.arange(2 * rate) / rate
    pitches = np.array([440.0, 660.0])[:channels]
    samples = 0.4 * np.sin(2 * np.pi * pitches * time[:, None]).astype(np.float32)
    mp3 = encode_mp3(samples.squeeze(), rate)
    decoded, decoded_rate = soundfile.read(io.BytesIO(mp3), always_2d=True)
    assert decoded_rate == rate
    assert 0 <= len(decoded) - len(samples) < 3 * DELAY
    heard = decoded[DELAY : DELAY + len(samples)]
    inner = slice(rate // 10, -rate // 10)  # it takes a moment at both ends
    np.testing.assert_allclose(heard[inner], samples[inner], atol=0.03)  # LAME makes it 5 % quieter
    assert len(mp3) == pytest.approx(1000 / 8 * KBIT_PER_CHANNEL * channels * 2, rel=0.1)


def test_what_exceeds_full_scale_is_clipped_not_wrapped():
    loud = np.full(22_050, 1.2, np.float32)
    loud[::2] *= -1
    assert encode_mp3(loud, 22_050) == encode_mp3(np.clip(loud, -1, 1), 22_050)
