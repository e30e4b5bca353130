"""The metrics of one server at a moment, and what happened between two moments: rises, shares, percentiles.

The sums are those that PromQL's `increase` and `histogram_quantile` make (prometheus.io/docs/prometheus/latest/querying/functions), so that the
server's own alerts and a Prometheus beside it say the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from appliance.monitor.hardware import Hardware

__all__ = ["Moment", "Span", "take"]

Labels = tuple[tuple[str, str], ...]
_known: dict[Labels, Labels] = {}  # each label set once in memory, however many moments hold it


@dataclass(frozen=True, slots=True)
class Moment:
    """Every number of the registry at a moment (seconds of a monotonic clock), by name and sorted labels, and the machine's."""

    at_s: float
    numbers: dict[str, dict[Labels, float]]
    machine: Hardware

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all label sets that carry `labels`; 0 when there are none."""
        wanted = set(labels.items())
        return sum(value for given, value in self.numbers.get(name, {}).items() if wanted <= set(given))

    def values_of(self, label: str, name: str) -> list[str]:
        """List the values that a label of a metric has taken, sorted."""
        return sorted({value for given in self.numbers.get(name, {}) for key, value in given if key == label})


def take(registry: CollectorRegistry, machine: Hardware, at_s: float) -> Moment:
    """Read the registry. Histograms come as their `_bucket`, `_sum` and `_count`, counters with `_total`."""
    numbers: dict[str, dict[Labels, float]] = defaultdict(dict)
    for family in registry.collect():
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            numbers[sample.name][_known.setdefault(labels, labels)] = sample.value
    return Moment(at_s, dict(numbers), machine)


@dataclass(frozen=True, slots=True)
class Span:
    """Two moments of one process, the earlier first."""

    before: Moment
    after: Moment

    @property
    def seconds(self) -> float:
        """The time between them."""
        return self.after.at_s - self.before.at_s

    def rise(self, name: str, **labels: str) -> float:
        """Return how much a counter rose."""
        return self.after.total(name, **labels) - self.before.total(name, **labels)

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Return a percentile of what a histogram counted in the span, by linear interpolation within its bucket; None when it counted nothing.

        As `histogram_quantile` does, what lies beyond the last bound is given as that bound.
        """
        counts: dict[float, float] = defaultdict(float)
        wanted = set(labels.items())
        for moment, sign in ((self.before, -1), (self.after, 1)):
            for given, value in moment.numbers.get(f"{name}_bucket", {}).items():
                if wanted <= set(given):
                    counts[float(dict(given)["le"])] += sign * value
        bounds = sorted(counts)
        if not bounds or not counts[math.inf]:
            return None
        rank = share * counts[math.inf]
        lower = below = 0.0
        for bound in bounds:
            if counts[bound] >= rank and counts[bound] > below:
                return (
                    lower if bound == math.inf else lower + (bound - lower) * (rank - below) / (counts[bound] - below)
                )
            lower, below = (bound, counts[bound]) if bound != math.inf else (lower, below)
        return lower

    def busy_share(self) -> float:
        """Return the share of the machine's cores that worked, in [0, 1]."""
        most = self.seconds * max(self.after.machine.cores, 1.0)
        return (
            min(1.0, max(0.0, (self.after.machine.cpu_seconds - self.before.machine.cpu_seconds) / most))
            if most
            else 0.0
        )

    def as_values(self) -> dict[str, Any]:
        """Return the row of the ring: what happened in the span, and how the machine was at its end."""
        machine = self.after.machine
        rejected = {
            reason: count
            for reason in self.after.values_of("reason", "skerry_rejected_total")
            if (count := self.rise("skerry_rejected_total", reason=reason))
        }
        resident = self.after.total("process_resident_memory_bytes")
        resident += self.after.total("skerry_engine_process_resident_memory_bytes")
        return {
            "seconds": round(self.seconds, 1),
            "releases": {name: self._release(name) for name in self.after.values_of("model", "skerry_model_info")},
            "rejected": rejected,
            "queue_texts": self.after.total("skerry_queue_texts"),
            "cpu_share": round(self.busy_share(), 4),
            "server_bytes": resident,
            "memory_share": round(1 - machine.memory_available_bytes / machine.memory_bytes, 4),
            "disk_free_bytes": machine.disk_free_bytes,
            "gpus": [
                {"busy_share": gpu.busy_share, "memory_used_bytes": gpu.memory_used_bytes, "celsius": gpu.celsius}
                for gpu in machine.gpus
            ],
            "alerts": [
                name
                for name in self.after.values_of("alert", "skerry_alert_firing")
                if self.after.total("skerry_alert_firing", alert=name)
            ],
        }

    def _release(self, name: str) -> dict[str, Any]:
        codes = self.after.values_of("code", "skerry_requests_total")
        failed = sum(self.rise("skerry_requests_total", model=name, code=code) for code in codes if is_failure(code))
        times = {
            f"p{share}_ms": self.quantile(share / 100, "skerry_request_seconds", model=name) for share in (50, 95, 99)
        }
        drift = {
            of: self.after.total("skerry_drift_ratio", model=name, of=of)
            for of in self.after.values_of("of", "skerry_drift_ratio")
        }
        return {
            "requests": self.rise("skerry_requests_total", model=name),
            "failed": failed,
            "texts": self.rise("skerry_texts_total", model=name),
            **{key: None if value is None else round(value * 1000, 2) for key, value in times.items()},
            **({"drift": drift} if drift else {}),
        }


def is_failure(code: str) -> bool:
    """Tell whether an HTTP status is the server's fault: 5xx but 503 (it says itself when to come back) and 504 (the client's own deadline)."""
    return code.startswith("5") and code not in ("503", "504")
