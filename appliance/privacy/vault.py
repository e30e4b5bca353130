"""The vault: values that two people together can read again.

A token holds its value, encrypted, so no table has to be kept or guarded: `<VAULT_PERSON_` and Base32 (RFC 4648) and `>` over

    data set (16 bytes) | key id (4 bytes) | nonce (12 bytes) | AES-256-GCM ciphertext of the padded value with its tag (NIST SP 800-38D)

Kind and data set are authenticated, so no token can be passed off as one of another kind or set. The nonce is the keyed HMAC of kind and value
(a synthetic IV, as in RFC 8452): the same value has the same token within a data set, and no nonce serves two values. Values are padded to
multiples of 16 bytes, so a token tells the length only roughly.

The key comes from two people's key files by HKDF-SHA-256 (RFC 5869); neither alone opens anything. A key file holds 64 hex digits
(`skerry vault key FILE`) or, in its first line, a passphrase of 15 characters or more (NIST SP 800-63B-4 section 3.1.1.2), which scrypt
(RFC 7914) with N = 2^17, r = 8, p = 1 and the data set as salt makes into a key: 128 MiB and about half a second for each guess.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import IntegrityError, PolicyError, SettingsError
from appliance.reasons import reason
from appliance.words import _

__all__ = ["SET_BYTES", "TOKEN", "Share", "Vault", "key", "open_all", "others", "shares"]

TOKEN = re.compile(r"<VAULT_([A-Z][A-Z_]*)_([A-Z2-7]{58,})>")
SET_BYTES = 16  # that name a data set in its tokens
_KEY_ID_BYTES, _NONCE_BYTES, _BLOCK_BYTES = 4, 12, 16
_SCRYPT = {"n": 2**17, "r": 8, "p": 1}
_LEAST_PASSPHRASE = 15
_MOST_BYTES = 4096


@dataclass(frozen=True)
class Share:
    """One person's part of the key: 32 random bytes, or a passphrase."""

    secret: bytes = field(repr=False)
    passphrase: bool = False

    def bytes_for(self, dataset: bytes) -> bytes:
        """Return the 32 bytes that this person brings to the key of one data set."""
        if not self.passphrase:
            return self.secret
        salt = b"skerry vault" + dataset
        return hashlib.scrypt(self.secret, salt=salt, maxmem=256 * 1024**2, dklen=32, **_SCRYPT)


class Vault:
    """Seals the values of one data set and opens its tokens."""

    def __init__(self, key: bytes, dataset: bytes) -> None:
        """Take the 32-byte key and the 16 bytes that name the data set. `of` makes both from two people's shares."""
        self._dataset = dataset
        self._sealing, self._nonces = _derive(key, b"seal", 32), _derive(key, b"nonce", 32)
        self._key_id = _derive(key, b"id", _KEY_ID_BYTES)

    @classmethod
    def of(cls, both: tuple[Share, Share], dataset: bytes) -> Vault:
        """Make the vault of a data set from two people's shares; their order does not count."""
        parts = sorted(share.bytes_for(dataset) for share in both)
        return cls(_derive(b"".join(parts), b"skerry vault " + dataset, 32), dataset)

    def seal(self, kind: str, value: str) -> str:
        """Return the token of a value."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        text = value.encode("utf-8", "surrogatepass")
        about = self._about(kind)
        nonce = hmac.digest(self._nonces, about + text, "sha256")[:_NONCE_BYTES]
        sealed = AESGCM(self._sealing).encrypt(nonce, _padded(text), about)
        return f"<VAULT_{kind}_{_base32(self._dataset + self._key_id + nonce + sealed)}>"

    def open(self, token: str) -> str:
        """Return the value of a token. Raises `PolicyError` for a token of other keys, `IntegrityError` for one that was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        kind, raw = read(token)
        dataset, rest = raw[:SET_BYTES], raw[SET_BYTES:]
        key_id, rest = rest[:_KEY_ID_BYTES], rest[_KEY_ID_BYTES:]
        if dataset != self._dataset or not hmac.compare_digest(key_id, self._key_id):
            raise PolicyError(_("these two key files do not open the tokens; nothing was revealed"))
        try:
            text = AESGCM(self._sealing).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], self._about(kind))
        except InvalidTag as error:
            raise IntegrityError(_("a token was changed after it was written; nothing was revealed")) from error
        return _unpadded(text).decode("utf-8", "surrogatepass")

    def _about(self, kind: str) -> bytes:
        return b"skerry vault 1\0" + kind.encode() + b"\0" + self._dataset


def open_all(tokens: Sequence[str], both: tuple[Share, Share]) -> Mapping[str, str]:
    """Return the value of every token, of whichever data sets. Raises as `Vault.open`; then no value is returned at all."""
    vaults: dict[bytes, Vault] = {}
    opened = {}
    for token in dict.fromkeys(tokens):
        dataset = dataset_of(token)
        if dataset not in vaults:
            vaults[dataset] = Vault.of(both, dataset)
        opened[token] = vaults[dataset].open(token)
    return opened


def read(token: str) -> tuple[str, bytes]:
    """Return a token's kind and bytes. Raises `IntegrityError` for what is no whole token."""
    match = TOKEN.fullmatch(token)
    try:
        raw = base64.b32decode(match[2] + "=" * (-len(match[2]) % 8)) if match else b""
    except binascii.Error:
        raw = b""
    if not match or len(raw) < SET_BYTES + _KEY_ID_BYTES + _NONCE_BYTES + _BLOCK_BYTES or _base32(raw) != match[2]:
        raise IntegrityError(_("this is no whole vault token; take it from the scrubbed text from `<` to `>`"))
    return match[1], raw


def dataset_of(token: str) -> bytes:
    """Return the 16 bytes that name the token's data set."""
    return read(token)[1][:SET_BYTES]


def shares(files: Sequence[Path], home: Path | None = None) -> tuple[Share, Share]:
    """Read two people's key files. Raises `PolicyError` unless they are two, differ, and lie outside the home."""
    if len(files) != 2:
        raise PolicyError(_("the vault takes two people's key files: `--vault` (scrub) or `--key` (reveal) twice"))
    if home is not None and any(file.resolve().is_relative_to(home.resolve()) for file in files):
        raise PolicyError(_("a vault key file must lie outside the home; keep it where only its owner reads it"))
    first, second = map(_share, files)
    if first.secret == second.secret:
        raise PolicyError(_("the two key files are the same; the vault takes two people's"))
    return first, second


def key(file: Path, home: Path | None = None, key_folder: Path | None = None) -> None:
    """Write a new key file for one person, readable by its owner only.

    Raises `PolicyError` for a place inside the home or beside the home's own keys, where whoever runs the appliance could read both people's,
    `SettingsError` when the file is there or cannot be written.
    """
    place = file.resolve()
    for folder, name in ((home, _("the home")), (key_folder, _("the folder of the home's own keys"))):
        if folder is not None and place.is_relative_to(folder.resolve()):
            raise PolicyError(
                _(
                    "a vault key must not lie in {folder} `{path}`: name a place that only its owner reads, such as a stick of their own",
                    folder=name,
                    path=folder,
                )
            )
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as target:
            target.write(os.urandom(32).hex() + "\n")
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise SettingsError(_("cannot write `{file}`: {error}", file=file, error=reason(error))) from error


def others(file: Path) -> list[str]:
    """Return the names of other vault key files in the same folder: two people's keys should not lie together."""
    return sorted(each.name for each in file.resolve().parent.iterdir() if each.name != file.name and _is_key(each))


def _is_key(file: Path) -> bool:
    try:
        return file.is_file() and re.fullmatch(b"[0-9a-f]{64}\n", _head(file)) is not None
    except OSError:  # somebody else's
        return False


def _head(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_MOST_BYTES)


def _share(file: Path) -> Share:
    try:
        line = _head(file).decode("utf-8").split("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(_("cannot read the key file `{file}`: {error}", file=file, error=reason(error))) from error
    if re.fullmatch("[0-9A-Fa-f]{64}", line):
        return Share(bytes.fromhex(line))
    if len(line) < _LEAST_PASSPHRASE:
        raise SettingsError(
            _(
                "`{file}` is no key file: it holds neither 64 hex digits nor a passphrase of {least} characters; make one with `skerry vault key FILE`",
                file=file,
                least=_LEAST_PASSPHRASE,
            )
        )
    return Share(line.encode(), passphrase=True)


def _derive(secret: bytes, purpose: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt=None, info=purpose).derive(secret)


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=")


def _padded(text: bytes) -> bytes:
    count = _BLOCK_BYTES - len(text) % _BLOCK_BYTES
    return text + bytes([count]) * count


def _unpadded(text: bytes) -> bytes:
    return text[: -text[-1]]
