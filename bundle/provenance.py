"""Where everything came from: one in-toto statement that names each material by its digest."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.manifest import sha256
from bundle.models import Model
from bundle.profile import ROOT
from bundle.wheels import OURS, Wheel, normal

Json = dict[str, Any]

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"


def provenance(
    files: Mapping[str, str],
    wheels: Sequence[Wheel],
    models: Sequence[Model],
    inputs: Sequence[Path],
    about: Json,
    moment: int,
) -> Json:
    """Return the statement (in-toto Statement v1 with SLSA's provenance predicate v1, https://slsa.dev/spec/v1.0/provenance).

    `files` are the payload's files (SHA-256 by path): the subject. The materials are every wheel and model, and `inputs`,
    the lock and profile files that decided over them. No path, user or machine name of the builder stands in it.
    """
    materials = [_wheel(wheel) for wheel in wheels if wheel.name != OURS]
    materials += [_material(f"model:{one.source}", one.about["sha256"], one.name) for one in models]
    materials += [_material(f"file:{path.name}", sha256(path), path.name) for path in inputs]
    moments = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    return {
        "_type": STATEMENT,
        "subject": [{"name": path, "digest": {"sha256": digest}} for path, digest in sorted(files.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:skerry:bundle:1",
                "externalParameters": {
                    key: about[key] for key in ("profile", "version", "serial", "platform", "glibc", "python")
                },
                "internalParameters": {"SOURCE_DATE_EPOCH": moment},
                "resolvedDependencies": [*sorted(materials, key=lambda one: str(one["uri"])), _source()],
            },
            "runDetails": {
                "builder": {"id": f"urn:skerry:bundle-builder:{about['version']}"},
                "metadata": {"startedOn": moments, "finishedOn": moments},
            },
        },
    }


def _material(uri: str, digest: str, name: str) -> Json:
    return {"uri": uri, "digest": {"sha256": digest}, "name": name}


def _wheel(wheel: Wheel) -> Json:
    purl = f"pkg:pypi/{normal(wheel.name)}@{wheel.version.replace('+', '%2B')}"
    if wheel.built_from:
        return _material(f"{purl}?file_type=sdist", wheel.built_from, wheel.name)
    return _material(f"{purl}?file_name={wheel.path.name}", wheel.sha256, wheel.path.name)


def _source() -> Json:
    commit = _git("rev-parse", "HEAD")
    clean = commit and not _git("status", "--porcelain", "--", "appliance", "labeling", "bundle", "pyproject.toml")
    entry: Json = {"uri": "source:skerry", "name": "skerry", "annotations": {"clean": bool(clean)}}
    return {**entry, "digest": {"gitCommit": commit}} if commit else entry


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
