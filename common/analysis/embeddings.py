"""Where a network puts tracks: what its last layer sees, and how far genres lie apart there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.evaluation.metrics import Score, bootstrap, ratio
from common.evaluation.predictions import sum_by_track

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MOST_PERPLEXITY = 30

FEW_TRACKS = 2000
"""Below this, one thread is as fast as several."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Tracks as points.

    Attributes
    ----------
    track_id, label : np.ndarray [shape=(tracks,), dtype=int64]
        Sorted by track.
    points : np.ndarray [shape=(tracks, n), dtype=float32]
        Of length 1, as angles are what is compared: the mean over a track's segments.
    genres : tuple of str
        The genres in label order.
    """

    track_id: np.ndarray
    label: np.ndarray
    points: np.ndarray
    genres: tuple[str, ...]

    @classmethod
    def of_segments(
        cls, track_id: np.ndarray, label: np.ndarray, values: np.ndarray, genres: Sequence[str]
    ) -> Embeddings:
        """Average segments (segments, n) by track and scale the means to length 1."""
        tracks, first = np.unique(track_id, return_index=True)
        sums = sum_by_track(track_id, values)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        unit = (sums / np.where(length > 0, length, 1)).astype(np.float32)
        return cls(tracks, label[first], unit, tuple(genres))


def embedder(model: keras.Model) -> keras.Model:
    """Give the network without its last dense layer, the one that makes genres of descriptions.

    Parameters
    ----------
    model : keras.Model
        Any that ends with `common.nn.blocks.classifier`.

    Returns
    -------
    keras.Model
        From the same inputs to float (batch, n); it shares the model's weights.
    """
    import keras

    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return keras.Model(model.inputs, dense[-1].input)


def embed(
    model: keras.Model, batches: Sequence[tf.data.Dataset], genres: Sequence[str]
) -> Embeddings:
    """Describe the tracks of some splits by what the network's last layer sees.

    Parameters
    ----------
    batches : sequence of tf.data.Dataset
        Of features, labels (integers) and track ids, as `RecordFolder.labelled` gives a split.
    genres : sequence of str
        In label order.
    """
    network = embedder(model)
    parts = [
        (track_id.numpy(), label.numpy(), network.predict_on_batch(features))
        for split in batches
        for features, label, track_id in split
    ]
    track_id, label, values = map(np.concatenate, zip(*parts, strict=True))
    return Embeddings.of_segments(track_id, label, values, genres)


def perplexity_for(tracks: int) -> float:
    """Choose how many neighbours t-SNE looks at: 30, or a third of what a small set has."""
    return min(MOST_PERPLEXITY, (tracks - 1) / 3)


def flat_map(embeddings: Embeddings, *, seed: int = 0) -> np.ndarray:
    """Lay tracks out on a plane so that neighbours stay neighbours.

    t-SNE (van der Maaten and Hinton 2008, "Visualizing data using t-SNE", Journal of Machine
    Learning Research 9), started from the first two principal components, so that the large
    arrangement is not left to chance (Kobak and Berens 2019, "The art of using t-SNE for
    single-cell transcriptomics", Nature Communications 10). Distances between groups and the
    sizes of groups mean nothing in it.

    Parameters
    ----------
    embeddings : Embeddings
        Of four tracks at least.

    Returns
    -------
    np.ndarray [shape=(tracks, 2), dtype=float32]
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    tracks = len(embeddings.label)
    method = TSNE(perplexity=perplexity_for(tracks), init="pca", random_state=seed)
    # Threads that wait for each other in a thousand short steps: on two busy cores, 52 tracks took
    # 15 s with them and 0.6 s without.
    with threadpool_limits(1 if tracks < FEW_TRACKS else None):
        return method.fit_transform(embeddings.points)


def neighbours_of_same_genre(
    embeddings: Embeddings, artist: Sequence[str], *, neighbours: int = 5
) -> tuple[pd.DataFrame, Score]:
    """Tell how often the nearest tracks by other artists are of the same genre.

    Tracks of one artist lie together whatever the genre (Pampalk, Flexer and Widmer 2005,
    "Improvements of audio-based music similarity and genre classification", ISMIR), so they are
    not asked. It is measured where the network puts the tracks, not on a map of it.

    Parameters
    ----------
    artist : sequence of str
        Of each track.
    neighbours : int > 0
        How many of the nearest are looked at; of a genre with fewer other tracks, only as many as
        there are, so that all of them can agree.

    Returns
    -------
    table : pandas.DataFrame
        By genre, in label order: ``tracks``, ``agreement`` (the mean share of neighbours of the
        same genre), ``chance`` (what it would be if neighbours were drawn at random) and
        ``silhouette`` (Rousseeuw 1987, "Silhouettes", Journal of Computational and Applied
        Mathematics 20: from -1 to 1, above 0 where a track is nearer to its own genre than to
        the nearest other). Missing where no track has another of its genre by another artist.
    score : Score
        The agreement of all tracks that have such another.
    """
    artists = np.asarray(artist)
    others = artists[:, None] != artists
    wanted = others & (embeddings.label[:, None] == embeddings.label)
    distance = np.where(others, -embeddings.points @ embeddings.points.T, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    available = wanted.sum(axis=1)
    looked_at = np.arange(nearest.shape[1]) < available[:, None]
    hits = (np.take_along_axis(wanted, nearest, axis=1) & looked_at).sum(axis=1)
    asked = available > 0
    agreement = hits / np.maximum(looked_at.sum(axis=1), 1)
    chance = available / np.maximum(others.sum(axis=1), 1)
    table = pd.DataFrame(
        {
            "genre": np.take(embeddings.genres, embeddings.label),
            "agreement": np.where(asked, agreement, np.nan),
            "chance": np.where(asked, chance, np.nan),
            "silhouette": _silhouette(embeddings),
        }
    )
    grouped = table.groupby("genre")
    by_genre = grouped.mean().reindex(embeddings.genres)
    by_genre.insert(0, "tracks", grouped.size().reindex(embeddings.genres).fillna(0).astype(int))
    tally = np.stack([agreement * asked, asked], axis=1)
    return by_genre, bootstrap(tally, ratio)


def _silhouette(embeddings: Embeddings) -> np.ndarray:
    """Give each track's silhouette by angle; missing for the only track of its genre."""
    from sklearn.metrics import silhouette_samples

    counts = np.bincount(embeddings.label, minlength=len(embeddings.genres))
    if not 2 <= (counts > 0).sum() < len(embeddings.label):
        return np.full(len(embeddings.label), np.nan)
    values = silhouette_samples(embeddings.points, embeddings.label, metric="cosine")
    return np.where(counts[embeddings.label] > 1, values, np.nan)
