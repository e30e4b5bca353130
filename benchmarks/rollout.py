"""How often the guard of a canary is wrong, and how soon it is right: simulated traffic through the real decision.

`python benchmarks/rollout.py [--runs 1000] [CASE ...]`

Each request is drawn: a failure, a time (log-normal, as texts of mixed lengths give), and for one answer in ten whether
it was right. The guard looks after every 20 requests and follows the default steps (5, 10, ... 50 %, then live); time is
not waited for. `A/A` is the live version against itself; `A/A, no margin` with all limits set to 0, where every
difference would count, so that the 5 % of `release.false_alarm` is what is tested: it can never be shown to be safe, and
is looked at 100 times, over 2,000 requests. `requests` and `of the canary` are
medians of those seen when the decision fell.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections import Counter
from dataclasses import dataclass

from appliance.release.trial import Outcome, Trial
from appliance.settings import ReleaseSettings

LOOK_REQUESTS = 20
DEFAULT = ReleaseSettings(step_s=0)
NO_MARGIN = ReleaseSettings(step_s=0, max_error_rise=0, max_slow_rise=0, max_accuracy_drop=0)


@dataclass(frozen=True)
class Version:
    """A version's share of failures, its time for a text (live = 1) and its share of wrong answers."""

    fails: float = 0.002
    slowness: float = 1.0
    wrong: float = 0.10


CASES = {
    "A/A": (Version(), DEFAULT),
    "A/A, no margin": (Version(), NO_MARGIN),
    "5 % of requests fail": (Version(fails=0.05), DEFAULT),
    "every request fails": (Version(fails=1.0), DEFAULT),
    "2x slower": (Version(slowness=2.0), DEFAULT),
    "1.3x slower": (Version(slowness=1.3), DEFAULT),
    "20 points less accurate": (Version(wrong=0.30), DEFAULT),
    "2x faster, 5 points better": (Version(slowness=0.5, wrong=0.05), DEFAULT),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names of cases; default: all")
    given = parser.parse_args()
    runs = given.runs
    print("| canary | runs | rolled back | live | undecided | requests | of the canary |")
    print("|---|---|---|---|---|---|---|")
    for name in given.cases or CASES:
        canary, settings = CASES[name]
        ends = [simulate(seed, canary, settings, 2_000 if settings is NO_MARGIN else 10_000) for seed in range(runs)]
        actions = Counter(action for action, _requests, _canary in ends)
        requests, tried = statistics.median(end[1] for end in ends), statistics.median(end[2] for end in ends)
        shares = " | ".join(f"{actions[action] / runs:.1%}" for action in ("rollback", "advance", "hold"))
        print(f"| {name} | {runs} | {shares} | {requests:,.0f} | {tried:,.0f} |", flush=True)


def simulate(seed: int, canary: Version, settings: ReleaseSettings, most: int) -> tuple[str, int, int]:
    """Run one canary to its end: what was done, after how many requests, and how many of them were the canary's."""
    source, trial, live = random.Random(seed), Trial(settings), Version()
    step, tried = 0, 0
    for number in range(1, most + 1):
        on_trial = source.random() * 100 < settings.canary_percents[step]
        tried += on_trial
        request(source, trial, canary if on_trial else live, on_trial)
        if number % LOOK_REQUESTS == 0:
            last = settings.canary_percents[step + 1] == 100
            action = trial.verdict(0.0, last).action
            if action == "rollback" or (action == "advance" and last):
                return action, number, tried
            if action == "advance":
                step += 1
                trial.begin_step()
    return "hold", most, tried


def request(source: random.Random, trial: Trial, version: Version, on_trial: bool) -> None:
    """Draw what becomes of one request and tell the trial."""
    failed = source.random() < version.fails
    seconds = None if failed else source.lognormvariate(0, 0.5) * version.slowness
    trial.add(Outcome(on_trial, source.random(), failed, seconds))
    if source.random() < 0.1:
        trial.add(Outcome(on_trial, right=source.random() >= version.wrong))


if __name__ == "__main__":
    main()
