"""Audio players for notebooks: short, small, and they play wherever the notebook is shown."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.plotting.mp3 import encode_mp3

if TYPE_CHECKING:
    from IPython.display import Audio


def player(samples: np.ndarray, sample_rate: int) -> Audio:
    """Make a player with the sound inside, as MP3: a tenth of the size of WAV.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        Mono, 1 being full scale.
    sample_rate : int > 0
        In Hz.

    Returns
    -------
    IPython.display.Audio
    """
    from IPython.display import Audio

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "excerpt.mp3"
        path.write_bytes(encode_mp3(samples, sample_rate))
        return Audio(filename=str(path), embed=True)
