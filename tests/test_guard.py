"""The guard that holds tests on this machine, and the rule that a skip fails in CI."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("198.51.100.7", 443)])
def test_connect_outside_is_refused_and_recorded(attempts: list[str], address: tuple[str, int]) -> None:
    with socket.socket() as plug, pytest.raises(PermissionError):
        plug.connect(address)
    assert [one.split()[0] for one in attempts] == ["socket.connect"]
    attempts.clear()


def test_datagram_and_name_look_up_outside_are_refused(attempts: list[str]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as plug, pytest.raises(PermissionError):
        plug.sendto(b"x", ("2001:db8::1", 53))
    with pytest.raises(PermissionError):
        socket.getaddrinfo("telemetry.example", 443)
    assert len(attempts) == 2
    attempts.clear()


def test_loopback_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"x")
        with server.accept()[0] as peer:
            assert peer.recv(1) == b"x"


def run_inner(tmp_path: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on `body` under the project's own conftest, in a process of its own."""
    shutil.copy(HERE / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: needs one\n")
    (tmp_path / "test_inner.py").write_text(body)
    clean = {key: value for key, value in os.environ.items() if key not in {"CI", "SKERRY_NO_SKIP"}}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini", "test_inner.py"],
        cwd=tmp_path,
        env=clean | environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )


SWALLOWED = """
import contextlib, socket
def test_it():
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 9))
"""
SKIPPED = "import pytest\ndef test_it():\n    pytest.skip('no `strace` here')\n"
SKIPPED_FILE = "import pytest\npytest.importorskip('no_such_module_anywhere')\n"


def test_a_swallowed_attempt_still_fails_its_test(tmp_path: Path) -> None:
    done = run_inner(tmp_path, SWALLOWED)
    assert done.returncode == 1
    assert "tried to leave this machine" in done.stdout


def test_a_skip_passes_at_home_and_fails_in_ci_with_its_reason(tmp_path: Path) -> None:
    assert run_inner(tmp_path, SKIPPED).returncode == 0
    strict = run_inner(tmp_path, SKIPPED, SKERRY_NO_SKIP="1")
    assert strict.returncode == 1
    assert "no `strace` here" in strict.stdout


def test_the_skip_of_a_whole_file_fails_in_ci(tmp_path: Path) -> None:
    assert run_inner(tmp_path, SKIPPED_FILE, CI="true").returncode not in (0, 5)


def test_a_gpu_test_may_skip_in_ci(tmp_path: Path) -> None:
    marked = SKIPPED.replace("def ", "@pytest.mark.gpu\ndef ")
    done = run_inner(tmp_path, marked, CI="true")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
