"""From a stick to an appliance that trains and serves, on machines with nothing: no network, no Python, perhaps no openssl."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import sticks
from tests.sealed import Sealed

pytestmark = pytest.mark.long

SKERRY, PYTHON = "/opt/skerry/bin/skerry", "/opt/skerry/current/venv/bin/python"
PORT = 8123


@pytest.fixture(scope="module")
def two_sticks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    folder = tmp_path_factory.mktemp("sticks")
    yield sticks.sticks(folder, "appliance-cpu")
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["bookworm", "bullseye"])
def machine(
    request: pytest.FixtureRequest, two_sticks: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sealed]:
    """A machine of each Debian; the tests below follow each other on it."""
    packages = ["openssl"] if request.param == "bullseye" else []
    root = sticks.debian(request.param, request.param, *packages)
    folder = tmp_path_factory.mktemp("sealed")
    mounts = {"/stick1": two_sticks[0], "/stick2": two_sticks[1], "/site": sticks.site(folder / "site")}
    made = Sealed(root, folder / "machine", mounts)
    yield made
    made.close()


def bundle(machine: Sealed, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a verb of the stick's `bundle.pyz`, by the Python that the installation carries."""
    done = machine.run(PYTHON, "-I", "/stick2/bundle.pyz", *words, "--json", code=code)
    return dict(json.loads(done.stdout))


@contextmanager
def serving(machine: Sealed) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the sealed machine that answers."""
    command = machine.command(SKERRY, "serve", "--port", PORT, "--no-auth")
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while ask(machine, code=None) is None:
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.5)
        yield running
    finally:
        machine.run("sh", "-c", "kill $(grep -al 'skerry.serve' /proc/[0-9]*/cmdline | cut -d/ -f3)", code=None)
        running.wait(60)


def ask(machine: Sealed, code: int | None = 0) -> dict[str, Any] | None:
    done = machine.run(PYTHON, "/site/ask.py", PORT, "", "", 1, code=code)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else None


def install(machine: Sealed, stick: str, paper: list[str]) -> dict[str, Any]:
    """Give the one command and tell how long each step took."""
    begin = time.monotonic()
    done = machine.run("sh", f"{stick}/INSTALL.SH", *paper, "--no-services", "--json")
    seconds = time.monotonic() - begin
    said: dict[str, Any] = json.loads(done.stdout)
    shares = ", ".join(f"{name} {part / seconds:.0%}" for name, part in said["seconds"].items() if part > seconds / 100)
    sys.stdout.write(f"{stick}: {seconds:.0f} s, of it {shares}\n")
    return said


def paper(machine: Sealed, stick: Path) -> list[str]:
    return sticks.proof(stick, machine.run("sh", "-c", "command -v openssl", code=None).returncode == 0)


def test_1_there_is_nothing_to_build_on(machine: Sealed) -> None:
    for name in ("python3", "gcc", "cc", "curl", "skerry"):
        assert machine.run("sh", "-c", f"command -v {name}", code=None).returncode != 0
    assert machine.run("touch", "/stick1/x", code=None).returncode != 0
    assert machine.run("sh", "-c", "ls /sys/class/net").stdout.split() == ["lo"]


def test_2_paper_that_differs_stops_it(machine: Sealed) -> None:
    done = machine.run("sh", "/stick1/INSTALL.SH", "--parts-sha256", "0" * 64, "--no-services", code=None)
    assert done.returncode not in (0, 1)
    assert not machine.run("sh", "-c", "ls /opt").stdout


def test_3_one_command_installs(machine: Sealed, two_sticks: list[Path]) -> None:
    assert install(machine, "/stick1", paper(machine, two_sticks[0]))["previous"] is None
    assert json.loads(machine.run(SKERRY, "doctor", "--json").stdout)["ok"]


def test_4_it_trains(machine: Sealed) -> None:
    begin = time.monotonic()
    said = json.loads(machine.run(SKERRY, "run", "/site/triage.toml", "--json").stdout)
    sys.stdout.write(f"from messages to a live model: {time.monotonic() - begin:.0f} s\n")
    assert said["release"] == "triage"


def test_5_it_serves(machine: Sealed) -> None:
    with serving(machine):
        answer = ask(machine)
    assert answer and answer["predictions"][0]["label"] == "card_lost"


def test_6_a_second_stick_drains_the_server_and_upgrades(machine: Sealed, two_sticks: list[Path]) -> None:
    before = bundle(machine, "status")
    with serving(machine) as server:
        answer = ask(machine)
        said = install(machine, "/stick2", paper(machine, two_sticks[1]))
        assert server.wait(60) == 0
    assert said["previous"] == Path(before["slot"]).name
    now = bundle(machine, "status")
    assert (now["slot"], now["previous"], now["unfinished"]) == (said["slot"], said["previous"], None)
    with serving(machine):
        assert ask(machine) == answer


def test_7_an_older_stick_is_refused(machine: Sealed, two_sticks: list[Path]) -> None:
    done = machine.run("sh", "/stick1/INSTALL.SH", *paper(machine, two_sticks[0]), "--no-services", code=5)
    assert "--allow-serial" in done.stderr


def test_8_it_rolls_back_and_still_answers(machine: Sealed) -> None:
    before = bundle(machine, "status")
    assert bundle(machine, "rollback")["left"] == Path(before["slot"]).name
    assert Path(bundle(machine, "status")["slot"]).name == before["previous"]
    with serving(machine):
        assert ask(machine)
    assert json.loads(machine.run(SKERRY, "audit", "verify", "--json").stdout)["ok"]
    assert json.loads(machine.run(SKERRY, "fsck", "--json").stdout)["ok"]


def test_9_uninstalling_leaves_the_data(machine: Sealed) -> None:
    machine.run("cp", "-a", "/opt/skerry/current/runtime", "/run/runtime")  # what uninstalls must not be what goes
    machine.run("/run/runtime/bin/python3", "-I", "/stick2/bundle.pyz", "uninstall")
    assert machine.run("ls", "-A", "/opt/skerry").stdout.split() == [".lock", "state.json", "vendor.pem"]
    assert machine.run("test", "-f", "/var/lib/skerry/skerry.db")
