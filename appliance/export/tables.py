"""The embedding tables of an ONNX model in few bits: a scale for each row, and no position that no text reaches.

A row is a token. Its 8 bits go from -127 to 127; its 4 bits are the middles of 16 equal steps, two to a byte, and the
step is the one with the least squared error. The file unpacks the rows that a text needs with operators of the ONNX
standard (Gather, BitwiseAnd, BitShift, Concat, Cast, Mul).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from appliance.export.to_onnx import drop_unused, set_nodes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_EMBEDDINGS = "network.encoder.embeddings."
_TABLES = tuple(f"{_EMBEDDINGS}{kind}_embeddings.weight" for kind in ("word", "position", "token_type"))
# Shares of a row's largest value that 16 steps may span. The best for a normal law is 7.5 * 0.3352 deviations
# (Max 1960, table II), which is 0.8 to 0.9 of the largest of a few hundred values.
_SPANS = (0.6, 0.66, 0.72, 0.78, 0.84, 0.9, 0.96, 1.0)
_CHUNK_ROWS = 4096


def pack_tables(model: Any, max_tokens: int, bits: int) -> None:
    """Replace the embedding of an fp32 ONNX model that `to_onnx` wrote, in place.

    Words take `bits` (8 or 4) a number, positions 8; the first `max_tokens` positions stay, and the one token type that
    is ever asked for is added to them.
    """
    from onnx import numpy_helper

    tables = {
        item.name: numpy_helper.to_array(item) for item in model.graph.initializer if item.name in _TABLES
    }  # (tokens, hidden), (positions, hidden), (types, hidden)
    words, positions, types = (tables[name] for name in _TABLES)
    nodes = [*_words(model, words, bits), *_positions(model, positions[:max_tokens] + types[0])]
    first_norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
    first_norm.input[0] = "embedded"
    set_nodes(model, [*nodes, *model.graph.node])
    drop_unused(model)


def rows_in_8_bits(table: Array) -> tuple[Array, Array]:
    """Quantise float32 (rows, columns) by row: int8 of the same shape and scales (rows, 1) that fp16 can hold, the largest value of a row at 127."""
    import numpy as np

    scales = _halves(np.abs(table).max(axis=1, keepdims=True) / np.float32(127))
    return np.clip(np.rint(table / scales), -127, 127).astype(np.int8), scales


def _halves(scales: Array) -> Array:
    """Round float32 scales to what fp16 holds: the file keeps them so, in half the bytes."""
    import numpy as np

    rounded: Array = np.maximum(scales, np.finfo(np.float16).tiny).astype(np.float16).astype(np.float32)
    return rounded


def rows_in_4_bits(table: Array) -> tuple[Array, Array]:
    """Quantise float32 (rows, columns, an even number) by row: uint8 (rows, columns / 2) and scales (rows, 1) that fp16 can hold.

    The lower four bits hold the first half of the columns, the upper four the second; q stands for (q - 7.5) * scale.
    """
    import numpy as np

    codes, scales = zip(
        *(_chunk_in_4_bits(table[start : start + _CHUNK_ROWS]) for start in range(0, len(table), _CHUNK_ROWS)),
        strict=True,
    )
    levels = np.concatenate(codes)
    half = levels.shape[1] // 2
    return levels[:, :half] | levels[:, half:] << 4, np.concatenate(scales)


def _chunk_in_4_bits(table: Array) -> tuple[Array, Array]:
    import numpy as np

    largest = np.abs(table).max(axis=1, keepdims=True)
    candidates = [_halves(largest * np.float32(span / 7.5)) for span in _SPANS]
    errors = [((_middles(table, scale) - 7.5) * scale - table) ** 2 for scale in candidates]
    best = np.argmin([error.sum(axis=1) for error in errors], axis=0)  # (rows,)
    scales = np.stack(candidates)[best, np.arange(len(table))]  # (rows, 1)
    return _middles(table, scales).astype(np.uint8), scales


def _middles(table: Array, scales: Array) -> Array:
    import numpy as np

    levels: Array = np.clip(np.floor(table / scales) + 8, 0, 15)
    return levels


def _words(model: Any, table: Array, bits: int) -> Iterable[Any]:
    """Yield the nodes that look `input_ids` up: float32 `words` (batch, tokens, hidden)."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    packed, scales = rows_in_8_bits(table) if bits == 8 else rows_in_4_bits(table)
    constants = {"word_table": packed, "word_halves": scales.astype(np.float16)}
    if bits == 4:
        constants |= {"low_bits": np.array(15, np.uint8), "high_bits": np.array(4, np.uint8)}
        constants |= {"middle": np.array(7.5, np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    yield helper.make_node("Cast", ["word_halves"], ["word_scales"], to=TensorProto.FLOAT)  # once, when it is loaded
    yield helper.make_node("Gather", ["word_table", "input_ids"], ["word_bits"])
    yield helper.make_node("Gather", ["word_scales", "input_ids"], ["word_scale"])
    if bits == 4:
        yield helper.make_node("BitwiseAnd", ["word_bits", "low_bits"], ["low"])
        yield helper.make_node("BitShift", ["word_bits", "high_bits"], ["high"], direction="RIGHT")
        yield helper.make_node("Concat", ["low", "high"], ["levels"], axis=-1)
        yield helper.make_node("Cast", ["levels"], ["level_numbers"], to=TensorProto.FLOAT)
        yield helper.make_node("Sub", ["level_numbers", "middle"], ["word_numbers"])
    else:
        yield helper.make_node("Cast", ["word_bits"], ["word_numbers"], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", ["word_numbers", "word_scale"], ["words"])


def _positions(model: Any, table: Array) -> Iterable[Any]:
    """Yield the nodes that add the first rows of `table` to `words`: float32 `embedded` (batch, tokens, hidden)."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    packed, scales = rows_in_8_bits(table)
    constants = {"position_table": packed, "position_scales": scales, "first": np.array([0], np.int64)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    yield helper.make_node("Shape", ["input_ids"], ["tokens"], start=1, end=2)
    for part in ("table", "scales"):
        yield helper.make_node("Slice", [f"position_{part}", "first", "tokens", "first"], [f"seen_{part}"])
    yield helper.make_node("Cast", ["seen_table"], ["position_numbers"], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", ["position_numbers", "seen_scales"], ["positions"])
    yield helper.make_node("Add", ["words", "positions"], ["embedded"])
