"""The step `export`: a trained model becomes a portable one, and only when it answers like its source."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance import device, engine
from appliance.engine.on_onnx import saturates
from appliance.engine.on_torch import load_network
from appliance.engine.plan import read_plan, write_plan
from appliance.engine.texts import Reader
from appliance.errors import NotFoundError
from appliance.export.latency import SHAPES, latency, latency_ratio
from appliance.export.parity import (
    Parity,
    check_agreement,
    check_company,
    check_drop,
    check_exact,
    differ_in_company,
    parity,
    sample,
)
from appliance.export.to_int8 import Kind, to_int8
from appliance.export.to_onnx import to_onnx
from appliance.export.to_tensorrt import to_tensorrt
from appliance.schema import Dataset, Model, Record
from appliance.settings import ExportSettings
from appliance.store import Store
from appliance.words import _

_EXACT_ROWS = 64  # an fp32 export differs by rounding alone: a few rows show it
# Memory: libraries, and how often the weights are held at once (measured: 1.3 and 4.2 GB).
_BASE_BYTES, _COPIES = 10**9, 8
_SMOOTHING_ROWS = 128  # rows that show how large activations become


def export(store: Store, model: Model, settings: ExportSettings, dataset: Dataset | None = None) -> Model:
    """Export `model`, or the torch model it comes from, as `settings.format`; return the child of the same name.

    Parity is checked on rows of `dataset`, by default the data set that the model was trained on: validation rows,
    then training rows. Raises `PolicyError` when the export answers otherwise than its source, `NotFoundError` when
    there is no data set or no torch model left, `MissingPartError` without the extra `export`.
    """
    source = source_of(store, model)
    rows = _rows(store, dataset or trained_on(store, source), settings.parity_rows)
    texts, labels = [row.text for row in rows], [row.label for row in rows]
    meta = {key: source.meta[key] for key in ("task", "labels", "base", "languages", "method") if key in source.meta}
    with store.draft("model", source.name, parents=(source.id,), meta=meta) as draft:
        draft.verb = "export"
        found, gain = export_folder(source.folder, draft.folder, settings, texts, labels)
        draft.meta |= {"format": settings.format, "parity": found.as_dict(), "size_bytes": size_bytes(draft.folder)}
        draft.meta |= gain
        draft.beside |= set(_write_cards(source, draft.folder, draft.meta))
    exported: Model = draft.artifact
    return exported


def export_folder(
    source: Path, target: Path, settings: ExportSettings, texts: list[str], labels: Sequence[str | None] = ()
) -> tuple[Parity, dict[str, Any]]:
    """Export the torch model folder `source` into the folder `target` and hold the result against it on `texts`, whose `labels` are the true ones.

    `target` ends with `model.json`, `tokenizer.json` and `model.onnx`, nothing else. Returns the parity and, for int8,
    what it gains over fp32 on this machine (see `_gain`). Raises `PolicyError` as `export`, `HardwareError` without
    the memory for it.
    """
    plan = replace(read_plan(source), format="onnx")
    weights = source / "model.safetensors"
    needed = _BASE_BYTES + _COPIES * (weights.stat().st_size if weights.exists() else 0)
    device.require_memory(needed, _("export"))
    write_plan(target, plan)
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    to_onnx(load_network(source, len(plan.labels)), target / "model.onnx", settings.opset)
    reference = engine.load(source)
    float_engine, float_bytes = engine.load(target), size_bytes(target)
    exact = parity(reference, float_engine, texts[:_EXACT_ROWS])
    check_exact(exact, settings.max_logit_difference)
    if settings.format == "onnx":
        return exact, {}
    plan = replace(plan, format=settings.format, reduce_range=settings.format != "tensorrt" and _reduce_range(settings))
    (target / "model.onnx").rename(target / "exact.onnx")
    reader = Reader(target, plan)
    rows = [reader.read(text)[0] for text in texts[:_SMOOTHING_ROWS]]
    exact_file, file, method = target / "exact.onnx", target / "model.onnx", settings.calibration
    if settings.format == "tensorrt":
        to_tensorrt(exact_file, file, rows, plan.max_tokens, settings.tensorrt_precision, method)
    else:
        kind: Kind = "dynamic" if settings.format == "onnx-int8" else "static"
        to_int8(exact_file, file, plan.reduce_range, rows, plan.max_tokens, kind, method=method)
    (target / "exact.onnx").unlink()
    write_plan(target, plan)
    small = engine.load(target)
    found = parity(reference, small, texts, labels)
    check_agreement(found, settings.min_agreement)
    check_drop(found, settings.max_drop)
    if settings.format == "onnx-int8-static":
        assert isinstance(small, engine.Network)
        check_company(differ_in_company(small, rows), len(rows))
    return found, _gain(float_engine, small, float_bytes, size_bytes(target))


def _gain(float_engine: engine.Engine, small: engine.Engine, float_bytes: int, small_bytes: int) -> dict[str, Any]:
    """Return `size_ratio` and `latency_ratio` of fp32 over int8, and the milliseconds of both at each (batch x tokens)."""
    times = latency({"fp32": float_engine, "int8": small})
    milliseconds = {
        f"{batch}x{tokens}": {name: round(times[name][batch, tokens], 2) for name in times} for batch, tokens in SHAPES
    }
    return {
        "float_bytes": float_bytes,
        "size_ratio": round(float_bytes / small_bytes, 2),
        "latency_ratio": round(latency_ratio(times["fp32"], times["int8"]), 2),
        "latency_ms": milliseconds,
    }


def size_bytes(folder: Path) -> int:
    """Return the bytes of all that a server loads of a model folder: plan, tokenizer, weights."""
    loaded = ("model.json", "tokenizer.json", "model.onnx", "config.json", "model.safetensors")
    return sum((folder / name).stat().st_size for name in loaded if (folder / name).exists())


def _write_cards(source: Model, folder: Path, meta: dict[str, Any]) -> tuple[str, ...]:
    """Write the parity and the source's card, with a word about the export, beside the model; return the files' names."""
    told = {key: meta[key] for key in ("format", "parity", "size_bytes")}
    (folder / "parity.json").write_text(json.dumps(told["parity"], indent=1) + "\n", "utf-8")
    card, page = source.folder / "card.json", source.folder / "card.md"
    content = json.loads(card.read_bytes()) if card.exists() else {}
    content["export"] = told | {"source": source.reference, "hardware": device.describe()}
    (folder / "card.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    line = _(
        "Exported as {format}, {bytes} bytes: the same label as its source on {agreement:.1%} of {rows} real rows.",
        format=told["format"],
        bytes=told["size_bytes"],
        **told["parity"],
    )
    before = page.read_text("utf-8") + "\n" if page.exists() else ""
    (folder / "card.md").write_text(before + line + "\n", "utf-8")
    return "parity.json", "card.json", "card.md"


def _reduce_range(settings: ExportSettings) -> bool:
    if settings.reduce_range == "auto":
        return saturates(platform.machine(), device.cpu()[1])
    return settings.reduce_range == "on"


def source_of(store: Store, model: Model) -> Model:
    """Walk up from an exported model to the torch model it came from."""
    known: dict[str, Model] = {item.id: item for item in store.artifacts("model")}
    waiting: list[Any] = [model.id]
    while waiting:
        found = known.get(waiting.pop())
        if found and found.format == "torch":
            return found
        waiting += found.parents if found else ()
    raise NotFoundError(
        _("`{model}` is no trained model and comes from none that is still there; train again", model=model.reference)
    )


def trained_on(store: Store, model: Model) -> Dataset:
    """Return the data set that a trained model learned from. Raises `NotFoundError` when it is gone."""
    for dataset in store.artifacts("dataset"):
        if dataset.id in model.parents:
            found: Dataset = dataset
            return found
    raise NotFoundError(
        _("the data set of `{model}` is gone; name one whose rows the export can be checked on", model=model.reference)
    )


def _rows(store: Store, dataset: Dataset, count: int) -> list[Record]:
    rows: list[Record] = []
    for split in ("validation", "train"):
        rows += sample(store.records(dataset, split), count - len(rows))
    rows = rows or sample(store.records(dataset), count)
    if not rows:
        raise NotFoundError(_("`{dataset}` has no rows to check the export on", dataset=dataset.reference))
    return rows
