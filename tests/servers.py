"""A real server in a process of its own, on a free port of loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from appliance.api_keys import add_key
from appliance.release.registry import promote
from appliance.settings import load
from appliance.store import Store
from tests import tiny_onnx

START = [sys.executable, "-c", "from appliance.cli import main; main()", "serve", "--port", "0"]


@dataclass
class Server:
    """A running server: its address, process and the file that its lines go to."""

    url: str
    process: subprocess.Popen[bytes]
    file: Path
    client: httpx.Client

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        return lines(self.file)

    def wait_for(self, event: str, count: int = 1, seconds: float = 15.0) -> None:
        """Wait until it has logged an event so often."""
        until = time.monotonic() + seconds
        while sum(line["event"] == event for line in self.lines()) < count:
            assert time.monotonic() < until, f"no `{event}` in {self.lines()}"
            time.sleep(0.02)

    def ready(self) -> bool:
        """Ask whether requests may come."""
        return self.client.get("/v2/health/ready").status_code == 200

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        page = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page if line.split("{")[0].split(" ")[0] == name)

    def stop(self) -> int:
        """Send SIGTERM, wait, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the whole log lines in a file."""
    return [
        json.loads(line) for line in file.read_text("utf-8").splitlines() if line.startswith("{") and line.endswith("}")
    ]


def open_store(folder: Path) -> Store:
    """Open `home` in a folder, its key file beside it; for fixtures that outlive a test's own home."""
    home = folder / "home"
    return Store.open(home, settings=load(home, store={"key_folder": folder / "keys"}))


def home_with_release(folder: Path) -> tuple[Store, str]:
    """Make a home with a live release `triage` and return it with an API key."""
    store = open_store(folder)
    promote(store, tiny_onnx.add_model(store), "triage")
    return store, add_key(store, "tester")[1]


@contextmanager
def running(
    home: Path, key: str | None, *options: str, verify: Any = True, wait: bool = True, **environment: str
) -> Iterator[Server]:
    """Start `skerry serve` with options and environment variables, wait until it is ready, and stop it in the end."""
    file = home.parent / f"serve-{time.monotonic_ns()}.log"
    command = [*START, *options]
    with file.open("wb") as lines_file:
        process = subprocess.Popen(
            command, stderr=lines_file, env=os.environ | {"SKERRY_HOME": str(home)} | environment
        )
    try:
        until = time.monotonic() + 30
        while not (found := [line["url"] for line in lines(file) if line["event"] == "listening"]):
            assert process.poll() is None and time.monotonic() < until, file.read_text("utf-8")
            time.sleep(0.02)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=found[0], headers=headers, timeout=30, verify=verify, trust_env=False) as client:
            server = Server(found[0], process, file, client)
            while wait and not server.ready():
                assert process.poll() is None and time.monotonic() < until, file.read_text("utf-8")
                time.sleep(0.02)
            yield server
    finally:
        process.kill()
        process.wait()
