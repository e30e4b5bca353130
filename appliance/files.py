"""Files that survive a crash, and locks between processes."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_id(kind: str, files: Iterable[Mapping[str, Any]]) -> str:
    """Return an artifact's id: SHA-256 over the canonical JSON of its kind and the sorted (path, sha256) of the files that are not `beside`."""
    counted = sorted([file["path"], file["sha256"]] for file in files if not file["beside"])
    return hashlib.sha256(canonical({"kind": kind, "files": counted})).hexdigest()


def canonical(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fsync_path(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that a crash leaves the old content or the new: temporary name, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    fsync_path(path.parent)


def open_part(out: Path) -> tuple[Path, int]:
    """Open the hidden file beside `out` that takes its place when it is whole, readable by its owner only: its path and descriptor.

    What killed processes left there is removed first: nobody holds a lock (flock(2)) on it.
    """
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.part"):
        with suppress(OSError), left.open("rb") as file:  # somebody writes it, or it is not ours
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return part, descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time in: an exclusive lock (flock(2)) on the file `path`, freed even by `kill -9`."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
