"""The features as Keras layers, for exported models and accelerators.

Kernels, windows and bands are those of the NumPy transforms, which do not import Keras.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
import numpy as np
import soxr
from keras import ops

from common.errors import UserError
from spectrogram_feature.constant_q import SILENCE, ConstantQ
from spectrogram_feature.features.constant_q_kernels import BLOCK, Octave, decimation_matrix
from spectrogram_feature.features.log_mel import QUIETEST, LogMel, LogMelParameters
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

SPAN = 100  # outputs of the resampler on either side of an input that depend on it
RESAMPLER_BLOCK = 256  # outputs of the resampler per row of its matrix product


class Resampler:
    """soxr's resampler as matrices, measured by resampling impulses.

    Parameters
    ----------
    factor : int > 1
        Ratio of the sampling rates, a power of two.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor
        reach = SPAN * factor
        impulses = np.pad(np.eye(reach, dtype=np.float32), ((0, 2 * reach), (0, 0)))
        early = soxr.resample(impulses, factor, 1, quality="HQ")[: 2 * SPAN]
        impulses = np.roll(impulses, reach, axis=0)
        late = soxr.resample(impulses, factor, 1, quality="HQ")
        # Responses to the impulses of one output period, in the order of time.
        taps = late[:, factor - 1 :: -1].ravel()[factor - 1 : factor + 2 * reach]
        self.matrix = decimation_matrix(taps, factor, RESAMPLER_BLOCK)
        # For factors of 4 and more, soxr works in stages and drops their output before time 0.
        self.at_the_beginning = (early - late[SPAN : 3 * SPAN]).T

    def __call__(self, samples: Any) -> Any:
        """Resample as soxr does: (batch, samples) → (batch, resampled)."""
        length, reach = samples.shape[1], SPAN * self.factor
        resampled = (length + self.factor // 2) // self.factor
        n_blocks = 1 + max(1, -(-resampled // RESAMPLER_BLOCK))
        after = n_blocks * RESAMPLER_BLOCK * self.factor - reach - length
        padded = ops.pad(samples, ((0, 0), (reach, after)))
        result = _decimate(padded, self.matrix, n_blocks)[:, :resampled]
        if self.factor > 2:
            change = ops.matmul(samples[:, :reach], self.at_the_beginning[:length, :resampled])
            result = result + ops.pad(change, ((0, 0), (0, resampled - change.shape[1])))
        return result


class _FeatureLayer(keras.layers.Layer):
    """A transform of segments, in float32 whatever the dtype policy; without weights.

    Maps (batch, samples), real and finite, to (batch, 1 + samples // hop_length, n_bins), float32
    from 0 to 1, not quantized; zeros for silence. Only the batch size may be unknown.

    Parameters
    ----------
    parameters : SegmentParameters or dict, optional
        A dict as `SegmentParameters.to_dict` returns it; other names are a `UserError`.
    **kwargs
        Arguments of `keras.layers.Layer` other than the dtype.
    """

    kind: ClassVar[type[Any]]  # of the parameters

    def __init__(
        self, parameters: SegmentParameters | dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        if isinstance(parameters, dict):
            parameters = self.kind.from_dict(parameters)
        self.parameters: Any = parameters or self.kind()

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, ...]:
        """Return (batch, frames, n_bins) for (batch, samples)."""
        batch, length = input_shape
        return batch, 1 + length // self.parameters.hop_length, self.parameters.n_bins

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "parameters": self.parameters.to_dict()}


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class ConstantQLayer(_FeatureLayer):
    """Levels of the Constant-Q transform, relative to the maximum of each segment.

    Half precision does not reach 80 dB.

    Notes
    -----
    Matrix products with reduced precision (TensorFloat-32, bfloat16), the default of some
    accelerators, change quiet bins: by about 0.6 dB at 60 dB below the maximum and 3 dB at 80 dB
    below it. ``tf.config.experimental.enable_tensor_float_32_execution(False)`` or JAX's
    ``jax_default_matmul_precision`` restores float32.
    """

    kind = FeatureParameters

    def __init__(
        self, parameters: FeatureParameters | dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(parameters, **kwargs)
        self._transform = ConstantQ(self.parameters)
        halvings = [0, *(rate.halvings for rate in self._transform.rates)]
        factors = {2 ** int(step) for step in np.diff(halvings) if step}
        self._resamplers = {factor: Resampler(factor) for factor in factors}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the number of samples is known."""
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


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class LogMelLayer(_FeatureLayer):
    """Levels in mel bands of segments scaled to one loudness, from silence to the ceiling."""

    kind = LogMelParameters

    def __init__(
        self, parameters: LogMelParameters | dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(parameters, **kwargs)
        self._transform = LogMel(self.parameters)

    def call(self, samples: Any) -> Any:
        """Transform a batch of segments."""
        length, hop = self.parameters.window_length, self.parameters.hop_length
        centred = samples - ops.mean(samples, axis=-1, keepdims=True)
        level = ops.sqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True))
        scaled = centred * (self.parameters.loudness / ops.maximum(level, QUIETEST))
        padded = ops.pad(scaled, ((0, 0), (length // 2, length // 2)), mode="reflect")
        frames = ops.extract_sequences(padded, length, hop) * self._transform.window
        power = ops.matmul(power_spectrum(frames), self._transform.bands)
        levels = ops.log10(1 + self.parameters.gain * power)
        return ops.minimum(levels / self.parameters.ceiling, 1.0)


def power_spectrum(frames: Any) -> Any:
    """Compute the power spectra of real frames: (..., count, n) → (batch, count, 1 + n // 2).

    The Fourier transform is two matrix products (Cooley and Tukey 1965, "An algorithm for the
    machine calculation of complex Fourier series", Mathematics of Computation 19), because
    converters to ONNX lack FFTs of which both parts are used.
    """
    *_, count, length = frames.shape
    rows = max(n for n in range(1, math.isqrt(length) + 1) if length % n == 0)
    columns = length // rows
    x = ops.reshape(frames, (-1, count, rows, columns))
    first, turn, second = (
        np.exp(-2j * np.pi * np.outer(np.arange(a), np.arange(b)) / period).astype(np.complex64)
        for a, b, period in ((rows, rows, rows), (rows, columns, length), (columns,) * 3)
    )
    real, imaginary = ops.matmul(first.real, x), ops.matmul(first.imag, x)
    real, imaginary = (
        real * turn.real - imaginary * turn.imag,
        real * turn.imag + imaginary * turn.real,
    )
    real, imaginary = (
        ops.matmul(real, second.real) - ops.matmul(imaginary, second.imag),
        ops.matmul(real, second.imag) + ops.matmul(imaginary, second.real),
    )
    power = ops.transpose(ops.square(real) + ops.square(imaginary), (0, 1, 3, 2))
    return ops.reshape(power, (-1, count, length))[..., : 1 + length // 2]


def _decimate(signal: Any, matrix: np.ndarray, n_blocks: int) -> Any:
    """Filter and decimate a batch [shape=(batch, n_blocks * block)] by `decimation_matrix`."""
    samples, columns = matrix.shape
    parts = ops.matmul(ops.reshape(signal, (-1, samples)), matrix)
    parts = ops.reshape(parts, (-1, n_blocks, columns))
    decimated = parts[:, :-1, : columns // 2] + parts[:, 1:, columns // 2 :]
    return ops.reshape(decimated, (-1, (n_blocks - 1) * columns // 2))


def _octave_power(signal: Any, octave: Octave, starts: np.ndarray) -> Any:
    """Compute squared magnitudes [shape=(batch, frames or a few more, bins)] of one octave."""
    _, window, columns = octave.kernels.shape
    positions = ops.expand_dims(starts.astype("int32"), -1) + ops.arange(window, dtype="int32")
    windows = ops.take(signal, positions, axis=1)
    # Not matmul: TensorFlow 2.21 on CPUs crashes where it broadcasts a batch against one kernel.
    response = ops.einsum("bpqw,pwc->bqpc", windows, octave.kernels)
    parts = ops.reshape(response, (-1, starts.size, columns // 2, 2))
    return ops.sum(ops.square(parts), axis=-1)
