"""Signatures by file: ECDSA on P-384 over SHA-384 (FIPS 186-5), optionally a second vendor's, and SM2 over SM3 (GB/T 32918).

A key folder holds `vendor.key` (private, mode 0600) and `vendor.pem` (public). Beside a signed file lie `.SIG`, with a
second vendor key `.SG2` (then both are demanded), and `.SM2` where a site asks for the commercial algorithms of China.
A change of keys: the new key's folder holds `next.pem` and `next.sig`, its public key signed by the old one; a stick
carries them as `NEXT.PEM` and `NEXT.SIG`, and whoever trusts the old key may then trust the new one.

Signing takes deterministic nonces (RFC 6979), so that the same inputs are the same bytes. Checking is `openssl`, and on a
machine without that program `bundle.p384`, which comes to the same verdict.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bundle import p384
from bundle.errors import IntegrityError, MissingPartError, NotFoundError, PolicyError
from bundle.manifest import SECOND_SIGNATURE, SIGNATURE, SM2_SIGNATURE
from bundle.slots import write_durably
from bundle.words import _

Json = dict[str, Any]

PRIVATE_KEY, PUBLIC_KEY = "vendor.key", "vendor.pem"
NEXT_KEY, NEXT_SIGNATURE = "next.pem", "next.sig"
# What is signed is a list of names or a key; nothing near this size is either.
_MOST_BYTES = 64 * 1024**2
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END PUBLIC KEY-----\n?")


def keygen(folder: Path, signed_by: Path | None = None, sm2: bool = False) -> Json:
    """Make a key pair in `folder`: P-384, or with `sm2` one on the SM2 curve; `signed_by` is the key folder that it replaces.

    Raises `PolicyError` where a key is already there.
    """
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    if private.exists():
        raise PolicyError(_("`{path}` exists; a key is never overwritten: name another folder", path=private))
    curve = "SM2" if sm2 else "P-384"
    content = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(public, _openssl("pkey", "-pubout", content=content), 0o644)
    if signed_by:
        shutil.copyfile(public, folder / NEXT_KEY)
        (folder / NEXT_SIGNATURE).write_bytes(_p384(public.read_bytes(), signed_by))
    write_durably(private, content, 0o600)  # last: a key that is there is whole
    return {"key": str(folder), "fingerprint": on_paper(fingerprint(public))}


def fingerprint(public_key: Path) -> str:
    """Return the SHA-256 of the public key's DER, 64 hex digits. Raises `IntegrityError` unless the file is one PEM public key and nothing else."""
    return hashlib.sha256(_der(public_key)).hexdigest()


def on_paper(digest: str) -> str:
    """Return a digest in groups of four, as it is printed on paper and read out."""
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


def sign(file: Path, key_folder: Path, second: Path | None = None, sm2: Path | None = None) -> list[Path]:
    """Sign `file` with the key folders given and return the signatures written beside it."""
    content = file.read_bytes()
    written = [(SIGNATURE, _p384(content, key_folder))]
    if second:
        written.append((SECOND_SIGNATURE, _p384(content, second)))
    if sm2:
        signature = _openssl("dgst", "-sm3", "-sign", str(_private(sm2)), content=content)
        written.append((SM2_SIGNATURE, signature))
    for suffix, signature in written:
        _beside(file, suffix).write_bytes(signature)
    return [_beside(file, suffix) for suffix, _signature in written]


def check(file: Path, public_key: Path, second: Path | None = None, sm2: Path | None = None) -> bytes:
    """Return the content of `file` whose signatures were checked: use it, and do not read the file again.

    Each key that is given demands its signature. Raises `IntegrityError`.
    """
    content = _read(file)
    for suffix, key, digest in (
        (SIGNATURE, public_key, "sha384"),
        (SECOND_SIGNATURE, second, "sha384"),
        (SM2_SIGNATURE, sm2, "sm3"),
    ):
        signature = _beside(file, suffix)
        if key and not (signature.is_file() and is_signed(content, _read(signature), key, digest)):
            raise IntegrityError(
                _(
                    "`{file}` is not signed by `{key}`: it was changed, or another key signed it; compare the key's fingerprint with paper",
                    file=file,
                    key=key,
                )
            )
    return content


def is_signed(content: bytes, signature: bytes, public_key: Path, digest: str = "sha384") -> bool:
    """Tell whether `signature` is one of `public_key` over `content`. Raises `NotFoundError` where the key's file is missing."""
    if not public_key.is_file():
        raise NotFoundError(_("no public key `{path}`", path=public_key))
    if not p384.numbers(
        signature
    ):  # `openssl dgst` reads no further than a signature can be long: more must not hide there
        return False
    if digest == "sha384" and not shutil.which("openssl"):
        return p384.is_signed(content, signature, _der(public_key))
    program = _for_sm2() if digest == "sm3" else "openssl"
    with tempfile.NamedTemporaryFile() as held:
        held.write(signature)
        held.flush()
        arguments = ("dgst", f"-{digest}", "-verify", str(public_key), "-signature", held.name)
        return _run(arguments, content, program).returncode == 0


def _for_sm2() -> str:
    """Return the openssl that checks SM2: the carried one where the carried Python runs this, else the host's from 3.0 on."""
    runtime = Path(sys.base_prefix)
    if (runtime / "runtime.json").is_file() and (runtime / "bin" / "openssl").is_file():
        return str(runtime / "bin" / "openssl")
    said = _run(("version",)).stdout.decode(errors="replace").strip()
    if int((re.findall(r"OpenSSL (\d+)", said) or [0])[0]) < 3:
        raise MissingPartError(
            _(
                "the SM2 signature is checked with OpenSSL 3, here is `{found}`; run `INSTALL.SH` with `--sm2`, which takes the carried one",
                found=said,
            )
        )
    return "openssl"


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise NotFoundError(_("no file `{path}`", path=file))
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NotFoundError(_("cannot read `{path}`: {reason}", path=file, reason=error.strerror)) from None
    if len(content) > _MOST_BYTES:
        raise IntegrityError(_("`{path}` is far too big for what it should be", path=file))
    return content


def _der(public_key: Path) -> bytes:
    try:
        body = _PEM.fullmatch(_read(public_key).decode("ascii"))
    except UnicodeDecodeError:
        body = None
    if not body:
        raise IntegrityError(_("`{path}` is not one public key in PEM and nothing else", path=public_key))
    return base64.b64decode(body[1])


def _private(folder: Path) -> Path:
    if not (folder / PRIVATE_KEY).is_file():
        raise NotFoundError(
            _("no `{name}` in `{folder}`; make one with `skerry-bundle keygen`", name=PRIVATE_KEY, folder=folder)
        )
    return folder / PRIVATE_KEY


def _p384(content: bytes, key_folder: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_private(key_folder).read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
        raise PolicyError(_("the key in `{folder}` is no plain private key on P-384", folder=key_folder))
    return key.sign(content, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))


def _openssl(*arguments: str, content: bytes = b"") -> bytes:
    done = _run(arguments, content)
    if done.returncode:
        raise MissingPartError(
            _(
                "`openssl {verb}` failed: {reason}",
                verb=arguments[0],
                reason=done.stderr.decode(errors="replace").strip(),
            )
        )
    return done.stdout


def _run(
    arguments: tuple[str, ...], content: bytes = b"", program: str = "openssl"
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run([program, *arguments], input=content, capture_output=True, check=False)
    except FileNotFoundError:
        raise MissingPartError(_("no `openssl` on this machine; install it, it checks the signature")) from None
