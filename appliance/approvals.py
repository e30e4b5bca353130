"""The rule of two people: what API keys of different owners have allowed, until it is done or a week has passed.

NIST SP 800-53 (AC-3(2), dual authorization) asks for it where one person alone could do great harm. An approval is for
one action on one artifact, named by its hash: a model that changes has none. The file `approvals.json` of a project is
what counts; each approval is an event of the hash-chained log first.
"""

from __future__ import annotations

import json
import time
from calendar import timegm
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.api_keys import keys_in_force, owner_of
from appliance.errors import IntegrityError, PolicyError
from appliance.files import locked, write_durably
from appliance.words import _

_FILE = "approvals.json"
_VALID_S = 7 * 24 * 3600

_Given = dict[str, list[dict[str, str]]]  # "action subject" -> key id, owner and time of each approval


class Book(Protocol):
    """Where events are written: a `Store`, or a `Spool` in a process that has none."""

    @property
    def home(self) -> Path:
        """The home folder."""

    @property
    def project(self) -> str:
        """The project."""

    def now(self) -> str:
        """Return the time as ISO 8601 UTC."""

    def event(self, verb: str, artifacts: tuple[str, ...] = (), **details: Any) -> None:
        """Append an event."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Who has allowed an action so far: different owners, and each with the time. `enough` tells whether it may happen."""

    owners: tuple[str, ...]
    given: tuple[tuple[str, str], ...]
    enough: bool


def approve(store: Book, action: str, subject_id: str, secret: str, needed: int = 2) -> Approval:
    """Add the approval of the key `secret` to `action` on the artifact `subject_id` (64 hex digits); again, it changes nothing.

    Raises `PolicyError` for what is no key of the project in force, `IntegrityError` when a file cannot be read.
    """
    key = owner_of(keys_in_force(store.home, store.project), secret.strip().encode("utf-8", "replace"))
    if key is None:
        raise PolicyError(
            _("this is no API key in force in project `{project}`; see `skerry key list`", project=store.project)
        )
    with _changing(store) as kept:
        there = kept.setdefault(f"{action} {subject_id}", [])
        if not any(one["key"] == key.id for one in there):
            store.event("approve", (subject_id,), action=action, key=key.id, owner=key.owner)
            there.append({"key": key.id, "owner": key.owner, "time": store.now()})
    return approvals(store, action, subject_id, needed)


def approvals(store: Book, action: str, subject_id: str, needed: int = 2) -> Approval:
    """Tell who has allowed `action` on `subject_id`: keys in force alone count, within seven days, each owner once, however written (`ann`, `Ann`).

    Raises `IntegrityError` when a file cannot be read.
    """
    keys = keys_in_force(store.home, store.project)
    there = _read(_path(store)).get(f"{action} {subject_id}", [])
    found = {keys[one["key"]].owner: one["time"] for one in there if one["key"] in keys}
    return Approval(
        tuple(sorted(found)), tuple(sorted(found.items())), len({owner.casefold() for owner in found}) >= needed
    )


def spend(store: Book, action: str, subject_id: str) -> None:
    """Forget the approvals of an action that has happened: to do it again takes new ones."""
    with _changing(store) as kept:
        kept.pop(f"{action} {subject_id}", None)


def _valid(one: dict[str, str]) -> bool:
    _key, _owner, given = one["key"], one["owner"], one["time"]
    return abs(time.time() - timegm(time.strptime(given[:19], "%Y-%m-%dT%H:%M:%S"))) <= _VALID_S


def _path(store: Book) -> Path:
    return store.home / "projects" / store.project / _FILE


def _read(path: Path) -> _Given:
    try:
        content = json.loads(path.read_bytes())
        return {name: [one for one in given if _valid(one)] for name, given in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(_("`{path}` cannot be read as approvals; put back a backup", path=path)) from error


@contextmanager
def _changing(store: Book) -> Iterator[_Given]:
    path = _path(store)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(path.with_name(f".{_FILE}.lock")):
        kept = _read(path)
        yield kept
        write_durably(path, json.dumps({name: one for name, one in kept.items() if one}, ensure_ascii=False).encode())
