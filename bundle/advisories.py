"""Known vulnerabilities of what is carried, as pip-audit was told, and when. What it could not ask about is UNKNOWN, never fine."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bundle.errors import InputError, PolicyError
from bundle.wheels import OURS, Wheel, normal
from bundle.words import _, tell

Json = dict[str, Any]

FORMAT = "skerry-advisories-1"
MAX_AGE_DAYS = 30
"""An answer that is older than this is warned of: new advisories come out every day."""
_SECONDS = 1800


def advisories(wheels: Sequence[Wheel], earlier: Path | None = None, moment: int | None = None) -> Json:
    """Return `{"format", "asked", "max_age_days", "found", "unknown", "clean"}` for the packages of a bundle.

    `earlier` is a report of that form: it is taken instead of asking again, so that the same inputs make the same bundle.
    `moment` is the time of asking in seconds since 1970 (now, if left out). Every package that got no answer stands under
    `unknown`; without pip-audit that is every one. Raises `InputError` for a report that cannot be read.
    """
    names = {normal(wheel.name): wheel for wheel in wheels if wheel.name != OURS}
    if earlier:
        report = _read(earlier)
        age = age_days(report, time.time())
        if age is not None and age > MAX_AGE_DAYS:
            tell(_("`{path}` is {days} days old; leave `--advisories` out to ask anew", path=earlier, days=int(age)))
    else:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        answers = _ask(list(names.values()))
        report = {
            "format": FORMAT,
            "asked": when if answers else None,
            "max_age_days": MAX_AGE_DAYS,
            **_sorted(answers),
        }
    answered = {(one["name"], one["version"]) for one in [*report["clean"], *report["found"]]}
    unknown = [
        {"name": wheel.name, "version": wheel.version}
        for wheel in names.values()
        if (normal(wheel.name), wheel.version) not in answered
    ]
    return {**report, "unknown": sorted(unknown, key=lambda one: one["name"])}


def check(report: Json, allow_unknown: bool) -> None:
    """Raise `PolicyError` for a package that nobody could be asked about, unless that is allowed."""
    names = [f"{one['name']} {one['version']}" for one in report["unknown"]]
    if names and not allow_unknown:
        raise PolicyError(
            _(
                "no advisory service answered about {count} packages, `{name}` first; install `pip-audit` beside Skerry and check the network, or allow it with `--allow-unknown-advisories`",
                count=len(names),
                name=names[0],
            )
        )


def _read(path: Path) -> Json:
    try:
        report = json.loads(path.read_text("utf-8"))
        lists = all(isinstance(one["name"] + one["version"], str) for key in ("clean", "found") for one in report[key])
        if not lists or report["format"] != FORMAT or not isinstance(report["asked"], (str, type(None))):
            raise ValueError(FORMAT)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            _("`{path}` is no advisory report; leave `--advisories` out to ask anew", path=path)
        ) from error
    return dict(report)


def _ask(wheels: Sequence[Wheel]) -> list[Json]:
    program = shutil.which("pip-audit")
    if not program:
        tell(_("`pip-audit` is not here: no advisory service was asked"))
        return []
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        # A local version (`+cpu`) is known to no index: its public version is asked about.
        public = {normal(wheel.name): wheel.version.partition("+")[0] for wheel in wheels}
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in public.items()), "utf-8")
        command = [
            program,
            "--requirement",
            str(wanted),
            "--no-deps",
            "--disable-pip",
            "--format",
            "json",
            "--progress-spinner",
            "off",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
            )
            answers = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            tell(_("`pip-audit` gave no answer"))
            return []
    versions = {normal(wheel.name): wheel.version for wheel in wheels}
    # A package it skipped has no `vulns`: it could not ask.
    return [
        {**one, "name": normal(one["name"]), "version": versions[normal(one["name"])]}
        for one in answers
        if "vulns" in one
    ]


def _sorted(answers: Sequence[Json]) -> Json:
    rows = sorted(answers, key=lambda one: str(one["name"]))
    clean = [{"name": one["name"], "version": one["version"]} for one in rows if not one["vulns"]]
    found = [
        {"name": one["name"], "version": one["version"], "id": hit["id"], "fixed_in": hit.get("fix_versions", [])}
        for one in rows
        for hit in sorted(one["vulns"], key=lambda each: str(each["id"]))
    ]
    return {"clean": clean, "found": found}


def age_days(report: Json, now: float) -> float | None:
    """Return how many days ago the question was asked (`now` in seconds since 1970), or None when nobody was asked."""
    with suppress(ValueError):
        asked = datetime.fromisoformat(str(report["asked"]).replace("Z", "+00:00"))
        return (now - asked.timestamp()) / 86400
    return None
