"""A model goes live, is asked, is replaced, is taken back, and its server goes away without losing a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.schema import Model
from appliance.store import Store
from tests.servers import Server, open_store, running
from tests.tiny_onnx import LABELS, add_model, text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def home(store: Store) -> Path:
    return store.home


@pytest.fixture(scope="module")
def models(store: Store) -> list[Model]:
    """Two versions of a model, as `skerry export` would leave them."""
    return [add_model(store, seed=seed) for seed in range(2)]


@pytest.fixture(scope="module")
def key(home: Path, models: list[Model]) -> str:
    """The first version is live and there is a key, both by the command line."""
    promoted = skerry(home, "promote", models[0].reference, "--to", "live", "--release", "triage")
    assert (promoted["release"], promoted["stage"]) == ("triage", "live")
    made: str = skerry(home, "key", "add", "ward-3")["key"]
    return made


@pytest.fixture(scope="module")
def server(home: Path, key: str) -> Iterator[Server]:
    with running(home, key) as started:
        yield started


def skerry(home: Path, *arguments: str) -> dict[str, Any]:
    """Run a verb and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-c", "from appliance.cli import main; main()", *arguments, "--json"],
        env=os.environ | {"SKERRY_HOME": str(home), "SKERRY_STORE__KEY_FOLDER": str(home.parent / "keys")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_1_a_text_is_answered_by_the_live_version(server: Server, models: list[Model]) -> None:
    answer = server.client.post("/v1/predict", json={"inputs": [text(6)], "model": "triage"}).json()
    assert answer["version"] == models[0].id[:12]
    assert answer["predictions"][0]["label"] in LABELS


def test_2_the_next_version_takes_over_while_people_ask(server: Server, home: Path, models: list[Model]) -> None:
    skerry(home, "promote", models[1].reference, "--to", "live", "--release", "triage")
    ask_until(server, models[1].id[:12])


def test_3_rollback_brings_the_first_one_back(server: Server, home: Path, models: list[Model]) -> None:
    assert skerry(home, "rollback", "triage")["version"] == models[0].id[:12]
    ask_until(server, models[0].id[:12])


def test_4_the_event_chain_tells_all_of_it(server: Server, store: Store) -> None:
    assert [event.verb for event in store.events("triage")] == ["model", "model", "promote", "promote", "rollback"]
    assert store.audit()["ok"]


def test_5_a_revoked_key_is_of_no_use(server: Server, home: Path) -> None:
    made = skerry(home, "key", "add", "visitor")
    headers = {"authorization": f"Bearer {made['key']}"}
    wait_for_status(server, headers, 200)
    skerry(home, "key", "revoke", made["id"])
    wait_for_status(server, headers, 401)


def test_6_the_server_goes_when_told_and_says_so(server: Server) -> None:
    assert server.stop() == 0
    assert server.lines()[-1]["event"] == "stopped"
    with pytest.raises(httpx.TransportError):
        server.client.get("/v2/health/live")


def ask_until(server: Server, version: str) -> None:
    until = time.monotonic() + 15
    while (answer := server.client.post("/v1/predict", json={"inputs": ["w1"]})).json().get("version") != version:
        assert answer.status_code == 200
        assert time.monotonic() < until
        time.sleep(0.05)


def wait_for_status(server: Server, headers: dict[str, str], status: int) -> None:
    until = time.monotonic() + 15
    while server.client.get("/v1/models", headers=headers).status_code != status:
        assert time.monotonic() < until
        time.sleep(0.05)
