"""The server's metrics, named as Prometheus asks (prometheus.io/docs/practices/naming): base units, `_total` on counters.

`process_*` are the names that every Prometheus client library gives its own process; what is `skerry_*` is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import appliance
from appliance.monitor import hardware

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)
_VERSION = ("model", "version")


class Metrics:
    """Every metric of one server, in a registry of its own: the default one would tell about Python.

    Labels are names of ours: a release, the first 12 digits of a version, an HTTP status, a reason or stage from the code.
    """

    def __init__(self, home: Path | None = None) -> None:
        """Make them; with `home` the machine that it lies on is told of, too."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=own)
        if home is not None:
            own.register(_Machine(home))
        Info("skerry_build", "The release of Skerry that runs.", registry=own).info({"version": appliance.__version__})
        self.requests = Counter(
            "skerry_requests", "Inference requests answered, by HTTP status.", (*_VERSION, "code"), registry=own
        )
        self.request_seconds = Histogram(
            "skerry_request_seconds", "From the request's head to its answer.", _VERSION, registry=own, buckets=_SECONDS
        )
        self.queue_seconds = Histogram(
            "skerry_queue_seconds",
            "From a request's admission until its first text is taken.",
            _VERSION,
            registry=own,
            buckets=_SECONDS,
        )
        self.infer_seconds = Histogram(
            "skerry_infer_seconds", "Tokenizing and running one text.", _VERSION, registry=own, buckets=_SECONDS
        )
        self.tokenize_seconds = Histogram(
            "skerry_tokenize_seconds", "Tokenizing the texts of a request.", _VERSION, registry=own, buckets=_SECONDS
        )
        self.texts = Counter("skerry_texts", "Texts answered.", _VERSION, registry=own)
        self.tokens = Counter("skerry_tokens", "Tokens that models read, padding left out.", _VERSION, registry=own)
        self.padding = Counter("skerry_padding_tokens", "Tokens that only fill a batch.", _VERSION, registry=own)
        self.batch_texts = Histogram(
            "skerry_batch_texts",
            "Texts that shared a text's run, counted for each text.",
            _VERSION,
            registry=own,
            buckets=_TEXTS,
        )
        self.truncated = Counter("skerry_truncated", "Texts longer than the model reads.", _VERSION, registry=own)
        self.failed = Counter("skerry_failed_texts", "Texts answered with an error.", _VERSION, registry=own)
        self.queue_texts = Gauge("skerry_queue_texts", "Texts waiting for a thread.", registry=own)
        self.queue_tokens = Gauge("skerry_queue_tokens", "Estimated tokens waiting for a thread.", registry=own)
        self.rejected = Counter("skerry_rejected", "Requests not let in, by reason.", ("reason",), registry=own)
        self.load_failures = Counter(
            "skerry_load_failures",
            "Versions that could not be loaded; the one before goes on.",
            ("model",),
            registry=own,
        )
        self.model_info = Info("skerry_model", "The version that answers under a release.", ("model",), registry=own)
        self.shadow = Counter(
            "skerry_shadow_texts",
            "Texts mirrored to a shadow version, by whether it gave the live version's label: yes, no, dropped.",
            (*_VERSION, "agrees"),
            registry=own,
        )
        self.stage_requests = Counter(
            "skerry_stage_requests", "Requests by the stage that answered: live, canary.", (*_VERSION, "stage"), registry=own
        )  # fmt: skip
        self.release_changes = Counter(
            "skerry_release_changes",
            "What the guard did to a release: advance, promote, rollback.",
            ("model", "action"),
            registry=own,
        )
        self.feedback = Counter(
            "skerry_feedback", "Answers judged by `POST /v1/feedback`: right, wrong.", (*_VERSION, "verdict"), registry=own
        )  # fmt: skip
        self.drift = Gauge(
            "skerry_drift_ratio",
            "How far the last window lies from the first, by what is compared; 1 = where a warning begins.",
            ("model", "of"),
            registry=own,
        )
        self.outbox_texts = Gauge(
            "skerry_outbox_texts", "Uncertain texts that wait, sealed, in the outbox.", registry=own
        )
        self.alerts = Gauge("skerry_alert_firing", "1 while the server's own alert fires.", ("alert",), registry=own)
        self.alert_failures = Counter(
            "skerry_alert_failures", "Alerts that a receiver did not take.", ("receiver",), registry=own
        )

    def of(self, model: str, version: str) -> VersionMetrics:
        """Return the metrics of one version, looked up once."""
        return VersionMetrics(self, model, version)

    def watch_engine(self, pid: Callable[[], int], restarts: Callable[[], int]) -> None:
        """Tell of the engine process, too, as `skerry_engine_process_*`, and how often it was replaced; both are asked at each scrape."""
        ProcessCollector(namespace="skerry_engine", pid=pid, registry=self.registry)
        self.registry.register(_Restarts(restarts))

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that `accept` (an HTTP `Accept` header) asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


class VersionMetrics:
    """What is counted for one version of one release; its counters are looked up once, since every request counts."""

    def __init__(self, metrics: Metrics, model: str, version: str) -> None:
        names = (model, version)
        self._answered = metrics.requests.labels(*names, 200)
        self._request_seconds = metrics.request_seconds.labels(*names)
        self._queue_seconds = metrics.queue_seconds.labels(*names)
        self._infer_seconds = metrics.infer_seconds.labels(*names)
        self._texts = metrics.texts.labels(*names)
        self._tokens = metrics.tokens.labels(*names)
        self._tokenize_seconds = metrics.tokenize_seconds.labels(*names)
        self._truncated = metrics.truncated.labels(*names)
        self._failed = metrics.failed.labels(*names)
        self._padding = metrics.padding.labels(*names)
        self._batch_texts = metrics.batch_texts.labels(*names)
        # Shown from 0 on: a counter that is first seen at 1 has not risen for Prometheus, and no alert would come.
        metrics.requests.labels(*names, 500)
        metrics.rejected.labels("queue-full")
        metrics.load_failures.labels(model)
        metrics.release_changes.labels(model, "rollback")

    def answered(
        self,
        request_s: float,
        queue_s: float,
        infer_s: Sequence[float],
        truncated: int,
        failed: int,
    ) -> None:
        """Count a request that was answered: its seconds, in all, in the line and of each text, and its texts."""
        self._answered.inc()
        self._request_seconds.observe(request_s)
        self._queue_seconds.observe(queue_s)
        self._texts.inc(len(infer_s))
        for seconds in infer_s:
            self._infer_seconds.observe(seconds)
        if truncated:
            self._truncated.inc(truncated)
        if failed:
            self._failed.inc(failed)

    def mirrored(self, infer_s: Sequence[float]) -> None:
        """Count texts that ran as copies for a shadow: their seconds alone, since nobody waited for them."""
        for seconds in infer_s:
            self._infer_seconds.observe(seconds)

    def ran(self, tokens: int, tokenize_s: float, batch_texts: Sequence[int], padding_tokens: int) -> None:
        """Count what the engine did for a request: the tokens that it read, the seconds to make them, for each text how many shared its run, and the tokens
        that only filled a batch.
        """
        self._tokens.inc(tokens)
        self._tokenize_seconds.observe(tokenize_s)
        for texts in batch_texts:
            self._batch_texts.observe(texts)
        if padding_tokens:
            self._padding.inc(padding_tokens)


class _Restarts(Collector):
    """How often the engine process was replaced."""

    def __init__(self, restarts: Callable[[], int]) -> None:
        self._restarts = restarts

    def collect(self) -> Iterator[Metric]:
        """Yield the counter."""
        told = "Engine processes that died and were replaced."
        yield CounterMetricFamily("skerry_engine_restarts", told, value=self._restarts())


class _Machine(Collector):
    """The machine's numbers, read when they are asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        seen = hardware.look(self._home)
        yield CounterMetricFamily(
            "skerry_machine_cpu_seconds", "Seconds that the machine's cores were busy.", value=seen.cpu_seconds
        )
        gauges = {
            "skerry_machine_cores": ("Cores that this process may use.", seen.cores),
            "skerry_machine_memory_bytes": ("Memory, cut by the cgroup's limit.", seen.memory_bytes),
            "skerry_machine_memory_available_bytes": ("Memory that is left.", seen.memory_available_bytes),
            "skerry_machine_disk_bytes": ("Size of the home's disk.", seen.disk_bytes),
            "skerry_machine_disk_free_bytes": ("Room left on the home's disk.", seen.disk_free_bytes),
        }
        for name, (told, value) in gauges.items():
            yield GaugeMetricFamily(name, told, value=value)
        if seen.gpus:
            yield from _gpu_families(seen.gpus)


def _gpu_families(gpus: Sequence[hardware.GpuState]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[hardware.GpuState], float | None]]] = {
        "skerry_gpu_busy_ratio": ("Share of the time that the GPU worked.", lambda gpu: gpu.busy_share),
        "skerry_gpu_memory_bytes": ("Memory of the GPU.", lambda gpu: gpu.memory_bytes),
        "skerry_gpu_memory_used_bytes": ("Memory of the GPU in use.", lambda gpu: gpu.memory_used_bytes),
        "skerry_gpu_temperature_celsius": ("Temperature of the GPU.", lambda gpu: gpu.celsius),
        "skerry_gpu_power_watts": ("Power that the GPU draws.", lambda gpu: gpu.watts),
        "skerry_gpu_memory_errors": ("Uncorrected memory errors since the driver was loaded.", lambda gpu: gpu.memory_errors),
    }  # fmt: skip
    for name, (told, read) in gauges.items():
        family = GaugeMetricFamily(name, told, labels=("gpu", "name"))
        for gpu in gpus:
            value = read(gpu)
            if value is not None:
                family.add_metric((str(gpu.index), gpu.name), value)
        yield family
