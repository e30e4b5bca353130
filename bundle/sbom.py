"""The list of everything inside: packages, the libraries that wheels bring in, models. CycloneDX 1.6, the same inputs to the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.licences import Licence
from bundle.models import Model
from bundle.wheels import Wheel, metadata, normal

Json = dict[str, Any]

# A shared library, but no extension module of Python itself: those bear `.cpython-` or `.abi3.`.
_LIBRARY = re.compile(r"(?P<name>[^/]+?)(?:-[0-9a-f]{8})*\.so(?:\.(?P<version>[0-9][0-9.]*))?")
_EXTENSION = re.compile(r"\.(cpython-\w+|abi3)[\w.-]*\.so$")
_ELF = b"\x7fELF"


def sbom(
    wheels: Sequence[Wheel], models: Sequence[Model], licences: Sequence[Licence], about: Json, moment: int
) -> Json:
    """Return the document; `about` is the bundle's `profile.json`, `moment` its time in seconds since 1970.

    The form is CycloneDX 1.6 (ECMA-424), https://cyclonedx.org/docs/1.6/json/. Each wheel lists the shared libraries that
    lie in it as components of its own, each model its files.
    """
    licence_of = {(one.name, one.version): one.licence for one in licences}
    components = [_package(wheel, licence_of) for wheel in wheels] + [_model(model, licence_of) for model in models]
    references = {normal(wheel.name): component["bom-ref"] for wheel, component in zip(wheels, components)}
    root = f"skerry-bundle/{about['profile']}@{about['version']}"
    body: Json = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": about["product"],
                "version": about["version"],
            },
            "properties": [
                {"name": f"skerry:{key}", "value": str(about[key])}
                for key in ("profile", "serial", "platform", "glibc", "python")
            ],
        },
        "components": components,
        "dependencies": [
            {"ref": root, "dependsOn": sorted(component["bom-ref"] for component in components)},
            *({"ref": references[normal(wheel.name)], "dependsOn": _needs(wheel, references)} for wheel in wheels),
        ],
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {**body, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"}


def _hash(digest: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": digest}]


def _licences(text: str) -> list[Json]:
    return [{"license": {"name": text}}] if text else []


def _package(wheel: Wheel, licence_of: dict[tuple[str, str], str]) -> Json:
    reference = f"pkg:pypi/{normal(wheel.name)}@{wheel.version.replace('+', '%2B')}"
    component: Json = {
        "type": "library",
        "bom-ref": reference,
        "name": wheel.name,
        "version": wheel.version,
        "purl": reference,
        "hashes": _hash(wheel.sha256),
        "licenses": _licences(licence_of.get((wheel.name, wheel.version), "")),
        "properties": [{"name": "skerry:file", "value": f"wheels/{wheel.path.name}"}],
    }
    if wheel.built_from:
        component["properties"].append({"name": "skerry:built-from-sha256", "value": wheel.built_from})
    vendored = [_library(reference, name, digest) for name, digest in libraries(wheel.path)]
    return {**component, "components": vendored} if vendored else component


def libraries(path: Path) -> list[tuple[str, str]]:
    """Return (path inside, SHA-256) of every shared library that a wheel carries for others to link with, sorted by path."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            inside = name.rpartition("/")[2]
            if not _LIBRARY.fullmatch(inside) or _EXTENSION.search(inside):
                continue
            digest = hashlib.sha256()
            with archive.open(name) as file:
                head = file.read(4)
                digest.update(head)
                while block := file.read(1 << 20):
                    digest.update(block)
            if head == _ELF:
                found.append((name, digest.hexdigest()))
    return found


def _library(parent: str, path: str, digest: str) -> Json:
    match = _LIBRARY.fullmatch(path.rpartition("/")[2])
    assert match, "only libraries are listed"
    component: Json = {
        "type": "library",
        "bom-ref": f"{parent}#{path}",
        "name": match["name"],
        "hashes": _hash(digest),
        "properties": [{"name": "skerry:path", "value": path}],
    }
    return {**component, "version": match["version"]} if match["version"] else component


def _model(model: Model, licence_of: dict[tuple[str, str], str]) -> Json:
    files = [
        {"type": "file", "bom-ref": f"model/{model.name}#{path}", "name": path, "hashes": _hash(digest)}
        for path, digest in sorted(model.about["files"].items())
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model/{model.name}",
        "name": model.name,
        "version": model.about["sha256"][:12],
        "hashes": _hash(model.about["sha256"]),
        "licenses": _licences(licence_of.get((model.name, model.about["sha256"][:12]), "")),
        "properties": [{"name": "skerry:source", "value": model.source}],
        "components": files,
    }


def _needs(wheel: Wheel, references: dict[str, str]) -> list[str]:
    wanted = [one for one in metadata(wheel.path).get_all("Requires-Dist", []) if "extra ==" not in one]
    names = {normal(re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]) for one in wanted}
    return sorted(references[name] for name in names if name in references)
