"""Security codes, expiries and PINs, which only their label tells."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import card_security


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CVV 123", {("123", "CVV")}),
        ("cvv2: 1234, exp. 12/27", {("1234", "CVV"), ("12/27", "CARD_EXPIRY")}),
        ("security code is 987", {("987", "CVV")}),
        ("安全码：345，有效期至 08/27", {("345", "CVV"), ("08/27", "CARD_EXPIRY")}),
        ("valid thru 03/2029", {("03/2029", "CARD_EXPIRY")}),
        ("expiry date\n11/26", {("11/26", "CARD_EXPIRY")}),
        ("PIN: 4821", {("4821", "PIN")}),
        ("取款密码是482193", {("482193", "PIN")}),
        ("pin 4 of the chip", set()),
        ("expires in 13/27", set()),
        ("有效期两年", set()),
    ],
)
def test_codes(text: str, expected: set[tuple[str, str]]) -> None:
    assert {(text[hit.start : hit.end], hit.form) for hit in card_security.find(text)} == expected
