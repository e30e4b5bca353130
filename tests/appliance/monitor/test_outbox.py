"""The outbox: only what is uncertain, only so much, only sealed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.errors import IntegrityError
from appliance.keys import Keys, open_keys
from appliance.monitor import lines, outbox
from appliance.monitor.outbox import Outbox
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.settings import OutboxSettings, load
from appliance.store import Store

VERSION = "0123456789ab"
CANARY = "11010119900307803X"
SETTINGS = OutboxSettings(rows_a_day=240, uncertain_share=0.1, max_rows=1000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def filled(store: Store, settings: OutboxSettings = SETTINGS, metrics: Metrics | None = None) -> Outbox:
    """Return an outbox that has seen 200 sure answers with scores from 0.80 to 0.999."""
    box = Outbox(
        store.home, "main", settings, open_keys(store.home, store.settings.store.key_folder), metrics or Metrics()
    )
    box.offer("triage", VERSION, [(f"sure {number}", Prediction("a", 0.8 + number / 1000)) for number in range(200)])
    box.work(0)
    return box


def unsure(box: Outbox, count: int, first: int = 0) -> None:
    box.offer(
        "triage",
        VERSION,
        [(f"unsure {number} {CANARY}", Prediction("b", 0.3)) for number in range(first, first + count)],
    )


def test_the_least_certain_are_kept_and_only_they(store: Store) -> None:
    metrics = Metrics()
    box = filled(store, metrics=metrics)
    unsure(box, 3)
    box.offer("triage", VERSION, [("sure enough", Prediction("a", 0.95))])
    box.work(0)
    assert outbox.waiting(store.home, "main") == {"triage": 3}
    assert metrics.registry.get_sample_value("skerry_outbox_texts") == 3
    with outbox.taken(store, "triage") as records:
        assert [record.text for record in records] == [f"unsure {number} {CANARY}" for number in range(3)]
        assert {record.label for record in records} == {None}
        assert records[0].source and records[0].source.kept["answer"] == "b"
    assert outbox.waiting(store.home, "main") == {}


def test_a_small_share_still_means_the_least_certain(store: Store) -> None:
    """Of 200 answers a thousandth is none: then the least certain of them is the limit, not the most certain."""
    box = filled(store, SETTINGS.model_copy(update={"uncertain_share": 0.001}))
    box.offer("triage", VERSION, [("sure enough", Prediction("a", 0.95)), ("unsure", Prediction("b", 0.3))])
    box.work(0)
    with outbox.taken(store, "triage") as records:
        assert [record.text for record in records] == ["unsure"]


def test_nothing_is_in_the_clear_on_disk(store: Store) -> None:
    box = filled(store)
    unsure(box, 5)
    box.work(0)
    files = [path for path in (store.home / "projects").rglob("*") if path.is_file()]
    assert any(path.name == "triage.jsonl" for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes() or b"unsure" in path.read_bytes()] == []


def test_a_day_has_its_number_whatever_restarts(store: Store) -> None:
    settings = OutboxSettings(rows_a_day=24, uncertain_share=0.5)
    for start in range(0, 400, 20):
        box = filled(store, settings)
        for hour in range(3):
            unsure(box, 5, first=1000 * hour + start)
            box.work(3600)
    assert outbox.waiting(store.home, "main") == {"triage": 24}


def test_two_servers_of_a_project_share_the_day_s_number(store: Store) -> None:
    settings = SETTINGS.model_copy(update={"rows_a_day": 24})
    for first, box in enumerate([filled(store, settings), filled(store, settings)] * 24):
        unsure(box, 1, first)
        box.work(3600)
    assert outbox.waiting(store.home, "main") == {"triage": 24}


def test_a_rush_takes_an_hour_s_share_at_most(store: Store) -> None:
    box = filled(store)
    for second in range(20):
        unsure(box, 60, first=60 * second)
        box.work(1)
    assert outbox.waiting(store.home, "main")["triage"] <= 240 / 24 + 1


def test_the_same_text_is_kept_once(store: Store) -> None:
    box = filled(store)
    unsure(box, 2)
    unsure(box, 2)
    box.work(0)
    assert outbox.waiting(store.home, "main") == {"triage": 2}


def test_a_full_outbox_takes_no_more_and_a_giant_text_never_goes_in(store: Store) -> None:
    box = filled(store, OutboxSettings(rows_a_day=10_000, max_rows=7))
    box.offer("triage", VERSION, [("x" * 20_001, Prediction("b", 0.1))])
    unsure(box, 30)
    box.work(0)
    assert outbox.waiting(store.home, "main") == {"triage": 7}


def test_two_servers_of_a_project_share_the_room(store: Store) -> None:
    settings = OutboxSettings(rows_a_day=10_000, max_rows=7)
    for first, box in enumerate([filled(store, settings), filled(store, settings)] * 3):
        unsure(box, 3, 3 * first)
        box.work(0)
    assert outbox.waiting(store.home, "main") == {"triage": 7}


def test_a_crash_while_they_are_taken_gives_the_same_records_again(store: Store) -> None:
    box = filled(store)
    unsure(box, 3)
    box.work(0)
    with pytest.raises(ZeroDivisionError), outbox.taken(store, "triage") as first:
        raise ZeroDivisionError
    unsure(box, 1, first=9)
    box.work(60)
    assert outbox.waiting(store.home, "main") == {"triage": 4}
    with outbox.taken(store, "triage") as again:
        assert [record.id for record in again[:3]] == [record.id for record in first]
        assert len(again) == 4


def test_without_the_key_file_nothing_is_kept_or_read(store: Store) -> None:
    box = filled(store)
    unsure(box, 1)
    box.work(0)
    other = Keys.create(store.home.parent / "other" / "other.key")
    with (
        pytest.raises(IntegrityError),
        outbox.taken(Store(store.home, "main", store.settings, other, store.engine), "triage"),
    ):
        pass
    keyless = Outbox(store.home, "main", SETTINGS, Keys(store.home / "none"), Metrics())
    keyless.offer("triage", VERSION, [("sure", Prediction("a", 0.9))] * 200)
    keyless.work(0)
    keyless.offer("triage", VERSION, [("unsure", Prediction("a", 0.1))])
    keyless.work(0)
    assert outbox.waiting(store.home, "main") == {"triage": 1}


def test_what_has_waited_too_long_is_destroyed(store: Store) -> None:
    box = filled(store)
    unsure(box, 2)
    box.work(0)
    path = store.home / "projects" / "main" / "outbox" / "triage.jsonl"
    old = path.read_bytes().splitlines()[0].replace(time.strftime("%Y-%m-%d", time.gmtime()).encode(), b"2020-01-01")
    lines.append(path, old, 10**9)
    assert outbox.destroy_old(store) == 1
    assert outbox.waiting(store.home, "main") == {"triage": 2}
    assert outbox.destroy_old(store) == 0


def test_they_can_be_destroyed_unread_and_an_event_says_so(store: Store) -> None:
    box = filled(store)
    unsure(box, 3)
    box.work(0)
    assert outbox.destroy(store, "triage") == 3
    assert outbox.waiting(store.home, "main") == {}
    assert outbox.destroy(store, "triage") == 0
    assert [(event.verb, event.details["rows"]) for event in store.events("triage")] == [("outbox destroy", 3)]


def test_it_is_off_by_default(tmp_path: Path) -> None:
    assert load(tmp_path).outbox.rows_a_day == 0
