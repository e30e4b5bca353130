"""Shapes tell why something was found, and nothing of what stood there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privacy.shapes import Shapes, shape


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("Call <PERSON_0> at noon, ward 12B.", "Xxxx <PERSON> xx xxx,"),
        ("患者<PERSON_0>，床号12", "中中<PERSON>，中中dd"),
        ("<PHONE_0>", "<PHONE>"),
        ("<PHONE_0> by <ROBERT_SMITH_1> <PHONE_5362298>", "<PHONE> xx ·XXX_XXX_d·"),
        ("from <PERSON_0> and <PERSON_0>", "xxx <PERSON> xxx <PERSON>"),
    ],
)
def test_the_words_around_become_classes(shown: str, told: str) -> None:
    start = shown.index("<")
    assert shape(shown, start, shown.index(">") + 1) == told


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_letter_or_digit_of_the_text_is_told(before: str, after: str) -> None:
    shown = f"{before.replace('<', '')}<PERSON_0>{after.replace('<', '')}"
    start = shown.index("<PERSON_0>")
    told = shape(shown, start, start + 10).replace("<PERSON>", "|")
    assert not any(map(str.isalnum, re.sub(r"[Xxd中]", "", told)))
    assert not re.search(r"(.)\1{3}", told)


def test_the_most_frequent_shapes_are_kept_and_memory_is_bounded() -> None:
    shapes = Shapes()
    for number in range(3000):
        shapes.see("call <PHONE_0>" if number % 3 else "." * (number % 7) + "x" * (number % 3) + "<PHONE_0>")
    found = shapes.as_dict()["PHONE"]
    assert found[0]["shape"] == "xxx <PHONE>" and len(found) <= 5 and sum(each["count"] for each in found) <= 2000
