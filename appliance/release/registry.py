"""Releases: a name that points at the model version that serves it.

The pointer is one small file, `projects/<project>/releases/<name>.json` in the home, replaced atomically. The server
reads these files and the model folders only, so it needs no database to start, and a crash leaves the old version or
the new one. A model is hashed again before a pointer turns to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.files import locked, write_durably
from appliance.schema import Model, Release
from appliance.words import _

if TYPE_CHECKING:
    from appliance.store import Store

_MANIFEST = "manifest.json"
_VERSIONS_KEPT = 10  # earlier versions a release can roll back to


@dataclass(frozen=True, slots=True)
class Target:
    """One version as the pointer file keeps it: all that is needed to serve it again."""

    version: str
    folder: str  # relative to the home
    manifest_sha256: str
    min_score: float
    changed: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """The content of one pointer file: the version that serves and the ones before it, newest last."""

    name: str
    project: str
    target: Target
    history: tuple[Target, ...] = ()

    @property
    def release(self) -> Release:
        """The release that this pointer stands for."""
        return Release(
            name=self.name,
            project=self.project,
            version=self.target.version,
            stage="live",
            changed=self.target.changed,
            previous=tuple(earlier.version for earlier in self.history),
            min_score=self.target.min_score,
        )


def promote(store: Store, model: Model, name: str, to: str = "live", min_score: float = 0.0) -> Release:
    """Make `model` the version that answers under the release `name`; done again, it changes nothing.

    `min_score` in [0, 1]: below it the server abstains. Raises `SettingsError` for a bad name, stage or score,
    `PolicyError` for a torch model and one that `compress` refused, `IntegrityError` when the model's bytes are not what its manifest says.
    """
    from appliance.store import check_name

    check_name(name)
    if to != "live":
        raise SettingsError(_("cannot promote to `{stage}`; the one stage is `live`", stage=to))
    if not 0 <= min_score <= 1:
        raise SettingsError(_("`min_score` is {value}; give a number from 0 to 1", value=min_score))
    if model.format == "torch":
        raise PolicyError(
            _(
                "`{model}` is a torch model, and the server never loads torch; first run "
                "`skerry export {model} --format onnx-int8` and promote what it makes",
                model=model.reference,
            )
        )
    if model.meta.get("compressed", {}).get("verdict") == "refused":
        raise PolicyError(
            _("`{model}` was refused: it loses more than `skerry compress` was allowed to lose", model=model.reference)
        )
    with _changing(store, name) as current:
        if current and (current.target.version, current.target.min_score) == (model.id, min_score):
            return current.release
        target = Target(
            version=model.id,
            folder=model.folder.relative_to(store.home).as_posix(),
            manifest_sha256=_manifest_sha256(model.folder),
            min_score=min_score,
            changed=store.now(),
        )
        verify(store.home, target)
        history = (*current.history, current.target)[-_VERSIONS_KEPT:] if current else ()
        store.event("promote", (model.id,), release=name, min_score=min_score)
        return _write(store, Pointer(name, store.project, target, history))


def rollback(store: Store, name: str) -> Release:
    """Point the release `name` at the version before. Called again, it goes one more back.

    Raises `NotFoundError` when there is no such release or nothing before it, `IntegrityError` when the earlier model's
    bytes have changed or are gone.
    """
    from appliance.store import check_name

    check_name(name)
    with _changing(store, name) as current:
        if current is None:
            names = ", ".join(f"`{release.name}`" for release in releases(store.home, store.project)) or _("none yet")
            raise NotFoundError(
                _(
                    "no release `{name}` in project `{project}`; there are: {names}",
                    name=name,
                    project=store.project,
                    names=names,
                )
            )
        if not current.history:
            raise NotFoundError(_("release `{name}` has no earlier version to go back to", name=name))
        target = replace(current.history[-1], changed=store.now())
        verify(store.home, target)
        store.event("rollback", (target.version, current.target.version), release=name)
        return _write(store, Pointer(name, store.project, target, current.history[:-1]))


def releases(home: Path, project: str) -> list[Release]:
    """List the releases of a project by name. Raises `IntegrityError` for a pointer file that cannot be read."""
    return [pointer.release for pointer in read_pointers(home, project)]


def read_pointers(home: Path, project: str) -> list[Pointer]:
    """Read every pointer of a project, by name. Raises `IntegrityError` for one that cannot be read."""
    return [_read(path) for path in sorted(releases_folder(home, project).glob("[!.]*.json"))]


def releases_folder(home: Path, project: str) -> Path:
    """Return where the pointer files of a project lie."""
    return home / "projects" / project / "releases"


def verify(home: Path, target: Target) -> Path:
    """Hash a version's files again and return its folder.

    Raises `IntegrityError` when the manifest is not the one the pointer names, or a file is missing, no regular file or
    not what the manifest says. Files that lie beside the content (cards, pictures) are not looked at.
    """
    folder = home / target.folder
    if _manifest_sha256(folder) != target.manifest_sha256:
        raise IntegrityError(
            _("`{path}` is not the manifest that was promoted; put back a backup or roll back", path=folder / _MANIFEST)
        )
    for file in json.loads((folder / _MANIFEST).read_bytes())["files"]:
        path = folder / file["path"]
        inside = not PurePosixPath(file["path"]).is_absolute() and ".." not in PurePosixPath(file["path"]).parts
        if not file["beside"] and (not inside or path.is_symlink() or _sha256(path) != file["sha256"]):
            raise IntegrityError(
                _("`{path}` is not the file that was promoted; put back a backup or roll back", path=path)
            )
    return folder


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _manifest_sha256(folder: Path) -> str:
    digest = _sha256(folder / _MANIFEST)
    if digest is None:
        raise IntegrityError(_("`{path}` cannot be read; put back a backup or roll back", path=folder / _MANIFEST))
    return digest


def _read(path: Path) -> Pointer:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        history = tuple(_target(earlier) for earlier in content["history"])
        return Pointer(content["name"], content["project"], _target(content), history)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            _("`{path}` is no readable release pointer; put back a backup, or remove it and promote again", path=path)
        ) from error


def _target(content: Mapping[str, Any]) -> Target:
    return Target(**{field.name: content[field.name] for field in fields(Target)})


def _write(store: Store, pointer: Pointer) -> Release:
    names = {"name": pointer.name, "project": pointer.project, "stage": "live"}
    content = names | asdict(pointer.target) | {"history": [asdict(earlier) for earlier in pointer.history]}
    path = releases_folder(store.home, store.project) / f"{pointer.name}.json"
    write_durably(path, json.dumps(content, ensure_ascii=False, indent=1).encode())
    return pointer.release


@contextmanager
def _changing(store: Store, name: str) -> Iterator[Pointer | None]:
    # Two people who promote at the same moment do so one after the other.
    folder = releases_folder(store.home, store.project)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder / ".lock"):
        path = folder / f"{name}.json"
        yield _read(path) if path.exists() else None
