"""The parameters of features, which travel with the records and the models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from common.errors import UserError
from common.records.quantization import as_float

HANN_BANDWIDTH = 1.5  # equivalent noise bandwidth of the Hann window, in DFT bins


@dataclass(frozen=True)
class SegmentParameters:
    """What the parameters of all features have in common: frames of a segment, as plain numbers.

    Subclasses are frozen dataclasses of numbers above zero.

    Attributes
    ----------
    sample_rate : int
        Samples per second of the audio, Hz.
    segment_seconds : float
        Length of a segment, s.
    hop_length : int
        Samples from one frame to the next.
    n_bins : int
        Number of frequency bins.
    """

    sample_rate: int
    segment_seconds: float
    hop_length: int
    n_bins: int

    def __post_init__(self) -> None:
        """Refuse values that no features can be made of."""
        for field in fields(self):
            _check_positive(field.name, getattr(self, field.name), whole=field.type == "int")
        if self.segment_samples < 1:
            raise UserError(
                f"segment_seconds={self.segment_seconds} at sample_rate={self.sample_rate} "
                "holds no sample: take a longer segment"
            )

    @property
    def segment_samples(self) -> int:
        """Number of samples in a segment."""
        return round(self.segment_seconds * self.sample_rate)

    @property
    def frames(self) -> int:
        """Number of frames in a segment, the first centred on its first sample."""
        return 1 + self.segment_samples // self.hop_length

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a segment's features: frames, bins."""
        return self.frames, self.n_bins

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequencies of the bins, Hz [shape=(n_bins,), float64]."""
        raise NotImplementedError

    @property
    def dynamic_range(self) -> float:
        """How far the highest level that is stored is above the lowest, dB."""
        raise NotImplementedError

    @property
    def reference(self) -> str:
        """What has 0 dB among the levels that `decibels` gives."""
        raise NotImplementedError

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB from features, uint8 (..., frames, bins); 0 is the `reference`."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, int | float]:
        """Return the parameters by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild the parameters that `to_dict` wrote.

        Raises
        ------
        UserError
            If a name is unknown or missing, or a value is not allowed.
        """
        names = {field.name for field in fields(cls)}
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        if unknown or missing:
            raise UserError(
                "these are not the feature parameters of this version: "
                f"unknown {', '.join(unknown) or 'none'}; missing {', '.join(missing) or 'none'}; "
                "make the records again and train the model again"
            )
        return cls(**values)


@dataclass(frozen=True)
class FeatureParameters(SegmentParameters):
    """Everything that decides what the numbers of constant-Q features mean.

    Parameters
    ----------
    sample_rate : int > 0
        Samples per second of the audio, Hz.
    segment_seconds : float > 0
        Length of a segment, s.
    hop_length : int > 0
        Samples from one frame to the next.
    n_bins : int > 0
        Number of frequency bins.
    bins_per_octave : int > 0
        Frequency bins in an octave.
    fmin : float > 0
        Frequency of the lowest bin, Hz. The default is C1.
    dynamic_range : float > 0
        What lies further below the segment's maximum than this is clipped, dB.

    Raises
    ------
    UserError
        If a value has the wrong type or is not positive, the segment holds no sample, or the
        highest bin reaches beyond half the sampling rate.
    """

    sample_rate: int = 22_050
    segment_seconds: float = 10.0
    hop_length: int = 460
    n_bins: int = 84
    bins_per_octave: int = 12
    fmin: float = 32.70319566257483
    dynamic_range: float = 80.0

    def __post_init__(self) -> None:
        """Refuse values that no transform can be made of."""
        super().__post_init__()
        if self.cutoff > self.sample_rate / 2:
            raise UserError(
                f"the highest of n_bins={self.n_bins} reaches {self.cutoff:.0f} Hz, above half of "
                f"sample_rate={self.sample_rate}: take fewer bins, a lower fmin or a higher rate"
            )

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequencies of the bins, Hz [shape=(n_bins,), float64]."""
        return self.fmin * 2.0 ** (np.arange(self.n_bins) / self.bins_per_octave)

    @property
    def reference(self) -> str:
        """What has 0 dB: the loudest of a segment."""
        return "loudest"

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB below the loudest; see `SegmentParameters.decibels`."""
        return (as_float(features) - 1) * self.dynamic_range

    @property
    def quality(self) -> float:
        """The constant Q: periods of its frequency that a bin's window is long."""
        square = 2.0 ** (2 / self.bins_per_octave)
        return (square + 1) / (square - 1)

    @property
    def cutoff(self) -> float:
        """Upper edge of the highest bin's band, Hz."""
        return float(self.frequencies[-1]) * (1 + HANN_BANDWIDTH / 2 / self.quality)


def _check_positive(name: str, value: Any, *, whole: bool) -> None:
    kinds, wanted = (int, "a whole number") if whole else ((int, float), "a number")
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise UserError(f"{name} must be {wanted} above 0, not {value!r}")
