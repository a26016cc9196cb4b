"""Export of a trained model: waveforms to genres with TensorFlow, ONNX Runtime or LiteRT alone."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import cli
from common.errors import UserError
from common.paths import display_path
from spectrogram_feature.features.parameters import SegmentParameters
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.default_model import find_model
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.onnx_model import SUFFIX as ONNX_SUFFIX

TOLERANCE = 1e-3
"""Largest permitted difference between probabilities of the exported model and of the model."""

SUFFIXES = {"saved_model": "", "onnx": ONNX_SUFFIX, "litert": ".tflite"}
"""Format → end of the names of its files. `inference.export_FORMAT` writes and reads a format."""


@dataclass(frozen=True)
class Check:
    """Difference to the model's probabilities, seconds to load, and size of the files in bytes."""

    difference: float
    load_seconds: float
    size: int


def export(model: KerasModel, out: str | Path, form: str = "saved_model") -> Check:
    """Write a model in a format of `SUFFIXES`, and compare their probabilities.

    See the function ``save`` of `inference.export_saved_model`, `inference.export_onnx` and
    `inference.export_litert`. The path appears when it is complete and replaces an earlier export.
    A `UserError` is raised if its name lacks the suffix, it holds anything else, or the
    probabilities differ by more than `TOLERANCE`.
    """
    out = Path(out)
    if out.suffix != SUFFIXES[form] and SUFFIXES[form]:
        raise UserError(f"{out}: the name of a file of {form} must end in {SUFFIXES[form]}")
    module = importlib.import_module(f"spectrogram_feature.inference.export_{form}")
    if out.exists() and not module.is_export(out):
        raise UserError(f"{out} holds something other than an exported model: choose another path")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        module.save(model, temporary)
        check = _check(model, temporary, module.load)
        if not check.difference <= TOLERANCE:
            raise UserError(
                f"nothing is written to {out}: the exported model's probabilities differ from the "
                f"model's by {check.difference:.2g}, more than {TOLERANCE}; train it again"
            )
        _remove(out)
        temporary.replace(out)
    finally:
        _remove(temporary)
    return check


def _check(
    model: KerasModel, path: Path, load: Callable[[Path], Callable[[np.ndarray], np.ndarray]]
) -> Check:
    started = time.perf_counter()
    predict = load(path)
    seconds = time.perf_counter() - started
    sound = make_sound(model.parameters)
    expected = GenreClassifier(model).predict_blocks([sound], path).probability
    files = [one for one in (path, *path.rglob("*")) if one.is_file()]
    return Check(
        difference=float(np.abs(predict(sound) - expected).max()),
        load_seconds=seconds,
        size=sum(one.stat().st_size for one in files),
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
        "Write a trained model as a graph that takes waveforms and contains the transform of the\n"
        "features, and compare its probabilities with the model's.\n\n"
        "saved_model is a folder that TensorFlow loads without this project. It also contains the\n"
        "segmentation into 10 s and the mean over segments, as in spectrogram_feature.predict:\n\n"
        "  model = tf.saved_model.load('OUT')\n"
        "  model.signatures['serving_default'](waveform=samples)['probabilities']\n"
        "  model.signatures['describe']()['genres']\n\n"
        "waveform is float32 (batch, samples): mono, 22,050 Hz (16,000 Hz for musicnn), at least\n"
        "10 s, between -1 and 1. Silent segments have no weight; a waveform that is silent or\n"
        "holds NaN gives NaN. describe and OUT/model.json contain the feature parameters.\n\n"
        "onnx is a file for ONNX Runtime and for spectrogram_feature.predict --model OUT, which\n"
        "then needs neither TensorFlow nor Keras:\n\n"
        "  session = onnxruntime.InferenceSession('OUT')\n"
        "  session.run(['probabilities', 'audible'], {'waveform': segments})\n\n"
        "segments are float32 (batch, samples) of exactly 10 s. The file's metadata contain the\n"
        "card, the genres, sample_rate, segment_samples, a summary with scores and licence, and\n"
        "the rule for longer recordings; if a track has several genres, also parents (of genres)\n"
        "and threshold (smallest probability of a predicted genre). litert is a file of the same\n"
        "graph for a batch of one segment, in LiteRT's built-in operators; the metadata are\n"
        "model.json in the ZIP archive at its end.",
        "  python -m spectrogram_feature.export data/models/mine/cnn exported/cnn\n"
        "  python -m spectrogram_feature.export data/models/mine/cnn cnn.onnx --format onnx\n"
        "  python -m spectrogram_feature.export data/models/mine/cnn cnn.tflite --format litert",
    )
    parser.add_argument("model", metavar="MODEL", help="model.keras, or its folder")
    parser.add_argument("out", metavar="OUT", help="a folder, or a file .onnx or .tflite")
    parser.add_argument(
        "--format", choices=SUFFIXES, default="saved_model", help="saved_model, onnx or litert"
    )
    arguments = parser.parse_args()
    model = KerasModel.load(find_model(arguments.model))
    check = export(model, arguments.out, arguments.format)
    print(
        f"{display_path(arguments.out)}: {check.size / 1e6:.1f} MB, loads in "
        f"{check.load_seconds:.1f} s; its probabilities differ from the model's by "
        f"{check.difference:.1g} at most"
    )


if __name__ == "__main__":
    cli.run_command(main)
