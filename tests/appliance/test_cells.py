"""A typed cell becomes the text that its author saw, or is refused."""

from __future__ import annotations

import datetime

import pytest

from appliance.cells import LostDigits, NoText, cell_text, sheet_text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a", "a"), ("", None), (None, None), (True, "true"), (3, "3"), (13800138000.0, "13800138000"), (1.5, "1.5"), (-2.0, "-2"),
        (float("nan"), None), (datetime.date(2024, 1, 5), "2024-01-05"), (datetime.time(9, 30), "09:30:00"), (10**18, "1" + "0" * 18),
    ],
)  # fmt: skip
def test_a_cell_becomes_the_text_its_author_saw(cell: object, text: str | None) -> None:
    assert cell_text(cell) == text


@pytest.mark.parametrize("cell", [1.1010519491231e17, 1e11, -123456789012.0, 1e-7, float("inf")])
def test_a_number_that_lost_digits_is_no_text(cell: float) -> None:
    with pytest.raises(LostDigits):
        cell_text(cell)


@pytest.mark.parametrize("cell", [b"x", [1], {"a": 1}])
def test_a_cell_of_another_kind_is_named(cell: object) -> None:
    with pytest.raises(NoText, match=type(cell).__name__):
        cell_text(cell)


@pytest.mark.parametrize(
    ("cell", "told"),
    [("1.10105E+17", True), ("1.1e+11", True), ("1E5", False), ("12E4", False), ("call 1.1E+17", False)],
)
def test_only_a_whole_cell_in_scientific_form_counts(cell: str, told: bool) -> None:
    if told:
        with pytest.raises(LostDigits):
            sheet_text(cell)
    else:
        assert sheet_text(cell) == cell


def test_a_whole_number_of_12_digits_in_a_sheet_is_none() -> None:
    assert sheet_text(99_999_999_999) == "99999999999"
    with pytest.raises(LostDigits):
        sheet_text(100_000_000_000)
