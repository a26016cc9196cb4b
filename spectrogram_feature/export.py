"""Export of a trained model: waveforms to genres with TensorFlow or ONNX Runtime alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from common import cli
from common.errors import UserError
from common.paths import display_path
from spectrogram_feature.features.parameters import SegmentParameters
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.inference.default_model import find_model
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.onnx_model import SUFFIX, OnnxModel

CARD_FILE = "model.json"  # the model's card, beside TensorFlow's files

TOLERANCE = 1e-3
"""Largest permitted difference between probabilities of the exported model and of the model."""

Predict = Callable[[np.ndarray], np.ndarray]
"""Maps a waveform, float32 (samples,), to probabilities (genres,)."""


@dataclass(frozen=True)
class Format:
    """A format of exported models: how a path is written, recognised as an export, and loaded."""

    save: Callable[[KerasModel, Path], None]
    is_export: Callable[[Path], bool]
    load: Callable[[Path], Predict]


@dataclass(frozen=True)
class Check:
    """Difference to the model's probabilities, seconds to load, and size of the files in bytes."""

    difference: float
    load_seconds: float
    size: int


def export(model: KerasModel, out: str | Path, form: str = "saved_model") -> Check:
    """Write a model in a format of `FORMATS`, and compare their probabilities.

    ``saved_model`` writes a folder. The signature ``serving_default`` takes ``waveform``, float32
    (batch, samples): mono, at the sample rate of the features, one segment or more. It returns
    ``probabilities``, float32 (batch, genres). The signature ``describe`` takes nothing and returns
    ``genres``, strings in this order, and ``card``, the model's card as JSON, which `CARD_FILE`
    contains too. ``onnx`` writes a file; see `inference.onnx_export.save`.

    The path appears when it is complete and replaces an earlier export. A `UserError` is raised if
    the path holds anything else, or the probabilities differ by more than `TOLERANCE`.
    """
    out, chosen = Path(out), FORMATS[form]
    is_empty_folder = out.is_dir() and not any(out.iterdir())
    if out.exists() and not is_empty_folder and not chosen.is_export(out):
        raise UserError(f"{out} holds something other than an exported model: choose another path")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        chosen.save(model, temporary)
        check = _check(model, temporary, chosen)
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


def _check(model: KerasModel, path: Path, form: Format) -> Check:
    started = time.perf_counter()
    predict = form.load(path)
    seconds = time.perf_counter() - started
    sound = make_sound(model.parameters)
    expected = GenreClassifier(model).predict_blocks([sound], path).probability
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
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


def _save_saved_model(model: KerasModel, folder: Path) -> None:
    from spectrogram_feature.inference.waveform_model import save

    save(model, str(folder))
    card = json.dumps(asdict(model.card), indent=1, ensure_ascii=False)
    (folder / CARD_FILE).write_text(f"{card}\n", encoding="utf-8")


def _is_saved_model(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (CARD_FILE, "saved_model.pb"))


def _load_saved_model(folder: Path) -> Predict:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))

    def predict(waveform: np.ndarray) -> np.ndarray:
        result = loaded.signatures["serving_default"](waveform=tf.constant(waveform[None]))
        return result["probabilities"].numpy()[0]

    return predict


def _save_onnx(model: KerasModel, path: Path) -> None:
    from spectrogram_feature.inference.onnx_export import save

    save(model, path)


def _is_onnx(path: Path) -> bool:
    try:
        OnnxModel.load(path)
    except UserError:
        return False
    return True


def _load_onnx(path: Path) -> Predict:
    classifier = GenreClassifier(OnnxModel.load(path))
    return lambda waveform: classifier.predict_blocks([waveform], path).probability


FORMATS = {
    "saved_model": Format(_save_saved_model, _is_saved_model, _load_saved_model),
    "onnx": Format(_save_onnx, _is_onnx, _load_onnx),
}
"""Name → format, the default first."""


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
        "card, the genres, sample_rate, segment_samples, and the rule for longer recordings.",
        "  python -m spectrogram_feature.export data/models/mine/cnn exported/cnn\n"
        "  python -m spectrogram_feature.export data/models/mine/cnn cnn.onnx --format onnx",
    )
    parser.add_argument("model", metavar="MODEL", help="model.keras, or its folder")
    parser.add_argument("out", metavar="OUT", help="folder of a SavedModel, or an ONNX file")
    parser.add_argument("--format", choices=FORMATS, default=next(iter(FORMATS)), help="of OUT")
    arguments = parser.parse_args()
    if arguments.format == "onnx" and Path(arguments.out).suffix != SUFFIX:
        raise UserError(f"{arguments.out}: let the name of an ONNX file end in {SUFFIX}")
    model = KerasModel.load(find_model(arguments.model))
    check = export(model, arguments.out, arguments.format)
    print(
        f"{display_path(arguments.out)}: {check.size / 1e6:.1f} MB, loads in "
        f"{check.load_seconds:.1f} s; its probabilities differ from the model's by "
        f"{check.difference:.1g} at most"
    )


if __name__ == "__main__":
    cli.run_command(main)
