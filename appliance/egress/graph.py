"""An ONNX model made anew for outside: only the parts that a runtime needs, fewer labels, and entries of its vocabulary gone or as in the base."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from appliance.errors import PolicyError
from appliance.export.tables import rows_in_4_bits, rows_in_8_bits
from appliance.export.to_onnx import drop_unused
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_ANSWERS = "logits"
_NAME = re.compile(r"[\w./:-]{0,200}", re.ASCII)
_CHOICE = re.compile(rb"[A-Za-z_]{0,32}")  # what an attribute may say in letters: RIGHT, tanh
_NUMBERS = {"f", "i", "t", "floats", "ints"}
_ELEMENTWISE = ("Add", "Sub", "Mul", "Cast", "DequantizeLinear")
_PRODUCTS = ("MatMul", "MatMulInteger", "Gemm")


def plain(content: bytes) -> Any:
    """Return a ModelProto made of the parts of an ONNX file that a runtime needs: operators, constants, inputs and the logits.

    Notes, names of tools, sizes that were guessed, unknown fields and other outputs stay behind. Raises `PolicyError` for a graph with parts that no
    export of ours has, and for odd names.
    """
    import onnx
    from onnx import helper

    read = onnx.ModelProto.FromString(content)
    graph = read.graph
    if (
        read.functions
        or graph.sparse_initializer
        or any(item.domain not in ("", "ai.onnx") for item in read.opset_import)
    ):
        raise PolicyError(_("the model holds parts that no export of Skerry has; export it again"))
    made = helper.make_graph(
        [_plain_node(node) for node in graph.node],
        "model",
        [_plain_value(item) for item in graph.input],
        [_plain_value(item) for item in graph.output if item.name == _ANSWERS],
        [_plain_tensor(item) for item in graph.initializer],
    )
    versions = [helper.make_opsetid("", item.version) for item in read.opset_import]
    model = helper.make_model(made, opset_imports=versions, ir_version=read.ir_version, producer_name="skerry")
    drop_unused(model)
    return model


def write(model: Any) -> bytes:
    """Return the bytes of a ModelProto: the same content gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PolicyError(_("the model has a part with an odd name; export it again"))
    return name


def _plain_node(node: Any) -> Any:
    from onnx import helper

    if node.domain not in ("", "ai.onnx"):
        raise PolicyError(_("the model holds parts that no export of Skerry has; export it again"))
    made = helper.make_node(
        _checked(node.op_type), [_checked(name) for name in node.input], [_checked(name) for name in node.output]
    )
    made.attribute.extend(_plain_attribute(attribute) for attribute in node.attribute)
    return made


def _plain_attribute(attribute: Any) -> Any:
    from onnx import AttributeProto, helper

    kind = AttributeProto.AttributeType.Name(attribute.type).lower()
    value = helper.get_attribute_value(attribute)
    if kind == "string" and _CHOICE.fullmatch(value):
        return helper.make_attribute(_checked(attribute.name), value)
    if kind not in ("float", "int", "tensor", "floats", "ints"):
        raise PolicyError(_("the model holds parts that no export of Skerry has; export it again"))
    value = _plain_tensor(value) if kind == "tensor" else value
    return helper.make_attribute(_checked(attribute.name), value, attr_type=attribute.type)


def _plain_tensor(tensor: Any) -> Any:
    from onnx import numpy_helper

    if tensor.data_location or tensor.external_data:
        raise PolicyError(_("the model holds parts that no export of Skerry has; export it again"))
    return numpy_helper.from_array(numpy_helper.to_array(tensor), _checked(tensor.name))


def _plain_value(item: Any) -> Any:
    from onnx import helper

    kind = item.type.tensor_type
    shape = [part.dim_value if part.HasField("dim_value") else _checked(part.dim_param) for part in kind.shape.dim]
    return helper.make_tensor_value_info(_checked(item.name), kind.elem_type, shape)


def _change(model: Any, name: str, change: Callable[[Array], Array]) -> None:
    from onnx import numpy_helper

    (item,) = (item for item in model.graph.initializer if item.name == name)
    item.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(item)).copy(order="C"), name))


# -- the vocabulary ----------------------------------------------------------------------------------------------------


def put_back(model: Any, numbers: Sequence[int], rows: Array, entries: int) -> None:
    """Write public rows, float32 (numbers, hidden), in the place of the rows `numbers` of the embedding of `entries` rows, in the bits that the file keeps.

    Raises `PolicyError` when the file keeps its embedding in another way than `export.tables` and `to_onnx` do.
    """
    import numpy as np
    from onnx import numpy_helper

    tables = {
        item.name: numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.name in _tables(model, entries)
    }
    new: dict[str, Array] = {}
    kinds = {str(table.dtype): name for name, table in tables.items()}
    if set(kinds) == {"float32"}:
        new = {kinds["float32"]: rows}
    elif set(kinds) in ({"int8", "float16"}, {"uint8", "float16"}):
        packed, scales = rows_in_8_bits(rows) if "int8" in kinds else rows_in_4_bits(rows)
        new = {kinds.get("int8") or kinds["uint8"]: packed, kinds["float16"]: scales.astype(np.float16)}
    if not new or any(tables[name].shape[1:] != value.shape[1:] for name, value in new.items()):
        raise PolicyError(_("the model keeps its vocabulary in an old form; export it again"))
    index = np.array(numbers, np.int64)
    for name, value in new.items():
        _change(model, name, lambda table, value=value: _with_rows(table, index, value))  # type: ignore[misc]


def _with_rows(table: Array, index: Array, rows: Array) -> Array:
    table = table.copy()
    table[index] = rows
    return table


def keep_entries(model: Any, kept: Sequence[int], entries: int) -> None:
    """Keep these rows of the embedding of `entries` rows alone, in this order."""
    import numpy as np

    index = np.array(kept, np.int64)
    for name in _tables(model, entries):
        _change(model, name, lambda table: table[index])


def _tables(model: Any, entries: int) -> list[str]:
    """Name the constants that `input_ids` looks up, a row a token: the table itself, and scales that lie beside it."""
    makers = {name: node for node in model.graph.node for name in node.output}
    sizes = {item.name: list(item.dims) for item in model.graph.initializer}
    waiting = [node.input[0] for node in model.graph.node if node.op_type == "Gather" and node.input[1] == "input_ids"]
    found: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name in makers and makers[name].op_type in _ELEMENTWISE:
            waiting += makers[name].input
        elif sizes.get(name, [])[:1] == [entries]:
            found.append(name)
    if not found:
        raise PolicyError(_("the model keeps its vocabulary in an old form; export it again"))
    return found


# -- the labels --------------------------------------------------------------------------------------------------------


def keep_labels(model: Any, kept: Sequence[int], labels: int) -> None:
    """Keep these of `labels` answers alone, in this order: the others' numbers leave the head, they are not only hidden. Raises `PolicyError` for an unknown head."""
    import numpy as np

    index = np.array(kept, np.int64)
    changed = [(name, axis) for name, axis in _head(model, labels)]
    if not changed:
        raise PolicyError(_("the model keeps its labels in an unknown form; export it again"))
    for name, axis in changed:
        _change(model, name, lambda matrix, axis=axis: matrix.take(index, axis))  # type: ignore[misc]
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = len(kept)


def _head(model: Any, labels: int) -> list[tuple[str, int]]:
    """List the constants of the head with the axis of their labels: back from the logits to the product that makes them."""
    makers = {name: node for node in model.graph.node for name in node.output}
    sizes = {item.name: list(item.dims) for item in model.graph.initializer}
    found: dict[str, int] = {}
    waiting = [(_ANSWERS, -1)]
    while waiting:
        name, axis = waiting.pop()
        if name in sizes:
            if sizes[name] and sizes[name][axis] == labels:
                found[name] = axis
        elif name in makers and makers[name].op_type in _ELEMENTWISE:
            waiting += [(part, axis) for part in makers[name].input]
        elif name in makers and makers[name].op_type in _PRODUCTS:
            turned = any(item.name == "transB" and item.i for item in makers[name].attribute)
            waiting += [
                (part, 0 if turned and place == 1 else -1) for place, part in enumerate(makers[name].input) if place
            ]
    return sorted(found.items())
