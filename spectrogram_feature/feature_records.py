"""Reading records of Constant-Q features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from common.record_folder import RecordFolder
from spectrogram_feature.feature_parameters import FeatureParameters
from spectrogram_feature.generate_records import KIND

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class FeatureRecords(RecordFolder):
    """A folder that ``spectrogram_feature.generate_records`` has filled.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    """

    kind: ClassVar[str] = KIND

    @property
    def parameters(self) -> FeatureParameters:
        """FeatureParameters: what the features were made with."""
        return FeatureParameters.from_dict(self.manifest.parameters)

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Turn a batch of raw bytes (batch,) into features, uint8 (batch, frames, bins)."""
        import tensorflow as tf

        return tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, *self.parameters.shape))
