"""Labels: found by their words in any case, the longest first, in the forms in which tables and notes put a number behind them."""

from __future__ import annotations

import re

import pytest

from appliance.privacy.recognizers.labels import BETWEEN, Labels

LABELS = Labels(
    (("case, case file", 1), ("PAN, pan card", 2), ("driver'?s licen[cs]e", 3), ("身份证, 身份证号", 4), ("病案号", 5))
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the Case is", [("Case", 1)]),
        ("case_file 12", [("case_file", 1)]),
        ("a frying pan", []),
        ("PAN and pan card", [("PAN", 2), ("pan card", 2)]),
        ("Driver's License", [("Driver's License", 3)]),
        ("showcases", []),
        ("查身份证号和病案号", [("身份证号", 4), ("病案号", 5)]),
        ("", []),
    ],
)
def test_labels_are_found(text: str, expected: list[tuple[str, int]]) -> None:
    assert [(text[start:end], row) for start, end, row in LABELS.find(text)] == expected


@pytest.mark.parametrize(
    "between",
    [": ", "：", " | ", '": "', "\n", "\t", "】", "（", " is ", " was given as ", "为", "填的是", "栏填", " = “"],
)
def test_what_stands_between_a_label_and_its_number(between: str) -> None:
    assert re.fullmatch(rf"(?:{BETWEEN})+", between)


@pytest.mark.parametrize("between", [" of ", "和", ", ", " for the "])
def test_what_does_not(between: str) -> None:
    assert not re.fullmatch(rf"(?:{BETWEEN})+", between)
