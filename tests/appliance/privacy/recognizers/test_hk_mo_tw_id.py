"""Identity cards of Hong Kong, Macau and Taiwan: samples of the authorities, in both languages."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import hk_mo_tw_id


def scores(text: str) -> dict[str, float]:
    return {text[hit.start : hit.end]: hit.score for hit in hk_mo_tw_id.find(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("香港身份证A123456(3)", {"A123456(3)": 0.9}),
        ("HKID: AB987654(3), thanks", {"AB987654(3)": 0.9}),
        ("Hong Kong ID a123456 (3)", {"a123456 (3)": 0.9}),
        ("身份证A1234563", {"A1234563": 0.9}),
        ("A123456(3)", {"A123456(3)": 0.5}),  # one in eleven: unsure without a word
        ("A123456(4)", {}),
        ("香港身份证A123456(4)", {"A123456(4)": 0.6}),  # mistyped
        ("台湾身份证A123456789", {"A123456789": 0.9}),
        ("Taiwan ID A123456789", {"A123456789": 0.9}),
        ("居留证A800000014", {"A800000014": 0.9}),
        ("A123456789", {"A123456789": 0.45}),
        ("型号A123456789", {}),
        ("澳门身份证1234567(8)", {"1234567(8)": 0.85}),
        ("Macau BIR 5123456(7)", {"5123456(7)": 0.85}),
        ("5123456(7)", {}),
        ("see A12 and B34", {}),
    ],
)
def test_cards(text: str, expected: dict[str, float]) -> None:
    assert scores(text) == expected
