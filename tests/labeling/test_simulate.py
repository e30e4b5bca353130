"""The loop against known labels: what it counts, and that it promises nothing that it does not see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.pipeline import label_simulate
from appliance.store import Store
from labeling.choose import Round, choose
from labeling.simulate import Known, Plan, _curve, interval_of_ratio, known_of, labels_to, play, rising, simulate
from tests.fakes import tiny_records
from tests.labeling.people import small_store
from tests.labeling.test_choose import clouds


@pytest.fixture(scope="module")
def many() -> Known:
    """Forty labels, some of them rare, that a typical record each teaches."""
    points, targets = clouds(1500, 40, spread=0.2)
    return Known(points[:1100], targets[:1100], points[1100:], targets[1100:], 40)


@pytest.fixture(scope="module")
def few() -> Known:
    """Two labels that overlap so much that no record teaches more than another."""
    points, targets = clouds(900, 2, spread=1.2)
    return Known(points[:600], targets[:600], points[600:], targets[600:], 2)


def test_with_many_labels_it_saves_and_says_how_much(many: Known) -> None:
    found = simulate(many, Plan(batch=40, seeds=3))
    assert found["saved"] and 0 < found["ratio_90"] < 0.9
    assert found["ratio_90_low"] <= found["ratio_90"] <= found["ratio_90_high"]
    assert found["ratio_95_low"] <= found["ratio_95"] <= found["ratio_95_high"]
    assert found["fell_back"] == 0 and "needed" in found["sentence"]
    assert len(found["labels_90"]) == len(found["random_labels_95"]) == 3
    assert json.loads(json.dumps(found)) == found


def test_a_curve_stays_within_a_hundred_percent_and_ends_where_the_runs_do() -> None:
    runs = [{"ours": [(20, one), (40, 1.0)][:ends], "random": [(20, 1.0)]} for one, ends in ((0.9, 1), (1.0, 2))]
    (point,) = _curve(runs)
    assert point["accuracy_high"] == 1.0 and 0 < point["accuracy_low"] < point["accuracy"] == 0.95


def test_with_few_labels_it_gives_up_and_claims_nothing(few: Known) -> None:
    """The strategy is given up on what the random records show, and the result says that nothing was saved."""
    found = simulate(few, Plan(batch=40, seeds=3))
    assert found["fell_back"] >= 1
    assert not found["saved"] and "saved nothing" in found["sentence"]


def test_what_is_given_up_is_told_in_the_batch() -> None:
    """Two labels that any few records teach: half of a batch stays the control slice, the rest is drawn at random in the strategy's place; a sentence says so."""
    points, truth = clouds(300, 2, spread=0.1)
    rows = list(range(60))
    asked = Round(points, rows, [int(one) for one in truth[:60]], 2, 20, control=rows[:30])
    batch = choose(asked)
    assert Counter(batch.reasons) == {"random": 10, "fallback": 10}
    assert "on the 30 records drawn at random" in batch.fell_back and "from all 60 labels" in batch.fell_back
    assert choose(asked, "random").fell_back == choose(replace(asked, control=rows[:10])).fell_back == ""
    assert choose(replace(asked, examples=points[:1])).fell_back == ""


def test_a_rare_label_is_not_given_up(few: Known) -> None:
    """Where a label is hardly in the slice, the slice cannot tell that looking for it saves nothing."""
    rows = list(range(200))
    targets = [int(row in (150, 160)) for row in rows]
    batch = choose(Round(few.embeddings, rows, targets, 2, 20, control=rows[:100]))
    assert batch.fell_back == "" and "cluster-margin" in batch.reasons


def test_a_run_labels_each_record_once_and_can_be_had_again(many: Known) -> None:
    run = play(many, "cluster-margin", 40, 0, enough=2.0)
    assert sorted(run.rows) == list(range(1100))
    assert [count for count, _accuracy in run.curve][:3] == [40, 80, 120]
    assert set(run.control) < set(run.rows) and len(run.control) >= 110
    assert run.curve[-1][1] == pytest.approx(many.accuracy(), abs=0.02)
    assert play(many, "cluster-margin", 40, 0, enough=0.5) == play(many, "cluster-margin", 40, 0, enough=0.5)


def test_noise_turns_labels_to_learn_from_and_none_to_judge_by(many: Known) -> None:
    noisy = many.noisy(0.2, 1)
    assert np.mean(noisy.targets != many.targets) == pytest.approx(0.2, abs=0.04)
    assert np.array_equal(noisy.judge_targets, many.judge_targets)
    assert np.array_equal(noisy.targets, many.noisy(0.2, 1).targets)


def test_a_simulation_that_was_killed_goes_on(many: Known) -> None:
    """What was done is taken from where it was kept: seeds are not played twice, and the result is the same."""
    kept: dict[str, Any] = {}
    played: list[str] = []

    def once(name: str, work: Callable[[], Any]) -> Any:
        if name not in kept:
            if len(played) == 1 and not kept.get("again"):
                raise KeyboardInterrupt
            played.append(name)
            kept[name] = work()
        return kept[name]

    with pytest.raises(KeyboardInterrupt):
        simulate(many, Plan(batch=60, seeds=2), once)
    kept["again"] = True
    assert simulate(many, Plan(batch=60, seeds=2), once) == simulate(many, Plan(batch=60, seeds=2))
    assert played == ["seed 0", "seed 1"]


@pytest.mark.parametrize(
    ("curve", "level", "expected"),
    [
        ([(10, 0.5), (20, 0.7), (30, 0.9)], 0.8, 25),
        ([(10, 0.9)], 0.8, 10),
        ([(10, 0.5), (20, 0.9), (30, 0.7), (40, 1.0)], 0.8, 20),
        ([(10, 0.5), (20, 0.6)], 0.8, float("inf")),
        ([], 0.8, float("inf")),
    ],
)
def test_labels_are_counted_where_the_rising_curve_crosses(
    curve: list[tuple[int, float]], level: float, expected: float
) -> None:
    assert labels_to(curve, level) == pytest.approx(expected)


def test_a_rising_fit_pools_what_falls() -> None:
    assert rising([1, 3, 2, 4]) == [1, 2.5, 2.5, 4]
    assert rising([3, 2, 1]) == [2, 2, 2]


def test_the_interval_of_a_ratio_draws_seeds_in_pairs() -> None:
    """A ratio that is the same in every seed has no width, however the seeds differ."""
    theirs = [100.0, 200.0, 400.0, 50.0]
    assert interval_of_ratio([one / 2 for one in theirs], theirs) == pytest.approx((0.5, 0.5, 0.5))
    ratio, low, high = interval_of_ratio([60.0, 90.0, 210.0, 20.0], theirs)
    assert low < ratio < high


def labelled(store: Store, rows: int = 90, **change: Any) -> str:
    with store.draft("dataset", "old", meta={"stage": "curated"}) as draft:
        draft.meta["rows"] = store.write_records(draft, [replace(one, **change) for one in tiny_records(rows)])
    return str(draft.artifact.reference)


def test_the_verb_writes_json_and_pictures(tmp_path: Path) -> None:
    """`skerry label simulate` on a data set without a test split: a fifth judges, the curves lie in the folder."""
    store = small_store(tmp_path)
    found = label_simulate(store, labelled(store), seeds=2, count=10, out=str(tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert {key: value for key, value in found.items() if key != "files"} == written
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "out" / "curve.svg").read_text()
    assert found["rows"] < 90 and {"ratio_90", "ratio_95", "ratio_90_high", "curve", "sentence"} <= set(found)
    assert not any(record.text in json.dumps(found) for record in tiny_records(90))


def test_test_rows_judge_and_are_never_asked(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    records = [
        replace(one, split="test" if number % 3 == 0 else "train") for number, one in enumerate(tiny_records(90))
    ]
    with store.draft("dataset", "old", meta={"stage": "curated"}) as draft:
        draft.meta["rows"] = store.write_records(draft, records)
    known = known_of(store, draft.artifact)
    assert (len(known.targets), len(known.judge_targets)) == (60, 30)
    assert known.lengths is not None and len(known.lengths) == 60


def test_a_data_set_that_cannot_be_simulated_is_refused(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    with pytest.raises(InputError, match="fewer than two labels"):
        known_of(store, store.dataset(labelled(store, label="one")))
    with pytest.raises(InputError, match="no rows to choose from"):
        known_of(store, store.dataset(labelled(store, split="test")))
