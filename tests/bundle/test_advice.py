"""Newer advisories for an installed bundle: a small stick, taken for that bundle alone, and told by `status`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bundle import advice
from bundle import preflight as page
from bundle.advisories import advisories
from bundle.errors import PolicyError
from bundle.manifest import Listing, files_below, parse, sha256
from bundle.sign import PUBLIC_KEY, sign
from bundle.slots import Prefix
from bundle.verify import verify
from tests.bundle.small import Machine, key_folder, make_payload
from tests.bundle.test_install import stick, tree_hash
from tests.sticks import make_key


def moment(days_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 * days_ago))


def report(asked: str | None, *found: str, version: str = "1.0") -> dict[str, Any]:
    """A report on two packages, in which `beta` has the advisories `found`."""
    beta = {"name": "beta", "version": version}
    return {
        "format": advice.FORMAT,
        "asked": asked,
        "max_age_days": 30,
        "clean": [{"name": "alpha", "version": "1.0"}] + ([] if found else [beta]),
        "found": [{**beta, "id": one, "fixed_in": []} for one in found],
        "unknown": [],
    }


def with_report(payload: Path, content: dict[str, Any]) -> Path:
    """Put an advisory report into a payload and sign it again."""
    (payload / "reports").mkdir()
    (payload / "reports" / advice.REPORT).write_text(json.dumps(content))
    header = parse((payload / "MANIFEST").read_text(), "MANIFEST").header
    for name in ("MANIFEST", "MANIFEST.SIG"):
        (payload / name).unlink()
    (payload / "MANIFEST").write_text(Listing(header, files_below(payload)).text())
    sign(payload / "MANIFEST", key_folder())
    return payload


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Path]:
    """A machine on which a bundle is in use whose advisories are 40 days old, and that bundle's stick."""
    folder = tmp_path_factory.mktemp("site")
    payload = with_report(make_payload(folder / "payload", "1.0", 1), report(moment(40)))
    carried, machine = stick(payload, folder / "stick"), Machine(folder)
    done = machine.install(carried)
    assert done.returncode == 0, done.stderr
    assert "WARN  advisories: asked on" in done.stderr
    return machine, carried


def brought(site: tuple[Machine, Path], folder: Path, content: dict[str, Any]) -> Path:
    """Make the small stick that brings this report."""
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(content))
    advisories(site[1], key_folder(), folder / "small", folder / "report.json")
    return folder / "small"


def test_newer_advisories_replace_the_older_and_the_slot_stays(site: tuple[Machine, Path], tmp_path: Path) -> None:
    machine = site[0]
    before = tree_hash(machine.prefix / "releases")
    said: Any = machine.does("status")["advisories"]
    assert (said["days"], said["old"], said["found"]) == (40, True, [])
    small = brought(site, tmp_path, report(moment(2), "PYSEC-2026-1"))
    assert sum(path.stat().st_size for path in small.rglob("*")) < 1_000_000
    assert verify(small, key_folder() / PUBLIC_KEY)["advises"]
    said_of_it = (small / "MANIFEST.HTM").read_text()
    assert sha256(small / "bundle.pyz") in said_of_it and "wheels" not in said_of_it
    command = [sys.executable, "-I", small / "bundle.pyz", "verify", small, "--vendor-key", key_folder() / PUBLIC_KEY]
    assert subprocess.run(command, capture_output=True).returncode == 0, "its program is today's, not the one delivered"
    done = machine.install(small)
    assert done.returncode == 0, done.stderr
    said = machine.does("status")["advisories"]
    assert (said["days"], said["old"], said["found"]) == (2, False, ["PYSEC-2026-1 (beta 1.0)"])
    row = next(row for row in page.preflight(None, machine.prefix)["checks"] if row["name"] == "advisories")
    assert row["level"] == "WARN" and "PYSEC-2026-1 (beta 1.0)" in row["text"]
    assert tree_hash(machine.prefix / "releases") == before
    assert not (machine.prefix / "staging").exists() and not (machine.prefix / "staging-payload").exists()
    # A thief changes what the stick says.
    next(small.glob("PART001.BIN")).write_bytes(b"x")
    (small / "PARITY01.BIN").unlink()
    (small / "PARITY02.BIN").unlink()
    assert machine.install(small).returncode == 6
    # Older than what is here by now.
    done = machine.install(brought(site, tmp_path / "older", report(moment(3))))
    assert done.returncode == 5 and "older than those here" in done.stderr
    assert machine.does("status")["advisories"] == said


def test_advisories_for_another_bundle_or_other_packages_are_refused(
    site: tuple[Machine, Path], tmp_path: Path
) -> None:
    machine = site[0]
    before = machine.does("status")["advisories"]
    other = with_report(make_payload(tmp_path / "payload", "2.0", 2), report(moment(40)))
    done = machine.install(brought((machine, stick(other, tmp_path / "other")), tmp_path / "a", report(moment(1))))
    assert done.returncode == 5 and "in use is serial 1" in done.stderr
    place = Prefix(machine.prefix)
    slot = place.current()
    assert slot
    (tmp_path / "made" / "reports").mkdir(parents=True)
    (tmp_path / "made" / "reports" / advice.REPORT).write_text(json.dumps(report(moment(1), version="1.1")))
    header = {"serial": "1", "version": "1.0", advice.ADVISES: sha256(slot / "MANIFEST")}
    (tmp_path / "made" / "MANIFEST").write_text(Listing(header, {}).text())
    with pytest.raises(PolicyError, match="other packages"):
        advice._admitted(tmp_path / "made", place, slot)
    assert machine.does("status")["advisories"] == before


def test_a_site_that_trusts_a_second_key_wants_it_here_too(site: tuple[Machine, Path], tmp_path: Path) -> None:
    small = brought(site, tmp_path, report(moment(0)))
    second = make_key(tmp_path / "second")
    done = site[0].install(small, "--second", second / PUBLIC_KEY)
    assert done.returncode == 6, done.stderr
    assert not (site[0].prefix / "second.pem").exists()


def test_nothing_newer_is_carried_when_nobody_answered(
    site: tuple[Machine, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PolicyError, match="nobody answered"):
        brought(site, tmp_path, report(None))
    with pytest.raises(PolicyError, match="no advisory service answered about 1 packages"):
        brought(site, tmp_path, report(moment(1), version="0.9"))
    assert not (tmp_path / "small").exists()


def test_the_age_of_an_answer_is_told() -> None:
    asked = "2026-01-01T00:00:00Z"
    assert advice.age_days({"asked": asked}, 1_767_225_600 + 86400 * 31) == 31
    assert advice.age_days({"asked": None}, time.time()) is None
    assert advice.told(report(None))["old"]
