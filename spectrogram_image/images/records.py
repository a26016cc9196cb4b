"""Records of images, read in colour or as levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from common.errors import UserError
from common.records.folder import RecordFolder

if TYPE_CHECKING:
    import tensorflow as tf

KIND = "spectrogram-image"

_READING_BYTES = 64 << 20


@dataclass(frozen=True)
class ImageRecords(RecordFolder):
    """A folder of records written by ``spectrogram_image.TFRecord_generation``.

    Attributes
    ----------
    colors : bool
        Whether to read the colours of the files, (batch, height, width, 3), or the levels, (batch,
        height, width, 1). Levels hold the same information in a third of the bytes. Images without
        a palette have no levels.
    """

    kind: ClassVar[str] = KIND
    command: ClassVar[str] = "spectrogram_image.TFRecord_generation"

    colors: bool = True

    def __post_init__(self) -> None:
        """Raise a `UserError` if levels are asked of images without a palette."""
        if not (self.colors or self.has_levels):
            raise UserError(
                f"{self.folder} holds images in colours, which have no levels: read their colours"
            )

    @property
    def has_levels(self) -> bool:
        """bool: whether a palette gives the colours of one level per pixel."""
        return bool(self.manifest.parameters["palette"])

    @property
    def representation(self) -> str:
        """str: the images' representation, a key of `spectrogram_image.convert.KINDS`."""
        return self.manifest.parameters["representation"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(int, int, int): height, width and channels of an image, as read."""
        parameters = self.manifest.parameters
        return parameters["height"], parameters["width"], 3 if self.colors else 1

    @property
    def palette(self) -> np.ndarray:
        """np.ndarray [shape=(256, 3), uint8]: the colours of the levels, grey without levels."""
        if not self.has_levels:
            return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        colors = bytes.fromhex(self.manifest.parameters["palette"])
        return np.frombuffer(colors, np.uint8).reshape(-1, 3)

    @property
    def reading_batch(self) -> int:
        """int: the size of batches where it does not change the result."""
        return max(1, _READING_BYTES // math.prod(self.shape))

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Decode raw bytes (batch,) into images, uint8 (batch, height, width, channels)."""
        import tensorflow as tf

        height, width, _ = self.shape
        pixels = tf.io.decode_raw(raw, tf.uint8)
        if not self.has_levels:
            return tf.reshape(pixels, (-1, height, width, 3))
        levels = tf.reshape(pixels, (-1, height, width))
        if not self.colors:
            return levels[..., tf.newaxis]
        palette = tf.constant(self.palette)

        # XLA takes 0.6 ms for an image at half size on one core, eager execution 3.8 ms.
        @tf.function(jit_compile=True)
        def look_up(levels: tf.Tensor) -> tf.Tensor:
            return tf.gather(palette, tf.cast(levels, tf.int32))

        return look_up(levels)
