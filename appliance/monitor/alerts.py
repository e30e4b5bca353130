"""When somebody must be told: rules over the last minutes, each with a limit, a time to hold, and words for people.

The rules are those of `deploy/prometheus/alerts.yml`, under the same names, for a site that runs no Prometheus. An alert goes out when it
begins, when it ends, and again after `alerts.repeat_s` while it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from appliance.monitor.samples import Span, is_failure
from appliance.settings import AlertsSettings
from appliance.words import _

__all__ = ["Alert", "Alerts", "Rule", "rules"]

_REQUESTS = "skerry_requests_total"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to watch: `measure` gives a number or None (nothing to judge); above `limit` there is trouble, told by `tell`."""

    name: str
    severity: str  # critical, warning
    measure: Callable[[Span], float | None]
    limit: float
    tell: Callable[[float], str]
    holds: bool = True  # False: it has happened, so that there is nothing to wait for


@dataclass(frozen=True, slots=True)
class Alert:
    """What a receiver is sent. `state` is `firing` or `resolved`; times are ISO 8601 UTC; `ended` is None while it goes on."""

    name: str
    severity: str
    state: str
    summary: str
    value: float
    limit: float
    began: str
    ended: str | None
    project: str = "main"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {field: getattr(self, field) for field in self.__slots__}


def rules(settings: AlertsSettings) -> tuple[Rule, ...]:
    """Return the rules with the limits of the settings."""
    return (*_of_requests(settings), *_of_releases(), *_of_the_machine(settings))


def _of_requests(settings: AlertsSettings) -> Iterator[Rule]:
    yield Rule(
        "RequestsFail",
        "critical",
        lambda span: _share(span, _failed(span), settings.min_requests),
        settings.error_share,
        lambda value: _("the server failed {share} % of the requests; its log has their ids", share=_percent(value)),
    )
    yield Rule(
        "QueueFull",
        "warning",
        lambda span: _share(span, _refused(span), settings.min_requests),
        settings.refused_share,
        lambda value: _(
            "{share} % of the requests found no room in the queue; give the server more cores or send less",
            share=_percent(value),
        ),
    )
    yield Rule(
        "AnswersSlow",
        "warning",
        lambda span: (
            span.quantile(0.99, "skerry_request_seconds") if span.rise(_REQUESTS) >= settings.min_requests else None
        ),
        settings.slow_s,
        lambda value: _("one request in a hundred takes longer than {seconds} s", seconds=f"{value:.2g}"),
    )


def _of_releases() -> Iterator[Rule]:
    yield Rule(
        "EngineRestarted",
        "critical",
        lambda span: span.rise("skerry_engine_restarts_total"),
        0,
        lambda value: _("the engine process died and was replaced {count} times", count=int(value)),
        holds=False,
    )
    yield Rule(
        "ReleaseNotLoaded",
        "critical",
        lambda span: span.rise("skerry_load_failures_total"),
        0,
        lambda _value: _(
            "a version that was promoted could not be loaded; the one before goes on. See the server's log"
        ),
        holds=False,
    )
    yield Rule(
        "RolledBack",
        "critical",
        lambda span: span.rise("skerry_release_changes_total", action="rollback"),
        0,
        lambda _value: _("the guard took a version back; `skerry history` says why"),
        holds=False,
    )
    yield Rule(
        "Drift",
        "warning",
        lambda span: max(span.after.numbers.get("skerry_drift_ratio", {}).values(), default=None),
        1,
        lambda _value: _("texts or answers no longer look as at first; see `skerry monitor drift`"),
        holds=False,
    )


def _of_the_machine(settings: AlertsSettings) -> Iterator[Rule]:
    yield Rule(
        "MemoryShort",
        "critical",
        lambda span: 1 - span.after.machine.memory_available_bytes / span.after.machine.memory_bytes,
        settings.memory_share,
        lambda value: _("{share} % of the memory is in use", share=_percent(value)),
    )
    yield Rule(
        "DiskFull",
        "critical",
        lambda span: 1 - span.after.machine.disk_free_bytes / span.after.machine.disk_bytes,
        settings.disk_share,
        lambda value: _("{share} % of the home's disk is in use; see `skerry space`", share=_percent(value)),
    )
    yield Rule(
        "GpuHot",
        "warning",
        lambda span: max((gpu.celsius for gpu in span.after.machine.gpus if gpu.celsius is not None), default=None),
        settings.gpu_celsius,
        lambda value: _("a GPU has {celsius} degrees Celsius", celsius=int(value)),
    )
    yield Rule(
        "GpuMemoryErrors",
        "critical",
        lambda span: max(
            (gpu.memory_errors for gpu in span.after.machine.gpus if gpu.memory_errors is not None), default=None
        ),
        0,
        lambda value: _("a GPU has had {count} uncorrected memory errors", count=int(value)),
        holds=False,
    )


def _failed(span: Span) -> float:
    return sum(span.rise(_REQUESTS, code=code) for code in span.after.values_of("code", _REQUESTS) if is_failure(code))


def _refused(span: Span) -> float:
    return span.rise("skerry_rejected_total", reason="queue-full")


def _share(span: Span, count: float, least: int) -> float | None:
    asked = span.rise(_REQUESTS)
    return min(1.0, count / asked) if asked >= least else None


def _percent(share: float) -> str:
    return f"{share * 100:.3g}"


@dataclass(slots=True)
class _State:
    over_since: float | None = None
    under_since: float | None = None
    sent: float | None = None  # None: it does not fire
    began: str = ""


class Alerts:
    """The rules and what each of them is at. Times are seconds of one monotonic clock."""

    def __init__(self, settings: AlertsSettings, project: str) -> None:
        self._settings, self._project = settings, project
        self._states = {rule: _State() for rule in rules(settings)}

    @property
    def firing(self) -> frozenset[str]:
        """The names of the alerts that fire."""
        return frozenset(rule.name for rule, state in self._states.items() if state.sent is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all rules."""
        return tuple(rule.name for rule in self._states)

    def judge(self, span: Span, at_s: float) -> list[Alert]:
        """Return what is to be sent now."""
        return [alert for rule, state in self._states.items() if (alert := self._step(rule, state, span, at_s))]

    def _step(self, rule: Rule, state: _State, span: Span, at_s: float) -> Alert | None:
        value = rule.measure(span)
        over = value is not None and value > rule.limit
        state.over_since = (at_s if state.over_since is None else state.over_since) if over else None
        state.under_since = None if over else (at_s if state.under_since is None else state.under_since)
        hold_s = self._settings.hold_s if rule.holds else 0
        if over and state.over_since is not None and at_s - state.over_since >= hold_s:
            if state.sent is None:
                state.began = _now()
            elif at_s - state.sent < self._settings.repeat_s:
                return None
            state.sent = at_s
            return self._alert(rule, state, value or 0.0, None)
        ended = state.sent is not None and state.under_since is not None and at_s - state.under_since >= hold_s
        if not ended:
            return None
        state.sent = None
        return self._alert(rule, state, value or 0.0, _now())

    def _alert(self, rule: Rule, state: _State, value: float, ended: str | None) -> Alert:
        return Alert(
            name=rule.name,
            severity=rule.severity,
            state="resolved" if ended else "firing",
            summary=_("it is over") if ended else rule.tell(value),
            value=round(value, 6),
            limit=rule.limit,
            began=state.began,
            ended=ended,
            project=self._project,
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
