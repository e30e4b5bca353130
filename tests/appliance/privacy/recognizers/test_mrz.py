"""Machine-readable zones: the specimens that ICAO prints, as they are copied."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import mrz

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")


@pytest.mark.parametrize("zone", ["\n".join(TD3), " ".join(TD3), "\r\n".join(TD3), "\n".join(TD1)])
def test_a_zone_goes_as_a_whole_with_the_name_in_it(zone: str) -> None:
    text = f"Scan: {zone} end"
    best = max(mrz.find(text), key=lambda hit: hit.score)
    assert (text[best.start : best.end], best.kind, best.form, best.score) == (zone, "PASSPORT", "MRZ", 1.0)


def test_a_misread_letter_does_not_save_it() -> None:
    text = "\n".join(TD3).replace("7408122", "7408123")
    assert max(hit.score for hit in mrz.find(text)) >= 0.85


def test_a_line_alone_is_found() -> None:
    for line in (TD3[0], TD3[1], TD1[1]):
        assert [line[hit.start : hit.end] for hit in mrz.find(line)] == [line]


@pytest.mark.parametrize("text", ["cout << PASSPORT << endl", "a<b and c<<d", "<<<<<<<<<<", "if x < 1234567 and y > 1"])
def test_code_and_comparisons_are_no_zones(text: str) -> None:
    assert list(mrz.find(text)) == []
