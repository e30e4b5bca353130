"""What lies before a person: keys that never collide, colours, guidelines, texts with all their code points."""

from __future__ import annotations

import pytest

from appliance.annotations import new_label
from appliance.schema import LabelTask
from labeling.desk import COMMANDS, choices, guidelines


def task(count: int, **keys: str) -> LabelTask:
    labels = tuple(new_label(f"label {number}", key=keys.get(f"k{number}", "")) for number in range(count))
    return LabelTask("triage", "main", "0" * 64, "single", labels)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 30])
def test_every_label_has_a_key_of_its_own_that_is_no_command(count: int) -> None:
    keys = [one.key for one in choices(task(count))]
    assert len(set(keys)) == count and all(len(key) == 1 for key in keys)
    assert not set(keys) & set(COMMANDS)
    assert keys[:9] == list("123456789")[:count]


@pytest.mark.parametrize("count", [31, 77, 500])
def test_more_labels_than_keys_are_searched(count: int) -> None:
    assert {one.key for one in choices(task(count))} == {""}


def test_a_chosen_key_stays_and_others_go_round_it() -> None:
    keys = [one.key for one in choices(task(5, k0="3", k2="X", k3="z", k4="3"))]
    assert keys == ["3", "1", "x", "2", "4"]  # z is a command; of two that want 3, the first has it


def test_guidelines_are_headings_items_and_paragraphs() -> None:
    assert guidelines("# A\n\n- one\n* two\nthree <i>\n") == [
        ("heading", "A"),
        ("item", "one"),
        ("item", "two"),
        ("paragraph", "three <i>"),
    ]
