"""The last cut: a torch model folder becomes an ONNX folder whose weights and tables take 8 or 4 bits a number."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from appliance.engine.on_torch import load_network
from appliance.engine.plan import read_plan, write_plan
from appliance.export.to_int8 import FORMATS, Kind, to_int8
from appliance.export.to_onnx import to_onnx

_OPSET = 20


def quantize(
    folder: Path,
    target: Path,
    kind: Kind,
    rows: Sequence[Sequence[int]],
    table_bits: int = 8,
    reduce_range: bool = False,
) -> None:
    """Write the torch model in `folder` into the folder `target` as `kind` of `to_int8`: `model.json`, `tokenizer.json`, `model.onnx`, nothing else.

    `rows` are token ids of real texts (128 are enough), by which activations are smoothed and scaled. The embedding
    table takes `table_bits` (8 or 4) a number. `reduce_range` is for CPUs that `engine.on_onnx.saturates` names. Nothing
    is checked here: the answers may differ from those of `folder`.
    """
    plan = read_plan(folder)
    target.mkdir(parents=True, exist_ok=True)
    exact = target / "exact.onnx"
    to_onnx(load_network(folder, len(plan.labels)), exact, _OPSET)
    to_int8(exact, target / "model.onnx", reduce_range, rows, plan.max_tokens, kind, table_bits)
    exact.unlink()
    shutil.copyfile(folder / "tokenizer.json", target / "tokenizer.json")
    write_plan(target, replace(plan, format=FORMATS[kind], reduce_range=reduce_range))
