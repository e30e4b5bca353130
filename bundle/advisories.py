"""Known vulnerabilities of what is carried, as pip-audit was told, and when. What it could not ask about is UNKNOWN, never fine."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bundle import sign
from bundle.advice import ADVISES, FORMAT, MAX_AGE_DAYS, REPORT, age_days, packages, read
from bundle.errors import PolicyError
from bundle.manifest import (
    MANIFEST,
    PAGE,
    PROFILE,
    REPORTS,
    SECOND_SIGNATURE,
    SIGNATURE,
    SM2_SIGNATURE,
    Listing,
    files_below,
    sha256,
)
from bundle.media import MANIFEST_FORMAT, SAME_IN_BOTH, put_on_stick
from bundle.page import page
from bundle.pyz import tools as lay_tools
from bundle.receive import receive
from bundle.verify import read_manifest, unpack
from bundle.wheels import normal
from bundle.words import _, tell

Json = dict[str, Any]

_SECONDS = 1800


def advisories(
    bundle: Path,
    key: Path,
    out: Path,
    advisories: Path | None = None,
    allow_unknown_advisories: bool = False,
    second: Path | None = None,
    sm2: Path | None = None,
) -> Json:
    """Write to the new folder `out` a small stick that brings newer advisories for `bundle`, which was delivered before.

    It is signed with the key folder `key`, as `second` and `sm2` where they are given. `advisories` is a report to take in
    place of asking. Raises `PolicyError` where nobody answered, for unknown packages unless they are allowed, and as `ask`.
    """
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent) as held:
        delivered, small, tools = (Path(held) / name for name in ("bundle", "advisories", "tools"))
        receive(bundle, delivered, key / sign.PUBLIC_KEY)
        payload = unpack(delivered, key / sign.PUBLIC_KEY)
        report = ask(packages(read(payload / REPORTS / REPORT)), advisories)
        if not report["asked"]:
            raise PolicyError(
                _("nobody answered, so there is nothing newer to carry; check `pip-audit` and the network")
            )
        check(report, allow_unknown_advisories)
        (small / REPORTS).mkdir(parents=True)
        text = json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        (small / REPORTS / REPORT).write_text(text, "utf-8")
        about = read_manifest(payload).header
        header = {name: about[name] for name in SAME_IN_BOTH} | {ADVISES: sha256(payload / MANIFEST)}
        signatures = [SIGNATURE] + [SECOND_SIGNATURE] * bool(second) + [SM2_SIGNATURE] * bool(sm2)
        own = {"format": MANIFEST_FORMAT, **header, "built": report["asked"], "signatures": " ".join(signatures)}
        (small / MANIFEST).write_text(Listing(own, files_below(small)).text(), "ascii")
        sign.sign(small / MANIFEST, key, second, sm2)
        _tools(tools, small, json.loads((payload / PROFILE).read_bytes()), report["asked"], key)
        written = put_on_stick(small, tools, out, key, header, "usb", 2, second, sm2)
    return {**written, "asked": report["asked"], "found": len(report["found"]), "unknown": len(report["unknown"])}


def _tools(tools: Path, small: Path, about: Json, asked: str, key: Path) -> None:
    # today's: those on the stick that was delivered may not know yet what to do with advisories alone
    tools.mkdir()
    lay_tools(tools, int(datetime.fromisoformat(asked.replace("Z", "+00:00")).timestamp()))
    size = (small / REPORTS / REPORT).stat().st_size
    compare = {path.name: sha256(path) for path in [*tools.iterdir(), small / MANIFEST]}
    paper = sign.on_paper(sign.fingerprint(key / sign.PUBLIC_KEY))
    said = page({**about, "installed_bytes": size}, [(REPORTS, 1, size)], paper, compare, asked)
    (tools / PAGE).write_text(said, "utf-8")


def ask(names: Mapping[str, str], earlier: Path | None = None, moment: int | None = None) -> Json:
    """Return `{"format", "asked", "max_age_days", "found", "unknown", "clean"}` for packages: versions by normal name.

    `earlier` is a report of that form: it is taken instead of asking again, so that the same inputs make the same bundle.
    `moment` is the time of asking in seconds since 1970 (now, if left out). Every package that got no answer stands under
    `unknown`; without pip-audit that is every one. Raises `InputError` for a report that cannot be read.
    """
    if earlier:
        report = read(earlier)
        age = age_days(report, time.time())
        if age is not None and age > MAX_AGE_DAYS:
            tell(_("`{path}` is {days} days old; leave `--advisories` out to ask anew", path=earlier, days=int(age)))
    else:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        answers = _audit(names)
        asked = when if answers else None
        report = {"format": FORMAT, "asked": asked, "max_age_days": MAX_AGE_DAYS, **_sorted(answers)}
    kept = {key: [one for one in report[key] if names.get(one["name"]) == one["version"]] for key in ("clean", "found")}
    answered = {one["name"] for rows in kept.values() for one in rows}
    unknown = [{"name": name, "version": names[name]} for name in sorted(names) if name not in answered]
    return {**report, **kept, "unknown": unknown}


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


def _audit(names: Mapping[str, str]) -> list[Json]:
    program = shutil.which("pip-audit")
    if not program:
        tell(_("`pip-audit` is not here: no advisory service was asked"))
        return []
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        # A local version (`+cpu`) is known to no index: its public version is asked about.
        lines = [f"{name}=={version.partition('+')[0]}\n" for name, version in names.items()]
        wanted.write_text("".join(lines), "utf-8")
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
    # A package it skipped has no `vulns`: it could not ask.
    return [
        {**one, "name": normal(one["name"]), "version": names[normal(one["name"])]} for one in answers if "vulns" in one
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
