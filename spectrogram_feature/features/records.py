"""Reading records of features of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from common.errors import UserError
from common.records.folder import RecordFolder
from common.records.tfrecords import Manifest
from spectrogram_feature.features.kinds import KINDS
from spectrogram_feature.features.parameters import StoredParameters

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class FeatureRecords(RecordFolder):
    """A folder of features that ``generate_records`` or ``import_features`` has written."""

    command: ClassVar[str] = "spectrogram_feature.generate_records"

    @classmethod
    def open(cls, folder: str | Path, *kinds: str, **options: Any) -> Self:
        """Open a folder of records of one of some kinds, by default any of `features.kinds.KINDS`.

        A folder without finished records, or with those of another kind or version, is a
        `UserError`.
        """
        try:
            records = cls(Path(folder), Manifest.read(folder, *(kinds or KINDS)), **options)
            records.parameters  # noqa: B018  (refuses parameters of another version)
            return records
        except UserError as error:
            hint = f"; python -m {cls.command} --features {kinds[0]} makes them" if kinds else ""
            raise UserError(f"{error}{hint}") from None

    @property
    def parameters(self) -> StoredParameters:
        """StoredParameters: the parameters of the features."""
        try:
            return KINDS[self.manifest.kind].parameters.from_dict(self.manifest.parameters)
        except UserError as error:
            raise UserError(f"{self.folder}: {error}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of int: the shape of a network's input."""
        return self.parameters.shape

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Turn a batch of raw bytes (batch,) into features, uint8 (batch, frames, bins)."""
        import tensorflow as tf

        return tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, *self.parameters.shape))
