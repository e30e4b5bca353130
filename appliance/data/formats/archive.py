"""Zipped formats (XLSX, DOCX): what is refused before anything is unpacked."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["check_archive"]

_SMALL_BYTES = 1024**2  # below this no ratio harms
_ENCRYPTED = 0x1  # general purpose bit flag 0, APPNOTE.TXT 4.4.4


def check_archive(path: Path, name: str, settings: IngestSettings) -> None:
    """Read a zip file's directory only, and refuse bombs and oddities in milliseconds.

    Raises `InputError` when it is no zip file; when its members unpack to more than `max_unpacked_bytes`, or (over 1 MiB) to more than
    `max_zip_ratio` times their packed size; when they overlap (their packed sizes add up to more than the file); when one is encrypted, no
    regular file, named twice, or named by a path that leads outside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise InputError(
            _("cannot read `{file}`: it is no sound {kind} file", file=name, kind=path.suffix[1:].upper())
        ) from error
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > settings.max_unpacked_bytes:
        raise InputError(
            _("cannot read `{file}`: it unpacks to {size} bytes, over `ingest.max_unpacked_bytes` ({limit})", file=name, size=unpacked, limit=settings.max_unpacked_bytes)
        )  # fmt: skip
    if unpacked > _SMALL_BYTES and unpacked > packed * settings.max_zip_ratio:
        raise InputError(
            _("cannot read `{file}`: it unpacks to {ratio} times its size, over `ingest.max_zip_ratio` ({limit})", file=name, ratio=unpacked // max(packed, 1), limit=settings.max_zip_ratio)
        )  # fmt: skip
    if (
        packed > path.stat().st_size
        or len({member.filename for member in members}) < len(members)
        or any(map(_odd, members))
    ):
        raise InputError(
            _(
                "cannot read `{file}`: its zip directory holds overlapping, repeated, encrypted or irregular members; save it again",
                file=name,
            )
        )


def _odd(member: zipfile.ZipInfo) -> bool:
    mode = member.external_attr >> 16
    odd_kind = stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)
    outside = member.filename.startswith(("/", "\\")) or ".." in member.filename.replace("\\", "/").split("/")
    return odd_kind or outside or bool(member.flag_bits & _ENCRYPTED)
