"""systemd rules: the server runs as shipped, hardened, answers, drains when it is stopped, and comes back behind an upgrade."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import sticks
from tests.sealed import Sealed

pytestmark = pytest.mark.long

SKERRY, PYTHON = "/opt/skerry/bin/skerry", "/opt/skerry/current/venv/bin/python"
SERVE, WATCH = "skerry-serve.service", "skerry-serve.path"
PORT, AUTHORITY = 8080, "/etc/skerry/tls/ca.pem"
KEPT = Path(__file__).resolve().parents[1] / "fixtures" / "store_0001"  # an earlier release's home with a live model


@pytest.fixture(scope="module")
def two_sticks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    folder = tmp_path_factory.mktemp("sticks")
    yield sticks.sticks(folder, "serve-cpu")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def machine(two_sticks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A machine that systemd started. The tests below follow each other on it."""
    root = sticks.debian("bookworm-systemd", "bookworm", "systemd", "systemd-sysv", "dbus", "openssl")
    folder = tmp_path_factory.mktemp("sealed")
    mounts = {"/stick1": two_sticks[0], "/stick2": two_sticks[1], "/site": sticks.site(folder / "site"), "/kept": KEPT}
    made = Sealed(root, folder / "machine", mounts, systemd=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(machine: Sealed) -> str:
    """A key for the server."""
    return str(json.loads(machine.run(SKERRY, "key", "add", "ward-7", "--json").stdout)["key"])


def is_active(machine: Sealed, unit: str) -> bool:
    return machine.run("systemctl", "is-active", unit, code=None).returncode == 0


def command(key: str, texts: int) -> list[str]:
    return [PYTHON, "/site/ask.py", str(PORT), key, AUTHORITY, str(texts)]


def wait_for_answer(machine: Sealed, key: str) -> dict[str, Any]:
    until = time.monotonic() + 180
    while (done := machine.run(*command(key, 1), code=None)).returncode:
        said = machine.run("journalctl", "-u", SERVE, "-n", "20", "--no-pager", code=None).stdout
        assert time.monotonic() < until, done.stderr[-500:] + said
        time.sleep(1)
    return dict(json.loads(done.stdout))


def journal(machine: Sealed) -> list[str]:
    """What the server wrote, oldest first: the name of each event."""
    lines = machine.run("journalctl", "-u", SERVE, "-o", "cat", "--no-pager").stdout.splitlines()
    return [json.loads(line)["event"] for line in lines if line.startswith("{")]


def status_of(machine: Sealed) -> dict[str, str]:
    """What the kernel says about the server's process (proc(5))."""
    number = machine.run("systemctl", "show", "-p", "MainPID", "--value", SERVE).stdout.strip()
    lines = machine.run("cat", f"/proc/{number}/status").stdout.splitlines()
    return {name: value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


def test_1_one_command_installs_on_the_site_of_an_earlier_release(machine: Sealed, two_sticks: list[Path]) -> None:
    machine.run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/skerry", "skerry")
    machine.run("sh", "-c", "mkdir -p /etc/skerry; cp -r /kept/home /var/lib/skerry; cp -r /kept/keys /etc/skerry/keys")
    machine.run("sh", "-c", "chown -R skerry: /var/lib/skerry /etc/skerry/keys")
    machine.run("sh", "-c", "chmod -R u=rwX,go= /var/lib/skerry /etc/skerry/keys")
    machine.run("sh", "/stick1/INSTALL.SH", *sticks.proof(two_sticks[0], openssl=True))
    assert is_active(machine, WATCH)
    assert json.loads(machine.run(SKERRY, "audit", "verify", "--json").stdout)["ok"]


def test_2_the_server_starts_since_there_is_a_release(machine: Sealed, key: str) -> None:
    assert wait_for_answer(machine, key)["model"] == "triage"


def test_3_it_answers_over_tls_to_whoever_has_a_key_alone(machine: Sealed) -> None:
    refused = machine.run(*command("skerry_no_such_key", 1), code=None)
    assert "401" in refused.stderr


def test_4_it_runs_as_its_unit_says(machine: Sealed) -> None:
    user = machine.run("id", "-u", "skerry").stdout.strip()
    found = status_of(machine)
    assert found["Uid"].split() == [user] * 4
    assert (found["NoNewPrivs"], found["Seccomp"], int(found["CapBnd"], 16)) == ("1", "2", 0)


def test_5_its_control_group_lets_nothing_out(machine: Sealed) -> None:
    """The kernel drops what leaves for anywhere but loopback: what systemd attached for `IPAddressDeny` is in force."""
    shown = machine.run("systemctl", "show", "-p", "IPAddressDeny", "-p", "IPAddressAllow", SERVE).stdout
    assert "IPAddressDeny=0.0.0.0/0 ::/0" in shown or "IPAddressDeny=::/0 0.0.0.0/0" in shown, shown
    try_one = [
        "-p",
        "IPAddressDeny=any",
        PYTHON,
        "-c",
        f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 3)",
    ]
    assert machine.run("systemd-run", "--wait", "-q", *try_one, code=None).returncode != 0
    assert machine.run("systemd-run", "--wait", "-q", "-p", "IPAddressAllow=localhost", *try_one).returncode == 0


def test_6_stopping_it_drains_it(machine: Sealed, key: str) -> None:
    """A request that was under way is answered, and it stays stopped."""
    asking = subprocess.Popen(machine.command(*command(key, 500)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asking.stderr
    assert asking.stderr.readline() == b"asked\n"
    machine.run("systemctl", "stop", SERVE)
    said, complained = asking.communicate(timeout=120)
    assert asking.returncode == 0, complained
    assert len(json.loads(said)["predictions"]) == 500
    time.sleep(3)  # what watches for a release does not bring back what an operator has stopped
    assert not is_active(machine, SERVE)
    assert journal(machine)[-1] == "stopped"


def test_7_an_upgrade_drains_it_and_brings_it_back(machine: Sealed, two_sticks: list[Path], key: str) -> None:
    machine.run("systemctl", "start", SERVE)
    assert is_active(machine, WATCH)
    before = wait_for_answer(machine, key)
    machine.run("sh", "/stick2/INSTALL.SH", *sticks.proof(two_sticks[1], openssl=True))
    assert journal(machine).count("stopped") >= 2
    assert wait_for_answer(machine, key)["predictions"] == before["predictions"]
    bundle(machine, "rollback")
    assert wait_for_answer(machine, key)["predictions"] == before["predictions"]


def bundle(machine: Sealed, verb: str) -> dict[str, Any]:
    return dict(json.loads(machine.run(PYTHON, "-I", "/stick2/bundle.pyz", verb, "--json").stdout))


def test_8_uninstalling_takes_the_units_away(machine: Sealed) -> None:
    machine.run("cp", "-a", "/opt/skerry/current/runtime", "/root/runtime")
    machine.run("/root/runtime/bin/python3", "-I", "/stick2/bundle.pyz", "uninstall")
    assert not is_active(machine, WATCH)
    assert "skerry" not in machine.run("systemctl", "list-unit-files", "--no-pager", code=None).stdout
