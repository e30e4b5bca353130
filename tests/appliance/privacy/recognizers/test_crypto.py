"""Addresses of crypto-currencies: the published ones, and strings that fail their check."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import crypto

BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
SEGWIT = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"  # EIP-55
MONERO = "4" + "8" + "7xQjzP2mKd" * 9 + "abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"send to {BITCOIN}.", {(BITCOIN, "BITCOIN")}),
        (f"转到{SEGWIT}", {(SEGWIT, "BITCOIN")}),
        (SEGWIT.upper(), {(SEGWIT.upper(), "BITCOIN")}),
        (f"ETH {ETHEREUM}", {(ETHEREUM, "ETHEREUM")}),
        (BITCOIN[:-1] + "b", set()),
        (SEGWIT[:-1] + "5", set()),
        (f"my monero wallet {MONERO}", {(MONERO, "")}),
        ("0x529084", set()),
        ("AnAddressOfThirtyFourLettersWithout1", set()),
    ],
)
def test_addresses(text: str, expected: set[tuple[str, str]]) -> None:
    assert {(text[hit.start : hit.end], hit.form) for hit in crypto.find(text)} == expected
