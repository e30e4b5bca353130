"""The menu: who is beaten, who is chosen, and what the test split says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.compress.menu import Variant, choose, dominated, front, verdict, within
from appliance.settings import CompressSettings

SETTINGS = CompressSettings()


def variant(
    name: str = "one",
    *,
    size: float = 2.0,
    faster: float = 2.0,
    metric: float = 0.9,
    lost: int = 0,
    won: int = 0,
    refused: str | None = None,
) -> Variant:
    """A variant measured on 1,000 validation rows; its teacher takes 10 ms and 90 MB."""
    cost = {
        "size_ratio": size,
        "latency_ratio": faster,
        "size_bytes": round(90e6 / size),
        "latency_ms": {"1x16": 10 / faster},
    }
    quality: dict[str, Any] = {"metric": metric, "rows": 1000, "lost": lost, "won": won, "drop": (lost - won) / 1000}
    return Variant(name, {}, None, Path(name), {}, cost, quality, refused, 1.0)


def test_one_that_is_as_good_everywhere_and_better_somewhere_beats() -> None:
    plain = variant()
    assert dominated(plain, [variant("smaller", size=3.0)])
    assert not dominated(plain, [variant("smaller", size=3.0, metric=0.8)])
    assert not dominated(plain, [variant("same")])
    assert not dominated(plain, [])


def test_the_front_leaves_out_who_is_beaten_and_who_is_refused() -> None:
    """A transformer that the n-gram student beats in all three is not on the menu."""
    ngrams = variant("tiny", size=80.0, faster=60.0, metric=0.92)
    beaten = variant("small", size=36.0, faster=9.0, metric=0.91)
    best, broken = variant("int8", size=4.0, metric=0.93), variant("broken", size=99.0, metric=0.95, refused="differs")
    assert [one.name for one in front([beaten, ngrams, broken, best])] == ["int8", "tiny"]


def test_the_smallest_and_fastest_that_will_probably_stand_the_test_is_chosen() -> None:
    """With 3,000 test rows: 3 of 1,000 lost is clear of one point, 9 of 1,000 is not."""
    safe = variant("safe", size=10.0, faster=3.0, metric=0.927, lost=5, won=2)
    bold = variant("bold", size=36.0, faster=9.0, metric=0.921, lost=20, won=11)
    int8 = variant("int8", size=4.0, faster=2.0, metric=0.93)
    chosen = choose([int8, safe, bold], SETTINGS, 3000)
    assert chosen is not None and chosen.name == "safe"
    braver = choose([int8, safe, bold], CompressSettings(max_drop=0.03), 3000)
    assert braver is not None and braver.name == "bold"


def test_when_none_is_likely_to_stand_the_test_the_likeliest_is_taken() -> None:
    worse = variant("worse", size=36.0, faster=9.0, metric=0.80, lost=140)
    bad = variant("bad", size=4.0, metric=0.85, lost=90)
    chosen = choose([worse, bad], SETTINGS, 3000)
    assert chosen is not None and chosen.name == "bad"


@pytest.mark.parametrize(("limits", "kept"), [({"max_latency_ms": 3.0}, "fast"), ({"max_size_mb": 5.0}, "small")])
def test_the_limits_of_time_and_size_come_first(limits: dict[str, float], kept: str) -> None:
    fast, small = variant("fast", size=5.0, faster=9.0), variant("small", size=36.0, faster=2.0)
    settings = CompressSettings(**limits)
    assert [one.name for one in (fast, small) if within(one, settings)] == [kept]
    chosen = choose([fast, small], settings, 3000)
    assert chosen is not None and chosen.name == kept


def test_nothing_is_chosen_when_nothing_keeps_the_limits() -> None:
    assert choose([variant()], CompressSettings(max_size_mb=0.1), 3000) is None


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.002, 0.010, "accepted"), (0.011, 0.03, "refused"), (0.004, 0.014, "undecided"), (0.010, 0.02, "undecided")],
)
def test_the_verdict_is_what_the_bounds_leave_possible(low: float, high: float, said: str) -> None:
    tested = {"low": low, "high": high, "lost": 30, "won": 3, "rows": 3000}
    assert verdict(tested, 0.01)["verdict"] == said


def test_an_open_verdict_tells_how_many_rows_would_close_it() -> None:
    found = verdict({"low": 0.001, "high": 0.011, "lost": 33, "won": 15, "rows": 3000}, 0.01)
    assert found["verdict"] == "undecided" and found["rows_needed"] > 3000
