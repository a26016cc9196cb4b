"""Reading records of features, of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from common.errors import UserError
from common.records.folder import RecordFolder
from common.records.tfrecords import Manifest
from spectrogram_feature.features.kinds import CONSTANT_Q, KINDS
from spectrogram_feature.features.parameters import SegmentParameters

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class FeatureRecords(RecordFolder):
    """A folder of features that ``generate_records`` has filled.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    """

    command: ClassVar[str] = "spectrogram_feature.generate_records"

    @classmethod
    def open(cls, folder: str | Path, kind: str = CONSTANT_Q, **options: Any) -> Self:
        """Open a folder of records.

        Parameters
        ----------
        folder : path-like
        kind : str
            The kind of features that the caller takes, a key of `features.kinds.KINDS`.

        Raises
        ------
        UserError
            If it holds no finished records, or those of another kind.
        """
        try:
            return cls(Path(folder), Manifest.read(folder, kind), **options)
        except UserError as error:
            hint = f"; python -m {cls.command} --features {kind} makes them"
            raise UserError(f"{error}{hint if kind != CONSTANT_Q else ''}") from None

    @property
    def parameters(self) -> SegmentParameters:
        """SegmentParameters: the parameters of the features."""
        return KINDS[self.manifest.kind].parameters.from_dict(self.manifest.parameters)

    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of int: the shape of a segment as a network takes it."""
        return self.parameters.shape

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Turn a batch of raw bytes (batch,) into features, uint8 (batch, frames, bins)."""
        import tensorflow as tf

        return tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, *self.parameters.shape))
