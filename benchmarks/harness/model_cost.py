"""Number of multiply-adds of a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of convolutions and matrix products in inference on one segment.

    Element-wise operations, normalisation and pooling are not counted. The model takes uint8
    (batch, frames, bins).
    """
    import tensorflow as tf
    from keras import layers

    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.uint8)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec).graph
    total = sum(map(_of_operation, graph.get_operations()))
    # The graph contains one step of each recurrent layer.
    for layer in model.layers:
        if isinstance(layer, layers.Bidirectional | layers.RNN):
            kernels = [weight for weight in layer.weights if weight.path.endswith("kernel")]
            total += (layer.input.shape[1] - 1) * sum(math.prod(one.shape) for one in kernels)
    return total


def _of_operation(operation: tf.Operation) -> int:
    shapes = [tuple(operand.shape) for operand in operation.inputs]
    if operation.type == "Conv2D":
        return math.prod(operation.outputs[0].shape) * math.prod(shapes[1][:-1])
    if operation.type in ("MatMul", "BatchMatMulV2"):
        return math.prod(operation.outputs[0].shape) * shapes[0][-1]
    if operation.type == "Einsum" and len(shapes) > 1:
        terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
        sizes = dict(zip("".join(terms), sum(shapes, ()), strict=True))
        return math.prod(sizes.values())
    return 0
