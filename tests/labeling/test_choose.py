"""Choosing what to ask next: what every strategy keeps to, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from appliance.errors import SettingsError
from labeling import choose as module
from labeling.choose import STRATEGIES, Round, choose, like
from labeling.head import fit

Array = np.ndarray[Any, Any]


def clouds(rows: int, labels: int, seed: int = 0, width: int = 16, spread: float = 0.25) -> tuple[Array, Array]:
    """Unit vectors around one centre a label, half floats, and the label of each."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(labels, width))
    targets = generator.integers(0, labels, rows)
    points = centres[targets] / np.linalg.norm(centres[targets], axis=1, keepdims=True)
    points += generator.normal(size=points.shape) * spread
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16), targets


def rounds() -> Iterator[tuple[str, Round]]:
    """The situations that every strategy must live with."""
    points, targets = clouds(300, 5)
    known = list(range(0, 60, 2))
    fresh = Round(points, [], [], 5, 20)
    later = Round(points, known, [int(one) for one in targets[known]], 5, 20)
    yield "nothing labelled", fresh
    yield "some labelled", later
    yield "a head is given", replace(later, head=fit(points[known], targets[known], 5))
    yield "one label seen", replace(later, targets=[3] * len(known))
    yield "two labels", replace(later, targets=[int(one) % 2 for one in targets[known]], labels=2)
    yield "lengths", replace(later, lengths=np.arange(300))
    yield "closed and asked", replace(later, closed=list(range(100, 290)), asked=[1, 3, 5])
    yield "more wanted than open", replace(later, batch=1000)
    yield "one row wanted", replace(later, batch=1)
    yield "none open", replace(later, closed=list(range(300)))
    yield "copies", Round(np.repeat(points[:3], 40, axis=0), [0, 40], [0, 1], 5, 20)
    yield "copies, nothing labelled", Round(np.repeat(points[:1], 50, axis=0), [], [], 5, 20)
    yield "two rows", Round(points[:2], [], [], 2, 20)
    yield "no rows", Round(points[:0], [], [], 2, 20)
    yield "wanted labels", replace(later, wanted=[100, 0, 0, 30, 0])
    yield "examples of a rare label", replace(fresh, examples=points[7:9])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("situation", "known"), [pytest.param(name, one, id=name) for name, one in rounds()])
def test_every_strategy_gives_open_rows_once_and_as_many_as_wanted(strategy: str, situation: str, known: Round) -> None:
    """Distinct, open, exactly as many as asked for (or all there are), the same again by the same seed, alone and as a batch."""
    for rows in (STRATEGIES[strategy](known), choose(known, strategy).rows):
        assert len(set(rows)) == len(rows) == min(known.batch, len(known.open))
        assert set(rows) <= set(known.open.tolist())
        assert all(type(row) is int for row in rows)
    assert STRATEGIES[strategy](known) == STRATEGIES[strategy](replace(known))
    assert choose(known, strategy) == choose(replace(known), strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_batch_holds_its_random_tenth(strategy: str) -> None:
    """At least a tenth of each batch is drawn at random and marked so, spread over the batch."""
    points, targets = clouds(400, 5)
    batch = choose(Round(points, [0, 1, 2, 3], [int(one) for one in targets[:4]], 5, 25), strategy)
    drawn = [place for place, reason in enumerate(batch.reasons) if reason == "random"]
    assert len(drawn) >= 3 and len(batch.rows) == len(batch.reasons) == 25
    assert strategy == "random" or (drawn[0] < 5 and drawn[-1] > 12)


def test_the_random_rows_of_all_batches_are_the_head_of_one_order() -> None:
    """What was drawn at random, with what the strategy happened to take first, is a prefix of one shuffle of the data set."""
    points, targets = clouds(300, 5)
    rows: list[int] = []
    drawn: list[int] = []
    for _round in range(6):
        batch = choose(Round(points, rows, [int(one) for one in targets[rows]], 5, 20, seed=4))
        drawn += [row for row, reason in zip(batch.rows, batch.reasons, strict=True) if reason == "random"]
        rows += batch.rows
    order = np.random.default_rng(4).permutation(300).tolist()
    last = max(order.index(row) for row in drawn)
    assert set(order[: last + 1]) <= set(rows)


def test_another_seed_chooses_other_rows() -> None:
    points, _targets = clouds(300, 5)
    one, other = (choose(Round(points, [], [], 5, 20, seed=seed)).rows for seed in (0, 1))
    assert one != other


def test_a_strategy_that_is_not_known_is_refused() -> None:
    points, _targets = clouds(10, 2)
    with pytest.raises(SettingsError, match=r"no strategy `entropy`.*cluster-margin"):
        choose(Round(points, [], [], 2, 2), "entropy")


def test_a_cold_start_finds_more_labels_than_chance() -> None:
    """TypiClust takes one typical row of each cluster: with as many rows as labels it misses few labels."""
    points, targets = clouds(1000, 30, spread=0.12)
    typical, drawn = (
        len(set(targets[STRATEGIES[name](Round(points, [], [], 30, 30))].tolist())) for name in ("typiclust", "random")
    )
    assert typical >= 28 > drawn


def test_typiclust_leaves_out_clusters_that_are_known() -> None:
    """Rows that have a label or wait for one cover their clusters: the next ones are of other clusters."""
    points, targets = clouds(600, 12, spread=0.08)
    known = [int(np.flatnonzero(targets == label)[0]) for label in range(6)]
    chosen = module.typiclust(Round(points, known[:3], [0, 1, 2], 12, 6, asked=known[3:]))
    assert set(targets[chosen].tolist()) == set(range(6, 12))


def test_margin_asks_where_two_labels_are_near() -> None:
    """Rows between two centres come before rows at a centre."""
    angle = np.linspace(0, np.pi / 2, 91)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)
    chosen = module.margin(Round(points, [0, 90], [0, 1], 2, 5))
    assert all(35 <= row <= 55 for row in chosen)


def test_cluster_margin_asks_for_different_uncertain_rows() -> None:
    """Of a crowd of uncertain copies it takes few, so that a batch teaches more than one thing."""
    generator = np.random.default_rng(0)
    crowd = np.array([0.7, 0.7, 0.1, 0]) + generator.normal(size=(100, 4)) * 0.005
    others = np.array([0.6, 0.6, 0, 0]) + generator.normal(size=(40, 4)) * 0.3
    ends = np.array([[1, 0, 0, 0], [0, 1, 0, 0]])
    points = np.concatenate([ends, crowd, others])
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)
    chosen = module.cluster_margin(Round(points, [0, 1], [0, 1], 2, 10))
    assert sum(2 <= row < 102 for row in chosen) <= 4


def test_of_two_that_teach_as_much_the_shorter_is_asked_about() -> None:
    """Texts that lie together are told apart by what they cost to read."""
    points, targets = clouds(400, 4)
    lengths = np.where(np.arange(400) % 2, 2000, 100)
    known = Round(points, [0, 1, 2, 3], [int(one) for one in targets[:4]], 4, 40)
    long = [
        sum(lengths[row] > 1000 for row in module.cluster_margin(one))
        for one in (known, replace(known, lengths=lengths))
    ]
    assert long[1] < long[0]


def test_a_label_that_lacks_records_gets_its_part() -> None:
    """Rows that are most surely of a wanted label fill up to half of the batch, marked `target`."""
    points, targets = clouds(600, 6, spread=0.15)
    known = list(range(60))
    before = Round(points, known, [int(one) for one in targets[known]], 6, 20, wanted=[50, 0, 0, 0, 0, 0])
    batch = choose(before)
    aimed = [row for row, reason in zip(batch.rows, batch.reasons, strict=True) if reason == "target"]
    assert 4 <= len(aimed) <= 10 and np.mean(targets[aimed] == 0) > 0.9
    assert "target" not in choose(replace(before, wanted=[1, 1, 0, 0, 0, 0])).reasons


def test_an_example_finds_a_rare_label_at_once() -> None:
    """Six rows of 3,000 look like the example: the first batch holds some, where chance would hold none."""
    points, _targets = clouds(3000, 1, seed=1)
    rare, _same = clouds(6, 1, seed=9, spread=0.1)
    points[100:106] = rare
    example = rare[:1].astype(np.float32)
    batch = choose(Round(points, [], [], 2, 20, examples=example))
    seeds = [row for row, reason in zip(batch.rows, batch.reasons, strict=True) if reason == "seed"]
    assert set(seeds) & set(range(100, 106)) and len(seeds) == 9


def test_like_gives_the_nearest_and_leaves_out_copies_and_what_is_taken() -> None:
    points, _targets = clouds(200, 3)
    points[50:60] = points[5]
    found = like(points, points[5:6], [5], 4)
    assert found[0] == 50 and not set(found[1:]) & set(range(50, 60)) and 5 not in found
    assert like(points, points[5:6], range(195), 10) == sorted(
        range(195, 200), key=lambda row: -float(points[row].astype(float) @ points[5].astype(float))
    )


def test_a_label_nobody_has_seen_does_not_stop_the_margin() -> None:
    """Five labels on offer, two seen: probabilities of the others are 0 and the margin is that of the two."""
    points, targets = clouds(200, 2)
    known = [int(np.flatnonzero(targets == label)[0]) for label in (0, 1)]
    assert len(module.cluster_margin(Round(points, known, [1, 4], 5, 20))) == 20
