"""The kernels of the constant-Q transform: librosa's wavelets, octave by octave, at low rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from spectrogram_feature.features.parameters import FeatureParameters

# An octave is analysed at the lowest rate that, times HIGHEST_SHARE, exceeds its highest bin with
# the relevant side lobes, which are 67 dB down at 9 bandwidths (frequency / Q).
HIGHEST_SHARE = 0.36
SIDE_LOBES = 9
TAIL = 1e-5  # kernels are cut where they stay below this share of their largest value
# The half-band filter: samples on either side of its centre, and the shape of its Kaiser window.
# Aliases are 95 dB down, since bins 60 dB below the loudest must be exact to 0.2 dB.
REACH = 23
KAISER_BETA = 9.5
BLOCK = 24  # outputs of the half-band filter per row of its matrix product


@dataclass(frozen=True)
class Octave:
    """The kernels of the bins of one matrix product.

    Frame ``t`` is centred on sample ``t * hop_length / 2**level`` of the decimated signal. Its
    window begins `offset` samples from the integer part of that position. The fractional part
    repeats every `phases` frames and selects the kernel. Columns of the kernels (phases, window,
    2 · bins), float32, are real and imaginary parts in turn, the memory layout of complex64.
    """

    level: int  # number of halvings of the sampling rate
    bins: slice  # indices among all bins
    offset: int  # first sample of the kernels, relative to the centre of the frame; negative
    kernels: np.ndarray

    def starts(self, frames: int, hop_length: int, origin: int, samples: int) -> np.ndarray:
        """Compute the first sample of each frame's window [shape=(phases, ceil(frames / phases))].

        Frame ``t`` has the index ``[t % phases, t // phases]``. Surplus frames of the last column
        are moved into the signal. ``hop_length`` is at the full sampling rate; ``origin`` is the
        position of time zero in the decimated signal, and ``samples`` its length.
        """
        phases, window, _ = self.kernels.shape
        frame = np.arange(-(-frames // phases) * phases).reshape(-1, phases).T
        start = origin + self.offset + (frame * hop_length >> self.level)
        return np.minimum(start, samples - window)


@dataclass(frozen=True)
class Rate:
    """The octaves that librosa analyses at one sampling rate."""

    halvings: int  # by librosa
    octaves: tuple[Octave, ...]  # in ascending order of level, which is at least `halvings`

    def layout(self, samples: int) -> list[tuple[int, int]]:
        """Compute the zero-padding at each level, so that all windows are inside the signal.

        Returns, from `halvings` to the lowest octave's level, the position of time zero and the
        padded length. The half-band filter maps each length to the next one.
        """
        further = self.octaves[-1].level - self.halvings
        origin = max(-octave.offset for octave in self.octaves)
        after = max(octave.kernels.shape[1] + octave.offset for octave in self.octaves)
        length = origin + (samples >> further) + after
        length += -length % (2 * BLOCK)
        layout = [(origin, length)]
        for _ in range(further):
            origin, length = 2 * origin + REACH, 2 * length + 2 * BLOCK
            layout.insert(0, (origin, length))
        return layout


def _librosa_halvings(parameters: FeatureParameters, octaves: int) -> list[int]:
    """Compute the number of librosa's halvings for each octave, from the highest."""
    hop = parameters.hop_length
    twos = (hop & -hop).bit_length() - 1
    spare = math.ceil(math.log2(parameters.sample_rate / 2 / parameters.cutoff)) - 2
    early = max(0, min(spare, twos - octaves + 1))
    return [min(early + octave, twos) for octave in range(octaves)]


def _wavelets(frequencies: np.ndarray, quality: float) -> np.ndarray:
    """Compute librosa's wavelets on its own grid of samples [shape=(size, bins), complex128].

    ``frequencies`` are in cycles per sample, and ``quality`` is the number of cycles in a window.
    The middle row is the centre of the frame. `size` is a power of two: librosa multiplies spectra
    of that size, without their negative frequencies.
    """
    length = quality / frequencies
    before, after = np.floor(length / 2), np.ceil(length / 2)
    size = 2 ** math.ceil(math.log2(length.max()))
    time = np.arange(-(size // 2), size - size // 2)[:, None]
    inside = (-before < time) & (time <= after)
    width = before + after
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (time - after) / width)
    wave = np.where(inside, hann, 0) * np.exp(-2j * np.pi * frequencies * time)
    spectrum = np.fft.fft(2 * np.sqrt(length) / width * wave, axis=0)
    spectrum[1 : size // 2] = 0  # conjugated, the wavelets' frequencies are negative here
    return np.fft.ifft(spectrum, axis=0)


def _octave(parameters: FeatureParameters, bins: slice, halvings: int) -> Octave:
    frequencies = parameters.frequencies[bins]
    reached = frequencies[-1] * (1 + SIDE_LOBES / parameters.quality)
    level = math.floor(math.log2(HIGHEST_SHARE * parameters.sample_rate / reached))
    level = max(halvings, level)

    # Times are in samples of librosa's rate; a window contains every `step`-th of them.
    wavelets = _wavelets(frequencies * 2**halvings / parameters.sample_rate, parameters.quality)
    middle, step = len(wavelets) // 2, 2 ** (level - halvings)
    share = np.abs(wavelets) / np.abs(wavelets).max(axis=0)
    kept = np.flatnonzero(share.max(axis=1) > TAIL) - middle
    hop = parameters.hop_length >> halvings
    fractions = np.arange(step // math.gcd(hop, step)) * hop % step
    first, last = -(-kept[0] // step), (kept[-1] + fractions.max()) // step
    time = np.arange(first, last + 1) * step - fractions[:, None]
    padded = np.pad(wavelets, ((step, step), (0, 0)))
    kernels = math.sqrt(2**halvings) * step * padded[time + middle + step]
    return Octave(level, bins, int(first), kernels.astype(np.complex64).view(np.float32))


def rates(parameters: FeatureParameters) -> list[Rate]:
    """Make the kernels, from the highest rate; the lowest octave may have fewer bins."""
    tops = range(parameters.n_bins, 0, -parameters.bins_per_octave)
    slices = [slice(max(0, top - parameters.bins_per_octave), top) for top in tops]
    pairs = zip(_librosa_halvings(parameters, len(slices)), slices, strict=True)
    return [
        Rate(halvings, tuple(_octave(parameters, bins, halvings) for _, bins in group))
        for halvings, group in groupby(pairs, key=lambda pair: pair[0])
    ]


def decimation_matrix(taps: np.ndarray, factor: int, block: int) -> np.ndarray:
    """Compute the matrix of a decimating filter on blocks of ``factor * block`` samples.

    A block of outputs depends on two neighbouring blocks of samples. The left half of the columns
    is a block's contribution to its own outputs, the right half that to the block before. The
    matrix is float32 (factor · block, 2 · block). ``taps`` is the impulse response, at most
    ``factor * (block + 1)`` samples.
    """
    banded = np.zeros((2 * factor * block, block))
    for output in range(block):
        banded[factor * output : factor * output + taps.size, output] = taps
    return np.hstack(np.split(banded, 2)).astype(np.float32)


def half_band() -> np.ndarray:
    """Compute the short filter that halves the rate where librosa does not [shape=(taps,)]."""
    taps = np.sinc(np.arange(-REACH, REACH + 1) / 2) * np.kaiser(2 * REACH + 1, KAISER_BETA)
    return taps / taps.sum()
