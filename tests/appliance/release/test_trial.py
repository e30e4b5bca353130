"""The test of a canary: fair however often one looks, quick with a bad one, patient with a good one."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.release.trial import Comparison, Outcome, Share, Trial, Verdict, log_alone, log_stake
from appliance.settings import ReleaseSettings

SHARES = [0.0, 0.001, 0.01, 0.05, 0.3, 0.5, 0.9, 1.0]
guesses = st.floats(0.001, 0.999)


def expected(a: int, b: int, p: float, q: float, margin: float, true_a: float, true_b: float) -> float:
    """The expectation of a block's factor when the shares are `true_a` and `true_b`, over all outcomes."""
    total = 0.0
    for bad_a, bad_b in product(range(a + 1), range(b + 1)):
        chance = math.comb(a, bad_a) * true_a**bad_a * (1 - true_a) ** (a - bad_a)
        chance *= math.comb(b, bad_b) * true_b**bad_b * (1 - true_b) ** (b - bad_b)
        total += chance * math.exp(log_stake(Share(a, bad_a), Share(b, bad_b), p, q, margin))
    return total


@given(st.integers(1, 4), st.integers(1, 4), guesses, guesses, st.sampled_from([-0.3, -0.01, 0.0, 0.01, 0.05, 0.3]))
def test_a_bet_never_wins_on_average_when_it_is_wrong(a: int, b: int, p: float, q: float, margin: float) -> None:
    """The theorem behind the test, over all outcomes: b's share at most a's plus the margin, so no gain."""
    for true_a, true_b in product(SHARES, SHARES):
        if true_b <= true_a + margin:
            assert expected(a, b, p, q, margin, true_a, true_b) <= 1 + 1e-6


@pytest.mark.parametrize(("p", "q", "margin"), [(0.05, 0.3, 0.05), (0.001, 0.05, 0.01), (0.2, 0.19, -0.05)])
def test_a_bet_wins_on_average_when_it_is_right(p: float, q: float, margin: float) -> None:
    assert expected(3, 2, p, q, margin, p, q) > 1


def test_a_block_waits_for_both_versions() -> None:
    comparison = Comparison(0.0)
    assert [comparison.add(canary, True) for canary in (False, False, True)] == [False, False, True]
    assert (comparison.live, comparison.canary) == (Share(2, 2), Share(1, 1))


def simulated(
    seed: int,
    settings: ReleaseSettings,
    canary: tuple[float, float, float],
    live: tuple[float, float, float] = (0.002, 1.0, 0.1),
    share: float = 0.2,
    requests: int = 4000,
) -> Verdict:
    """Both versions as (share of failures, slowness, share of wrong answers); one in ten gets feedback."""
    source, trial = random.Random(seed), Trial(settings)
    verdict = Verdict("hold", {})
    for number in range(1, requests + 1):
        tried = source.random() < share
        fails, slowness, wrong = canary if tried else live
        failed = source.random() < fails
        trial.add(Outcome(tried, source.random(), failed, None if failed else source.lognormvariate(0, 0.5) * slowness))
        if source.random() < 0.1:
            trial.add(Outcome(tried, right=source.random() >= wrong))
        if number % 10 == 0:
            verdict = trial.verdict(3600.0, last=True)
            if verdict.action != "hold":
                return verdict
    return verdict


SETTINGS = ReleaseSettings()


@pytest.mark.parametrize(
    ("canary", "reason"),
    [
        ((0.05, 1.0, 0.1), "errors"),
        ((1.0, 1.0, 0.1), "errors"),
        ((0.002, 2.0, 0.1), "latency"),
        ((0.002, 1.0, 0.6), "accuracy"),
    ],
)
def test_a_bad_canary_is_rolled_back_with_its_reason(canary: tuple[float, float, float], reason: str) -> None:
    for seed in range(5):
        verdict = simulated(seed, SETTINGS, canary)
        assert (verdict.action, verdict.why["reason"]) == ("rollback", reason)
        assert verdict.why["canary_seen"] < 500


def test_a_good_canary_is_let_on() -> None:
    verdicts = [simulated(seed, SETTINGS, (0.002, 1.0, 0.1), share=0.5, requests=8000) for seed in range(10)]
    assert [verdict.action for verdict in verdicts].count("advance") >= 9


def test_an_equal_canary_is_hardly_ever_rolled_back_even_without_a_margin() -> None:
    """60 runs here; `benchmarks/rollout.py` does 1,000 and more."""
    strict = ReleaseSettings(max_error_rise=0, max_slow_rise=0, max_accuracy_drop=0)
    actions = [simulated(seed, strict, (0.002, 1.0, 0.1), requests=1000).action for seed in range(60)]
    assert actions.count("rollback") <= 7  # 60 runs of 5 %: more than 7 in 2 of 100 such tests


def test_nothing_is_decided_before_the_step_has_its_requests_and_its_time() -> None:
    trial = Trial(SETTINGS)
    for number in range(SETTINGS.step_requests * 2 - 1):
        trial.add(Outcome(number % 2 == 0, number, False, 0.01))
    assert trial.verdict(3600, last=False).why["reason"] == "requests"
    trial.add(Outcome(False, 1, False, 0.01))
    assert trial.verdict(1.0, last=False).action == "hold"
    assert trial.verdict(3600, last=False).action == "advance"
    trial.begin_step()
    assert trial.verdict(3600, last=False).action == "hold"


def test_before_the_last_step_the_canary_must_be_shown_to_be_safe() -> None:
    """A hundred requests without a failure do not show that fewer than 1 in 100 will fail."""
    trial = Trial(SETTINGS)
    for number in range(SETTINGS.step_requests * 2):
        trial.add(Outcome(number % 2 == 0, number, False, None))
    assert trial.verdict(3600, last=False).action == "advance"
    assert trial.verdict(3600, last=True).why["reason"] == "errors-not-shown"


def test_the_same_limit_of_time_holds_for_both_versions_of_a_block() -> None:
    """Equal times, both with the same outliers, are no reason to act."""
    trial = Trial(SETTINGS)
    for number in range(2000):
        trial.add(Outcome(number % 2 == 0, number, False, 1.0 if number % 50 < 2 else 0.01))
    slow = trial.comparisons["latency"]
    assert abs(slow.live.bad / slow.live.seen - slow.canary.bad / slow.canary.seen) < 0.02
    assert trial.verdict(3600, last=False).action == "advance"


def test_one_who_asks_all_the_time_is_not_enough() -> None:
    """What one client sends could be the reason for what its version does."""
    trial = Trial(SETTINGS)
    for number in range(1000):
        trial.add(Outcome(number % 2 == 0, number % 4, False, 0.01))
    assert trial.verdict(3600, last=False).why["reason"] == "sessions"
    for number in range(40):
        trial.add(Outcome(number % 2 == 0, number, False, 0.01))
    assert trial.verdict(3600, last=False).action == "advance"


def test_a_canary_whose_judged_answers_are_beyond_the_limit_does_not_go_live() -> None:
    """Too few to prove anything, and too bad to go on."""
    trial = Trial(SETTINGS)
    for number in range(3000):
        trial.add(Outcome(number % 2 == 0, number, False, 0.01))
    for number in range(240):
        canary = number % 2 == 0
        trial.add(Outcome(canary, right=number % 40 >= (6 if canary else 4)))
    accuracy = trial.comparisons["accuracy"]
    assert accuracy.canary.seen >= SETTINGS.step_requests
    assert accuracy.canary.bad / accuracy.canary.seen > accuracy.live.bad / accuracy.live.seen + accuracy.margin
    verdict = trial.verdict(3600, last=True)
    assert verdict.action == "hold" and verdict.why["reason"].startswith("accuracy-")
    assert trial.verdict(3600, last=False).action == "advance"


@given(guesses, st.sampled_from([0.0, 0.01, 0.05, 0.3]), st.sampled_from(SHARES))
def test_a_bet_on_a_canary_alone_never_wins_on_average_when_it_is_wrong(
    guess: float, margin: float, true: float
) -> None:
    if true <= margin:
        gain = true * math.exp(log_alone(guess, True, margin)) + (1 - true) * math.exp(log_alone(guess, False, margin))
        assert gain <= 1 + 1e-6


def test_a_canary_that_answers_alone_and_fails_is_rolled_back() -> None:
    """One client, which the draw gave to the canary: there is nobody to compare with."""
    trial = Trial(ReleaseSettings())
    for _request in range(10):
        trial.add(Outcome(True, 0.01, failed=True))
    verdict = trial.verdict(1.0, last=False)
    assert (verdict.action, verdict.why["reason"]) == ("rollback", "errors-alone")
    assert verdict.why["canary_bad"] == 10


def test_a_canary_that_answers_alone_and_well_stays_on_trial() -> None:
    trial = Trial(ReleaseSettings())
    for number in range(5000):
        trial.add(Outcome(True, 0.01, failed=number % 500 == 0))
        assert trial.verdict(1.0, last=False).action == "hold"


def test_what_was_bet_alone_counts_no_more_once_the_live_version_answers() -> None:
    trial = Trial(ReleaseSettings())
    for _request in range(10):
        trial.add(Outcome(True, 0.01, failed=True))
    trial.add(Outcome(False, 0.9, failed=True))  # it fails as well
    assert trial.verdict(1.0, last=False).action == "hold"
