"""A file of lines that servers append to and another process takes over: each line is taken at least once, whatever crashes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.files import locked

__all__ = ["append", "files", "taken", "waiting"]


def append(path: Path, line: bytes, max_bytes: int) -> None:
    """Append one line (without its end); beyond `max_bytes` the older half of the file goes. Raises `OSError` when the disk does not take it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(_lock(path, "append")):
        if path.exists() and path.stat().st_size + len(line) > max_bytes:
            content = path.read_bytes()
            path.write_bytes(content[content.index(b"\n", len(content) // 2) + 1 :])
        _add(path, line + b"\n")


@contextmanager
def taken(path: Path) -> Iterator[list[bytes]]:
    """Give the lines that have been appended so far; they are gone when the block ends without an error, else they come again."""
    if not path.parent.exists():
        yield []
        return
    with locked(_lock(path, "take")):
        taking = _taking(path)
        with locked(_lock(path, "append")):
            if path.exists():
                _add(taking, path.read_bytes())  # what a crash has left comes first
                path.unlink()
        yield taking.read_bytes().splitlines() if taking.exists() else []
        taking.unlink(missing_ok=True)


def waiting(path: Path) -> list[bytes]:
    """Return the lines that nobody has taken over yet, and leave them."""
    return [line for each in (_taking(path), path) if each.exists() for line in each.read_bytes().splitlines()]


def files(folder: Path, suffix: str) -> list[Path]:
    """List the files of lines in a folder by name, those too whose lines a crash left half taken."""
    names = {path.name for path in folder.glob(f"[!.]*{suffix}")}
    names |= {path.name[1:].removesuffix(".taking") for path in folder.glob(f".*{suffix}.taking")}
    return [folder / name for name in sorted(names)]


def _add(path: Path, content: bytes) -> None:
    # A line that a crash has torn ends here: what follows must not become a part of it.
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            content = content if file.read(1) == b"\n" else b"\n" + content
        file.write(content)


def _taking(path: Path) -> Path:
    return path.with_name(f".{path.name}.taking")


def _lock(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}.lock")
