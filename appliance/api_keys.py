"""API keys: who may ask the server.

A key is 256 random bits, shown once. On disk lies its SHA-256 only: from 112 bits of entropy on, a plain approved hash
is right (NIST SP 800-63B, 5.1.2.2); slow ones are for secrets that people choose. The file is `api_keys.json` in the
home; the server reads it again every second, so a revoked key stops at once. A key also stands for its owner where a
deed needs two people (see `approvals`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import IntegrityError, NotFoundError
from appliance.files import locked, write_durably
from appliance.words import _

if TYPE_CHECKING:
    from appliance.store import Store

_FILE = "api_keys.json"
_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it lies on disk. `id` is the start of its hash; `revoked` is the time, or None."""

    id: str
    owner: str
    project: str
    created: str
    revoked: str | None
    sha256: str = field(repr=False)


def add_key(store: Store, owner: str) -> tuple[ApiKey, str]:
    """Make a key of the store's project for `owner`. Returns what is kept and the key itself, which is kept nowhere.

    Raises `SettingsError` when `owner` cannot be a name.
    """
    from appliance.store import check_name

    check_name(owner)
    secret = "skerry_" + secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    key = ApiKey(digest[:_ID_DIGITS], owner, store.project, store.now(), None, digest)
    store.event("key add", key=key.id, owner=owner)
    _change(store.home, lambda keys: [*keys, key])
    return key, secret


def revoke_key(store: Store, identity: str) -> ApiKey:
    """Revoke the key with this id. Raises `NotFoundError` when the project has no such key in force."""
    found = [key for key in list_keys(store.home, store.project) if key.id == identity and not key.revoked]
    if not found:
        raise NotFoundError(
            _(
                "no key `{id}` in force in project `{project}`; see `skerry key list`",
                id=identity,
                project=store.project,
            )
        )
    revoked = replace(found[0], revoked=store.now())
    store.event("key revoke", key=identity, owner=revoked.owner)
    _change(store.home, lambda keys: [revoked if key.sha256 == revoked.sha256 else key for key in keys])
    return revoked


def list_keys(home: Path, project: str) -> list[ApiKey]:
    """List a project's keys, oldest first, revoked ones too. Raises `IntegrityError` when the file cannot be read."""
    return [key for key in _read(home) if key.project == project]


def owner_of(keys: Mapping[str, ApiKey], secret: bytes) -> ApiKey | None:
    """Return the key of `keys` (by id) that `secret` is, or None; the comparison takes the same time whatever is wrong."""
    digest = hashlib.sha256(secret).hexdigest()
    key = keys.get(digest[:_ID_DIGITS])
    return key if key and hmac.compare_digest(key.sha256, digest) else None


def keys_in_force(home: Path, project: str) -> dict[str, ApiKey]:
    """Return a project's keys that are not revoked, by id. Raises `IntegrityError` when the file cannot be read."""
    return {key.id: key for key in list_keys(home, project) if not key.revoked}


def _read(home: Path) -> list[ApiKey]:
    path = home / _FILE
    try:
        return [ApiKey(**key) for key in json.loads(path.read_bytes())["keys"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(_("`{path}` cannot be read as API keys; put back a backup", path=path)) from error


def _change(home: Path, change: Callable[[list[ApiKey]], list[ApiKey]]) -> None:
    with locked(home / f".{_FILE}.lock"):
        content = {"keys": [asdict(key) for key in change(_read(home))]}
        write_durably(home / _FILE, json.dumps(content, ensure_ascii=False, indent=1).encode())
