"""What all formats answer alike: columns and cells."""

from __future__ import annotations

import datetime

import pytest

from appliance.data.formats.rows import IngestOptions, LostDigits, cell_text, is_scientific, require_columns
from appliance.errors import InputError

OPTIONS = IngestOptions("text", label_column="label", id_column="id", keep_columns=("ward", "text"))


def test_a_missing_column_is_named_with_those_there_and_the_option() -> None:
    with pytest.raises(
        InputError, match=r"`a.csv`: no column `label`; it has `text`, `id`, `ward`; .*`--label-column`"
    ):
        require_columns("a.csv", OPTIONS, ["text", "id", "ward"])
    with pytest.raises(InputError, match=r"`--keep-column`"):
        require_columns("a.csv", OPTIONS, ["text", "id", "label"])
    with pytest.raises(InputError, match=r"`--text-column`"):
        require_columns("a.csv", OPTIONS, [])


def test_a_text_column_that_is_also_kept_is_asked_for_as_the_text() -> None:
    assert OPTIONS.wanted["text"] == "--text-column"
    require_columns("a.txt", OPTIONS, ["label", "id", "ward"], text=False)


def test_a_headerless_file_does_not_show_its_first_row() -> None:
    with pytest.raises(InputError) as caught:
        require_columns("a.csv", OPTIONS, ["110101194912310000", "li@example.org", "x" * 41, "ward 7"])
    assert "it has …, …, …, `ward 7`;" in str(caught.value)


def test_a_wanted_column_that_stands_twice_is_refused_and_any_other_is_not() -> None:
    with pytest.raises(InputError, match="two columns"):
        require_columns("a.csv", OPTIONS, ["text", "label", "id", "ward", "id"])
    require_columns("a.csv", OPTIONS, ["text", "label", "id", "ward", "x", "x"])


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
    with pytest.raises(TypeError, match=type(cell).__name__):
        cell_text(cell)


@pytest.mark.parametrize(
    ("cell", "told"),
    [("1.10105E+17", True), ("1.1e+11", True), ("1E5", False), ("12E4", False), ("call 1.1E+17", False)],
)
def test_only_a_whole_cell_in_scientific_form_counts(cell: str, told: bool) -> None:
    assert is_scientific(cell) is told
