"""Look at this installation and this machine and say what works and what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError
from appliance.words import _

if TYPE_CHECKING:
    from appliance.settings import Settings

__all__ = ["EXTRAS", "checks"]

# one module of each extra that nothing else brings
EXTRAS = {
    "data": "python_calamine",
    "documents": "pypdfium2",
    "privacy": "presidio_analyzer",
    "train": "torch",
    "export": "onnxscript",
    "cpu": "onnxruntime",
}


def checks() -> list[dict[str, Any]]:
    """Return one row a check: `name`, `ok`, `needed` (for any work at all), `found` and `next`, the step that mends it."""
    from appliance.settings import home_folder, load

    home = home_folder()
    settings = load(home)
    rows = [
        _row("python", sys.version_info >= (3, 11), True, platform.python_version(), _("install Python 3.11 or newer")),
        _row("system", sys.platform == "linux", True, platform.platform(terse=True), _("Skerry runs on Linux")),
        _home(home),
        _row(
            "free room",
            _free(home) >= settings.store.reserve_bytes,
            True,
            f"{_free(home):,} bytes",
            _("see `skerry space`, then `skerry prune`"),
        ),
    ]
    for extra, module in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        rows.append(
            _row(
                f"extra {extra}",
                found,
                False,
                _("installed") if found else "-",
                _("install `skerry[{extra}]` from the wheelhouse", extra=extra),
            )
        )
    return [*rows, _signer(home, settings), *_bases(), *_machine()]


def _home(home: Path) -> dict[str, Any]:
    if not home.exists():
        return _row("home", True, True, _("`{home}` is made at the first use", home=home), "")
    from appliance.store import Store

    try:
        store = Store.open(home)
        store.keys.derive("doctor")
    except ApplianceError as error:
        return _row("home", False, True, str(home), str(error))
    return _row("home", os.access(home, os.W_OK), True, str(home), _("check the owner of the folder"))


def _signer(home: Path, settings: Settings) -> dict[str, Any]:
    from appliance.keys import key_folder
    from appliance.signature import known_fingerprint

    try:
        known = known_fingerprint(key_folder(home, settings.store.key_folder))
    except ApplianceError as error:
        return _row("signer", False, False, "-", str(error))
    return _row("signer", True, False, known or _("made at the first use"), "")


def _bases() -> list[dict[str, Any]]:
    from appliance.inventory import bases

    return [
        _row(
            f"base {row['name']}",
            bool(row["installed"]),
            False,
            row["licence"],
            _("run `skerry base fetch {name}`", name=row["name"]),
        )
        for row in bases()
    ]


def _machine() -> list[dict[str, Any]]:
    from appliance import device

    found = device.describe()
    return [_row(name, True, False, str(value), "") for name, value in found.items()]


def _free(home: Path) -> int:
    there = home if home.exists() else next(parent for parent in home.parents if parent.exists())
    return shutil.disk_usage(there).free


def _row(name: str, ok: bool, needed: bool, found: str, next_step: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "needed": needed, "found": found, "next": "" if ok else next_step}
