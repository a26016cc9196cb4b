"""The records of FMA small and the trainings on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.fma.metadata import SPLITS
from common.records.segments import MemoryRecords, Segments
from common.training.options import TrainingOptions
from spectrogram_feature import import_features
from spectrogram_feature import training as features_training
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_image import training as images_training
from spectrogram_image.images.records import ImageRecords

if TYPE_CHECKING:
    import keras

    from common.training.train import Run

OPTIONS = TrainingOptions(epochs=20)
SEEDS = 3  # trainings of each network
RECIPES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "default": ({}, {}),
    "without rotation": ({"rotate": False}, {}),
    "without equaliser": ({"equalizer": 0.0}, {}),
    "without masks": ({"masked": (0.0, 0.0)}, {}),
    "without CutMix": ({}, {"cutmix": 0.0}),
    "mixup 0.2 instead of CutMix": ({}, {"cutmix": 0.0, "mixup": 0.2}),
    "SpecAugment LB alone": ({}, {"cutmix": 0.0, "augment": "LB"}),
    "none": ({}, {"cutmix": 0.0, "augment": "none"}),
}
"""Augmentation → changes of `perturb` and of the options, compared on the validation split."""


RECIPE_NETWORK = "cnn"
LOWER_BINS = 90
"""Bins below the low-pass edge of nearly all encoders."""

ID_STEP = 3
"""Largest difference between the ids of neighbouring tracks of a group; see `artist_groups`."""


@dataclass(frozen=True)
class Study:
    """The records of features, with one and with several genres a track, and of images.

    ``out`` is the folder of the trainings.
    """

    features: Path
    several_genres: Path
    images: Path
    out: Path

    @cached_property
    def records(self) -> FeatureRecords:
        """FeatureRecords: all rows of the pictures as bins."""
        return FeatureRecords.open(self.features)

    @cached_property
    def several(self) -> FeatureRecords:
        """FeatureRecords: the same features with all genres of a track."""
        return FeatureRecords.open(self.several_genres)

    @cached_property
    def segments(self) -> dict[str, Segments]:
        """dict: split → its segments in memory."""
        return {split: Segments.join(self.records.arrays(split)) for split in SPLITS}

    def joined(self, *splits: str) -> Segments:
        """Concatenate the segments of some splits."""
        parts = (self.segments[split] for split in splits)
        return Segments.join((part.features, part.label, part.track_id) for part in parts)

    @cached_property
    def lower(self) -> FeatureRecords:
        """FeatureRecords: the lower `LOWER_BINS` bins, imported from an array."""
        folder = self.out / f"lower-{LOWER_BINS}"
        array = folder.with_suffix(".npz")
        if not array.exists():
            joined = self.joined(*SPLITS)
            ids, levels = joined.track_id, joined.features[:, :, :LOWER_BINS]
            array.parent.mkdir(parents=True, exist_ok=True)
            np.savez(array, ids=ids, features=levels)
        import_features.generate(array, folder, metadata=self.features / "tracks.csv")
        return FeatureRecords.open(folder)

    def recipe(self, name: str) -> Run:
        """Train a network with an augmentation of `RECIPES`."""
        if name == "default":
            return self.network(RECIPE_NETWORK, 0)
        from common.nn.perturbation import perturb
        from common.training.train import train
        from spectrogram_feature.models import find

        of_perturb, of_options = RECIPES[name]
        options, records = replace(OPTIONS, **of_options), self.records

        def build() -> keras.Model:
            if not of_perturb:
                return features_training.build_model(records, RECIPE_NETWORK, options.augment)
            layer = perturb(*records.shape, **of_perturb)
            genres = len(records.manifest.genres)
            return find(RECIPE_NETWORK).build(records.shape, genres, augmentation=layer)

        folder = self.out / "recipes" / name
        return train(RECIPE_NETWORK, build, records, folder=folder, options=options)

    def network(self, name: str, seed: int) -> Run:
        """Train a network of stage 2."""
        return self._network(self.records, self.out / name / f"seed-{seed}", name, seed)

    def on_lower_bins(self, name: str, seed: int) -> Run:
        """Train a network of stage 2 on the lower bins."""
        folder = self.out / "lower bins" / name / f"seed-{seed}"
        return self._network(self.lower, folder, name, seed)

    def on_labels(self, labels: str, name: str, seed: int, balance: str = "none") -> Run:
        """Train a network of stage 2 on root genres, or on all genres, of a track."""
        folder = self.out / f"labels {labels}, balance {balance}" / name / f"seed-{seed}"
        records = self.several.with_labels(labels)
        return self._network(records, folder, name, seed, balance)

    def _network(
        self, records: FeatureRecords, folder: Path, name: str, seed: int, balance: str = "none"
    ) -> Run:
        options = replace(OPTIONS, seed=seed, balance=balance)
        return features_training.train_model(records, name, folder=folder, options=options)

    def image_network(self, kind: str, seed: int) -> Run:
        """Train the network of stage 1 on one of `IMAGES`."""
        folder = self.out / f"images, {kind}" / f"seed-{seed}"
        options = replace(OPTIONS, seed=seed)
        return images_training.train_model(self.image_records(kind), folder=folder, options=options)

    def image_records(self, kind: str) -> ImageRecords:
        """Open the images as levels or as colours."""
        return ImageRecords.open(self.images, colors=kind == "colours")

    def share(self, share: float, seed: int) -> MemoryRecords:
        """Draw a share of the training tracks of each genre."""
        part = self.segments["training"]
        rng = np.random.default_rng(seed)
        drawn = [
            rng.permutation(part.track_id[part.label == label])
            for label in range(len(self.records.manifest.genres))
        ]
        tracks = np.concatenate([ids[: round(share * len(ids))] for ids in drawn])
        return MemoryRecords.divide(
            self.records,
            {**self.segments, "training": part.of(tracks)},
            name=f"share-{share}-seed-{seed}",
            training_tracks=tuple(sorted(tracks.tolist())),
        )

    def on_share(self, name: str, share: float, seed: int) -> Run:
        """Train a network of stage 2 on a share of the training tracks."""
        from common.training.train import train

        options = replace(OPTIONS, seed=seed)
        return train(
            name,
            partial(features_training.build_model, self.records, name, options.augment),
            self.share(share, seed),
            folder=self.out / f"{share:.3f} of the tracks" / name / f"seed-{seed}",
            options=options,
        )


def artist_groups(plan: pd.DataFrame) -> pd.Series:
    """Group tracks that probably share an artist.

    The artist of nine tracks in ten is unknown. FMA numbers tracks in the order of upload, so that
    those of an album have adjacent ids: of neighbours whose ids differ by one, 96 % are in the same
    split, against 66 % of random pairs. A group has the tracks of an artist, and neighbours whose
    ids differ by at most `ID_STEP`, unless their splits or their known artists differ.

    Parameters
    ----------
    plan : pd.DataFrame
        ``split`` and ``artist`` by track id; unknown artists are ``track`` and the id.

    Returns
    -------
    pd.Series
        Number of the group by track id.
    """
    plan = plan.sort_index()
    ids, artist = plan.index.to_numpy(), plan["artist"].to_numpy()
    known = ~plan["artist"].str.startswith("track ").to_numpy()
    conflict = known[1:] & known[:-1] & (artist[1:] != artist[:-1])
    same_split = plan["split"].to_numpy()[1:] == plan["split"].to_numpy()[:-1]
    left = np.flatnonzero((np.diff(ids) <= ID_STEP) & same_split & ~conflict)
    first_of_artist = pd.Series(np.arange(len(ids))).groupby(artist).transform("first").to_numpy()
    pairs = np.concatenate([[left, left + 1], [np.arange(len(ids)), first_of_artist]], axis=1)
    graph = coo_array((np.ones(pairs.shape[1]), pairs), shape=(len(ids), len(ids)))
    return pd.Series(connected_components(graph, directed=False)[1], plan.index, name="group")
