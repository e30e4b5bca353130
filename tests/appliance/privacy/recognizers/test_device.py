"""Identifiers of telephones and their cards."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import device


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMEI 490154203237518", {("490154203237518", "IMEI", 0.9)}),
        ("手机串号：490154203237518", {("490154203237518", "IMEI", 0.9)}),
        ("IMEI: 49-015420-323751-8", {("49-015420-323751-8", "IMEI", 0.9)}),
        ("IMEI 490154203237519", {("490154203237519", "IMEI", 0.75)}),
        ("49-015420-323751-8", {("49-015420-323751-8", "IMEI", 0.6)}),
        ("490154203237518", set()),
        ("ICCID 89860012345678901235", {("89860012345678901235", "ICCID", 0.75)}),
        ("SIM卡89860012345678901235", {("89860012345678901235", "ICCID", 0.75)}),
    ],
)
def test_devices(text: str, expected: set[tuple[str, str, float]]) -> None:
    assert {(text[hit.start : hit.end], hit.form, hit.score) for hit in device.find(text)} == expected
