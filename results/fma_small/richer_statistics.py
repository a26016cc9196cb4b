"""Hand-made statistics of segments for the richer SVM."""

from __future__ import annotations

import numpy as np
from scipy.fft import dct

from common.records.quantization import dequantize

ROWS_PER_BAND, CEPSTRA = 4, 24


def richer_statistics(features: np.ndarray) -> np.ndarray:
    """Describe segments (n, frames, bins) by more statistics than `bin_statistics`.

    Mean, deviation, mean absolute step and modulation spectra of bands and of cepstra, and the
    correlations between cepstra.
    """
    from spectrogram_feature.layers import ModulationSpectrum, TextureWindows

    x = dequantize(features)
    frames = x.shape[1]
    bands = x.reshape(*x.shape[:2], -1, ROWS_PER_BAND).mean(axis=3)
    cepstra = dct(x, norm="ortho", axis=2)[:, :, :CEPSTRA]
    layers = TextureWindows(frames), ModulationSpectrum(frames)
    described = [np.asarray(layer(part))[:, 0] for part in (bands, cepstra) for layer in layers]
    first, second = np.triu_indices(CEPSTRA, 1)
    centred = cepstra - cepstra.mean(axis=1, keepdims=True)
    scaled = centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-6)
    correlations = np.einsum("nti,ntj->nij", scaled, scaled)[:, first, second]
    return np.concatenate([*described, correlations], axis=1)
