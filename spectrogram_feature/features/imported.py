"""Features that were computed elsewhere: what records and models store about them.

`spectrogram_feature.import_features` writes such records. Nothing in this project computes these
features from audio, so their models can be evaluated on records, but not applied to recordings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from common.errors import UserError
from spectrogram_feature.features.parameters import StoredParameters


@dataclass(frozen=True)
class ImportedParameters(StoredParameters):
    """Description of imported features.

    A size, a duration or a range that is not positive is a `UserError`.
    """

    frames: int
    n_bins: int
    seconds: float  # duration of a segment, s
    low: float  # value of level 0, in `unit`
    high: float  # value of level 255
    unit: str  # of the values, e.g. "dB"
    origin: str  # how and by whom the features were computed

    reference: ClassVar[str] = "imported"

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("frames", "n_bins", "seconds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise UserError(f"{name} must be a number above 0, not {value!r}")
        if not -math.inf < self.low < self.high < math.inf:
            raise UserError(f"the range {self.low} to {self.high} is empty or infinite")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a segment's features: frames, bins."""
        return self.frames, self.n_bins

    @property
    def hop_seconds(self) -> float:
        """Time from one frame to the next, s."""
        return self.seconds / self.frames

    @property
    def frequencies(self) -> None:
        """Centre frequencies are unknown; figures number the bins."""
        return None
