"""`skerry-bundle build`: from a profile to a signed stick, top to bottom. Runs from a checkout, on a connected machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle import advisories as known
from bundle import manifest
from bundle.advice import REPORT
from bundle.errors import MissingPartError, NotFoundError, PolicyError, UsageError
from bundle.licences import as_json, licences
from bundle.licences import page as licence_page
from bundle.manifest import (
    INSTALL_SCRIPT,
    MANIFEST,
    MODELS,
    PAGE,
    PROFILE,
    PROGRAM,
    REPORTS,
    REQUIREMENTS,
    VERIFY_SCRIPT,
    WHEELS,
)
from bundle.media import MANIFEST_FORMAT, SAME_IN_BOTH, put_on_stick
from bundle.models import Model, models
from bundle.page import page
from bundle.profile import ROOT, Profile, for_target, load
from bundle.provenance import provenance
from bundle.pyz import tools as lay_tools
from bundle.request import no_request, read_request
from bundle.runtime import check_machine
from bundle.sbom import sbom
from bundle.sign import PUBLIC_KEY, fingerprint, on_paper, sign
from bundle.wheels import OURS, Wheel, added_wheels, normal, own_wheel, pins_of, read_lock, wheelhouse
from bundle.words import _, tell

Json = dict[str, Any]

# Files that a stick's reader runs or reads before any signature was checked: their digests stand on the page.
_FIRST = (VERIFY_SCRIPT, INSTALL_SCRIPT, PROGRAM, manifest.RUNTIME)


def build(
    profile: str,
    key: Path,
    out: Path,
    serial: int,
    platform: str = "",
    variant: str = "",
    medium: str = "usb",
    parity: int = 2,
    runtime: Path | None = None,
    add: Path | None = None,
    request: Path | None = None,
    advisories: Path | None = None,
    allow_unknown_advisories: bool = False,
    second: Path | None = None,
    sm2: Path | None = None,
    cache: Path | None = None,
    payload: Path | None = None,
) -> Json:
    """Build the bundle of `profile` (a shipped name or a path) into the folder `out`, signed by the key folder `key`.

    `serial` counts upwards from bundle to bundle. `platform` and `variant` take the place of the profile's. `runtime` is a RUNTIME.TGZ to carry, `add` a folder of wheels for the
    profile's `additions`, `request` a request file from a sealed machine, `advisories` an earlier advisory report,
    `payload` a folder that keeps the payload as it was before it was cut. The same inputs and `SOURCE_DATE_EPOCH` give
    the same bytes. Raises the errors of the steps; nothing is written to `out` before everything was checked.
    """
    chosen, moment = for_target(load(profile), platform, variant), _moment()
    wanted = read_request(request) if request else no_request()
    _ready(key, out, serial)
    if runtime:
        check_machine(runtime, chosen.machine)
    store = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skerry-bundle"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".skerry-build-", dir=out.parent) as work:
        inside, tools = Path(work) / "payload", Path(work) / "tools"
        for folder in (inside / WHEELS, inside / MODELS, inside / REPORTS, tools):
            folder.mkdir(parents=True)
        needed = pins_of(chosen, wanted.requirements)
        installers = wheelhouse(read_lock(chosen.lock_file(chosen.tools)), chosen, inside / WHEELS, store / "wheels")
        taken = wheelhouse(needed, chosen, inside / WHEELS, store / "wheels")
        taken = _with_ours(taken, chosen, add, inside / WHEELS, moment)
        there = {one.name: one.version for one in taken} if chosen.own else {}
        named = {*chosen.models, *chosen.nlp_models, *wanted.models}
        carried = models(named, inside / MODELS, store / "models", there)
        about = _about(chosen, serial, taken, installers, carried)
        _report(inside, about, taken, installers, carried, chosen, moment, advisories, allow_unknown_advisories)
        (inside / REQUIREMENTS).write_text(
            "".join(f"{one.line()}\n" for one in sorted(taken, key=lambda one: one.name)), "utf-8"
        )
        _write_json(inside / PROFILE, about)
        _sign_payload(inside, tools, about, key, second, sm2, moment, runtime)
        header = {name: str(about[name]) for name in SAME_IN_BOTH}
        tell(_("writing the stick to `{out}`", out=out))
        result = put_on_stick(inside, tools, out, key, header, medium, parity, second, sm2)
        sizes = {"payload_bytes": _bytes(inside), "installed_bytes": about["installed_bytes"]}
        if payload:
            shutil.move(inside, payload)
    return {**result, **sizes}


def _moment() -> int:
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    if stated:
        if not stated.isdigit():
            raise UsageError(_("`SOURCE_DATE_EPOCH` is `{value}`; it is a number of seconds since 1970", value=stated))
        return int(stated)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else int(time.time())


def _ready(key: Path, out: Path, serial: int) -> None:
    if not (ROOT / "pyproject.toml").is_file():
        raise MissingPartError(
            _(
                "a bundle is built from a checkout of Skerry, which has `pyproject.toml` and `locks/`; `{root}` is none",
                root=ROOT,
            )
        )
    if not (key / "vendor.key").is_file():
        raise NotFoundError(_("no `vendor.key` in `{folder}`; make one with `skerry-bundle keygen`", folder=key))
    if serial < 1:
        raise UsageError(_("`--serial {serial}`: serial numbers count upwards from 1", serial=serial))
    if out.exists():
        raise PolicyError(_("`{path}` exists; a bundle is written to a new folder", path=out))


def _with_ours(taken: Sequence[Wheel], profile: Profile, add: Path | None, target: Path, moment: int) -> list[Wheel]:
    added = added_wheels(add, profile, target) if add else []
    replaced = {normal(one.name) for one in added}
    for one in taken:
        if one.name in replaced:
            one.path.unlink()
    for lacking in (one for one in profile.additions if normal(one.name.partition("==")[0]) not in replaced):
        tell(
            _(
                "not carried: `{name}` ({source}); lay its wheel into a folder and name that with `--add`",
                name=lacking.name,
                source=lacking.source,
            )
        )
    ours = [own_wheel(target, moment)] if profile.own else []
    return [*(one for one in taken if one.name not in replaced), *added, *ours]


def _about(
    profile: Profile, serial: int, taken: Sequence[Wheel], installers: Sequence[Wheel], carried: Sequence[Model]
) -> Json:
    added = {f"{one.name}=={one.version}" for one in taken}
    return {
        "product": OURS,
        "profile": profile.name,
        "version": _version(),
        "serial": serial,
        "python": profile.python,
        "platform": profile.platform,
        "glibc": profile.glibc,
        "extras": list(profile.extras),
        "own": profile.own,
        "models": [one.name for one in carried],
        "packed": {one.name: one.about["sha256"] for one in carried if one.packed},
        "schema": _schema(),
        "wheels_bytes": sum(one.path.stat().st_size for one in taken),
        "installed_bytes": sum(_installed_bytes(one.path) for one in taken)
        + sum(one.path.stat().st_size for one in (*taken, *installers))  # a slot keeps them: a delta's base
        + sum(one.installed_bytes for one in carried),
        "services": list(profile.services),
        "command": profile.command,
        "environment": profile.environment,
        "stages": list(profile.stages),
        "tools": {one.name: f"{WHEELS}/{one.path.name}" for one in installers},
        "accelerator": profile.accelerator,
        "additions": [
            {"name": one.name, "source": one.source, "carried": _is_carried(one.name, added)}
            for one in profile.additions
        ],
    }


def _is_carried(name: str, there: set[str]) -> bool:
    return name in there or any(one.partition("==")[0] == normal(name) for one in there)


def _version() -> str:
    text = (ROOT / "appliance" / "__init__.py").read_text("utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def _schema() -> str:
    # The newest migration's number: `r0001_first.py`.
    revisions = sorted(path.stem for path in (ROOT / "appliance" / "migrations" / "versions").glob("r[0-9]*.py"))
    return revisions[-1][1:].partition("_")[0]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _installed_bytes(wheel: Path) -> int:
    # Unpacked, and Python's compiled form beside every module, which is about as large as its source.
    with zipfile.ZipFile(wheel) as archive:
        return sum(one.file_size * (2 if one.filename.endswith(".py") else 1) for one in archive.infolist())


def _report(
    inside: Path,
    about: Json,
    taken: Sequence[Wheel],
    installers: Sequence[Wheel],
    carried: Sequence[Model],
    profile: Profile,
    moment: int,
    earlier: Path | None,
    allow_unknown: bool,
) -> None:
    tell(_("writing the reports"))
    every, reports = [*taken, *installers], inside / REPORTS
    audit = known.ask({normal(one.name): one.version for one in every if one.name != OURS}, earlier)
    known.check(audit, allow_unknown or profile.allow_unknown_advisories)
    stated = licences(every, carried)
    _write_json(reports / REPORT, audit)
    _write_json(reports / "licences.json", as_json(stated))
    (reports / "LICENCES.HTM").write_text(licence_page(stated), "utf-8")
    _write_json(reports / "sbom.json", sbom(every, carried, stated, about, moment))
    locks = [profile.lock_file(name) for name in (profile.lock, profile.tools) if name]
    inputs, files = [profile.file, *locks], manifest.files_below(inside)
    statement = provenance(files, every, carried, inputs, about, moment)
    _write_json(reports / "provenance.json", statement)


def _sign_payload(
    inside: Path,
    tools: Path,
    about: Json,
    key: Path,
    second: Path | None,
    sm2: Path | None,
    moment: int,
    runtime: Path | None,
) -> None:
    built = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    rows = [(name, *_counted(inside / name)) for name in (WHEELS, MODELS, REPORTS)]
    paper = on_paper(fingerprint(key / PUBLIC_KEY))
    lay_tools(tools, moment)
    if runtime:
        shutil.copyfile(runtime, tools / manifest.RUNTIME)
    (inside / PAGE).write_text(page(about, rows, paper, {}, built), "utf-8")
    signatures = (
        [manifest.SIGNATURE] + [manifest.SECOND_SIGNATURE] * bool(second) + [manifest.SM2_SIGNATURE] * bool(sm2)
    )
    header = {"format": MANIFEST_FORMAT, **{name: str(about[name]) for name in (*SAME_IN_BOTH, "python")}}
    header |= {"built": built, "signatures": " ".join(signatures)}
    (inside / MANIFEST).write_text(manifest.Listing(header, manifest.files_below(inside)).text(), "utf-8")
    sign(inside / MANIFEST, key, second, sm2)
    first = {name: manifest.sha256(tools / name) for name in _FIRST if (tools / name).is_file()}
    compare = {**first, MANIFEST: manifest.sha256(inside / MANIFEST)}
    (tools / PAGE).write_text(page(about, rows, paper, compare, built), "utf-8")


def _counted(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
