"""Training a genre classifier, whatever its features: optimiser, schedule, callbacks, resuming."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from common.callbacks import (
    BEST_WEIGHTS,
    STATE,
    Keep,
    Progress,
    StopEarly,
    find_state,
    is_finished,
    read_history,
)
from common.evaluation import Predictions
from common.jobs import difference
from common.locks import only_run_in
from common.records import atomic_write
from common.training_options import TrainingOptions
from fma_utils import UserError

SETTINGS = "settings.json"


def prepare_device() -> str:
    """Choose the arithmetic for the device: mixed precision on a GPU, float32 on a CPU.

    Returns
    -------
    str
        What training will run on, for the reader of a log.
    """
    gpus = tf.config.list_physical_devices("GPU")
    keras.mixed_precision.set_global_policy("mixed_float16" if gpus else "float32")
    return f"{len(gpus)} GPU(s), mixed precision" if gpus else "CPU, float32"


def set_seed(seed: int) -> None:
    """Fix all randomness to come: do this before data sets are made, whose shuffling depends on it.

    Parameters
    ----------
    seed : int
        Equal seeds give equal models on the same machine, but for the order in which parallel
        sums are rounded.
    """
    keras.utils.set_random_seed(seed)


def strategy() -> tf.distribute.Strategy:
    """Give the distribution strategy: all GPUs when there are several, otherwise one device."""
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def compile_model(model: keras.Model, options: TrainingOptions, steps: int) -> None:
    """Give a model its optimiser, schedule, loss and metric.

    Parameters
    ----------
    model : keras.Model
        Its outputs are genre probabilities.
    options : TrainingOptions
    steps : int
        Of the whole training: epochs times batches.
    """
    warmup = max(1, steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        weighted_metrics=[],
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # XLA pays on a GPU; on a CPU its convolutions are slower than oneDNN's.
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )


def with_targets(
    dataset: tf.data.Dataset,
    weights: np.ndarray,
    *,
    mixup: float = 0.0,
) -> tf.data.Dataset:
    """Turn batches (features, integer label) into what a network is trained on.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Of uint8 features (batch, ...) and labels (batch,).
    weights : np.ndarray [shape=(genres,), dtype=float32]
        How much an error on each genre counts; see `genre_weights`.
    mixup : float >= 0
        If not zero, each segment is mixed with another of its batch, in shares drawn from
        Beta(mixup, mixup) (Zhang et al. 2018, "mixup: beyond empirical risk minimization", ICLR).

    Returns
    -------
    tf.data.Dataset
        Of features, as they came, genre shares (batch, genres) and weights (batch,).
    """
    genres = len(weights)

    def prepare(features: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        target = tf.one_hot(label, genres)
        if mixup:
            features, target = _mix(features, target, mixup)
        return features, target, tf.linalg.matvec(target, weights)

    return dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _mix(features: tf.Tensor, target: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    gamma = tf.random.gamma((tf.shape(features)[0], 2), alpha) + 1e-9
    share = gamma[:, :1] / tf.reduce_sum(gamma, axis=1, keepdims=True)  # Beta(α, α)
    other = tf.random.shuffle(tf.range(tf.shape(features)[0]))
    over_axes = tf.reshape(share, [-1] + [1] * (len(features.shape) - 1))
    values = tf.cast(features, tf.float32)
    mixed = over_axes * values + (1 - over_axes) * tf.gather(values, other)
    return (
        tf.cast(tf.round(mixed), features.dtype),
        share * target + (1 - share) * tf.gather(target, other),
    )


def genre_weights(segments: Sequence[int], balance: str) -> np.ndarray:
    """Decide how much an error on each genre counts.

    Parameters
    ----------
    segments : sequence of int
        Training segments of each genre, in label order.
    balance : str
        ``"none"``: errors count alike; ``"weights"``: inversely to the genre's segments.

    Returns
    -------
    np.ndarray [shape=(genres,), dtype=float32]
        Their mean over the training segments is 1.
    """
    counts = np.asarray(segments, dtype=np.float32)
    if balance == "none":
        return np.ones_like(counts)
    present = counts > 0
    weights = counts.sum() / (present.sum() * np.maximum(counts, 1))
    return np.where(present, weights, 0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    Attributes
    ----------
    model : keras.Model
        With the weights of the epoch whose validation loss was the lowest.
    history : pandas.DataFrame
        Indexed by epoch, from 1: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``,
        ``seconds``.
    folder : Path
        Where everything of it lies.
    """

    model: keras.Model
    history: pd.DataFrame
    folder: Path

    @property
    def best_epoch(self) -> int:
        """int: the epoch whose weights the model has."""
        return int(self.history["val_loss"].idxmin())

    @property
    def seconds(self) -> float:
        """float: the training time, validation included."""
        return float(self.history["seconds"].sum())


def train(
    build: Callable[[], keras.Model],
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    segments: Sequence[int],
    *,
    folder: str | Path,
    options: TrainingOptions,
    settings: Mapping[str, Any],
) -> Run:
    """Train a model, or take up a training where it stopped; keep the best weights.

    The learning curves, the weights of the best epoch, TensorBoard's logs and the state to resume
    from are written to the folder after each epoch. A training that is finished is not repeated.

    Parameters
    ----------
    build : callable
        Makes the model, uncompiled.
    training, validation : tf.data.Dataset
        Batches of features and integer labels.
    segments : sequence of int
        How many training segments each genre has, in label order.
    folder : path-like
    options : TrainingOptions
    settings : mapping
        Whatever else the result depends on; JSON must hold it.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If the folder holds a training with other settings, another run is training there, or the
        loss is no number any more.
    """
    folder = Path(folder)
    with only_run_in(folder):
        open_folder(folder, {**settings, "options": asdict(options)})
        set_seed(options.seed)
        with strategy().scope():
            model = build()
            compile_model(model, options, options.epochs * len(training))
            # The weights' file has the optimiser's state too, and needs a place to load it to.
            model.optimizer.build(model.trainable_variables)
        weights = genre_weights(segments, options.balance)
        if not is_finished(read_history(folder), options):
            state = find_state(folder)
            if state:
                _load_weights(model, state[0])
            epochs_done = state[1] if state else 0
            model.fit(
                with_targets(training, weights, mixup=options.mixup),
                validation_data=with_targets(validation, np.ones_like(weights)),
                initial_epoch=epochs_done,
                epochs=options.epochs,
                callbacks=_callbacks(folder, options, epochs_done, len(training)),
                shuffle=False,
                verbose=0,
            )
        history = read_history(folder)
        if history["val_loss"].isna().any():
            raise UserError(
                f"training in {folder} diverged: delete it, and lower the learning rate"
            )
        for leftover in (*folder.glob(STATE.format("*")), *folder.glob(".partial.*")):
            leftover.unlink()
        _load_weights(model, folder / BEST_WEIGHTS)
        return Run(model, history, folder)


def _load_weights(model: keras.Model, path: Path) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of weights that have no place.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (UserWarning, ValueError, OSError):
        raise UserError(
            f"{path} does not fit {model.name}, whose code has changed since: delete {path.parent} "
            "and train again"
        ) from None


def open_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Begin or re-open a training's folder; refuse one that was begun with other settings.

    Raises
    ------
    UserError
        If it holds a training with other settings; the message names the first that differs.
    """
    settings = json.loads(json.dumps(settings))
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(settings, indent=1).encode())
    elif (earlier := json.loads(path.read_text(encoding="utf-8"))) != settings:
        raise UserError(
            f"{folder} holds a training with other settings ({difference(earlier, settings)}): "
            "choose another folder, or delete this one"
        )


def _callbacks(
    folder: Path, options: TrainingOptions, epochs_done: int, steps: int
) -> list[keras.callbacks.Callback]:
    # An epoch that was killed after its line and before its state happens again.
    history = read_history(folder)[:epochs_done]
    return [
        Progress("/".join(folder.parts[-2:]), options.epochs, steps),
        Keep(folder, history),
        StopEarly(folder, options),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False),
    ]


def fit_few(
    model: keras.Model, features: np.ndarray, labels: np.ndarray, steps: int = 300
) -> list[float]:
    """Check that a model can learn a few segments by heart, before any real training.

    A model that cannot has a mistake in it, or in its data, that no amount of data would cure.

    Parameters
    ----------
    model : keras.Model
        Without augmentation and dropout, which are there to prevent just this. It is compiled
        anew and its weights change: build one for the purpose.
    features : np.ndarray [shape=(segments, ...), dtype=uint8]
        64 segments, say.
    labels : np.ndarray [shape=(segments,), dtype=int]
    steps : int
        Training steps at most; it ends when every segment is right.

    Returns
    -------
    list of float
        The accuracy on these segments, in inference mode, after each ten steps.
    """
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    accuracies: list[float] = []
    for step in range(1, steps + 1):
        model.train_on_batch(features, labels)
        if step % 10 == 0:
            predicted = model.predict_on_batch(features).argmax(axis=1)
            accuracies.append(float((predicted == labels).mean()))
            if accuracies[-1] == 1:
                break
    return accuracies


def predict(model: keras.Model, batches: tf.data.Dataset, genres: Sequence[str]) -> Predictions:
    """Predict the segments of a split.

    Parameters
    ----------
    model : keras.Model
    batches : tf.data.Dataset
        Of features, labels (integers) and track ids.
    genres : sequence of str
        In label order.

    Returns
    -------
    Predictions
    """
    parts = [
        (track_id.numpy(), label.numpy(), model.predict_on_batch(features))
        for features, label, track_id in batches
    ]
    return Predictions(*(np.concatenate(c) for c in zip(*parts, strict=True)), genres=tuple(genres))
