"""A trained network as one self-contained ONNX file whose bytes depend on nothing but the weights and the plan."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import torch

_NOTES = ("doc_string", "metadata_props")  # stack traces and paths of the machine that exported


def to_onnx(network: torch.nn.ModuleDict, path: Path, opset: int, translations: dict[Any, Any] | None = None) -> None:
    """Write the network as ONNX: int64 `input_ids` and `attention_mask` (batch, tokens) -> float32 `logits` (batch, labels).

    Batch and tokens are dynamic. The same weights give the same bytes. `translations` tells what to write for operators of
    our own. Raises `MissingPartError` without the extra `export`.
    """
    from appliance.engine import on_torch

    on_torch.import_torch()
    _check_installed()
    import torch

    class Logits(torch.nn.Module):
        """The whole network as the exporter wants it: tensors in, one tensor out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Run it: (batch, tokens) twice -> (batch, labels)."""
            return on_torch.logits(self.network, input_ids, attention_mask)

    # Plain attention becomes a smaller and faster graph than the fused one, which is written for torch's own kernels.
    network["encoder"].set_attn_implementation("eager")  # type: ignore[operator]
    input_ids = torch.ones((2, 16), dtype=torch.int64)
    dynamic = {0: "batch", 1: "tokens"}
    with _quiet():
        program = torch.onnx.export(
            Logits().eval(),
            (input_ids, torch.ones_like(input_ids)),
            dynamo=True,
            dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic},
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            opset_version=opset,
            custom_translation_table=translations,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.producer_name, model.producer_version = "skerry", ""
    _pool_in_one_order(model)
    write_plainly(model, path)


def write_plainly(model: Any, path: Path) -> None:
    """Write a ModelProto without notes about its making, names of nodes and inferred shapes, the same content as the same bytes."""
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.ClearField("name")
    _strip(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _pool_in_one_order(model: Any) -> None:
    """Write the sum over a text's tokens as a product of its mask, twice, with its states.

    ONNX Runtime's ReduceSum, and its product of a single row, add up in another order alone than in a batch; this one
    gives the same bits in any company and under any padding.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    makers = {node.output[0]: node for node in model.graph.node}
    pooling = next(
        node for node in model.graph.node if node.op_type == "ReduceSum" and makers[node.input[0]].op_type == "Mul"
    )
    states, mask = makers[pooling.input[0]].input  # (batch, tokens, hidden), (batch, tokens, 1)
    product = [
        helper.make_node("Concat", [mask, mask], ["two_masks"], axis=2),
        helper.make_node("Transpose", ["two_masks"], ["mask_rows"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["mask_rows", states], ["two_sums"]),  # (batch, 2, hidden)
        helper.make_node("Gather", ["two_sums", "first_sum"], [pooling.output[0]], axis=1),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "first_sum"))
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes += product if node is pooling else [node]
    set_nodes(model, nodes)
    drop_unused(model)


def set_nodes(model: Any, nodes: Iterable[Any]) -> None:
    """Give an ONNX model these nodes, in this order, in place."""
    copies = [copied(node) for node in nodes]  # what is deleted below may not be read any more
    del model.graph.node[:]
    model.graph.node.extend(copies)


def drop_unused(model: Any) -> None:
    """Drop the nodes and constants of an ONNX model that no output needs, in place."""
    needed = {item.name for item in model.graph.output}
    nodes: list[Any] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.insert(0, node)
    set_nodes(model, nodes)
    constants = [copied(item) for item in model.graph.initializer if item.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)


def copied(message: Any) -> Any:
    """Return a copy of a protobuf message."""
    return type(message).FromString(message.SerializeToString())


def _strip(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in _NOTES:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if field.is_repeated else (value,):
                _strip(part)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPartError(
            _("export needs the extra `export`: install `skerry[export]` from the wheelhouse")
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    # The exporter tells about operators of packages that we do not use; a failure still raises.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
