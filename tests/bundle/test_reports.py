"""The reports say what lies in the folder: contents, licences, advisories, origin, the page for the security desk."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bundle import advisories, licences, page, sbom
from bundle.errors import InputError, PolicyError
from bundle.models import Model
from bundle.provenance import provenance
from bundle.wheels import Wheel, metadata
from tests.tiny_wheels import digest, make_wheel

ABOUT = {
    "product": "skerry",
    "profile": "tiny",
    "version": "1.2.3",
    "serial": 7,
    "platform": "linux-x86_64",
    "glibc": "2.28",
    "python": "3.11",
    "installed_bytes": 1_000_000,
}
ELF = b"\x7fELF and so on"


def taken(path: Path, name: str, version: str = "1.0") -> Wheel:
    return Wheel(path, name, version, digest(path))


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    """Three wheels: plain, one that needs it and carries a library, one whose licence nobody states."""
    native = {
        "beta/_core.cpython-311-x86_64-linux-gnu.so": ELF,
        "beta.libs/libgomp-0352e75f.so.1.0.0": ELF,
        "beta/lib/libtorch.so": ELF,
        "beta/notes.so": b"a text",
    }
    needs = ("Requires-Dist: Alpha>=1", 'Requires-Dist: gamma; extra == "more"', "License: LGPL-3.0-only")
    return [
        taken(make_wheel(tmp_path, "alpha"), "alpha"),
        taken(make_wheel(tmp_path, "beta", files=native, metadata=needs), "beta"),
        taken(make_wheel(tmp_path, "gamma", metadata=("License: UNKNOWN",)), "gamma"),
    ]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    folder = tmp_path / "minilm"
    folder.mkdir()
    (folder / "LICENSE").write_text("MIT")
    about = {"licence": "MIT", "sha256": "ab" * 32, "files": {"LICENSE": digest(folder / "LICENSE")}}
    return Model("minilm", folder, about, "bundle/models.toml#minilm", 3)


def document(wheels: list[Wheel], model: Model) -> dict[str, Any]:
    return sbom.sbom(wheels, [model], licences.licences(wheels, [model]), ABOUT, 1_700_000_000)


def test_the_sbom_holds_every_wheel_model_and_library(wheels: list[Wheel], model: Model) -> None:
    """Hashes are those of the files; an extension module and a text that is called `.so` are no libraries."""
    components = {one["name"]: one for one in document(wheels, model)["components"]}
    assert set(components) == {"alpha", "beta", "gamma", "minilm"}
    assert all(components[one.name]["hashes"] == [{"alg": "SHA-256", "content": digest(one.path)}] for one in wheels)
    inside = {one["name"]: one for one in components["beta"]["components"]}
    assert set(inside) == {"libgomp", "libtorch"}
    assert inside["libgomp"]["version"] == "1.0.0"
    assert [one["name"] for one in components["minilm"]["components"]] == ["LICENSE"]


def test_the_sbom_knows_who_needs_whom(wheels: list[Wheel], model: Model) -> None:
    needs = {one["ref"]: one["dependsOn"] for one in document(wheels, model)["dependencies"]}
    assert needs["pkg:pypi/beta@1.0"] == ["pkg:pypi/alpha@1.0"]
    assert len(needs["skerry-bundle/tiny@1.2.3"]) == 4


def test_the_sbom_is_valid_and_the_same_each_time(wheels: list[Wheel], model: Model) -> None:
    """Checked against CycloneDX's own schema, which refuses the same document with one field spoilt."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    found = document(wheels, model)
    assert found == document(wheels, model)
    assert validator.validate_str(json.dumps(found)) is None
    assert validator.validate_str(json.dumps({**found, "bomFormat": "other"})) is not None


def test_every_licence_is_stated_or_unknown(wheels: list[Wheel], model: Model) -> None:
    found = {one.name: (one.licence, one.copyleft) for one in licences.licences(wheels, [model])}
    assert found == {
        "alpha": ("MIT", False),
        "beta": ("LGPL-3.0-only", True),
        "gamma": ("UNKNOWN", False),
        "minilm": ("MIT", False),
    }
    assert licences.as_json(licences.licences(wheels, [model]))["unknown"] == ["gamma 1.0"]


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        (("License-Expression: MIT", "License: other"), "MIT"),
        (("Classifier: License :: OSI Approved :: MIT License",), "MIT License"),
        (("Classifier: License :: OSI Approved", "License: BSD"), "BSD"),
        (
            (f"License: {'long text ' * 40}", "Classifier: License :: OSI Approved :: ISC License (ISCL)"),
            "ISC License (ISCL)",
        ),
        ((), "UNKNOWN"),
    ],
)
def test_the_newest_field_says_the_licence(tmp_path: Path, fields: tuple[str, ...], stated: str) -> None:
    wheel = taken(make_wheel(tmp_path, "alpha", metadata=fields), "alpha")
    assert licences.licences([wheel], [])[0].licence == stated


def test_the_licence_page_shows_the_unknown_first_and_runs_nothing(wheels: list[Wheel], model: Model) -> None:
    text = licences.page(licences.licences(wheels, [model]))
    assert text.index("gamma") < text.index("beta") < text.index("alpha")
    assert "<script" not in text and "http" not in text


def test_a_wheel_without_metadata_is_no_wheel(tmp_path: Path) -> None:
    path = tmp_path / "alpha-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alpha.py", "")
    with pytest.raises(InputError, match="no metadata"):
        metadata(path)


# What pip-audit 2.10.1 printed, exit code 0 and "No known vulnerabilities found", for a package that it could not look up.
SKIPPED = {"name": "gamma", "skip_reason": "Dependency not found on PyPI and could not be audited: gamma (1.0)"}


def program(folder: Path, answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `pip-audit` on the path that gives these answers, in the form of the real one."""
    folder.mkdir()
    script = folder / "pip-audit"
    script.write_text(f"#!{sys.executable}\nprint({json.dumps({'dependencies': answers, 'fixes': []})!r})\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def versions(wheels: list[Wheel]) -> dict[str, str]:
    return {one.name: one.version for one in wheels}


def test_a_package_that_was_skipped_is_unknown_and_stops_the_build(
    wheels: list[Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
    answers = [
        {"name": "Alpha", "version": "1.0", "vulns": []},
        {"name": "beta", "version": "1.0", "vulns": [hit]},
        SKIPPED,
    ]
    program(tmp_path / "bin", answers, monkeypatch)
    report = advisories.ask(versions(wheels), moment=1_700_000_000)
    assert report["asked"] == "2023-11-14T22:13:20Z"
    assert [one["name"] for one in report["clean"]] == ["alpha"]
    assert [(one["name"], one["id"], one["fixed_in"]) for one in report["found"]] == [("beta", "PYSEC-2026-1", ["1.1"])]
    assert report["unknown"] == [{"name": "gamma", "version": "1.0"}]
    with pytest.raises(PolicyError, match=r"gamma 1\.0"):
        advisories.check(report, allow_unknown=False)
    advisories.check(report, allow_unknown=True)
    advisories.check({**report, "unknown": []}, allow_unknown=False)


def test_without_pip_audit_everything_is_unknown(
    wheels: list[Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = advisories.ask(versions(wheels))
    assert report["asked"] is None and len(report["unknown"]) == 3


def test_an_earlier_report_is_taken_and_what_is_new_since_is_unknown(
    wheels: list[Wheel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = {
        "format": advisories.FORMAT,
        "asked": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "max_age_days": 30,
        "found": [],
        "clean": [{"name": "alpha", "version": "1.0"}, {"name": "beta", "version": "0.9"}],
        "unknown": [],
    }
    path = tmp_path / "advisories.json"
    path.write_text(json.dumps(earlier))
    report = advisories.ask(versions(wheels), path)
    assert [one["name"] for one in report["unknown"]] == ["beta", "gamma"]
    assert "days old" not in capsys.readouterr().err
    path.write_text(json.dumps({**earlier, "asked": "2024-01-01T00:00:00Z"}))
    advisories.ask(versions(wheels), path)
    assert "days old" in capsys.readouterr().err
    path.write_text("{}")
    with pytest.raises(InputError, match="no advisory report"):
        advisories.ask(versions(wheels), path)


def test_the_provenance_names_every_material_and_no_machine(wheels: list[Wheel], model: Model, tmp_path: Path) -> None:
    lock = tmp_path / "serve.txt"
    lock.write_text("alpha==1.0\n")
    files = {f"wheels/{one.path.name}": one.sha256 for one in wheels}
    statement = provenance(files, wheels, [model], [lock], ABOUT, 1_700_000_000)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == files
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    digests = {one["digest"]["sha256"] for one in materials if "sha256" in one.get("digest", {})}
    assert digests == {*files.values(), model.about["sha256"], digest(lock)}
    assert str(tmp_path) not in json.dumps(statement) and str(Path.home()) not in json.dumps(statement)


def test_the_page_says_it_in_both_languages_and_fetches_nothing() -> None:
    text = page.page(ABOUT, [("wheels", 3, 5_000_000)], "d1c5 a1ea", {"bundle.pyz": "ab" * 32}, "2026-01-01T00:00:00Z")
    assert text.count("d1c5 a1ea") == text.count("ab" * 32) == 2
    assert '<div lang="zh">' in text and '<div lang="en">' in text
    assert not any(word in text.lower() for word in ("<script", "http:", "https:", "<img", "<link", "<form", "onload"))
    spoilt = page.page({**ABOUT, "version": "<b>"}, [], "d1c5", {}, "now")
    assert "<b>" not in spoilt
