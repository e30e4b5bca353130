"""The metrics' names and numbers, as Prometheus reads them."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.monitor.hardware import GpuState, resident_bytes
from appliance.monitor.prometheus import Metrics

UNITS = {
    "seconds",
    "total",
    "texts",
    "tokens",
    "bytes",
    "cores",
    "ratio",
    "fds",
    "info",
    "firing",
    "celsius",
    "watts",
    "errors",
}


def page_of(metrics: Metrics) -> str:
    page, content_type = metrics.page("")
    assert content_type.startswith("text/plain")
    return page.decode()


def test_names_are_ours_or_the_convention_s_in_base_units_and_explained(tmp_path: Path) -> None:
    """prometheus.io/docs/practices/naming: one prefix, base units, `_total` on counters, help for each."""
    families = list(text_string_to_metric_families(page_of(Metrics(tmp_path))))
    assert len(families) >= 30
    for family in families:
        assert re.fullmatch(r"(skerry|process)_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name.rsplit("_", 1)[1] in UNITS | {"model", "build"}


def test_nothing_names_the_host_or_tells_about_the_interpreter(tmp_path: Path) -> None:
    page = page_of(Metrics(tmp_path))
    assert not re.search(r"^python_", page, re.MULTILINE)
    assert "_created" not in page
    assert socket.gethostname() not in page
    assert str(tmp_path) not in page


def test_this_process_and_the_machine_are_told_of(tmp_path: Path) -> None:
    value = Metrics(tmp_path).registry.get_sample_value
    assert value("process_resident_memory_bytes") == pytest.approx(resident_bytes(os.getpid()), rel=0.5)
    assert (value("process_cpu_seconds_total") or 0) > 0
    assert 0 < (value("skerry_machine_memory_available_bytes") or 0) <= (value("skerry_machine_memory_bytes") or 0)
    assert 0 < (value("skerry_machine_disk_free_bytes") or 0) <= (value("skerry_machine_disk_bytes") or 0)


def test_an_engine_process_is_told_of_beside_this_one() -> None:
    """Its number and how often it was replaced are asked at each scrape."""
    metrics, restarts = Metrics(), [0]
    metrics.watch_engine(os.getppid, lambda: restarts[0])
    restarts[0] = 3
    assert metrics.registry.get_sample_value("skerry_engine_restarts_total") == 3
    assert "skerry_engine_process_resident_memory_bytes" in page_of(metrics)


def test_gpus_stand_beside_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a GPU does not tell (an idle fan, ECC on a small card) is left out."""
    card = GpuState(0, "Made-up 100", 0.25, 10, 40, 71, None, 3)
    monkeypatch.setattr("appliance.monitor.hardware.gpu_states", lambda: (card,))
    page = page_of(Metrics(tmp_path))
    assert 'skerry_gpu_temperature_celsius{gpu="0",name="Made-up 100"} 71.0' in page
    assert 'skerry_gpu_busy_ratio{gpu="0",name="Made-up 100"} 0.25' in page
    assert "skerry_gpu_power_watts{" not in page


def test_what_the_engine_did_is_counted_for_each_text() -> None:
    """Three texts: two shared a run of six, one ran alone."""
    metrics = Metrics()
    metrics.of("triage", "0123456789ab").ran(40, 0.002, [6, 6, 1], padding_tokens=17)
    names = {"model": "triage", "version": "0123456789ab"}
    value = metrics.registry.get_sample_value
    assert value("skerry_batch_texts_bucket", names | {"le": "4.0"}) == 1
    assert value("skerry_batch_texts_bucket", names | {"le": "8.0"}) == 3
    assert value("skerry_padding_tokens_total", names) == 17
    assert value("skerry_tokens_total", names) == 40
    assert value("skerry_tokenize_seconds_count", names) == 1


def test_an_answered_request_is_counted_once_and_its_texts_each() -> None:
    metrics = Metrics()
    metrics.of("triage", "0123456789ab").answered(0.02, 0.001, [0.003, 0.004, 0.2], truncated=1, failed=2)
    names = {"model": "triage", "version": "0123456789ab"}
    value = metrics.registry.get_sample_value
    assert value("skerry_requests_total", names | {"code": "200"}) == 1
    assert value("skerry_texts_total", names) == value("skerry_infer_seconds_count", names) == 3
    assert value("skerry_request_seconds_count", names) == value("skerry_queue_seconds_count", names) == 1
    assert value("skerry_truncated_total", names) == 1
    assert value("skerry_failed_texts_total", names) == 2
    assert value("skerry_infer_seconds_bucket", names | {"le": "0.005"}) == 2


def test_what_alerts_look_for_is_there_before_it_happens() -> None:
    """Prometheus' `increase` of a counter that is first seen at 1 is 0: the first failure would raise no alert."""
    metrics = Metrics()
    metrics.of("triage", "0123456789ab")
    page = page_of(metrics)
    assert 'skerry_release_changes_total{action="rollback",model="triage"} 0.0' in page
    assert 'skerry_load_failures_total{model="triage"} 0.0' in page
    assert 'skerry_requests_total{code="500",model="triage",version="0123456789ab"} 0.0' in page
    assert 'skerry_rejected_total{reason="queue-full"} 0.0' in page


def test_two_servers_in_a_process_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.rejected.labels("queue-full").inc()
    assert "queue-full" in page_of(first)
    assert "queue-full" not in page_of(second)


def test_openmetrics_is_given_where_asked_for() -> None:
    page, content_type = Metrics().page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
