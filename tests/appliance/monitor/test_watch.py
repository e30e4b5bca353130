"""The thread that looks at the server: minutes, alerts, events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.monitor import follow, ring
from appliance.monitor.prometheus import Metrics
from appliance.monitor.watch import Watch
from appliance.schema import Prediction
from appliance.settings import Settings, load
from appliance.store import Store


def soon(happened: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something has happened."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def settings_of(home: Path, **sections: dict[str, object]) -> Settings:
    return load(home, **sections)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def test_a_short_life_leaves_its_minute(store: Store) -> None:
    metrics = Metrics(store.home)
    metrics.model_info.labels("triage").info({"version": "0123456789ab"})
    with Watch(store.home, "main", settings_of(store.home), metrics, tick_s=0.01):
        time.sleep(0.05)
        metrics.of("triage", "0123456789ab").answered(0.02, 0.001, [0.01], 0, 0)
    rows = ring.read(store)
    assert sum(row["values"]["releases"]["triage"]["texts"] for row in rows) == 1
    assert rows[0]["values"]["server_bytes"] > 10**6


def test_an_alert_reaches_its_receiver_the_events_and_the_metrics(store: Store, tmp_path: Path) -> None:
    metrics = Metrics(store.home)
    alerts = {"file": str(tmp_path / "alerts.jsonl"), "window_s": 30, "hold_s": 0}
    with Watch(store.home, "main", settings_of(store.home, alerts=alerts), metrics, tick_s=0.01):
        soon(lambda: metrics.registry.get_sample_value("skerry_alert_firing", {"alert": "RolledBack"}) == 0)
        time.sleep(0.05)
        metrics.release_changes.labels("triage", "rollback").inc()
        soon((tmp_path / "alerts.jsonl").exists)
        soon(lambda: metrics.registry.get_sample_value("skerry_alert_firing", {"alert": "RolledBack"}) == 1)
    (line,) = (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()
    assert (json.loads(line)["name"], json.loads(line)["state"]) == ("RolledBack", "firing")
    (event,) = [event for event in Store.open(store.home).events() if event.verb == "alert"]
    assert (event.details["alert"], event.details["state"]) == ("RolledBack", "firing")
    assert event.actor == "server"


def test_it_goes_on_when_a_look_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full must not end the thread that would tell of it."""

    def full(*_arguments: object) -> None:
        raise OSError(28, "a text that must not be logged")

    metrics = Metrics(store.home)
    with Watch(store.home, "main", settings_of(store.home), metrics, tick_s=0.01):
        with monkeypatch.context() as patched:
            patched.setattr("appliance.monitor.hardware.look", full)
            soon(lambda: "watch failed" in (told := capsys.readouterr().err) and "must not" not in told)
        time.sleep(0.1)
    assert ring.read(store)


def test_only_predictions_of_the_live_version_are_followed(store: Store) -> None:
    """A canary's answers would mix two versions in one window; an explanation's texts have holes."""
    settings = settings_of(
        store.home,
        store={"key_folder": store.settings.store.key_folder},
        drift={"window_texts": 50, "texts_a_minute": 1000},
    )
    with Watch(store.home, "main", settings, Metrics(), tick_s=0.01) as watch:
        for stage, kind, version in (("live", "predict", "a"), ("canary", "predict", "b"), ("live", "explain", "c")):
            served = SimpleNamespace(release=SimpleNamespace(name="triage"), version=version * 12, stage=stage)
            pairs = [(f"text {number}", Prediction("a", 0.9)) for number in range(110)]
            watch.observe(SimpleNamespace(served=served, kind=kind, predictions=pairs))  # type: ignore[arg-type]
        soon(lambda: follow.read(store.home, "main"))
    assert [window["version"] for window in follow.read(store.home, "main")["triage"]] == ["a" * 12]
    assert [path.name for path in store.home.rglob("*.sealed")] == [f"triage.{'a' * 12}.sealed"]


def test_only_as_many_moments_are_kept_as_the_window_needs(store: Store) -> None:
    settings = settings_of(store.home, alerts={"window_s": 30})
    with Watch(store.home, "main", settings, Metrics(), tick_s=0.001) as watch:
        time.sleep(0.3)
        assert len(watch._moments) == 2
        watch._window_s = 0.2  # type: ignore[assignment]
        time.sleep(0.5)
        assert 2 <= len(watch._moments) <= 43
