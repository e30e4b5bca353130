"""The loop back: texts that a model was least sure of wait, sealed, until the job worker scrubs them for labeling.

Off until `outbox.rows_a_day` is set. A text leaves the server's memory only sealed by the home's key (AES-256-GCM), at most so many a day and so
many in all; what waits too long is destroyed. `skerry work` (or `skerry monitor outbox --take`) makes the data set `live-RELEASE` of them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError
from appliance.files import locked, write_durably
from appliance.keys import Keys
from appliance.log import log
from appliance.monitor import lines
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction, Record, Source
from appliance.settings import OutboxSettings

if TYPE_CHECKING:
    from appliance.store import Store

__all__ = ["Outbox", "destroy", "destroy_old", "taken", "waiting"]

_PURPOSE, _DAY = "outbox", "day.json"
_SCORES = 1000  # of the newest answers, that the least certain are chosen by
_ENOUGH = 100
_PENDING = 64
_MAX_CHARACTERS = 20_000  # of a text: longer ones are not kept, nobody labels them
_COUNT_S = 60.0
_MAX_BYTES = 2**40  # rows are counted, not bytes: a text has been admitted by the server already
_DAY_S = 24 * 3600


class Outbox:
    """The server's side: choose, seal, append."""

    def __init__(self, home: Path, project: str, settings: OutboxSettings, keys: Keys, metrics: Metrics) -> None:
        self._folder, self._settings, self._keys, self._metrics = _folder(home, project), settings, keys, metrics
        self._scores: dict[str, deque[float]] = {}
        self._limits: dict[str, float] = {}
        self._pending: deque[tuple[str, str, str, Prediction]] = deque(maxlen=_PENDING)
        self._room = self._most_at_once = max(1.0, settings.rows_a_day / 24)  # an hour's share
        self._seen: set[bytes] = set()
        self._day, self._kept = _read_day(self._folder)
        self._waiting, self._counted_s = _count(self._folder), 0.0

    def offer(self, release: str, version: str, answered: Iterable[tuple[str, Prediction]]) -> None:
        """Take the texts of which the model is among the least sure. Called in the event loop."""
        scores = self._scores.setdefault(release, deque(maxlen=_SCORES))
        limit = self._limits.get(release, -1.0)
        for text, answer in answered:
            scores.append(answer.score)
            if answer.score <= limit and len(text) <= _MAX_CHARACTERS:
                self._pending.append((release, version, text, answer))

    def work(self, passed_s: float) -> None:
        """Choose anew what counts as uncertain, then seal and append what there is room for."""
        for release, scores in list(self._scores.items()):  # the event loop may add one
            if len(scores) >= _ENOUGH:
                ordered = sorted(scores)
                self._limits[release] = ordered[max(1, int(len(ordered) * self._settings.uncertain_share)) - 1]
        most = self._settings.rows_a_day
        self._room = min(self._most_at_once, self._room + most * passed_s / _DAY_S)
        if self._day != _today():
            self._day, self._kept, self._seen = _today(), 0, set()
        self._counted_s += passed_s
        if self._counted_s >= _COUNT_S:  # the job worker takes some from time to time
            self._waiting, self._counted_s = _count(self._folder), 0.0
        pending = [self._pending.popleft() for _ in range(len(self._pending))]
        if pending and self._room >= 1:
            self._keep_some(sorted(pending, key=lambda row: row[3].score))
        self._metrics.outbox_texts.set(self._waiting)

    def _keep_some(self, rows: Iterable[tuple[str, str, str, Prediction]]) -> None:
        # One server of the project after the other, each counting what the others have kept: the limits are for all of them together.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._folder / ".lock"):
            day, kept = _read_day(self._folder)
            self._kept = max(self._kept, kept if day == self._day else 0)
            self._waiting, self._counted_s = _count(self._folder), 0.0
            for release, version, text, answer in rows:
                room = self._waiting < self._settings.max_rows and self._kept < self._settings.rows_a_day
                if room and self._room >= 1:
                    self._keep(release, version, text, answer)

    def _keep(self, release: str, version: str, text: str, answer: Prediction) -> None:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        if digest in self._seen:
            return
        row = {"text": text, "label": answer.label, "score": round(answer.score, 6), "version": version}
        try:
            sealed = self._keys.seal(_PURPOSE, json.dumps(row).encode())
            line = json.dumps({"day": self._day, "sealed": sealed}).encode()
            lines.append(_path(self._folder, release), line, _MAX_BYTES)
            self._kept += 1
            self._waiting += 1
            write_durably(self._folder / _DAY, json.dumps({"day": self._day, "kept": self._kept}).encode())
        except (ApplianceError, OSError) as error:
            log("outbox not written", release=release, error=type(error).__name__)
            return
        self._seen.add(digest)
        self._room -= 1


def waiting(home: Path, project: str) -> dict[str, int]:
    """Return how many texts of each release wait; releases without any are left out."""
    found = {path.stem: len(lines.waiting(path)) for path in _files(_folder(home, project))}
    return {release: count for release, count in found.items() if count}


@contextmanager
def taken(store: Store, release: str) -> Iterator[list[Record]]:
    """Give the texts of a release that wait, as records without a label; they are gone when the block ends without an error.

    A record's id comes from its sealed line, so that one which is given again after a crash is known again. Raises `IntegrityError` when the key file
    is not the one that they were sealed with.
    """
    with lines.taken(_path(_folder(store.home, store.project), release)) as rows:
        yield [_record(store, line, number) for number, line in enumerate(rows, 1) if _whole(line)]


def _record(store: Store, line: bytes, number: int) -> Record:
    outer = json.loads(line)
    row = json.loads(store.keys.open(_PURPOSE, outer["sealed"]))
    identity = hashlib.sha256(outer["sealed"].encode("ascii")).hexdigest()[:32]
    kept = {"answer": row["label"] or "", "score": str(row["score"]), "version": row["version"], "day": outer["day"]}
    return Record(identity, row["text"], source=Source("outbox", number, kept=kept))


def destroy(store: Store, release: str) -> int:
    """Destroy the texts of a release that wait; an event says how many. Returns how many. Raises `SettingsError` for what is no name."""
    from appliance.store import check_name

    check_name(release)
    with lines.taken(_path(_folder(store.home, store.project), release)) as rows:
        if rows:
            store.event("outbox destroy", release=release, rows=len(rows))
    return len(rows)


def destroy_old(store: Store) -> int:
    """Destroy the texts that have waited longer than `outbox.max_days` (storage limitation: GDPR art. 5(1)(e), PIPL art. 19). Returns how many."""
    oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - store.settings.outbox.max_days * _DAY_S))
    gone = 0
    for path in _files(_folder(store.home, store.project)):
        with lines.taken(path) as rows:
            young = [line for line in rows if (row := _whole(line)) and row["day"] >= oldest]
            for line in young:
                lines.append(path, line, _MAX_BYTES)
            gone += len(rows) - len(young)
    return gone


def _whole(line: bytes) -> dict[str, Any] | None:
    # A line that a power cut has torn is left out.
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"day", "sealed"} <= row.keys() else None


def _count(folder: Path) -> int:
    return sum(len(lines.waiting(path)) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return lines.files(folder, ".jsonl")


def _path(folder: Path, release: str) -> Path:
    return folder / f"{release}.jsonl"


def _folder(home: Path, project: str) -> Path:
    return home / "projects" / project / "outbox"


def _read_day(folder: Path) -> tuple[str, int]:
    try:
        content = json.loads((folder / _DAY).read_bytes())
        return str(content["day"]), int(content["kept"])
    except (OSError, ValueError, KeyError, TypeError):
        return _today(), 0


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
