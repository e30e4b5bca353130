"""Training with the rounding in: a student learns while its weights and activations already have the 8 bits that it will be served with.

Forward, each number is rounded as QuantizeLinear and DequantizeLinear will round it; backward, the rounding counts as
the identity inside its range (straight-through estimator, Bengio et al. 2013, arXiv 1308.3432; Jacob et al. 2018, arXiv
1712.05877). Scales of activations are measured before, those of weights follow the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.compress.student import Student, layers
from appliance.engine import on_torch
from appliance.engine.plan import write_plan
from appliance.export.calibrate import Range, ranges
from appliance.export.tables import pack_tables, rows_in_4_bits, rows_in_8_bits
from appliance.export.to_onnx import drop_unused, set_nodes, to_onnx, write_plainly

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["prepare", "write"]

_OPSET = 20
_SMALLEST = 1e-12


def prepare(
    student: Student, rows: Sequence[Sequence[int]], table_bits: int = 8, reduce_range: bool = False
) -> Student:
    """Return a student that rounds as it will be served, ready for `recover` and then `write`.

    Ranges of activations are measured on `rows` (token ids of real texts, at least one). Weights have 8 bits per output,
    7 with `reduce_range`, the word table `table_bits` (8 or 4) per row; the head stays as it is.
    """
    on_torch.import_torch()
    import torch

    network = copy.deepcopy(student.network).eval()
    products = {
        f"{number}.{name}": (layer.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], module)
        for number, layer in enumerate(layers(network))
        for name, module in layer.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    measured = ranges(
        lambda: _inputs(network, {name: module for name, (*_, module) in products.items()}, rows), "error"
    )
    for name, (parent, own, module) in products.items():
        setattr(parent, own, _modules()["RoundedLinear"](module, measured[name], 63 if reduce_range else 127))
    embeddings: Any = network["encoder"].embeddings
    embeddings.word_embeddings = _modules()["RoundedTable"](embeddings.word_embeddings, table_bits)
    return replace(student, network=network)


def write(student: Student, folder: Path, table_bits: int = 8) -> None:
    """Write a student that `prepare` made as a folder to serve: format `onnx-int8-static`, the same bits in any batch.

    The network goes through torch's exporter with its rounding as QuantizeLinear and DequantizeLinear.
    """
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    to_onnx(copy.deepcopy(student.network), path, _OPSET, {_operator(): _translated()})
    model = onnx.load(path)
    _fold_weights(model)
    pack_tables(model, student.plan.max_tokens, table_bits)
    model.producer_name, model.producer_version = "skerry", ""
    write_plainly(model, path)
    (folder / "tokenizer.json").write_bytes(student.tokenizer)
    write_plan(folder, replace(student.plan, format="onnx-int8-static", reduce_range=_reduced(student.network)))


def _reduced(network: torch.nn.ModuleDict) -> bool:
    return any(getattr(module, "largest", 127) < 127 for module in network.modules())


def _inputs(
    network: torch.nn.ModuleDict, modules: dict[str, Any], rows: Sequence[Sequence[int]]
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Run the network on each row and yield what goes into the named modules, float32 (1, tokens, inputs)."""
    seen: dict[str, np.ndarray[Any, Any]] = {}

    def look(name: str, _module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        seen[name] = inputs[0].detach().numpy()

    hooks = [module.register_forward_pre_hook(partial(look, name)) for name, module in modules.items()]
    try:
        for row in rows:
            on_torch.in_batches(on_torch.logits, network, [row])
            yield dict(seen)
    finally:
        for hook in hooks:
            hook.remove()


@cache
def _operator() -> Any:
    """Register `skerry::rounded` once and return it: values (any shape) to the nearest of `low..high` steps from `zero`, one scale or one per index of axis 0."""
    import torch

    schema = "(Tensor values, Tensor step, Tensor zero, int low, int high) -> Tensor"

    @torch.library.custom_op("skerry::rounded", mutates_args=(), schema=schema)
    def rounded(values: torch.Tensor, step: torch.Tensor, zero: torch.Tensor, low: int, high: int) -> torch.Tensor:
        scale, shift = _along(step, values), _along(zero, values)
        steps = torch.clamp(torch.round(values.float() / scale) + shift, low, high)
        return ((steps - shift) * scale).to(values.dtype)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        values, step, zero, low, high = inputs
        steps = values.float() / _along(step, values) + _along(zero, values)
        ctx.save_for_backward((steps >= low - 0.5) & (steps <= high + 0.5))

    def straight_through(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None, None

    rounded.register_fake(lambda values, step, zero, low, high: torch.empty_like(values))
    rounded.register_autograd(straight_through, setup_context=keep)
    return torch.ops.skerry.rounded.default


def _along(scales: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return scales.reshape(-1, *[1] * (values.dim() - 1)) if scales.dim() else scales


def _translated() -> Callable[..., Any]:
    """Return what torch's exporter writes for `skerry::rounded`: two operators of the ONNX standard."""
    from onnxscript import INT8, UINT8, opset20

    op: Any = opset20

    def rounded(values: Any, step: Any, zero: Any, low: int, high: int) -> Any:
        point = op.Cast(zero, to=UINT8.dtype if low == 0 else INT8.dtype)
        steps = op.QuantizeLinear(values, step, point, axis=0)
        return op.DequantizeLinear(steps, step, point, axis=0)

    return rounded


def _fold_weights(model: Any) -> None:
    """Replace the rounding of constants in an ONNX model by what it gives, int8, in place."""
    import numpy as np
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type in ("Cast", "QuantizeLinear") and all(name in constants for name in node.input):
            (value,) = ReferenceEvaluator(node).run(None, {name: constants[name] for name in node.input})
            constants[node.output[0]] = np.asarray(value)
            model.graph.initializer.append(numpy_helper.from_array(constants[node.output[0]], node.output[0]))
        else:
            nodes.append(node)
    set_nodes(model, nodes)
    drop_unused(model)


@cache
def _modules() -> dict[str, Any]:
    """Return the modules that round; made when torch is there."""
    import torch

    class RoundedLinear(torch.nn.Linear):
        """A linear layer whose input has 256 values and whose weights have `2 * largest + 1` per output."""

        def __init__(self, plain: torch.nn.Linear, found: Range, largest: int) -> None:
            super().__init__(plain.in_features, plain.out_features)
            self.weight, self.bias, self.largest = plain.weight, plain.bias, largest
            low, high = found
            step = max((high - low) / 255, _SMALLEST)
            self.register_buffer("step", torch.tensor(step, dtype=torch.float32))
            self.register_buffer("zero", torch.tensor(float(min(255, max(0, round(-low / step))))))
            self.register_buffer("weight_step", torch.ones(plain.out_features))
            self.register_buffer("weight_zero", torch.zeros(plain.out_features))
            self._measure()

        def _measure(self) -> None:
            with torch.inference_mode(False):  # an inference tensor could not be loaded into again
                largest = self.weight.detach().abs().amax(1).clamp(min=_SMALLEST)  # (outputs,)
                self.weight_step = largest / self.largest

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            """Return (batch, tokens, outputs) of (batch, tokens, inputs)."""
            if not torch.compiler.is_exporting():
                self._measure()
            rounded = _operator()
            weight = rounded(self.weight, self.weight_step, self.weight_zero, -128, 127)
            return torch.nn.functional.linear(rounded(values, self.step, self.zero, 0, 255), weight, self.bias)

    class RoundedTable(torch.nn.Embedding):
        """A word table whose rows have `bits` a number; the exporter sees a plain one, which `pack_tables` packs the same way."""

        def __init__(self, plain: torch.nn.Embedding, bits: int) -> None:
            super().__init__(plain.num_embeddings, plain.embedding_dim, plain.padding_idx)
            self.weight, self.bits = plain.weight, bits

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            """Return (batch, tokens, hidden) of ids (batch, tokens)."""
            words = super().forward(ids)
            if torch.compiler.is_exporting():
                return words
            plain = words.detach()
            table = plain.reshape(-1, plain.shape[-1]).float().cpu().numpy()
            near = torch.from_numpy(_unpacked(table, self.bits)).to(plain).reshape(plain.shape)
            return words + (near - plain)  # the gradient goes straight through

    return {"RoundedLinear": RoundedLinear, "RoundedTable": RoundedTable}


def _unpacked(table: np.ndarray[Any, Any], bits: int) -> np.ndarray[Any, Any]:
    """Return float32 rows as their packed form stands for them."""
    import numpy as np

    if bits == 8:
        packed, scales = rows_in_8_bits(table)
        return packed * scales
    packed, scales = rows_in_4_bits(table)
    near: np.ndarray[Any, Any] = (np.concatenate([packed & 15, packed >> 4], axis=1) - np.float32(7.5)) * scales
    return near
