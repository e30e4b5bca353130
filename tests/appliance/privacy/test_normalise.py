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
        ("❶❸➇", "138"),
        ("1\ufe0f\u20e33\ufe0f\u20e38\ufe0f\u20e3", "138"),
        ("1\u03363\u03368\u0336", "138"),
        ("138\x000013\x7f8000", "13800138000"),
        ("138\U000e00410013", "1380013"),
        ("a﹫b｡com", "a@b.com"),
        ("\ud83d", "\ufffd"),
        ("138O0138OOO", "13800138000"),
        ("138-0О13-8ΟOO", "138-0013-8000"),
        ("1l0 Ol2 in 1O lO0000000", "1l0 Ol2 in 1O lO0000000"),
        ("in 2019 I saw 2020 O", "in 2019 I saw 2020 O"),
        ("幺三八零零一三八零零零", "13800138000"),
        ("一三八 零零一三 八零零零", "138 0013 8000"),
        ("二〇一九年一月三十一日", "二〇一九年一月三十一日"),
        ("1 3 8 0 0 1 3 8 0 0 0", "13800138000"),
        ("1.3.8.0.0.1.3.8.0.0.0", "13800138000"),
        ("１-３-８-０-０-１-３-８-０-０-０", "13800138000"),
        ("1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8 9"),
        ("1.2.3.4", "1.2.3.4"),
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


def test_digits_set_apart_lead_back_to_all_of_the_number() -> None:
    text = "请打 1 3 8\u200b 0 0 １ 3 8 0 0 0 ，谢谢"
    plain = normalise(text)
    start = plain.text.index("13800138000")
    first, last = plain.original(start, start + 11)
    assert text[first:last] == "1 3 8\u200b 0 0 １ 3 8 0 0 0"


PIECES = st.sampled_from(
    [
        *"a1１O0l ​中。—éé́①ﬁ😀-.·٣❶三〇",
        "\u0301",
        "\ufe0f",
        "\u20e3",
        "\ud83d",
        "1 3 8 0 0 1 3 8 0 0 0",
        "138O0138OOO",
        "幺三八零零一三八零零零",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_offsets_are_exact_and_in_order(text: str) -> None:
    """Plain characters point at units that come in order, and between them the units hold every letter and digit of the text."""
    plain = normalise(text)
    spans = [plain.original(index, index + 1) for index in range(len(plain.text))]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    covered = {place for start, end in spans for place in range(start, end)}
    assert all(place in covered for place, character in enumerate(text) if character.isalnum())


@given(st.text(max_size=40))
def test_any_text_keeps_its_letters_in_their_places(text: str) -> None:
    """A letter or digit that is plain already comes out of its own place, whatever stands around it."""
    plain = normalise(text)
    for index, character in enumerate(plain.text):
        start, end = plain.original(index, index + 1)
        assert 0 <= start < end <= len(text)
        if end - start == 1 and text[start].isascii() and text[start].isalpha():
            assert character == text[start] or text[start] in "OoIl"


@given(st.text(max_size=40))
def test_a_plain_text_is_plain_already(text: str) -> None:
    """What comes out goes through a second time as it is."""
    once = normalise(text).text
    assert normalise(once).text == once


def test_an_ascii_text_costs_no_map() -> None:
    assert normalise("nothing to do").starts == ()
