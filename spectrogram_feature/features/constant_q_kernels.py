"""The kernels of the constant-Q transform: librosa's wavelets, octave by octave, at low rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from spectrogram_feature.features.parameters import FeatureParameters

# An octave is analysed at the lowest rate of which this share still lies above its highest bin with
# the side lobes that matter: they are 67 dB down at 9 bandwidths (frequency / Q) from it.
HIGHEST_SHARE = 0.36
SIDE_LOBES = 9
TAIL = 1e-5  # a kernel ends where it stays below this share of its largest value
# The half-band filter: samples on either side of its centre, and the shape of its Kaiser window.
# What would fold onto a bin is 95 dB down, since bins 60 dB below the loudest must hold to 0.2 dB.
REACH = 23
KAISER_BETA = 9.5
BLOCK = 24  # outputs of the half-band filter per row of its matrix product


@dataclass(frozen=True)
class Octave:
    """The kernels of the bins that one matrix product serves.

    Frame ``t`` is centred on sample ``t * hop_length / 2**level`` of the decimated signal; its
    window begins `offset` samples from the whole part of that. The part after the point repeats
    every `phases` frames and selects the kernel.

    Parameters
    ----------
    level : int
        How often the sampling rate is halved for these bins.
    bins : slice
        Their place among all bins.
    offset : int
        First sample of the kernels, relative to the centre of the frame; negative.
    kernels : np.ndarray [shape=(phases, window, 2 * bins), float32]
        Columns hold real and imaginary parts in turn, as complex64 does in memory.
    """

    level: int
    bins: slice
    offset: int
    kernels: np.ndarray

    def starts(self, frames: int, hop_length: int, origin: int, samples: int) -> np.ndarray:
        """Return where each frame's window begins.

        Parameters
        ----------
        frames : int
            Number of frames.
        hop_length : int
            Hop at the full sampling rate.
        origin, samples : int
            Position of time zero in the decimated signal, and that signal's length.

        Returns
        -------
        np.ndarray [shape=(phases, ceil(frames / phases)), int]
            Frame ``t`` stands at ``[t % phases, t // phases]``; frames that only fill the last
            column are moved to where there is signal.
        """
        phases, window, _ = self.kernels.shape
        frame = np.arange(-(-frames // phases) * phases).reshape(-1, phases).T
        start = origin + self.offset + (frame * hop_length >> self.level)
        return np.minimum(start, samples - window)


@dataclass(frozen=True)
class Rate:
    """The octaves that librosa analyses at one sampling rate.

    Parameters
    ----------
    halvings : int
        How often librosa halves the rate for them.
    octaves : tuple of Octave
        From the highest; none has a lower level than the one before it or than `halvings`.
    """

    halvings: int
    octaves: tuple[Octave, ...]

    def layout(self, samples: int) -> list[tuple[int, int]]:
        """Lay out the zero-padded signal at each level, so that no window leaves it.

        Parameters
        ----------
        samples : int
            Length of the signal at this rate.

        Returns
        -------
        list of (origin, samples)
            From `halvings` to the lowest octave's level, the position of time zero and the length,
            padding included. A length is what the half-band filter makes of the one before it.
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
    """Return how often librosa halves the rate for each octave, from the highest."""
    hop = parameters.hop_length
    twos = (hop & -hop).bit_length() - 1
    spare = math.ceil(math.log2(parameters.sample_rate / 2 / parameters.cutoff)) - 2
    early = max(0, min(spare, twos - octaves + 1))
    return [min(early + octave, twos) for octave in range(octaves)]


def _wavelets(frequencies: np.ndarray, quality: float) -> np.ndarray:
    """Return what librosa correlates with, on its own grid of samples.

    Parameters
    ----------
    frequencies : np.ndarray [shape=(bins,)]
        Cycles per sample.
    quality : float
        Cycles in a window.

    Returns
    -------
    np.ndarray [shape=(size, bins), complex128]
        The middle row is the centre of the frame. `size` is a power of two: librosa multiplies
        spectra of that size, and of the negative frequencies it takes none.
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

    # Times are in samples of librosa's rate: a window holds some of them, at steps.
    wavelets = _wavelets(frequencies * 2**halvings / parameters.sample_rate, parameters.quality)
    middle, step = len(wavelets) // 2, 2 ** (level - halvings)
    share = np.abs(wavelets) / np.abs(wavelets).max(axis=0)
    heard = np.flatnonzero(share.max(axis=1) > TAIL) - middle
    hop = parameters.hop_length >> halvings
    fractions = np.arange(step // math.gcd(hop, step)) * hop % step
    first, last = -(-heard[0] // step), (heard[-1] + fractions.max()) // step
    time = np.arange(first, last + 1) * step - fractions[:, None]
    padded = np.pad(wavelets, ((step, step), (0, 0)))
    kernels = math.sqrt(2**halvings) * step * padded[time + middle + step]
    return Octave(level, bins, int(first), kernels.astype(np.complex64).view(np.float32))


def rates(parameters: FeatureParameters) -> list[Rate]:
    """Make the kernels.

    Parameters
    ----------
    parameters : FeatureParameters
        What to compute.

    Returns
    -------
    list of Rate
        From the highest; the lowest octave may hold fewer bins than the others.
    """
    tops = range(parameters.n_bins, 0, -parameters.bins_per_octave)
    slices = [slice(max(0, top - parameters.bins_per_octave), top) for top in tops]
    pairs = zip(_librosa_halvings(parameters, len(slices)), slices, strict=True)
    return [
        Rate(halvings, tuple(_octave(parameters, bins, halvings) for _, bins in group))
        for halvings, group in groupby(pairs, key=lambda pair: pair[0])
    ]


def decimation_matrix(taps: np.ndarray, factor: int, block: int) -> np.ndarray:
    """Return a filter with decimation, as a matrix on blocks of samples.

    A filter that reaches no further than one block of ``factor * block`` samples needs two
    neighbours for `block` outputs: the left half of the columns is what a block gives to its own
    outputs, the right half what it gives to those of the block before.

    Parameters
    ----------
    taps : np.ndarray [shape=(n_taps,)]
        Impulse response; at most ``factor * (block + 1)`` samples.
    factor : int > 0
        Samples for each output.
    block : int > 0
        Outputs in a block.

    Returns
    -------
    np.ndarray [shape=(factor * block, 2 * block), float32]
    """
    banded = np.zeros((2 * factor * block, block))
    for output in range(block):
        banded[factor * output : factor * output + taps.size, output] = taps
    return np.hstack(np.split(banded, 2)).astype(np.float32)


def half_band() -> np.ndarray:
    """Return the short filter that halves the rate where librosa does not [shape=(taps,)]."""
    taps = np.sinc(np.arange(-REACH, REACH + 1) / 2) * np.kaiser(2 * REACH + 1, KAISER_BETA)
    return taps / taps.sum()
