"""The log-mel features as a Keras layer, for exported models and accelerators.

Window and bands are those of `spectrogram_feature.features.log_mel`, which does not import Keras.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from spectrogram_feature.features.log_mel import QUIETEST, LogMel, LogMelParameters


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class LogMelLayer(keras.layers.Layer):
    """Levels in mel bands of segments scaled to one loudness, from silence to the ceiling.

    The layer has no weights and always computes in float32, whatever the dtype policy.

    Parameters
    ----------
    parameters : LogMelParameters or dict
        What to compute; a dict as `LogMelParameters.to_dict` gives it.
    **kwargs
        What `keras.layers.Layer` takes, the dtype excepted.

    Raises
    ------
    UserError
        If the parameters are not those of this version.

    Notes
    -----
    Input: (batch, samples), real and finite. Output: (batch, 1 + samples // hop_length, n_bins),
    float32 from 0 to 1, not quantised; zeros for silence.
    """

    def __init__(
        self, parameters: LogMelParameters | dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        if isinstance(parameters, dict):
            parameters = LogMelParameters.from_dict(parameters)
        self._transform = LogMel(parameters)
        self.parameters = self._transform.parameters

    def call(self, samples: Any) -> Any:
        """Transform a batch of segments."""
        length, hop = self.parameters.window_length, self.parameters.hop_length
        centred = samples - ops.mean(samples, axis=-1, keepdims=True)
        level = ops.sqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True))
        scaled = centred * (self.parameters.loudness / ops.maximum(level, QUIETEST))
        padded = ops.pad(scaled, ((0, 0), (length // 2, length // 2)), mode="reflect")
        frames = ops.extract_sequences(padded, length, hop) * self._transform.window
        real, imaginary = ops.rfft(frames, fft_length=length)
        power = ops.matmul(ops.square(real) + ops.square(imaginary), self._transform.bands)
        levels = ops.log10(1 + self.parameters.gain * power)
        return ops.minimum(levels / self.parameters.ceiling, 1.0)

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, ...]:
        """Return (batch, frames, n_bins) for (batch, samples)."""
        batch, length = input_shape
        return batch, 1 + length // self.parameters.hop_length, self.parameters.n_bins

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "parameters": self.parameters.to_dict()}
