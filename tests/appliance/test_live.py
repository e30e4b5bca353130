"""The loop back: what a server was unsure of becomes a scrubbed data set, and nothing else is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import pipeline
from appliance.errors import PolicyError, SettingsError
from appliance.keys import open_keys
from appliance.monitor import outbox, ring
from appliance.monitor.outbox import Outbox
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.settings import OutboxSettings
from appliance.store import Store

IDENTITY = "11010519491231002X"  # made up; its check digit holds (GB 11643-1999)
SETTINGS = OutboxSettings(rows_a_day=1000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def keep(store: Store, texts: list[str], release: str = "triage") -> None:
    """Let a server be unsure of some texts."""
    keys = open_keys(store.home, store.settings.store.key_folder)
    box = Outbox(store.home, store.project, SETTINGS, keys, Metrics())
    box.offer(release, "0123456789ab", [(f"sure {number}", Prediction("a", 0.9)) for number in range(200)])
    box.work(0)
    box.offer(release, "0123456789ab", [(text, Prediction("b", 0.2)) for text in texts])
    box.work(0)


def test_texts_are_scrubbed_joined_and_their_raw_set_is_gone(store: Store) -> None:
    keep(store, [f"my identity number is {IDENTITY} and the card is lost", "我的身份证号是" + IDENTITY])
    first = pipeline.live(store, "triage")
    assert (first["rows"], first["new"]) == (2 - first["held_back"], 2 - first["held_back"])
    keep(store, ["the terminal does not work"])
    second = pipeline.live(store, "triage")
    assert (second["rows"], second["new"]) == (first["rows"] + 1, 1)
    joined = store.dataset("live-triage")
    assert joined.reference == second["dataset"]
    texts = [record.text for record in store.records(joined)]
    assert len(texts) == second["rows"]
    assert "the terminal does not work" in texts
    assert not any(IDENTITY in text for text in texts)
    assert [item.stage for item in store.artifacts("dataset")] == ["scrubbed"] * 3
    assert [path for path in store.home.rglob("*") if path.is_file() and IDENTITY.encode() in path.read_bytes()] == []
    assert pipeline.live(store, "triage") == {"dataset": None, "rows": 0, "new": 0, "held_back": 0}


def test_a_raw_set_that_a_crash_left_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, ["the terminal does not work"])
    with monkeypatch.context() as patched:

        def killed(*_arguments: object, **_options: object) -> None:
            raise PolicyError("made up")

        patched.setattr("appliance.privacy.scrub.scrub", killed)
        with pytest.raises(PolicyError):
            pipeline.live(store, "triage")
    assert outbox.waiting(store.home, "main") == {}
    assert pipeline.live(store, "triage")["rows"] == 1
    assert [item.stage for item in store.artifacts("dataset")] == ["scrubbed"]


def test_texts_that_came_after_a_crash_take_the_older_ones_along(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, ["the terminal does not work"])
    with monkeypatch.context() as patched:
        patched.delattr("appliance.privacy.scrub.scrub")
        with pytest.raises(ImportError):
            pipeline.live(store, "triage")
    keep(store, ["the card is lost"])
    assert pipeline.live(store, "triage")["rows"] == 2
    texts = {record.text for record in store.records(store.dataset("live-triage"))}
    assert texts == {"the terminal does not work", "the card is lost"}
    assert [item.stage for item in store.artifacts("dataset")] == ["scrubbed"]


def test_a_long_name_fits_and_what_is_no_name_reaches_no_other_file(store: Store, tmp_path: Path) -> None:
    keep(store, ["the terminal does not work"], "t" * 64)
    dataset = pipeline.live(store, "t" * 64)["dataset"]
    assert dataset.partition("@")[0] == "live-" + "t" * 59
    other = tmp_path / "mine.jsonl"
    other.write_text("precious\n")
    for deed in (pipeline.live, outbox.destroy):
        with pytest.raises(SettingsError):
            deed(store, "../../../../mine")
    assert other.read_text() == "precious\n"


def test_a_worker_queues_what_waits_and_takes_in_the_minutes(store: Store) -> None:
    other = store.within("other")
    Store.open(store.home, "other")
    keep(other, ["the terminal does not work"])
    ring.append(store.home, "other", {"minute": "2026-01-01T00:00Z", "server": "1", "values": {"releases": {}}})
    pipeline.chores(store)
    pipeline.chores(store)
    assert [(row["verb"], row["state"]) for row in other.jobs()] == [("live", "queued")]
    assert len(other.measurements()) == 1
