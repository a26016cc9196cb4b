"""The parameters of features, stored in the manifest of the records and in saved models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from common.errors import UserError
from common.records.quantization import dequantize

HANN_BANDWIDTH = 1.5  # equivalent noise bandwidth of the Hann window, in DFT bins


@dataclass(frozen=True)
class StoredParameters:
    """What records and saved models store about features of any kind.

    A subclass is a frozen dataclass whose fields JSON can hold.
    """

    reference: ClassVar[str]  # the level of 0 dB in the output of `decibels`

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a segment's features: frames, bins."""
        raise NotImplementedError

    @property
    def hop_seconds(self) -> float:
        """Time from one frame to the next, s."""
        raise NotImplementedError

    @property
    def frequencies(self) -> np.ndarray | None:
        """Centre frequencies of the bins, Hz [shape=(bins,), float64]; None if unknown."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild the parameters that `to_dict` wrote; other names are a `UserError`."""
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
class SegmentParameters(StoredParameters):
    """Parameters of features that are computed from audio; subclasses add numbers above zero.

    A value of the wrong type or not above zero, or a segment without samples, is a `UserError`.
    """

    sample_rate: int  # samples per second of the audio, Hz
    segment_seconds: float  # length of a segment, s
    hop_length: int  # samples from one frame to the next
    n_bins: int  # number of frequency bins

    def __post_init__(self) -> None:
        """Check the types and ranges of all values."""
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type == "int"
            kinds, wanted = (int, "a whole number") if whole else ((int, float), "a number")
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
                raise UserError(f"{field.name} must be {wanted} above 0, not {value!r}")
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
    def hop_seconds(self) -> float:
        """Time from one frame to the next, s."""
        return self.hop_length / self.sample_rate

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
        """Difference between the highest and the lowest level that features store, dB."""
        raise NotImplementedError

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB from features, uint8 (..., frames, bins); 0 is the `reference`."""
        raise NotImplementedError

    def by_signal(
        self, samples: np.ndarray, write: Callable[[np.ndarray, np.ndarray], None]
    ) -> np.ndarray:
        """Apply a transform to each signal of a batch.

        One signal at a time fits the processor's cache; a whole batch at once is slower.

        Parameters
        ----------
        samples : np.ndarray [shape=(..., n), real]
            One or more mono signals; NaN or infinity is a `UserError`.
        write : callable
            Writes the transform of a signal, float32 (n,), into its result.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n // hop_length, n_bins), float32]
        """
        samples = finite(samples)
        *batch, length = samples.shape
        signals = samples.reshape(math.prod(batch), length)
        frames = 1 + length // self.hop_length
        results = np.empty((len(signals), frames, self.n_bins), np.float32)
        for signal, result in zip(signals, results, strict=True):
            write(signal, result)
        return results.reshape(*batch, frames, self.n_bins)


def finite(samples: np.ndarray) -> np.ndarray:
    """Convert samples to float32; NaN or infinity is a `UserError`."""
    samples = np.asarray(samples, np.float32)
    if not np.isfinite(samples).all():
        raise UserError("the samples hold NaN or infinity: decode the audio anew or skip it")
    return samples


@dataclass(frozen=True)
class FeatureParameters(SegmentParameters):
    """Parameters of Constant-Q features.

    A highest bin above half the sampling rate is a `UserError`; see also `SegmentParameters`.
    """

    sample_rate: int = 22_050
    segment_seconds: float = 10.0
    hop_length: int = 460
    n_bins: int = 84
    bins_per_octave: int = 12
    fmin: float = 32.70319566257483  # frequency of the lowest bin, Hz: C1
    dynamic_range: float = 80.0  # levels are clipped this far below the segment's maximum, dB

    reference: ClassVar[str] = "loudest"

    def __post_init__(self) -> None:
        """Check the values, and the highest frequency."""
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

    def decibels(self, features: np.ndarray) -> np.ndarray:
        """Restore levels in dB below the loudest; see `SegmentParameters.decibels`."""
        return (dequantize(features) - 1) * self.dynamic_range

    @property
    def quality(self) -> float:
        """The constant Q: periods of a bin's frequency in its window."""
        square = 2.0 ** (2 / self.bins_per_octave)
        return (square + 1) / (square - 1)

    @property
    def cutoff(self) -> float:
        """Upper edge of the highest bin's band, Hz."""
        return float(self.frequencies[-1]) * (1 + HANN_BANDWIDTH / 2 / self.quality)
