"""The guard in the server: real models and pointers, requests as they are told to it, and what it then does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.api_keys import add_key
from appliance.approvals import approve
from appliance.errors import ApplianceError, InputError
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import approval_of, promote, releases
from appliance.schema import Model, Prediction
from appliance.serve.rollout import Rollout, outcome_of
from appliance.serve.router import Router, Served
from appliance.serve.service import Answered
from appliance.settings import ReleaseSettings
from appliance.spool import Spool
from appliance.store import Store
from tests.loading import load_here
from tests.tiny_onnx import add_model

SETTINGS = ReleaseSettings(canary_percents=(20, 50, 100), step_requests=40, max_error_rise=0.05, max_slow_rise=0.2)


@dataclass
class Site:
    """A release with a canary, its router and its guard; the clock is turned by hand."""

    store: Store
    live: Model
    canary: Model
    metrics: Metrics = field(default_factory=Metrics)
    settings: ReleaseSettings = SETTINGS
    time_s: float = 0.0

    def __post_init__(self) -> None:
        promote(self.store, self.live, "triage")
        promote(self.store, self.canary, "triage", "canary", percent=20)
        self.router = Router(self.store.home, "main", 0.0, self.metrics, load_here)  # type: ignore[arg-type]
        self.router.load()
        spool = Spool(self.store.home, "main", "guard")
        self.guard = Rollout(self.router, self.settings, spool, self.metrics, lambda: self.time_s)
        self.guard.check()  # the first step begins

    def requests(self, count: int, first: int, status: int = 200, seconds: float = 0.01) -> Counter[str]:
        """Let so many sessions ask, the canary answering with this status and time; returns who answered."""
        stages: Counter[str] = Counter()
        for number in range(first, first + count):
            served = self.router.pick("triage", None, "key", b"session-%d" % number)
            stages[served.stage] += 1
            canary = served.stage == "canary"
            self.guard.answered(answered(served, status if canary else 200, seconds if canary else 0.01))
        return stages

    def look(self) -> None:
        """Let time pass and the guard look."""
        self.time_s += 61
        self.guard.check()

    def actions(self, action: str) -> float:
        """How often the guard has done this."""
        labels = {"model": "triage", "action": action}
        return self.metrics.registry.get_sample_value("skerry_release_changes_total", labels) or 0.0


def answered(served: Served, status: int = 200, seconds: float = 0.01, kind: str = "predict") -> Answered:
    answers = [Prediction("card", 0.9)] if status == 200 else [None]
    return Answered(served, ["w1"], answers, status, seconds, "r1", "key", kind, [seconds])  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    store = Store.open(tmp_path / "home")
    return Site(store, add_model(store, seed=0), add_model(store, seed=1))


def test_a_canary_gets_its_share_and_each_session_keeps_its_version(site: Site) -> None:
    sessions = [b"session-%d" % number for number in range(2000)]
    first = {session: site.router.pick("triage", None, "key", session).stage for session in sessions}
    assert 0.15 < list(first.values()).count("canary") / len(sessions) < 0.25
    assert first == {session: site.router.pick("triage", None, "key", session).stage for session in sessions}
    other = {session: site.router.pick("triage", None, "other key", session).stage for session in sessions}
    assert first != other
    assert {site.router.pick("triage").stage for _turn in range(50)} == {"live"}  # batches and descriptions


def test_who_has_the_canary_keeps_it_as_its_share_grows(site: Site) -> None:
    sessions = [b"session-%d" % number for number in range(300)]
    first = [one for one in sessions if site.router.pick("triage", None, "key", one).stage == "canary"]
    promote(site.store, site.canary, "triage", "canary", percent=20)  # again: nothing changes
    site.requests(1000, 0)
    site.look()
    assert releases(site.store.home, "main")[0].percent == 50
    assert all(site.router.pick("triage", None, "key", one).stage == "canary" for one in first)


def test_another_home_draws_others(site: Site, tmp_path: Path) -> None:
    """The draw is keyed: who knows the sessions of one site cannot tell another's."""
    store = Store.open(tmp_path / "other")
    other = Site(store, add_model(store, seed=0), add_model(store, seed=1))
    sessions = [b"session-%d" % number for number in range(500)]
    drawn = [[one.router.pick("triage", None, "key", session).stage for session in sessions] for one in (site, other)]
    assert drawn[0] != drawn[1]
    assert (site.store.home / "canary.key").stat().st_mode & 0o777 == 0o600


def test_a_good_canary_goes_live_step_by_step(site: Site) -> None:
    for turn in range(12):
        site.requests(300, turn * 300)
        site.look()
    (release,) = releases(site.store.home, "main")
    assert (release.version, release.canary, release.previous) == (site.canary.id, None, (site.live.id,))
    assert (site.actions("advance"), site.actions("promote"), site.actions("rollback")) == (1, 1, 0)
    events = Store.open(site.store.home).events("triage")
    assert [(event.verb, event.actor) for event in events[-2:]] == [("advance", "guard"), ("promote", "guard")]
    assert site.router.pick("triage", None, "key", b"").version == site.canary.id[:12]


@pytest.mark.parametrize(("status", "seconds", "reason"), [(500, 0.01, "errors"), (200, 0.5, "latency")])
def test_a_bad_canary_is_rolled_back_within_its_first_requests(
    site: Site, status: int, seconds: float, reason: str
) -> None:
    asked = 0
    while releases(site.store.home, "main")[0].canary and asked < 2000:
        site.requests(100, asked, status, seconds)
        site.look()
        asked += 100
    assert asked <= 300
    event = Store.open(site.store.home).events("triage")[-1]
    assert (event.verb, event.actor, event.details["stage"], event.details["reason"]) == (
        "rollback",
        "guard",
        "canary",
        reason,
    )
    assert {site.router.pick("triage", None, "key", b"session-%d" % number).stage for number in range(200)} == {"live"}
    assert site.actions("rollback") == 1


def test_a_request_for_a_version_by_name_is_no_evidence(site: Site) -> None:
    """A tester who sends poison to the canary alone proves nothing."""
    site.requests(50, 0)
    for _turn in range(200):
        site.guard.answered(answered(site.router.pick("triage", site.canary.id[:12]), 500))
    site.look()
    assert releases(site.store.home, "main")[0].canary == site.canary.id


def test_wrong_answers_roll_a_canary_back_where_feedback_comes(site: Site) -> None:
    site.requests(100, 0)
    for number in range(300):
        canary = number % 2 == 0
        site.guard.judged("triage", (site.canary if canary else site.live).id, not canary)
    site.look()
    event = Store.open(site.store.home).events("triage")[-1]
    assert event.details["reason"] == "accuracy"


def test_without_its_event_nothing_happens(site: Site) -> None:
    (site.store.home / "spool").write_text("in the way")
    site.requests(300, 0, status=500)
    site.look()
    assert releases(site.store.home, "main")[0].canary == site.canary.id
    (site.store.home / "spool").unlink()
    site.look()
    assert releases(site.store.home, "main")[0].canary is None


def test_two_people_hold_the_guard_at_the_last_step(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    settings = SETTINGS.model_copy(update={"approvals": 2})
    site = Site(store, add_model(store, seed=0), add_model(store, seed=1), settings=settings)
    for turn in range(12):
        site.requests(300, turn * 300)
        site.look()
    assert releases(store.home, "main")[0].percent == 50
    for owner in ("ann", "bo"):
        approve(store, approval_of("triage"), site.canary.id, add_key(store, owner)[1])
    site.look()
    assert releases(store.home, "main")[0].version == site.canary.id


def test_a_canary_that_cannot_be_loaded_ends_and_live_goes_on(site: Site) -> None:
    broken = add_model(site.store, seed=2)
    promote(site.store, broken, "triage", "canary", percent=20)
    (broken.folder / "model.onnx").write_bytes(b"changed after it was promoted")
    site.router.refresh()
    assert site.router.pick("triage", None, "key", b"x").stage == "live"
    site.look()
    (release,) = releases(site.store.home, "main")
    assert (release.version, release.canary) == (site.live.id, None)
    assert Store.open(site.store.home).events("triage")[-1].details["reason"] == "not-loadable"


def test_another_canary_is_judged_anew(site: Site) -> None:
    site.requests(60, 0, status=500)
    second = add_model(site.store, seed=2)
    promote(site.store, second, "triage", "canary", percent=20)
    site.router.refresh()
    site.look()
    assert releases(site.store.home, "main")[0].canary == second.id


def test_what_a_person_did_meanwhile_stands(site: Site) -> None:
    site.requests(300, 0, status=500)
    promote(site.store, site.canary, "triage")  # by hand, before the guard looks
    site.look()
    (release,) = releases(site.store.home, "main")
    assert (release.version, release.canary) == (site.canary.id, None)
    assert site.actions("rollback") == 0


def test_what_counts_as_a_failure(site: Site) -> None:
    served = site.router.pick("triage", None, "key", b"")

    def failed(status: int, answer: object) -> bool | None:
        told = Answered(served, ["w1"], [answer], status, 0.1, "r", "key", "predict", [0.1])  # type: ignore[list-item]
        outcome = outcome_of(told)
        return None if outcome is None else outcome.failed

    good = Prediction("card", 0.9)
    assert [failed(200, good), failed(200, ApplianceError("x")), failed(200, InputError("x"))] == [False, True, False]
    assert [failed(status, None) for status in (408, 500, 503)] == [True, True, True]
    assert [failed(status, None) for status in (413, 422, 429, 499)] == [None, None, None, None]


def test_one_client_without_sessions_moves_no_canary(site: Site) -> None:
    for _turn in range(500):
        for key in ("one", "two", "three"):
            site.guard.answered(answered(site.router.pick("triage", None, key, b"")))
    site.look()
    assert releases(site.store.home, "main")[0].percent == 20


def test_a_canary_whose_file_changes_before_it_goes_live_goes_back(site: Site) -> None:
    turn = 0
    while releases(site.store.home, "main")[0].percent < 50:
        site.requests(300, turn * 300)
        site.look()
        turn += 1
    (site.canary.folder / "model.onnx").write_bytes(b"changed after it was loaded")
    while releases(site.store.home, "main")[0].canary and turn < 20:
        site.requests(300, turn * 300)
        site.look()
        turn += 1
    (release,) = releases(site.store.home, "main")
    assert (release.version, release.canary) == (site.live.id, None)
    assert Store.open(site.store.home).events("triage")[-1].details["reason"] == "changed"
