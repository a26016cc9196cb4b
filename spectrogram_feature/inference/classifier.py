"""Predicting the genre of whole recordings with a trained model.

A recording is heard in segments as long as those that the model was trained on, one after the
other; the last one ends where the recording ends, and overlaps the one before it. The prediction
is the mean over segments, each weighted by the seconds that it is the first to hear. So it changes
steadily with the length, and that of a 30 s clip is the mean over three segments, as in the
evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from common.errors import AudioEmpty, AudioTooShort, UserError
from common.fma.audio_stream import stream_audio
from common.quiet import import_tensorflow
from common.training.model_files import ModelCard, load_model, read_card
from spectrogram_feature.features.kinds import KINDS, transform_of
from spectrogram_feature.inference.segment_stream import Segment, cut_stream

if TYPE_CHECKING:
    import keras

BATCH = 32
"""How many segments the model is given at a time, at most."""

SHORTEST_SECONDS = 1.0
"""What is shorter is refused: genres are not heard in a beat or two."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about one recording.

    Attributes
    ----------
    genres : tuple of str
        In the order of the probabilities.
    seconds : float
        How long the recording is.
    starts : np.ndarray [shape=(segments,), dtype=float64]
        Where each segment begins, s.
    weight : np.ndarray [shape=(segments,), dtype=float64]
        Each segment's share of the recording; the sum is 1.
    by_segment : np.ndarray [shape=(segments, genres), dtype=float32]
        The probability of each genre in each segment.
    features : np.ndarray [shape=(frames, bins), dtype=uint8], optional
        What the model was given, each moment once, if it was to be kept.
    """

    genres: tuple[str, ...]
    seconds: float
    starts: np.ndarray
    weight: np.ndarray
    by_segment: np.ndarray
    features: np.ndarray | None = None

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

    @property
    def edges(self) -> np.ndarray:
        """np.ndarray [shape=(segments + 1,), float64]: where new sound begins and the last ends, s.

        Between two edges is what a segment is the first to hear.
        """
        return self.seconds * np.concatenate([[0], np.cumsum(self.weight)])

    def top(self, count: int | None = None) -> dict[str, float]:
        """Give the most probable genres and their probabilities, the most probable first."""
        probability = self.probability
        order = np.argsort(-probability, kind="stable")[:count]
        return {self.genres[index]: float(probability[index]) for index in order}


class GenreClassifier:
    """A trained model with all that it needs to hear a recording.

    Parameters
    ----------
    model : keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
    card : ModelCard

    Attributes
    ----------
    model, card
    parameters : SegmentParameters
        Of the features that the model takes.
    genres : tuple of str
        The meaning of its outputs.

    Raises
    ------
    UserError
        If the card's parameters are not those of this version.
    """

    def __init__(self, model: keras.Model, card: ModelCard) -> None:
        import tensorflow as tf

        self.model, self.card, self.genres = model, card, card.genres
        self.parameters = KINDS[card.kind].parameters.from_dict(card.parameters)
        self._transform = transform_of(self.parameters)
        # Traced once, for batches of any size.
        self._probabilities = tf.function(
            lambda features: model(features, training=False),
            input_signature=[tf.TensorSpec((None, *self.parameters.shape), tf.uint8)],
        )

    @property
    def trained_on(self) -> str:
        """str: the data; says so when it is synthetic."""
        title = str(self.card.data_set.get("title", "unknown data"))
        is_hidden = self.card.data_set.get("synthetic") and "synthetic" not in title
        return f"{title} (synthetic)" if is_hidden else title

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a model that was trained on features of one of the kinds that there are.

        Parameters
        ----------
        path : path-like
            As `default_model.find_model` gives it.

        Raises
        ------
        UserError
            If there is no such model, it is damaged, or it was trained on something else.
        """
        card = read_card(path)
        if card.kind not in KINDS:
            raise UserError(
                f"{path} was trained on {card.kind!r} records, not on {' or '.join(KINDS)} ones: "
                "choose a model of spectrogram_feature.training"
            )
        import_tensorflow()
        from spectrogram_feature.musicnn import transfer  # noqa: F401  (register layers)

        model, card = load_model(path)
        classifier = cls(model, card)
        shapes = (model.input_shape[1:], model.output_shape[1:])
        if shapes != (classifier.parameters.shape, (len(card.genres),)):
            raise UserError(f"{path} is not what its card says: train it again")
        return classifier

    def predict(self, path: str | Path, *, keep_features: bool = False) -> Prediction:
        """Predict the genre of an audio file, of which only some seconds are in memory at a time.

        Parameters
        ----------
        path : path-like
            As `common.fma.audio_stream.stream_audio` takes it.
        keep_features : bool
            Whether the prediction shall hold them, 15 MB an hour.

        Returns
        -------
        Prediction

        Raises
        ------
        AudioMissing, AudioEmpty, AudioTooShort, AudioUndecodable
            All are `AudioError`, and name the file. `AudioEmpty` also where all is silence.
        """
        blocks = stream_audio(path, self.parameters.sample_rate)
        return self.hear(blocks, path, keep_features=keep_features)

    def hear(
        self, blocks: Iterable[np.ndarray], path: str | Path, *, keep_features: bool = False
    ) -> Prediction:
        """Predict the genre of sound that comes in blocks.

        Parameters
        ----------
        blocks : iterable of np.ndarray [shape=(samples,), dtype=float32]
            Mono, at the sample rate of `parameters`.
        path : path-like
            What errors call it.
        keep_features : bool

        Returns
        -------
        Prediction

        Raises
        ------
        AudioTooShort, AudioEmpty
        """
        rate, length = self.parameters.sample_rate, self.parameters.segment_samples
        starts: list[int] = []
        fresh: list[int] = []
        probabilities: list[np.ndarray] = []
        kept: list[np.ndarray] = []
        heard = False
        segments = cut_stream(blocks, length)
        while batch := list(islice(segments, BATCH)):
            starts += [segment.start for segment in batch]
            fresh += [segment.fresh for segment in batch]
            if sum(fresh) < SHORTEST_SECONDS * rate:
                needed = f"{SHORTEST_SECONDS:g} s are needed"
                raise AudioTooShort(path, f"ends at {sum(fresh) / rate:.2f} s, {needed}")
            features = np.stack([self._transform.features(one.samples) for one in batch])
            probabilities.append(self._probabilities(features).numpy())
            heard = heard or bool(features.any())
            if keep_features:
                kept += map(_of_fresh, batch, features)
        if not heard:
            raise AudioEmpty(path, "is silent from beginning to end")
        return Prediction(
            genres=self.genres,
            seconds=sum(fresh) / rate,
            starts=np.array(starts) / rate,
            weight=np.array(fresh) / sum(fresh),
            by_segment=np.concatenate(probabilities),
            features=np.concatenate(kept) if kept else None,
        )


def _of_fresh(segment: Segment, features: np.ndarray) -> np.ndarray:
    """Keep the frames (frames, bins) of what a segment is the first to hold."""
    frames = round(len(features) * segment.fresh / len(segment.samples))
    return features[len(features) - frames :] if segment.start else features[:frames]
