"""The models of a bundle, each as a folder that `skerry base` laid out: safetensors, tokenizer and config, never a pickle."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.errors import InputError, IntegrityError, MissingPartError, UsageError
from bundle.manifest import files_below
from bundle.words import _, tell

Json = dict[str, Any]

HUB = "hub:"
_HUB_NAME = re.compile(r"hub:([A-Za-z0-9][A-Za-z0-9_.-]{0,95})/([A-Za-z0-9][A-Za-z0-9_.-]{0,95})@([0-9a-f]{40})")
_WANTED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json", "LICENSE")


@dataclass(frozen=True)
class Model:
    """A model of the bundle: its folder, what its `base.json` says, where it came from."""

    name: str
    folder: Path
    about: Json
    source: str


def models(names: Collection[str], target: Path, cache: Path) -> list[Model]:
    """Lay the named models into `target`, one folder each, and return them sorted by name.

    A name is one of `bundle/models.toml`, or `hub:owner/name@commit`. Raises `UsageError` for a name that is neither,
    `MissingPartError` for a model that cannot be had, `InputError` for one that is no encoder in safetensors.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = [_from_hub(name, cache) if name.startswith(HUB) else _pinned(name, cache) for name in sorted(names)]
    for one in found:
        shutil.copytree(one.folder, target / one.name, ignore=shutil.ignore_patterns(".*"))
    return sorted((_laid(one, target / one.name) for one in found), key=lambda one: one.name)


def _laid(model: Model, folder: Path) -> Model:
    found = {path: digest for path, digest in files_below(folder).items() if path != "base.json"}
    if found != model.about["files"]:
        raise IntegrityError(
            _("`{folder}` is not what its `base.json` says; remove it and build again", folder=model.folder)
        )
    return Model(model.name, folder, model.about, model.source)


def _pinned(name: str, cache: Path) -> Model:
    tell(_("bringing the model `{name}`", name=name))
    _skerry(["base", "fetch", name], cache)
    return Model(name, cache / name, _about(cache / name), f"bundle/models.toml#{name}")


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
    return Model(local, cache / local, _about(cache / local), name)


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
