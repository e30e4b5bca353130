"""What stands beside the server: Prometheus's rules, and Grafana's dashboard, against the metrics that there are.

The `long` ones need `promtool` and `prometheus` (Debian's package `prometheus`), and an index for Grafana Labs' library.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.monitor.alerts import rules
from appliance.monitor.hardware import GpuState
from appliance.monitor.prometheus import Metrics
from appliance.settings import AlertsSettings
from tests.servers import home_with_release, running

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8")
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "skerry.json").read_text("utf-8"))
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")), reason="`prometheus` is not installed (Debian)"
)
SDK = "grafana-foundation-sdk==1769699998!10.1.0"
ROUND_TRIP = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(sys.stdin))))
"""


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of every sample that a server with a GPU can give."""
    card = GpuState(0, "x", 0.5, 1, 2, 60, 70.0, 0)
    monkeypatch.setattr("appliance.monitor.hardware.gpu_states", lambda: (card,))
    metrics = Metrics(tmp_path)
    metrics.watch_engine(os.getpid, lambda: 0)
    found = set()
    for family in text_string_to_metric_families(metrics.page("")[0].decode()):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + end for end in ends}
    return found


def named(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names."""
    return set(re.findall(r"\b(?:skerry|process)_[a-z_]+", re.sub(r'"[^"]*"', "", expression)))


def queries() -> list[str]:
    """Return every PromQL expression of the dashboard."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_the_rules_name_metrics_that_there_are(names: set[str]) -> None:
    expressions = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*))", ALERTS)
    assert len(expressions) == len(rules(AlertsSettings())) + 1
    for expression in map("".join, expressions):
        assert named(expression) - names == set()
        assert named(expression) or "up{" in expression


def test_the_rules_are_those_that_the_server_sends_and_one_that_it_cannot() -> None:
    told = dict(re.findall(r"- alert: (\w+)\n(?:.*\n)*?.*severity: (\w+)", ALERTS))
    assert told == {rule.name: rule.severity for rule in rules(AlertsSettings())} | {"ServerGone": "critical"}


def test_the_limits_are_the_settings_defaults() -> None:
    for rule in rules(AlertsSettings()):
        (body,) = re.findall(rf"- alert: {rule.name}\n(?:.*\n)*?(.*> [\d.]+)", ALERTS)
        assert float(body.rsplit("> ", 1)[1]) == rule.limit, rule.name


def test_the_dashboard_asks_for_metrics_that_there_are(names: set[str]) -> None:
    asked = {name for query in queries() for name in named(query)}
    assert asked - names == set()
    shown = {"skerry_queue_texts", "skerry_tokens_total", "skerry_batch_texts_sum", "skerry_gpu_busy_ratio"}
    assert shown <= asked


def test_the_panels_fit_on_the_grid_and_have_numbers_of_their_own() -> None:
    """Grafana's grid is 24 wide; two panels on one place would hide each other."""
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) > 20


def promtool(*arguments: str, given: str | None = None, folder: Path | None = None) -> str:
    """Run promtool and return what it says; it must be content."""
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long
@needs_prometheus
def test_promtool_accepts_settings_rules_and_their_tests(tmp_path: Path) -> None:
    folder = shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (folder / "api_key").write_text("made up")
    promtool("check", "config", "prometheus.yml", folder=folder)
    promtool("test", "rules", "alerts_test.yml", folder=folder)


@pytest.mark.long
@needs_prometheus
def test_promtool_finds_no_fault_with_the_names_of_the_metrics(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.of("triage", "0123456789ab").answered(0.1, 0.1, [0.1], 0, 0)
    assert promtool("check", "metrics", given=metrics.page("")[0].decode()) == ""


@pytest.mark.long
@needs_prometheus
def test_promtool_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rates = [query.replace("$__rate_interval", "1m").replace("$instance", "a") for query in queries()]
    written = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(rates)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": written}]}))
    assert f"{len(rates)} rules found" in promtool("check", "rules", "rules.yml", folder=tmp_path)


@pytest.mark.long
def test_grafana_s_own_schema_takes_the_dashboard_without_a_loss(tmp_path: Path) -> None:
    """Read and written by Grafana Labs' library of the schema: every field comes back, only defaults are added."""
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), SDK]
    done = subprocess.run(install, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip("needs a package index")
    read = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP], input=json.dumps(DASHBOARD), capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    assert list(lost(DASHBOARD, json.loads(read.stdout))) == []


def lost(given: Any, back: Any, place: str = "") -> Any:
    """Yield the places where `back` does not hold what was given."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            yield from lost(value, back[key], f"{place}/{key}") if key in back else [f"{place}/{key}"]
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from lost(one, other, f"{place}/{number}")
    elif given != back:
        yield place


@pytest.mark.long
@needs_prometheus
def test_a_real_prometheus_scrapes_a_real_server_and_its_rules_stay_calm(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    folder = shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (folder / "api_key").write_text(key)
    with running(store.home, key) as server:
        for number in range(25):
            server.client.post("/v1/predict", json={"inputs": [f"w{number} w2", "w3"]}).raise_for_status()
        written = (folder / "prometheus.yml").read_text().replace("127.0.0.1:8080", server.url.split("//")[1])
        (folder / "prometheus.yml").write_text(written.replace("15s", "1s"))
        with prometheus(folder) as address:
            until = time.monotonic() + 30
            while value(address, "skerry_texts_total") != 50:
                assert time.monotonic() < until
                time.sleep(0.2)
            assert value(address, 'up{job="skerry"}') == 1
            assert value(address, 'skerry_requests_total{code="200"}') == 25
            assert value(address, "skerry_request_seconds_count") == 25
            assert value(address, "process_resident_memory_bytes") > 10**7
            told = httpx.get(f"{address}/api/v1/rules", trust_env=False).json()["data"]["groups"][0]["rules"]
            assert {rule["name"] for rule in told} >= {"RequestsFail", "ServerGone"}
            assert [rule["lastError"] for rule in told if rule.get("lastError")] == []
            assert httpx.get(f"{address}/api/v1/alerts", trust_env=False).json()["data"]["alerts"] == []


class prometheus:
    """A Prometheus on a free port of loopback, with the settings of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        command = [
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]
        self._log = (self._folder / "log").open("w+")
        self._process = subprocess.Popen(command, cwd=self._folder, stderr=self._log, stdout=self._log)
        until = time.monotonic() + 20
        while True:
            told = (self._folder / "log").read_text()
            found = re.search(r"Listening on\" address=(127\.0\.0\.1:\d+)|address=(127\.0\.0\.1:[1-9]\d*)", told)
            if found:
                return "http://" + (found[1] or found[2])
            assert self._process.poll() is None and time.monotonic() < until, told
            time.sleep(0.05)

    def __exit__(self, *_arguments: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def value(address: str, query: str) -> float | None:
    """Ask Prometheus for the sum of an expression."""
    answer = httpx.get(f"{address}/api/v1/query", params={"query": f"sum({query})"}, trust_env=False).json()
    results = answer["data"]["result"]
    return float(results[0]["value"][1]) if results else None
