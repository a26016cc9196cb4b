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

from common.errors import UserError
from common.jobs.files import atomic_write, only_run_in
from common.jobs.journal import as_json, require_same
from common.training import devices
from common.training.callbacks import (
    BEST_WEIGHTS,
    STATE,
    Keep,
    Progress,
    StopEarly,
    find_state,
    is_finished,
    read_history,
)
from common.training.model_files import OPTIMISER_WARNING
from common.training.options import TrainingOptions
from common.training.targets import genre_weights, with_targets

SETTINGS = "settings.json"


def prepare_device() -> str:
    """Choose the arithmetic for the device: mixed precision on GPUs, float32 on a CPU.

    Returns
    -------
    str
        What training will run on, for the reader of a log.
    """
    gpus = devices.gpus()
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
        # XLA pays on a GPU; on a CPU its convolutions are slower than oneDNN's. What it compiles
        # runs on one device only.
        jit_compile=bool(devices.gpus()) and not devices.is_shared(),
    )


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

    Several GPUs share each batch, with the results of one but for rounding, the order of shuffling
    and the random numbers of dropout and augmentation. A training may be resumed on more or fewer.

    Parameters
    ----------
    build : callable
        Makes the model, uncompiled.
    training, validation : tf.data.Dataset
        Batches of features and integer labels; those for training of one size.
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
        steps = options.epochs * len(training)
        sizes = [_first_batch(part, options.batch_size) for part in (training, validation)]
        strategy = devices.strategy(*sizes)
        with strategy.scope():
            model = _compiled(build, options, steps)
        weights = genre_weights(segments, options.balance)
        if not is_finished(read_history(folder), options):
            state = find_state(folder)
            if state:
                _load_weights(model, state[0], with_optimiser=True)
            epochs_done = state[1] if state else 0
            model.fit(
                with_targets(training, weights, mixup=options.mixup),
                validation_data=with_targets(validation, np.ones_like(weights)),
                initial_epoch=epochs_done,
                epochs=options.epochs,
                callbacks=_callbacks(folder, options, len(training)),
                shuffle=False,
                verbose=0,
            )
        history = read_history(folder)
        if history["val_loss"].isna().any():
            raise UserError(
                f"training in {folder} diverged: delete it, and lower the learning rate"
            )
        best = folder / STATE.format(history["val_loss"].idxmin())
        if best.exists():
            best.replace(folder / BEST_WEIGHTS)
        for leftover in (*folder.glob(STATE.format("*")), *folder.glob(".partial.*")):
            leftover.unlink()
        if strategy.num_replicas_in_sync > 1:
            # A model of several devices predicts each batch on each of them.
            model = _compiled(build, options, steps)
        _load_weights(model, folder / BEST_WEIGHTS)
        return Run(model, history, folder)


def _first_batch(batches: tf.data.Dataset, batch_size: int) -> int:
    """Tell the size of the first batch: smaller where there are too few segments for one."""
    return batch_size if len(batches) > 1 else len(next(iter(batches))[1])


def _compiled(
    build: Callable[[], keras.Model], options: TrainingOptions, steps: int
) -> keras.Model:
    model = build()
    devices.synchronise(model)
    compile_model(model, options, steps)
    # The weights' file has the optimiser's state too, and needs a place to load it to.
    model.optimizer.build(model.trainable_variables)
    return model


def _load_weights(model: keras.Model, path: Path, *, with_optimiser: bool = False) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of weights that have no place.
            warnings.simplefilter("error", UserWarning)
            if not with_optimiser:
                warnings.filterwarnings("ignore", OPTIMISER_WARNING)
            model.load_weights(path)
    except (UserWarning, ValueError, OSError):
        raise UserError(
            f"{path} does not fit {model.name}: its code has changed since, or the training began "
            f"in the precision of another kind of device; delete {path.parent} and train again"
        ) from None


def open_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Begin or re-open a training's folder; refuse one that was begun with other settings.

    Raises
    ------
    UserError
        If it holds a training with other settings; the message names the first that differs. Or
        if they are damaged.
    """
    settings = as_json(settings)
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(settings, indent=1).encode())
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged: delete {folder} and train again") from None
    require_same(earlier, settings, folder, "a training")


def _callbacks(
    folder: Path, options: TrainingOptions, steps: int
) -> list[keras.callbacks.Callback]:
    return [
        Progress("/".join(folder.parts[-2:]), options.epochs, steps),
        Keep(folder, read_history(folder)),
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
