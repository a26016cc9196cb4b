"""Prediction of musicnn's tags, such as "guitar" or "female vocal", for recordings."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
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
from spectrogram_feature.musicnn.pretrained import PATCH_FRAMES, load_musicnn, read_tags


@dataclass(frozen=True, eq=False)
class Tagger:
    """The network of `pretrained.musicnn`, and the names of its tags in the order of its output.

    Methods return the probability of each tag, a Series indexed by tag name.
    """

    network: keras.Model
    names: tuple[str, ...]

    @classmethod
    def load(cls) -> Self:
        """Load the weights that ``make pretrained`` has written; missing ones are a `UserError`."""
        return cls(load_musicnn(), read_tags())

    def of_levels(self, levels: np.ndarray) -> pd.Series:
        """Tag the output of `LogMel.levels` (frames, bands), at least a patch long.

        The probabilities are means over patches. A remainder after the last whole patch is dropped.
        """
        patches = len(levels) // PATCH_FRAMES
        cut = levels[: patches * PATCH_FRAMES].reshape(patches, PATCH_FRAMES, -1)
        probability = self.network.predict_on_batch(cut)["tags"]
        return pd.Series(np.mean(probability, axis=0), index=list(self.names))

    def of_file(self, path: str | Path, duration: float = 30.0) -> pd.Series:
        """Tag the first ``duration`` seconds of a file; see `of_levels`.

        A file that does not decode, or is shorter than a patch, 3 s, is an `AudioError`.
        """
        transform = LogMel()
        rate, hop = transform.parameters.sample_rate, transform.parameters.hop_length
        shortest = PATCH_FRAMES * hop / rate
        samples = read_audio(path, sr=rate, duration=duration, at_least=shortest)
        return self.of_levels(transform.levels(samples))

    def profile(self, paths: Iterable[str | Path], at_most: int) -> pd.Series:
        """Average the tags of the first ``at_most`` files that decode; NaN if none does."""
        tagged: list[pd.Series] = []
        for path in paths:
            if len(tagged) == at_most:
                break
            with suppress(AudioError):
                tagged.append(self.of_file(path))
        return pd.DataFrame(tagged, columns=list(self.names)).mean()


def strongest(tags: pd.Series, count: int = 4) -> str:
    """Format the most probable tags, e.g. ``guitar 41 %, rock 30 %``."""
    return ", ".join(f"{name} {100 * value:.0f} %" for name, value in tags.nlargest(count).items())


def likeness(tags: pd.Series, others: pd.Series) -> float:
    """Correlate the log odds of two recordings' tags, whose probabilities differ by magnitudes.

    Returns a number from -1 to 1, or NaN if a recording has no tags.
    """
    odds = [logit(probability.clip(1e-6, 1 - 1e-6)) for probability in (tags, others)]
    return float(np.corrcoef(*odds)[0, 1])
