"""Which loaded version answers a request.

All live releases of a project are loaded and warmed. Once a second the pointer files are looked at: a version that has
been promoted or rolled back to is loaded beside the one that serves and takes its place in one assignment; requests
already let in keep the version they were let in with. One that cannot be loaded leaves the old one serving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, NotFoundError
from appliance.log import log
from appliance.monitor.prometheus import Metrics, VersionMetrics
from appliance.release.registry import Pointer, read_pointers, releases_folder, verify
from appliance.schema import Prediction, Release
from appliance.serve.problems import Problem
from appliance.words import _

if TYPE_CHECKING:
    from appliance.serve.engine_process import Loaded


@dataclass(frozen=True, slots=True)
class Served:
    """One loaded and warmed version of a release."""

    release: Release
    engine: Loaded
    min_score: float
    version: str  # the first 12 hex digits of the model's id
    metrics: VersionMetrics

    def abstain(self, prediction: Prediction) -> Prediction:
        """Return an answer without its label where its score lies below `min_score`."""
        return replace(prediction, label=None) if prediction.score < self.min_score else prediction


class Router:
    """The live releases of one project."""

    def __init__(
        self, home: Path, project: str, min_score: float, metrics: Metrics, load: Callable[[Path], Loaded]
    ) -> None:
        self._load_model = load
        self._home, self._project, self._min_score, self._metrics = home, project, min_score, metrics
        self._served: dict[str, Served] = {}
        self._failed: dict[str, Pointer] = {}
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self.ready = False

    def load(self) -> None:
        """Load and warm every release.

        Raises `NotFoundError` when there is none, and whatever keeps one from being loaded: `IntegrityError`, `InputError`, `MissingPartError`.
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
                name not in self._served or self._served[name].release != pointer.release
            ):
                self._try(pointer)
        for name in self._served.keys() - pointers.keys():
            self._metrics.model_info.remove(name)
        self._served = {name: served for name, served in self._served.items() if name in pointers}

    def pick(self, name: str | None, version: str | None = None) -> Served:
        """Return the version that answers for the release `name`; None stands for the only one.

        Raises `Problem`: 503 while loading, 404 for an unknown release or a version that does not serve, 422 when none
        is named and there are several.
        """
        if not self.ready:
            raise Problem("not-ready", _("the models are being loaded"), retry_after_s=1)
        served = self._served
        if name is None and served:
            if len(served) > 1:
                raise Problem(
                    "invalid", _("several releases serve; name one in `model`, see `GET /v1/models`"), field="model"
                )
            return next(iter(served.values()))
        found = served.get(name) if name is not None else None
        if found is None or (version is not None and version != found.version):
            raise Problem("not-found", _("no such release or version serves; see `GET /v1/models`"))
        return found

    def all(self) -> list[Served]:
        """List what serves, by name."""
        return sorted(self._served.values(), key=lambda served: served.release.name)

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
        except ApplianceError as error:
            self._failed[pointer.name] = pointer
            self._metrics.load_failures.labels(pointer.name).inc()
            log("release failed", version=pointer.target.version[:12], error=type(error).__name__)

    def _turn(self, pointer: Pointer) -> None:
        loaded = self._load_model(verify(self._home, pointer.target))
        version = pointer.target.version[:12]
        min_score = max(pointer.target.min_score, self._min_score)
        served = Served(pointer.release, loaded, min_score, version, self._metrics.of(pointer.name, version))
        self._served = self._served | {pointer.name: served}
        self._failed.pop(pointer.name, None)
        self._metrics.model_info.labels(pointer.name).info({"version": version, "format": loaded.plan.format})
        log("release loaded", release=pointer.name, version=version)
