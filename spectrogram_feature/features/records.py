"""Reading records of features, of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from common.errors import UserError
from common.records.folder import RecordFolder
from spectrogram_feature.features.kinds import CONSTANT_Q, KINDS, LOG_MEL
from spectrogram_feature.features.log_mel import LogMelParameters
from spectrogram_feature.features.parameters import SegmentParameters

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class FeatureRecords(RecordFolder):
    """A folder of Constant-Q features that ``generate_records`` has filled.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    """

    kind: ClassVar[str] = CONSTANT_Q

    @property
    def parameters(self) -> SegmentParameters:
        """SegmentParameters: what the features were made with."""
        return KINDS[self.kind].parameters.from_dict(self.manifest.parameters)

    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of int: the shape of what a network is given of a segment."""
        return self.parameters.shape

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Turn a batch of raw bytes (batch,) into features, uint8 (batch, frames, bins)."""
        import tensorflow as tf

        return tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, *self.parameters.shape))


@dataclass(frozen=True)
class LogMelRecords(FeatureRecords):
    """A folder of log-mel features that ``generate_records --features log-mel`` has filled."""

    kind: ClassVar[str] = LOG_MEL

    @property
    def parameters(self) -> LogMelParameters:
        """LogMelParameters: what the features were made with."""
        try:
            return LogMelParameters.from_dict(self.manifest.parameters)
        except UserError as error:
            raise UserError(f"{self.folder}: {error}") from None

    @classmethod
    def open(cls, folder: str | Path, **options: Any) -> Self:
        """Open a folder of records, or say how to make them; see `RecordFolder.open`."""
        try:
            records = super().open(folder, **options)
            records.parameters  # noqa: B018  (are they those of this version?)
            return records
        except UserError as error:
            raise UserError(
                f"{error}; python -m spectrogram_feature.generate_records --features {LOG_MEL} "
                "makes them"
            ) from None


RECORDS: dict[str, type[FeatureRecords]] = {
    records.kind: records for records in (FeatureRecords, LogMelRecords)
}
"""Kind of features → how its records are read."""
