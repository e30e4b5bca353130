"""`skerry selftest`: the evidence says what was seen, is signed, and each fault makes it not ok."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appliance import signature
from appliance.errors import IntegrityError, MissingPartError
from appliance.selftest import selftest as module
from appliance.selftest.selftest import require_ok, selftest
from appliance.selftest.stages import STAGES, Stage
from appliance.store import Store

for program in ("strace", "unshare", "openssl"):
    if not shutil.which(program):
        pytest.skip(f"`{program}` is not installed (strace, util-linux, openssl)", allow_module_level=True)

QUICK = (STAGES[0],)  # the other stages have their own tests; all of them together are a `long` one


@pytest.fixture(autouse=True)
def _no_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))


def verified(folder: Path) -> bool:
    command = [
        "openssl",
        "dgst",
        "-sha384",
        "-verify",
        "signer.pem",
        "-signature",
        "evidence.json.sig",
        "evidence.json",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def test_the_evidence_is_signed_and_says_what_was_seen(tmp_path: Path) -> None:
    store = Store.open()
    result = selftest(store, True, tmp_path / "out", QUICK)
    require_ok(result)
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text())
    assert (evidence["ok"], evidence["attempts"], evidence["airgap"]) == (True, 0, True)
    assert evidence["control"] == {"planted": 2, "counted": 2, "stopped": True}
    assert [(row["stage"], row["state"], row["attempts"]) for row in evidence["stages"]] == [
        ("install-check", "passed", 0)
    ]
    assert evidence["tools"]["strace"].startswith("strace")
    assert evidence["hardware"]["memory_bytes"] > 0
    assert evidence["signer"] == signature.known_fingerprint(tmp_path / "keys") == result["signer"]
    assert verified(tmp_path / "out")
    event = store.events()[-1]
    assert (event.verb, event.details["ok"], event.details["evidence_sha256"]) == ("selftest", True, result["sha256"])
    assert store.artifacts() == []  # the work happened in another home
    content = (tmp_path / "out" / "evidence.json").read_bytes()
    (tmp_path / "out" / "evidence.json").write_bytes(content.replace(b'"attempts": 0', b'"attempts": 1', 1))
    assert not verified(tmp_path / "out")


def test_the_page_is_in_both_languages_and_needs_nothing_else(tmp_path: Path) -> None:
    result = selftest(Store.open(), False, tmp_path / "out", (Stage("absent <stage>", ("train",), STAGES[0].work),))
    page = (tmp_path / "out" / "evidence.html").read_text("utf-8")
    assert "evidence of a self-test" in page and "自检证据" in page
    assert result["sha256"] in page and result["signer"] in page
    assert "<script" not in page and "http" not in page
    assert "absent &lt;stage&gt;" in page


def leaky_python(folder: Path) -> str:
    """Write a Python that phones home before it does what it is asked to."""
    script = folder / "leaky-python"
    leak = 'import socket\ntry: socket.create_connection(("192.0.2.77", 80), 1)\nexcept OSError: pass'
    script.write_text(f"#!/bin/sh\n'{sys.executable}' -c '{leak}'\nexec '{sys.executable}' \"$@\"\n")
    script.chmod(0o700)
    return str(script)


def test_a_stage_that_tries_to_leave_is_counted_and_is_not_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.selftest import watch

    # the watch itself starts the true Python, the stage's command names the leaky one
    true_python = sys.executable
    monkeypatch.setattr(module.sys, "executable", leaky_python(tmp_path))
    monkeypatch.setattr(watch, "sys", type("Sys", (), {"executable": true_python, "argv": [], "exit": sys.exit}))
    result = selftest(Store.open(), True, tmp_path / "out", QUICK)
    assert (result["ok"], result["attempts"]) == (False, 1)
    assert result["stages"][0]["tried"] == ["connect AF_INET 192.0.2.77:80"]
    with pytest.raises(IntegrityError, match="1 attempts to leave"):
        require_ok(result)
    assert verified(tmp_path / "out")
    assert "connect AF_INET 192.0.2.77:80" in (tmp_path / "out" / "evidence.html").read_text("utf-8")


def test_an_uncounted_control_voids_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An strace that follows nothing: every count would be 0."""
    (tmp_path / "bin").mkdir()
    blind = tmp_path / "bin" / "strace"
    blind.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n: > "$2"\nshift 2\nexec "$@"\n')
    blind.chmod(0o700)
    for program in ("unshare", "true", "sh"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = selftest(Store.open(), True, tmp_path / "out", QUICK)
    assert (result["ok"], result["attempts"]) == (False, 0)
    assert result["control"]["counted"] == 0
    with pytest.raises(IntegrityError, match="prove nothing"):
        require_ok(result)


def test_without_strace_it_says_so_and_is_not_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("unshare", "true"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = selftest(Store.open(), True, tmp_path / "out", QUICK)
    assert (result["ok"], result["attempts"], result["stages"][0]["state"]) == (False, None, "passed")
    with pytest.raises(MissingPartError, match="`strace` is not installed"):
        require_ok(result)


def test_without_a_namespace_nothing_is_planted_and_it_is_not_ok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted attempt would really leave there."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "strace").symlink_to(shutil.which("strace") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    store = Store.open()
    left = store.scratch("selftest", "left")  # by one that was killed
    result = selftest(store, True, tmp_path / "out", ())
    assert (result["ok"], result["control"]) == (False, None)
    with pytest.raises(MissingPartError, match="no network namespace"):
        require_ok(result)
    assert not left.exists()


def test_a_stage_that_is_not_there_is_absent_and_never_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.absent.__globals__["EXTRAS"], "train", "no_such_module")
    lacking = [stage for stage in STAGES if stage.name == "train"]
    row: dict[str, Any] = selftest(Store.open(), False, tmp_path / "out", [*QUICK, *lacking])["stages"][1]
    assert (row["state"], row["seconds"], row["attempts"]) == ("absent", None, None)
    assert "extra train" in row["reason"]


def test_a_stage_that_fails_names_its_reason(tmp_path: Path) -> None:
    """Scrub without the data set of the stage before."""
    scrub = [stage for stage in STAGES if stage.name == "scrub"]
    result = selftest(Store.open(), False, tmp_path / "out", scrub)
    assert (result["ok"], result["stages"][0]["state"]) == (False, "failed")
    assert "no dataset `selftest`" in result["stages"][0]["reason"]
    with pytest.raises(IntegrityError, match="scrub: no dataset"):
        require_ok(result)


@pytest.mark.long
def test_every_stage_passes_without_a_network_and_nothing_tries_to_leave(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance.cli", "selftest", "--airgap", "--json", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["ok"], result["attempts"]) == (True, 0)
    assert [row["state"] for row in result["stages"]] == ["passed"] * len(STAGES)
    assert next(row for row in result["stages"] if row["stage"] == "train")["details"]["built_in_base"] is True
    assert verified(tmp_path / "out")
