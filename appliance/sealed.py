"""Files that grow by encrypted frames: what a process may leave on disk as it goes, and read again after a crash.

A frame is its length as 4 bytes, a random 96-bit nonce and AES-256-GCM (NIST SP 800-38D) with the file's purpose and the
frame's number as associated data, so that frames can be neither changed, swapped nor taken from another file. Only the end can
be missing: what a crash cut off is no frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import IntegrityError
from appliance.words import _

__all__ = ["append", "read", "repair"]

_LENGTH_BYTES = 4
_NONCE_BYTES = 12


def append(path: Path, key: bytes, purpose: str, number: int, content: bytes, durable: bool = True) -> None:
    """Add frame `number` (from 0) with the 32-byte `key`; with `durable` it is on the disk on return. Raises `OSError`, and then the file is as it was."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, content, f"{purpose} {number}".encode())
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    before = os.fstat(handle).st_size
    try:
        with os.fdopen(handle, "ab") as file:
            file.write(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        os.truncate(path, before)  # behind half a frame no other could be found
        raise


def read(path: Path, key: bytes, purpose: str, start: int = 0) -> Iterator[bytes]:
    """Yield the content of the whole frames from number `start` on; nothing where there is no file.

    Raises `IntegrityError` for a wrong key and changed bytes.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher = AESGCM(key)
    for number, sealed in enumerate(_frames(path)):
        if number < start:
            continue
        try:
            yield cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"{purpose} {number}".encode())
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                _("`{path}` was changed, or its key is another one; put back a backup", path=path)
            ) from error


def repair(path: Path) -> int:
    """Cut off what a crash left of an unfinished frame; return the number of whole ones."""
    count = whole = 0
    for sealed in _frames(path):
        count += 1
        whole += _LENGTH_BYTES + len(sealed)
    if path.exists() and path.stat().st_size > whole:
        os.truncate(path, whole)
    return count


def _frames(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    with path.open("rb") as file:
        while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            length = int.from_bytes(head, "big")
            if len(sealed := file.read(length)) < length:
                return
            yield sealed
