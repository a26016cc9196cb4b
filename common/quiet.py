"""TensorFlow without its start-up noise."""

from __future__ import annotations

import os

from common.fma.audio_blocks import silenced_stderr


def import_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, keeping what it says of itself to itself.

    TensorFlow tells of its instruction sets and missing drivers from C++ before any setting of its
    own can stop it. Errors still come as exceptions. Call this before anything that imports
    TensorFlow or Keras.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with silenced_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # Evaluation meets batches of different sizes; the advice about retracing is not for it.
    tf.get_logger().setLevel("ERROR")
