"""A server is watched: alerts reach a syslog, a file and a web address; drift is seen; uncertain texts come back for labeling."""

from __future__ import annotations

import http.server
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers import home_with_release, running

pytestmark = pytest.mark.long
CANARY = "Quixandria Zweig"


def skerry(home: Path, *arguments: str) -> dict[str, Any]:
    """Run a verb with `--json` and return its object."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", *arguments, "--json"], capture_output=True, text=True, timeout=300,
        env=os.environ | {"SKERRY_HOME": str(home), "SKERRY_STORE__KEY_FOLDER": str(home.parent / "keys")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def soon(happened: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something has happened and return it."""
    until = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps the names of the alerts that are posted."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.names.append((body["alerts"][0]["labels"]["alertname"], body["status"]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_killed_engine_alerts_all_three_receivers(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    web.names = []  # type: ignore[attr-defined]
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(60)
        told = {
            "SKERRY_ALERTS__SYSLOG": f"127.0.0.1:{syslog.getsockname()[1]}",
            "SKERRY_ALERTS__FILE": str(tmp_path / "alerts.jsonl"),
            "SKERRY_ALERTS__WEBHOOK": f"http://127.0.0.1:{web.server_port}/hook",
            "SKERRY_ALERTS__WINDOW_S": "30",
        }
        with running(store.home, key, **told) as server:
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
            message = syslog.recv(4096).decode()
            soon(lambda: web.names)  # type: ignore[attr-defined]
            assert server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code in (200, 503)
            assert server.stop() == 0
            assert "watch failed" not in server.file.read_text()
    web.shutdown()
    web.server_close()
    assert "EngineRestarted firing" in message
    assert web.names[0] == ("EngineRestarted", "firing")  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "alerts.jsonl").read_text().splitlines()[0])["name"] == "EngineRestarted"
    events = skerry(store.home, "history")["events"]
    assert [event["details"]["alert"] for event in events if event["verb"] == "alert"][:1] == ["EngineRestarted"]
    rows = skerry(store.home, "monitor", "show")["minutes"]
    assert "EngineRestarted" in rows[-1]["values"]["alerts"]


def test_drift_is_seen_and_uncertain_texts_come_back_scrubbed(tmp_path: Path) -> None:
    """The first texts use one half of the words, later ones the other; every text names somebody who must not be found anywhere."""
    store, key = home_with_release(tmp_path)
    source = random.Random(0)
    told = {
        "SKERRY_DRIFT__TEXTS_A_MINUTE": "6000",
        "SKERRY_DRIFT__WINDOW_TEXTS": "60",
        "SKERRY_OUTBOX__ROWS_A_DAY": "500",
    }

    def ask(server: Any, lowest: int, count: int) -> None:
        for _ in range(count):
            words = " ".join(f"w{lowest + source.randrange(150)}" for _ in range(12))
            server.client.post("/v1/predict", json={"inputs": [f"{words} {CANARY}"]}).raise_for_status()

    def windows() -> list[dict[str, Any]]:
        found = skerry(store.home, "monitor", "drift")["releases"]
        return [window for window in found if window["windows"]]

    with running(store.home, key, **told) as server:
        ask(server, 0, 150)
        (calm,) = soon(windows)
        ask(server, 200, 150)
        (moved,) = soon(lambda: [window for window in windows() if window["windows"] > calm["windows"]])
        page = server.client.get("/metrics").text
        waiting = soon(lambda: skerry(store.home, "monitor", "outbox")["waiting"])
        assert server.stop() == 0
        log = server.file.read_text()
    assert "watch failed" not in log
    assert calm["drift"]["texts"] < 1 < moved["drift"]["texts"]
    assert "no longer like the first ones" in moved["verdict"]
    assert 'skerry_drift_ratio{model="triage",of="texts"}' in page.replace(
        'of="texts",model="triage"', 'model="triage",of="texts"'
    )
    assert waiting[0]["rows"] > 0
    assert CANARY not in log + page
    assert [path for path in store.home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []
    made = skerry(store.home, "monitor", "outbox", "--take", "triage")
    assert made["dataset"].startswith("live-triage@")
    assert made["rows"] + made["held_back"] > 0
    assert skerry(store.home, "monitor", "outbox")["waiting"] == []
