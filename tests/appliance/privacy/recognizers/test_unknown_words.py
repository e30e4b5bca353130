"""A capital word that no dictionary has, in the place of a name."""

import pytest

from appliance.privacy.recognizers.unknown_words import find

KNOWN = frozenset(["monday", "hospital", "bank", "clinic", "arrive", "walk", "general", "manager"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She arrived at Sisseb today", [("Sisseb", "LOCATION")]),
        ("I work for Socrata", [("Socrata", "ORGANIZATION")]),
        ("it was written by Quionia", [("Quionia", "PERSON")]),
        ("I am in TROMSØ now", [("TROMSØ", "LOCATION")]),
        ("she came from Hospital", []),
        ("they met at Clinics", []),  # an inflection of a word that is known
        ("measured in MRSA", []),  # plain capitals are abbreviations
        ("he sat in silence", []),
    ],
)
def test_unknown_words_in_the_place_of_a_name(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(text[hit.start : hit.end], hit.kind) for hit in find(text, KNOWN)] == expected


def test_without_a_dictionary_nothing_is_unknown() -> None:
    assert list(find("I work for Socrata", frozenset())) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it was Abdulkadir Yılmaz again", "Abdulkadir Yılmaz"),
        ("follow up with patricia desrosiers soon", "patricia desrosiers"),
    ],
)
def test_unknown_words_beside_a_name(text: str, expected: str) -> None:
    assert expected in {text[hit.start : hit.end] for hit in find(text, KNOWN)}


def test_the_eager_search_takes_every_unknown_capital() -> None:
    text = "Quionia went to the Hospital"
    assert {text[hit.start : hit.end] for hit in find(text, KNOWN, eager=True)} == {"Quionia"}
