"""The appliance's own signature: ECDSA on P-384 with SHA-384 (FIPS 186-5), as `openssl dgst -sha384` makes and verifies it.

The key is made at its first use and lies beside the key files, outside the home. It signs what leaves the machine: the
evidence of a self-test, and model folders for other machines. A signed folder is flat::

    MANIFEST         lines `# key: value`, then `sha256  path` of every other file: what `sha256sum -c` reads
    MANIFEST.SIG     the signature over MANIFEST
    SIGNER.PEM       the public key: it proves nothing until its fingerprint was compared with one from elsewhere
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import IntegrityError, SettingsError
from appliance.files import file_sha256
from appliance.words import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

__all__ = [
    "check",
    "check_folder",
    "fingerprint",
    "known_fingerprint",
    "listing",
    "public_key",
    "sign",
    "sign_folder",
]

KEY, MANIFEST, SIGNATURE, SIGNER = "appliance-signing.pem", "MANIFEST", "MANIFEST.SIG", "SIGNER.PEM"
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._-]{0,63})")
_COMMENT = re.compile(r"# [a-z]+: [^\n\r]*")
_LARGEST_BYTES = 64 * 1024  # of a list, a signature, a public key


def public_key(key_folder: Path) -> bytes:
    """Return the appliance's public key as PEM; its private key is made (mode 0600) unless it is there."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _private_key(key_folder).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of a public key's DER form (RFC 5280, SubjectPublicKeyInfo), 64 hex digits. Raises `IntegrityError` unless it is on P-384."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def known_fingerprint(key_folder: Path) -> str | None:
    """Return the fingerprint of the appliance's key, or None where none has been made yet."""
    return fingerprint(public_key(key_folder)) if (key_folder / KEY).exists() else None


def sign(content: bytes, key_folder: Path) -> bytes:
    """Return the signature over `content`: ECDSA in DER form (RFC 3279, section 2.2.3)."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA384

    return _private_key(key_folder).sign(content, ECDSA(SHA384()))


def check(content: bytes, signature: bytes, pem: bytes, name: str) -> None:
    """Raise `IntegrityError` unless `signature` is that of `content` by the public key `pem`; `name` stands in the message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA384

    try:
        _public_key(pem).verify(signature, content, ECDSA(SHA384()))
    except InvalidSignature as error:
        raise IntegrityError(
            _("`{name}` is not what was signed; have it written and carried over again", name=name)
        ) from error


def sign_folder(folder: Path, key_folder: Path, header: Mapping[str, str]) -> str:
    """Write `MANIFEST`, its signature and the public key into a flat folder; return the signer's fingerprint."""
    content, pem = listing(folder, header), public_key(key_folder)
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sign(content, key_folder))
    (folder / SIGNER).write_bytes(pem)
    return fingerprint(pem)


def listing(folder: Path, header: Mapping[str, str]) -> bytes:
    """Return what the `MANIFEST` of a flat folder says: the same header and files give the same bytes."""
    lines = [f"# {key}: {value}" for key, value in header.items()]
    lines += [f"{file_sha256(path)}  {path.name}" for path in sorted(folder.iterdir())]
    return ("\n".join(lines) + "\n").encode()


def check_folder(folder: Path, signer: str) -> tuple[str, dict[str, str]]:
    """Check a signed folder's list; return its signer's fingerprint and the SHA-256 of each file by its name.

    The files themselves are hashed by whoever copies them: between two looks a stick may change.

    `signer` is the fingerprint that was told by another way; spaces and colons in it do not count. Raises `SettingsError` when it
    is none, `IntegrityError` for another signer, a changed list, and a file that is missing, extra or no regular file.
    """
    wanted = re.sub(r"[\s:]", "", signer).lower()
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise SettingsError(
            _("`{signer}` is no fingerprint: 64 hex digits, as `skerry doctor` shows it", signer=signer)
        )
    content, signature, pem = (_small_file(folder / name) for name in (MANIFEST, SIGNATURE, SIGNER))
    if (found := fingerprint(pem)) != wanted:
        raise IntegrityError(
            _(
                "`{folder}` was signed by {found}, not by {wanted}; ask its sender",
                folder=folder,
                found=found,
                wanted=wanted,
            )
        )
    check(content, signature, pem, MANIFEST)
    files = _parse(content)
    there = {path.name for path in folder.iterdir()} - {MANIFEST, SIGNATURE, SIGNER}
    for name in sorted(files.keys() ^ there):
        raise IntegrityError(
            _("`{path}` is on the list but not there", path=folder / name)
            if name in files
            else _("`{path}` is on no list; remove it, or have the folder carried over again", path=folder / name)
        )
    for name in sorted(files):
        _regular(folder / name)
    return found, files


def _parse(content: bytes) -> dict[str, str]:
    files: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").removesuffix("\n").split("\n"), 1):
        entry = _LINE.fullmatch(line)
        if entry and entry[2] not in files:
            files[entry[2]] = entry[1]
        elif files or not _COMMENT.fullmatch(line):
            raise IntegrityError(_("`{name}` line {number} is no line of a signed list", name=MANIFEST, number=number))
    return files


def _small_file(path: Path) -> bytes:
    _regular(path)
    if path.stat().st_size > _LARGEST_BYTES:
        raise IntegrityError(_("`{path}` is too large for what it should be", path=path))
    return path.read_bytes()


def _regular(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(_("`{path}` is missing or no regular file", path=path))


def _private_key(key_folder: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = key_folder / KEY
    if not path.exists():
        _make_key(path)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise IntegrityError(_("`{path}` is no private key on P-384; put back a backup", path=path)) from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
        raise IntegrityError(_("`{path}` is no private key on P-384; put back a backup", path=path))
    return key


def _make_key(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(temporary)  # the first of two processes makes the key; a key is never seen half written
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _public_key(pem: bytes) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IntegrityError(_("`{name}` is no public key on P-384", name=SIGNER)) from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise IntegrityError(_("`{name}` is no public key on P-384", name=SIGNER))
    return key
