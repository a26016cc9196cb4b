"""TensorFlow without its start-up noise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def import_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, keeping what it says of itself to itself.

    TensorFlow tells of its instruction sets and missing drivers from C++ before any setting of its
    own can stop it. Errors still come as exceptions. Call this before anything that imports
    TensorFlow or Keras.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _no_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # Evaluation meets batches of different sizes; the advice about retracing is not for it.
    tf.get_logger().setLevel("ERROR")


@contextmanager
def _no_stderr() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
