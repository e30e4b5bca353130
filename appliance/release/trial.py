"""Is a canary worse than the live version? A test that may be looked at after every request, as often as one likes.

Both versions answer at the same time, and a keyed hash chooses who gets which. What is counted are bad outcomes: failed
requests, slow ones (above the running 95th percentile of the live version), and wrong answers where feedback tells.
For each, `Comparison` bets against "the canary's share is at most the live version's plus a margin", block by block of
what came in. The stake is an e-process for two proportions: R. J. Turner, A. Ly, P. Grünwald, "Generic E-variables for
exact sequential k-sample tests that allow for optional stopping", J. Statist. Plann. Inference 230 (2024). Whatever the
shares are, and however they drift together, the stake ever reaches 1/a with a probability of at most a (J. Ville,
1939). That is what makes it fair to look after every request.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from appliance.settings import ReleaseSettings

METRICS = ("errors", "latency", "accuracy")
_PRIOR = 0.18  # successes and failures seen before the first: what Turner et al. (2024), section 4, found to bet best
_LIVE_SECONDS = 512  # the live version's newest times, of which the 95th percentile is taken
_FEWEST_SECONDS = 40  # fewer do not tell a 95th percentile
_DOUBT = math.log(3.0)  # a stake at which a canary does not go live yet
_NEARLY_ONE = 1 - 1e-9


@dataclass(slots=True)
class Share:
    """How many outcomes were seen, and how many of them were bad."""

    seen: int = 0
    bad: int = 0

    def add(self, bad: bool) -> None:
        """Count one."""
        self.seen += 1
        self.bad += bad

    @property
    def guess(self) -> float:
        """The share of bad ones, as it is bet on: never 0 or 1."""
        return (self.bad + _PRIOR) / (self.seen + 2 * _PRIOR)


@dataclass(slots=True)
class Comparison:
    """One metric of both versions. `worse` and `safe` are logarithms of stakes.

    `worse` grows when the canary's share of bad outcomes is above the live version's plus `margin`, `safe` when it is
    below: each is small, whatever happens, when its bet is wrong. `alone` is bet while the live version has answered
    nobody, as where one client asks and falls to the canary: against a share of bad ones of at most the margin.
    """

    margin: float
    live: Share = field(default_factory=Share)
    canary: Share = field(default_factory=Share)
    worse: float = 0.0
    safe: float = 0.0
    alone: float = 0.0
    _live: Share = field(default_factory=Share)  # of the open block
    _canary: Share = field(default_factory=Share)

    @property
    def unpaired(self) -> Share:
        """What the canary has answered since the live version last did."""
        return self._canary

    @property
    def within(self) -> bool:
        """Whether the canary's share, as counted, is at most the live version's plus the margin."""
        return self.canary.guess <= self.live.guess + self.margin

    @property
    def live_seen(self) -> bool:
        """Whether the live version has answered anybody."""
        return bool(self.live.seen or self._live.seen)

    def add(self, canary: bool, bad: bool) -> bool:
        """Count one outcome. True when it closed a block: one that both versions have a part in."""
        if canary and not self.live_seen:
            self.alone += log_alone(self._canary.guess, bad, self.margin)
        (self._canary if canary else self._live).add(bad)
        if not (self._live.seen and self._canary.seen):
            return False
        live, trial = self.live.guess, self.canary.guess  # of what lay before this block
        self.worse += log_stake(self._live, self._canary, live, trial, self.margin)
        self.safe += log_stake(self._canary, self._live, trial, live, -self.margin)
        for whole, part in ((self.live, self._live), (self.canary, self._canary)):
            whole.seen, whole.bad = whole.seen + part.seen, whole.bad + part.bad
        self._live, self._canary = Share(), Share()
        return True


def log_stake(a: Share, b: Share, p: float, q: float, margin: float) -> float:
    """Return by how much (natural logarithm) one block multiplies a stake against "b's share <= a's share + margin".

    `p` and `q` are guesses of both shares from before the block. The stake is the likelihood ratio between (p, q) and
    the point (x, x + margin) nearest to it, in Kullback-Leibler divergence, on the edge of what is bet against. There
    n_a A + n_b B = 0 for the slopes A = (p - x) / (x (1 - x)) <= 0 <= B = (q - y) / (y (1 - y)). So when the true shares
    lie t along the edge from there, the expected factor is (1 + t A)^n_a (1 + t B)^n_b <= exp(t (n_a A + n_b B)) = 1,
    and inside it is less, since B >= 0. For margin 0 it is the E-variable of Turner et al. (2024), equation 2.
    """
    if q <= p + margin:
        return 0.0
    x = _nearest(a.seen, b.seen, p, q, margin)
    return _log_ratio(a, p, x) + _log_ratio(b, q, x + margin)


def log_alone(guess: float, bad: bool, margin: float) -> float:
    """Return by how much (natural logarithm) one outcome multiplies a stake against "the share is <= margin".

    `guess` is the share before it. The factor is a likelihood ratio, whose mean is 1 at the margin and less below it (J. Ville, 1939).
    """
    null = max(margin, 1 - _NEARLY_ONE)
    if guess <= null:
        return 0.0
    return math.log(guess / null) if bad else math.log((1 - guess) / (1 - null))


def _nearest(a: int, b: int, p: float, q: float, margin: float) -> float:
    low, high = max(p, -margin), min(q - margin, 1.0, 1.0 - margin)
    for _step in range(30):
        x = (low + high) / 2
        y = x + margin
        # the slope's numerators over the common, positive denominator
        if a * (p - x) * y * (1 - y) + b * (q - y) * x * (1 - x) > 0:
            low = x
        else:
            high = x
    return (low + high) / 2


def _log_ratio(counts: Share, guess: float, null: float) -> float:
    null = min(max(null, 1 - _NEARLY_ONE), _NEARLY_ONE)
    good = counts.seen - counts.bad
    return counts.bad * math.log(guess / null) + good * math.log((1 - guess) / (1 - null))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request, or of one answer that feedback came for. `who` tells those apart who ask."""

    canary: bool
    who: float | None = None
    failed: bool | None = None  # None: feedback
    seconds: float | None = None  # the model's mean time for a text
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard should do: `hold`, `advance` or `rollback`, and why, as numbers and names of ours."""

    action: str
    why: dict[str, Any]


class Trial:
    """One canary beside one live version, from its first request on. Not for several threads at once."""

    def __init__(self, settings: ReleaseSettings) -> None:
        self._settings = settings
        margins = (settings.max_error_rise, settings.max_slow_rise, settings.max_accuracy_drop)
        self.comparisons = {name: Comparison(margin) for name, margin in zip(METRICS, margins, strict=True)}
        self._seconds: deque[float] = deque(maxlen=_LIVE_SECONDS)
        self._slow_s: float | None = None
        self._step = {False: 0, True: 0}  # requests of the live version and of the canary in this step
        self._who: dict[bool, set[float]] = {False: set(), True: set()}  # no more of each than are needed

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.failed is not None:
            self._step[outcome.canary] += 1
            self._see(outcome.canary, outcome.who)
            self.comparisons["errors"].add(outcome.canary, outcome.failed)
        if outcome.seconds is not None:
            self._add_seconds(outcome.canary, outcome.seconds)
        if outcome.right is not None:
            self.comparisons["accuracy"].add(outcome.canary, not outcome.right)

    def _see(self, canary: bool, who: float | None) -> None:
        if who is not None and len(self._who[canary]) < self._settings.step_sessions:
            self._who[canary].add(who)

    def _add_seconds(self, canary: bool, seconds: float) -> None:
        # The limit is set from what lay before a block, and stays for the block: the same for both versions.
        closed = self._slow_s is None
        if self._slow_s is not None:
            closed = self.comparisons["latency"].add(canary, seconds > self._slow_s)
        if not canary:
            self._seconds.append(seconds)
        if closed and len(self._seconds) >= _FEWEST_SECONDS:
            self._slow_s = sorted(self._seconds)[len(self._seconds) * 95 // 100]

    def begin_step(self) -> None:
        """Count anew for the next step; what was learnt about the canary stays."""
        self._step = {False: 0, True: 0}
        self._who = {False: set(), True: set()}

    def verdict(self, step_s: float, last: bool) -> Verdict:
        """Say what to do after `step_s` seconds in this step; before the `last` one ends the canary must be shown to be safe.

        The three metrics share `false_alarm` (Bonferroni) with the bet on failures of a canary that answers alone: a canary within its limits is rolled back at any time with
        that probability at most; one that fails or lags beyond a limit goes live with that probability at most for each.
        """
        alarm = math.log((len(METRICS) + 1) / self._settings.false_alarm)
        errors = self.comparisons["errors"]
        if not errors.live_seen and errors.alone >= alarm:
            return Verdict("rollback", self._why("errors-alone", "errors"))
        for name, one in self.comparisons.items():
            if one.worse >= alarm:
                return Verdict("rollback", self._why(name, name))
        wanted, live, canary = self._settings.step_requests, self._step[False], self._step[True]
        if min(live, canary) < wanted or step_s < self._settings.step_s:
            return Verdict("hold", {"reason": "requests", "canary_step": canary, "live_step": live})
        if min(map(len, self._who.values())) < self._settings.step_sessions:
            return Verdict("hold", {"reason": "sessions"})  # a version's failures could be those of one who asks
        for name, one in self.comparisons.items():
            if one.worse >= (_DOUBT if last else alarm / 2):
                return Verdict("hold", self._why(f"{name}-in-doubt", name))
            if last and not self._shown(name, one):
                return Verdict("hold", self._why(f"{name}-not-shown", name))
        return Verdict("advance", self._why("within-limits", "errors"))

    def _shown(self, name: str, one: Comparison) -> bool:
        # Feedback is rare: of accuracy no proof is asked, where any comes, but a step's number of judged answers within the limit.
        if name == "accuracy":
            return not one.live.seen or (one.canary.seen >= self._settings.step_requests and one.within)
        return one.safe >= -math.log(self._settings.false_alarm)

    def numbers(self, name: str) -> dict[str, float]:
        """Return what was counted for a metric, its limit, and the stake against the canary (1 = nothing is known)."""
        one = self.comparisons[name]
        return {
            "canary_seen": one.canary.seen + one.unpaired.seen,
            "canary_bad": one.canary.bad + one.unpaired.bad,
            "live_seen": one.live.seen,
            "live_bad": one.live.bad,
            "limit": one.margin,
            "evidence": round(math.exp(min(one.worse if one.live_seen else one.alone, 50.0)), 2),
        }

    def _why(self, reason: str, name: str) -> dict[str, Any]:
        return {"reason": reason} | self.numbers(name)
