"""The frozen embeddings of a data set: made once, kept as half floats, mapped into memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.base.choose import choose, han_share
from appliance.base.folder import find, read_base_json, verify
from appliance.base.safetensors_file import writing_to
from appliance.engine import on_torch
from appliance.engine.plan import Plan, files_of, read_plan
from appliance.engine.texts import Reader
from appliance.errors import PolicyError, SettingsError
from appliance.files import file_sha256, locked, write_durably
from appliance.jobs import progress
from appliance.schema import Dataset
from appliance.store import Store
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["CACHE", "embed", "embed_texts"]

CACHE = "label"  # the folder of `work/` that holds the embeddings
_CHUNK_ROWS = 2_000  # a killed run goes on behind the last whole chunk
_HAN_ROWS = 2_000  # so many records tell whether a data set is Chinese


def embed(store: Store, dataset: Dataset, model: Path | None = None) -> np.ndarray[Any, Any]:
    """Return the embeddings of a data set's records in their order: float16 (rows, width), each of length 1, read from disk as they are used.

    They come from the encoder of a torch `model` folder, else from the base model that the settings or the language of the data set name, and are made once for
    each data set and encoder. A run that was killed goes on. Raises `PolicyError` for a raw data set, `MissingPartError` without the base model or torch,
    `IntegrityError` for a base model that was changed, `HardwareError` for too little room.
    """
    import numpy as np

    if dataset.stage == "raw":
        raise PolicyError(
            _("`{dataset}` is raw: people label scrubbed records only; first run `skerry scrub {dataset}`", dataset=dataset.reference)
        )  # fmt: skip
    encoder = _encoder(store, dataset, model)
    folder = store.scratch(CACHE, f"{dataset.id[:16]}-{encoder.key[:16]}")
    path = folder / "embeddings.npy"
    with locked(folder / "lock"), writing_to(folder):
        if _done(folder) < dataset.rows or not path.exists():
            store.require_room()
            encoder.check()
            _write(path, (record.text for record in store.records(dataset)), dataset.rows, encoder)
    os.utime(folder)  # what is used is not pruned
    kept: np.ndarray[Any, Any] = np.load(path, mmap_mode="r")
    return kept


def embed_texts(
    store: Store, dataset: Dataset, texts: Sequence[str], model: Path | None = None
) -> np.ndarray[Any, Any]:
    """Embed other texts as `embed` does a data set's: float16 (texts, width)."""
    import numpy as np

    encoder = _encoder(store, dataset, model)
    encoder.check()
    return encoder.load()(texts).astype(np.float16)


@dataclass(frozen=True, slots=True)
class _Encoder:
    """An encoder on disk: its folder, the plan it reads texts by, the hash of what embeddings depend on."""

    folder: Path
    plan: Plan
    key: str
    is_base: bool
    threads: int

    def check(self) -> None:
        """Raise `IntegrityError` when a base model is not what it says."""
        if self.is_base:
            verify(self.folder)

    def load(self) -> Callable[[Sequence[str]], np.ndarray[Any, Any]]:
        """Return a function that embeds texts: float32 (texts, width)."""
        on_torch.import_torch()
        import torch

        torch.set_num_threads(self.threads)
        network = self._network().to("cuda" if torch.cuda.is_available() else "cpu")
        reader = Reader(self.folder, self.plan)

        def embedded(texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return on_torch.in_batches(on_torch.embeddings, network, [reader.read(text)[0] for text in texts])

        return embedded

    def _network(self) -> torch.nn.ModuleDict:
        if self.is_base:
            return on_torch.network(on_torch.load_encoder(self.folder), 1)
        return on_torch.load_network(self.folder, len(self.plan.labels))


def _encoder(store: Store, dataset: Dataset, model: Path | None) -> _Encoder:
    settings = store.settings.train
    threads = device.threads(settings.threads)
    if model is not None:
        plan = read_plan(model)
        if plan.format != "torch":
            raise SettingsError(
                _("`{model}` has the format {format}; embeddings come from torch models", model=model.name, format=plan.format)
            )  # fmt: skip
        hashes = [file_sha256(model / name) for name in files_of(plan.format)]
        return _Encoder(model, plan, _key(hashes), False, threads)
    name = settings.base
    if name == "auto":
        name, _why = choose(han_share(record.text for record in islice(store.records(dataset), _HAN_ROWS)))
    base = find(store.settings.bases, store.home, name)
    about = read_base_json(base)
    if about["kind"] != "encoder":
        raise SettingsError(_("base model `{name}` is no encoder; see `skerry base list`", name=about["name"]))
    positions = int(json.loads((base / "config.json").read_bytes())["max_position_embeddings"])
    plan = Plan("torch", "classify", ("label",), min(settings.max_tokens, positions), about["prefix"], about["name"], tuple(about["languages"]))  # fmt: skip
    return _Encoder(base, plan, _key([about["sha256"], plan.max_tokens]), True, threads)


def _key(content: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _done(folder: Path) -> int:
    try:
        return int(json.loads((folder / "done.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return 0


def _write(path: Path, texts: Iterator[str], rows: int, encoder: _Encoder) -> None:
    # A .npy file that grows: its header tells the full shape from the start, `done.json` how many rows are on the disk for good.
    import numpy as np

    done, embedded = _done(path.parent) if path.exists() else 0, encoder.load()
    with path.open("r+b" if done else "wb") as file:
        if done:
            np.lib.format.read_magic(file)
            shape, _order, _kind = np.lib.format.read_array_header_1_0(file)
            file.truncate(file.seek(done * shape[1] * 2, os.SEEK_CUR))
        texts = islice(texts, done, None)
        while chunk := list(islice(texts, _CHUNK_ROWS)):
            progress("embed", done, rows)
            vectors = embedded(chunk).astype(np.float16)
            if not done:
                header = {"descr": "<f2", "fortran_order": False, "shape": (rows, vectors.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(vectors.tobytes())
            file.flush()
            os.fsync(file.fileno())
            done += len(chunk)
            write_durably(path.with_name("done.json"), json.dumps(done).encode())
