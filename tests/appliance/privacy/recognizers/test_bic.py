"""Business identifier codes, and the words of eight letters that look like one."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import bic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SWIFT code: DEUTDEFF500", {"DEUTDEFF500"}),
        ("swift is CHASUS33", {"CHASUS33"}),
        ("BIC COBADEFFXXX please", {"COBADEFFXXX"}),
        ("SWIFT: DEUT DE FF 500", {"DEUT DE FF 500"}),
        ("COBADEFF (BIC)", {"COBADEFF"}),
        ("国际银行代码为BKCHCNBJ", {"BKCHCNBJ"}),
        ("IBAN GB29 NWBK 6016 1331 9268 19, CHASUS33", {"CHASUS33"}),
        ("HOSPITAL swift HANDLING", set()),
        ("CHASUS33", set()),
        ("SWIFT: ABCDZZ22", set()),  # no such country
    ],
)
def test_codes(text: str, expected: set[str]) -> None:
    assert {text[hit.start : hit.end] for hit in bic.find(text)} == expected
