"""The key file outside the home, and what is derived from it.

One random 256-bit master key a home lies in a file that is not in the home (`store.key_folder`). From it HKDF-SHA-256
(RFC 5869) derives one key a purpose. Each raw data set has a random data key of its own, wrapped with AES-256-GCM
(NIST SP 800-38D); removing the wrapped key makes the set unreadable, removing the master key decommissions the home.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from functools import cached_property
from pathlib import Path

from appliance.errors import IntegrityError, NotFoundError, PolicyError
from appliance.words import _

__all__ = ["Keys", "key_folder", "open_keys"]

_NONCE_BYTES = 12


def key_folder(home: Path, configured: Path | None) -> Path:
    """Return the folder of key files: the configured one, `/etc/skerry/keys` for an installed home, else `~/.config/skerry/keys`.

    Raises `PolicyError` when it lies inside the home: whoever copies the home must not get the keys with it.
    """
    installed = home == Path("/var/lib/skerry")
    folder = configured or (Path("/etc/skerry/keys") if installed else Path("~/.config/skerry/keys").expanduser())
    if folder.resolve().is_relative_to(home.resolve()):
        raise PolicyError(
            _(
                "the key folder `{folder}` lies inside the home; set `store.key_folder` to a place outside",
                folder=folder,
            )
        )
    return folder


def open_keys(home: Path, configured: Path | None) -> Keys:
    """Return the keys of a home that is there already, for a process that does not open its tables; `configured` is `store.key_folder`.

    Raises `NotFoundError` when there is no home, and what `key_folder` raises; the key file itself is read when a key is asked for.
    """
    try:
        about = json.loads((home / "home.json").read_bytes())
        name, check = str(about["id"]), about.get("key_check")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(_("`{home}` is no home; run `skerry init` first", home=home)) from error
    return Keys(key_folder(home, configured) / f"{name}.key", check)


class Keys:
    """The keys of one home: derive by purpose, seal and open small secrets, wrap data keys."""

    def __init__(self, path: Path, check: str | None = None) -> None:
        """Take the key file at `path`; `check` is what its `check()` must give, None where nobody has written it down."""
        self.path, self._check = path, check
        self._derived: dict[str, bytes] = {}  # one derivation a purpose: a million rows ask for the same three

    @classmethod
    def create(cls, path: Path) -> Keys:
        """Write a new random master key to `path` (mode 0600), unless one is there."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path)
        with os.fdopen(handle, "w") as file:
            file.write(os.urandom(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls(path)

    @cached_property
    def _master(self) -> bytes:
        try:
            key = bytes.fromhex(self.path.read_text("ascii").strip())
        except FileNotFoundError as error:
            raise NotFoundError(
                _(
                    "no key file `{path}`; put back the one that belongs to this home, or name its folder in `store.key_folder`",
                    path=self.path,
                )
            ) from error
        except ValueError as error:
            raise IntegrityError(
                _("`{path}` is no key file (64 hex digits); put back the one that belongs to this home", path=self.path)
            ) from error
        if len(key) != 32:
            raise IntegrityError(
                _("`{path}` is no key file (64 hex digits); put back the one that belongs to this home", path=self.path)
            )
        if self._check is not None and not hmac.compare_digest(_check(key), self._check):
            raise IntegrityError(
                _(
                    "`{path}` is the key file of another home; put back the one that belongs to this home",
                    path=self.path,
                )
            )
        return key

    def check(self) -> str:
        """Return what tells this key from others and gives nothing of it away."""
        return _check(self._master)

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key of one purpose (HKDF-SHA-256, RFC 5869, purpose as `info`)."""
        if purpose not in self._derived:
            self._derived[purpose] = _derive(self._master, purpose)
        return self._derived[purpose]

    def hmac(self, purpose: str, value: str) -> str:
        """Return HMAC-SHA-256 (RFC 2104) of `value` under the purpose's key, 64 hex digits."""
        return hmac.new(self.derive(f"hmac {purpose}"), value.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def seal(self, purpose: str, secret: bytes) -> str:
        """Encrypt `secret` with AES-256-GCM under the purpose's key; returns base64 of nonce and ciphertext."""
        return seal(self.derive(purpose), secret, purpose)

    def open(self, purpose: str, sealed: str) -> bytes:
        """Undo `seal`. Raises `IntegrityError` when the key is not the one that sealed it or a byte changed."""
        return unseal(self.derive(purpose), sealed, purpose)


def _derive(master: bytes, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=f"skerry {purpose}".encode()).derive(master)


def _check(master: bytes) -> str:
    return _derive(master, "key check").hex()


def seal(key: bytes, secret: bytes, purpose: str) -> str:
    """AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and `purpose` as associated data; base64 text."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret, purpose.encode())).decode("ascii")


def unseal(key: bytes, sealed: str | bytes, purpose: str) -> bytes:
    """Undo `seal`. Raises `IntegrityError` for a wrong key or changed bytes."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            _("cannot decrypt: the key file is not the one this was written with, or bytes changed; see `skerry fsck`")
        ) from error
