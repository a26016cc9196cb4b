"""The constant-Q features as a Keras layer, for exported models and for GPUs.

It stands apart from `spectrogram_feature.constant_q`, whose kernels it uses, so that importing that
module does not import TensorFlow.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import soxr
from keras import ops

from common.errors import UserError
from spectrogram_feature.constant_q import SILENCE, ConstantQ
from spectrogram_feature.features.constant_q_kernels import BLOCK, Octave, decimation_matrix
from spectrogram_feature.features.parameters import FeatureParameters

SPAN = 100  # outputs of the resampler on either side of an input that hear it
RESAMPLER_BLOCK = 256  # outputs of the resampler per row of its matrix product


class Resampler:
    """What soxr's resampler does to a signal, as matrices found by resampling impulses.

    Parameters
    ----------
    factor : int > 1
        By how much the rate is divided, a power of two.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor
        reach = SPAN * factor
        impulses = np.pad(np.eye(reach, dtype=np.float32), ((0, 2 * reach), (0, 0)))
        early = soxr.resample(impulses, factor, 1, quality="HQ")[: 2 * SPAN]
        impulses = np.roll(impulses, reach, axis=0)
        late = soxr.resample(impulses, factor, 1, quality="HQ")
        # Response to the impulses of one output's period, put together in the order of time.
        taps = late[:, factor - 1 :: -1].ravel()[factor - 1 : factor + 2 * reach]
        self.matrix = decimation_matrix(taps, factor, RESAMPLER_BLOCK)
        # From 4 on it works in several steps, and drops what these leave before the beginning.
        self.at_the_beginning = (early - late[SPAN : 3 * SPAN]).T

    def __call__(self, samples: Any) -> Any:
        """Resample a batch [shape=(batch, samples)] as soxr does: to [shape=(batch, resampled)]."""
        length, reach = samples.shape[1], SPAN * self.factor
        resampled = (length + self.factor // 2) // self.factor
        n_blocks = 1 + max(1, -(-resampled // RESAMPLER_BLOCK))
        after = n_blocks * RESAMPLER_BLOCK * self.factor - reach - length
        padded = ops.pad(samples, ((0, 0), (reach, after)))
        result = _decimate(padded, self.matrix, n_blocks)[:, :resampled]
        if self.factor > 2:
            change = ops.matmul(samples[:, :reach], self.at_the_beginning[:length, :resampled])
            after = resampled - change.shape[1]
            result += ops.pad(change, ((0, 0), (0, after)))
        return result


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class ConstantQLayer(keras.layers.Layer):
    """Levels of the constant-Q transform, from the clipping point to the segment's maximum.

    The layer has no weights and always computes in float32, whatever the dtype policy: half
    precision does not reach 80 dB.

    Parameters
    ----------
    parameters : FeatureParameters or dict
        What to compute; a dict as `FeatureParameters.to_dict` gives it.
    **kwargs
        What `keras.layers.Layer` takes, the dtype excepted.

    Raises
    ------
    UserError
        If the parameters are not those of this version, or the number of samples is not known.

    Notes
    -----
    Input: (batch, samples), real and finite; the number of samples is known, that of the batch need
    not be. Output: (batch, 1 + samples // hop_length, n_bins), float32 from 0 to 1, not quantised;
    zeros for silence.

    GPUs with TensorFloat-32 round factors to 10 bits unless told otherwise, which shows in quiet
    bins: by about 0.6 dB at 60 dB below the maximum and 3 dB at 80 dB below it.
    ``tf.config.experimental.enable_tensor_float_32_execution(False)`` restores float32.
    """

    def __init__(
        self, parameters: FeatureParameters | dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        if isinstance(parameters, dict):
            parameters = FeatureParameters.from_dict(parameters)
        self.parameters = parameters or FeatureParameters()
        self._transform = ConstantQ(self.parameters)
        halvings = [0, *(rate.halvings for rate in self._transform.rates)]
        factors = {2 ** int(step) for step in np.diff(halvings) if step}
        self._resamplers = {factor: Resampler(factor) for factor in factors}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Refuse segments of unknown length."""
        if input_shape[-1] is None:
            raise UserError(
                "ConstantQLayer needs a known number of samples: keras.Input((220500,))"
            )

    def call(self, samples: Any) -> Any:
        """Transform a batch of segments."""
        power = self._power(samples)
        loudest = ops.max(power, axis=(1, 2), keepdims=True)
        relative = power / ops.maximum(loudest, SILENCE**2)
        lowest = -self.parameters.dynamic_range
        decibels = 10 * ops.log10(ops.maximum(relative, 10 ** (lowest / 10)))
        return ops.clip(1 - decibels / lowest, 0.0, 1.0)

    def _power(self, samples: Any) -> Any:
        transform, hop_length = self._transform, self.parameters.hop_length
        frames = 1 + samples.shape[1] // hop_length
        halvings, octaves = 0, []
        for rate in transform.rates:
            if rate.halvings > halvings:
                samples = self._resamplers[2 ** (rate.halvings - halvings)](samples)
                halvings = rate.halvings
            layout = rate.layout(samples.shape[1])
            origin, padded = layout[0]
            signal = ops.pad(samples, ((0, 0), (origin, padded - origin - samples.shape[1])))
            level = halvings
            for octave in rate.octaves:
                while level < octave.level:
                    signal = _decimate(signal, transform.halving, signal.shape[1] // (2 * BLOCK))
                    level += 1
                starts = octave.starts(frames, hop_length, *layout[level - halvings])
                octaves.append(_octave_power(signal, octave, starts)[:, :frames])
        return ops.concatenate(octaves[::-1], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, ...]:
        """Return (batch, frames, n_bins) for (batch, samples)."""
        batch, length = input_shape
        return batch, 1 + length // self.parameters.hop_length, self.parameters.n_bins

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "parameters": self.parameters.to_dict()}


def _decimate(signal: Any, matrix: np.ndarray, n_blocks: int) -> Any:
    """Filter and decimate a batch [shape=(batch, n_blocks * block)] by `decimation_matrix`."""
    samples, columns = matrix.shape
    parts = ops.matmul(ops.reshape(signal, (-1, samples)), matrix)
    parts = ops.reshape(parts, (-1, n_blocks, columns))
    decimated = parts[:, :-1, : columns // 2] + parts[:, 1:, columns // 2 :]
    return ops.reshape(decimated, (-1, (n_blocks - 1) * columns // 2))


def _octave_power(signal: Any, octave: Octave, starts: np.ndarray) -> Any:
    """Return squared magnitudes [shape=(batch, frames or a few more, bins)] of one octave."""
    _, window, columns = octave.kernels.shape
    positions = ops.expand_dims(starts.astype("int32"), -1) + ops.arange(window, dtype="int32")
    windows = ops.take(signal, positions, axis=1)
    # Not matmul: TensorFlow 2.21 on CPUs crashes where it broadcasts a batch against one kernel.
    response = ops.einsum("bpqw,pwc->bqpc", windows, octave.kernels)
    parts = ops.reshape(response, (-1, starts.size, columns // 2, 2))
    return ops.sum(ops.square(parts), axis=-1)
