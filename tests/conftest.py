"""What every test gets: a home of its own, no way out of the machine, and no quiet skips in CI."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# Before numpy, torch and transformers are imported: one thread each, no hub; English messages.
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "SKERRY_LANG": "en"}
os.environ.setdefault("SKERRY_BASES__FOLDER", str(ROOT / ".cache" / "bases"))

# A busy machine is no failure; in CI the same examples run every time, at home new ones are looked for.
settings.register_profile("skerry", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("skerry")

_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_attempts: list[str] = []


def _stays(host: object) -> bool:
    # None and "" bind or look up this machine; a name other than localhost would ask a name server.
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    # An audit hook sees every socket call of the interpreter, whatever a library has patched or imported.
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _SENDS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not _stays(host):
        _attempts.append(f"{event} {host!r}")
        raise PermissionError(f"tests stay on this machine: {event} {host!r}")


sys.addaudithook(_guard)


@pytest.fixture
def attempts() -> list[str]:
    """The attempts to leave this machine since the test began; a test that provokes one clears the list."""
    return _attempts


@pytest.fixture(autouse=True)
def _nothing_leaves() -> Iterator[None]:
    _attempts.clear()
    yield
    assert not _attempts, f"the test tried to leave this machine: {_attempts}"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(tmp_path / "keys"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the journeys: they are long, and what is long must not start last when several processes share the work."""
    items.sort(key=lambda item: "journeys" not in item.path.parts)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a `gpu` test where torch finds no GPU."""
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("no GPU here")


def _strict() -> bool:
    return os.environ.get("CI") == "true" or os.environ.get("SKERRY_NO_SKIP") == "1"


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _strict() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and a skip fails here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip into a failure in CI, unless it is a `gpu` test's."""
    report = yield
    if not item.get_closest_marker("gpu"):
        _fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Turn the skip of a whole file into a failure in CI."""
    report = yield
    _fail_skipped(report)
    return report
