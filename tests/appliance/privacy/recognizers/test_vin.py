"""Vehicle identification numbers: the sample of 49 CFR 565, with and without a word."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import vin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VIN 1M8GDM9AXKP042788", {"1M8GDM9AXKP042788": 0.95}),
        ("车架号：1M8GDM9AXKP042788。", {"1M8GDM9AXKP042788": 0.95}),
        ("VIN: 1M8 GDM9 AXKP 042788", {"1M8 GDM9 AXKP 042788": 0.95}),
        ("1M8GDM9AXKP042788", {"1M8GDM9AXKP042788": 0.5}),
        ("chassis WVWZZZ1JZXW000001", {"WVWZZZ1JZXW000001": 0.8}),  # Europe leaves the check open
        ("WVWZZZ1JZXW000001", {}),
        ("part 1M8GDM9AXKP042788", {}),
        ("12345678901234567", {}),
        ("INTERNATIONALIZED", {}),
    ],
)
def test_vehicles(text: str, expected: dict[str, float]) -> None:
    assert {text[hit.start : hit.end]: hit.score for hit in vin.find(text)} == expected
