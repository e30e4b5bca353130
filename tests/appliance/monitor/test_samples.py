"""What happened between two looks at the metrics, as PromQL would say it."""

from __future__ import annotations

import pytest

from appliance.monitor.hardware import GpuState, Hardware
from appliance.monitor.prometheus import Metrics
from appliance.monitor.samples import Span, is_failure, take

MACHINE = Hardware(2.0, 100.0, 0.5, 1000, 400, 5000, 1000, (GpuState(0, "x", 0.5, 1, 2, 60, None, None),))


def moment(metrics: Metrics, at_s: float, cpu_seconds: float = 100.0):
    machine = Hardware(2.0, cpu_seconds, 0.5, 1000, 400, 5000, 1000, MACHINE.gpus)
    return take(metrics.registry, machine, at_s)


def ask(metrics: Metrics, seconds: float, times: int = 1, model: str = "triage") -> None:
    served = metrics.of(model, "0123456789ab")
    for _ in range(times):
        served.answered(seconds, 0.001, [seconds], 0, 0)


def test_counters_rise_between_the_moments_only() -> None:
    metrics = Metrics()
    ask(metrics, 0.02, 5)
    before = moment(metrics, 0)
    ask(metrics, 0.02, 3)
    ask(metrics, 0.02, 2, "other")
    span = Span(before, moment(metrics, 60))
    assert span.rise("skerry_requests_total") == 5
    assert span.rise("skerry_requests_total", model="triage") == 3
    assert span.rise("skerry_requests_total", model="nobody") == span.rise("nothing") == 0


def test_percentiles_are_those_of_the_span() -> None:
    """99 of 100 requests lie in (10, 25] ms, one in (2.5, 5] s; those before the span do not count."""
    metrics = Metrics()
    ask(metrics, 20.0, 50)
    before = moment(metrics, 0)
    ask(metrics, 0.02, 99)
    ask(metrics, 3.0)
    span = Span(before, moment(metrics, 60))
    assert span.quantile(0.5, "skerry_request_seconds") == pytest.approx(0.01 + 0.015 * 50 / 99)
    assert span.quantile(0.99, "skerry_request_seconds") == pytest.approx(0.025)
    assert span.quantile(1.0, "skerry_request_seconds") == pytest.approx(5.0)
    assert span.quantile(0.5, "skerry_request_seconds", model="nobody") is None


def test_beyond_the_last_bound_the_bound_is_told() -> None:
    metrics = Metrics()
    before = moment(metrics, 0)
    ask(metrics, 100.0, 4)
    assert Span(before, moment(metrics, 1)).quantile(0.9, "skerry_request_seconds") == 30.0


def test_nothing_asked_has_no_percentile() -> None:
    metrics = Metrics()
    ask(metrics, 0.1)
    before = moment(metrics, 0)
    assert Span(before, moment(metrics, 1)).quantile(0.5, "skerry_request_seconds") is None


def test_a_row_of_the_ring_tells_of_the_minute() -> None:
    metrics = Metrics()
    metrics.model_info.labels("triage").info({"version": "0123456789ab"})
    before = moment(metrics, 0, 100.0)
    ask(metrics, 0.02, 8)
    metrics.requests.labels("triage", "0123456789ab", 500).inc(2)
    metrics.rejected.labels("queue-full").inc(3)
    metrics.drift.labels("triage", "labels").set(0.4)
    metrics.alerts.labels("DiskFull").set(1)
    metrics.alerts.labels("GpuHot").set(0)
    values = Span(before, moment(metrics, 60, 160.0)).as_values()
    release = values["releases"]["triage"]
    assert (release["requests"], release["failed"], release["texts"]) == (10, 2, 8)
    assert release["drift"] == {"labels": 0.4}
    assert 10 < release["p50_ms"] < 25
    assert values["rejected"] == {"queue-full": 3}
    assert (values["cpu_share"], values["memory_share"], values["disk_free_bytes"]) == (0.5, 0.6, 1000)
    assert values["alerts"] == ["DiskFull"]
    assert values["gpus"] == [{"busy_share": 0.5, "memory_used_bytes": 1, "celsius": 60}]


@pytest.mark.parametrize(
    ("code", "fails"), [("200", False), ("429", False), ("500", True), ("503", False), ("504", False)]
)
def test_only_what_the_server_did_wrong_is_a_failure(code: str, fails: bool) -> None:
    assert is_failure(code) is fails
