"""The search: it never repeats itself, learns from what was tried, and gives the best more time."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from appliance.compress.menu import Variant
from appliance.compress.recipes import PRESETS
from appliance.compress.search import FIRST, Point, expected_s, name_of, propose, recipe_at
from appliance.compress.student import Student
from appliance.settings import CompressSettings

SETTINGS = CompressSettings()


def tried(point: Point, teacher: Student) -> Variant:
    """A variant as it would be measured: what is cut away makes it smaller, faster and worse."""
    recipe = recipe_at(point, teacher)
    left = (point["layers"] / 2) * (0.2 + 0.4 * point["heads"] + 0.4 * point["neurons"])
    cost = {
        "size_ratio": 5 / left,
        "latency_ratio": 2 / left,
        "size_bytes": 1e7 * left,
        "latency_ms": {"1x16": 10 * left},
    }
    drop = 0.08 * (1 - left) / point["epochs"]
    quality = {"metric": 0.93 - drop, "drop": drop, "rows": 1000, "lost": round(1000 * drop), "won": 0}
    return Variant(name_of(recipe), asdict(recipe), point, Path("v"), {}, cost, quality, None, 1.0)


def search(teacher: Student, count: int, settings: CompressSettings = SETTINGS) -> list[Variant]:
    past: list[Variant] = []
    for _trial in range(count):
        point = propose(teacher, past, settings)
        assert point is not None
        past.append(tried(point, teacher))
    return past


def test_no_recipe_is_tried_twice(tiny: Student) -> None:
    names = [variant.name for variant in search(tiny, 16)]
    assert len(set(names)) == 16


def test_a_search_that_was_cut_short_goes_on_as_if_it_had_not_been(tiny: Student) -> None:
    """The same past gives the same proposal: what survives a kill are the variants alone."""
    whole = search(tiny, 14)
    again = [propose(tiny, whole[:count], SETTINGS) for count in range(14)]
    assert again == [variant.point for variant in whole]


def test_another_seed_searches_elsewhere(tiny: Student) -> None:
    other = search(tiny, 6, CompressSettings(seed=5))
    assert [variant.name for variant in other] != [variant.name for variant in search(tiny, 6)]


def test_what_is_promising_gets_twice_the_time(tiny: Student) -> None:
    """First trials are short; later some of the front are repeated with longer recovery, and no more than sixteen epochs."""
    epochs = [variant.point["epochs"] for variant in search(tiny, 24) if variant.point][FIRST:]
    assert 1.0 in epochs[:2]
    assert {1.0, 2.0} <= set(epochs) <= {1.0, 2.0, 4.0, 8.0, 16.0}


def test_the_first_points_go_from_much_to_little(tiny: Student) -> None:
    """The menu is to be spread over sizes before the sampler looks closer; whatever the seed."""
    first = [variant.point for variant in search(tiny, FIRST)]
    assert first == [variant.point for variant in search(tiny, FIRST, CompressSettings(seed=5))]
    depth = [point["layers"] for point in first if point]
    assert depth == sorted(depth, reverse=True) and min(depth) >= 1


def test_what_a_recipe_would_take_goes_by_what_others_took(tiny: Student) -> None:
    """Twice the epochs take twice the learning; measuring comes once; what learns nothing takes the measuring alone."""
    short, whole = PRESETS["int8"](tiny), PRESETS["small"](tiny)
    assert whole.recovery and whole.settle
    twice = replace(
        whole,
        settle=replace(whole.settle, epochs=2 * whole.settle.epochs),
        recovery=replace(whole.recovery, epochs=2 * whole.recovery.epochs),
    )
    cost: dict[str, Any] = {}
    past = [
        Variant("int8", asdict(short), None, Path("v"), {}, cost, {}, None, 10.0),
        Variant("small", asdict(whole), None, Path("v"), {}, cost, {}, None, 110.0),
    ]
    seconds = [expected_s(recipe, tiny, past) for recipe in (short, whole, twice)]
    assert seconds == pytest.approx([10.0, 110.0, 210.0])
    assert expected_s(whole, tiny, []) == 0.0


def test_a_point_says_what_is_kept_and_never_less_than_a_head_and_a_block_a_layer(tiny: Student) -> None:
    point = {"layers": 2, "heads": 0.125, "neurons": 0.125, "reserve": 500, "table_bits": 4, "epochs": 1.0}
    recipe = recipe_at(point, tiny)
    assert (recipe.layers, recipe.heads, recipe.neurons, recipe.table_bits) == (2, 2, 32, 4)
    assert name_of(recipe) == "l2-h2-n32-r500-b4-e1"


def test_it_ends_when_nothing_is_left_to_try(tiny: Student) -> None:
    """A space of a few hundred points is used up at last; then there is no proposal, and no endless loop."""
    points = [
        {"layers": 2, "heads": heads, "neurons": neurons, "reserve": reserve, "table_bits": bits, "epochs": 1.0}
        for heads in (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
        for neurons in (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
        for reserve in (2000, 4000, 8000, 12_000)
        for bits in (4, 8)
    ]
    strict = CompressSettings(max_size_mb=0.001)  # nothing is promising, so nothing is lengthened
    assert propose(tiny, [tried(point, tiny) for point in points], strict) is None
