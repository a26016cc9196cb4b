"""Predictions: a classifier's genre probabilities for labelled segments."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import UserError
from common.jobs.files import atomic_write
from common.records.folder import RecordFolder


class Classifier(Protocol):
    """What can be judged: a `keras.Model`, or a baseline."""

    def predict_on_batch(self, features: np.ndarray) -> np.ndarray:
        """Predict genre probabilities.

        Parameters
        ----------
        features : np.ndarray [shape=(segments, ...)]

        Returns
        -------
        np.ndarray [shape=(segments, genres), dtype=float32]
            Rows sum to 1.
        """
        ...


@dataclass(frozen=True, eq=False)
class Predictions:
    """Genre probabilities of labelled segments.

    Attributes
    ----------
    track_id : np.ndarray [shape=(segments,), dtype=int64]
        The track of each segment, in any order.
    label : np.ndarray [shape=(segments,), dtype=int64]
        The true genre as an index into `genres`; one for all segments of a track.
    probability : np.ndarray [shape=(segments, genres), dtype=float32]
    genres : tuple of str
        In label order.

    Raises
    ------
    ValueError
        If the shapes disagree, a label is no genre's, a track has two labels, or a probability is
        not between 0 and 1.
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
            raise ValueError(f"a genre stands twice in {self.genres}")
        if self.label.min() < 0 or self.label.max() >= genres:
            raise ValueError(f"labels must lie between 0 and {genres - 1}")
        # NaN compares false with everything, and is refused too.
        if not ((self.probability >= 0) & (self.probability <= 1)).all():
            raise ValueError("probabilities must be finite and lie between 0 and 1")
        order = np.lexsort((self.label, self.track_id))
        same_track = np.diff(self.track_id[order]) == 0
        conflicts = same_track & (np.diff(self.label[order]) != 0)
        if conflicts.any():
            raise ValueError(f"track {self.track_id[order][1:][conflicts][0]} has two labels")

    @property
    def predicted(self) -> np.ndarray:
        """np.ndarray [shape=(segments,), dtype=int64]: the most probable genre's index."""
        return self.probability.argmax(axis=1)

    def by_track(self) -> Predictions:
        """Average the probabilities over the segments of each track; sort by track id."""
        tracks, first, segments = np.unique(self.track_id, return_index=True, return_counts=True)
        means = sum_by_track(self.track_id, self.probability) / segments[:, None]
        return Predictions(tracks, self.label[first], means, self.genres)

    @classmethod
    def of_batches(
        cls, batches: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], genres: Sequence[str]
    ) -> Predictions:
        """Join batches of track ids, labels and probabilities."""
        track_id, label, probability = map(np.concatenate, zip(*batches, strict=True))
        return cls(track_id, label, probability, tuple(genres))

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join predictions of different tracks and the same genres."""
        return cls(
            np.concatenate([part.track_id for part in parts]),
            np.concatenate([part.label for part in parts]),
            np.concatenate([part.probability for part in parts]),
            parts[0].genres,
        )

    @classmethod
    def average(cls, parts: Sequence[Predictions]) -> Predictions:
        """Average the probabilities of several models for the same segments.

        Tracks may be in any order, the segments of a track in that of time.

        Raises
        ------
        ValueError
            If they are not the same segments.
        """
        first, *others = (part.in_order() for part in parts)
        for other in others:
            if not np.array_equal(other.track_id, first.track_id) or other.genres != first.genres:
                raise ValueError("only predictions of the same segments can be averaged")
        means = np.mean([first.probability, *(other.probability for other in others)], axis=0)
        return cls(first.track_id, first.label, means, first.genres)

    def in_order(self) -> Predictions:
        """Sort by track; the order of a track's segments does not change."""
        order = np.argsort(self.track_id, kind="stable")
        parts = (self.track_id[order], self.label[order], self.probability[order])
        return Predictions(*parts, self.genres)

    def save(self, path: str | Path) -> None:
        """Write the predictions as ``.npz``, under a temporary name until they are complete."""
        with atomic_write(path) as file:
            np.savez(
                file,
                track_id=self.track_id,
                label=self.label,
                probability=self.probability,
                genres=np.array(self.genres, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read predictions that `save` has written; nothing is unpickled.

        Raises
        ------
        UserError
            If the file is missing or does not hold predictions.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(
                    arrays["track_id"],
                    arrays["label"],
                    arrays["probability"],
                    tuple(str(genre) for genre in arrays["genres"]),
                )
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; evaluate the model first") from None
        except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} holds no predictions ({error}); evaluate the model again"
            ) from None


def predict(classifier: Classifier, records: RecordFolder, split: str) -> Predictions:
    """Predict a split with a network or a baseline."""
    return Predictions.of_batches(
        (
            (track_id, label, classifier.predict_on_batch(features))
            for features, label, track_id in records.arrays(split)
        ),
        records.manifest.genres,
    )


def sum_by_track(track_id: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum values (segments, ...) over the segments of each track, in order of track id."""
    tracks, position = np.unique(track_id, return_inverse=True)
    sums = np.zeros((len(tracks), *values.shape[1:]))
    np.add.at(sums, position, values)
    return sums
