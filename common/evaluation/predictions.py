"""Predictions: a classifier's genre probabilities for labelled segments."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
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
    (segments, genres). A `ValueError` is raised if the shapes disagree, a label is out of range, a
    track has two labels, or a probability is not between 0 and 1.
    """

    track_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    genres: tuple[str, ...]

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
        if self.label.min() < 0 or self.label.max() >= genres:
            raise ValueError(f"labels must be between 0 and {genres - 1}")
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

    def by_track(self) -> Predictions:
        """Average the probabilities over the segments of each track; sort by track id."""
        tracks, first, segments = np.unique(self.track_id, return_index=True, return_counts=True)
        means = sum_by_track(self.track_id, self.probability) / segments[:, None]
        return Predictions(tracks, self.label[first], means, self.genres)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join predictions of different tracks and the same genres."""
        arrays = zip(*((p.track_id, p.label, p.probability) for p in parts), strict=True)
        track_id, label, probability = map(np.concatenate, arrays)
        return cls(track_id, label, probability, parts[0].genres)

    @classmethod
    def average(cls, parts: Sequence[Predictions]) -> Predictions:
        """Average the probabilities of several models for the same segments.

        Tracks may be in any order, but the segments of a track in order of time. Other segments
        raise a ValueError.
        """
        parts = [part.in_order() for part in parts]
        first = parts[0]
        for part in parts:
            if not np.array_equal(part.track_id, first.track_id) or part.genres != first.genres:
                raise ValueError("only predictions of the same segments can be averaged")
        means = np.mean([part.probability for part in parts], axis=0)
        return cls(first.track_id, first.label, means, first.genres)

    def in_order(self) -> Predictions:
        """Sort by track; the order of a track's segments does not change."""
        order = np.argsort(self.track_id, kind="stable")
        return Predictions(
            self.track_id[order], self.label[order], self.probability[order], self.genres
        )

    def save(self, path: str | Path) -> None:
        """Write the predictions as ``.npz`` atomically."""
        with atomic_write(path) as file:
            np.savez(file, **(vars(self) | {"genres": np.array(self.genres, dtype=np.str_)}))

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read predictions that `save` has written, without pickle.

        A missing file, or one without predictions, raises a `UserError`.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                genres = tuple(map(str, arrays["genres"]))
                return cls(arrays["track_id"], arrays["label"], arrays["probability"], genres)
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
    return Predictions(track_id, label, probability, records.manifest.genres)


def sum_by_track(track_id: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum values (segments, ...) over the segments of each track, in order of track id."""
    tracks, position = np.unique(track_id, return_inverse=True)
    sums = np.zeros((len(tracks), *values.shape[1:]))
    np.add.at(sums, position, values)
    return sums
