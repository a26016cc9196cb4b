"""Import TensorFlow without its messages."""

from __future__ import annotations

import os

from common.fma.audio_blocks import silenced_stderr


def import_tensorflow() -> None:
    """Import TensorFlow and list its devices without its messages.

    TensorFlow writes about instruction sets and missing drivers from C++. Errors are still raised
    as exceptions. Call this before any import of TensorFlow or Keras.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with silenced_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # Batches of different sizes in evaluation cause warnings about retracing.
    tf.get_logger().setLevel("ERROR")
