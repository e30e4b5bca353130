"""The power fails while the store is written to: what was acknowledged is there, and the store is whole without repair."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import Store
from appliance.upkeep import fsck
from tests.disk import Disk

ROOT = Path(__file__).resolve().parents[2]

# Says a number only once the store has taken it. With the word `careless` SQLite waits for no disk.
WRITE = """
import sys
import sqlalchemy as sa
from appliance.schema import Record
from appliance.store import Store
store = Store.open()
if sys.argv[1:] == ["careless"]:
    store.engine.dispose()
    sa.event.listen(store.engine, "connect", lambda connection, record: connection.execute("PRAGMA synchronous=OFF"))
first = len(store.events())
for number in range(first, first + 100_000):
    if number % 10:
        store.event("label", number=number)
    else:
        with store.draft("dataset", "labels", meta={"stage": "scrubbed"}) as draft:
            store.write_records(draft, [Record(f"{number:032x}", f"made up {number}", "a")])
    print(number, flush=True)
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(tmp_path / "power")
    made.mount()
    monkeypatch.setenv("SKERRY_HOME", str(made.path / "home"))
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(made.path / "keys"))
    try:
        yield made
    finally:
        made.unmount()
        shutil.rmtree(tmp_path / "power")


def acknowledged_before_a_cut(disk: Disk, seconds: float, *words: str) -> int:
    """Let a program write, cut the power `seconds` behind its first acknowledgement; return the last one that was read."""
    said: list[int] = []
    command = [sys.executable, "-c", WRITE, *words]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    assert running.stdout

    def listen(lines: Iterator[bytes]) -> None:
        said.extend(map(int, lines))

    lines = iter(running.stdout)
    said.append(int(next(lines)))
    listener = threading.Thread(target=listen, args=[lines])
    listener.start()
    time.sleep(seconds)
    last = said[-1]
    disk.cut(running)
    listener.join()
    running.stdout.close()
    return last


def events_kept() -> int:
    """Open the store as it was left, see that it is whole, and return the number of its last event."""
    store = Store.open()
    assert store.audit()["ok"]
    assert fsck(store, verify_data=True)["ok"]
    count = len(store.events())
    store.engine.dispose()
    return count - 1


@pytest.mark.long
def test_fifty_power_cuts_lose_nothing_that_was_acknowledged(disk: Disk) -> None:
    chance, total = random.Random(50), 0
    for _number in range(50):
        last = acknowledged_before_a_cut(disk, chance.uniform(0, 1))
        total = events_kept()
        assert total >= last
    sys.stdout.write(f"50 power cuts, {total + 1} events written, none lost\n")


@pytest.mark.long
def test_the_cut_catches_a_store_that_waits_for_no_disk(disk: Disk) -> None:
    acknowledged_before_a_cut(disk, 0)  # a store that is there
    last = acknowledged_before_a_cut(disk, 2, "careless")
    assert events_kept() < last
