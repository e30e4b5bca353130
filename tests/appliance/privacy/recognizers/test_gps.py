"""Positions, and pairs of numbers that are none."""

from __future__ import annotations

import pytest

from appliance.privacy.normalise import normalise
from appliance.privacy.recognizers import gps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("found at 31.230416, 121.473701.", {"31.230416, 121.473701"}),
        ("坐标：31.2304,121.4737", {"31.2304,121.4737"}),
        ("-33.8688° S, 151.2093° E", {"-33.8688° S, 151.2093° E"}),
        ("东经116°23′，北纬39°54′", {"东经116°23′", "北纬39°54′"}),
        ("51°30'26\" N", {"51°30'26\" N"}),
        ("lat: 39.9, lon: 116.40", {"39.9", "116.40"}),
        ("经度121.4737 纬度31.2304", {"121.4737", "31.2304"}),
        ("p values 0.0123, 0.0456", set()),
        ("10.1234 20.1234", set()),
        ("cost 123.45, 678.90", set()),
        ("95.123456, 190.123456", set()),
        ("heated to 90° for 5'", set()),
    ],
)
def test_positions(text: str, expected: set[str]) -> None:
    plain = normalise(text).text
    assert {plain[hit.start : hit.end] for hit in gps.find(plain)} == {normalise(each).text for each in expected}
