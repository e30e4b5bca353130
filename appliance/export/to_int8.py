"""The three int8 artefacts. Weights have 8 bits and a scale for each channel in all of them; they differ in the activations.

`dynamic`: a scale is found while the model runs, for a text alone. `static`: uint8 by scales measured before, so that
texts may share a batch. `symmetric`: the same with int8 around zero and a plain embedding, which TensorRT asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from appliance.export.calibrate import Method
from appliance.export.qdq import quantise_statically
from appliance.export.smooth import smooth
from appliance.export.tables import pack_tables
from appliance.export.to_onnx import write_plainly

Kind = Literal["dynamic", "static", "symmetric"]
FORMATS: dict[Kind, str] = {"dynamic": "onnx-int8", "static": "onnx-int8-static", "symmetric": "tensorrt"}


def to_int8(
    source: Path,
    target: Path,
    reduce_range: bool,
    rows: Sequence[Sequence[int]],
    max_tokens: int,
    kind: Kind = "dynamic",
    table_bits: int = 8,
    method: Method = "error",
) -> None:
    """Quantise the fp32 ONNX file `source`, written by `to_onnx`, into `target`.

    Weights become symmetric int8, per channel; `reduce_range` keeps them to 7 bits, for CPUs that `saturates` names.
    `rows` (token ids of real texts, at least one) show how large activations become, see `smooth`. The embedding takes
    `table_bits` (8 or 4) a number and keeps `max_tokens` positions, see `pack_tables`. `method` measures the scales of
    activations (`ranges`). The quantiser's own files lie in the folder of `target`, nowhere else.
    """
    import onnx

    model = onnx.load(source)
    if kind != "symmetric":
        pack_tables(model, max_tokens, table_bits)
    smooth(model, rows)
    if kind == "dynamic":
        model = _dynamic(model, target, reduce_range)
    else:
        quantise_statically(model, rows, method, reduce_range, symmetric=kind == "symmetric")
    model.producer_name, model.producer_version = "skerry", ""
    write_plainly(model, target)


def _dynamic(model: Any, target: Path, reduce_range: bool) -> Any:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # The quantiser advises a preparation that `to_onnx` makes needless; this is its own sign for "prepared".
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    prepared = target.with_name(f"{target.stem}-prepared.onnx")
    onnx.save(model, prepared)
    quantize_dynamic(
        prepared,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=reduce_range,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    return onnx.load(target)
