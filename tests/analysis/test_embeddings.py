"""Where tracks lie: what the last layer sees, and whether neighbours share a genre."""

import numpy as np
import pytest

from common.analysis.embeddings import (
    Embeddings,
    embed,
    embedder,
    flat_map,
    neighbours_of_same_genre,
    perplexity_for,
)
from spectrogram_feature.features.records import FeatureRecords

GENRES = ("Folk", "Jazz", "Rock")


def at_angles(degrees, label, genres=GENRES):
    radians = np.deg2rad(degrees)
    points = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype("f4")
    return Embeddings(np.arange(len(label)), np.array(label), points, genres)


@pytest.mark.parametrize("name", ["cnn", "lstm", "texture"])
def test_the_last_layer_makes_genres_of_the_embedding(tf, name):
    from spectrogram_feature.models import MODELS

    model = MODELS[name].build((48, 84), 5, width=8)
    features = np.random.default_rng(0).integers(0, 256, (3, 48, 84), dtype=np.uint8)
    seen = embedder(model).predict_on_batch(features)
    kernel, bias = model.get_layer("genres").get_weights()
    assert seen.shape == (3, len(kernel))
    powers = np.exp(seen @ kernel + bias)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_on_batch(features), expected, rtol=1e-4, atol=1e-6)


def test_tracks_of_records_are_embedded_once(tf, tiny_records):
    from spectrogram_feature.training import build_model

    records = FeatureRecords.open(tiny_records)
    model = build_model(records, "texture", width=8)
    splits = [records.labelled(split) for split in ("validation", "test")]
    embeddings = embed(model, splits, records.manifest.genres)
    tracks = [b[2] for split in ("validation", "test") for b in records.arrays(split)]
    assert embeddings.track_id.tolist() == sorted(set(np.concatenate(tracks).tolist()))
    assert embeddings.genres == records.manifest.genres
    np.testing.assert_allclose(np.linalg.norm(embeddings.points, axis=1), 1, atol=1e-5)


def test_segments_are_averaged_and_scaled_to_length_one():
    values = np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0], [0.0, 0.0]])
    embeddings = Embeddings.of_segments(
        np.array([9, 4, 9, 5]), np.array([2, 0, 2, 1]), values, GENRES
    )
    assert embeddings.track_id.tolist() == [4, 5, 9]
    assert embeddings.label.tolist() == [0, 1, 2]
    expected = [[0, 1], [0, 0], [2 / 5**0.5, 1 / 5**0.5]]
    np.testing.assert_allclose(embeddings.points, expected, atol=1e-6)


def test_neighbours_agree_where_genres_lie_apart():
    embeddings = at_angles([0, 5, 10, 90, 95, 100], [0, 0, 0, 1, 1, 1])
    table, score = neighbours_of_same_genre(embeddings, list("abcdef"), neighbours=2)
    assert score.value == 1
    assert table["tracks"].tolist() == [3, 3, 0]
    assert table.loc["Folk", "agreement"] == 1
    assert table.loc["Folk", "chance"] == pytest.approx(2 / 5)
    assert table.loc["Folk", "silhouette"] > 0.9
    assert table.loc["Rock"].drop("tracks").isna().all()


def test_tracks_of_the_same_artist_are_not_asked():
    # Each track's nearest is of its genre and by its artist; the next is of the other genre.
    embeddings = at_angles([0, 1, 10, 11, 100, 120], [0, 0, 1, 1, 0, 1])
    _, with_artist = neighbours_of_same_genre(embeddings, list("abcdef"), neighbours=1)
    _, without = neighbours_of_same_genre(embeddings, list("aabbcd"), neighbours=1)
    assert with_artist.value == pytest.approx(4 / 6)
    assert without.value == 0


def test_small_genres_can_agree_and_single_tracks_do_not_count():
    # Jazz has two tracks side by side, Rock one: with five neighbours asked, Jazz is still 1.
    embeddings = at_angles([0, 3, 6, 9, 90, 91, 180], [0, 0, 0, 0, 1, 1, 2])
    table, score = neighbours_of_same_genre(embeddings, list("abcdefg"), neighbours=5)
    assert table["agreement"].iloc[:2].tolist() == [1, 1]
    assert table.loc["Rock", ["agreement", "chance", "silhouette"]].isna().all()
    assert score.value == 1


def test_at_random_neighbours_agree_as_often_as_chance():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=600)
    embeddings = at_angles(rng.uniform(0, 360, 600), label)
    table, score = neighbours_of_same_genre(embeddings, np.arange(600))
    assert score.low < table["chance"].mean() < score.high
    assert abs(table["silhouette"]).max() < 0.1


@pytest.mark.parametrize(("tracks", "perplexity"), [(4, 1), (52, 17), (5000, 30)])
def test_perplexity_suits_small_sets(tracks, perplexity):
    assert perplexity_for(tracks) == perplexity


def test_the_map_is_repeatable_and_keeps_neighbours_together():
    label = np.arange(30) % 3
    angles = 120 * label + np.random.default_rng(0).uniform(0, 10, 30)
    embeddings = at_angles(angles, label)
    points = flat_map(embeddings, seed=1)
    assert points.shape == (30, 2)
    np.testing.assert_array_equal(points, flat_map(embeddings, seed=1))
    centres = np.stack([points[label == i].mean(axis=0) for i in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, label)
