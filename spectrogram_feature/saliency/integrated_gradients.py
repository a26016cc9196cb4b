"""What in a segment speaks for a genre: integrated gradients, and whether they mean anything.

Integrated gradients (M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep
networks", ICML 2017) go in a straight line from a baseline to the segment, add up the gradients of
the genre's log probability along it, and multiply by how far each cell moves. What they attribute
to all cells together is the difference of the log probabilities at both ends (completeness), so
that attributions have a unit, nats, and can be compared and added.

The baseline says against what a segment is explained. Here it is other music: the mean over
several training segments (G. Erion et al., "Improving performance of deep learning models with
axiomatic attribution priors and expected gradients", Nature Machine Intelligence 3, 2021). Silence,
the usual choice, is far from any music: the path to it is spent where the network was never
trained, and on the demo set it ended where the segment's genre had a probability of e⁻³⁴.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.records.quantization import as_float

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

FRAMES_PER_PATCH = 24
"""How long a patch of the deletion test is: half a second."""

BINS_PER_PATCH = 3
"""How high it is: a quarter of an octave."""


class Saliency:
    """Attributes what a model says of a segment to the segment's cells.

    Parameters
    ----------
    model : keras.Model
        One of `models.MODELS`.
    baselines : np.ndarray [shape=(n, frames, bins), dtype=uint8]
        From all over the training split; 16 will do.
    steps : int > 0
        Points on the way from each baseline. With 8 on each of 16 ways, sums were on average
        within 0.04 nats of what completeness asks for.
    """

    def __init__(self, model: keras.Model, baselines: np.ndarray, *, steps: int = 8) -> None:
        import keras
        import tensorflow as tf

        # Bytes have no gradient: the network is entered behind the layer that scales them.
        self.network = keras.Model(model.get_layer("as_float").output, model.output)
        self.baselines = as_float(baselines)
        self.steps = steps
        self._gradients = tf.function(self._trace, reduce_retracing=True)

    def _trace(self, levels: tf.Tensor, genre: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(levels)
            # Each point's gradient is its own, so that of the sum is that of each.
            log = tf.math.log(self.network(levels, training=False)[:, genre])
        return tape.gradient(log, levels)

    def probability(self, levels: np.ndarray) -> np.ndarray:
        """Predict from levels (segments, frames, bins): float32 (segments, genres)."""
        return self.network.predict_on_batch(levels)

    def attribute(self, features: np.ndarray, genre: int) -> np.ndarray:
        """Compute integrated gradients.

        Parameters
        ----------
        features : np.ndarray [shape=(frames, bins), dtype=uint8]
            A segment as the records hold it.
        genre : int
            Whose log probability is explained.

        Returns
        -------
        np.ndarray [shape=(frames, bins), dtype=float32]
            Nats; positive where the segment speaks for the genre. They sum to the log probability
            of the segment less the mean of those of the baselines.
        """
        import tensorflow as tf

        ways = as_float(features) - self.baselines
        # The middles of equal steps: the midpoint rule.
        shares = (np.arange(self.steps, dtype=np.float32) + 0.5) / self.steps
        points = self.baselines[:, None] + shares[:, None, None] * ways[:, None]
        flat = points.reshape(-1, *features.shape)
        gradients = self._gradients(tf.constant(flat), tf.constant(genre)).numpy()
        return (ways * gradients.reshape(points.shape).mean(axis=1)).mean(axis=0)


def deletion_test(
    saliency: Saliency, segments: Iterable[np.ndarray], *, share: float = 0.1, seed: int = 0
) -> pd.DataFrame:
    """See whether what was attributed to matters: take it away and predict again.

    The segment is cut into patches of half a second and a quarter of an octave, which are replaced
    by what one of the baselines has there: those to which most was attributed, the loudest, or any.
    So what is left is made of music throughout. Holes would themselves be a texture that no music
    has: silence in any tenth halved the probabilities on the demo set (cf. S. Hooker et al., "A
    benchmark for interpretability methods in deep neural networks", NeurIPS 2019).

    Parameters
    ----------
    segments : iterable of np.ndarray [shape=(frames, bins), dtype=uint8]
    share : 0 < float < 1
        Of the patches, to be taken away.
    seed : int
        Of the choice of any, and of the baselines.

    Returns
    -------
    pandas.DataFrame
        A row per segment: the probability of the genre that was predicted of the ``whole``, then
        without the ``most attributed``, the ``loudest`` and ``any`` patches.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for features in segments:
        levels = as_float(features)
        genre = int(saliency.probability(levels[None])[0].argmax())
        scores = {
            "most attributed": _patches(saliency.attribute(features, genre)),
            "loudest": _patches(levels),
        }
        scores["any"] = rng.random(scores["loudest"].shape)
        masks = [_highest(score, share, levels.shape) for score in scores.values()]
        other = saliency.baselines[rng.integers(len(saliency.baselines))]
        versions = [levels, *(np.where(mask, other, levels) for mask in masks)]
        probability = saliency.probability(np.stack(versions))[:, genre]
        rows.append(dict(zip(("whole", *scores), probability.tolist(), strict=True)))
    return pd.DataFrame(rows)


def _patches(cells: np.ndarray) -> np.ndarray:
    """Average cells (frames, bins) by patch; what is left at the ends makes smaller ones."""
    frames, bins = cells.shape
    starts = np.arange(0, frames, FRAMES_PER_PATCH), np.arange(0, bins, BINS_PER_PATCH)
    sums = np.add.reduceat(np.add.reduceat(cells, starts[0], axis=0), starts[1], axis=1)
    sizes = np.outer(np.diff(starts[0], append=frames), np.diff(starts[1], append=bins))
    return sums / sizes


def _highest(score: np.ndarray, share: float, shape: tuple[int, int]) -> np.ndarray:
    """Mark the cells (frames, bins) of the highest patches."""
    count = max(1, round(share * score.size))
    marked = np.zeros(score.size, dtype=bool)
    marked[np.argsort(-score, axis=None, kind="stable")[:count]] = True
    patches = marked.reshape(score.shape)
    rows, columns = (
        np.arange(n) // size
        for n, size in zip(shape, (FRAMES_PER_PATCH, BINS_PER_PATCH), strict=True)
    )
    return patches[np.ix_(rows, columns)]
