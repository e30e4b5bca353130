"""Sessions and the token against cross-site requests: the one place for both.

A session is 256 random bits in a cookie; on disk lies the SHA-256 alone (`sessions.json` in the home), so that who reads a backup cannot take one
over, and a restart of the server ends none. It ends when it was idle too long, when it is too old, or when its person leaves. The token that
every change must bring (OWASP, Cross-Site Request Forgery Prevention: synchronizer token) is derived from the secret and kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.files import locked, write_durably
from appliance.settings import WebSettings

__all__ = ["Session", "Sessions"]

_FILE = "sessions.json"
_NOTE_S = 60.0  # how often the last sign of life of a session goes to the disk


@dataclass(frozen=True, slots=True)
class Session:
    """Who is there since when; `began` and `seen` (to the minute) are Unix seconds, `csrf` is the token that a change must bring."""

    name: str
    began: float
    seen: float
    csrf: str = field(default="", repr=False)


class Sessions:
    """The sessions of a home. Several servers of it may share the file."""

    def __init__(self, home: Path, settings: WebSettings) -> None:
        self._path, self._settings = home / _FILE, settings
        self._guard = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, Session] = {}  # by the hash of the secret

    def begin(self, name: str) -> str:
        """Begin a session and return its secret, for the cookie."""
        secret = secrets.token_urlsafe(32)
        now = time.time()
        self._change(lambda known: known | {_hash(secret): Session(name, now, now)})
        return secret

    def find(self, secret: str, active: bool = True) -> Session | None:
        """Return the session of a secret that is in force, or None. `active` tells that its person did something just now."""
        digest, now = _hash(secret), time.time()
        with self._guard:
            self._reload()
            session = self._known.get(digest)
            if session is None or not self._in_force(session, now):
                return None
            stale = active and now - session.seen > _NOTE_S
        if stale:
            session = replace(session, seen=now)
            self._change(lambda known: known | {digest: session} if digest in known else known)
        return replace(session, csrf=hmac.new(secret.encode(), b"csrf", "sha256").hexdigest())

    def end(self, secret: str) -> None:
        """End one session."""
        digest = _hash(secret)
        self._change(lambda known: {key: one for key, one in known.items() if key != digest})

    def end_all(self, name: str) -> None:
        """End every session of a person."""
        self._change(lambda known: {key: one for key, one in known.items() if one.name != name})

    def _in_force(self, session: Session, now: float) -> bool:
        # The last sign of life may be a minute older on disk than it was.
        idle = now - session.seen <= self._settings.idle_minutes * 60 + _NOTE_S
        return idle and 0 <= now - session.began + 5 <= self._settings.absolute_hours * 3600

    def _reload(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._known, self._stamp = {}, None
            return
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._known, self._stamp = _read(self._path), stamp

    def _change(self, change: Callable[[dict[str, Session]], dict[str, Session]]) -> None:
        with self._guard, locked(self._path.with_name(f".{_FILE}.lock")):
            now = time.time()
            known = {key: one for key, one in change(_read(self._path)).items() if self._in_force(one, now)}
            content = {key: {"name": one.name, "began": one.began, "seen": one.seen} for key, one in known.items()}
            write_durably(self._path, json.dumps(content, ensure_ascii=False).encode())
            self._reload()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[str, Session]:
    # A file that is torn or changed by hand ends every session: people enter again.
    try:
        return {key: Session(**one) for key, one in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
