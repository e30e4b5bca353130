"""Which loaded version answers a request.

All releases of a project are loaded and warmed: the live version of each, its canary, which answers a share of the
requests, and its shadow, which answers copies. Once a second the pointer files are looked at: a version that has been
promoted or rolled back to is loaded beside the one that serves and takes its place in one assignment; requests already
let in keep the version they were let in with. One that cannot be loaded leaves the old one serving.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, IntegrityError, NotFoundError
from appliance.files import content_id, locked, write_durably
from appliance.log import log
from appliance.monitor.prometheus import Metrics, VersionMetrics
from appliance.release.registry import Pointer, Target, read_pointers, releases_folder, verify
from appliance.schema import Prediction, Release
from appliance.serve.problems import Problem
from appliance.words import _

if TYPE_CHECKING:
    from appliance.serve.engine_process import Loaded

_KEY_FILE = "canary.key"
_FINEST = 10_000  # parts of the whole that a canary's share is told in


@dataclass(frozen=True, slots=True)
class Served:
    """One loaded and warmed version of a release, at one of its stages. `sha256` is of the bytes that were loaded.

    `drawn` is where in [0, 1) the draw between live version and canary has put who asks; None where there was no draw.
    """

    release: Release
    engine: Loaded
    min_score: float
    version: str  # the first 12 hex digits of the model's id
    metrics: VersionMetrics
    sha256: str = ""
    stage: str = "live"
    min_scores: Mapping[str, float] = field(default_factory=dict)
    drawn: float | None = None

    def abstain(self, prediction: Prediction) -> Prediction:
        """Return an answer without its label where its score lies below the label's limit."""
        if prediction.label is None:
            return prediction
        limit = self.min_scores.get(prediction.label, self.min_score)
        return replace(prediction, label=None) if prediction.score < limit else prediction


@dataclass(frozen=True, slots=True)
class Serving:
    """A release as it serves now. `broken` is the id of a canary that could not be loaded."""

    pointer: Pointer
    live: Served
    canary: Served | None = None
    shadow: Served | None = None
    broken: str | None = None

    @property
    def stages(self) -> list[Served]:
        """The versions that answer: live, then canary."""
        return [self.live, *([self.canary] if self.canary else [])]

    @property
    def loaded(self) -> dict[str, Served]:
        """All versions in memory, by the model's id."""
        return {served.release.version: served for served in (self.live, self.canary, self.shadow) if served}


class Router:
    """The releases of one project; `load` loads a model from its folder."""

    def __init__(
        self, home: Path, project: str, min_score: float, metrics: Metrics, load: Callable[[Path], Loaded]
    ) -> None:
        self._load_model = load
        self._home, self._project, self._min_score, self._metrics = home, project, min_score, metrics
        self._serving: dict[str, Serving] = {}
        self._failed: dict[str, Pointer] = {}
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._key = b""
        self.ready = False

    def load(self) -> None:
        """Load and warm every release.

        Raises `NotFoundError` when there is none, and whatever keeps a live one from being loaded: `IntegrityError`, `InputError`, `MissingPartError`.
        """
        self._seen = self._look()
        pointers = read_pointers(self._home, self._project)
        if not pointers:
            raise NotFoundError(
                _(
                    "project `{project}` has no release; run `skerry promote MODEL --to live --release NAME` first",
                    project=self._project,
                )
            )
        for pointer in pointers:
            self._turn(pointer)
        self.ready = True

    def refresh(self) -> None:
        """Follow pointers that have changed since the last look. Raises nothing: what fails is logged and counted."""
        seen = self._look()
        if seen == self._seen:
            return
        try:
            pointers = {pointer.name: pointer for pointer in read_pointers(self._home, self._project)}
        except ApplianceError as error:
            log("release unreadable", error=type(error).__name__)
            return
        finally:
            self._seen = seen
        for name, pointer in pointers.items():
            if self._failed.get(name) != pointer and (
                name not in self._serving or self._serving[name].pointer != pointer
            ):
                self._try(pointer)
        for name in self._serving.keys() - pointers.keys():
            self._metrics.model_info.remove(name)
        self._serving = {name: serving for name, serving in self._serving.items() if name in pointers}

    def pick(
        self, name: str | None, version: str | None = None, key_id: str | None = None, session: bytes = b""
    ) -> Served:
        """Return the version that answers for the release `name`; None stands for the only one.

        A canary gets its share of those who ask: of API keys, and of sessions within a key. Who asks gets the same version
        every time, and keeps the canary as its share grows; without a `key_id` the live version answers.
        Raises `Problem`: 503 while loading, 404 for an unknown release or a version that does not serve, 422 when none is
        named and there are several.
        """
        serving = self._find(name)
        if version is not None:
            for served in serving.stages:
                if served.version == version:
                    return served
            raise _not_found()
        if serving.canary is None or key_id is None:
            return serving.live
        drawn = self._draw(serving.canary, key_id, session)
        return replace(serving.canary if drawn < serving.pointer.percent / 100 else serving.live, drawn=drawn)

    def versions(self, name: str) -> list[Served]:
        """List the versions of a release that answer: live, then canary. Raises `Problem` as `pick` does."""
        return self._find(name).stages

    def all(self) -> list[Served]:
        """List what serves live, by name."""
        return sorted((serving.live for serving in self._serving.values()), key=lambda served: served.release.name)

    def serving(self) -> dict[str, Serving]:
        """Return every release as it serves now, by name."""
        return self._serving

    def _find(self, name: str | None) -> Serving:
        if not self.ready:
            raise Problem("not-ready", _("the models are being loaded"), retry_after_s=1)
        serving = self._serving
        if name is None and serving:
            if len(serving) > 1:
                raise Problem(
                    "invalid", _("several releases serve; name one in `model`, see `GET /v1/models`"), field="model"
                )
            return next(iter(serving.values()))
        found = serving.get(name) if name is not None else None
        if found is None:
            raise _not_found()
        return found

    def _draw(self, canary: Served, key_id: str, session: bytes) -> float:
        # BLAKE2b with a key is a MAC (RFC 7693, 2.9): who asks cannot choose a session that falls to the canary.
        who = b"\0".join((canary.version.encode(), key_id.encode(), session))
        digest = blake2b(who, key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") % _FINEST / _FINEST

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        # A pointer is replaced by a rename, so a new inode or time tells of a change.
        paths = sorted(releases_folder(self._home, self._project).glob("[!.]*.json"))
        found = []
        for path in paths:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, status.st_ino, status.st_mtime_ns))
        return tuple(found)

    def _try(self, pointer: Pointer) -> None:
        try:
            self._turn(pointer)
        except (ApplianceError, OSError) as error:
            self._failed[pointer.name] = pointer
            self._tell_failed(pointer.name, pointer.target, error)

    def _turn(self, pointer: Pointer) -> None:
        serving = Serving(pointer, self._take(pointer, pointer.target, "live"))
        if pointer.canary:
            self._key = self._key or _key_of(self._home)
            canary = self._take_trial(pointer, pointer.canary, "canary")
            serving = replace(serving, canary=canary, broken=None if canary else pointer.canary.version)
        if pointer.shadow:
            serving = replace(serving, shadow=self._take_trial(pointer, pointer.shadow, "shadow"))
        self._serving = self._serving | {pointer.name: serving}
        self._failed.pop(pointer.name, None)
        live = serving.live
        self._metrics.model_info.labels(pointer.name).info({"version": live.version, "format": live.engine.plan.format})
        log("release loaded", release=pointer.name, version=live.version)

    def _take_trial(self, pointer: Pointer, target: Target, stage: str) -> Served | None:
        # What is on trial must not keep a live version from serving.
        try:
            return self._take(pointer, target, stage)
        except (ApplianceError, OSError) as error:
            self._tell_failed(pointer.name, target, error)
            return None

    def _take(self, pointer: Pointer, target: Target, stage: str) -> Served:
        before = self._serving.get(pointer.name)
        there = before.loaded.get(target.version) if before else None
        loaded, sha256 = (there.engine, there.sha256) if there else self._load_version(target)
        version = target.version[:12]
        return Served(
            release=replace(pointer.release, version=target.version, stage=stage),
            engine=loaded,
            min_score=max(target.min_score, self._min_score),
            version=version,
            metrics=self._metrics.of(pointer.name, version),
            sha256=sha256,
            stage=stage,
            min_scores={label: max(score, self._min_score) for label, score in target.min_scores.items()},
        )

    def _load_version(self, target: Target) -> tuple[Loaded, str]:
        folder = verify(self._home, target)
        loaded = self._load_model(folder)
        manifest = json.loads((folder / "manifest.json").read_bytes())
        files = [file | {"sha256": loaded.files.get(file["path"], file["sha256"])} for file in manifest["files"]]
        sha256 = content_id("model", files)
        if sha256 != target.version:
            raise IntegrityError(
                _("`{folder}` was changed while it was being loaded; put back a backup or roll back", folder=folder)
            )
        return loaded, sha256

    def _tell_failed(self, name: str, target: Target, error: Exception) -> None:
        self._metrics.load_failures.labels(name).inc()
        log("release failed", version=target.version[:12], error=type(error).__name__)


def _not_found() -> Problem:
    return Problem("not-found", _("no such release or version serves; see `GET /v1/models`"))


def _key_of(home: Path) -> bytes:
    """The home's secret behind the shares of canaries, made at the first one; without a place for it, one for this run."""
    path = home / _KEY_FILE
    try:
        with locked(home / f".{_KEY_FILE}.lock"):
            if not path.exists():
                write_durably(path, os.urandom(32).hex().encode())
            return bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        log("canary key unreadable", error=type(error).__name__)
        return os.urandom(32)
