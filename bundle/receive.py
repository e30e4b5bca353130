"""Carry a bundle from one place to another and lose nothing: from a read-only stick or several volumes, or onto a stick.

Each file is copied once, hashed on the way, forced out and read back; what is already there and right is not copied
again, so an interrupted copy goes on. What cannot be read, or reads wrong, comes from `COPY2` or from the parity parts.
Only the names on the signed list are ever written, so nothing else on a stick reaches the target.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

from bundle.errors import HardwareError, IntegrityError, NotFoundError, PolicyError
from bundle.manifest import PARTS, SECOND_COPY, VENDOR_KEY, Listing, sha256
from bundle.media import NEXT_KEY, NEXT_SIGNATURE, TOOLS
from bundle.parity import data_names, parity_names, part_sizes, repair
from bundle.trust import Keys, trusted
from bundle.verify import SIGNATURES, own_names, read_parts, verify, volumes
from bundle.words import _, tell

Json = dict[str, Any]

UNFINISHED = "COPYING.TMP"
_CHUNK = 1 << 20
_MOST_FILE_BYTES = 2**32  # a FAT32 stick, and so a bundle, has no bigger file
_MOST_LIST_BYTES = 2**24
_SIGNED = (
    PARTS,
    *(PARTS + suffix for suffix in SIGNATURES),
    NEXT_KEY,
    NEXT_SIGNATURE,
)


def receive(
    stick: Path | Sequence[Path],
    staging: Path,
    vendor_key: Path | None = None,
    second: Path | None = None,
    sm2: Path | None = None,
    least_serial: int = 0,
    prefix: Path | None = None,
    discard: bool = False,
) -> Json:
    """Copy the stick, or its volumes, to `staging`, repair what is damaged, verify the copy and return what was done.

    Run it again after an interruption, or with the next volume in the drive: only what is missing or bad is copied.
    `discard` throws away another bundle that lies in `staging`; the keys are those of `verify`. Raises `NotFoundError` that names the parts of volumes still to come, `IntegrityError` for a stick that is not the
    vendor's or cannot be repaired, `PolicyError` where `staging` holds another bundle, `HardwareError` without room.
    """
    keys = trusted(prefix, vendor_key, second, sm2)
    given = [stick] if isinstance(stick, Path) else list(stick)
    sources = [folder for one in given for folder in volumes(one)]
    try:
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_links(staging)
        (staging / UNFINISHED).unlink(missing_ok=True)
        listing = _take_list(sources, staging, keys, discard)
        copied, lost = _copy_all(sources, staging, listing)
        _repair(staging, listing, lost, sources)
    except OSError as error:
        raise HardwareError(_("cannot write to `{path}`: {reason}", path=staging, reason=error.strerror)) from None
    verified = verify(staging, keys.vendor, keys.second, keys.sm2, least_serial)
    kept = len(listing.files) - len(copied) - len(lost)
    return {
        **verified,
        "copied": copied,
        "kept": kept,
        "repaired": sorted(lost),
        "left_behind": _left_behind(sources, listing),
    }


def _take_list(sources: list[Path], staging: Path, keys: Keys, discard: bool) -> Listing:
    """Put the signed list, its signatures and their second copies into staging, from whichever copies of them agree."""
    for source, list_at, signatures_at in product(sources, ("", SECOND_COPY), ("", SECOND_COPY)):
        with tempfile.TemporaryDirectory() as held:
            copy = Path(held)
            for name in _SIGNED:
                _copy(source / (list_at if name == PARTS else signatures_at) / name, copy / name, _MOST_LIST_BYTES)
            with suppress(IntegrityError, NotFoundError):
                listing, _key = read_parts(copy, keys.vendor, keys.second, keys.sm2)
                _place_list(copy, staging, listing, discard)
                return listing
    demanded = ", ".join(f"`{key}`" for key in (keys.vendor, keys.second, keys.sm2) if key)
    raise IntegrityError(
        _("no copy of `{name}` on `{stick}` is signed by {keys}", name=PARTS, stick=sources[0], keys=demanded)
    )


def _refuse_links(staging: Path) -> None:
    for path in staging.rglob("*"):
        if path.is_symlink():
            raise IntegrityError(_("`{path}` is a link; nothing is written through links", path=path))


def _place_list(copy: Path, staging: Path, listing: Listing, discard: bool) -> None:
    there = staging / PARTS
    if there.exists() and there.read_bytes() != (copy / PARTS).read_bytes():
        if not discard:
            raise PolicyError(
                _(
                    "`{path}` holds another bundle or a damaged list; give `--discard` to throw that away, or name another folder",
                    path=staging,
                )
            )
        tell(_("throwing away the other bundle in `{path}`", path=staging))
        _discard(staging)
    (staging / SECOND_COPY).mkdir(exist_ok=True, mode=0o700)
    for name in own_names(PARTS, listing.header):
        for at in (staging, staging / SECOND_COPY):
            if (copy / name).exists() and not _is(at / name, sha256(copy / name)):
                _copy(copy / name, staging / UNFINISHED)
                _place(staging / UNFINISHED, at / name)


def _discard(staging: Path) -> None:
    """Remove what a bundle puts into a staging folder, and nothing else."""
    shutil.rmtree(staging / SECOND_COPY, ignore_errors=True)
    for path in staging.iterdir():
        if path.is_file() and (path.suffix == ".BIN" or path.name in {*_SIGNED, *TOOLS, VENDOR_KEY}):
            path.unlink()


def _copy_all(sources: list[Path], staging: Path, listing: Listing) -> tuple[list[str], set[str]]:
    """Copy what is not in staging yet; return the names that were copied and those that are neither there nor on a stick unharmed."""
    copied, lost = [], set()
    for path, digest in listing.files.items():
        if _is(staging / path, digest):
            continue
        for candidate in _candidates(sources, path):
            if _copy(candidate, staging / UNFINISHED) and sha256(staging / UNFINISHED) == digest:
                _place(staging / UNFINISHED, staging / path)
                copied.append(path)
                tell(_("copied `{path}`", path=path))
                break
        else:
            lost.add(path)
    (staging / UNFINISHED).unlink(missing_ok=True)
    return copied, lost


def _candidates(sources: list[Path], path: str) -> Iterator[Path]:
    twin = path[len(SECOND_COPY) + 1 :] if path.startswith(SECOND_COPY + "/") else f"{SECOND_COPY}/{path}"
    yield from (source / name for name in (path, twin) for source in sources)


def _repair(staging: Path, listing: Listing, lost: set[str], sources: list[Path]) -> None:
    """Compute the parts that are lost; whatever else is lost cannot be. Raises `NotFoundError`, `IntegrityError`."""
    data, parity = data_names(listing.header), parity_names(listing.header)
    absent = [name for name in data if name in lost and not any((source / name).exists() for source in sources)]
    if listing.header["medium"] != "usb" and len(lost.intersection(data)) > len(set(parity) - lost) and absent:
        raise NotFoundError(
            _(
                "not here: {names}; give the same command with the next volume",
                names=", ".join(f"`{one}`" for one in absent),
            )
        )
    if lost - {*data, *parity}:
        names = ", ".join(f"`{one}`" for one in sorted(lost - {*data, *parity}))
        raise IntegrityError(_("damaged or missing in every copy: {names}; ask for the stick once more", names=names))
    if lost:
        tell(_("computing {names} from the other parts", names=", ".join(f"`{one}`" for one in sorted(lost))))
        in_staging = [[staging / name for name in names] for names in (data, parity)]
        repair(in_staging[0], in_staging[1], {staging / name for name in lost}, part_sizes(listing.header))


def _left_behind(sources: list[Path], listing: Listing) -> list[str]:
    known = {
        *listing.files,
        *(f"{at}{name}" for name in own_names(PARTS, listing.header) for at in ("", SECOND_COPY + "/")),
    }
    names = {
        path.relative_to(source).as_posix() for source in sources for path in source.rglob("*") if not path.is_dir()
    }
    return sorted(ascii(name)[1:-1] for name in names - known)


def _copy(source: Path, target: Path, most_bytes: int = _MOST_FILE_BYTES) -> bool:
    """Copy a regular file so that the next reading of `target` comes from the medium; tell whether the whole source could be read."""
    try:
        # A pipe would wait for ever, and a link may lead anywhere.
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as reader:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
            return False
        with target.open("wb") as writer:
            while block := _read(reader):
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
            os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _read(reader: BinaryIO) -> bytes:
    # An unreadable sector ends the copy here, and the digest then says so.
    with suppress(OSError):
        return reader.read(_CHUNK)
    return b""


def _place(unfinished: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True, mode=0o700)
    unfinished.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
