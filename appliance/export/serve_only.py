"""The way out for a model: a signed folder without torch, for another machine. No data travels with it."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.engine.plan import files_of
from appliance.errors import InputError, NotFoundError, PolicyError
from appliance.files import fsync_path
from appliance.keys import key_folder
from appliance.schema import Artifact, Model
from appliance.signature import sign_folder
from appliance.store import Store
from appliance.words import _

_CARDS, _ABOUT = ("card.json", "card.md", "parity.json"), "about.json"
_SCRUB = "scrub.json"
_TOLD = (
    "format",
    "task",
    "labels",
    "base",
    "languages",
    "method",
    "parity",
    "size_bytes",
    "float_bytes",
    "size_ratio",
    "compressed",
)
_COUNTS = ("rows", "held_back", "findings")
_REPORT = (*_COUNTS, "held_back_reasons", "touched", "rules", "languages", "splits", "policy", "docs_per_s")


def serve_only(store: Store, model: Model, out: Path) -> dict[str, Any]:
    """Write `model`, or its newest ONNX export, to the folder `out` with its card and the report of the scrub behind it, signed by the appliance.

    Raises `NotFoundError` when it has no export, `PolicyError` for a model into which text went that was not scrubbed,
    `InputError` when something lies in `out` already.
    """
    portable = portable_of(store, model)
    require_scrubbed(store, portable)
    if out.exists():
        raise InputError(_("`{folder}` is there already; name a new folder", folder=out))
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    unfinished.mkdir()
    try:
        about = _write(store, portable, unfinished)
        keys = key_folder(store.home, store.settings.store.key_folder)
        header = {"format": "skerry-model", "product": f"skerry {__version__}", "model": portable.reference}
        signer = sign_folder(unfinished, keys, header)
        for path in (*unfinished.iterdir(), unfinished):
            fsync_path(path)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    store.event("export", (portable.id,), format="serve-only", signer=signer)
    return {
        "model": portable.reference,
        "format": "serve-only",
        "path": str(out),
        "parity": portable.meta.get("parity"),
        "scrub": about["scrub"],
        "signer": signer,
    }


def portable_of(store: Store, model: Model) -> Model:
    """Return the model itself when it is a portable one, else the newest that was exported from it; what `compress` made of it answers otherwise.

    Raises `NotFoundError` when it has no export.
    """
    if model.format != "torch":
        return model
    for found in reversed(store.artifacts("model")):
        if model.id in found.parents and found.format != "torch" and "compressed" not in found.meta:
            exported: Model = found
            return exported
    raise NotFoundError(
        _(
            "`{model}` has not been exported; first run `skerry export {model} --format onnx-int8`",
            model=model.reference,
        )
    )


def require_scrubbed(store: Store, model: Artifact) -> None:
    """Raise `PolicyError` for a model or data set into which text went that was not scrubbed."""
    raw = [item.reference for item in ancestors(store, model, behind_scrub=False) if item.meta.get("stage") == "raw"]
    if raw:
        raise PolicyError(
            _(
                "`{model}` was made from `{dataset}` without a scrub in between, so it stays here; run `skerry scrub`, then curate and train again",
                model=model.reference,
                dataset=raw[0],
            )
        )


def _write(store: Store, model: Model, folder: Path) -> dict[str, Any]:
    parts = files_of(model.format)
    for name in (*parts, *_CARDS):
        if name in parts or (model.folder / name).exists():
            shutil.copyfile(model.folder / name, folder / name)
    scrubs = [item for item in ancestors(store, model) if item.meta.get("stage") == "scrubbed"]
    about = {
        "name": model.name,
        "id": model.id,
        "made": model.created,
        "meta": {key: model.meta[key] for key in _TOLD if key in model.meta},
        "scrub": [_counts(item, _COUNTS) for item in scrubs],
    }
    report = {"scrubbed": [_counts(item, _REPORT) | {"made": item.created} for item in scrubs]}
    for name, content in ((_ABOUT, about), (_SCRUB, report)):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return about


def _counts(dataset: Artifact, told: tuple[str, ...]) -> dict[str, Any]:
    return {"dataset": dataset.reference} | {key: dataset.meta[key] for key in told if key in dataset.meta}


def ancestors(store: Store, model: Artifact, behind_scrub: bool = True) -> list[Artifact]:
    """List all that the model was made from, erased data sets too: their counts remain. `behind_scrub`: also what a scrub was made from."""
    known: dict[str, Artifact] = {item.id: item for item in store.artifacts(erased=True)}
    found: dict[str, Artifact] = {}
    waiting = list(model.parents)
    while waiting:
        identity = waiting.pop()
        if identity in known and identity not in found:
            found[identity] = known[identity]
            if behind_scrub or known[identity].meta.get("stage") != "scrubbed":
                waiting += known[identity].parents
    return list(found.values())
