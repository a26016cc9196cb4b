"""Predicting the genre of whole recordings with a trained model.

A recording is cut into consecutive segments of the length that the model was trained on. The last
one ends with the recording and overlaps the one before it. The prediction is the mean over
segments, weighted by the seconds that no earlier segment covers. The prediction for a 30 s clip is
therefore the mean over three segments, as in the evaluation. Silent segments have weight 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np

from common.errors import AudioSilent, AudioTooShort
from common.fma.audio_stream import AudioStream
from common.fma.labels import lineage
from common.fma.silence import FINEST_STEP, SILENT, is_silent
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.onnx_model import SUFFIX, OnnxModel
from spectrogram_feature.inference.segment_model import SegmentModel
from spectrogram_feature.inference.segment_stream import Segment, cut_stream

BATCH = 32  # maximum number of segments per batch
SHORTEST_SECONDS = 1.0  # shorter recordings are refused


@dataclass(frozen=True, eq=False)
class Prediction:
    """Genre probabilities of one recording.

    Attributes
    ----------
    seconds : float
        Duration of the recording, s.
    starts : np.ndarray [shape=(segments,), dtype=float64]
        Start of each segment, s.
    edges : np.ndarray [shape=(segments + 1,), dtype=float64]
        Start of the part of each segment that no earlier one covers, and the end of the last, s.
    weight : np.ndarray [shape=(segments,), dtype=float64]
        Weight of each segment in the mean, 0 for silent ones; the sum is 1.
    by_segment : np.ndarray [shape=(segments, genres), dtype=float32]
        Probability of each genre in each segment; zeros for silent ones.
    notes : tuple of str
        Peculiarities of the file; see `AudioBlocks.notes`.
    features : np.ndarray [shape=(frames, bins), dtype=uint8], optional
        Features of the recording, without overlaps, if they were kept.
    parents : dict
        Genre → parent genre, for the genres that have one.
    """

    genres: tuple[str, ...]
    seconds: float
    starts: np.ndarray
    edges: np.ndarray
    weight: np.ndarray
    by_segment: np.ndarray
    notes: tuple[str, ...] = ()
    features: np.ndarray | None = None
    parents: Mapping[str, str] = field(default_factory=dict)

    @property
    def probability(self) -> np.ndarray:
        """np.ndarray [shape=(genres,), dtype=float64]: of the recording as a whole."""
        return self.weight @ self.by_segment

    @property
    def kept_features(self) -> np.ndarray:
        """np.ndarray [shape=(frames, bins), dtype=uint8]: `features`, which must have been kept."""
        if self.features is None:
            raise ValueError("the features were not kept: predict with keep_features")
        return self.features

    def top(self, count: int | None = None) -> dict[str, float]:
        """Give the most probable genres and their probabilities, the most probable first."""
        probability = self.probability
        order = np.argsort(-probability, kind="stable")[:count]
        return {self.genres[index]: float(probability[index]) for index in order}

    def top_roots(self, count: int | None = None) -> dict[str, float]:
        """Give the most probable genres without a parent, and their probabilities."""
        roots = [item for item in self.top().items() if item[0] not in self.parents]
        return dict(roots[:count])

    def predicted(self, threshold: float) -> dict[str, float]:
        """Give the genres with at least this probability, in label order."""
        pairs = zip(self.genres, self.probability, strict=True)
        return {genre: float(value) for genre, value in pairs if value >= threshold}

    def sub_genres(self, root: str, threshold: float) -> Iterator[tuple[int, str, float]]:
        """Iterate over the sub-genres of a root with at least this probability, in label order.

        Each is its depth in the tree, at least 1, its name and its probability.
        """
        for genre, probability in self.predicted(threshold).items():
            line = lineage(genre, self.parents)
            if line[-1] == root != genre:
                yield len(line) - 1, genre, probability


class GenreClassifier:
    """A model of segments for whole recordings; ``parameters`` are those of its features."""

    def __init__(self, model: SegmentModel) -> None:
        self.model, self.card, self.parameters = model, model.card, model.parameters
        self.genres = model.card.genres

    @property
    def trained_on(self) -> str:
        """str: title of the training data, marked if synthetic."""
        title = str(self.card.data_set.get("title", "unknown data"))
        is_hidden = self.card.data_set.get("synthetic") and "synthetic" not in title
        return f"{title} (synthetic)" if is_hidden else title

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a trained model, ``.keras`` or ``.onnx``.

        A `UserError` is raised if there is no such model, it is damaged, or it was trained on
        something else.
        """
        kind = OnnxModel if Path(path).suffix == SUFFIX else KerasModel
        return cls(kind.load(path))

    def predict(self, path: str | Path, *, keep_features: bool = False) -> Prediction:
        """Predict the genre of an audio file, block by block.

        The prediction contains the features if ``keep_features`` is True, 15 MB per hour. Errors
        are those of `AudioStream`, `AudioTooShort` and `AudioSilent`, which name the file.
        """
        blocks = AudioStream(path, self.parameters.sample_rate)
        return self.predict_blocks(blocks, path, keep_features=keep_features)

    def predict_blocks(
        self, blocks: Iterable[np.ndarray], path: str | Path, *, keep_features: bool = False
    ) -> Prediction:
        """Predict the genre of audio in blocks; ``path`` is its name in errors.

        Blocks are float32 (samples,): mono, at the sample rate of `parameters`. An `AudioStream`
        also provides notes and the quantisation step for the detection of silence.
        """
        rate, length = self.parameters.sample_rate, self.parameters.segment_samples
        starts: list[int] = []
        fresh: list[int] = []
        probabilities: list[np.ndarray] = []
        kept: list[np.ndarray] = []
        audible: list[bool] = []
        segments = cut_stream(blocks, length)
        while batch := list(islice(segments, BATCH)):
            starts += [segment.start for segment in batch]
            fresh += [segment.fresh for segment in batch]
            if sum(fresh) < SHORTEST_SECONDS * rate:
                needed = f"{SHORTEST_SECONDS:g} s are needed"
                raise AudioTooShort(path, f"ends at {sum(fresh) / rate:.2f} s, {needed}")
            step = blocks.step if isinstance(blocks, AudioStream) else FINEST_STEP
            sounds = np.array([not is_silent(one.samples, rate, step) for one in batch])
            audible += sounds.tolist()
            features = np.zeros((len(batch), *self.parameters.shape), np.uint8)
            by_segment = np.zeros((len(batch), len(self.genres)), np.float32)
            if sounds.any():
                audible_samples = np.stack([batch[i].samples for i in np.flatnonzero(sounds)])
                features[sounds], by_segment[sounds] = self.model.predict_segments(audible_samples)
            probabilities.append(by_segment)
            if keep_features:
                kept += map(_of_fresh, batch, features)
        if not any(audible):
            raise AudioSilent(path, f"{SILENT} from beginning to end")
        weight = np.where(audible, fresh, 0)
        notes = list(blocks.notes) if isinstance(blocks, AudioStream) else []
        if silent := sum(fresh) - weight.sum():
            notes.append(f"{silent / rate:.0f} s are silent and have no weight")
        return Prediction(
            genres=self.genres,
            seconds=sum(fresh) / rate,
            starts=np.array(starts) / rate,
            edges=np.concatenate([[0], np.cumsum(fresh)]) / rate,
            weight=weight / weight.sum(),
            by_segment=np.concatenate(probabilities),
            notes=tuple(notes),
            features=np.concatenate(kept) if kept else None,
            parents=self.card.parents,
        )


def _of_fresh(segment: Segment, features: np.ndarray) -> np.ndarray:
    """Select the frames (frames, bins) of a segment that no earlier segment covers."""
    frames = round(len(features) * segment.fresh / len(segment.samples))
    return features[len(features) - frames :] if segment.start else features[:frames]
