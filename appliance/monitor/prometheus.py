"""The server's metrics, named as Prometheus asks (prometheus.io/docs/practices/naming): base units, `_total` on counters."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_VERSION = ("model", "version")


class Metrics:
    """Every metric of one server, in a registry of its own: the default one would tell about Python and the host.

    Labels are names of ours: a release, the first 12 digits of a version, an HTTP status, a reason from the code.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self.registry = CollectorRegistry(auto_describe=False)
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
        self.texts = Counter("skerry_texts", "Texts answered.", _VERSION, registry=own)
        self.truncated = Counter("skerry_truncated", "Texts longer than the model reads.", _VERSION, registry=own)
        self.failed = Counter("skerry_failed_texts", "Texts answered with an error.", _VERSION, registry=own)
        self.queue_texts = Gauge("skerry_queue_texts", "Texts waiting for a thread.", registry=own)
        self.rejected = Counter("skerry_rejected", "Requests not let in, by reason.", ("reason",), registry=own)
        self.load_failures = Counter(
            "skerry_load_failures",
            "Versions that could not be loaded; the one before goes on.",
            ("model",),
            registry=own,
        )
        self.model_info = Info("skerry_model", "The version that answers under a release.", ("model",), registry=own)

    def of(self, model: str, version: str) -> VersionMetrics:
        """Return the metrics of one version, looked up once."""
        return VersionMetrics(self, model, version)

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
        self._truncated = metrics.truncated.labels(*names)
        self._failed = metrics.failed.labels(*names)

    def answered(self, request_s: float, queue_s: float, infer_s: Sequence[float], truncated: int, failed: int) -> None:
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
