"""When an alert begins, holds, is sent again and ends."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from appliance.monitor.alerts import Alert, Alerts, rules
from appliance.monitor.hardware import GpuState, Hardware
from appliance.monitor.prometheus import Metrics
from appliance.monitor.samples import Span, take
from appliance.settings import AlertsSettings

CALM = Hardware(2.0, 100.0, 0.5, 1000, 400, 5000, 1000)
SETTINGS = AlertsSettings(hold_s=60, repeat_s=600)


def names(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.name, alert.state) for alert in alerts]


def span_of(metrics: Metrics, happens=lambda metrics: None, machine: Hardware = CALM) -> Span:
    before = take(metrics.registry, CALM, 0.0)
    happens(metrics)
    return Span(before, take(metrics.registry, machine, 60.0))


def answered(metrics: Metrics, count: int, code: int = 200, seconds: float = 0.02) -> None:
    metrics.requests.labels("triage", "0123456789ab", code).inc(count)
    for _ in range(count):
        metrics.request_seconds.labels("triage", "0123456789ab").observe(seconds)


def holding(seconds: int) -> AlertsSettings:
    return SETTINGS.model_copy(update={"hold_s": seconds})


def half_fail(metrics: Metrics) -> None:
    answered(metrics, 30)
    answered(metrics, 30, 500)


def test_what_holds_long_enough_goes_out_once_and_ends_once() -> None:
    alerts = Alerts(SETTINGS, "main")
    bad, good = span_of(Metrics(), half_fail), span_of(Metrics(), lambda metrics: answered(metrics, 60))
    assert alerts.judge(bad, 0) == []
    assert alerts.judge(bad, 59) == []
    (alert,) = alerts.judge(bad, 60)
    assert (alert.name, alert.state, alert.severity, alert.value) == ("RequestsFail", "firing", "critical", 0.5)
    assert "50 %" in alert.summary
    assert alerts.firing == {"RequestsFail"}
    assert alerts.judge(bad, 90) == []
    assert alerts.judge(good, 100) == []
    (over,) = alerts.judge(good, 160)
    assert (over.state, over.began) == ("resolved", alert.began)
    assert over.ended
    assert alerts.firing == frozenset()
    assert alerts.judge(good, 500) == []


def test_a_short_dip_does_not_alarm() -> None:
    alerts = Alerts(SETTINGS, "main")
    bad, good = span_of(Metrics(), half_fail), span_of(Metrics())
    for at_s in range(0, 600, 60):
        assert alerts.judge(bad, at_s) == []
        assert alerts.judge(good, at_s + 50) == []


def test_a_limit_that_is_passed_to_and_fro_does_not_flap() -> None:
    alerts = Alerts(SETTINGS, "main")
    bad, good = span_of(Metrics(), half_fail), span_of(Metrics())
    alerts.judge(bad, 0)
    sent = alerts.judge(bad, 60)
    for at_s in range(70, 500, 20):
        sent += alerts.judge(good, at_s) + alerts.judge(bad, at_s + 10)
    assert names(sent) == [("RequestsFail", "firing")]


def test_one_that_goes_on_is_sent_again() -> None:
    alerts = Alerts(SETTINGS, "main")
    bad = span_of(Metrics(), half_fail)
    sent = [at_s for at_s in range(0, 2000, 10) if alerts.judge(bad, at_s)]
    assert sent == [60, 660, 1260, 1860]


def test_few_requests_are_not_judged() -> None:
    bad = span_of(Metrics(), lambda metrics: answered(metrics, 19, 500, seconds=20.0))
    assert Alerts(holding(0), "main").judge(bad, 0) == []


HAPPENINGS = {
    "RequestsFail": half_fail,
    "QueueFull": lambda metrics: (answered(metrics, 30), metrics.rejected.labels("queue-full").inc(20)),
    "AnswersSlow": lambda metrics: answered(metrics, 60, seconds=6.0),
    "EngineRestarted": lambda metrics: metrics.watch_engine(os.getpid, lambda: 1),
    "ReleaseNotLoaded": lambda metrics: metrics.load_failures.labels("triage").inc(),
    "RolledBack": lambda metrics: metrics.release_changes.labels("triage", "rollback").inc(),
    "Drift": lambda metrics: metrics.drift.labels("triage", "texts").set(1.2),
}
MACHINES = {
    "MemoryShort": replace(CALM, memory_available_bytes=20),
    "DiskFull": replace(CALM, disk_free_bytes=100),
    "GpuHot": replace(CALM, gpus=(GpuState(0, "x", None, 1, 2, 95, None, None),)),
    "GpuMemoryErrors": replace(CALM, gpus=(GpuState(0, "x", None, 1, 2, 40, None, 1),)),
}


@pytest.mark.parametrize("name", HAPPENINGS)
def test_each_trouble_with_requests_and_releases_has_its_alert(name: str) -> None:
    span = span_of(Metrics(), HAPPENINGS[name])
    assert names(Alerts(holding(0), "main").judge(span, 0)) == [(name, "firing")]


@pytest.mark.parametrize("name", MACHINES)
def test_each_trouble_with_the_machine_has_its_alert(name: str) -> None:
    assert names(Alerts(holding(0), "main").judge(span_of(Metrics(), machine=MACHINES[name]), 0)) == [(name, "firing")]


def test_every_rule_is_tried_here() -> None:
    assert {rule.name for rule in rules(SETTINGS)} == {*HAPPENINGS, *MACHINES}


def test_a_calm_server_alarms_nobody() -> None:
    calm = span_of(Metrics(), lambda metrics: answered(metrics, 1000))
    assert Alerts(holding(0), "main").judge(calm, 0) == []


def test_two_releases_that_drift_a_little_do_not_add_up() -> None:
    def little(metrics: Metrics) -> None:
        for release in ("a", "b"):
            metrics.drift.labels(release, "texts").set(0.7)

    assert Alerts(holding(0), "main").judge(span_of(Metrics(), little), 0) == []


def test_what_the_client_did_wrong_alarms_nobody() -> None:
    wrong = span_of(
        Metrics(), lambda metrics: [answered(metrics, 100, code) for code in (400, 401, 404, 422, 503, 504)]
    )
    assert Alerts(holding(0), "main").judge(wrong, 0) == []
