"""Is this what the vendor signed: the stick or its copy in the staging folder, and then the payload inside it.

Nothing is unpacked before the signature of `PARTS` and the digest of every file agree, and no other file, link or
special file may lie beside them. A stick can change between two readings, so `unpack` works on the staging folder only,
and every file of the payload is checked once more against `MANIFEST`, which has its own signature.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from bundle import archive, sign
from bundle.errors import BundleError, HardwareError, IntegrityError, NotFoundError, PolicyError
from bundle.manifest import (
    MANIFEST,
    PARTS,
    SECOND_COPY,
    SECOND_SIGNATURE,
    SIGNATURE,
    SM2_SIGNATURE,
    Listing,
    differences,
    files_below,
    parse,
    sha256,
)
from bundle.media import MANIFEST_FORMAT, NEXT_KEY, NEXT_SIGNATURE, PARTS_FORMAT, SAME_IN_BOTH, VOLUME
from bundle.parity import data_names
from bundle.trust import trusted
from bundle.words import _

Json = dict[str, Any]

SIGNATURES = (SIGNATURE, SECOND_SIGNATURE, SM2_SIGNATURE)


def verify(
    stick: Path,
    vendor_key: Path | None = None,
    second: Path | None = None,
    sm2: Path | None = None,
    least_serial: int = 0,
    prefix: Path | None = None,
) -> Json:
    """Check the stick, its volumes side by side, or a staging folder, against the vendor's public key and return what it is.

    `second` and `sm2` are further public keys, whose signatures are then demanded, as are those of the keys that the
    installation in `prefix` trusts. Raises `IntegrityError` that names each file that was changed, is missing or is on no
    list, and `PolicyError` for a serial below `least_serial`.
    """
    keys = trusted(prefix, vendor_key, second, sm2)
    folders = volumes(stick)
    found = _found(folders)  # first, as it refuses links and pipes
    listing, key = read_parts(folders[0], keys.vendor, keys.second, keys.sm2)
    faults = list(differences(_wanted(folders[0], listing), found))
    if faults:
        raise IntegrityError(_("`{stick}` is not what was signed:\n{faults}", stick=stick, faults=_shown(faults)))
    serial = int(listing.header["serial"])
    if serial < least_serial:
        raise PolicyError(
            _("serial {serial} is older than {least}, which is installed", serial=serial, least=least_serial)
        )
    return {
        "ok": True,
        **{name: listing.header[name] for name in SAME_IN_BOTH},
        "serial": serial,
        "base": listing.header.get("base"),
        "advises": listing.header.get("advises"),
        "files": len(listing.files),
        "key": str(key),
        "fingerprint": sign.on_paper(sign.fingerprint(key)),
        "not_checked": [
            PARTS + suffix
            for suffix, given in ((SECOND_SIGNATURE, keys.second), (SM2_SIGNATURE, keys.sm2))
            if suffix in listing.header["signatures"].split() and not given
        ],
    }


def volumes(stick: Path) -> list[Path]:
    """Return the folders that hold the stick's files: itself, or `VOLUME1`, `VOLUME2` ... below it. Raises `NotFoundError`."""
    if (stick / PARTS).exists() or (stick / SECOND_COPY / PARTS).exists():
        return [stick]
    found = sorted(path for path in stick.glob(f"{VOLUME}*") if path.is_dir())
    if not found:
        raise NotFoundError(
            _("no `{name}` in `{stick}`: this is no bundle, or the list was removed", name=PARTS, stick=stick)
        )
    return found


def read_parts(
    folder: Path, vendor_key: Path, second: Path | None = None, sm2: Path | None = None
) -> tuple[Listing, Path]:
    """Return the signed list of parts in `folder`, and the key that signed it: the trusted one, or the next one that it signed.

    Raises `IntegrityError`.
    """
    try:
        return _read_list(folder / PARTS, PARTS_FORMAT, vendor_key, second, sm2), vendor_key
    except IntegrityError:
        following = folder / NEXT_KEY
        if not _is_next(following, vendor_key):
            raise
        return _read_list(folder / PARTS, PARTS_FORMAT, following, second, sm2), following


def unpack(
    staging: Path,
    vendor_key: Path,
    base: Path | None = None,
    second: Path | None = None,
    sm2: Path | None = None,
    least_serial: int = 0,
) -> Path:
    """Verify the staging folder, join its parts and return the payload's folder, `STAGING-payload` beside it.

    A delta needs `base`, the payload folder that it was made for. Raises as `verify` does; a payload that fails is removed.
    """
    verified = verify(staging, vendor_key, second, sm2, least_serial)
    listing, key = read_parts(staging, vendor_key, second, sm2)
    target = staging.with_name(staging.name + "-payload")
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _extract(staging, listing.header, unfinished)
        if verified["base"]:
            _complete(unfinished, base, verified["base"])
        check_payload(unfinished, listing.header, key, second, sm2)
    except BundleError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise HardwareError(_("cannot write `{path}`: {reason}", path=target, reason=error.strerror)) from None
    shutil.rmtree(target, ignore_errors=True)
    return unfinished.rename(target)


def check_payload(
    payload: Path, parts: Mapping[str, str], key: Path, second: Path | None = None, sm2: Path | None = None
) -> Listing:
    """Return the payload's signed `MANIFEST` after every file agreed with it, and its header with that of `PARTS`.

    Raises `IntegrityError`.
    """
    manifest = _read_list(payload / MANIFEST, MANIFEST_FORMAT, key, second, sm2)
    mixed = [name for name in SAME_IN_BOTH if manifest.header.get(name) != parts.get(name)]
    if mixed:
        raise IntegrityError(
            _(
                "`{parts}` and `{manifest}` are of different bundles: {fields}",
                parts=PARTS,
                manifest=MANIFEST,
                fields=", ".join(mixed),
            )
        )
    found = files_below(payload)
    own = {name: found[name] for name in (MANIFEST, *(MANIFEST + suffix for suffix in SIGNATURES)) if name in found}
    faults = list(differences({**manifest.files, **own}, found))
    if faults:
        raise IntegrityError(_("the payload is not what was signed:\n{faults}", faults=_shown(faults)))
    return manifest


def _read_list(path: Path, kind: str, key: Path, second: Path | None, sm2: Path | None) -> Listing:
    content = sign.check(path, key, second, sm2)
    try:
        listing = parse(content.decode("ascii"), path.name)
    except UnicodeDecodeError:
        raise IntegrityError(_("`{name}` is not in the form that is signed", name=path.name)) from None
    if listing.header.get("format") != kind:
        raise IntegrityError(_("`{name}` is a signed list of another kind", name=path.name))
    return listing


def _is_next(following: Path, vendor_key: Path) -> bool:
    signature = following.with_name(NEXT_SIGNATURE)
    return (
        following.is_file()
        and signature.is_file()
        and sign.is_signed(following.read_bytes(), signature.read_bytes(), vendor_key)
    )


def own_names(listing: str, header: Mapping[str, str]) -> list[str]:
    """Return the names of a list and its signatures, which cannot stand in the list itself."""
    return [listing] + [listing + suffix for suffix in header.get("signatures", SIGNATURE).split()]


def _wanted(folder: Path, listing: Listing) -> dict[str, str]:
    # The list and its signatures stand on no list; their second copies must equal the first.
    wanted = dict(listing.files)
    for name in own_names(PARTS, listing.header):
        first = folder / name
        digest = hashlib.sha256(first.read_bytes()).hexdigest() if first.is_file() else ""
        wanted[name] = wanted[f"{SECOND_COPY}/{name}"] = digest
    return wanted


def _shown(faults: list[str]) -> str:
    # A file's name may hold what a terminal obeys.
    return "\n".join("".join(one if one.isprintable() else "?" for one in fault) for fault in faults)


def _found(folders: list[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in folders:
        for path, digest in files_below(folder).items():
            if found.setdefault(path, digest) != digest:
                raise IntegrityError(_("`{path}` differs from volume to volume", path=path))
    return found


def _extract(staging: Path, header: Mapping[str, str], target: Path) -> None:
    joined = _Joined([staging / name for name in data_names(header)])
    archive.extract(cast(BinaryIO, joined), target, int(header["payload-bytes"]))
    if joined.digest.hexdigest() != header["payload-sha256"]:
        raise IntegrityError(_("the parts do not join to the payload that was signed"))


def _complete(payload: Path, base: Path | None, digest: str) -> None:
    """Copy into the unpacked `payload` of a delta what it leaves to the payload folder `base`.

    `digest` is the SHA-256 of the base's `MANIFEST` that the delta was made for. Raises `NotFoundError` without a base,
    `PolicyError` for another one; the caller checks every file against the new `MANIFEST` afterwards.
    """
    if not base or not (base / MANIFEST).is_file():
        raise NotFoundError(
            _("this is a delta; it needs the payload whose `{name}` has SHA-256 {digest}", name=MANIFEST, digest=digest)
        )
    found = sha256(base / MANIFEST)
    if found != digest:
        raise PolicyError(
            _(
                "this delta was made for another base: it needs {digest}, `{base}` is {found}; bring the full bundle",
                digest=digest,
                base=base,
                found=found,
            )
        )
    by_digest = {one: path for path, one in read_manifest(base).files.items()}
    for path, wanted in read_manifest(payload).files.items():
        source = base / by_digest.get(wanted, path)
        if not (payload / path).exists() and source.is_file():
            (payload / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, payload / path)


def read_manifest(payload: Path) -> Listing:
    """Return the list of a payload folder whose signature was checked before, as `check_payload` does."""
    return parse((payload / MANIFEST).read_text("ascii"), MANIFEST)


class _Joined:
    """The parts, read as one stream."""

    def __init__(self, paths: list[Path]) -> None:
        self.blocks, self.rest, self.digest = self._read(paths), b"", hashlib.sha256()

    @staticmethod
    def _read(paths: list[Path]) -> Iterator[bytes]:
        for path in paths:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    yield block

    def read(self, size: int) -> bytes:
        if not self.rest:
            self.rest = next(self.blocks, b"")
            self.digest.update(self.rest)
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece
