"""Wheels of a few bytes, and the locks that pin them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
    metadata: Iterable[str] = ("License-Expression: MIT",),
) -> Path:
    """Write a wheel that pip takes: one module, or `files`, and its metadata. The same content is the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-{tag}.whl"
    about = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *metadata, "", ""])
    content = dict(files or {f"{name.replace('-', '_')}.py": b"x = 1\n"})
    content[f"{stem}.dist-info/METADATA"] = about.encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    content[f"{stem}.dist-info/WHEEL"] = wheel.encode()
    content[f"{stem}.dist-info/RECORD"] = b""
    with zipfile.ZipFile(path, "w") as archive:
        for inside, body in content.items():
            archive.writestr(zipfile.ZipInfo(inside), body)
    return path


def pinned(*wheels: Path) -> str:
    """Return a lock that pins exactly these wheels."""
    lines = []
    for path in wheels:
        name, version = path.name.split("-")[:2]
        lines.append(f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest(path)}\n")
    return "".join(sorted(lines))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
