"""Events of a process without the store: taken into the chain once, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import HardwareError
from appliance.spool import Spool, waiting
from appliance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def test_spooled_events_stand_in_the_chain_in_their_order(store: Store) -> None:
    spool = Spool(store.home, "main", "guard")
    for number in range(3):
        spool.event("canary", ("a" * 64,), release="triage", percent=number)
    again = Store.open(store.home)
    told = [event for event in again.events() if event.verb == "canary"]
    assert [event.details["percent"] for event in told] == [0, 1, 2]
    assert {event.actor for event in told} == {"guard"} and told[0].artifacts == ("a" * 64,)
    assert again.audit()["ok"]
    assert list(waiting(store.home)) == []


def test_an_event_that_a_crash_left_in_the_spool_is_taken_in_once(store: Store) -> None:
    Spool(store.home, "main", "guard").event("canary", release="triage")
    ((path, _content),) = waiting(store.home)
    written = path.read_bytes()
    store.take_in_spool()
    path.write_bytes(written)  # as if the process had died between the chain and the removal
    store.take_in_spool()
    assert [event.verb for event in store.events()].count("canary") == 1


def test_events_of_another_project_go_there(store: Store) -> None:
    Spool(store.home, "ward", "guard").event("canary", release="triage")
    store.take_in_spool()
    assert [event.verb for event in Store.open(store.home, "ward").events()].count("canary") == 1
    assert [event.verb for event in store.events()].count("canary") == 0


def test_a_damaged_file_is_left_and_stops_nobody(store: Store) -> None:
    spool = Spool(store.home, "main", "guard")
    spool.event("first")
    ((path, _content),) = waiting(store.home)
    path.write_text("{")
    spool.event("second")
    store.take_in_spool()
    verbs = [event.verb for event in store.events()]
    assert "second" in verbs and "first" not in verbs
    assert path.exists()


def test_an_event_that_cannot_be_written_is_an_error(store: Store) -> None:
    """What depends on the event then does not happen."""
    (store.home / "spool").write_text("in the way")
    with pytest.raises(HardwareError, match="canary"):
        Spool(store.home, "main", "guard").event("canary")
