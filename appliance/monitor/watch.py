"""The server's look at itself: one thread that measures, keeps the minutes, tells who asked to be told, and follows drift.

Nothing here is on the way of a request: the event loop hands over what was answered in one append, and what finds no room is forgotten.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Protocol

from appliance.errors import HardwareError
from appliance.keys import open_keys
from appliance.log import log
from appliance.monitor import hardware, ring
from appliance.monitor.alerts import Alert, Alerts
from appliance.monitor.follow import Embed, Follower
from appliance.monitor.outbox import Outbox
from appliance.monitor.prometheus import Metrics
from appliance.monitor.receivers import Courier, receivers
from appliance.monitor.samples import Moment, Span, take
from appliance.schema import Prediction, Release
from appliance.settings import Settings
from appliance.spool import Spool

__all__ = ["Watch"]

_TICK_S = 5.0
_MOMENTS = 20  # kept of the alerts' window


class Served(Protocol):
    """What this room needs to know of the version that answered."""

    @property
    def release(self) -> Release:
        """The release."""

    @property
    def version(self) -> str:
        """The first 12 digits of the version."""

    @property
    def stage(self) -> str:
        """`live`, `canary`, `shadow`."""


class Answered(Protocol):
    """What this room needs to know of a request that was answered (`serve.service.Answered`)."""

    @property
    def served(self) -> Served:
        """Who answered."""

    @property
    def kind(self) -> str:
        """`predict`, or something else that is not followed."""

    @property
    def predictions(self) -> list[tuple[str, Prediction]]:
        """The texts with their answers."""


class Watch:
    """Watches one server while its `with` block runs."""

    def __init__(
        self,
        home: Path,
        project: str,
        settings: Settings,
        metrics: Metrics,
        embed: Embed | None = None,
        tick_s: float = _TICK_S,
    ) -> None:
        """Take the settings; `embed` as `Follower` takes it.

        Raises `SettingsError` for a receiver of alerts whose address is none, `NotFoundError` without a home.
        """
        self._home, self._project, self._metrics, self._tick_s = home, project, metrics, tick_s
        self._alerts = Alerts(settings.alerts, project)
        self._window_s = settings.alerts.window_s
        self._receivers = receivers(settings.alerts)
        self._spool = Spool(home, project, "server")
        self._moments: deque[Moment] = deque()
        self._over = threading.Event()
        self._minute: tuple[str, Moment] | None = None
        keys = open_keys(home, settings.store.key_folder)
        self._followers: list[Follower | Outbox] = []
        if settings.drift.texts_a_minute:
            self._followers.append(Follower(home, project, settings.drift, keys, metrics, embed))
        if settings.outbox.rows_a_day:
            self._followers.append(Outbox(home, project, settings.outbox, keys, metrics))
        for name in self._alerts.names:
            metrics.alerts.labels(name).set(0)

    def observe(self, answered: Answered) -> None:
        """Take note of a request that the live version has answered: a few microseconds, no waiting. Called in the event loop."""
        served = answered.served
        if self._followers and answered.kind == "predict" and served.stage == "live":
            pairs = answered.predictions
            for follower in self._followers:
                follower.offer(served.release.name, served.version, pairs)

    def __enter__(self) -> Watch:
        """Begin."""
        self._courier = Courier(self._receivers, lambda name: self._metrics.alert_failures.labels(name).inc())
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Write the minute that was begun, bring the alerts that wait, and end."""
        self._over.set()
        self._thread.join(self._tick_s + 5)
        self._courier.stop()

    def _run(self) -> None:
        self._guarded(self._tick)
        while not self._over.wait(self._tick_s):
            self._guarded(self._tick)
        self._guarded(self._end)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # watching must go on, most of all when something is wrong
            log("watch failed", error=type(error).__name__)

    def _tick(self) -> None:
        now = take(self._metrics.registry, hardware.look(self._home), monotonic())
        passed_s = now.at_s - self._moments[-1].at_s if self._moments else 0.0
        if len(self._moments) > 1 and now.at_s - self._moments[-2].at_s < self._window_s / _MOMENTS:
            self._moments.pop()  # the newest takes its place: as many are kept as the window needs
        self._moments.append(now)
        while len(self._moments) > 2 and now.at_s - self._moments[1].at_s >= self._window_s:
            self._moments.popleft()
        for alert in self._alerts.judge(Span(self._moments[0], now), now.at_s):
            self._tell(alert)
        for follower in self._followers:
            self._guarded(partial(follower.work, passed_s))
        minute = _minute()
        if self._minute is None:
            self._minute = (minute, now)
        elif minute != self._minute[0]:
            self._keep(now)
            self._minute = (minute, now)

    def _end(self) -> None:
        self._tick()
        if self._minute and self._minute[1] is not self._moments[-1]:
            self._keep(self._moments[-1])

    def _keep(self, now: Moment) -> None:
        if self._minute:
            minute, begin = self._minute
            row = {"minute": minute, "server": str(os.getpid()), "values": Span(begin, now).as_values()}
            ring.append(self._home, self._project, row)

    def _tell(self, alert: Alert) -> None:
        firing = alert.state == "firing"
        gauge = self._metrics.registry.get_sample_value("skerry_alert_firing", {"alert": alert.name})
        self._metrics.alerts.labels(alert.name).set(firing)
        self._courier.send(alert)
        log(f"alert {alert.state}", alert=alert.name, value=alert.value, limit=alert.limit)
        if firing == bool(gauge):
            return  # a change of state is an event, a reminder is none
        try:
            self._spool.event("alert", alert=alert.name, state=alert.state, value=alert.value, limit=alert.limit)
        except HardwareError as error:  # the full disk may be what the alert is about
            log("event not written", alert=alert.name, error=type(error).__name__)


def _minute() -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())
