"""What TensorRT 10 and 11 build from: an ONNX file that says the type of every tensor itself, int8 by Q/DQ nodes and fp16 by casting (strongly typed networks)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from appliance.export.calibrate import Method
from appliance.export.to_int8 import to_int8
from appliance.export.to_onnx import write_plainly

Precision = Literal["int8", "fp16"]


def to_tensorrt(
    source: Path, target: Path, rows: Sequence[Sequence[int]], max_tokens: int, precision: Precision, method: Method
) -> None:
    """Write the fp32 ONNX file `source` as `target`: fp16, with `int8` products in between. Inputs stay int64, logits float32."""
    import onnx

    if precision == "int8":
        to_int8(source, target, False, rows, max_tokens, "symmetric", method=method)
        source = target
    model = onnx.load(source)
    to_half(model)
    write_plainly(model, target)


def to_half(model: Any) -> None:
    """Cast an fp32 ONNX model to fp16 in place; its outputs are cast back to float32. What fp16 cannot hold becomes its largest number."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    most = np.finfo(np.float16).max
    for item in model.graph.initializer:
        if item.data_type == TensorProto.FLOAT:
            values = np.clip(numpy_helper.to_array(item), -most, most).astype(np.float16)
            item.CopyFrom(numpy_helper.from_array(values, item.name))
    outputs = {item.name for item in model.graph.output}
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
        node.output[:] = [f"{name}_half" if name in outputs else name for name in node.output]
    model.graph.node.extend(
        helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT) for name in sorted(outputs)
    )
