"""What is known of vulnerabilities in the release in use, how old that knowledge is, and how newer knowledge takes its place.

A report comes with each bundle (`reports/advisories.json`). A stick of `skerry-bundle advisories` brings a newer one for
the same bundle: it is laid beside the slots, since a slot stays as it was signed, and holds for that bundle alone.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bundle.errors import InputError, NotFoundError, PolicyError
from bundle.manifest import MANIFEST, REPORTS, sha256
from bundle.receive import receive
from bundle.slots import Prefix, profile, room_named, write_durably
from bundle.trust import Keys, keep
from bundle.verify import read_manifest, read_parts, unpack
from bundle.words import _

Json = dict[str, Any]

FORMAT, REPORT = "skerry-advisories-1", "advisories.json"
ADVISES = "advises"
"""The header field of a stick that brings advisories alone: the SHA-256 of the `MANIFEST` that they are for."""
MAX_AGE_DAYS = 30
"""An answer that is older than this is warned of: new advisories come out every day."""


def read(path: Path) -> Json:
    """Read a report. Raises `InputError` for a file that is none."""
    try:
        report = json.loads(path.read_bytes())
        lists = all(isinstance(one["name"] + one["version"], str) for key in ("clean", "found") for one in report[key])
        lists = lists and all(isinstance(one["id"], str) for one in report["found"])
        if not lists or report["format"] != FORMAT or not isinstance(report["asked"], (str, type(None))):
            raise ValueError(FORMAT)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(_("`{path}` is no advisory report", path=path)) from error
    return dict(report)


def packages(report: Json) -> dict[str, str]:
    """Return the version of each package that a report speaks of, by name."""
    return {one["name"]: one["version"] for key in ("clean", "found", "unknown") for one in report.get(key, ())}


def age_days(report: Mapping[str, Any], now: float) -> float | None:
    """Return how many days ago the question was asked (`now` in seconds since 1970), or None when nobody was asked."""
    with suppress(ValueError):
        asked = datetime.fromisoformat(str(report["asked"]).replace("Z", "+00:00"))
        return (now - asked.timestamp()) / 86400
    return None


def in_place(place: Prefix, slot: Path) -> Json | None:
    """Return the report that holds for a slot: the one that was brought later, else its own, else None."""
    brought = place.path / REPORT
    if brought.is_file():
        report = json.loads(brought.read_bytes())
        if report[MANIFEST] == sha256(slot / MANIFEST):
            return dict(report)
    own = slot / REPORTS / REPORT
    return read(own) if own.is_file() else None


def told(report: Json) -> Json:
    """Return what a person is told of a report: when it was asked, whether that is too long ago, how much was found."""
    days = age_days(report, time.time())
    return {
        "asked": report["asked"],
        "days": None if days is None else int(days),
        "old": days is None or days > report.get("max_age_days", MAX_AGE_DAYS),
        "found": sorted({f"{one['id']} ({one['name']} {one['version']})" for one in report["found"]}),
        "unknown": len(report.get("unknown", ())),
    }


def renew(source: Path, place: Prefix, keys: Keys) -> Json:
    """Take the newer advisories of the stick `source` for the release in use. The slots stay as they are.

    Raises `PolicyError` for those of another bundle or other packages, and for older ones; else as `receive` and `unpack` do.
    """
    with room_named(place.path), place.locked():
        slot = place.current()
        if not slot:
            raise NotFoundError(_("nothing is installed in `{path}`; name another `--prefix`", path=place.path))
        receive(source, place.staging, keys.vendor, keys.second, keys.sm2, discard=True)
        signer = read_parts(place.staging, keys.vendor, keys.second, keys.sm2)[1]
        payload = unpack(place.staging, keys.vendor, None, keys.second, keys.sm2)
        report = _admitted(payload, place, slot)
        keep(place, replace(keys, vendor=signer))
        brought = {**report, MANIFEST: sha256(slot / MANIFEST)}
        write_durably(place.path / REPORT, json.dumps(brought, indent=1, sort_keys=True).encode() + b"\n", 0o644)
        for folder in (place.staging, payload):
            shutil.rmtree(folder, ignore_errors=True)
    about = profile(slot)
    return {"ok": True, "version": about["version"], "serial": about["serial"], "advisories": told(report)}


def _admitted(payload: Path, place: Prefix, slot: Path) -> Json:
    header, about = read_manifest(payload).header, profile(slot)
    if header.get(ADVISES) != sha256(slot / MANIFEST):
        raise PolicyError(
            _(
                "these advisories are for serial {theirs} ({version}), in use is serial {ours}; bring those for it",
                theirs=header["serial"],
                version=header["version"],
                ours=about["serial"],
            )
        )
    report, before = read(payload / REPORTS / REPORT), in_place(place, slot)
    own = slot / REPORTS / REPORT
    if own.is_file() and packages(report) != packages(read(own)):
        raise PolicyError(_("these advisories are for other packages than those installed; have them made again"))
    if before and str(report["asked"] or "") < str(before["asked"] or ""):
        raise PolicyError(
            _(
                "these advisories are of {theirs}, older than those here, of {ours}",
                theirs=report["asked"],
                ours=before["asked"],
            )
        )
    return report
