"""From a signed payload to what is carried: parts, parity, the signed list, the tools twice, cut to volumes.

A payload is cut into about twenty parts, so that two parity parts cost a tenth; no part reaches the 4 GiB at which a
FAT32 stick ends (Microsoft, "FAT32 File System Specification": the size field has 32 bits). Disc capacities are those
of ECMA-279 (DVD-R, 4.7 GB) and ISO/IEC 10149 (80 minutes of 75 sectors of 2,048 bytes), less room for the file system.
`skerry-bundle copy` then writes the result to a stick, or several sticks, with read-back (`bundle.receive`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from bundle import archive, sign
from bundle.errors import InputError, NotFoundError, PolicyError, UsageError
from bundle.manifest import (
    INSTALL_SCRIPT,
    MANIFEST,
    PAGE,
    PARTS,
    PROGRAM,
    RUNTIME,
    SECOND_COPY,
    SECOND_SIGNATURE,
    SIGNATURE,
    SM2_SIGNATURE,
    VENDOR_KEY,
    VERIFY_SCRIPT,
    Listing,
    files_below,
    parse,
)
from bundle.parity import MOST_PARTS, data_names, encode, parity_names
from bundle.words import _

Json = dict[str, Any]

PARTS_FORMAT, MANIFEST_FORMAT = "skerry-parts-1", "skerry-manifest-1"
NEXT_KEY, NEXT_SIGNATURE, VOLUME = "NEXT.PEM", "NEXT.SIG", "VOLUME"
SAME_IN_BOTH = ("product", "version", "serial", "platform", "profile")
TOOLS = (VERIFY_SCRIPT, INSTALL_SCRIPT, PROGRAM, PAGE, RUNTIME)
_OPTIONAL = (INSTALL_SCRIPT, RUNTIME)

_WANTED_PARTS = 20
_LEAST_PART_BYTES = 1 << 16
_MOST_PART_BYTES = {"usb": 2**32 - 1, "dvd": 2**30, "cd": 2**27}
_VOLUME_BYTES = {"dvd": 4_700_000_000 - 2**24, "cd": 80 * 60 * 75 * 2048 - 2**24}


def put_on_stick(
    payload: Path,
    tools: Path,
    out: Path,
    key_folder: Path,
    header: Mapping[str, str],
    medium: str,
    parity: int,
    second: Path | None = None,
    sm2: Path | None = None,
    part_bytes: int | None = None,
) -> Json:
    """Write the carried form of `payload`, whose `MANIFEST` is signed, to the new folder `out`.

    `tools` holds `VERIFY.SH`, `bundle.pyz`, `MANIFEST.HTM` and perhaps `INSTALL.SH` and `RUNTIME.TGZ`; `second` and `sm2` are further key
    folders; `header` gives product, version, serial, platform, profile, and `base` for a delta. The same inputs are the
    same bytes (but for SM2, whose nonces are random). Raises `PolicyError` where `out` exists.
    """
    if medium not in _MOST_PART_BYTES:
        raise UsageError(_("no medium `{medium}`; there are {known}", medium=medium, known=", ".join(_MOST_PART_BYTES)))
    if out.exists():
        raise PolicyError(_("`{path}` exists; a bundle is written to a new folder", path=out))
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    full = {"format": PARTS_FORMAT, **header, "medium": medium, "parity-parts": str(parity)}
    full.update(_cut(payload, unfinished, part_bytes or _part_bytes(payload, medium), parity))
    full["signatures"] = " ".join([SIGNATURE] + [SECOND_SIGNATURE] * bool(second) + [SM2_SIGNATURE] * bool(sm2))
    data = [unfinished / name for name in data_names(full)]
    encode(data, [unfinished / name for name in parity_names(full)])
    _add_tools(tools, key_folder, unfinished)
    _list_and_sign(unfinished, full, key_folder, second, sm2)
    volumes = _spread(unfinished, _VOLUME_BYTES.get(medium))
    unfinished.rename(out)
    return _report(out, full, key_folder, volumes)


def _report(out: Path, header: Mapping[str, str], key_folder: Path, volumes: int) -> Json:
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    fingerprint = sign.fingerprint(key_folder / sign.PUBLIC_KEY)
    first = out if volumes == 1 else out / f"{VOLUME}1"
    return {
        "out": str(out),
        **{name: header[name] for name in SAME_IN_BOTH},
        "bytes": sum(sizes),
        "files": len(sizes),
        "volumes": volumes,
        "parts": int(header["data-parts"]),
        "parity_parts": int(header["parity-parts"]),
        "parts_sha256": hashlib.sha256((first / PARTS).read_bytes()).hexdigest(),
        "fingerprint": sign.on_paper(fingerprint),
    }


def _part_bytes(payload: Path, medium: str) -> int:
    share = -(-archive.length(payload) // _WANTED_PARTS)
    return max(_LEAST_PART_BYTES, min(share, _MOST_PART_BYTES[medium]))


def _cut(payload: Path, out: Path, part_bytes: int, parity_parts: int) -> dict[str, str]:
    """Write the payload's archive as parts and return what the list's header says of them."""
    count = -(-archive.length(payload) // part_bytes)
    if count + parity_parts > MOST_PARTS:
        raise InputError(
            _(
                "{count} parts and {parity} parity parts are more than {most}; make the parts bigger",
                count=count,
                parity=parity_parts,
                most=MOST_PARTS,
            )
        )
    sizes = {"part-bytes": str(part_bytes), "data-parts": str(count)}
    cutter = _Cutter([out / name for name in data_names(sizes)], part_bytes)
    archive.write(payload, cast(BinaryIO, cutter), _moment(payload))
    cutter.close()
    return {**sizes, "payload-bytes": str(cutter.written), "payload-sha256": cutter.digest.hexdigest()}


class _Cutter:
    """A stream that is written to one file after the other."""

    def __init__(self, paths: list[Path], part_bytes: int) -> None:
        self.paths, self.part_bytes = iter(paths), part_bytes
        self.written, self.room, self.digest = 0, 0, hashlib.sha256()
        self.file: BinaryIO | None = None

    def write(self, block: bytes) -> None:
        self.digest.update(block)
        self.written += len(block)
        while block:
            if not self.room:
                self.close()
                self.file, self.room = next(self.paths).open("xb"), self.part_bytes
            piece, block = block[: self.room], block[self.room :]
            cast(BinaryIO, self.file).write(piece)
            self.room -= len(piece)

    def close(self) -> None:
        if self.file:
            self.file.close()


def _moment(payload: Path) -> int:
    built = parse((payload / MANIFEST).read_text("ascii"), MANIFEST).header.get("built", "")
    with suppress(ValueError):
        moment = datetime.fromisoformat(built.replace("Z", "+00:00"))
        if moment.tzinfo:
            return int(moment.timestamp())
    raise InputError(_("`{name}` says `built: {built}`, which is no time in UTC", name=MANIFEST, built=built))


def _add_tools(tools: Path, key_folder: Path, out: Path) -> None:
    for name in TOOLS:
        if (tools / name).is_file():
            shutil.copyfile(tools / name, out / name)
        elif name not in _OPTIONAL:
            raise NotFoundError(_("`{path}` is missing; a stick cannot do without it", path=tools / name))
    shutil.copyfile(key_folder / sign.PUBLIC_KEY, out / VENDOR_KEY)
    if (key_folder / sign.NEXT_KEY).is_file():
        shutil.copyfile(key_folder / sign.NEXT_KEY, out / NEXT_KEY)
        shutil.copyfile(key_folder / sign.NEXT_SIGNATURE, out / NEXT_SIGNATURE)
    (out / SECOND_COPY).mkdir()
    for path in [path for path in out.iterdir() if path.is_file() and path.suffix != ".BIN"]:
        shutil.copyfile(path, out / SECOND_COPY / path.name)


def _list_and_sign(out: Path, header: dict[str, str], key: Path, second: Path | None, sm2: Path | None) -> None:
    (out / PARTS).write_text(Listing(header, files_below(out)).text(), "ascii")
    for path in [out / PARTS, *sign.sign(out / PARTS, key, second, sm2)]:
        shutil.copyfile(path, out / SECOND_COPY / path.name)


def _spread(out: Path, volume_bytes: int | None) -> int:
    """Move the parts to folders of at most `volume_bytes`, everything else into each of them; return how many there are."""
    if not volume_bytes:
        return 1
    parts = sorted(out.glob("PART*.BIN")) + sorted(out.glob("PARITY*.BIN"))
    others = [path for path in out.iterdir() if path not in parts]
    room = volume_bytes - sum(path.stat().st_size for path in out.rglob("*") if path.is_file() and path not in parts)
    volumes: list[list[Path]] = [[]]
    for path in parts:
        if path.stat().st_size > room:
            raise InputError(_("`{name}` does not fit on a volume beside the tools", name=path.name))
        if sum(one.stat().st_size for one in [*volumes[-1], path]) > room:
            volumes.append([])
        volumes[-1].append(path)
    for number, held in enumerate(volumes, 1):
        folder = out / f"{VOLUME}{number}"
        folder.mkdir()
        for path in held:
            path.rename(folder / path.name)
        for path in others:
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
    for path in others:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return len(volumes)
