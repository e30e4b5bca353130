"""Dynamic int8: weights as 8-bit integers a channel each, activations quantised while the model runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.export.smooth import smooth
from appliance.export.to_onnx import write_plainly

# Gather is the embedding: half of a small model, most of a multilingual one.
_TYPES = ["MatMul", "Gather"]


def to_int8(source: Path, target: Path, reduce_range: bool, rows: Sequence[Sequence[int]]) -> None:
    """Quantise the fp32 ONNX file `source` into `target`: symmetric int8 weights, per channel, activations uint8 at run time.

    `rows` (token ids of real texts, at least one) show how large activations become, see `smooth`. `reduce_range` keeps
    the weights to 7 bits, for CPUs that `saturates` names. The quantiser's own files lie in the folder of `target`,
    nowhere else.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(source)
    smooth(model, rows)
    # The quantiser advises a preparation that `to_onnx` makes needless; this is its own sign for "prepared".
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    prepared = target.with_name(f"{target.stem}-prepared.onnx")
    onnx.save(model, prepared)
    del model
    quantize_dynamic(
        prepared,
        target,
        op_types_to_quantize=_TYPES,
        per_channel=True,
        reduce_range=reduce_range,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    quantised = onnx.load(target)
    quantised.producer_name, quantised.producer_version = "skerry", ""
    write_plainly(quantised, target)
