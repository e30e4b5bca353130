"""A package as one file that any machine opens: a plain tar (POSIX.1-2001) with one folder, no owner, no time, the same content as the same bytes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from appliance.errors import InputError, PolicyError
from appliance.words import _

_MEMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_MOST_BYTES, _MOST_FILES = 16 * 1024**3, 64
_IDS = re.compile(rb"[0-9a-f]{12,64}")
_BLOCK_BYTES = 1024**2
_NUMBERS, _SHORT = (".onnx", ".safetensors"), 8
_VOCABULARY = "tokenizer.json"
_SECTIONS = ("base", "training", "metrics", "egress")  # of a card: those whose fields bear names of ours


def pack(folder: Path, out: Path) -> None:
    """Write the files of a flat folder into the tar file `out`, which must be new, in a folder of its name in there."""
    with out.open("xb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            member = tarfile.TarInfo(f"{folder.name}/{path.name}")
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)
        archive.close()
        file.flush()
        os.fsync(file.fileno())


def unpack(file: Path, folder: Path) -> None:
    """Write the files of a package into the new folder `folder`: regular files with plain names alone. What they say is for a signature to prove.

    Raises `InputError` for anything else in it.
    """
    folder.mkdir(mode=0o700)
    try:
        with closing(tarfile.open(file, "r:")) as archive:
            members = archive.getmembers()
            names = [member.name.rpartition("/")[2] for member in members]
            sound = all(member.isreg() and _MEMBER.fullmatch(name) for member, name in zip(members, names, strict=True))
            size = sum(member.size for member in members)
            if not sound or len(set(names)) != len(names) or len(names) > _MOST_FILES or size > _MOST_BYTES:
                raise InputError(_("`{file}` is no package of `skerry egress`; have it carried over again", file=file))
            for member, name in zip(members, names, strict=True):
                with archive.extractfile(member) or io.BytesIO() as content, (folder / name).open("xb") as target:
                    shutil.copyfileobj(content, target, _BLOCK_BYTES)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            _("`{file}` is no package of `skerry egress`; have it carried over again", file=file)
        ) from error


def require_clean(folder: Path, names: Mapping[str, str], ids: Iterable[str], own: Iterable[str]) -> None:
    """Read every byte again as a checker would: raise `PolicyError` when a file holds one of `names` (what it is -> the name) or of the `ids`, `own` ones set apart.

    Ids are compared by 12 hex digits and more. All that a package says is chosen word by word; this is the second look.
    """
    known, mine, ours = set(ids), tuple(own), _words(folder)
    starts = {identity[:12] for identity in known}
    for path in sorted(folder.iterdir()):
        content, numbers = path.read_bytes(), path.suffix in _NUMBERS
        for what, name in names.items():
            if numbers and len(name) < _SHORT:  # by chance among millions of bytes
                continue
            if path.name == _VOCABULARY and name.isalnum():  # `apollo`: a word, chosen as every other one
                continue
            if name.casefold() in ours:  # a machine called `model`: every package says that word
                continue
            if re.search(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)", content):
                raise PolicyError(_("`{file}` would hold {what}; nothing leaves", file=path.name, what=what))
        for found in {match.decode() for match in _IDS.findall(content)}:
            if (found in known or (len(found) >= 12 and found[:12] in starts)) and not found.startswith(mine):
                raise PolicyError(_("`{file}` would hold {what}; nothing leaves", file=path.name, what=_("an id")))


def _words(folder: Path) -> set[str]:
    """The words that a package of ours says of itself, whatever is in it: its files' names, and the names of its cards' fields."""
    found = {part for path in folder.iterdir() for part in path.name.split(".")}
    for path in (folder / "card.json", folder / "data.json"):
        if path.exists():
            card = json.loads(path.read_bytes())
            found |= card.keys()
            found |= {key for name in _SECTIONS if isinstance(card.get(name), dict) for key in card[name]}
    return {word.casefold() for word in found}
