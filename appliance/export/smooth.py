"""Before quantising: move the outliers of activations into the weights, where 8 bits a channel have room for them.

An activation tensor has one 8-bit scale for all its channels, so that one loud channel takes the resolution of all
others. SmoothQuant (Xiao et al. 2023, arXiv 2211.10438) divides each channel by a factor and multiplies the weights'
row by it: the product stays the same, the scales fit better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.export.calibrate import activations
from appliance.export.to_onnx import set_nodes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_STRENGTH = 0.75  # alpha of the paper: 0.5 to 0.9; measured on banking77 and waimai_10k, see benchmarks/export.py
_SMALLEST = 1e-5  # a channel that is never used


def smooth(model: Any, rows: Sequence[Sequence[int]]) -> None:
    """Smooth every matrix product of an fp32 ONNX model in place, with activations measured on `rows` (token ids, at least one).

    Factors are powers of two, so that the model's own logits stay the same bit for bit.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = {item.name: item for item in model.graph.initializer}
    users: dict[str, list[Any]] = {}  # activation -> the products it goes into
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            users.setdefault(node.input[0], []).append(node)
    largest = _largest(model, sorted(users), rows)
    nodes = []
    for node in model.graph.node:
        name = node.input[0] if node.input else ""
        if node in users.get(name, ()):
            products = users.pop(name)
            matrices = [numpy_helper.to_array(weights[product.input[1]]) for product in products]  # (channels, outputs)
            factors = _factors(largest[name], matrices)
            halves = numpy_helper.from_array((1 / factors).astype(np.float16), f"{name}_smoothing_halves")
            model.graph.initializer.append(halves)
            nodes.append(helper.make_node("Cast", [halves.name], [f"{name}_smoothing"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [name, f"{name}_smoothing"], [f"{name}_smooth"]))
            for product, matrix in zip(products, matrices, strict=True):
                weight = weights[product.input[1]]
                weight.CopyFrom(numpy_helper.from_array(matrix * factors[:, None], weight.name))
                product.input[0] = f"{name}_smooth"
        nodes.append(node)
    set_nodes(model, nodes)


def _factors(largest: Array, matrices: Sequence[Array]) -> Array:
    # equation 4 of the paper: max|X|^alpha / max|W|^(1 - alpha) of each channel, rounded to a power of two that fp16 holds
    import numpy as np

    loudest = np.maximum(largest, _SMALLEST)
    heaviest = np.maximum(np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0), _SMALLEST)
    exponents = np.round(_STRENGTH * np.log2(loudest) - (1 - _STRENGTH) * np.log2(heaviest)).clip(-14, 14)
    factors: Array = np.exp2(exponents).astype(np.float32)
    return factors


def _largest(model: Any, names: Sequence[str], rows: Sequence[Sequence[int]]) -> dict[str, Array]:
    """Run the model on each row and return the largest magnitude in each channel of the named activations."""
    import numpy as np

    largest: dict[str, Array] = {}
    for values in activations(model, names, rows):
        for name, value in values.items():  # (1, tokens, channels)
            found = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            largest[name] = np.maximum(found, largest.get(name, found))
    return largest
