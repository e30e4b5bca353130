"""The guard of canaries: what became of the requests in, and out come steps forward, steps back, or patience.

The event loop only notes outcomes; once a second a thread counts them (`release.trial`), decides, and turns the pointer
file, which the router follows. Each deed is an event first, left in the spool for the store: where it cannot be
written, nothing happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, InputError, IntegrityError, PolicyError
from appliance.log import log
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import advance, end_canary, go_live
from appliance.release.trial import METRICS, Outcome, Trial, Verdict
from appliance.serve.router import Router, Serving
from appliance.settings import ReleaseSettings
from appliance.spool import Spool

if TYPE_CHECKING:
    from appliance.serve.service import Answered

_MOST_OUTCOMES = 100_000  # noted between two looks; older ones are dropped then
_LIVE = 100


@dataclass(slots=True)
class _Running:
    """The trial of one canary, and the step that it is at. `held` is why it holds, as last told."""

    versions: tuple[str, str]  # live, canary: ids of the models
    trial: Trial
    percent: int
    began: float
    held: str = field(default="")


class Rollout:
    """The guard of one server's canaries."""

    def __init__(
        self,
        router: Router,
        settings: ReleaseSettings,
        spool: Spool,
        metrics: Metrics,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._router, self._settings, self._spool, self._metrics, self._clock = router, settings, spool, metrics, clock
        self._outcomes: deque[tuple[str, str, Outcome]] = deque(maxlen=_MOST_OUTCOMES)
        self._running: dict[str, _Running] = {}

    def answered(self, answered: Answered) -> None:
        """Note what became of a request. Called in the event loop: it only appends, and only while a canary is on trial."""
        served = answered.served
        if served.drawn is None or answered.kind != "predict":
            return
        self._metrics.stage_requests.labels(served.release.name, served.version, served.stage).inc()
        outcome = outcome_of(answered)
        if outcome is not None:
            self._outcomes.append((served.release.name, served.release.version, outcome))

    def judged(self, release: str, version: str, right: bool) -> None:
        """Note what feedback says of an answer that the draw let the model `version` give."""
        self._outcomes.append((release, version, Outcome(False, right=right)))

    def told(self, release: str) -> tuple[str, dict[str, dict[str, float]]] | None:
        """Return why the canary of a release holds, as last found, and the numbers of each metric; None without one."""
        running = self._running.get(release)
        if running is None:
            return None
        return running.held, {name: running.trial.numbers(name) for name in METRICS}

    def check(self) -> None:
        """Count what was noted, decide for each canary, and act. Called once a second; raises nothing."""
        on_trial = {name: one for name, one in self._router.serving().items() if one.pointer.canary}
        self._running = {name: self._follow(name, one) for name, one in on_trial.items()}
        self._count()
        for name, serving in on_trial.items():
            try:
                self._decide(name, serving, self._running[name])
            except Exception as error:  # the thread also follows pointers and keys
                self._hold(name, self._running[name], type(error).__name__)

    def _follow(self, name: str, serving: Serving) -> _Running:
        pointer, now = serving.pointer, self._clock()
        assert pointer.canary
        versions = (pointer.target.version, pointer.canary.version)
        running = self._running.get(name)
        if running is None or running.versions != versions:
            return _Running(versions, Trial(self._settings), pointer.percent, now)
        if running.percent != pointer.percent:
            running.trial.begin_step()
            running.percent, running.began, running.held = pointer.percent, now, ""
        return running

    def _count(self) -> None:
        for _number in range(len(self._outcomes)):
            name, version, outcome = self._outcomes.popleft()
            running = self._running.get(name)
            if running and version in running.versions:
                canary = version == running.versions[1]
                running.trial.add(replace(outcome, canary=canary))

    def _decide(self, name: str, serving: Serving, running: _Running) -> None:
        if serving.broken == running.versions[1]:
            self._roll_back(name, running, {"reason": "not-loadable"})
            return
        ahead = [percent for percent in sorted(self._settings.canary_percents) if percent > running.percent]
        to_percent = ahead[0] if ahead else running.percent
        verdict = running.trial.verdict(self._clock() - running.began, last=to_percent == _LIVE)
        if verdict.action == "rollback":
            self._roll_back(name, running, verdict.why)
        elif verdict.action == "hold" or to_percent == running.percent:
            self._hold(name, running, verdict.why["reason"])
        else:
            self._go_on(name, running, to_percent, verdict)

    def _roll_back(self, name: str, running: _Running, why: dict[str, object]) -> None:
        if end_canary(self._spool, name, running.versions[1], **why):
            self._metrics.release_changes.labels(name, "rollback").inc()
            log("canary rolled back", release=name, version=running.versions[1][:12], reason=why["reason"])
        self._router.refresh()

    def _go_on(self, name: str, running: _Running, to_percent: int, verdict: Verdict) -> None:
        version = running.versions[1]
        try:
            if to_percent == _LIVE:
                done, action = go_live(self._spool, name, version, self._settings.approvals, **verdict.why), "promote"
            else:
                done = advance(self._spool, name, version, running.percent, to_percent, **verdict.why)
                action = "advance"
        except PolicyError:
            self._hold(name, running, "approvals")
            return
        except IntegrityError:
            self._roll_back(name, running, {"reason": "changed"})
            return
        if done:
            self._metrics.release_changes.labels(name, action).inc()
            log(f"canary {action}", release=name, version=version[:12], percent=to_percent)
        self._router.refresh()

    def _hold(self, name: str, running: _Running, reason: str) -> None:
        if running.held != reason:
            running.held = reason
            log("canary holds", release=name, version=running.versions[1][:12], percent=running.percent, reason=reason)


def outcome_of(answered: Answered) -> Outcome | None:
    """Return what a request tells of the version that answered it; None for what is not the model's doing.

    A failure is a server error (5xx), a deadline that passed (408) or a text that the model could not answer; a text
    that no model can read is its sender's. The time is the mean of the request's texts, without their waiting.
    """
    if answered.status >= 500 or answered.status == 408:
        return Outcome(False, answered.served.drawn, failed=True)
    if answered.status != 200:
        return None
    failed = any(isinstance(one, ApplianceError) and not isinstance(one, InputError) for one in answered.answers)
    times = answered.infer_s
    seconds = sum(times) / len(times) if times and not failed else None
    return Outcome(False, answered.served.drawn, failed, seconds)
