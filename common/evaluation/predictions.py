"""Predictions: a classifier's genre probabilities for labelled segments."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import UserError
from common.jobs.files import atomic_write
from common.records.folder import RecordFolder


class Classifier(Protocol):
    """A `keras.Model` or a baseline."""

    def predict_on_batch(self, features: np.ndarray) -> np.ndarray:
        """Predict genre probabilities (segments, genres) from features (segments, ...)."""
        ...


@dataclass(frozen=True, eq=False)
class Predictions:
    """Genre probabilities of labelled segments.

    ``track_id`` is the track of each segment, in any order, and ``label`` the index of the true
    genre, the same for all segments of a track, both int64 (segments,). ``probability`` is float32
    (segments, genres). Where tracks have several genres, ``targets``, bool (labels, genres), has
    the genres of each label; see `common.fma.labels`. A `ValueError` is raised if the shapes
    disagree, a label is out of range, a track has two labels, or a probability is not between 0 and
    1.
    """

    track_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    genres: tuple[str, ...]
    targets: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Convert the types and check the values."""
        for name, dtype in (("track_id", np.int64), ("label", np.int64), ("probability", "f4")):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        object.__setattr__(self, "genres", tuple(self.genres))
        segments, genres = self.track_id.size, len(self.genres)
        if segments == 0:
            raise ValueError("there are no predictions to evaluate")
        shapes = (self.track_id.shape, self.label.shape, self.probability.shape)
        if shapes != ((segments,), (segments,), (segments, genres)):
            raise ValueError(
                f"track_id, label and probability have shapes {shapes}; for {genres} genres they "
                f"must be (segments,), (segments,) and (segments, {genres})"
            )
        if len(set(self.genres)) < genres:
            raise ValueError(f"duplicate genre in {self.genres}")
        if self.targets is not None:
            object.__setattr__(self, "targets", np.asarray(self.targets, dtype=bool))
            if self.targets.ndim != 2 or self.targets.shape[1] != genres:
                raise ValueError(f"targets must have the shape (labels, {genres})")
        labels = genres if self.targets is None else len(self.targets)
        if self.label.min() < 0 or self.label.max() >= labels:
            raise ValueError(f"labels must be between 0 and {labels - 1}")
        # NaN fails both comparisons.
        if not ((self.probability >= 0) & (self.probability <= 1)).all():
            raise ValueError("probabilities must be finite and between 0 and 1")
        order = np.lexsort((self.label, self.track_id))
        same_track = np.diff(self.track_id[order]) == 0
        conflicts = same_track & (np.diff(self.label[order]) != 0)
        if conflicts.any():
            raise ValueError(f"track {self.track_id[order][1:][conflicts][0]} has two labels")

    @property
    def predicted(self) -> np.ndarray:
        """Index of the most probable genre [shape=(segments,)]."""
        return self.probability.argmax(axis=1)

    @property
    def has_several_genres(self) -> bool:
        """bool: True if a track may have several genres."""
        return self.targets is not None

    @property
    def truth(self) -> np.ndarray:
        """np.ndarray: true genres [shape=(segments, genres), dtype=bool]."""
        targets = np.eye(len(self.genres), dtype=bool) if self.targets is None else self.targets
        return targets[self.label]

    def require_one_genre(self) -> None:
        """Raise a `ValueError` if tracks may have several genres."""
        if self.has_several_genres:
            raise ValueError("this score needs tracks of one genre: see evaluation.multilabel")

    def has_labels_of(self, other: Predictions) -> bool:
        """Return True if genres and the meaning of labels are those of other predictions."""
        if self.genres != other.genres or self.targets is None or other.targets is None:
            return self.genres == other.genres and self.targets is other.targets
        return np.array_equal(self.targets, other.targets)

    def by_track(self) -> Predictions:
        """Average the probabilities over the segments of each track; sort by track id."""
        tracks, first, segments = np.unique(self.track_id, return_index=True, return_counts=True)
        means = sum_by_track(self.track_id, self.probability) / segments[:, None]
        return replace(self, track_id=tracks, label=self.label[first], probability=means)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join predictions of different tracks; other genres or labels are a ValueError."""
        if not all(part.has_labels_of(parts[0]) for part in parts):
            raise ValueError("only predictions of the same genres and labels can be joined")
        arrays = zip(*((p.track_id, p.label, p.probability) for p in parts), strict=True)
        track_id, label, probability = map(np.concatenate, arrays)
        return replace(parts[0], track_id=track_id, label=label, probability=probability)

    @classmethod
    def average(cls, parts: Sequence[Predictions]) -> Predictions:
        """Average the probabilities of several models for the same segments.

        Tracks may be in any order, but the segments of a track in order of time. Other segments,
        genres or labels raise a ValueError.
        """
        parts = [part.in_order() for part in parts]
        first = parts[0]
        for part in parts:
            same = np.array_equal(part.track_id, first.track_id) and part.has_labels_of(first)
            if not same or not np.array_equal(part.label, first.label):
                raise ValueError("only predictions of the same segments can be averaged")
        means = np.mean([part.probability for part in parts], axis=0)
        return replace(first, probability=means)

    def in_order(self) -> Predictions:
        """Sort by track; the order of a track's segments does not change."""
        order = np.argsort(self.track_id, kind="stable")
        return replace(
            self,
            track_id=self.track_id[order],
            label=self.label[order],
            probability=self.probability[order],
        )

    def save(self, path: str | Path) -> None:
        """Write the predictions as ``.npz`` atomically."""
        with atomic_write(path) as file:
            arrays = {name: value for name, value in vars(self).items() if value is not None}
            np.savez(file, **(arrays | {"genres": np.array(self.genres, dtype=np.str_)}))

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read predictions that `save` has written, without pickle.

        A missing file, or one without predictions, raises a `UserError`.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                genres = tuple(map(str, arrays["genres"]))
                targets = arrays.get("targets")
                own = (arrays["track_id"], arrays["label"], arrays["probability"])
                return cls(*own, genres, targets)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; evaluate the model first") from None
        except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            message = f"{path} contains no predictions ({error}); evaluate the model again"
            raise UserError(message) from None


def predict(classifier: Classifier, records: RecordFolder, split: str) -> Predictions:
    """Predict a split with a network or a baseline."""
    batches = (
        (track_id, label, classifier.predict_on_batch(features))
        for features, label, track_id in records.arrays(split)
    )
    track_id, label, probability = map(np.concatenate, zip(*batches, strict=True))
    manifest = records.manifest
    targets = manifest.targets if manifest.has_several_genres else None
    return Predictions(track_id, label, probability, manifest.genres, targets)


def sum_by_track(track_id: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum values (segments, ...) over the segments of each track, in order of track id."""
    tracks, position = np.unique(track_id, return_inverse=True)
    sums = np.zeros((len(tracks), *values.shape[1:]))
    np.add.at(sums, position, values)
    return sums
