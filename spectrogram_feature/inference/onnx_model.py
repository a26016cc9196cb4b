"""An exported ONNX model, which ONNX Runtime runs without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from common.errors import UserError
from common.records.quantization import quantize
from common.text import flattened
from common.training.model_files import ModelCard
from spectrogram_feature.inference.segment_model import parameters_of

if TYPE_CHECKING:
    import onnxruntime

SUFFIX = ".onnx"

BATCH = 8  # segments at once: the front end takes about 10 MB of memory for each

_OUTPUTS = ("features", "probabilities")


class OnnxModel:
    """A session of ONNX Runtime as a `SegmentModel`."""

    def __init__(self, session: onnxruntime.InferenceSession, path: str | Path) -> None:
        self._session = session
        self.card = _read_card(session, path)
        self.parameters = parameters_of(self.card, path)
        shapes = {
            tensor.name: tuple(tensor.shape[1:])
            for tensor in (*session.get_inputs(), *session.get_outputs())
        }
        expected = {
            "waveform": (self.parameters.segment_samples,),
            "features": self.parameters.shape,
            "probabilities": (len(self.card.genres),),
        }
        if not expected.items() <= shapes.items():
            raise UserError(f"{path} does not match its card: export it again")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a model; TensorFlow and Keras are not imported.

        A `UserError` is raised if ONNX Runtime is not installed, there is no such file, or it is no
        ONNX model of this project.
        """
        try:
            import onnxruntime
        except ImportError:
            raise UserError(
                f"{path} needs ONNX Runtime: pip install onnxruntime, in the version of "
                "requirements.txt"
            ) from None
        onnxruntime.set_default_logger_severity(3)  # errors only
        options = onnxruntime.SessionOptions()
        # Waiting threads would occupy the cores: twice the processor time on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Bytes, since a path would allow the model to read other files.
            content = Path(path).read_bytes()
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except FileNotFoundError:
            raise UserError(f"{path}: no such model; export one first") from None
        except IsADirectoryError:
            raise UserError(f"{path} is a folder, not an ONNX model: name the file in it") from None
        except Exception as error:  # ONNX Runtime raises many types for invalid files
            raise UserError(
                f"{path} is no ONNX model that ONNX Runtime can load ({flattened(error, 120)}): "
                "export it again"
            ) from None
        return cls(session, path)

    def predict_segments(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute features and genre probabilities; see `SegmentModel`."""
        parts = [self._run(samples[i : i + BATCH]) for i in range(0, len(samples), BATCH)]
        features, probabilities = map(np.concatenate, zip(*parts, strict=True))
        return quantize(features), probabilities

    def _run(self, samples: np.ndarray) -> list[Any]:
        return self._session.run(_OUTPUTS, {"waveform": samples})


def _read_card(session: onnxruntime.InferenceSession, path: str | Path) -> ModelCard:
    try:
        return ModelCard.from_json(session.get_modelmeta().custom_metadata_map["card"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{path} has no card of this project: choose a file that "
            "spectrogram_feature.export --format onnx has written"
        ) from None
