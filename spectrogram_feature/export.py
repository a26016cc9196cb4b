"""Export of a trained model as a SavedModel that maps waveforms to genres with TensorFlow alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from common import cli
from common.errors import UserError
from common.paths import display_path
from spectrogram_feature.features.parameters import SegmentParameters
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.default_model import find_model

CARD_FILE = "model.json"  # the model's card, beside TensorFlow's files

TOLERANCE = 1e-3
"""Largest permitted difference between probabilities of the exported model and of the model."""


@dataclass(frozen=True)
class Check:
    """Difference to the model's probabilities, seconds to load, and size of the files in bytes."""

    difference: float
    load_seconds: float
    size: int


def export(classifier: GenreClassifier, out: str | Path) -> Check:
    """Write a classifier as a SavedModel and compare their probabilities.

    The signature ``serving_default`` takes ``waveform``, float32 (batch, samples): mono, at the
    sample rate of the features, one segment or more. It returns ``probabilities``, float32 (batch,
    genres). The signature ``describe`` takes nothing and returns ``genres``, strings in this order,
    and ``card``, the model's card as JSON, which `CARD_FILE` contains too.

    The folder appears when it is complete and replaces an earlier export. A `UserError` is raised
    if the folder holds anything else, or the probabilities differ by more than `TOLERANCE`.
    """
    out = Path(out)
    if out.exists() and not _is_replaceable(out):
        raise UserError(
            f"{out} holds something other than an exported model: choose another folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        from spectrogram_feature.inference.waveform_model import save

        save(classifier, str(temporary))
        card = json.dumps(asdict(classifier.card), indent=1, ensure_ascii=False)
        (temporary / CARD_FILE).write_text(f"{card}\n", encoding="utf-8")
        check = _check(classifier, temporary)
        if not check.difference <= TOLERANCE:
            raise UserError(
                f"nothing is written to {out}: the exported model's probabilities differ from the "
                f"model's by {check.difference:.2g}, more than {TOLERANCE}; train it again"
            )
        if out.exists():
            shutil.rmtree(out)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return check


def _is_replaceable(out: Path) -> bool:
    if not out.is_dir():
        return False
    return not any(out.iterdir()) or all(
        (out / name).is_file() for name in (CARD_FILE, "saved_model.pb")
    )


def _check(classifier: GenreClassifier, folder: Path) -> Check:
    import tensorflow as tf

    started = time.perf_counter()
    loaded = tf.saved_model.load(str(folder))
    seconds = time.perf_counter() - started
    sound = make_sound(classifier.parameters)
    exported = loaded.signatures["serving_default"](waveform=tf.constant(sound[None]))
    expected = classifier.predict_blocks([sound], folder).probability
    return Check(
        difference=float(np.abs(exported["probabilities"].numpy()[0] - expected).max()),
        load_seconds=seconds,
        size=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def make_sound(parameters: SegmentParameters) -> np.ndarray:
    """Synthesize decaying tones with noise, float32 (samples,), to compare models.

    They last 2.4 segments, so that the last segment overlaps the one before it.
    """
    random = np.random.default_rng(0)
    seconds = np.arange(round(2.4 * parameters.segment_samples)) / parameters.sample_rate
    pitches = random.choice(parameters.frequencies, (3, 1))
    sound = np.sin(2 * np.pi * pitches * seconds).sum(axis=0) * np.exp(-4 * (seconds % 0.5))
    return (0.2 * sound + 0.01 * random.standard_normal(seconds.size)).astype(np.float32)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.export",
        "Write a trained model as a TensorFlow SavedModel that takes waveforms.\n\n"
        "The SavedModel contains the feature transform, the segmentation into 10 s and the mean\n"
        "over segments, as in spectrogram_feature.predict. TensorFlow loads it without this\n"
        "project:\n\n"
        "  model = tf.saved_model.load('OUT')\n"
        "  model.signatures['serving_default'](waveform=samples)['probabilities']\n"
        "  model.signatures['describe']()['genres']\n\n"
        "waveform is float32 (batch, samples): mono, 22,050 Hz (16,000 Hz for musicnn), at least\n"
        "10 s, between -1 and 1. Silent segments have no weight; a waveform that is silent or\n"
        "holds NaN gives NaN.\n"
        "describe and OUT/model.json contain the parameters of the features. The command loads\n"
        "the SavedModel and compares its probabilities with the model's.",
        "  python -m spectrogram_feature.export data/models/mine/cnn exported/cnn",
    )
    parser.add_argument("model", metavar="MODEL", help="model.keras, or its folder")
    parser.add_argument("out", metavar="OUT", help="folder for the SavedModel")
    arguments = parser.parse_args()
    classifier = GenreClassifier.load(find_model(arguments.model))
    check = export(classifier, arguments.out)
    print(
        f"{display_path(arguments.out)}: {check.size / 1e6:.1f} MB, loads in "
        f"{check.load_seconds:.1f} s; its probabilities differ from the model's by "
        f"{check.difference:.1g} at most"
    )


if __name__ == "__main__":
    cli.run_command(main)
