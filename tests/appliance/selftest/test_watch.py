"""The watch counts what leaves, holds it back, and says what it lacks; `tests/test_egress.py` holds how traces are read."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from appliance.selftest.watch import PLANTED, Watch, watch

needs_programs = pytest.mark.skipif(
    not (shutil.which("strace") and shutil.which("unshare")),
    reason="`strace` or `unshare` is not installed: apt-get install strace util-linux",
)
PLANT = [sys.executable, "-m", "appliance.selftest.watch", "--plant"]
AT_HOME = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).sendall(b"x")
print("loopback works")
"""


@needs_programs
def test_planted_attempts_are_counted_and_stopped(tmp_path: Path) -> None:
    seen = watch(airgap=True).run(PLANT, tmp_path, os.environ)
    assert (seen.code, seen.attempts) == (0, list(PLANTED))


@needs_programs
def test_loopback_works_without_the_program_ip(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("unshare", "strace"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    environment = os.environ | {"PATH": str(tmp_path / "bin")}
    seen = watch(airgap=True).run([sys.executable, "-c", AT_HOME], tmp_path, environment)
    assert (seen.code, seen.output, seen.attempts) == (0, "loopback works\n", []), seen.errors


@needs_programs
def test_a_user_who_is_not_root_gets_a_namespace_too(tmp_path: Path) -> None:
    namespace = ("unshare", "-Urn")
    seen = Watch(namespace, traced=True).run([sys.executable, "-c", AT_HOME], tmp_path, os.environ)
    if "Operation not permitted" in seen.errors and "unshare" in seen.errors:
        pytest.skip("needs user namespaces, which this kernel does not allow")
    assert (seen.code, seen.output, seen.attempts) == (0, "loopback works\n", []), seen.errors


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = watch(airgap=True)
    assert (lacking.namespace, lacking.traced) == ((), False)
    assert [word for fault in lacking.faults for word in ("unshare", "strace") if f"`{word}`" in fault] == [
        "unshare",
        "strace",
    ]
    assert watch(airgap=False).faults == ()


def test_without_strace_nothing_is_counted_rather_than_zero(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("an old trace")
    assert Watch().run([sys.executable, "-c", "pass"], tmp_path, os.environ).attempts is None


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    code = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    seen = Watch().run([sys.executable, "-c", code], tmp_path, os.environ, timeout_s=1)
    assert (seen.code, seen.errors) == (-9, "still not done after 1 s")
    assert seen.seconds < 20
