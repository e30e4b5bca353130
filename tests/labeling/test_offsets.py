"""Places in a text go from code points to UTF-16 units and back, whatever the characters are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import InputError
from labeling.offsets import from_utf16, to_utf16

# Plain, Han, combining marks, a joined family, a flag, a musical symbol, a Han character beyond U+FFFF, lone surrogates, zero width.
ODD = [
    "a",
    "é",
    "e\u0301",
    "诊",
    "👨‍👩‍👧",
    "🇨🇳",
    "𝄞",
    "𠮷",
    "\ud83d",
    "\ude00",
    "\u200b",
    "\u202e",
    "👍🏽",
    "\U0010ffff",
    "\uffff",
]
texts = st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=20).map("".join)


def units(text: str) -> int:
    """Count UTF-16 code units the long way: lone surrogates pass."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(texts)
def test_every_place_comes_back(text: str) -> None:
    """Each code point of a text, and its end, has one place in units that leads back to it; places keep their order."""
    points = list(range(len(text) + 1))
    there = to_utf16(text, points)
    assert from_utf16(text, there) == points
    assert there == sorted(set(there))


@given(texts)
def test_a_place_is_the_length_of_what_stands_before_it(text: str) -> None:
    assert to_utf16(text, range(len(text) + 1)) == [units(text[:end]) for end in range(len(text) + 1)]


@given(texts)
def test_only_the_middle_of_a_pair_is_refused(text: str) -> None:
    """A unit is refused exactly where no code point begins there."""
    begins = {units(text[:end]) for end in range(len(text) + 1)}
    for unit in range(units(text) + 1):
        if unit in begins:
            assert units(text[: from_utf16(text, [unit])[0]]) == unit
        else:
            with pytest.raises(InputError, match="inside a character"):
                from_utf16(text, [unit])


@pytest.mark.parametrize(
    ("text", "word", "start", "end"),
    [
        ("I am John 😀 Smith", "Smith", 13, 18),
        ("😀😀 张伟", "张伟", 5, 7),
        ("𠮷野家 在北京", "北京", 6, 8),
        ("e\u0301a", "a", 2, 3),
    ],
)
def test_a_word_behind_wide_characters_is_found(text: str, word: str, start: int, end: int) -> None:
    """The places that a browser gives for a word are those of the word."""
    place = text.index(word)
    assert to_utf16(text, [place, place + len(word)]) == [start, end]
    first, last = from_utf16(text, [start, end])
    assert text[first:last] == word


@pytest.mark.parametrize("place", [-1, 4])
def test_a_place_outside_the_text_is_refused(place: int) -> None:
    with pytest.raises(InputError, match="outside a text that ends at 3"):
        to_utf16("abc", [place])
    with pytest.raises(InputError, match="outside a text that ends at 3"):
        from_utf16("a😀", [place])
