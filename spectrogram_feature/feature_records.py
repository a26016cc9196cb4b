"""Reading records of Constant-Q features: as TensorFlow's batches, or as NumPy's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.records import Manifest
from spectrogram_feature.feature_parameters import FeatureParameters
from spectrogram_feature.generate_records import KIND

if TYPE_CHECKING:
    import tensorflow as tf

READING_BATCH = 256
"""Segments at a time where the size of a batch does not change the result."""


@dataclass(frozen=True)
class FeatureRecords:
    """A folder of finished records of Constant-Q features.

    Attributes
    ----------
    folder : Path
    manifest : Manifest
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> FeatureRecords:
        """Open a folder that ``spectrogram_feature.generate_records`` has filled.

        Raises
        ------
        UserError
            If it holds no finished records, or those of another kind.
        """
        return cls(Path(folder), Manifest.read(folder, KIND))

    @property
    def parameters(self) -> FeatureParameters:
        """FeatureParameters: what the features were made with."""
        return FeatureParameters.from_dict(self.manifest.parameters)

    def batches(self, split: str, **options: Any) -> tf.data.Dataset:
        """Read a split in batches.

        Parameters
        ----------
        split : str
        **options
            As `common.input_pipeline.read_batches` takes them: ``batch_size``, ``training``,
            ``keys``, ``seed``.

        Returns
        -------
        tf.data.Dataset
            Of tuples; ``"features"`` are uint8 (batch, frames, bins).
        """
        import tensorflow as tf

        from common.input_pipeline import read_batches

        shape = self.parameters.shape

        def decode(raw: tf.Tensor) -> tf.Tensor:
            return tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, *shape))

        return read_batches(self.folder, self.manifest, split, decode, **options)

    def labelled(self, split: str) -> tf.data.Dataset:
        """Read a split, in its own order, as batches of features, labels and track ids."""
        return self.batches(split, batch_size=READING_BATCH, keys=("features", "label", "track_id"))

    def arrays(self, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Iterate over what `labelled` reads as NumPy arrays."""
        return self.labelled(split).as_numpy_iterator()

    def some(self, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw features (count, frames, bins) and labels (count,) from all over a split."""
        batches = self.batches(split, batch_size=count, training=True)
        return next(batches.as_numpy_iterator())
