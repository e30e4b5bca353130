"""Named people who use a page in a browser: their roles, one-time invitation codes, passwords.

Nobody has a default password: an administrator invites a person by name, and the code is shown once. It has 120 random bits, so that a plain hash
of it may lie on disk (NIST SP 800-63B, 5.1.2.2: from 112 bits on); what people choose themselves goes through Argon2id (RFC 9106) with the
parameters of OWASP's Password Storage Cheat Sheet (19 MiB, two passes, one lane). The file is `people.json` in the home.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from appliance.approvals import Book
from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.files import locked, write_durably
from appliance.settings import WebSettings
from appliance.web.sessions import Sessions
from appliance.words import _

__all__ = [
    "MAX_PASSWORD_CHARACTERS",
    "ROLES",
    "Person",
    "enter",
    "find",
    "invite",
    "join",
    "overview",
    "people",
    "remove",
]

ROLES = ("annotator", "reviewer")
MAX_PASSWORD_CHARACTERS = 128
_FILE = "people.json"
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none of 0/O, 1/I/L, U/V
_CODE_CHARACTERS = 25  # log2(30) * 25 = 122 bits
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the file keeps them. `roles` has one role a project; `code` and `password` are hashes, `code_until` and `locked_until` Unix seconds."""

    name: str
    roles: Mapping[str, str]
    created: str
    code: str | None = field(default=None, repr=False)
    code_until: float = 0.0
    password: str | None = field(default=None, repr=False)
    failures: int = 0
    locked_until: float = 0.0

    def role(self, project: str) -> str | None:
        """Return the person's role in a project, or None."""
        return self.roles.get(project)


def invite(store: Book, name: str, role: str, settings: WebSettings) -> tuple[Person, str]:
    """Give a person a role in the store's project and a new invitation code, with which they choose a (new) password.

    Returns the person and the code, which is kept nowhere. Raises `SettingsError` for what cannot be a name or is no role.
    """
    from appliance.store import check_name

    check_name(name)
    if role not in ROLES:
        raise SettingsError(_("`{role}` is no role; there are: {roles}", role=role, roles=", ".join(ROLES)))
    code = "".join(secrets.choice(_ALPHABET) for _each in range(_CODE_CHARACTERS))
    until = time.time() + settings.invitation_days * 86_400
    store.event("person invite", name=name, role=role)

    def changed(known: dict[str, Person]) -> Person:
        there = known.get(name.casefold()) or Person(name, {}, store.now())
        return replace(there, roles={**there.roles, store.project: role}, code=_hash(code), code_until=until)

    person = _change(store.home, name, changed)
    return person, "-".join(code[at : at + 5] for at in range(0, _CODE_CHARACTERS, 5))


def remove(store: Book, name: str, settings: WebSettings) -> Person:
    """Take a person's role in the store's project away, at once, and with the last role the password. Raises `NotFoundError` when they have none."""
    if find(store.home, name, store.project) is None:
        raise NotFoundError(_no_such(store, name))
    store.event("person remove", name=name)

    def changed(known: dict[str, Person]) -> Person:
        there = known[name.casefold()]
        left = replace(there, roles={key: role for key, role in there.roles.items() if key != store.project})
        return left if left.roles else replace(left, code=None, password=None)  # whoever is called so next is another

    removed = _change(store.home, name, changed)
    Sessions(store.home, settings).end_all(removed.name)
    return removed


def people(home: Path, project: str) -> list[Person]:
    """List who has a role in a project, by name. Raises `IntegrityError` when the file cannot be read."""
    return sorted((one for one in _read(home).values() if one.role(project)), key=lambda one: one.name.casefold())


def overview(store: Book) -> list[dict[str, Any]]:
    """Tell of everybody with a role in the store's project: name, role, and whether they were only invited so far, may enter, or are locked."""
    now = time.time()

    def state(person: Person) -> str:
        if person.locked_until > now:
            return "locked"
        return "active" if person.password else "invited" if person.code_until > now else "expired"

    known = people(store.home, store.project)
    return [
        {"name": one.name, "role": one.role(store.project), "state": state(one), "since": one.created} for one in known
    ]


def find(home: Path, name: str, project: str) -> Person | None:
    """Return the person of this name, however written (`ann`, `Ann`), who has a role in the project, or None."""
    person = _read(home).get(name.casefold())
    return person if person and person.role(project) else None


def join(store: Book, code: str, password: str, settings: WebSettings) -> Person:
    """Spend an invitation code and set the password of who was invited.

    Raises `PolicyError` for a code that is unknown, spent or too old, `InputError` for a password that is too short, too long or easily guessed.
    """
    digest = _hash("".join(one for one in code.upper() if one in _ALPHABET))
    person = _invited(people(store.home, store.project), digest)
    _check_password(password, person.name, settings.min_password)
    hashed = _stretch(password, os.urandom(_SALT_BYTES))
    store.event("person join", name=person.name)

    def changed(known: dict[str, Person]) -> Person:
        there = _invited([known[person.name.casefold()]], digest)  # of two at once, one is too late
        return replace(there, code=None, password=hashed, failures=0, locked_until=0.0)

    return _change(store.home, person.name, changed)


def _invited(known: list[Person], digest: str) -> Person:
    for person in known:
        if hmac.compare_digest(person.code or "", digest) and person.code_until >= time.time():
            return person
    raise PolicyError(_("this invitation code is not valid: it was used, is too old or mistyped; ask for a new one"))


def enter(store: Book, name: str, password: str, settings: WebSettings) -> Person:
    """Return the person whose name and password these are. What is wrong is not told, and takes the same time.

    Raises `PolicyError` when they do not match, `BusyError` while the person is locked out: `settings.attempts` wrong ones in a row close the
    door for `settings.lock_minutes` (NIST SP 800-63B, 5.2.2, limits the rate of guesses).
    """
    person = find(store.home, name, store.project)
    if person:  # counted before it is compared: guesses that come at once are as few as those that come one by one
        _change(store.home, name, lambda known: _tried(known[name.casefold()], settings))
    else:
        _change_nobody(store.home)
    kept = (person and person.password) or _nobody()
    right = hmac.compare_digest(kept, _stretch(password[:MAX_PASSWORD_CHARACTERS], bytes.fromhex(kept.split(":")[0])))
    if person is None or not right:
        raise PolicyError(_("name and password do not match"))
    return _change(store.home, name, lambda known: replace(known[name.casefold()], failures=0, locked_until=0.0))


def _tried(person: Person, settings: WebSettings) -> Person:
    now = time.time()
    if person.locked_until > now:
        minutes = max(1, round((person.locked_until - now) / 60))
        raise BusyError(_("too many wrong passwords; try again in {minutes} minutes", minutes=minutes))
    if person.failures + 1 < settings.attempts:
        return replace(person, failures=person.failures + 1)
    return replace(person, failures=0, locked_until=now + settings.lock_minutes * 60)


def _check_password(password: str, name: str, least: int) -> None:
    plain = password.casefold()
    if not least <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InputError(
            _(
                "a password has {least} to {most} characters; a short sentence is a good one",
                least=least,
                most=MAX_PASSWORD_CHARACTERS,
            )
        )
    if len(set(plain)) < 5 or name.casefold() in plain or "password" in plain or "skerry" in plain:
        raise InputError(_("this password is easily guessed; leave out your name and repeated characters"))


def _stretch(password: str, salt: bytes) -> str:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    function = Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19_456)
    return f"{salt.hex()}:{function.derive(password.encode('utf-8', 'replace')).hex()}"


@cache
def _nobody() -> str:
    # What the password of a name that nobody has is compared with, so that the time tells nothing.
    return _stretch(secrets.token_hex(16), os.urandom(_SALT_BYTES))


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _no_such(store: Book, name: str) -> str:
    return _(
        "nobody is called `{name}` in project `{project}`; see `skerry label people`", name=name, project=store.project
    )


def _read(home: Path) -> dict[str, Person]:
    path = home / _FILE
    try:
        return {one["name"].casefold(): Person(**one) for one in json.loads(path.read_bytes())["people"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(_("`{path}` cannot be read as people; put back a backup", path=path)) from error


def _change(home: Path, name: str, change: Callable[[dict[str, Person]], Person]) -> Person:
    with locked(home / f".{_FILE}.lock"):
        known = _read(home)
        known[name.casefold()] = changed = change(known)
        _write(home, known)
    return changed


def _change_nobody(home: Path) -> None:
    # What it takes to note a guess at a name that nobody has, so that the time tells nothing here either.
    with locked(home / f".{_FILE}.lock"):
        _write(home, _read(home))


def _write(home: Path, known: Mapping[str, Person]) -> None:
    content: dict[str, Any] = {"people": [asdict(person) for person in known.values()]}
    write_durably(home / _FILE, json.dumps(content, ensure_ascii=False, indent=1).encode())
