"""Training of a classifier, from its configuration to a run with the best weights.

`train` is the only place where a model of this project is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from common.evaluation.judging import Fitted
from common.jobs.files import only_run_in
from common.records.folder import RecordFolder
from common.records.segments import MemoryRecords
from common.training import devices
from common.training.callbacks import Progress, StopEarly
from common.training.checkpoints import (
    BEST_WEIGHTS,
    Keep,
    is_finished,
    keep_best,
    load_weights,
    open_folder,
    read_history,
    resume,
)
from common.training.model_files import MODEL_FILE, ModelCard, save_model
from common.training.options import TrainingOptions
from common.training.targets import genre_weights, with_targets


@dataclass(frozen=True, eq=False, kw_only=True)
class Run(Fitted):
    """A finished training.

    Attributes
    ----------
    model : keras.Model
        With the weights of the epoch with the lowest validation loss.
    history : pandas.DataFrame
        Indexed by epoch, from 1: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``,
        ``seconds``.
    folder : Path
    """

    model: keras.Model
    history: pd.DataFrame
    folder: Path

    @property
    def best_epoch(self) -> int:
        """int: the epoch of the model's weights."""
        return int(self.history["val_loss"].idxmin())


def train(
    name: str,
    build: Callable[[], keras.Model],
    records: RecordFolder,
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    architecture: Mapping[str, Any] | None = None,
    finish: Callable[[keras.Model], keras.Model] | None = None,
    ablation: str = "",
    save: bool = True,
) -> Run:
    """Train a model, or resume its training; keep the weights of the best epoch.

    A finished training is loaded, not repeated. GPUs share each batch; the results are those of
    one device up to rounding, the order of shuffling, and random numbers.

    Parameters
    ----------
    name : str
        Name of the model.
    build : callable
        Builds the model, uncompiled: features → genre probabilities.
    records : RecordFolder
        Its training split, and its validation split, which selects the best epoch.
    folder : path-like
        Holds ``model.keras``, the learning curves, the weights and the logs of TensorBoard.
    options : TrainingOptions, optional
    architecture : mapping, optional
        Further arguments of the model, for its settings and its card; JSON must hold it.
    finish : callable, optional
        Turns the trained model into the one that is saved and returned.
    ablation : str, optional
        The change that is tried, if the model is only trained to compare it with another.
    save : bool
        Whether to save ``model.keras``. Folds of a cross-validation need the weights only.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If the folder holds a training with other settings, another run holds the folder, or the
        training diverges.
    """
    folder, options = Path(folder), options or TrainingOptions()
    architecture = dict(architecture or {})
    settings = {"model": name, "architecture": architecture, "options": asdict(options)}

    keras.utils.set_random_seed(options.seed)  # for the order of shuffling
    size = options.batch_size
    training = records.batches("training", batch_size=size, training=True, seed=options.seed)
    validation = records.batches("validation", batch_size=size)
    weights = genre_weights(records.manifest.counts("segments", "training"), options.balance)
    steps = len(training)

    with only_run_in(folder), records.naming_damage():
        open_folder(folder, settings | records.settings)
        keras.utils.set_random_seed(options.seed)  # for the weights, whatever reading has drawn
        strategy = devices.strategy(first_size(training, size), first_size(validation, size))
        with strategy.scope():
            model = compile_model(build(), options, options.epochs * steps)
        if not is_finished(read_history(folder), options):
            model.fit(
                with_targets(training, weights, mixup=options.mixup),
                validation_data=with_targets(validation, np.ones_like(weights)),
                initial_epoch=resume(model, folder),
                epochs=options.epochs,
                callbacks=make_callbacks(folder, options, steps),
                shuffle=False,
                verbose=0,
            )
        history = keep_best(folder)
        if strategy.num_replicas_in_sync > 1:  # such a model predicts on several devices, too
            model = compile_model(build(), options, options.epochs * steps)
        load_weights(model, folder / BEST_WEIGHTS)
        model = finish(model) if finish else model
        run = Run(
            name=name,
            model=model,
            seconds=float(history["seconds"].sum()),
            parameters=model.count_params(),
            history=history,
            folder=folder,
        )
        if save:
            card = make_card(run, records, options, architecture, ablation)
            save_model(model, folder / MODEL_FILE, card)
    return run


def fold_trainer(
    name: str,
    build: Callable[[str], keras.Model],
    *,
    folder: str | Path,
    options: TrainingOptions,
    architecture: Mapping[str, Any] | None = None,
) -> Callable[[MemoryRecords], Run]:
    """Make the function that trains a model on a fold, for `evaluation.cross_validation`.

    Parameters
    ----------
    name, options, architecture
        See `train`.
    build : callable
        Builds the model for the fold of a name.
    folder : path-like
        Holds a folder for each fold.
    """

    def fit(fold: MemoryRecords) -> Run:
        return train(
            name,
            lambda: build(fold.name),
            fold,
            folder=Path(folder) / fold.name,
            options=options,
            architecture=architecture,
            save=False,
        )

    return fit


def compile_model(model: keras.Model, options: TrainingOptions, steps: int) -> keras.Model:
    """Compile a model: loss, optimiser, schedule and metric.

    Parameters
    ----------
    model : keras.Model
        Its outputs are genre probabilities.
    options : TrainingOptions
    steps : int
        Steps of the whole training: epochs times batches.

    Returns
    -------
    keras.Model
        The same model.
    """
    warmup = max(1, steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )
    devices.synchronise(model)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        weighted_metrics=[],
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # XLA pays on a GPU; on a CPU its convolutions are slower than oneDNN's. The compiled step
        # runs on one device only.
        jit_compile=bool(devices.gpus()) and not devices.is_shared(),
    )
    # Checkpoints hold the optimiser's state, which must exist to be loaded.
    model.optimizer.build(model.trainable_variables)
    return model


def make_callbacks(
    folder: Path, options: TrainingOptions, steps: int
) -> list[keras.callbacks.Callback]:
    """Make the callbacks of a training with so many steps an epoch."""
    return [
        Progress("/".join(folder.parts[-2:]), options.epochs, steps),
        Keep(folder, read_history(folder)),
        StopEarly(folder, options),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False),
    ]


def make_card(
    run: Run,
    records: RecordFolder,
    options: TrainingOptions,
    architecture: Mapping[str, Any],
    ablation: str = "",
) -> ModelCard:
    """Describe a trained model and its training data."""
    manifest = records.manifest
    return ModelCard(
        name=run.name,
        kind=manifest.kind,
        parameters=manifest.parameters,
        genres=manifest.genres,
        data_set=manifest.data_set,
        training={
            "options": asdict(options),
            "architecture": architecture,
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "validation_accuracy": float(run.history["val_accuracy"][run.best_epoch]),
            **({"ablation": ablation} if ablation else {}),
        },
    )


def first_size(batches: tf.data.Dataset, batch_size: int) -> int:
    """Give the size of the first batch, smaller than others if there are few segments."""
    return batch_size if len(batches) > 1 else len(next(iter(batches))[1])


def fit_few(
    model: keras.Model, features: np.ndarray, labels: np.ndarray, steps: int = 300
) -> list[float]:
    """Overfit a few segments: a sanity check before any training.

    A model that cannot fit them has a bug, or its data has one.

    Parameters
    ----------
    model : keras.Model
        Without augmentation and dropout. It is compiled and its weights change.
    features : np.ndarray [shape=(segments, ...), dtype=uint8]
    labels : np.ndarray [shape=(segments,), dtype=int]
    steps : int
        Largest number of training steps; fewer if every segment is right before.

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
