"""The payload's archive: a POSIX ustar file (IEEE Std 1003.1, `pax`, "ustar Interchange Format") of regular files only.

The writer has one form for a given folder: paths in order, one time, no owner, mode 0644 or 0755, two empty blocks at
the end. The extractor accepts exactly that form: it writes each header anew from the four values it read and compares
the bytes. So a link, a device, an extension, a wrong checksum, a second spelling of a number are all refused alike.
Python's own `tarfile` is not used: an archive is known that leaves the target folder through its filter (CVE-2025-4517).
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from bundle.errors import InputError, IntegrityError
from bundle.manifest import check_path
from bundle.words import _

BLOCK = 512
_CHUNK = 1 << 20
_LARGEST = 8**11 - 1  # eleven octal digits
_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_OCTAL = re.compile(rb"[0-7]+\0")


def write(folder: Path, out: BinaryIO, moment: int) -> None:
    """Write every regular file below `folder`; `moment` is the one time of all, in seconds since 1970.

    Raises `InputError` for a name that is too long or not plain, a link, a file of 8 GiB or more, one that changed meanwhile.
    """
    for name, path in _members(folder):
        if path.is_symlink() or not path.is_file():
            raise InputError(_("`{path}` is a link or a special file; an archive holds regular files only", path=path))
        size = path.stat().st_size
        out.write(_header(name, size, os.access(path, os.X_OK) and bool(path.stat().st_mode & 0o100), moment))
        with path.open("rb") as file:
            left = size
            while left:
                block = file.read(min(left, _CHUNK))
                if not block:
                    raise InputError(_("`{path}` became shorter while it was read", path=path))
                out.write(block)
                left -= len(block)
        out.write(bytes(-size % BLOCK))
    out.write(bytes(2 * BLOCK))


def length(folder: Path) -> int:
    """Return the bytes that `write` will write."""
    sizes = (path.stat().st_size for _name, path in _members(folder))
    return sum(BLOCK + size + -size % BLOCK for size in sizes) + 2 * BLOCK


def extract(stream: BinaryIO, target: Path, limit_bytes: int) -> None:
    """Write what an archive of `write` holds into the new folder `target`, and nothing outside it.

    At most `limit_bytes` are read. Raises `IntegrityError` for any other archive; what was written until then stays in
    `target` for the caller to remove.
    """
    target.mkdir(mode=0o700)
    source = _Bounded(stream, limit_bytes)
    previous = ""
    while (header := source.read(BLOCK)) != bytes(BLOCK):
        name, size, executable = _member(header)
        if name <= previous:
            raise IntegrityError(_("`{name}` stands twice or out of order in the archive", name=name))
        _write_file(source, target, name, size, executable)
        previous = name
    if source.read(BLOCK) != bytes(BLOCK) or not source.at_end():
        raise IntegrityError(_("the archive goes on after its end"))


class _Bounded:
    """A stream that gives exactly what is asked for, and no more than its limit."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self.stream, self.left = stream, limit_bytes

    def read(self, size: int) -> bytes:
        if size > self.left:
            raise IntegrityError(_("the archive is longer than its signed list says"))
        self.left -= size
        pieces = []
        while size:
            piece = self.stream.read(size)
            if not piece:
                raise IntegrityError(_("the archive ends in the middle"))
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def at_end(self) -> bool:
        return not self.stream.read(1)


def _members(folder: Path) -> list[tuple[str, Path]]:
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted((path.relative_to(folder).as_posix(), path) for path in files)


def _header(name: str, size: int, executable: bool, moment: int) -> bytes:
    folder, base = _split(name)
    if size > _LARGEST:
        raise InputError(_("`{name}` has {size} bytes; a file of a bundle is smaller than 8 GiB", name=name, size=size))
    values = [
        base,
        b"%07o" % (0o755 if executable else 0o644),
        b"%07o" % 0,  # owner
        b"%07o" % 0,  # group
        b"%011o" % size,
        b"%011o" % moment,
        b" " * 8,  # the checksum is taken over blanks in its own place
        b"0",  # a regular file
        b"",
        b"ustar",
        b"00",
        b"",
        b"",
        b"%07o" % 0,
        b"%07o" % 0,
        folder,
    ]
    values[6] = b"%06o\0 " % sum(_FIELDS.pack(*values))
    return _FIELDS.pack(*values)


def _split(name: str) -> tuple[bytes, bytes]:
    # The format gives 100 bytes to the end of a path and 155 to the folders before it.
    try:
        check_path(name)
    except ValueError:
        raise InputError(
            _("`{name}` cannot stand in an archive: ASCII letters, digits and `._+!-` only", name=name)
        ) from None
    encoded = name.encode("ascii")
    if len(encoded) <= 100:
        return b"", encoded
    cut = encoded.find(b"/", len(encoded) - 101)
    if cut < 0 or cut > 155:
        raise InputError(
            _("`{name}` is too long for an archive: at most 100 characters after a folder of at most 155", name=name)
        )
    return encoded[:cut], encoded[cut + 1 :]


def _member(header: bytes) -> tuple[str, int, bool]:
    base, mode, _owner, _group, size, moment, *_rest, folder = _FIELDS.unpack(header)
    try:
        name = "/".join(part.rstrip(b"\0").decode("ascii") for part in (folder, base) if part.rstrip(b"\0"))
        found = name, _number(size), _number(mode) == 0o755
        canonical = _header(*found, _number(moment))
    except (ValueError, InputError):
        canonical = b""
    if header != canonical:
        raise IntegrityError(
            _("the archive holds something that is no plain file of ours: {start}", start=ascii(base.rstrip(b"\0")))
        )
    return found


def _number(field: bytes) -> int:
    if not _OCTAL.fullmatch(field):
        raise ValueError(field)
    return int(field[:-1], 8)


def _write_file(source: _Bounded, target: Path, name: str, size: int, executable: bool) -> None:
    path = target / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o755 if executable else 0o644)
    except (FileExistsError, NotADirectoryError):
        raise IntegrityError(_("`{name}` stands in the archive as a file and as a folder", name=name)) from None
    with os.fdopen(handle, "wb") as file:
        for start in range(0, size, _CHUNK):
            file.write(source.read(min(size - start, _CHUNK)))
    if any(source.read(-size % BLOCK)):
        raise IntegrityError(_("the archive hides bytes behind `{name}`", name=name))
