"""The lists of names and words are there, in lower case, and their parts do not overlap."""

import pytest

from appliance.privacy.recognizers import gazetteer


@pytest.mark.parametrize("names", [gazetteer.given_names, gazetteer.surnames, gazetteer.cities])
def test_each_list_has_sure_and_unsure_names_apart(names) -> None:
    sure, unsure = names()
    assert len(sure) > len(unsure) > 100
    assert not sure & unsure
    assert all(name == name.casefold() for name in sure | unsure)


def test_cities_are_known_with_accents_and_without() -> None:
    sure, _unsure = gazetteer.cities()
    assert {"diyarbakır", "kraków", "krakow", "da nang"} <= sure


def test_names_that_are_words_are_not_sure() -> None:
    assert "smith" in gazetteer.surnames()[0] | gazetteer.surnames()[1]
    assert "brown" in gazetteer.surnames()[1]
    assert "reading" in gazetteer.cities()[1]


def test_word_lists_are_there() -> None:
    assert "court" in gazetteer.word_list("nameless")
    with pytest.raises(KeyError):
        gazetteer.word_list("no such list")
