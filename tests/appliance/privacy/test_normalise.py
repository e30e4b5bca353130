"""What hides a number is undone, and every offset leads back to the text as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privacy.normalise import normalise


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain ascii", "plain ascii"),
        ("１３８００１３８０００", "13800138000"),
        ("13\u200b80\ufeff0", "13800"),
        ("a＠b．com", "a@b.com"),
        ("a@b。com", "a@b.com"),
        ("203。0。113。166", "203.0.113.166"),
        ("手机13967390463。203.0.113.166有人", "手机13967390463。203.0.113.166有人"),
        ("好。是", "好。是"),
        ("Jose\u0301", "José"),
        ("138–0013—8000", "138-0013-8000"),
        ("说——好", "说——好"),
        ("٣٤", "34"),
        ("①𝟏⑳", "1120"),
        ("：（）", ":()"),
        ("\U0001f600１", "\U0001f6001"),
    ],
)
def test_hidden_forms_become_plain(text: str, plain: str) -> None:
    assert normalise(text).text == plain


def test_a_span_leads_back_over_what_was_invisible() -> None:
    text = "号\U0001f600：１\u200b３８。"
    plain = normalise(text)
    start = plain.text.index("138")
    assert plain.original(start, start + 3) == (3, 7)
    assert text[3:7] == "１\u200b３８"


@given(st.text(st.sampled_from("a1１ \u200b中。—éé́①ﬁ😀\u0301\ufe0f"), max_size=30))
def test_offsets_are_exact_and_in_order(text: str) -> None:
    """Plain characters point at units that come in order, and between them the units hold every visible character of the text."""
    plain = normalise(text)
    spans = [plain.original(index, index + 1) for index in range(len(plain.text))]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    covered = {place for start, end in spans for place in range(start, end)}
    assert all(place in covered for place, character in enumerate(text) if character not in "\u200b\ufe0f")


def test_an_ascii_text_costs_no_map() -> None:
    assert normalise("nothing to do").starts == ()
