"""`bundle.pyz`: the sealed side's modules in one file that a bare Python runs."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from pathlib import Path

from bundle.manifest import INSTALL_SCRIPT, PROGRAM, VERIFY_SCRIPT

PACKAGE = Path(__file__).resolve().parent
CONNECTED = frozenset(
    {"advisories", "build", "licences", "models", "page", "profile", "provenance", "pyz", "runtime", "sbom", "wheels"}
)
"""Modules that only the connected side needs; the sealed side's archive leaves them out."""
_MAIN = "from bundle.cli import main\n\nmain()\n"


def pyz(out: Path, moment: int) -> Path:
    """Write the archive to `out` and return it; `moment` (seconds since 1970) is the time that its files bear.

    Same modules, same bytes: files in order, nothing compressed (zlib's output differs from version to version).
    """
    content = io.BytesIO()
    # A ZIP archive knows no time before 1980 (APPNOTE 4.4.6).
    when = max(time.gmtime(moment)[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in [("__main__.py", _MAIN.encode()), *_files()]:
            entry = zipfile.ZipInfo(name, when)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, body)
    out.write_bytes(b"#!/usr/bin/env python3\n" + content.getvalue())
    out.chmod(0o755)
    return out


def tools(folder: Path, moment: int) -> None:
    """Lay the scripts and the archive into `folder`, as they lie on a stick."""
    for script in (VERIFY_SCRIPT, INSTALL_SCRIPT):
        shutil.copyfile(PACKAGE / script, folder / script)
    pyz(folder / PROGRAM, moment)


def _files() -> list[tuple[str, bytes]]:
    kept = []
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        leave = (
            path.suffix in (".pyc", ".po", ".pot")
            or inside.parts[0] == "profiles"
            or inside.name in ("models.toml", VERIFY_SCRIPT, INSTALL_SCRIPT)
        )
        if path.is_file() and not leave and not (path.suffix == ".py" and path.stem in CONNECTED):
            kept.append((f"bundle/{inside.as_posix()}", path.read_bytes()))
    return kept
