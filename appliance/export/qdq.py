"""Static int8: QuantizeLinear and DequantizeLinear around each matrix product, with scales that were measured before (ONNX operators; TensorRT's explicit quantization).

A text's answer hangs on its own numbers alone, since no scale is taken from the batch that it runs in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from appliance.export.calibrate import Method, Range, activations, ranges
from appliance.export.to_onnx import set_nodes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_SMALLEST = 1e-12  # a column of zeros still has a scale


def quantise_statically(
    model: Any, rows: Sequence[Sequence[int]], method: Method, reduce_range: bool, symmetric: bool
) -> None:
    """Quantise every product with a constant matrix of an fp32 ONNX model in place: weights int8 per column, 7 bits of it with `reduce_range`.

    Activations become uint8 in the range that `method` finds on `rows` (token ids, at least one), or int8 around zero
    with `symmetric`. The head, a product of one row a text, stays as it is but for `symmetric`: a quantised one rounds
    otherwise alone than in a batch.
    """
    weights = {item.name: item for item in model.graph.initializer}
    kinds = ("MatMul", "Gemm") if symmetric else ("MatMul",)
    products = [node for node in model.graph.node if node.op_type in kinds and node.input[1] in weights]
    names = sorted({node.input[0] for node in products})
    measured = ranges(lambda: activations(model, names, rows), method)
    largest = 63 if reduce_range else 127
    nodes: list[Any] = []
    for node in model.graph.node:
        if node in products:
            nodes += _weight(model, weights[node.input[1]], 0 if node.op_type == "Gemm" else 1, largest)
            if found := measured.pop(node.input[0], None):
                nodes += _activation(model, node.input[0], found, symmetric)
            node.input[0] += "_rounded"
            node.input[1] += "_float"
        nodes.append(node)
    set_nodes(model, nodes)


def _weight(model: Any, weight: Any, axis: int, largest: int) -> Iterator[Any]:
    """Turn a constant matrix into int8 and yield the node that gives `..._float`. `axis` is the one of the outputs, each with its scale."""
    import numpy as np
    from onnx import helper, numpy_helper

    matrix = numpy_helper.to_array(weight)
    scales = np.maximum(np.abs(matrix).max(axis=1 - axis), _SMALLEST).astype(np.float32) / np.float32(largest)
    packed = np.rint(matrix / np.expand_dims(scales, 1 - axis)).astype(np.int8)
    weight.CopyFrom(numpy_helper.from_array(packed, weight.name))
    name = weight.name
    model.graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scale"))
    yield helper.make_node("DequantizeLinear", [name, f"{name}_scale"], [f"{name}_float"], axis=axis)


def _activation(model: Any, name: str, found: Range, symmetric: bool) -> Iterator[Any]:
    """Yield the two nodes that turn the activation `name` into `..._rounded`, which has 256 values."""
    import numpy as np
    from onnx import helper, numpy_helper

    low, high = found
    width = max(-low, high) / 127 if symmetric else (high - low) / 255
    scale = np.array(max(width, _SMALLEST), np.float32)
    zero = np.array(0, np.int8) if symmetric else np.array(np.clip(np.rint(-low / scale), 0, 255), np.uint8)
    parameters = [f"{name}_step", f"{name}_zero"]
    model.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in zip(parameters, (scale, zero), strict=True)
    )
    yield helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_steps"])
    yield helper.make_node("DequantizeLinear", [f"{name}_steps", *parameters], [f"{name}_rounded"])
