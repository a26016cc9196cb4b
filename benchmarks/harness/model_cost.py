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

    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.uint8)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec).graph
    # The graph contains one step of each recurrent layer.
    return sum(map(_of_operation, graph.get_operations())) + _of_recurrent_layers(model)


def _of_operation(operation: tf.Operation) -> int:
    if operation.type == "Einsum":
        return _of_einsum(operation)
    outputs = math.prod(operation.outputs[0].shape) if operation.outputs else 0
    if operation.type in ("Conv2D", "Conv1D"):
        return outputs * math.prod(operation.inputs[1].shape[:-1])
    if operation.type == "MatMul":
        return outputs * operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
    if operation.type.startswith("BatchMatMul"):
        return outputs * operation.inputs[0].shape[-2 if operation.get_attr("adj_x") else -1]
    return 0


def _of_einsum(operation: tf.Operation) -> int:
    """Return the product of the sizes of all indices."""
    terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operation.inputs, strict=True):
        sizes |= dict(zip(term, operand.shape, strict=True))
    return math.prod(sizes.values()) if len(terms) > 1 else 0


def _of_recurrent_layers(model: keras.Model) -> int:
    from keras import layers

    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Bidirectional | layers.RNN):
            matrices = [weight for weight in layer.weights if weight.path.endswith("kernel")]
            total += (layer.input.shape[1] - 1) * sum(
                math.prod(weight.shape) for weight in matrices
            )
    return total
