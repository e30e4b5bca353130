"""Copy a home to another disk and put it back: tables, artifacts, releases and settings, every file with its hash.

The key file does not travel: without it raw sets in the copy stay unreadable. It is carried on its own way, as the erasures are, which lie beside it:
`restore` erases again whoever was erased after the copy was made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from appliance.erase import erase_again
from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError, PolicyError
from appliance.files import file_sha256, fsync_path, write_durably
from appliance.jobs import progress
from appliance.keys import key_folder
from appliance.settings import Settings, load
from appliance.store import Store
from appliance.words import _

__all__ = ["backup", "restore"]

LIST = "BACKUP.json"
_FORMAT = "skerry-backup-1"
_TABLES = "skerry.db"
_BLOCK_BYTES = 1 << 20
# Not copied: work in progress, base models (they come from the stick), locks.
_LEFT_OUT = ("work", "bases", ".lock")


def backup(store: Store, folder: Path) -> dict[str, Any]:
    """Copy the home, all its projects, into `folder`, which is made or continued: files that are there with the right hash are not copied again.

    `BACKUP.json` (every file, its size and SHA-256) is written last: a copy without it is not whole. Returns files, bytes, copied. Raises `PolicyError` for a
    folder inside the home, `InputError` for one that holds something else.
    """
    if folder.resolve().is_relative_to(store.home.resolve()):
        raise PolicyError(_("`{folder}` lies inside the home; back up to another disk", folder=folder))
    if folder.exists() and any(folder.iterdir()) and not _is_mine(folder, store):
        raise InputError(
            _("`{folder}` holds something else; name an empty folder or an older backup of this home", folder=folder)
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store.finish_burials(raw_only=True)
    store.event("backup")
    # Ahead of all else, so that a backup that is cut short is known for this home's.
    copied = int(_copy(store.home / "home.json", folder / "home.json")[1])
    (folder / LIST).unlink(missing_ok=True)
    before = set(_files(store.home))
    store.copy_tables(folder / _TABLES)  # ahead of the files: each artifact that it names is there already, and whole
    wanted = sorted(_files(store.home))
    if before - set(wanted):
        raise _removed_meanwhile()
    files = []
    for number, name in enumerate(wanted):
        progress("backup", number, len(wanted))
        try:
            digest, fresh = _copy(store.home / name, folder / name)
            files.append(_described(folder, str(name), digest))
            copied += fresh
        except FileNotFoundError as error:
            raise _removed_meanwhile() from error
    _remove_others(folder, {*map(str, wanted), _TABLES})
    files.append(_described(folder, _TABLES, file_sha256(folder / _TABLES)))
    content = {"format": _FORMAT, "home": json.loads((store.home / "home.json").read_text())["id"], "time": store.now(), "files": sorted(files, key=itemgetter("path"))}  # fmt: skip
    write_durably(folder / LIST, json.dumps(content, indent=1).encode())
    return {
        "backup": str(folder),
        "files": len(files),
        "bytes": sum(file["bytes"] for file in files),
        "copied": copied + 1,
        "key_file": str(store.keys.path),
    }


def _removed_meanwhile() -> BusyError:
    # the tables may name it still
    return BusyError(_("something was removed from the home meanwhile; give the command again"))


def _is_mine(folder: Path, store: Store) -> bool:
    """Tell whether a folder holds a backup of this home, whole or begun, and not a home that somebody works in."""
    about = folder / "home.json"
    same = about.is_file() and about.read_bytes() == (store.home / "home.json").read_bytes()
    return same and not (folder / ".lock").exists()


def restore(folder: Path, home: Path, project: str = "main") -> dict[str, Any]:
    """Put a backup back as the home, which must not be there yet, then erase again whoever was erased since.

    Every file is checked before anything is put in place. Raises `NotFoundError` for a folder without a backup, `IntegrityError` naming the first file
    that changed, `PolicyError` when there is a home.
    """
    if home.exists() and any(home.iterdir()):
        raise PolicyError(
            _("there is a home at `{home}`; move it away, or set SKERRY_HOME to another place", home=home)
        )
    files = _listed(folder)
    for number, file in enumerate(files):
        progress("check", number, len(files))
        _verify(folder, file)
    partial = home.with_name(f".{home.name}.restoring")
    shutil.rmtree(partial, ignore_errors=True)
    for number, file in enumerate(files):
        progress("restore", number, len(files))
        _copy(folder / file["path"], partial / file["path"])
    store = Store.open(partial, project, _settings_of(partial, home))
    store.event("restore", files=len(files))
    erased = erase_again(store)  # before anybody sees the home: a kill here leaves none
    store.engine.dispose()
    if home.exists():
        home.rmdir()
    partial.rename(home)
    fsync_path(home.parent)
    return {"home": str(home), "files": len(files)} | erased


def _settings_of(partial: Path, home: Path) -> Settings:
    """Return the settings that came with the backup, with the key folder that belongs to `home`: the erasures lie there."""
    settings = load(partial)
    store = settings.store.model_copy(update={"key_folder": key_folder(home, settings.store.key_folder)})
    return settings.model_copy(update={"store": store})


def _files(home: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(home):
        here = Path(parent).relative_to(home)
        folders[:] = [name for name in folders if here.parts or name not in _LEFT_OUT]
        for name in names:
            if not (here.parts == () and (name.startswith(_TABLES) or name in _LEFT_OUT)):
                yield here / name


def _copy(source: Path, target: Path) -> tuple[str, bool]:
    """Bring `target` to the bytes of `source`; return their SHA-256, and whether they were copied: each file is read once for it."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        digest = file_sha256(source)
        if file_sha256(target) == digest:
            return digest, False
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = target.with_name(f".{target.name}.part")
    hashed = hashlib.sha256()
    with source.open("rb") as original, unfinished.open("wb") as copy:
        while block := original.read(_BLOCK_BYTES):
            hashed.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    unfinished.rename(target)
    return hashed.hexdigest(), True


def _remove_others(folder: Path, wanted: set[str]) -> None:
    # What was erased or pruned in the home since the last backup leaves the copy, too.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _described(folder: Path, name: str, digest: str) -> dict[str, Any]:
    return {"path": name, "bytes": (folder / name).stat().st_size, "sha256": digest}


def _listed(folder: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads((folder / LIST).read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(
            _("`{folder}` holds no whole backup: there is no `{list}`; run `skerry backup` again", folder=folder, list=LIST)
        ) from error  # fmt: skip
    except ValueError as error:
        raise IntegrityError(_("`{path}` is damaged; take another backup", path=folder / LIST)) from error
    if content.get("format") != _FORMAT:
        raise IntegrityError(_("`{path}` is damaged; take another backup", path=folder / LIST))
    files: list[dict[str, Any]] = content["files"]
    return files


def _verify(folder: Path, file: dict[str, Any]) -> None:
    name = Path(file["path"])
    path = folder / name
    plain = not name.is_absolute() and ".." not in name.parts and path.is_file() and not path.is_symlink()
    if not plain or path.stat().st_size != file["bytes"] or file_sha256(path) != file["sha256"]:
        raise IntegrityError(_("`{path}` has changed; take another backup", path=path))
