"""A tiny n-gram model, written with numpy alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from appliance.engine.on_ngrams import Pieces, pack
from appliance.engine.plan import Plan, write_plan
from appliance.schema import Model
from appliance.store import Store

LABELS = ("card", "transfer", "账户")
PIECES = Pieces(shortest=2, longest=4, words=2, rows_log2=10, max_characters=200)


def write_ngrams(folder: Path, bits: int = 4, pieces: Pieces = PIECES) -> Path:
    """Write an n-gram model with random weights into `folder`; returns `folder`."""
    random = np.random.default_rng(0)
    most = 2 ** (bits - 1) - 1
    table = random.integers(-most, most + 1, (pieces.rows, 8)).astype(np.int8)
    tensors = {
        "table": table if bits == 8 else pack(table),
        "head": random.integers(-(2**15), 2**15, (len(LABELS), 8)).astype(np.int16),
        "scale": np.full(len(LABELS), 1e-6, np.float32),
        "bias": random.normal(size=len(LABELS)).astype(np.float32),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(asdict(pieces)), "utf-8")
    write_plan(folder, Plan("ngrams", "classify", LABELS, 32, "", "tiny", ("en", "zh")))
    return folder


def add_ngrams(store: Store, name: str = "triage") -> Model:
    """Register a tiny n-gram model in the store."""
    with store.draft("model", name, meta={"format": "ngrams"}) as draft:
        write_ngrams(draft.folder)
    model: Model = draft.artifact
    return model
