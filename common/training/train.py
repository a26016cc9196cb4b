"""Training of a classifier: every training of this project calls `train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from common.evaluation.judging import Fitted
from common.evaluation.model_card import write_model_card
from common.evaluation.multilabel import best_threshold
from common.evaluation.predictions import predict
from common.jobs.files import only_run_in
from common.records.coverage import require_coverage
from common.records.folder import RecordFolder
from common.records.input_pipeline import fits_in_memory
from common.training import devices, hosts
from common.training.checkpoints import (
    BEST_WEIGHTS,
    FILES,
    Checkpoints,
    is_finished,
    keep_best,
    load_weights,
    open_folder,
    read_history,
    resume,
)
from common.training.model_files import MODEL_FILE, ModelCard, save_model
from common.training.options import TrainingOptions
from common.training.progress import Progress
from common.training.targets import genre_weights, with_targets


@dataclass(frozen=True, eq=False, kw_only=True)
class Run(Fitted):
    """A finished training: the model with the weights of the epoch with the lowest validation loss.

    ``history`` has ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy`` and ``seconds`` by epoch,
    from 1.
    """

    model: keras.Model
    history: pd.DataFrame
    folder: Path

    @property
    def best_epoch(self) -> int:
        """int: epoch of the weights of the model."""
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
    weights: str = "",
    save: bool = True,
) -> Run:
    """Train a model, or resume its training; keep the weights of the best epoch.

    A finished training is loaded, not repeated. Under JAX, all devices share each batch, and the
    results equal those of one device up to rounding. The trained model computes in float32, also
    after a training in mixed precision.

    Parameters
    ----------
    build : callable
        Builds the model, uncompiled: features → genre probabilities.
    records : RecordFolder
        Training and validation data; the validation loss selects the best epoch.
    folder : path-like
        Folder of ``model.keras``, its card ``README.md``, the learning curves, the weights and the
        logs of TensorBoard.
    architecture : mapping, optional
        Further arguments of the model, for its settings and its card, serialisable as JSON.
    finish : callable, optional
        Converts the trained model to the one that is saved and returned.
    ablation : str, optional
        Name of the change, if the model is trained only for comparison with another.
    weights : str, optional
        Published weights that the model contains, with their licence.
    save : bool
        Save ``model.keras``. Folds of a cross-validation need the weights only.

    Raises
    ------
    UserError
        If a genre or a split has no usable audio, the folder holds a training with other settings,
        another run holds the folder, or the training diverges.
    """
    if save:  # folds may lack a rare genre
        require_coverage(records.manifest, records.folder)
    folder, options = Path(folder), options or TrainingOptions()
    architecture = dict(architecture or {})
    settings = {"model": name, "architecture": architecture, "options": asdict(options)}
    hosts.require_equal(settings | records.settings)

    keras.utils.set_random_seed(options.seed)  # for the order of shuffling
    size, manifest = options.batch_size, records.manifest
    several, of_split = manifest.has_several_genres, partial(manifest.size, "segments")
    cache = all(hosts.gather(fits_in_memory(records.manifest, "training")))  # changes the order
    training = records.batches(
        "training", batch_size=size, training=True, seed=options.seed, cache=cache
    )
    validation = records.batches("validation", batch_size=size)
    of_genres = genre_weights(manifest.counts("segments", "training"), options.balance)
    steps = len(training)

    with only_run_in(folder), records.naming_damage():
        open_folder(folder, settings | records.settings)
        hosts.copy_from_first(folder, FILES)
        keras.utils.set_random_seed(options.seed)  # for the weights
        with devices.sharing(size, min(size, of_split("training"))):
            model = compile_model(build(), options, options.epochs * steps, several_genres=several)
            if not is_finished(read_history(folder), options):
                fit(
                    model,
                    training,
                    validation,
                    of_genres,
                    options,
                    folder,
                    segments=of_split("validation"),
                    genres_of=manifest.targets if several else None,
                )
        history = keep_best(folder)
        with devices.full_precision():  # one device, float32: any machine evaluates it alike
            model = compile_model(build(), options, options.epochs * steps, several_genres=several)
        load_weights(model, folder / BEST_WEIGHTS)
        more: dict[str, Any] = {}
        if several and save:  # before `finish`, whose model takes other features
            more["threshold"] = best_threshold(predict(model, records, "validation"))
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
            training_card = {
                "options": asdict(options),
                "architecture": architecture,
                "best_epoch": run.best_epoch,
                "seconds": run.seconds,
                "validation_accuracy": float(history["val_accuracy"][run.best_epoch]),
                "tracks": {split: manifest.size("tracks", split) for split in manifest.tracks},
            }
            notes = {"ablation": ablation, "weights": weights}
            more |= {key: note for key, note in notes.items() if note}
            card = ModelCard(
                name=name,
                kind=manifest.kind,
                parameters=manifest.parameters,
                genres=manifest.genres,
                labels=manifest.labels,
                parents=manifest.parents,
                data_set=manifest.data_set,
                training=training_card | more,
            )
            save_model(model, folder / MODEL_FILE, card)
            write_model_card(folder)
    return run


def compile_model(
    model: keras.Model, options: TrainingOptions, steps: int, *, several_genres: bool = False
) -> keras.Model:
    """Set loss, optimiser, schedule and metric of a model with genre probabilities; return it.

    `steps` is the number of steps of the whole training. The loss is cross-entropy, or with
    `several_genres` the mean of the binary cross-entropies of all genres, without label smoothing.
    """
    loss: keras.losses.Loss = keras.losses.BinaryCrossentropy()
    if not several_genres:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing)
    rate = learning_rate(options, steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=options.weight_decay),
        loss=loss,
        weighted_metrics=[],
        metrics=[devices.accuracy(several_genres=several_genres)],
        jit_compile=devices.compiles(),
    )
    # The optimiser's state must exist before a checkpoint is loaded.
    model.optimizer.build(model.trainable_variables)
    return model


def learning_rate(
    options: TrainingOptions, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Schedule the learning rate over a training of `steps` steps; see `TrainingOptions`."""
    warmup = max(1, steps // 20)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )


def fit(
    model: keras.Model,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    weights: np.ndarray,
    options: TrainingOptions,
    folder: Path,
    *,
    segments: int = 1,
    genres_of: np.ndarray | None = None,
) -> None:
    """Fit a compiled model, beginning after the last epoch that is saved in the folder.

    ``weights`` are those of each genre in the training loss (genres,), and ``genres_of`` the genres
    of each label, see `with_targets`. ``segments`` is the number of validation segments, which
    matters if several devices share batches.
    """
    size = options.batch_size
    equal = np.full_like(weights, devices.weight_of_segments(segments, size))
    training = with_targets(
        training,
        weights,
        genres_of=genres_of,
        mixup=options.mixup,
        cutmix=options.cutmix,
        seed=options.seed,
    )
    validation = with_targets(validation, equal, genres_of=genres_of)
    model.fit(
        devices.share(training, size),
        validation_data=devices.share(validation, size),
        initial_epoch=resume(model, folder),
        epochs=options.epochs,
        callbacks=make_callbacks(folder, options, len(training)),
        shuffle=False,  # the training batches are shuffled already
        verbose=0,
    )


def make_callbacks(
    folder: Path, options: TrainingOptions, steps: int
) -> list[keras.callbacks.Callback]:
    """Make the callbacks of a training; `steps` is the number of steps per epoch."""
    progress = Progress("/".join(folder.parts[-2:]), options.epochs, steps)
    return [
        *([hosts.Follow()] if hosts.count() > 1 else []),
        *([progress] if hosts.number() == 0 else []),
        Checkpoints(folder, options),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False),
    ]


def fit_few(
    model: keras.Model, features: np.ndarray, labels: np.ndarray, steps: int = 300
) -> list[float]:
    """Overfit a few segments as a sanity check; failure indicates a bug in model or data.

    The model, without augmentation and dropout, is compiled and its weights change. Features are
    uint8 (segments, ...), labels int (segments,). After every ten steps, the accuracy on these
    segments is computed in inference mode; training stops at an accuracy of 1. All accuracies are
    returned.
    """
    model.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        jit_compile=devices.compiles(),
    )
    accuracies: list[float] = []
    for step in range(1, steps + 1):
        model.train_on_batch(features, labels)
        if step % 10 == 0:
            predicted = model.predict_on_batch(features).argmax(axis=1)
            accuracies.append(float((predicted == labels).mean()))
            if accuracies[-1] == 1:
                break
    return accuracies
