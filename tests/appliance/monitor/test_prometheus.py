"""The metrics' names and numbers, as Prometheus reads them."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from appliance.monitor.prometheus import Metrics

UNITS = {"seconds", "total", "texts", "info"}


def page_of(metrics: Metrics) -> str:
    page, content_type = metrics.page("")
    assert content_type.startswith("text/plain")
    return page.decode()


def test_names_are_ours_in_base_units_and_explained() -> None:
    """prometheus.io/docs/practices/naming: one prefix, base units, `_total` on counters, help for each."""
    metrics = Metrics()
    families = list(text_string_to_metric_families(page_of(metrics)))
    assert len(families) >= 10
    for family in families:
        assert re.fullmatch(r"skerry_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name.rsplit("_", 1)[1] in UNITS | {"model"}


def test_nothing_tells_about_the_host_or_the_interpreter() -> None:
    page = page_of(Metrics())
    assert not re.search(r"^(python|process)_", page, re.MULTILINE)
    assert "_created" not in page


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


def test_two_servers_in_a_process_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.rejected.labels("queue-full").inc()
    assert "queue-full" in page_of(first)
    assert "queue-full" not in page_of(second)


def test_openmetrics_is_given_where_asked_for() -> None:
    page, content_type = Metrics().page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
