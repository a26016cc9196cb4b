"""What musicnn hears in a recording: its tags, such as "guitar" or "female vocal"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np
import pandas as pd
from scipy.special import logit

from common.errors import AudioError
from common.fma.audio import read_audio
from spectrogram_feature.features.log_mel import LogMel
from spectrogram_feature.musicnn.pretrained import (
    CHECKPOINTS,
    PATCH_FRAMES,
    load_musicnn,
    read_tags,
)


@dataclass(frozen=True, eq=False)
class Tagger:
    """musicnn, with the names of what it says.

    Attributes
    ----------
    network : keras.Model
        As `pretrained.musicnn` builds it for patches of `PATCH_FRAMES`.
    names : tuple of str
        Of the tags, in the order of the network's probabilities.
    """

    network: keras.Model
    names: tuple[str, ...]

    @classmethod
    def load(cls, checkpoint: str = CHECKPOINTS[0]) -> Self:
        """Load the weights that ``make pretrained`` has written.

        Raises
        ------
        UserError
            If they are not there.
        """
        return cls(load_musicnn(checkpoint), read_tags(checkpoint))

    def of_levels(self, levels: np.ndarray) -> pd.Series:
        """Tag levels as `LogMel.levels` computes them.

        Parameters
        ----------
        levels : np.ndarray [shape=(frames, bands), real]
            As long as a patch, or longer; what is left behind the last whole patch is not heard.

        Returns
        -------
        pandas.Series [shape=(tags,)]
            The mean over patches of each tag's probability, indexed by its name.
        """
        patches = len(levels) // PATCH_FRAMES
        cut = levels[: patches * PATCH_FRAMES].reshape(patches, PATCH_FRAMES, -1)
        probability = self.network.predict_on_batch(cut)["tags"]
        return pd.Series(np.mean(probability, axis=0), index=list(self.names))

    def of_file(self, path: str | Path, duration: float = 30.0) -> pd.Series:
        """Tag the beginning of a file; see `of_levels`.

        Parameters
        ----------
        path : path-like
        duration : float > 0
            How much of it is heard, in seconds.

        Raises
        ------
        AudioError
            If it does not decode, or is shorter than a patch, 3 s.
        """
        transform = LogMel()
        rate, hop = transform.parameters.sample_rate, transform.parameters.hop_length
        shortest = PATCH_FRAMES * hop / rate
        samples = read_audio(path, sr=rate, duration=duration, at_least=shortest)
        return self.of_levels(transform.levels(samples))

    def profile(self, paths: Iterable[str | Path], at_most: int) -> pd.Series:
        """Tag several files and average what is said of them.

        Parameters
        ----------
        paths : iterable of path-like
            Those that do not decode are passed over.
        at_most : int > 0
            How many are heard.

        Returns
        -------
        pandas.Series [shape=(tags,)]
            NaN if none decodes.
        """
        heard: list[pd.Series] = []
        for path in paths:
            if len(heard) == at_most:
                break
            try:
                heard.append(self.of_file(path))
            except AudioError:
                continue
        return pd.DataFrame(heard, columns=list(self.names)).mean()


def strongest(tags: pd.Series, count: int = 4) -> str:
    """Name the most probable tags.

    Returns
    -------
    str
        For example ``guitar 41 %, rock 30 %``.
    """
    return ", ".join(
        f"{name} {value:.0%}".replace("%", " %") for name, value in tags.nlargest(count).items()
    )


def likeness(tags: pd.Series, others: pd.Series) -> float:
    """Compare two recordings by all of their tags.

    Probabilities of tags differ by orders of magnitude, so their log odds are correlated.

    Returns
    -------
    float
        From -1 to 1; NaN if one has no tags.
    """
    return float(
        np.corrcoef(logit(tags.clip(1e-6, 1 - 1e-6)), logit(others.clip(1e-6, 1 - 1e-6)))[0, 1]
    )
