"""The way in for a model that another Skerry signed (`skerry export --format serve-only`, `skerry egress`): ONNX or n-grams and JSON alone, no torch."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance import engine
from appliance.egress.package import unpack
from appliance.engine.plan import files_of
from appliance.errors import InputError, IntegrityError, PolicyError
from appliance.schema import Model
from appliance.signature import check_folder
from appliance.store import Store
from appliance.words import _

__all__ = ["load"]

_ABOUT = "about.json"
_BESIDE = {_ABOUT, "card.json", "card.md", "data.json", "data.md", "parity.json", "scrub.json"}
_BLOCK_BYTES = 1024**2


def load(store: Store, folder: Path, signer: str, name: str | None = None) -> dict[str, Any]:
    """Register the signed model in `folder` so that it can be promoted and served; it keeps its id, and its name unless `name` is given.

    `signer` is the fingerprint of the appliance that made it (`skerry doctor` there). Raises `IntegrityError` for another signer
    or changed, missing and extra files, `PolicyError` for files that are no part of an ONNX or n-gram model or its card, `InputError` for a model
    that does not run. `folder` may also be the file that `skerry egress` wrote.
    """
    if folder.is_file():
        with _opened(store, folder) as inside:
            return load(store, inside, signer, name)
    fingerprint, files = check_folder(folder, signer)
    wanted = set(files_of("ngrams" if "model.safetensors" in files else "onnx"))
    for file in sorted(files.keys() - wanted - _BESIDE):
        raise PolicyError(
            _("`{path}` is no part of an ONNX or n-gram model; only those are taken in", path=folder / file)
        )
    for file in sorted((wanted | {_ABOUT}) - files.keys()):
        raise InputError(_("`{folder}` lacks `{file}`; have it exported again", folder=folder, file=file))
    about = _about((folder / _ABOUT).read_bytes(), files[_ABOUT])
    with store.draft("model", name or about["name"], meta=about["meta"]) as draft:
        draft.verb = "load"
        draft.beside |= _BESIDE
        for file, digest in files.items():
            _copy(folder / file, draft.folder / file, digest)
            _require_text(draft.folder / file)
        plan = engine.read_plan(draft.folder)
        if plan.format == "torch":
            raise PolicyError(
                _("`{path}` is a torch model; a serving machine takes ONNX and n-grams", path=folder / "model.json")
            )
        draft.meta |= {"format": plan.format, "signer": fingerprint}
        engine.load(draft.folder)
    model: Model = draft.artifact
    return {
        "model": model.reference,
        "format": model.format,
        "scrub": about["scrub"],
        "path": str(model.folder),
    }


@contextmanager
def _opened(store: Store, file: Path) -> Iterator[Path]:
    place = store.scratch("load") / uuid.uuid4().hex
    try:
        unpack(file, place)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copy a file and hash what was copied: the folder may change between two looks."""
    found = hashlib.sha256()
    with source.open("rb") as read, target.open("xb") as written:
        while block := read.read(_BLOCK_BYTES):
            found.update(block)
            written.write(block)
    if found.hexdigest() != digest:
        raise IntegrityError(_("`{path}` is not what was signed; have it carried over again", path=source))


def _about(content: bytes, digest: str) -> dict[str, Any]:
    if hashlib.sha256(content).hexdigest() != digest:
        raise IntegrityError(_("`{path}` is not what was signed; have it carried over again", path=_ABOUT))
    try:
        about: dict[str, Any] = json.loads(content)
        return {"name": str(about["name"]), "meta": dict(about["meta"]), "scrub": list(about["scrub"])}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(_("cannot read `{path}`; have the model exported again", path=_ABOUT)) from error


def _require_text(path: Path) -> None:
    """Raise `InputError` for a JSON file that is none and a page that is no text; weights are looked into when they are loaded."""
    if path.suffix in (".onnx", ".safetensors"):
        return
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(_("cannot read `{path}`; have the model exported again", path=path.name)) from error
