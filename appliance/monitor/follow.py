"""Follows drift in a running server: takes a few texts a minute, fills windows, compares each with the first.

The event loop only hands texts over; vectors are made in the watching thread, and a text is forgotten as soon as it is a vector. The reference
lies on disk sealed with the home's key, so that a restart goes on; without the key file it lives as long as the server.
"""

from __future__ import annotations

import io
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError
from appliance.files import write_durably
from appliance.keys import Keys
from appliance.log import log
from appliance.monitor import drift
from appliance.monitor.prometheus import Metrics
from appliance.monitor.ring import folder as monitor_folder
from appliance.schema import Prediction
from appliance.settings import DriftSettings
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Follower", "forget", "overview", "read", "told"]

Embed = Callable[[str, str, Sequence[str]], "np.ndarray[Any, Any] | None"]
_PURPOSE = "drift"
_CHARACTERS = 1000
_WINDOWS_KEPT = 200
_CALM, _WARNING = 0.7, 1.0


@dataclass(slots=True)
class _Version:
    """What is known of the version of a release that serves."""

    version: str
    reference: drift.Window = field(default_factory=drift.Window)
    window: drift.Window = field(default_factory=drift.Window)
    since: str = ""
    sealed: bool = False  # the reference is on disk


class Follower:
    """Follows every release of one server."""

    def __init__(
        self,
        home: Path,
        project: str,
        settings: DriftSettings,
        keys: Keys,
        metrics: Metrics,
        embed: Embed | None = None,
    ) -> None:
        """Take where to keep things.

        `embed` (release, version, texts) gives float32 (texts, hidden), or None where a model has no embeddings; then pieces of the texts are hashed.
        """
        self._folder, self._settings, self._keys = _folder(home, project), settings, keys
        self._metrics, self._embed = metrics, embed
        self._known: dict[str, _Version] = {}
        self._room = float(settings.texts_a_minute)
        self._handed: deque[tuple[str, str, str, Prediction]] = deque(maxlen=max(1, settings.texts_a_minute))

    def offer(self, release: str, version: str, answered: Iterable[tuple[str, Prediction]]) -> None:
        """Take as many of the texts as there is room for. Called in the event loop."""
        for text, answer in answered:
            if self._room < 1:
                return
            self._room -= 1
            self._handed.append((release, version, text[:_CHARACTERS], answer))

    def work(self, passed_s: float) -> None:
        """Make vectors of what was handed over and compare the windows that are full; `passed_s` is the time since the last call."""
        rate = self._settings.texts_a_minute
        self._room = min(float(rate), self._room + rate * passed_s / 60)
        groups: dict[tuple[str, str], list[tuple[str, Prediction]]] = {}
        while self._handed:
            release, version, text, answer = self._handed.popleft()
            groups.setdefault((release, version), []).append((text, answer))
        for (release, version), pairs in groups.items():
            self._take(release, version, pairs)

    def _take(self, release: str, version: str, pairs: list[tuple[str, Prediction]]) -> None:
        texts = [text for text, _answer in pairs]
        try:
            rows = self._embed(release, version, texts) if self._embed else None
        except ApplianceError:  # the version has just gone, or nobody has time: other texts will come
            return
        if rows is None:
            rows = drift.vectors(texts)
        known = self._version(release, version, rows.shape[1])
        for row, (_text, answer) in zip(rows, pairs, strict=True):
            whole = self._settings.window_texts
            if len(known.reference) < whole:
                known.reference.add(row, answer)
                if len(known.reference) == whole:
                    self._seal(release, known)
                    known.since = _now()
                continue
            known.window.add(row, answer)
            if len(known.window) == whole:
                self._compare(release, known)

    def _version(self, release: str, version: str, width: int) -> _Version:
        known = self._known.get(release)
        forgotten = known is not None and known.sealed and not self._path(release, version).exists()
        if known is None or known.version != version or forgotten:
            known = self._known[release] = _Version(version, since=_now())
            if not forgotten and (reference := self._unseal(release, version, width)):
                known.reference, known.sealed = reference, True
            for of in ("texts", "labels", "scores"):
                self._metrics.drift.labels(release, of).set(0)
        return known

    def _compare(self, release: str, known: _Version) -> None:
        full, since = known.window, known.since
        known.window, known.since = drift.Window(), _now()  # first: what goes wrong below must not let it grow
        found = drift.compare(known.reference, full, self._settings)
        for of, ratio in found.ratios.items():
            self._metrics.drift.labels(release, of).set(ratio)
        window = {"from": since, "to": known.since, "texts": len(full), "version": known.version}
        log("drift window", release=release, **found.ratios)  # type: ignore[arg-type]
        try:
            write_window(self._folder / f"{release}.json", window | asdict(found))
        except OSError as error:
            log("drift window not kept", release=release, error=type(error).__name__)

    # -- the reference on disk ---------------------------------------------------------------------------------------

    def _path(self, release: str, version: str) -> Path:
        return self._folder / f"{release}.{version}.sealed"

    def _seal(self, release: str, known: _Version) -> None:
        import numpy as np

        file = io.BytesIO()
        np.savez(
            file,
            vectors=np.stack(known.reference.vectors),
            labels=np.array(known.reference.labels, np.str_),
            scores=np.array(known.reference.scores),
        )
        path = self._path(release, known.version)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(path, self._keys.seal(_PURPOSE, file.getvalue()).encode("ascii"))
        except (ApplianceError, OSError) as error:
            log("drift reference not kept", release=release, error=type(error).__name__)
            return
        known.sealed = True
        for older in _references(self._folder, release):
            if older != path:
                older.unlink(missing_ok=True)

    def _unseal(self, release: str, version: str, width: int) -> drift.Window | None:
        import numpy as np

        try:
            content = self._keys.open(_PURPOSE, self._path(release, version).read_text("ascii"))
        except FileNotFoundError:
            return None
        except (ApplianceError, OSError, ValueError) as error:
            log("drift reference unreadable", release=release, error=type(error).__name__)
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if arrays["vectors"].shape != (self._settings.window_texts, width):
                return None
            return drift.Window(list(arrays["vectors"]), arrays["labels"].tolist(), arrays["scores"].tolist())


def write_window(path: Path, window: Mapping[str, Any]) -> None:
    """Add a window's comparison to a release's file, which keeps the newest ones."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    windows = [*_windows(path), window][-_WINDOWS_KEPT:]
    write_durably(path, json.dumps({"windows": windows}, ensure_ascii=False).encode())


def read(home: Path, project: str) -> dict[str, list[dict[str, Any]]]:
    """Return the compared windows of each release of a project, oldest first."""
    return {path.stem: _windows(path) for path in sorted(_folder(home, project).glob("*.json"))}


def forget(home: Path, project: str, release: str | None = None) -> int:
    """Forget what a release (None: each one) was first asked, so that the next texts are its reference. Returns how many references there were.

    Raises `SettingsError` for what is no name.
    """
    from appliance.store import check_name

    if release is not None:
        check_name(release)
    sealed = _references(_folder(home, project), release or "*")
    for path in sealed:
        path.unlink(missing_ok=True)
    return len(sealed)


def _references(folder: Path, release: str) -> list[Path]:
    return list(folder.glob(f"{release}.{'[0-9a-f]' * 12}.sealed"))


def told(window: Mapping[str, Any]) -> list[str]:
    """Say in plain words what a window shows, one sentence each for texts, labels and scores."""
    ratios = window["ratios"]
    return [
        _of_texts(ratios["texts"], window),
        _of_labels(ratios["labels"], window),
        _of_scores(ratios["scores"], window),
    ]


def overview(home: Path, project: str) -> list[dict[str, Any]]:
    """Return what the newest window of each release shows, in plain words."""
    found = []
    for release, windows in read(home, project).items():
        for window in windows[-1:]:
            about = {name: window[name] for name in ("version", "from", "to", "texts")}
            found.append(
                {"release": release}
                | about
                | {"windows": len(windows), "drift": window["ratios"], "verdict": "; ".join(told(window))}
            )
    return found


def _of_texts(ratio: float, window: Mapping[str, Any]) -> str:
    if ratio < _CALM:
        return _("the texts are like the first ones")
    share = round(window["auc"] * 100)
    if ratio <= _WARNING:
        return _(
            "the texts begin to differ from the first ones: of 100 pairs of a new and a first text, {share} can be told apart (50 = chance)",
            share=share,
        )
    return _(
        "the texts are no longer like the first ones: of 100 pairs of a new and a first text, {share} can be told apart (50 = chance); label some of them and train again",
        share=share,
    )


def _of_labels(ratio: float, window: Mapping[str, Any]) -> str:
    if ratio < _CALM:
        return _("the labels come as often as at first")
    label, before, now = window["moved"][0]
    told = _(
        "label `{label}` went from {before} % to {now} % of the answers",
        label=label or _("none"),
        before=f"{before * 100:.3g}",
        now=f"{now * 100:.3g}",
    )
    if ratio <= _WARNING:
        return told
    return _("{told}; see whether the world has changed or the model errs", told=told)


def _of_scores(ratio: float, window: Mapping[str, Any]) -> str:
    before, now = window["score_before"], window["score_now"]
    if ratio < _CALM:
        return _("the model is as sure as at first (mean score {now})", now=f"{now:.2f}")
    if now < before:
        return _(
            "the model is less sure than at first: mean score {before} before, {now} now",
            before=f"{before:.2f}",
            now=f"{now:.2f}",
        )
    return _(
        "the model's scores are spread otherwise than at first: mean {before} before, {now} now",
        before=f"{before:.2f}",
        now=f"{now:.2f}",
    )


def _windows(path: Path) -> list[dict[str, Any]]:
    try:
        windows: list[dict[str, Any]] = json.loads(path.read_bytes())["windows"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return windows


def _folder(home: Path, project: str) -> Path:
    return monitor_folder(home, project) / "drift"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
