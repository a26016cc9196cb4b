"""Embeddings of tracks, their map, and the genres of neighbouring tracks."""

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

ONE_GENRE = "embeddings need tracks of one genre: train with --labels top"

FEW_TRACKS = 2000  # number of tracks below which one thread is as fast as several


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Tracks as unit vectors (tracks, n), means over their segments, sorted by track id.

    A track has one genre: a label that is not the index of a genre is a `ValueError`.
    """

    track_id: np.ndarray
    label: np.ndarray
    points: np.ndarray
    genres: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the labels."""
        if self.label.max(initial=0) >= len(self.genres):
            raise ValueError(ONE_GENRE)

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
    """Take the layers before the classification head; weights are shared with the model."""
    import keras

    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return keras.Model(model.inputs, dense[-1].input)


def embed(
    model: keras.Model, batches: Sequence[tf.data.Dataset], genres: Sequence[str]
) -> Embeddings:
    """Compute the embeddings of the tracks of some splits.

    A split is a dataset of features, labels and track ids, as `RecordFolder.labelled` returns it. A
    model of several genres a track is a `ValueError`, since neighbours need one.
    """
    from common.nn.blocks import HierarchicalSigmoid

    if isinstance(model.layers[-1], HierarchicalSigmoid):
        raise ValueError(ONE_GENRE)
    network = embedder(model)
    parts = [
        (track_id.numpy(), label.numpy(), network.predict_on_batch(features))
        for split in batches
        for features, label, track_id in split
    ]
    track_id, label, values = map(np.concatenate, zip(*parts, strict=True))
    return Embeddings.of_segments(track_id, label, values, genres)


def perplexity_for(tracks: int) -> float:
    """Choose the perplexity of t-SNE: 30, or a third of the other tracks of a small set."""
    return min(MOST_PERPLEXITY, (tracks - 1) / 3)


def flat_map(embeddings: Embeddings, *, seed: int = 0) -> np.ndarray:
    """Map at least four tracks to a plane by t-SNE [shape=(tracks, 2)].

    t-SNE preserves neighbours (van der Maaten and Hinton 2008, "Visualizing data using t-SNE",
    Journal of Machine Learning Research 9); distances between groups and the sizes of groups have
    no meaning. It begins with the first two principal components, which make the large-scale
    arrangement reproducible (Kobak and Berens 2019, "The art of using t-SNE for single-cell
    transcriptomics", Nature Communications 10).
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    tracks = len(embeddings.label)
    method = TSNE(perplexity=perplexity_for(tracks), init="pca", random_state=seed)
    # The steps are short: on two busy cores, 52 tracks took 15 s with several threads and 0.6 s
    # with one.
    with threadpool_limits(1 if tracks < FEW_TRACKS else None):
        return method.fit_transform(embeddings.points)


def neighbours_of_same_genre(
    embeddings: Embeddings, artist: Sequence[str], *, neighbours: int = 5
) -> tuple[pd.DataFrame, Score]:
    """Measure how often the nearest tracks by other artists share the genre.

    Tracks of the same artist are excluded, since they are close in any genre (Pampalk,
    Flexer and Widmer 2005, "Improvements of audio-based music similarity and genre classification",
    ISMIR). Distances are those of the embeddings, not of a map. ``artist`` is the artist of each
    track; ``neighbours`` is reduced to the number of candidates of the same genre.

    Returns
    -------
    table : pandas.DataFrame
        By genre in label order: ``tracks``, ``agreement`` (mean share of neighbours of the same
        genre), ``chance`` (expected share for random neighbours) and ``silhouette`` (Rousseeuw
        1987, "Silhouettes", Journal of Computational and Applied Mathematics 20: from -1 to 1,
        above 0 where a track is nearer to its own genre than to any other). Missing where no track
        has a candidate of its genre.
    score : Score
        Agreement over all tracks with a candidate.
    """
    artists = np.asarray(artist)
    others = artists[:, None] != artists
    wanted = others & (embeddings.label[:, None] == embeddings.label)
    distance = np.where(others, -embeddings.points @ embeddings.points.T, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    available = wanted.sum(axis=1)
    counted = np.arange(nearest.shape[1]) < available[:, None]
    hits = (np.take_along_axis(wanted, nearest, axis=1) & counted).sum(axis=1)
    possible = available > 0
    agreement = hits / np.maximum(counted.sum(axis=1), 1)
    chance = available / np.maximum(others.sum(axis=1), 1)
    table = pd.DataFrame(
        {
            "genre": np.take(embeddings.genres, embeddings.label),
            "agreement": np.where(possible, agreement, np.nan),
            "chance": np.where(possible, chance, np.nan),
            "silhouette": _silhouette(embeddings),
        }
    )
    grouped = table.groupby("genre")
    by_genre = grouped.mean().reindex(embeddings.genres)
    by_genre.insert(0, "tracks", grouped.size().reindex(embeddings.genres).fillna(0).astype(int))
    tally = np.stack([agreement * possible, possible], axis=1)
    return by_genre, bootstrap(tally, ratio)


def _silhouette(embeddings: Embeddings) -> np.ndarray:
    """Compute the silhouette of each track by angle; NaN for the only track of a genre."""
    from sklearn.metrics import silhouette_samples

    counts = np.bincount(embeddings.label, minlength=len(embeddings.genres))
    if not 2 <= (counts > 0).sum() < len(embeddings.label):
        return np.full(len(embeddings.label), np.nan)
    values = silhouette_samples(embeddings.points, embeddings.label, metric="cosine")
    return np.where(counts[embeddings.label] > 1, values, np.nan)
