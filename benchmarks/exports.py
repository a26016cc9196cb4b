"""Exported models against the trained one: time from the start to an answer, and per segment.

The network is `texture` with random weights, which do not affect the time. A start is a process
that predicts one clip: `predict` with the ONNX file and with ``model.keras``, and a script that
loads the SavedModel. Segments are those of the clip, once everything is loaded.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from threadpoolctl import threadpool_limits

from common.fma.audio import read_audio
from common.paths import PROJECT_ROOT
from common.quiet import import_tensorflow
from harness.command import run_benchmark
from harness.inputs import PARAMETERS, whole_clips
from harness.rows import Row, compared
from harness.timing import measure, require_equal
from prediction import make_classifier

TOLERANCE = 1e-3

SAVED_MODEL = """
import sys
from common.fma.audio import read_audio
from common.quiet import import_tensorflow
import_tensorflow()
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
samples = tf.constant(read_audio(sys.argv[2])[None])
print(model.signatures["serving_default"](waveform=samples)["probabilities"].numpy())
"""


def measure_rows(rounds: int) -> Iterator[Row]:
    """Measure starts and segments."""
    import_tensorflow()
    import tensorflow as tf

    from common.training.model_files import save_model
    from spectrogram_feature.export import export
    from spectrogram_feature.inference.keras_model import KerasModel
    from spectrogram_feature.inference.onnx_model import OnnxModel

    threadpool_limits(1, user_api="blas")  # as the command does
    clip, classifier = whole_clips(1)[0], make_classifier()
    length = PARAMETERS.segment_samples
    samples = read_audio(clip)[: 2 * length]
    with tempfile.TemporaryDirectory(prefix="exports-") as name:
        folder = Path(name)
        keras_file, onnx_file, saved = (folder / n for n in ("model.keras", "model.onnx", "saved"))
        assert isinstance(classifier.model, KerasModel)  # noqa: S101
        save_model(classifier.model.network, keras_file, classifier.card)
        export(classifier.model, onnx_file, "onnx")
        export(classifier.model, saved)
        predict = [sys.executable, "-m", "spectrogram_feature.predict", str(clip), "--model"]
        starts = {
            "ONNX": [*predict, str(onnx_file)],
            "model.keras": [*predict, str(keras_file)],
            "SavedModel": [sys.executable, "-c", SAVED_MODEL, str(saved), str(clip)],
        }
        sides = {side: functools.partial(_run, command) for side, command in starts.items()}
        times = measure(sides, rounds=rounds, warm_up=False)
        for peer in ("model.keras", "SavedModel"):
            yield compared(
                f"Start to prediction with ONNX, against {peer}",
                "a process that predicts an MP3 of 30 s, texture",
                times,
                "ONNX",
                peer,
                unit="ms",
            )
        onnx_model, loaded = OnnxModel.load(onnx_file), tf.saved_model.load(str(saved))
        segments, serve = samples.reshape(-1, length), loaded.signatures["serving_default"]
        steps = {
            "ONNX": lambda: onnx_model.predict_segments(segments)[1],
            "model.keras": lambda: classifier.model.predict_segments(segments)[1],
            "SavedModel": lambda: serve(waveform=tf.constant(segments))["probabilities"].numpy(),
        }
        times = measure(steps, rounds=rounds, units=len(segments), seconds=0.5)
        expected = steps["ONNX"]()
        for peer in ("model.keras", "SavedModel"):
            yield compared(
                f"Segment to probabilities with ONNX, against {peer}",
                "features and network of 10 s, texture",
                times,
                "ONNX",
                peer,
                unit="ms",
                equal=require_equal(expected, steps[peer](), TOLERANCE, "probability"),
            )


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
