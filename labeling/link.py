"""What ties a labeling task to its project in Label Studio: address, sealed secrets, how far the exchange has come.

One small file a task in the home, replaced atomically, and two that only grow: the answers that were sent there, and the webhooks that were
taken. None holds a text or a label. A crash leaves the old state or the new, and whatever is done twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import IntegrityError, NotFoundError
from appliance.files import canonical, locked, write_durably
from appliance.schema import Annotation
from appliance.store import Store
from appliance.words import _

__all__ = [
    "Link",
    "Seen",
    "Sent",
    "content",
    "find_link",
    "holding",
    "new_link",
    "note_sent",
    "read_link",
    "sent",
    "write_link",
]

_PURPOSE = "label studio"
_SEALED = ("token", "secret")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Link:
    """A task's project over there. `marker` (32 hex digits) stands in its description, so that it is found again after a crash.

    `project` is its number, 0 before there is one; `cursor` the `updated_at` up to which all was pulled; `versions` those
    of the predictions that were sent. `token` lets us in there; `secret` lets Label Studio in here.
    """

    task: str
    url: str
    marker: str
    token: str = field(repr=False)
    secret: str = field(repr=False)
    language: str = "en"
    project: int = 0
    cursor: str = ""
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer of ours that stands in Label Studio under the number `there`; `content` is what of it was last the same on both sides.

    Noted with `there` 0 before it is sent, so that after a crash it is looked for under `unique` in the task `task` over there.
    """

    id: str
    there: int
    content: str
    task: int
    unique: str


def new_link(task: str, url: str, token: str, language: str) -> Link:
    """Return a link to a project that is still to be made."""
    return Link(task, url, uuid.uuid4().hex, token, secrets.token_urlsafe(32), language)


def read_link(store: Store, task: str) -> Link:
    """Read a task's link. Raises `NotFoundError` when it has none, `IntegrityError` when it cannot be read."""
    link = find_link(store, task)
    if link is None:
        raise NotFoundError(
            _("task `{task}` has no project in Label Studio; run `skerry label push {task} --url URL --token-file FILE`", task=task)
        )  # fmt: skip
    return link


def find_link(store: Store, task: str) -> Link | None:
    """Read a task's link, None when it has none. Raises `IntegrityError` when it cannot be read."""
    path = _path(store, task, ".json")
    try:
        kept = json.loads(path.read_bytes())
        opened = {name: store.keys.open(_PURPOSE, kept[name]).decode() for name in _SEALED}
        return Link(**(kept | opened | {"versions": tuple(kept["versions"])}))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(_("`{path}` cannot be read as a link; put back a backup", path=path)) from error


def write_link(store: Store, link: Link) -> Link:
    """Keep a link; its secrets are sealed by the key file."""
    closed = {name: store.keys.seal(_PURPOSE, getattr(link, name).encode()) for name in _SEALED}
    write_durably(_path(store, link.task, ".json"), canonical(asdict(link) | closed))
    return link


@contextmanager
def holding(store: Store, task: str) -> Iterator[None]:
    """Let one process at a time exchange a task's answers."""
    with locked(_path(store, task, ".lock")):
        yield


def sent(store: Store, link: Link) -> dict[str, Sent]:
    """Return what was sent to the link's project, by the answer's id; a line that a power cut has torn is left out."""
    found = [_line(line) for line in _lines(_path(store, link.task, ".sent"))]
    rows = [row for row in found if row.pop("marker", "") == link.marker]
    return {row["id"]: Sent(**row) for row in rows}


def note_sent(store: Store, link: Link, rows: Iterable[Sent]) -> None:
    """Add rows to what was sent, durably."""
    lines = [canonical(asdict(row) | {"marker": link.marker}) + b"\n" for row in rows]
    if lines:
        _append(_path(store, link.task, ".sent"), b"\n" + b"".join(lines))  # a torn line before ends here


def content(value: Mapping[str, Any], state: str) -> str:
    """Return a short hash of what an answer says, whatever the order of its labels or spans: equal exactly when it is the same answer."""
    plain = {
        key: sorted(part, key=canonical) if isinstance(part, list) else part
        for key, part in value.items()
        if key != "score"
    }
    return hashlib.sha256(canonical([plain if state == "submitted" else {}, state])).hexdigest()[:16]


def content_of(answer: Annotation) -> str:
    """Return `content` of an answer in the store."""
    return content(answer.value, answer.state)


class Seen:
    """The webhooks of a task that were taken, as hashes, so that none is taken twice, a restart between or not."""

    def __init__(self, store: Store, task: str) -> None:
        self._path = _path(store, task, ".seen")
        whole = self._path.read_bytes() if self._path.exists() else b""
        self._known = {whole[begin : begin + _DIGEST_BYTES] for begin in range(0, len(whole), _DIGEST_BYTES)}
        if rest := len(whole) % _DIGEST_BYTES:  # torn by a power cut
            os.truncate(self._path, len(whole) - rest)

    def take(self, body: bytes) -> bool:
        """Note a webhook's body; False when it was taken before."""
        digest = hashlib.sha256(body).digest()[:_DIGEST_BYTES]
        if digest in self._known:
            return False
        _append(self._path, digest)
        self._known.add(digest)
        return True


def _path(store: Store, task: str, end: str) -> Path:
    folder = store.home / "projects" / store.project / "studio"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{task}{end}"


def _append(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)
        file.flush()
        os.fsync(file.fileno())


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n") if path.exists() else []


def _line(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
