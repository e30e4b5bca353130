"""Releases: a name that points at the model versions that answer under it.

The pointer is one small file, `projects/<project>/releases/<name>.json` in the home, replaced atomically. The server
reads these files and the model folders only, so it needs no database to start, and a crash leaves the old version or
the new one. A model is hashed again before a pointer turns to it.

A release has a live version, and may have a canary, which answers a share of the requests, and a shadow, which answers
copies that nobody sees. They stand in the file under `stages`; a Skerry that does not know them serves the live one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from appliance import engine
from appliance.approvals import Book, approvals, spend
from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.files import locked, write_durably
from appliance.schema import Model, Release
from appliance.words import _

STAGES = ("shadow", "canary", "live")
FIRST_PERCENT = 5  # of the requests, that a canary begins with
_MANIFEST = "manifest.json"
_VERSIONS_KEPT = 10  # earlier versions a release can roll back to


@dataclass(frozen=True, slots=True)
class Target:
    """One version as the pointer file keeps it: all that is needed to serve it again.

    `min_scores` holds the labels that have a limit of their own; `min_score` is that of all others.
    """

    version: str
    folder: str  # relative to the home
    manifest_sha256: str
    min_score: float
    changed: str
    min_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The content of one pointer file: the version that serves, the ones before it, newest last, and those on trial."""

    name: str
    project: str
    target: Target
    history: tuple[Target, ...] = ()
    canary: Target | None = None
    percent: int = 0  # of the requests, that the canary answers
    shadow: Target | None = None

    @property
    def release(self) -> Release:
        """The release that this pointer stands for, as its live version."""
        return Release(
            name=self.name,
            project=self.project,
            version=self.target.version,
            stage="live",
            changed=self.target.changed,
            previous=tuple(earlier.version for earlier in self.history),
            min_score=self.target.min_score,
            min_scores=self.target.min_scores,
            canary=self.canary.version if self.canary else None,
            percent=self.percent,
            shadow=self.shadow.version if self.shadow else None,
        )


@dataclass(frozen=True, slots=True)
class Undone:
    """What a rollback did: the stage and the version that it ended, and the release as it is now."""

    release: Release
    stage: str
    version: str


def promote(
    store: Book,
    model: Model,
    name: str,
    to: str = "live",
    min_score: float = 0.0,
    min_scores: Mapping[str, float] | None = None,
    percent: int = FIRST_PERCENT,
    needed: int = 0,
) -> Release:
    """Make `model` the live version of the release `name`, its canary (for `percent` of the requests) or its shadow.

    Done again, it changes nothing. Below `min_score` in [0, 1] the server abstains, below `min_scores[label]` where the
    answer has a limit of its own. `needed` people must have approved before a model goes live. Raises `SettingsError`
    for a bad name, stage, label or score, `PolicyError` for a torch model, one that `compress` refused and one that is
    not approved, `NotFoundError` for a trial beside no live version, `IntegrityError` when the model's bytes are not
    what its manifest says.
    """
    limits = dict(min_scores or {})
    _check(model, name, to, min_score, limits)
    with _changing(store, name) as current:
        if to != "live" and current is None:
            raise NotFoundError(
                _(
                    "release `{name}` has no live version to try another beside; first promote one `--to live`",
                    name=name,
                )
            )
        there = _at(current, to)
        wanted = (model.id, min_score, limits)
        if current and there and (there.version, there.min_score, there.min_scores) == wanted:
            return current.release
        if current and to != "live" and current.target.version == model.id:
            raise PolicyError(_("`{model}` is the live version of `{name}` already", model=model.reference, name=name))
        if to == "live":
            _require_approvals(store, approval_of(name, min_score, limits), name, model.id, needed)
        target = Target(
            version=model.id,
            folder=model.folder.relative_to(store.home).as_posix(),
            manifest_sha256=_manifest_sha256(model.folder),
            min_score=min_score,
            changed=store.now(),
            min_scores=limits,
        )
        verify(store.home, target)
        share = {"percent": percent} if to == "canary" else {}
        store.event("promote", (model.id,), release=name, stage=to, min_score=min_score, **share)
        if to == "live" and needed:
            spend(store, approval_of(name, min_score, limits), model.id)
        return _write(store, _promoted(store, current, name, target, to, percent))


def go_live(store: Book, name: str, version: str, needed: int = 0, **why: Any) -> bool:
    """Make the canary `version` live; False when it is the canary no more. Raises `PolicyError` without `needed` approvals."""

    def change(current: Pointer, canary: Target) -> Pointer:
        action = approval_of(name, canary.min_score, canary.min_scores)
        _require_approvals(store, action, name, version, needed)
        verify(store.home, canary)
        store.event("promote", (version,), release=name, stage="live", **why)
        if needed:
            spend(store, action, version)
        return _promoted(store, current, name, replace(canary, changed=store.now()), "live", 0)

    return _change_canary(store, name, version, change)


def advance(store: Book, name: str, version: str, percent: int, to_percent: int, **why: Any) -> bool:
    """Let the canary `version` answer `to_percent` of the requests instead of `percent`; False when that is how it is no more."""

    def change(current: Pointer, _canary: Target) -> Pointer | None:
        if current.percent != percent:
            return None
        store.event("advance", (version,), release=name, percent=to_percent, **why)
        return replace(current, percent=to_percent)

    return _change_canary(store, name, version, change)


def end_canary(store: Book, name: str, version: str, **why: Any) -> bool:
    """Take the canary `version` out of the traffic; False when it is the canary no more. `why` goes into the event."""

    def change(current: Pointer, _canary: Target) -> Pointer:
        store.event("rollback", (current.target.version, version), release=name, stage="canary", **why)
        return replace(current, canary=None, percent=0)

    return _change_canary(store, name, version, change)


def rollback(store: Book, name: str, stage: str | None = None) -> Undone:
    """Undo the last step of the release `name`: end its canary, else its shadow, else go back one live version.

    `stage` chooses what to undo. Raises `NotFoundError` when there is no such release or nothing to undo,
    `IntegrityError` when the earlier model's bytes have changed or are gone, `SettingsError` for an unknown stage.
    """
    from appliance.store import check_name

    check_name(name)
    with _changing(store, name) as current:
        if current is None:
            raise _no_release(store, name)
        chosen = stage or ("canary" if current.canary else "shadow" if current.shadow else "live")
        ended = _at(current, chosen)
        if chosen not in STAGES:
            raise SettingsError(_("cannot roll back `{stage}`; choose shadow, canary or live", stage=chosen))
        if ended is None:
            raise NotFoundError(_("release `{name}` has no {stage} version", name=name, stage=chosen))
        if chosen != "live":
            ending: dict[str, Any] = {"canary": None, "percent": 0} if chosen == "canary" else {"shadow": None}
            store.event("rollback", (current.target.version, ended.version), release=name, stage=chosen)
            return Undone(_write(store, replace(current, **ending)), chosen, ended.version)
        if not current.history:
            raise NotFoundError(_("release `{name}` has no earlier version to go back to", name=name))
        target = replace(current.history[-1], changed=store.now())
        verify(store.home, target)
        store.event("rollback", (target.version, ended.version), release=name, stage="live")
        back = replace(current, target=target, history=current.history[:-1])
        return Undone(_write(store, back), "live", ended.version)


def _check(model: Model, name: str, to: str, min_score: float, min_scores: Mapping[str, float]) -> None:
    from appliance.store import check_name

    check_name(name)
    if to not in STAGES:
        raise SettingsError(_("cannot promote to `{stage}`; choose shadow, canary or live", stage=to))
    for value in (min_score, *min_scores.values()):
        if not 0 <= value <= 1:
            raise SettingsError(_("`min_score` is {value}; give a number from 0 to 1", value=value))
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
    if min_scores and (unknown := set(min_scores).difference(engine.read_plan(model.folder).labels)):
        raise SettingsError(
            _("`{model}` has no label `{label}`; see `skerry show`", model=model.reference, label=min(unknown))
        )


def _require_approvals(store: Book, action: str, name: str, version: str, needed: int) -> None:
    if needed < 1:
        return
    there = approvals(store, action, version, needed)
    if not there.enough:
        raise PolicyError(
            _(
                "`{model}` needs the approval of {needed} people to go live as `{name}` and has {count} ({owners}); "
                "each runs `skerry promote MODEL@{model} --release {name} --approve` with a key of their own and the same `--min-score`",
                model=version[:12],
                needed=needed,
                name=name,
                count=len(there.owners),
                owners=", ".join(there.owners) or _("nobody yet"),
            )
        )


def approval_of(name: str, min_score: float = 0.0, min_scores: Mapping[str, float] | None = None) -> str:
    """Return the action that people approve when a model goes live as the release `name`, with the scores below which it abstains (see `approvals`)."""
    limits = ({"": min_score} if min_score else {}) | dict(min_scores or {})
    told = json.dumps(limits, sort_keys=True, ensure_ascii=False)
    return f"promote {name}" + (f" min-score {told}" if limits else "")


def _at(pointer: Pointer | None, stage: str) -> Target | None:
    if pointer is None:
        return None
    return {"live": pointer.target, "canary": pointer.canary, "shadow": pointer.shadow}.get(stage)


def _promoted(store: Book, current: Pointer | None, name: str, target: Target, to: str, percent: int) -> Pointer:
    if current is None:
        return Pointer(name, store.project, target)
    if to == "canary":
        changed = replace(current, canary=target, percent=percent)
    elif to == "shadow":
        changed = replace(current, shadow=target)
    else:
        history = (*current.history, current.target)[-_VERSIONS_KEPT:]
        changed = replace(current, target=target, history=history)
    return _without_twins(changed, to)


def _without_twins(pointer: Pointer, to: str) -> Pointer:
    # A version that has gone on is on trial no more.
    version = getattr(_at(pointer, to), "version", None)
    if pointer.canary and to != "canary" and pointer.canary.version == version:
        pointer = replace(pointer, canary=None, percent=0)
    if pointer.shadow and to != "shadow" and pointer.shadow.version == version:
        pointer = replace(pointer, shadow=None)
    return pointer


def _change_canary(store: Book, name: str, version: str, change: Callable[[Pointer, Target], Pointer | None]) -> bool:
    with _changing(store, name) as current:
        if current is None or current.canary is None or current.canary.version != version:
            return False
        changed = change(current, current.canary)
        if changed is None:
            return False
        _write(store, changed)
        return True


def _no_release(store: Book, name: str) -> NotFoundError:
    names = ", ".join(f"`{release.name}`" for release in releases(store.home, store.project)) or _("none yet")
    return NotFoundError(
        _(
            "no release `{name}` in project `{project}`; there are: {names}",
            name=name,
            project=store.project,
            names=names,
        )
    )


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
        stages = content.get("stages", {})
        canary, shadow = (_target(stages[stage]) if stage in stages else None for stage in ("canary", "shadow"))
        percent = int(stages["canary"]["percent"]) if canary else 0
        return Pointer(content["name"], content["project"], _target(content), history, canary, percent, shadow)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            _("`{path}` is no readable release pointer; put back a backup, or remove it and promote again", path=path)
        ) from error


def _target(content: Mapping[str, Any]) -> Target:
    known = {field.name: content[field.name] for field in fields(Target) if field.name != "min_scores"}
    scores = content.get("min_scores")
    if scores is None:
        return Target(**known)
    return Target(**known | {"min_score": scores["others"], "min_scores": dict(scores["labels"])})


def _content(target: Target) -> dict[str, Any]:
    content = asdict(target)
    labels = content.pop("min_scores")
    if labels:
        # A Skerry that knows no limits of single labels holds all to the strictest one: it says less, never more.
        content["min_scores"] = {"others": target.min_score, "labels": labels}
        content["min_score"] = max(target.min_score, *labels.values())
    return content


def _write(store: Book, pointer: Pointer) -> Release:
    names = {"name": pointer.name, "project": pointer.project, "stage": "live"}
    content = names | _content(pointer.target) | {"history": [_content(earlier) for earlier in pointer.history]}
    stages: dict[str, Any] = {}
    if pointer.canary:
        stages["canary"] = _content(pointer.canary) | {"percent": pointer.percent}
    if pointer.shadow:
        stages["shadow"] = _content(pointer.shadow)
    if stages:
        content["stages"] = stages
    path = releases_folder(store.home, store.project) / f"{pointer.name}.json"
    write_durably(path, json.dumps(content, ensure_ascii=False, indent=1).encode())
    return pointer.release


@contextmanager
def _changing(store: Book, name: str) -> Iterator[Pointer | None]:
    # Two people who promote at the same moment do so one after the other.
    folder = releases_folder(store.home, store.project)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder / ".lock"):
        path = folder / f"{name}.json"
        yield _read(path) if path.exists() else None
