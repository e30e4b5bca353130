"""The ring of minutes: every line counts once, and old ones go."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from appliance.monitor import ring
from appliance.settings import load
from appliance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def row(minute: int, server: str = "8080", **values: Any) -> dict[str, Any]:
    return {"minute": f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}Z", "server": server, "values": values}


def test_what_a_server_appends_is_read_in_order(store: Store) -> None:
    for minute in (0, 1, 2):
        ring.append(store.home, "main", row(minute, requests=minute))
    assert [each["values"]["requests"] for each in ring.read(store)] == [0, 1, 2]
    ring.append(store.home, "main", row(3, requests=3))
    assert [each["values"]["requests"] for each in ring.read(store)] == [0, 1, 2, 3]


def test_two_servers_of_a_project_stand_beside_each_other_and_projects_apart(store: Store) -> None:
    for server in ("8080", "8081"):
        ring.append(store.home, "main", row(0, server))
    ring.append(store.home, "other", row(0))
    assert [each["server"] for each in ring.read(store)] == ["8080", "8081"]
    assert len(ring.read(store.within("other"))) == 1


def test_a_row_counts_once_when_a_crash_came_between(store: Store) -> None:
    """The store has the rows, the file that they came from is still there: it is taken in again and changes nothing."""
    ring.append(store.home, "main", row(0, requests=5))
    ring.take_in(store)
    taking = ring.folder(store.home, "main") / ".minutes.jsonl.taking"
    taking.write_text(json.dumps(row(0, requests=5)) + "\n" + json.dumps(row(1, requests=6)) + "\n")
    assert [each["values"]["requests"] for each in ring.read(store)] == [5, 6]
    assert not taking.exists()


def test_a_torn_line_is_left_out(store: Store) -> None:
    ring.append(store.home, "main", row(0))
    with (ring.folder(store.home, "main") / "minutes.jsonl").open("a") as file:
        file.write('{"minute": "2026-01-0\n[1]\n')
    ring.append(store.home, "main", row(1))
    assert len(ring.read(store)) == 2


def test_the_ring_keeps_the_newest_minutes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store.open(home, settings=load(home, monitor={"ring_minutes": 60}))
    for minute in range(75):
        ring.append(home, "main", row(minute))
    kept = ring.read(store, minutes=1000)
    assert [each["minute"] for each in kept] == [row(minute)["minute"] for minute in range(15, 75)]
    assert len(ring.read(store, minutes=5)) == 5


def test_what_nobody_takes_in_does_not_fill_the_disk(store: Store) -> None:
    for minute in range(500):
        ring.append(store.home, "main", row(minute), max_bytes=10_000)
    assert (ring.folder(store.home, "main") / "minutes.jsonl").stat().st_size <= 10_000
    assert ring.read(store, 1000)[-1]["minute"] == row(499)["minute"]


def test_the_overview_has_a_line_a_release_and_minute(store: Store) -> None:
    release = {"requests": 3.0, "failed": 1, "texts": 4.0, "p50_ms": 8.2, "p95_ms": 9.0, "p99_ms": None}
    machine = {"queue_texts": 2.0, "cpu_share": 0.5, "memory_share": 0.4, "alerts": ["DiskFull"]}
    ring.append(store.home, "main", row(0, releases={"a": release, "b": release}, **machine))
    first, second = ring.overview(store)
    assert (first["release"], second["release"]) == ("a", "b")
    assert (first["requests"], first["failed"], first["p99_ms"], first["alerts"]) == (3, 1, None, ["DiskFull"])


def append_many(home: Path, server: str) -> None:
    for minute in range(60):
        ring.append(home, "main", row(minute, server))


def test_servers_append_while_rows_are_taken_in(store: Store) -> None:
    """Each append opens and locks the file anew, so that two threads stand for two servers."""
    servers = [threading.Thread(target=append_many, args=(store.home, name)) for name in ("a", "b")]
    for server in servers:
        server.start()
    while any(server.is_alive() for server in servers):
        ring.take_in(store)
    assert len(ring.read(store, 1000)) == 120
