"""Batches on disk: texts that wait for an answer and need not have it at once.

A batch is a folder `projects/<project>/batches/<id>`: `about.json` with ids, counts and times, `key` with its own random data
key wrapped by the key file, `inputs` and `answers` as encrypted frames of rows. A frame of answers belongs to the frame of
inputs of the same number, so a server that was killed goes on behind the last one. When a batch is finished its texts go;
when it is deleted, or `serve.batch_days` later, its key goes first, and nothing of it can be read again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance import sealed
from appliance.errors import NotFoundError
from appliance.files import fsync_path, write_durably
from appliance.keys import Keys
from appliance.log import now
from appliance.words import _

OPEN = ("queued", "running")  # the states in which there is work to do
FRAME_ROWS = 64
_UPLOAD_S = 3600  # no upload takes so long: `serve.read_s` is far less
_ID = re.compile("[0-9a-f]{32}")
_ABOUT, _KEY, _INPUTS, _ANSWERS = "about.json", "key", "inputs", "answers"
_PURPOSE = "batch key"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch as it came: its text, the client's own id for it, and why it cannot be answered, if so."""

    text: str = field(repr=False)
    id: str | None = field(default=None, repr=False)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is known about a batch; no text. `state`: queued, running, done, expired (out of time), cancelled, failed.

    `used_s` are the seconds that it has run for, `versions` counts the answers of each model version.
    """

    id: str
    owner: str
    model: str
    created: str
    probabilities: bool = False
    time_limit_s: int | None = None
    state: str = "queued"
    total: int = 0
    done: int = 0
    failed: int = 0
    used_s: float = 0.0
    ended: str | None = None
    reason: str | None = None
    versions: dict[str, int] = field(default_factory=dict)


class Draft:
    """A batch that is being uploaded."""

    def __init__(self, folder: Path, key: bytes, batch: Batch) -> None:
        self._folder, self._key, self._batch = folder, key, batch
        self._rows: list[Row] = []
        self._frames = self.total = 0

    def add(self, row: Row) -> None:
        """Take one more row."""
        self._rows.append(row)
        self.total += 1
        if len(self._rows) == FRAME_ROWS:
            self._flush()

    def finish(self) -> Batch:
        """Make it durable and let the work begin."""
        self._flush()
        fsync_path(self._folder / _INPUTS)
        batch = replace(self._batch, total=self.total)
        _write(self._folder, batch)
        fsync_path(self._folder.parent)
        return batch

    def abandon(self) -> None:
        """Leave nothing of it."""
        _destroy(self._folder)

    def _flush(self) -> None:
        if self._rows:
            content = json.dumps([[row.text, row.id, row.error] for row in self._rows]).encode()
            sealed.append(
                self._folder / _INPUTS, self._key, f"{self._batch.id} inputs", self._frames, content, durable=False
            )
            self._frames += 1
            self._rows = []


class Batches:
    """The batches of one project."""

    def __init__(self, home: Path, project: str, keys: Keys) -> None:
        self.folder = home / "projects" / project / "batches"
        self._keys = keys
        self._data_keys: dict[str, bytes] = {}
        self._seen: dict[Path, tuple[tuple[int, int], Batch]] = {}

    def begin(self, owner: str, model: str, probabilities: bool, time_limit_s: int | None) -> Draft:
        """Begin a batch for `owner`, to be answered by the release `model`. Raises `OSError` where there is no room, and what opening the key file raises."""
        batch = Batch(uuid.uuid4().hex, owner, model, now(), probabilities, time_limit_s)
        key = os.urandom(32)
        wrapped = self._keys.seal(_PURPOSE, key).encode()
        folder = self.folder / batch.id
        folder.mkdir(parents=True, mode=0o700)
        write_durably(folder / _KEY, wrapped)
        self._data_keys[batch.id] = key
        return Draft(folder, key, batch)

    def all(self, owner: str | None = None) -> list[Batch]:
        """List the batches whose upload is whole, oldest first; those of one owner when it is given."""
        found = []
        for path in self.folder.glob(f"*/{_ABOUT}"):
            with suppress(OSError, ValueError, TypeError):
                found.append(self._read(path))
        return sorted(
            (batch for batch in found if owner in (None, batch.owner)), key=lambda batch: (batch.created, batch.id)
        )

    def find(self, identity: str, owner: str | None) -> Batch:
        """Return a batch of this owner. Raises `NotFoundError`, for another's just as for none."""
        path = self.folder / identity / _ABOUT
        with suppress(OSError, ValueError, TypeError):
            if _ID.fullmatch(identity):
                batch = self._read(path)
                if owner in (None, batch.owner):
                    return batch
        raise NotFoundError(_("there is no such batch; see `GET /v1/batches`"))

    def update(self, batch: Batch, **changes: Any) -> Batch:
        """Write down what has changed; a batch that is finished has no more use for its texts."""
        changed = replace(batch, **changes)
        _write(self.folder / batch.id, changed)
        if changed.state == "done":
            (self.folder / batch.id / _INPUTS).unlink(missing_ok=True)
        return changed

    def counted(self, batch: Batch) -> Batch:
        """Count the answers again: what a killed server wrote last may lack in `about.json`."""
        sealed.repair(self.folder / batch.id / _ANSWERS)
        fresh = replace(batch, done=0, failed=0, versions={})
        for lines in self.answers(batch):
            fresh = _count(fresh, lines)
        return fresh

    def rest(self, batch: Batch) -> Generator[tuple[int, list[Row]]]:
        """Yield the frames of rows that have no answer, each with its number."""
        folder = self.folder / batch.id
        start = sealed.repair(folder / _ANSWERS)
        frames = sealed.read(folder / _INPUTS, self._key(batch.id), f"{batch.id} inputs", start)
        for number, content in enumerate(frames, start):
            yield number, [Row(*row) for row in json.loads(content)]

    def answer(self, batch: Batch, number: int, lines: list[dict[str, Any]]) -> Batch:
        """Keep the answers to frame `number`, durably, and return the batch with its new counts."""
        content = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        sealed.append(self.folder / batch.id / _ANSWERS, self._key(batch.id), f"{batch.id} answers", number, content)
        return _count(batch, content)

    def answers(self, batch: Batch) -> Iterator[bytes]:
        """Yield the answers, JSON lines, a frame at a time. Raises `IntegrityError` for changed bytes."""
        yield from sealed.read(self.folder / batch.id / _ANSWERS, self._key(batch.id), f"{batch.id} answers")

    def require_key(self, batch: Batch) -> None:
        """Raise `NotFoundError` or `IntegrityError` where the batch cannot be decrypted."""
        self._key(batch.id)

    def delete(self, batch: Batch) -> None:
        """Destroy a batch: its key first."""
        self._data_keys.pop(batch.id, None)
        self._seen.pop(self.folder / batch.id / _ABOUT, None)
        _destroy(self.folder / batch.id)

    def sweep(self, days: int) -> None:
        """Destroy what ended more than `days` days ago, and uploads that a killed server left."""
        oldest = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days * 86_400))
        for batch in self.all():
            if batch.ended and batch.ended < oldest:
                self.delete(batch)
        for folder in self.folder.glob("*"):
            with suppress(OSError):
                late = time.time() - folder.stat().st_mtime > _UPLOAD_S
                if late and folder.is_dir() and not (folder / _ABOUT).exists():
                    _destroy(folder)

    def _read(self, path: Path) -> Batch:
        # It is replaced by a rename, so a new inode or time tells of a change; thousands that have ended are read once.
        state = path.stat()
        seen = (state.st_ino, state.st_mtime_ns)
        known = self._seen.get(path)
        if known is None or known[0] != seen:
            known = self._seen[path] = (seen, Batch(**json.loads(path.read_bytes())))
        return known[1]

    def _key(self, identity: str) -> bytes:
        if identity not in self._data_keys:
            try:
                wrapped = (self.folder / identity / _KEY).read_text("ascii")
            except OSError as error:
                raise NotFoundError(_("there is no such batch; see `GET /v1/batches`")) from error
            self._data_keys[identity] = self._keys.open(_PURPOSE, wrapped)
        return self._data_keys[identity]


def _count(batch: Batch, lines: bytes) -> Batch:
    versions, failed, done = dict(batch.versions), batch.failed, batch.done
    for line in lines.splitlines():
        answer = json.loads(line)
        done += 1
        if "error" in answer:
            failed += 1
        else:
            versions[answer["version"]] = versions.get(answer["version"], 0) + 1
    return replace(batch, done=done, failed=failed, versions=versions)


def _write(folder: Path, batch: Batch) -> None:
    write_durably(folder / _ABOUT, json.dumps(asdict(batch)).encode())


def _destroy(folder: Path) -> None:
    (folder / _KEY).unlink(missing_ok=True)
    with suppress(OSError):
        fsync_path(folder)
    shutil.rmtree(folder, ignore_errors=True)
