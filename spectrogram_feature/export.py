"""Writing a trained model as a SavedModel: from a waveform to genres, with TensorFlow alone."""

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

CARD_FILE = "model.json"
"""What the model is, beside TensorFlow's own files, which it does not need."""

TOLERANCE = 1e-3
"""How far a probability of the exported model may lie from that of the model itself."""


@dataclass(frozen=True)
class Check:
    """What an exported model came to.

    Attributes
    ----------
    difference : float
        The largest one between a probability that it gave and that of the model itself.
    load_seconds : float
    size : int
        Bytes, of all files.
    """

    difference: float
    load_seconds: float
    size: int


def export(classifier: GenreClassifier, out: str | Path) -> Check:
    """Write a classifier as a SavedModel and see that it gives the same probabilities.

    The signature ``serving_default`` takes ``waveform``, float32 (batch, samples): mono, at the
    sample rate of the features, one segment or more. It gives ``probabilities``, float32 (batch,
    genres). The signature ``describe`` takes nothing and gives ``genres``, strings in this order,
    and ``card``, JSON with the parameters of the features and all else that the model knows of
    itself; `CARD_FILE` has the same.

    Parameters
    ----------
    classifier : GenreClassifier
    out : path-like
        The folder, which appears when it is complete; an earlier export in it is replaced.

    Returns
    -------
    Check

    Raises
    ------
    UserError
        If something else is in the folder, or the probabilities are not the same.
    """
    out = Path(out)
    if out.exists() and not _is_replaceable(out):
        raise UserError(f"{out} holds something that is no exported model: choose another folder")
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
    expected = classifier.hear([sound], folder).probability
    return Check(
        difference=float(np.abs(exported["probabilities"].numpy()[0] - expected).max()),
        load_seconds=seconds,
        size=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def make_sound(parameters: SegmentParameters, segments: float = 2.4) -> np.ndarray:
    """Make tones that are struck twice a second, with some noise, to compare models with.

    Parameters
    ----------
    parameters : SegmentParameters
    segments : float
        Its length; by default the last segment overlaps the one before it.

    Returns
    -------
    np.ndarray [shape=(samples,), dtype=float32]
    """
    random = np.random.default_rng(0)
    seconds = np.arange(round(segments * parameters.segment_samples)) / parameters.sample_rate
    pitches = random.choice(parameters.frequencies, (3, 1))
    sound = np.sin(2 * np.pi * pitches * seconds).sum(axis=0) * np.exp(-4 * (seconds % 0.5))
    return (0.2 * sound + 0.01 * random.standard_normal(seconds.size)).astype(np.float32)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.export",
        "Write a trained model as a TensorFlow SavedModel that takes waveforms.\n\n"
        "What comes before and after the network is inside: the transform of its features,\n"
        "segments of 10 s and the mean over them, as in spectrogram_feature.predict. TensorFlow\n"
        "loads it without this project:\n\n"
        "  model = tf.saved_model.load('OUT')\n"
        "  model.signatures['serving_default'](waveform=samples)['probabilities']\n"
        "  model.signatures['describe']()['genres']\n\n"
        "waveform is float32 (batch, samples): mono, 22,050 Hz (16,000 Hz for musicnn), at least\n"
        "10 s, between -1 and 1.\n"
        "describe also gives the parameters of the features, and OUT/model.json has them.\n"
        "When it is written, it is loaded and compared with the model.",
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
