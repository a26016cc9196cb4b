"""MP3 encoding, for the tracks of the demo set, and audio players for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from IPython.display import Audio


KBIT_PER_CHANNEL = 64

_QUALITY = 7
"""Quality of LAME from 0, the best, to 9. At 7, a stereo clip of 30 s takes 0.2 s to encode;
libsndfile, which has no such setting, takes 0.95 s."""


def encode_mp3(samples: np.ndarray, sample_rate: int) -> bytes:
    """Encode samples as MP3 with 64 kbit/s per channel; the same samples give the same bytes.

    Samples (n,) or (n, 2) are clipped to full scale, -1 to 1. Decoded, they begin 1,105 samples
    late. The sample rate is one of MP3, 8,000 to 48,000 Hz.
    """
    import lameenc

    channels = 1 if samples.ndim == 1 else samples.shape[1]
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_channels(channels)
    encoder.set_bit_rate(KBIT_PER_CHANNEL * channels)
    encoder.set_quality(_QUALITY)
    whole = np.rint(np.clip(samples, -1, 1) * np.iinfo(np.int16).max).astype(np.int16)
    return bytes(encoder.encode(whole.tobytes()) + encoder.flush())


def player(samples: np.ndarray, sample_rate: int) -> Audio:
    """Make a player of mono samples; they are embedded as MP3, a tenth of the size of WAV."""
    from IPython.display import Audio

    audio = Audio(data=encode_mp3(samples, sample_rate))
    audio.mimetype = "audio/mpeg"
    return audio
